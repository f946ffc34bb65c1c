/* json_items - see json_items.h.
 *
 * A value is scanned straight from the window; when the window ends inside it, the window is
 * doubled and the value scanned again, so the work stays linear.  Inside arrays a value that is not
 * JSON is passed over by its brackets alone, which is how one bad element does not cost its
 * neighbours.
 */
#include "importers/json_items.h"

#include <stdlib.h>
#include <string.h>

enum {
    PROBE_BYTES = 1024 * 1024, /* a Slurm job on its own is told from a whole answer within this */
    SLURM_NOTHING_FOUND = 9003,
    STUMP_TRIES = 256, /* places of a bad line where a whole record is looked for */
};

void json_items_init(struct json_items *items, struct input *input, bool slurm)
{
    memset(items, 0, sizeof *items);
    items->input = input;
    items->slurm = slurm;
    items->list = "jobs";
    scan_init(&items->doc);
}

void json_items_release(struct json_items *items)
{
    scan_release(&items->doc);
}

static unsigned long long offset_of(const struct json_items *items, size_t at)
{
    return (unsigned long long)(input_offset(items->input) + at);
}

static int fail_cut_off(const struct json_items *items, struct error *err)
{
    size_t length;

    input_window(items->input, &length);
    return error_set(err, ERROR_INPUT, "document cut off at byte %llu", offset_of(items, length));
}

static int fail_not_json(const struct json_items *items, size_t at, const char *what,
                         struct error *err)
{
    return error_set(err, ERROR_INPUT, "not JSON at byte %llu: %s", offset_of(items, at), what);
}

/* Consume white space. *c is the character that follows, *more false at the end of input. */
static int next_character(struct json_items *items, char *c, bool *more, struct error *err)
{
    for (;;) {
        size_t length, at = 0;
        const char *window = input_window(items->input, &length);
        enum input_status status;

        /* In a journal that was truncated under its writer a hole of NULs may stand first. */
        while (at < length && (memchr(" \t\r\n", window[at], 4) != NULL ||
                               (items->by_line && window[at] == '\0'))) {
            at++;
        }
        input_consume(items->input, at);
        if (at < length) {
            *c = window[at];
            *more = true;
            return 0;
        }
        status = input_want(items->input, 1, err);
        if (status == INPUT_FAILED) {
            return -1;
        }
        if (status == INPUT_END) {
            *more = false;
            return 0;
        }
    }
}

/* Scan the value at window offset 0, widening the window up to `limit` bytes while the value is
 * cut. Sets *ended when the input has no more bytes than the window shows. */
static int scan_value(struct json_items *items, size_t limit, enum scan_status *status, bool *ended,
                      struct error *err)
{
    *ended = false;
    for (;;) {
        size_t length;
        const char *window = input_window(items->input, &length);
        enum input_status got;

        *status = scan_json(&items->doc, window, length);
        /* A number may go on behind the window's edge. */
        if (*ended || (*status != SCAN_CUT && !(*status == SCAN_OK && items->doc.end == length))) {
            return 0;
        }
        if (length >= limit) {
            return 0;
        }
        got = input_want(items->input, length < limit / 2 ? length * 2 : limit, err);
        if (got == INPUT_FAILED) {
            return -1;
        }
        *ended = got == INPUT_END;
    }
}

/* Where a value ends by its brackets and quotes alone, kept from window to window. */
struct bracket_state {
    unsigned depth;
    bool in_string, escaped, begun;
};

/* Bytes of the value in this stretch; *done when it ends inside it. A scalar ends before , ] } or
 * space. */
