/* slurm_sacct - `sacct -P` text: one row a line under a header, see sacct_columns.h and
 * sacct_row.h.
 *
 * A row that is too short is joined with the lines after it, because sacct prints newlines inside
 * names as they are; but never with a line that is a row itself: a half row must not be completed
 * with another job's times.
 */
#include <stdlib.h>

#include "importers/sacct_row.h"

enum { JOINED_LINES_MAX = 64 }; /* lines of one name */

struct sacct_state {
    struct sacct_columns columns;
    struct sacct_row row;
    struct sacct_row other; /* to look at the line after */
    uint64_t line;          /* of the row at hand */
    uint64_t lines;         /* that the row at hand takes */
    size_t used;            /* bytes of the window that it takes */
    bool too_long;          /* pass over the rest of its line */
    bool after_free;        /* the row before ended with what a user wrote */
    struct slurm_job job;
};

static int sacct_open(struct importer *importer, struct error *err)
{
    struct sacct_state *state = calloc(1, sizeof *state);
    enum input_status status;
    size_t end, length, skipped = 0;
    const char *window;

    if (state == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    importer->state = state;
    status = input_line(importer->input, 0, &end, err);
    if (status == INPUT_FAILED) {
        return -1;
    }
    if (status != INPUT_OK) {
        return error_set(err, ERROR_INPUT, "the first line is no header of sacct -P: too long");
    }
    window = input_window(importer->input, &length);
    if (end >= 3 && memcmp(window, "\xef\xbb\xbf", 3) == 0) {
        skipped = 3;
    }
    length = end;
    while (length > skipped && window[length - 1] == '\r') {
        length--;
    }
    if (sacct_columns_read(&state->columns, window + skipped, length - skipped, err) != 0) {
        return -1;
    }
    strbuf_add(&importer->header, window + skipped, length - skipped);
    strbuf_add_char(&importer->header, '\n');
    state->used = end + 1;
    state->line = state->lines = 1;
    return importer->header.failed ? error_set(err, ERROR_INTERNAL, "out of memory") : 0;
}

static void sacct_close(struct importer *importer)
{
    free(importer->state);
}

static struct scan_text field_of(const struct sacct_state *state, enum sacct_role role)
{
    int column = state->columns.column[role];

    return column < 0 ? (struct scan_text){"", 0} : state->row.fields[column];
}

/* For a reader's -1: gives the item as bad, naming the column. Always -1. */
static int refuse(struct importer *importer, struct import_item *item, enum sacct_role role,
                  const char *wanted)
{
    struct sacct_state *state = importer->state;
    struct scan_text field = field_of(state, role);
    char shown[EXCERPT_BYTES];

    slurm_identify(importer, &state->job);
    item_bad(importer, item, "malformed", "field %s: not %s: '%s'", sacct_role_text(role), wanted,
             excerpt(field.bytes, field.length, shown));
    return -1;
}

/* "4711" from JobIDRaw, or from JobID where that is a plain number. */
static int fill_identity(struct importer *importer, struct import_item *item)
{
    struct sacct_state *state = importer->state;
    struct slurm_job *job = &state->job;
    struct scan_text shown = field_of(state, ROLE_JOB_ID), raw = field_of(state, ROLE_RAW_ID);
    struct slurm_number plain;

    job->shown_id = shown;
    if (slurm_number_parse(raw, &job->raw_id) != 0) {
        return refuse(importer, item, ROLE_RAW_ID, "a job id");
    }
    if (state->columns.column[ROLE_RAW_ID] < 0 && slurm_number_parse(shown, &plain) == 0) {
        job->raw_id = plain;
    }
    if (slurm_time_parse(&importer->times, field_of(state, ROLE_SUBMIT), &job->submit) != 0) {
        return refuse(importer, item, ROLE_SUBMIT, "a time");
    }
    if (slurm_state_parse(field_of(state, ROLE_STATE), &job->phase, &job->outcome) != 0) {
        return refuse(importer, item, ROLE_STATE, "a state of a job");
    }
    return 0;
}

static int fill_times(struct importer *importer, struct import_item *item)
{
    struct sacct_state *state = importer->state;
    struct slurm_job *job = &state->job;
    bool raw = state->columns.column[ROLE_ELAPSED_RAW] >= 0;
    bool raw_limit = state->columns.column[ROLE_LIMIT_RAW] >= 0;

    if (slurm_time_parse(&importer->times, field_of(state, ROLE_START), &job->start) != 0) {
        return refuse(importer, item, ROLE_START, "a time");
    }
    if (slurm_time_parse(&importer->times, field_of(state, ROLE_END), &job->end) != 0) {
        return refuse(importer, item, ROLE_END, "a time");
    }
    if (raw && slurm_number_parse(field_of(state, ROLE_ELAPSED_RAW), &job->elapsed_seconds) != 0) {
        return refuse(importer, item, ROLE_ELAPSED_RAW, "a number of seconds");
    }
    if (!job->elapsed_seconds.given &&
        slurm_duration_parse(field_of(state, ROLE_ELAPSED), &job->elapsed_seconds) != 0) {
        return refuse(importer, item, ROLE_ELAPSED, "a duration");
    }
    if (slurm_duration_parse(field_of(state, ROLE_SUSPENDED), &job->suspended_seconds) != 0) {
        return refuse(importer, item, ROLE_SUSPENDED, "a duration");
    }
    if (slurm_limit_parse(field_of(state, raw_limit ? ROLE_LIMIT_RAW : ROLE_LIMIT),
                          &job->limit_minutes) != 0) {
        return refuse(importer, item, raw_limit ? ROLE_LIMIT_RAW : ROLE_LIMIT, "a time limit");
    }
    return 0;
}

static int fill_count(struct scan_text field, struct slurm_quantity *quantity)
{
    struct slurm_number number;

    if (slurm_number_parse(field, &number) != 0) {
        return -1;
    }
    quantity->given = number.given && decimal_from_u64(number.value, &quantity->value) == 0;
    return 0;
}

/* What was allocated: AllocTRES, or the single columns of listings that do not have it. */
static int fill_tres(struct importer *importer, struct import_item *item)
{
    struct sacct_state *state = importer->state;
    struct slurm_job *job = &state->job;

    if (state->columns.column[ROLE_ALLOC_TRES] >= 0) {
        job->alloc_tres = field_of(state, ROLE_ALLOC_TRES);
        if (slurm_tres_parse(job->alloc_tres, &job->tres) != 0) {
            return refuse(importer, item, ROLE_ALLOC_TRES, "a list of TRES");
        }
        return 0;
    }
    if (fill_count(field_of(state, ROLE_CPUS), &job->tres.cpu) != 0) {
        return refuse(importer, item, ROLE_CPUS, "a count");
    }
    if (fill_count(field_of(state, ROLE_NODES), &job->tres.node) != 0) {
        return refuse(importer, item, ROLE_NODES, "a count");
    }
    if (slurm_memory_parse(field_of(state, ROLE_MEMORY), &job->tres.mem_gib) != 0) {
        job->tres.mem_gib.given =
            false; /* "4Gc", "4Gn": for each of something, and only requested */
    }
    return 0;
}

static void fill_texts(struct sacct_state *state)
{
    struct slurm_job *job = &state->job;

    job->cluster = field_of(state, ROLE_CLUSTER);
    job->account = field_of(state, ROLE_ACCOUNT);
    job->user = field_of(state, ROLE_USER);
    job->partition = field_of(state, ROLE_PARTITION);
    job->qos = field_of(state, ROLE_QOS);
    job->name = field_of(state, ROLE_JOB_NAME);
    job->reservation = field_of(state, ROLE_RESERVATION);
    job->nodes = field_of(state, ROLE_NODE_LIST);
    job->exit_code = field_of(state, ROLE_EXIT_CODE);
    job->uid = field_of(state, ROLE_UID);
    job->admin_comment = field_of(state, ROLE_ADMIN_COMMENT);
}

static bool is_step(const struct sacct_state *state)
{
    struct scan_text shown = field_of(state, ROLE_JOB_ID), raw = field_of(state, ROLE_RAW_ID);

    return memchr(shown.bytes, '.', shown.length) != NULL ||
           memchr(raw.bytes, '.', raw.length) != NULL;
}

/* The row at hand as an item. */
static int give_row(struct importer *importer, struct import_item *item)
{
    struct sacct_state *state = importer->state;

    if (is_step(state)) {
        return item_skip(item, "step", "a step repeats what its job was given");
    }
    slurm_job_init(&state->job);
    fill_texts(state);
    if (fill_identity(importer, item) != 0 || fill_times(importer, item) != 0 ||
        fill_tres(importer, item) != 0) {
        return 1;
    }
    return slurm_normalise(importer, &state->job, item);
}

static size_t without_cr(const char *text, size_t length)
{
    return length > 0 && text[length - 1] == '\r' ? length - 1 : length;
}

static size_t count_delimiters(const struct sacct_state *state, const char *text, size_t length)
{
    size_t count = 0;

    for (const char *at = text, *end = text + length;
         (at = memchr(at, state->columns.delimiter, (size_t)(end - at))) != NULL; at++) {
        count++;
    }
    return count;
}

/* True if the joined lines are a whole row, whose fields are in state->row then. */
static bool joins_to_row(struct importer *importer, const char *text, size_t length)
{
    struct sacct_state *state = importer->state;
    const struct sacct_columns *columns = &state->columns;
    enum sacct_row_status status = sacct_row_read(&state->row, columns, &importer->times, text,
                                                  length);

    /* A row of the right number of pieces was not looked into yet. */
    return status == ROW_OK &&
           (state->row.piece_count > columns->count ||
            sacct_row_is_plain(&state->row, columns, &importer->times, text, length));
}

/* A short row: the lines that belong to it, if there are such. True if state->row is whole then,
 * with *length its extent in the window. */
static int join_lines(struct importer *importer, size_t *length, bool *whole, struct error *err)
{
    struct sacct_state *state = importer->state;
    size_t end = *length, pieces = state->row.piece_count;

    *whole = false;
    for (uint64_t lines = 2; lines <= JOINED_LINES_MAX; lines++) {
        size_t from = end + 1, at_hand;
        enum input_status status = input_line(importer->input, from, &end, err);
        const char *window;

        if (status == INPUT_FAILED) {
            return -1;
        }
        if (status != INPUT_OK || end > IMPORT_ITEM_BYTES) {
            return 0;
        }
        window = input_window(importer->input, &at_hand);
        if (sacct_row_is_plain(&state->other, &state->columns, &importer->times, window + from,
                               without_cr(window + from, end - from))) {
            return 0;
        }
        pieces += count_delimiters(state, window + from, end - from);
        if (pieces >= state->columns.count) {
            *whole = joins_to_row(importer, window, without_cr(window, end));
            *length = *whole ? end : *length;
            state->lines = *whole ? lines : 1;
            return 0;
        }
    }
    return 0;
}

/* The line is the rest of a name that ends the row before: nothing of its own. */
static bool is_leftover(const struct sacct_state *state, const char *text, size_t length)
{
    return state->after_free && state->columns.count > 1 &&
           memchr(text, state->columns.delimiter, length) == NULL;
}

static int give_misfit(struct importer *importer, struct import_item *item,
                       enum sacct_row_status status)
{
    struct sacct_state *state = importer->state;

    if (status == ROW_AMBIGUOUS) {
        return item_bad(importer, item, "malformed",
                        "a name holds the delimiter, and the row can be read in several ways");
    }
    return item_bad(importer, item, "malformed", "%zu fields where the header has %zu",
                    state->row.piece_count, state->columns.count);
}

/* The row that begins at the window's start: 1 given, 0 nothing there worth an item, -1. */
static int read_row(struct importer *importer, struct import_item *item, size_t length,
                    struct error *err)
{
    struct sacct_state *state = importer->state;
    enum sacct_row_status status;
    size_t at_hand, shown;
    const char *window = input_window(importer->input, &at_hand);
    bool whole;

    shown = without_cr(window, length);
    if (shown == 0 || is_leftover(state, window, shown)) {
        return 0;
    }
    status = sacct_row_read(&state->row, &state->columns, &importer->times, window, shown);
    if (status == ROW_SHORT) {
        if (join_lines(importer, &length, &whole, err) != 0) {
            return -1;
        }
        window = input_window(importer->input, &at_hand);
        shown = without_cr(window, length);
        state->used = length + 1;
        status = whole ? ROW_OK : ROW_SHORT;
        if (!whole) { /* for the message: the pieces of the line itself */
            sacct_row_read(&state->row, &state->columns, &importer->times, window, shown);
        }
    }
    item_begin(importer, item, window, shown, state->line);
    state->after_free = status == ROW_OK &&
                        state->columns.shape[state->columns.count - 1] == SHAPE_FREE;
    return status == ROW_OK ? give_row(importer, item) : give_misfit(importer, item, status);
}

/* Let go of the row at hand. */
static int pass_row(struct importer *importer, struct error *err)
{
    struct sacct_state *state = importer->state;
    size_t at_hand;

    input_window(importer->input, &at_hand);
    input_consume(importer->input, state->used < at_hand ? state->used : at_hand);
    if (state->too_long && input_skip_line(importer->input, err) == INPUT_FAILED) {
        return -1;
    }
    state->line += state->lines;
    state->used = 0;
    state->lines = 1;
    state->too_long = false;
    return 0;
}

static int sacct_next(struct importer *importer, struct import_item *item, struct error *err)
{
    struct sacct_state *state = importer->state;
    int result = 0;

    while (result == 0) {
        enum input_status status;
        size_t end, at_hand;
        const char *window;

        if (pass_row(importer, err) != 0) {
            return -1;
        }
        status = input_line(importer->input, 0, &end, err);
        if (status == INPUT_FAILED) {
            return -1;
        }
        if (status == INPUT_END) {
            return 0;
        }
        if (status == INPUT_FULL) {
            window = input_window(importer->input, &at_hand);
            state->too_long = true;
            state->after_free = false;
            item_begin(importer, item, window, at_hand, state->line);
            return item_bad(importer, item, "line_too_long", "longer than %d bytes",
                            IMPORT_ITEM_BYTES);
        }
        state->used = end + 1;
        result = read_row(importer, item, end, err);
    }
    return result;
}

const struct import_format_ops format_sacct = {
    .format = IMPORT_SACCT,
    .name = "sacct",
    .empty_is_bad = true,
    .open = sacct_open,
    .next = sacct_next,
    .close = sacct_close,
};
