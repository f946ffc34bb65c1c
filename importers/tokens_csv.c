/* tokens_csv - usage records as CSV (RFC 4180): the header names the fields of a record.
 *
 * Columns are the record's fields, meters.NAME and attributes.NAME, in any order; an empty cell is
 * not given. A column that no record has makes the whole file unusable: a misspelt meter would be
 * free.
 */
#include <stdlib.h>
#include <string.h>

#include "importers/record_fields.h"

enum {
    CSV_COLUMNS_MAX = FIELD_COUNT + USAGE_METERS_MAX + USAGE_ATTRIBUTES_MAX,
    CSV_NAME_BYTES = 300, /* "attributes." and a name */
};

struct csv_column {
    enum record_field field; /* FIELD_METERS, FIELD_ATTRIBUTES: with a name */
    char name[CSV_NAME_BYTES];
};

struct csv_state {
    size_t column_count;
    struct csv_column columns[CSV_COLUMNS_MAX];
    size_t cell_count;
    struct scan_text cells[CSV_COLUMNS_MAX];
    char
        *plain; /* cells without their quotes: shared, as large as the largest record with quotes */
    size_t plain_bytes;
    uint64_t line, lines; /* of the record at hand, and how many it takes */
    size_t used;          /* bytes of the window that it takes */
    bool too_long;
};

enum csv_status { CSV_OK, CSV_END, CSV_TOO_LONG, CSV_BAD, CSV_FAILED };

/* Where the record at the window's start ends: *end is the offset of its newline, or the input's
 * end. A newline inside quotes does not end it. CSV_BAD: a quote that is never closed. */
static enum csv_status find_record(struct importer *importer, size_t *end, struct error *err)
{
    struct csv_state *state = importer->state;
    size_t from = 0;
    bool quoted = false;

    state->lines = 0;
    for (;;) {
        enum input_status status = input_line(importer->input, from, end, err);
        size_t length;
        const char *window = input_window(importer->input, &length);

        if (status == INPUT_FAILED) {
            return CSV_FAILED;
        }
        if (status == INPUT_FULL || (status == INPUT_OK && *end > IMPORT_ITEM_BYTES)) {
            return CSV_TOO_LONG;
        }
        if (status == INPUT_END) {
            return quoted ? CSV_BAD : CSV_END;
        }
        state->lines++;
        for (const char *at = window + from;
             (at = memchr(at, '"', (size_t)(window + *end - at))) != NULL; at++) {
            quoted = !quoted;
        }
        if (!quoted) {
            return CSV_OK;
        }
        from = *end + 1;
    }
}

static int room_for(struct csv_state *state, size_t bytes)
{
    char *grown;

    if (bytes <= state->plain_bytes) {
        return 0;
    }
    grown = realloc(state->plain, bytes);
    if (grown == NULL) {
        return -1;
    }
    state->plain = grown;
    state->plain_bytes = bytes;
    return 0;
}

/* A quoted cell at *at (on the quote): its text without quotes into *out; *at moves behind it. */
static int quoted_cell(const char **at, const char *end, char **out, struct scan_text *cell)
{
    const char *p = *at + 1;

    cell->bytes = *out;
    for (;; p++) {
        if (p == end) {
            return -1;
        }
        if (*p == '"') {
            if (p + 1 < end && p[1] == '"') {
                p++;
            } else {
                break;
            }
        }
        *(*out)++ = *p;
    }
    cell->length = (size_t)(*out - cell->bytes);
    *at = p + 1;
    return *at == end || **at == ',' ? 0 : -1;
}

/* Cut a record into cells. CSV_BAD: quotes where they may not be. Too many cells are counted, not
 * kept. */
static enum csv_status split(struct csv_state *state, const char *text, size_t length)
{
    const char *at = text, *end = text + length;
    char *out;