static size_t bracket_skip(struct bracket_state *b, const char *text, size_t length, bool *done)
{
    size_t at = 0;

    *done = false;
    for (; at < length && !*done; at++) {
        char c = text[at];

        if (b->in_string) {
            b->in_string = b->escaped || c != '"';
            b->escaped = !b->escaped && c == '\\';
            *done = !b->in_string && b->depth == 0;
        } else if (c == '"') {
            b->in_string = b->begun = true;
        } else if (c == '{' || c == '[') {
            b->depth++;
            b->begun = true;
        } else if ((c == '}' || c == ']') && b->depth > 0) {
            *done = --b->depth == 0;
        } else if (b->depth == 0 && b->begun && memchr(",]} \t\r\n", c, 7) != NULL) {
            *done = true;
            return at;
        } else {
            b->begun = true;
        }
    }
    return at;
}

/* Consume the rest of a value whose first bytes are at window offset 0. */
static int skip_value(struct json_items *items, struct error *err)
{
    struct bracket_state brackets = {0};
    bool done = false;

    while (!done) {
        size_t length;
        const char *window = input_window(items->input, &length);
        enum input_status status;

        input_consume(items->input, bracket_skip(&brackets, window, length, &done));
        if (!done) {
            status = input_want(items->input, 1, err);
            if (status == INPUT_FAILED) {
                return -1;
            }
            if (status == INPUT_END) {
                return fail_cut_off(items, err);
            }
        }
    }
    return 0;
}

static int give(struct json_items *items, struct json_item *item, enum json_item_status status,
                size_t length)
{
    size_t at_hand;

    item->status = status;
    item->text = input_window(items->input, &at_hand);
    item->length = length;
    if (items->skip_line || items->skip_element) { /* show how it begins, pass over it later */
        item->length = at_hand < IMPORT_RAW_BYTES ? at_hand : IMPORT_RAW_BYTES;
    }
    item->error = status == JSON_ITEM_BAD ? items->doc.error : NULL;
    item->error_at = items->doc.end;
    item->number = ++items->number;
    items->used = length;
    return 1;
}

/* An element of an array, at window offset 0. */
static int give_element(struct json_items *items, struct json_item *item, struct error *err)
{
    struct bracket_state brackets = {0};
    enum scan_status status;
    bool ended, done;
    size_t length;
    const char *window;

    if (scan_value(items, IMPORT_ITEM_BYTES + 1, &status, &ended, err) != 0) {
        return -1;
    }
    window = input_window(items->input, &length);
    if (status == SCAN_OK && items->doc.end <= IMPORT_ITEM_BYTES) {
        return give(items, item, JSON_ITEM_OK, items->doc.end);
    }
    if (status == SCAN_CUT && ended) {
        return fail_cut_off(items, err);
    }
    if (status == SCAN_BAD || status == SCAN_TOO_BIG) {
        /* `window` may end before the element does: then it is passed over like one too long. */
        size_t extent = bracket_skip(&brackets, window, length, &done);
        if (done && extent > 0) {
            return give(items, item, JSON_ITEM_BAD, extent);
        }
        if (ended || extent == 0) {
            return fail_not_json(items, items->doc.end, items->doc.error, err);
        }
        items->skip_element = true;
        return give(items, item, JSON_ITEM_BAD, 0);
    }
    items->skip_element = true;
    return give(items, item, JSON_ITEM_TOO_LONG, 0);
}

/* A value that begins a line: the line, or a document over several lines. */
static int give_line(struct json_items *items, struct json_item *item, struct error *err)
{
    enum input_status status;
    enum scan_status scanned;
    size_t line, length;
    const char *window;
    bool ended;

    status = input_line(items->input, 0, &line, err);
    if (status == INPUT_FAILED) {
        return -1;
    }
    if (status == INPUT_FULL) {
        items->skip_line = true;
        return give(items, item, JSON_ITEM_TOO_LONG, 0);
    }
    window = input_window(items->input, &length);
    scanned = scan_json_whole(&items->doc, window, line);
    if (scanned == SCAN_OK) {
        return give(items, item, JSON_ITEM_OK, line);
    }
    if (scanned != SCAN_CUT) {
        return give(items, item, JSON_ITEM_BAD, line);
    }
    if (scan_value(items, IMPORT_ITEM_BYTES + 1, &scanned, &ended, err) != 0) {
        return -1;
    }
    if (scanned == SCAN_OK && items->doc.end <= IMPORT_ITEM_BYTES) {
        return give(items, item, JSON_ITEM_OK, items->doc.end);
    }
    if (scanned == SCAN_CUT && !ended) {
        items->skip_element = true;
        return give(items, item, JSON_ITEM_TOO_LONG, 0);
    }
    if (scanned == SCAN_CUT && items->number == 0) {
        return fail_cut_off(items, err);
    }
    return give(items, item, JSON_ITEM_BAD, line);
}

