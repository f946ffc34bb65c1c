/* ini - lines of sections and settings, one at a time.
 *
 *      ; a comment (or #)
 *      [section]
 *      key = value            white space around both is not part of them
 *
 * The key ends at the first '='. A value is the rest of its line: there are no inline comments,
 * quotes or continuation lines, so that a password or a model's name may hold any character.
 *
 * Own code although Debian has inih: that cuts section names at 49 bytes without a word, takes ':'
 * for '=' (which splits names like "llama3:8b"), passes over unknown sections that are empty, and
 * is steered by process-wide variables.
 */
#ifndef LEDGERD_BASE_INI_H
#define LEDGERD_BASE_INI_H

#include <stddef.h>

#include "ledgerd/base/error.h"

enum {
    INI_LINE_BYTES = 4096,        /* a database URI with all its options has a tenth of it */
    INI_FILE_BYTES = 1024 * 1024, /* thousands of name maps */
};

enum ini_kind { INI_END, INI_SECTION, INI_SETTING };

struct ini {
    const char *name; /* of the file, for messages */
    const char *at;   /* what is not read yet, NUL-terminated */
    size_t line;      /* number of the line read last, from 1 */
    char section[INI_LINE_BYTES];
    char text[INI_LINE_BYTES]; /* key and value point into it */
    const char *key;
    const char *value; /* "" if nothing stands after the '=' */
};

/* Begin to read `text`, which the caller keeps. */
void ini_begin(struct ini *ini, const char *name, const char *text);

/* Read up to the next section or setting: its kind in *kind; section, key and value are valid
 * until the next call. Settings before the first section have the section "". ERROR_INPUT names
 * file and line. */
int ini_next(struct ini *ini, enum ini_kind *kind, struct error *err);

/* An error about the line read last: "FILE:LINE: ...". Returns -1. */
int ini_error(const struct ini *ini, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
