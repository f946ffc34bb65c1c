/* store_reconcile - the book beside what Slurm's accounting says, job by job.
 *
 * Slurm's rows are put into a temporary table of the connection, any number of them, and joined
 * with the book by one statement, so that all that is read afterwards is of one moment. Nothing of
 * the book is changed.
 *
 *      begin, add ..., (add_used ...), pair, then differences, counts and totals
 */
#ifndef LEDGERD_STORE_STORE_RECONCILE_H
#define LEDGERD_STORE_STORE_RECONCILE_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/store/store.h"

/* What one side says of a job; no text is NULL. */
struct reconcile_side {
    const char *state; /* "ended", "running"; "" if it does not have the job */
    const char *account, *user, *partition, *qos, *outcome;
    struct instant submitted, start, end; /* running: end is when it was seen */
    const char *elapsed, *requested;      /* decimal seconds; elapsed without suspended time */
    const char *meters;                   /* as store_record_add_meters writes them */
};

struct reconcile_row {         /* a row of Slurm's */
    uint64_t n;                /* running number: of two rows with one id the later counts */
    const char *id;            /* of the record: "4711@1780000000" */
    struct reconcile_side job; /* its state may be "unreadable": then nothing else is set */
    const char *detail;        /* unreadable: why */
};

/* Empty tables for this connection. */
int store_reconcile_begin(struct store *store, struct error *err);

/* Add rows, in a transaction of their own. */
int store_reconcile_add(struct store *store, const struct reconcile_row *rows, size_t count,
                        struct error *err);

/* What sreport says that an account has used of one meter ("gpu", "cpu"), in whole seconds. Rows of
 * the same account add up. */
struct reconcile_used {
    const char *account, *meter;
    int64_t seconds;
};
int store_reconcile_add_used(struct store *store, const struct reconcile_used *rows, size_t count,
                             struct error *err);

struct reconcile_span {
    const char *source;                /* slurm:<cluster> */
    struct instant from, to;           /* jobs that ran in [from, to) are compared */
    struct month first;                /* month of `from` */
    struct instant used_from, used_to; /* and hours used in [used_from, used_to) */
};

/* Join the rows with the book. */
int store_reconcile_pair(struct store *store, const struct reconcile_span *span, struct error *err);

enum reconcile_kind {
    RECONCILE_MISSING,    /* Slurm has it, the book has not */
    RECONCILE_EXTRA,      /* the book has it, Slurm has not */
    RECONCILE_DIFFERENT,  /* both have it, and say different things */
    RECONCILE_UNSETTLED,  /* it has ended; for the book it still runs */
    RECONCILE_BEHIND,     /* it runs; the book saw it last before used_to */
    RECONCILE_UNREADABLE, /* Slurm's row cannot be read */
    RECONCILE_KINDS,
};

/* Texts are valid during the call. */
struct reconcile_difference {
    enum reconcile_kind kind;
    const char *id, *project; /* that of the book; "" if it does not have the job */
    const char *detail;       /* unreadable: why */
    struct reconcile_side slurm, book;
    int64_t quarantine;           /* number of the job's entry there; 0 if it has none */
    const char *quarantine_state; /* open, resolved, dismissed */
    const char *quarantine_reason, *quarantine_detail;
    struct instant read_through; /* the source has been read up to here; INSTANT_NONE: not known */
};
typedef int reconcile_difference_fn(void *context, const struct reconcile_difference *difference,
                                    struct error *err);

/* The first `limit` differences in the order of job numbers. */
int store_reconcile_differences(struct store *store, const struct reconcile_span *span,
                                int64_t limit, reconcile_difference_fn *each, void *context,
                                struct error *err);

struct reconcile_counts {
    int64_t ended_slurm, ended_book; /* jobs that ended in [from, to) */
    int64_t running;                 /* jobs of either side that ran in it and have not ended */
    int64_t suspended;               /* that were suspended and lie across used_from or used_to */
    int64_t kinds[RECONCILE_KINDS];
};
int store_reconcile_counts(struct store *store, const struct reconcile_span *span,
                           struct reconcile_counts *counts, struct error *err);

/* Hours of one meter and account, as decimals with six digits. */
struct reconcile_total {
    const char *account; /* NULL: all of them */
    const char *meter;   /* gpu, cpu */
    const char *book, *sacct;
    const char *sreport; /* "" for jobs that ended; else "0.000000" where sreport has none */
    bool differs;
};
typedef int reconcile_total_fn(void *context, const struct reconcile_total *total,
                               struct error *err);

/* Of whole jobs that ended in [from, to). */
int store_reconcile_ended(struct store *store, const struct reconcile_span *span,
                          reconcile_total_fn *each, void *context, struct error *err);

/* Of the time in [used_from, used_to), and what sreport says of it; figures that agree to the
 * second agree. */
int store_reconcile_used(struct store *store, const struct reconcile_span *span,
                         reconcile_total_fn *each, void *context, struct error *err);

#endif