/* Where in a bad line a whole object begins that reaches to the line's end; its length if there is
 * none. What begins inside of an object cannot: it would have a bracket too many. */
static size_t find_behind_stump(const char *line, size_t length)
{
    struct scan_doc doc;
    size_t at = length, tries = 0;
    const char *brace = length > 1 ? memchr(line + 1, '{', length - 1) : NULL;

    scan_init(&doc);
    while (brace != NULL && at == length && tries++ < STUMP_TRIES) {
        size_t rest = length - (size_t)(brace - line);

        if (scan_json_whole(&doc, brace, rest) == SCAN_OK) {
            at = length - rest;
        }
        brace = memchr(brace + 1, '{', rest - 1);
    }
    scan_release(&doc);
    return at;
}

/* A line that is an item by itself. */
static int give_single_line(struct json_items *items, struct json_item *item, struct error *err)
{
    size_t line, length;
    const char *window;

    switch (input_line(items->input, 0, &line, err)) {
    case INPUT_FAILED:
        return -1;
    case INPUT_FULL:
        items->skip_line = true;
        return give(items, item, JSON_ITEM_TOO_LONG, 0);
    default:
        break;
    }
    window = input_window(items->input, &length);
    if (scan_json_whole(&items->doc, window, line) == SCAN_OK) {
        return give(items, item, JSON_ITEM_OK, line);
    }
    return give(items, item, JSON_ITEM_BAD, find_behind_stump(window, line));
}

/* A comma, or the closing bracket (*closed), or neither before the first element. */
static int eat_separator(struct json_items *items, char close, char c, bool *closed,
                         struct error *err)
{
    *closed = c == close;
    if (*closed) {
        input_consume(items->input, 1);
    } else if (!items->first) {
        if (c != ',') {
            return fail_not_json(
                items, 0, close == ']' ? "a comma or ] expected" : "a comma or } expected", err);
        }
        input_consume(items->input, 1);
    }
    items->first = false;
    return 0;
}

/* The next element of the array we are in: 1, 0 when it has closed. */
static int array_next(struct json_items *items, struct json_item *item, struct error *err)
{
    bool more, closed;
    char c;

    if (next_character(items, &c, &more, err) != 0) {
        return -1;
    }
    if (!more) {
        return fail_cut_off(items, err);
    }
    if (eat_separator(items, ']', c, &closed, err) != 0) {
        return -1;
    }
    if (closed) {
        return 0;
    }
    if (next_character(items, &c, &more, err) != 0) {
        return -1;
    }
    if (!more) {
        return fail_cut_off(items, err);
    }
    if (memchr("]},", c, 3) != NULL) {
        return fail_not_json(items, 0, "a value expected", err);
    }
    return give_element(items, item, err);
}

/* The number of an error entry: an integer, or {"set":…,"number":…}. */
static long error_number(struct scan_doc *doc, uint32_t entry)
{
    uint32_t number = scan_given(doc, entry, "error_number");
    char text[24] = "";

    if (number != SCAN_NONE && scan_type(doc, number) == SCAN_OBJECT) {
        number = scan_given(doc, number, "number");
    }
    if (number != SCAN_NONE && doc->tokens[number].length < sizeof text) {
        memcpy(text, doc->text + doc->tokens[number].start, doc->tokens[number].length);
    }
    return strtol(text, NULL, 10);
}

