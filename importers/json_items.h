/* json_items - the items of a JSON input, one at a time, however large the input is.
 *
 * What a source sends comes in four outer forms, and nothing needs to be told which:
 *
 *     one value a line            each line is an item; a bad line is a bad item, the next is read
 *     one document, many lines    the document is an item
 *     [ … ]                       each element is an item
 *     {"jobs": [ … ], …}          (Slurm only) each element of jobs is an item, or of the list that
 * is named; "errors" are looked at, the rest is passed over
 *
 * By line alone, as a journal is read, each line is an item and no other form is looked for, so
 * that a line that was cut off costs no other.  What stands behind the stump in the same line
 * (whoever wrote it was killed, the next one went on there) is an item of its own.
 *
 * Only the current item is held in memory.
 */
#ifndef IMPORTERS_JSON_ITEMS_H
#define IMPORTERS_JSON_ITEMS_H

#include "importers/input.h"
#include "importers/json_scan.h"

enum json_item_status {
    JSON_ITEM_OK,
    JSON_ITEM_BAD,     /* not JSON: `error` says what, `error_at` where in the text */
    JSON_ITEM_TOO_LONG /* more than IMPORT_ITEM_BYTES: text is the beginning, the rest was passed
                          over */
};

struct json_item {
    enum json_item_status status;
    const char *text; /* valid until the next call */
    size_t length;
    const char *error;
    size_t error_at;
    uint64_t number; /* from 1 */
};

enum json_place { JSON_AT_TOP, JSON_IN_ARRAY, JSON_IN_SLURM, JSON_IN_JOBS };

struct json_items {
    struct input *input;
    bool slurm;
    bool by_line;     /* set it after json_items_init */
    const char *list; /* member of Slurm's answer whose elements are the items: "jobs" at first */
    enum json_place place;
    bool begun;      /* something other than white space was there */
    bool first;      /* nothing of this array or object was read yet */
    bool found_list; /* this Slurm document has jobs or errors */
    uint64_t number;
    size_t used; /* bytes of the window to consume before the next item */
    bool skip_line, skip_element;
    struct scan_doc doc; /* the tape of the current item */
};

void json_items_init(struct json_items *items, struct input *input, bool slurm);
void json_items_release(struct json_items *items);

/* The next item: 1, with items->doc holding its tape if its status is JSON_ITEM_OK; 0 at the end;
 * -1 where the input cannot be followed any further: I/O, a document cut off, brackets that do not
 * match, or an answer of Slurm that is an error (ERROR_INPUT). */
int json_items_next(struct json_items *items, struct json_item *item, struct error *err);

#endif
