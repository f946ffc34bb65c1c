/* json - the few members of an answer that a hook needs, out of any JSON object.
 *
 * The whole text must be JSON (RFC 8259) in UTF-8, nested at most JSON_DEPTH_MAX deep; nothing is
 * allocated.  Strings are cleaned as they are read: they become one line without control
 * characters, so that what ends up in logs and terminals cannot play tricks there.
 */
#ifndef CONTRIB_SLURM_CLIENT_JSON_H
#define CONTRIB_SLURM_CLIENT_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum { JSON_DEPTH_MAX = 32 };

/* A wanted member. A string is cut at the end of a character if it is too long. */
struct json_member {
    const char *name;
    char *text; /* of at least one byte, NUL-terminated; NULL: only whether it is there */
    size_t size;
    bool found; /* it is there, and not null */
};

/* Read an object from NUL-terminated text. Returns 0, or -1 if the text is no such object, a wanted
 * member is there twice, or one with a text is neither string nor null. */
int json_read(const char *text, size_t length, struct json_member *members, size_t count);

#endif
