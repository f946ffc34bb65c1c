/* sacct_row - see sacct_row.h. */
#include "importers/sacct_row.h"

/* Tries for one row: enough for a dozen delimiters among four free columns, too few to stall on. */
enum { TRIES_MAX = 4000 };

struct search {
    struct sacct_row *row;
    const struct sacct_columns *columns;
    struct time_reader *times;
    unsigned tries;
    unsigned solutions;
    bool ambiguous;
    struct scan_text trial[SACCT_COLUMNS_MAX];
};

/* Cut at the delimiters. More pieces than there is room for are counted, not kept. */
static void split(struct sacct_row *row, const struct sacct_columns *columns, const char *text,
                  size_t length)
{
    const char *at = text, *end = text + length;

    if (columns->trailing && length > 0 && end[-1] == columns->delimiter) {
        end--;
    }
    row->piece_count = 0;
    for (;;) {
        const char *stop = memchr(at, columns->delimiter, (size_t)(end - at));
        const char *edge = stop != NULL ? stop : end;

        if (row->piece_count < SACCT_PIECES_MAX) {
            row->pieces[row->piece_count] = (struct scan_text){at, (size_t)(edge - at)};
        }
        row->piece_count++;
        if (stop == NULL || row->piece_count > SACCT_PIECES_MAX) {
            return;
        }
        at = stop + 1;
    }
}

static bool same_text(struct scan_text a, struct scan_text b)
{
    return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

/* A way that fits: the first one is kept, others must agree on what users did not write. */
static void found(struct search *s)
{
    size_t count = s->columns->count;

    if (s->solutions++ == 0) {
        memcpy(s->row->fields, s->trial, count * sizeof s->trial[0]);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        enum sacct_shape shape = (enum sacct_shape)s->columns->shape[i];
        if (shape != SHAPE_FREE && shape != SHAPE_ANY &&
            !same_text(s->row->fields[i], s->trial[i])) {
            s->ambiguous = true;
        }
    }
}

/* Give the pieces from `piece` on to the columns from `column` on. As deep as there are columns. */
static void distribute(struct search *s, size_t column, size_t piece)
{
    size_t count = s->columns->count;
    size_t surplus;
    enum sacct_shape shape;

    if (column == count) {
        found(s);
        return;
    }
    surplus = (s->row->piece_count - piece) - (count - column);
    shape = (enum sacct_shape)s->columns->shape[column];
    if (shape != SHAPE_FREE) {
        s->trial[column] = s->row->pieces[piece];
        if ((column + 1 < count || surplus == 0) &&
            sacct_shape_fits(shape, s->trial[column], s->times)) {
            distribute(s, column + 1, piece + 1);
        }
        return;
    }
    for (size_t extra = column + 1 == count ? surplus : 0; extra <= surplus; extra++) {
        const struct scan_text *first = &s->row->pieces[piece];
        const struct scan_text *last = &s->row->pieces[piece + extra];

        if (s->ambiguous || ++s->tries > TRIES_MAX) {
            return;
        }
        s->trial[column] = (struct scan_text){first->bytes,
                                              (size_t)(last->bytes + last->length - first->bytes)};
        distribute(s, column + 1, piece + extra + 1);
    }
}

static enum sacct_row_status put_right(struct sacct_row *row, const struct sacct_columns *columns,
                                       struct time_reader *times)
{
    struct search search = {.row = row, .columns = columns, .times = times};

    distribute(&search, 0, 0);
    if (search.ambiguous || (search.solutions > 0 && search.tries > TRIES_MAX)) {
        return ROW_AMBIGUOUS;
    }
    return search.solutions > 0 ? ROW_OK : ROW_MISFIT;
}

enum sacct_row_status sacct_row_read(struct sacct_row *row, const struct sacct_columns *columns,
                                     struct time_reader *times, const char *text, size_t length)
{
    split(row, columns, text, length);
    if (row->piece_count < columns->count) {
        return ROW_SHORT;
    }
    if (row->piece_count == columns->count) {
        memcpy(row->fields, row->pieces, columns->count * sizeof row->fields[0]);
        return ROW_OK;
    }
    if (row->piece_count > SACCT_PIECES_MAX) {
        return ROW_MISFIT;
    }
    return put_right(row, columns, times);
}

bool sacct_row_is_plain(struct sacct_row *row, const struct sacct_columns *columns,
                        struct time_reader *times, const char *text, size_t length)
{
    split(row, columns, text, length);
    if (row->piece_count != columns->count) {
        return false;
    }
    for (size_t i = 0; i < columns->count; i++) {
        if (!sacct_shape_fits((enum sacct_shape)columns->shape[i], row->pieces[i], times)) {
            return false;
        }
    }
    return true;
}