    if (room_for(state, length + 1) != 0) {
        return CSV_FAILED;
    }
    out = state->plain;
    state->cell_count = 0;
    for (;; at++) {
        struct scan_text cell = {at, 0};

        if (at < end && *at == '"') {
            if (quoted_cell(&at, end, &out, &cell) != 0) {
                return CSV_BAD;
            }
        } else {
            const char *comma = memchr(at, ',', (size_t)(end - at));
            at = comma != NULL ? comma : end;
            cell.length = (size_t)(at - cell.bytes);
            if (memchr(cell.bytes, '"', cell.length) != NULL) {
                return CSV_BAD;
            }
        }
        if (state->cell_count < CSV_COLUMNS_MAX) {
            state->cells[state->cell_count] = cell;
        }
        state->cell_count++;
        if (at == end) {
            return CSV_OK;
        }
    }
}

static bool has_prefix(struct scan_text text, const char *prefix)
{
    return text.length > strlen(prefix) && memcmp(text.bytes, prefix, strlen(prefix)) == 0;
}

/* The field that a header cell names. */
static int read_column(struct csv_column *column, struct scan_text name, struct error *err)
{
    static const char meters[] = "meters.", attributes[] = "attributes.";
    char shown[EXCERPT_BYTES];
    size_t skip = 0;

    column->field = name.length > 0 ? record_field_find(name.bytes, name.length) : FIELD_UNKNOWN;
    if (has_prefix(name, meters)) {
        column->field = FIELD_METERS;
        skip = strlen(meters);
    } else if (has_prefix(name, attributes)) {
        column->field = FIELD_ATTRIBUTES;
        skip = strlen(attributes);
    } else if (column->field == FIELD_METERS || column->field == FIELD_ATTRIBUTES) {
        column->field = FIELD_UNKNOWN;
    }
    if (column->field == FIELD_UNKNOWN || name.length - skip >= CSV_NAME_BYTES ||
        !usage_is_clean(name.bytes, name.length, CSV_NAME_BYTES)) {
        return error_set(
            err, ERROR_INPUT,
            "the header names a column that usage records do not have: '%s' (columns are "
            "fields of a record, meters.NAME and attributes.NAME)",
            excerpt(name.bytes, name.length, shown));
    }
    memcpy(column->name, name.bytes + skip, name.length - skip);
    column->name[name.length - skip] = '\0';
    return 0;
}

static int read_columns(struct csv_state *state, struct error *err)
{
    if (state->cell_count > CSV_COLUMNS_MAX) {
        return error_set(err, ERROR_INPUT, "the header names more than %d columns",
                         CSV_COLUMNS_MAX);
    }
    for (size_t i = 0; i < state->cell_count; i++) {
        struct csv_column *column = &state->columns[i];

        if (read_column(column, state->cells[i], err) != 0) {
            return -1;
        }
        for (size_t k = 0; k < i; k++) {
            if (state->columns[k].field == column->field &&
                strcmp(state->columns[k].name, column->name) == 0) {
                return error_set(err, ERROR_INPUT, "the header names column %s twice",
                                 column->name);
            }
        }
    }
    state->column_count = state->cell_count;
    return 0;
}

static size_t without_cr(const char *text, size_t length)
{
    return length > 0 && text[length - 1] == '\r' ? length - 1 : length;
}

