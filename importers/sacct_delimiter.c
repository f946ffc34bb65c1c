/* sacct_delimiter - see sacct_delimiter.h. */
#include "importers/sacct_delimiter.h"

#include <string.h>

enum { PLAIN = '\x1f', STOOD_IN_TEXT = '\x1e' };

void sacct_delimiter_init(struct sacct_delimiter *delimiter,
                          const unsigned char random[SACCT_DELIMITER_LETTERS])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.";

    memset(delimiter, 0, sizeof *delimiter);
    delimiter->text[0] = PLAIN;
    for (size_t i = 0; i < SACCT_DELIMITER_LETTERS; i++) {
        delimiter->text[1 + i] = letters[random[i] % 64];
    }
}

/* What looked like a delimiter was text: its bytes come first. */
static void hold_back(struct sacct_delimiter *delimiter)
{
    memcpy(delimiter->held, delimiter->text, delimiter->matched);
    delimiter->held[0] = STOOD_IN_TEXT;
    delimiter->held_start = 0;
    delimiter->held_end = delimiter->matched;
    delimiter->matched = 0;
}

/* One byte behind the beginning of a delimiter; its first byte stands nowhere else in it, so what
 * does not go on has to begin anew. True if the byte was taken. */
static int match(struct sacct_delimiter *delimiter, char c)
{
    if (c != delimiter->text[delimiter->matched]) {
        hold_back(delimiter);
        return 0;
    }
    if (++delimiter->matched == SACCT_DELIMITER_BYTES) {
        delimiter->matched = 0;
        delimiter->held[0] = PLAIN;
        delimiter->held_start = 0;
        delimiter->held_end = 1;
    }
    return 1;
}

/* Bytes before the next that could begin a delimiter, as many as fit. */
static size_t copy_plain(const char *from, size_t length, char *out, size_t size)
{
    size_t run = length < size ? length : size;
    const char *stop = memchr(from, PLAIN, run);

    run = stop != NULL ? (size_t)(stop - from) : run;
    memcpy(out, from, run);
    return run;
}

size_t sacct_delimiter_translate(struct sacct_delimiter *delimiter, const char *from, size_t length,
                                 size_t *used, char *out, size_t size)
{
    size_t written = 0;

    while (written < size) {
        if (delimiter->held_start < delimiter->held_end) {
            out[written++] = delimiter->held[delimiter->held_start++];
        } else if (*used == length) {
            break;
        } else if (delimiter->matched > 0) {
            *used += (size_t)match(delimiter, from[*used]);
        } else if (from[*used] == PLAIN) {
            delimiter->matched = 1;
            ++*used;
        } else {
            size_t run = copy_plain(from + *used, length - *used, out + written, size - written);

            *used += run;
            written += run;
        }
    }
    return written;
}
