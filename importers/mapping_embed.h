/* The mapping files of contrib/mappings, compiled in: the build writes the array. */
#ifndef IMPORTERS_MAPPING_EMBED_H
#define IMPORTERS_MAPPING_EMBED_H

#include <stddef.h>

struct mapping_text {
    const char *name; /* the file's, without its suffix */
    const char *text;
};

extern const struct mapping_text mapping_texts[];
extern const size_t mapping_texts_count;

#endif
