/* sacct_delimiter - sacct's text with a delimiter that nobody could know beforehand, as text with
 * the plain one.
 *
 * sacct escapes nothing: a job's name may hold the delimiter and newlines, and so a whole row of
 * somebody else's job.  Therefore each call of sacct is given a delimiter made at random,
 *
 *      \x1f and eight random letters
 *
 * and what it writes passes through here: that delimiter becomes \x1f, and a \x1f that stood in the
 * text itself becomes \x1e.  A line without delimiters is then the rest of a name, and no row.
 */
#ifndef IMPORTERS_SACCT_DELIMITER_H
#define IMPORTERS_SACCT_DELIMITER_H

#include <stddef.h>
#include <stdint.h>

enum {
    SACCT_DELIMITER_LETTERS = 8, /* of 64: a guess in 2^48 */
    SACCT_DELIMITER_BYTES = 1 + SACCT_DELIMITER_LETTERS,
};

struct sacct_delimiter {
    char text[SACCT_DELIMITER_BYTES + 1];
    size_t matched;                   /* bytes of it that stand at the end of what was read */
    char held[SACCT_DELIMITER_BYTES]; /* bytes to be given before what comes next */
    size_t held_start, held_end;
};

/* Make one of eight random bytes. */
void sacct_delimiter_init(struct sacct_delimiter *delimiter,
                          const unsigned char random[SACCT_DELIMITER_LETTERS]);

/* Translate from[*used..length) into `out`, as far as there is room; *used moves on. Returns the
 * bytes written, which may be 0 while a delimiter is incomplete. What is held back at the end of
 * all (never after a newline) is half a delimiter. */
size_t sacct_delimiter_translate(struct sacct_delimiter *delimiter, const char *from, size_t length,
                                 size_t *used, char *out, size_t size);

#endif