/* The "errors" of an answer, already scanned: anything but "nothing found" refuses the answer. */
static int check_errors(struct json_items *items, struct error *err)
{
    struct scan_doc *doc = &items->doc;
    static const char *const names[] = {"description", "error", "source"};

    if (scan_type(doc, 0) != SCAN_ARRAY) {
        return 0;
    }
    for (uint32_t entry = 1; entry < doc->tokens[0].next; entry = doc->tokens[entry].next) {
        long number = error_number(doc, entry);
        struct scan_text text = {"no text", strlen("no text")};

        if (number == SLURM_NOTHING_FOUND) {
            continue;
        }
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            uint32_t found = scan_given(doc, entry, names[i]);
            if (found != SCAN_NONE && doc->tokens[found].length > 0) {
                text = scan_text(doc, found);
                break;
            }
        }
        return error_set(err, ERROR_INPUT, "Slurm answered with error %ld: %.*s", number,
                         (int)(text.length < 200 ? text.length : 200), text.bytes);
    }
    return 0;
}

/* At a member's name: read it and the colon. *key is valid until the next scan. */
static int eat_key(struct json_items *items, char key[16], struct error *err)
{
    enum scan_status status;
    struct scan_text text;
    bool ended, more;
    char c;

    if (scan_value(items, IMPORT_ITEM_BYTES, &status, &ended, err) != 0) {
        return -1;
    }
    if (status == SCAN_CUT) {
        return fail_cut_off(items, err);
    }
    if (status != SCAN_OK || scan_type(&items->doc, 0) != SCAN_STRING) {
        return fail_not_json(items, 0, "a member's name expected", err);
    }
    text = scan_text(&items->doc, 0);
    if (text.length >= 16) {
        text.length = 0; /* none of the names that matter is as long */
    }
    memcpy(key, text.bytes, text.length);
    key[text.length] = '\0';
    input_consume(items->input, items->doc.end);
    if (next_character(items, &c, &more, err) != 0) {
        return -1;
    }
    if (!more) {
        return fail_cut_off(items, err);
    }
    if (c != ':') {
        return fail_not_json(items, 0, "a colon expected", err);
    }
    input_consume(items->input, 1);
    return 0;
}

/* The value of a member that is not the list of jobs, at window offset 0. */
static int pass_member(struct json_items *items, const char *key, struct error *err)
{
    enum scan_status status;
    bool ended;

    if (scan_value(items, IMPORT_ITEM_BYTES, &status, &ended, err) != 0) {
        return -1;
    }
    if (status == SCAN_CUT && ended) {
        return fail_cut_off(items, err);
    }
    if (status == SCAN_BAD) {
        return fail_not_json(items, items->doc.end, items->doc.error, err);
    }
    if (status != SCAN_OK) {
        return skip_value(items, err);
    }
    if (strcmp(key, "errors") == 0) {
        items->found_list = true;
        if (check_errors(items, err) != 0) {
            return -1;
        }
    }
    input_consume(items->input, items->doc.end);
    return 0;
}

/* Members of a Slurm answer up to its list of jobs (1), or its end (0). */
static int slurm_members(struct json_items *items, struct error *err)
{
    char key[16], c;
    bool more, closed;

    for (;;) {
        if (next_character(items, &c, &more, err) != 0) {
            return -1;
        }
        if (!more) {
            return fail_cut_off(items, err);
        }
        if (eat_separator(items, '}', c, &closed, err) != 0) {
            return -1;
        }
        if (closed && !items->found_list) {
            return error_set(err, ERROR_INPUT, "the document has no list of %s", items->list);
        }
        if (closed) {
            return 0;
        }
        if (next_character(items, &c, &more, err) != 0 || (more && eat_key(items, key, err) != 0) ||
            (more && next_character(items, &c, &more, err) != 0)) {
            return -1;
        }
        if (!more) {
            return fail_cut_off(items, err);
        }
        if (strcmp(key, items->list) == 0 && c == '[') {
            items->found_list = true;
            input_consume(items->input, 1);
            return 1;
        }
        if (pass_member(items, key, err) != 0) {
            return -1;
        }
    }
}

