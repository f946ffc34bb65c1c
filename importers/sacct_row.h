/* sacct_row - one row of sacct's text, cut into its fields.
 *
 * sacct does not escape: a job name with the delimiter in it gives a row of too many pieces, one
 * with a newline gives two lines of too few.  Such a row is put right by what its columns look
 * like: the surplus pieces must belong to columns that users write (JobName, Comment, NodeList, …),
 * so every way of giving them to those columns is tried, and counts if all other columns then fit
 * their shape.  If two ways disagree on anything but what users wrote, the row cannot be told
 * apart.
 */
#ifndef IMPORTERS_SACCT_ROW_H
#define IMPORTERS_SACCT_ROW_H

#include "importers/sacct_columns.h"

enum {
    SACCT_PIECES_MAX = SACCT_COLUMNS_MAX + 64
}; /* a name with more delimiters is not put right */

enum sacct_row_status {
    ROW_OK,
    ROW_SHORT,     /* fewer pieces than columns: perhaps a newline in a name */
    ROW_MISFIT,    /* the pieces fit the columns in no way */
    ROW_AMBIGUOUS, /* they fit in ways that disagree */
};

struct sacct_row {
    size_t piece_count;
    struct scan_text pieces[SACCT_PIECES_MAX];
    struct scan_text fields[SACCT_COLUMNS_MAX]; /* valid if ROW_OK */
};

/* Cut `text` (without its newline) into fields. A row with the right number of pieces is taken as
 * it is. */
enum sacct_row_status sacct_row_read(struct sacct_row *row, const struct sacct_columns *columns,
                                     struct time_reader *times, const char *text, size_t length);

/* True if the text is a row with the right number of pieces, each fitting its column. */
bool sacct_row_is_plain(struct sacct_row *row, const struct sacct_columns *columns,
                        struct time_reader *times, const char *text, size_t length);

#endif
