/* sacct_columns - what a header line of `sacct -P` says about the rows below it.
 *
 * Columns come in any order and number.  Some have a role in the record; of all that we know, we
 * know what their text looks like, which is how a row is put right whose names hold the delimiter
 * (sacct_row.h).
 */
#ifndef IMPORTERS_SACCT_COLUMNS_H
#define IMPORTERS_SACCT_COLUMNS_H

#include "importers/slurm_job.h"

enum sacct_role {
    ROLE_JOB_ID,
    ROLE_RAW_ID,
    ROLE_STATE,
    ROLE_SUBMIT,
    ROLE_START,
    ROLE_END,
    ROLE_ELAPSED_RAW,
    ROLE_ELAPSED,
    ROLE_SUSPENDED,
    ROLE_LIMIT_RAW,
    ROLE_LIMIT,
    ROLE_CLUSTER,
    ROLE_ACCOUNT,
    ROLE_USER,
    ROLE_UID,
    ROLE_PARTITION,
    ROLE_QOS,
    ROLE_CPUS,
    ROLE_NODES,
    ROLE_MEMORY,
    ROLE_ALLOC_TRES,
    ROLE_NODE_LIST,
    ROLE_RESERVATION,
    ROLE_EXIT_CODE,
    ROLE_JOB_NAME,
    ROLE_ADMIN_COMMENT,
    ROLE_COUNT,
    ROLE_NONE = ROLE_COUNT,
};

/* What the text of a column looks like. */
enum sacct_shape {
    SHAPE_ANY,    /* a column we do not know: anything without a newline */
    SHAPE_FREE,   /* what users write: anything at all, delimiters and newlines too */
    SHAPE_NAME,   /* of an account, a user, a partition: no white space */
    SHAPE_JOB_ID, /* 12, 12_3, 12_[3-9%2], 12+1, 12.batch */
    SHAPE_STATE,
    SHAPE_TIME,
    SHAPE_DURATION, /* may be empty */
    SHAPE_NUMBER,   /* may be empty */
    SHAPE_LIMIT,    /* may be empty */
    SHAPE_TRES,     /* may be empty */
    SHAPE_EXIT,     /* 0:0, or empty */
};

enum { SACCT_COLUMNS_MAX = 160 }; /* sacct knows about 120 */

struct sacct_columns {
    char delimiter;
    bool trailing; /* sacct -p: every line ends with the delimiter */
    size_t count;
    uint8_t shape[SACCT_COLUMNS_MAX];
    int16_t column[ROLE_COUNT]; /* where a role stands, -1 if nowhere */
};

/* Read the header line. ERROR_INPUT if it is none, or lacks what every row needs to be told apart:
 * a job id and a state. */
int sacct_columns_read(struct sacct_columns *columns, const char *line, size_t length,
                       struct error *err);

/* True if `field` can stand in a column of this shape. */
bool sacct_shape_fits(enum sacct_shape shape, struct scan_text field, struct time_reader *times);

/* The name of a role's column, for messages. */
const char *sacct_role_text(enum sacct_role role);

#endif