static int csv_open(struct importer *importer, struct error *err)
{
    struct csv_state *state = calloc(1, sizeof *state);
    size_t end, length, skip;
    const char *window;

    if (state == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    importer->state = state;
    switch (find_record(importer, &end, err)) {
    case CSV_FAILED:
        return -1;
    case CSV_OK:
        break;
    default:
        return error_set(err, ERROR_INPUT, "the first line is no CSV header");
    }
    window = input_window(importer->input, &length);
    length = without_cr(window, end);
    skip = length >= 3 && memcmp(window, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (split(state, window + skip, length - skip) != CSV_OK) {
        return error_set(err, ERROR_INPUT, "the first line is no CSV header");
    }
    if (read_columns(state, err) != 0) {
        return -1;
    }
    strbuf_add(&importer->header, window + skip, length - skip);
    strbuf_add_char(&importer->header, '\n');
    state->used = end + 1;
    state->line = 1;
    return importer->header.failed ? error_set(err, ERROR_INTERNAL, "out of memory") : 0;
}

static void csv_close(struct importer *importer)
{
    struct csv_state *state = importer->state;

    if (state != NULL) {
        free(state->plain);
    }
    free(state);
}

/* Let go of the record at hand. */
static int pass_record(struct importer *importer, struct error *err)
{
    struct csv_state *state = importer->state;
    size_t at_hand;

    input_window(importer->input, &at_hand);
    input_consume(importer->input, state->used < at_hand ? state->used : at_hand);
    if (state->too_long && input_skip_line(importer->input, err) == INPUT_FAILED) {
        return -1;
    }
    state->line += state->lines;
    state->used = 0;
    state->too_long = false;
    return 0;
}

/* The cells at hand as a record. */
static int give_cells(struct importer *importer, struct import_item *item)
{
    struct csv_state *state = importer->state;
    struct record_draft draft;

    record_draft_init(&draft, importer);
    for (size_t i = 0; i < state->column_count; i++) {
        const struct csv_column *column = &state->columns[i];
        struct scan_text name = {column->name, strlen(column->name)}, cell = state->cells[i];

        if (cell.length == 0) {
            continue;
        }
        /* A failure is kept by the draft; going on finds source and id. */
        if (column->field == FIELD_METERS) {
            record_set_meter(&draft, name, cell);
        } else if (column->field == FIELD_ATTRIBUTES) {
            record_set_attribute(&draft, name, cell);
        } else {
            record_set(&draft, column->field, cell);
        }
    }
    return record_finish(&draft, item);
}

static int give_record(struct importer *importer, struct import_item *item, enum csv_status status,
                       size_t end)
{
    struct csv_state *state = importer->state;
    size_t at_hand, length;
    const char *window = input_window(importer->input, &at_hand);

    length = status == CSV_OK ? without_cr(window, end) : at_hand;
    item_begin(importer, item, window, length, state->line);
    if (status == CSV_TOO_LONG) {
        state->too_long = true;
        return item_bad(importer, item, "line_too_long", "longer than %d bytes", IMPORT_ITEM_BYTES);
    }
    state->used = end + 1;
    if (status == CSV_BAD) { /* a quote opens and never closes: only its own line is lost */
        const char *newline = memchr(window, '\n', at_hand);
        item->raw_length = newline != NULL ? (size_t)(newline - window) : item->raw_length;
        item->raw_length = item->raw_length < IMPORT_RAW_BYTES ? item->raw_length
                                                               : IMPORT_RAW_BYTES;
        state->used = newline != NULL ? (size_t)(newline - window) + 1 : at_hand;
        state->lines = 1;
        return item_bad(importer, item, "malformed", "a quote is not closed");
    }
    if (split(state, window, length) != CSV_OK) {
        return item_bad(importer, item, "malformed", "a quote inside a cell that is not quoted");
    }
    if (state->cell_count != state->column_count) {
        return item_bad(importer, item, "malformed", "%zu cells where the header has %zu",
                        state->cell_count, state->column_count);
    }
    return give_cells(importer, item);
}

static int csv_next(struct importer *importer, struct import_item *item, struct error *err)
{
    for (;;) {
        struct csv_state *state = importer->state;
        enum csv_status status;
        size_t end = 0, at_hand;
        const char *window;

        if (pass_record(importer, err) != 0) {
            return -1;
        }
        status = find_record(importer, &end, err);
        if (status == CSV_FAILED) {
            return -1;
        }
        if (status == CSV_END) {
            return 0;
        }
        window = input_window(importer->input, &at_hand);
        if (status == CSV_OK && without_cr(window, end) == 0) {
            state->used = end + 1;
            continue;
        }
        return give_record(importer, item, status, end);
    }
}

const struct import_format_ops format_csv = {
    .format = IMPORT_CSV,
    .name = "csv",
    .empty_is_bad = true,
    .open = csv_open,
    .next = csv_next,
    .close = csv_close,
};