/* Is the object at window offset 0 a job on its own, as quarantine keeps them? */
static int is_single_job(struct json_items *items, bool *single, struct error *err)
{
    enum scan_status status;
    bool ended;

    if (scan_value(items, PROBE_BYTES, &status, &ended, err) != 0) {
        return -1;
    }
    *single = status == SCAN_OK && scan_member(&items->doc, 0, items->list) == SCAN_NONE &&
              scan_member(&items->doc, 0, "job_id") != SCAN_NONE;
    return 0;
}

/* At the top level. Sets where to go on, or gives an item: 1 given, 0 moved, -1. */
static int top_next(struct json_items *items, struct json_item *item, char c, struct error *err)
{
    bool single = false;

    items->begun = true;
    if (items->by_line) {
        return give_single_line(items, item, err);
    }
    if (c == '[') {
        input_consume(items->input, 1);
        items->place = JSON_IN_ARRAY;
        items->first = true;
        return 0;
    }
    if (c == '{' && items->slurm) {
        if (is_single_job(items, &single, err) != 0) {
            return -1;
        }
        if (!single) {
            input_consume(items->input, 1);
            items->place = JSON_IN_SLURM;
            items->first = true;
            items->found_list = false;
            return 0;
        }
    } else if (items->slurm) {
        return fail_not_json(items, 0, "a document with a list of jobs expected", err);
    }
    return give_line(items, item, err);
}

/* Let go of the item that was given last. */
static int pass_given(struct json_items *items, struct error *err)
{
    bool skip_line = items->skip_line, skip_element = items->skip_element;

    input_consume(items->input, items->used);
    items->used = 0;
    items->skip_line = items->skip_element = false;
    if (skip_line) {
        return input_skip_line(items->input, err) == INPUT_FAILED ? -1 : 0;
    }
    return skip_element ? skip_value(items, err) : 0;
}

/* A byte order mark before anything else. */
static int pass_bom(struct json_items *items, struct error *err)
{
    size_t length;
    const char *window;

    if (input_offset(items->input) != 0 || items->number != 0 || items->place != JSON_AT_TOP) {
        return 0;
    }
    if (input_want(items->input, 3, err) == INPUT_FAILED) {
        return -1;
    }
    window = input_window(items->input, &length);
    if (length >= 3 && memcmp(window, "\xef\xbb\xbf", 3) == 0) {
        input_consume(items->input, 3);
    }
    return 0;
}

/* One move from where we are: 1 an item, 0 go on, -1 error; *end at the end of input. */
static int step(struct json_items *items, struct json_item *item, bool *end, struct error *err)
{
    int result;
    char c;
    bool more;

    switch (items->place) {
    case JSON_IN_ARRAY:
    case JSON_IN_JOBS:
        result = array_next(items, item, err);
        if (result == 0) {
            items->place = items->place == JSON_IN_JOBS ? JSON_IN_SLURM : JSON_AT_TOP;
        }
        return result;
    case JSON_IN_SLURM:
        result = slurm_members(items, err);
        if (result < 0) {
            return -1;
        }
        items->place = result == 1 ? JSON_IN_JOBS : JSON_AT_TOP;
        items->first = true;
        return 0;
    case JSON_AT_TOP:
        break;
    }
    if (next_character(items, &c, &more, err) != 0) {
        return -1;
    }
    *end = !more;
    if (!more && items->slurm && !items->begun) {
        return error_set(err, ERROR_INPUT, "the input is empty where a document is expected");
    }
    return more ? top_next(items, item, c, err) : 0;
}

int json_items_next(struct json_items *items, struct json_item *item, struct error *err)
{
    bool end = false;
    int result = 0;

    if (pass_given(items, err) != 0 || pass_bom(items, err) != 0) {
        return -1;
    }
    while (result == 0 && !end) {
        result = step(items, item, &end, err);
    }
    return result;
}
