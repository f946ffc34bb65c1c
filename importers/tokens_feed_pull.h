/* tokens_feed_pull - what a way of getting token records gives them to. */
#ifndef IMPORTERS_TOKENS_FEED_PULL_H
#define IMPORTERS_TOKENS_FEED_PULL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "importers/importer.h"
#include "ledgerd/base/error.h"
#include "ledgerd/store/store.h"

struct tokens_feed {
    /* Book what `read` gives, each line an item or a JSON document; committed when it returns 0.
     * `name` stands in errors. */
    int (*take)(void *context, struct store *store, const char *name, bool by_line,
                input_read_fn *read, void *from, struct error *err);
    /* Something that an operator should know happened to a file; may be NULL. */
    void (*say)(void *context, const char *event, const char *path, uint64_t bytes);
    void *context;
    const atomic_bool *stop; /* ends a reading once true; NULL: never */
};

#endif
