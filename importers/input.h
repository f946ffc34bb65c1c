/* input - a window over bytes that are read once, from front to back.
 *
 * Readers look at the window, ask for more when an item does not end inside it, and consume what
 * they have done with.  Pointers into the window are valid until the next call that fills or
 * consumes. A file's window starts at 1 MiB and grows to what one item of IMPORT_ITEM_BYTES needs,
 * never further.
 */
#ifndef IMPORTERS_INPUT_H
#define IMPORTERS_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "importers/importer.h"

enum input_status {
    INPUT_FAILED = -1, /* reading failed; err says why */
    INPUT_END = 0,     /* no more bytes */
    INPUT_OK = 1,
    INPUT_FULL = 2, /* the window is as large as it may get (line: longer than an item may be) */
};

/* The bytes that are at hand, not yet consumed. */
const char *input_window(const struct input *input, size_t *length);

/* Make the window hold at least `want` bytes: OK, END when the input has fewer, FULL when that is
 * more than a window may hold, FAILED. */
enum input_status input_want(struct input *input, size_t want, struct error *err);

/* The line that begins at window offset `from`: *end is the window offset of its newline, or of the
 * window's end if the last line has none. OK; END if nothing begins at `from`; FULL if the line is
 * longer than IMPORT_ITEM_BYTES; FAILED. */
enum input_status input_line(struct input *input, size_t from, size_t *end, struct error *err);

/* Drop `length` bytes from the front of the window. */
void input_consume(struct input *input, size_t length);

/* Consume through the next newline, however far that is: OK, END (no newline came), FAILED. */
enum input_status input_skip_line(struct input *input, struct error *err);

/* Position of the window's first byte from the start of the input. */
uint64_t input_offset(const struct input *input);

#endif
