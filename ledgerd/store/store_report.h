/* store_report - what the reports are made of, read from the roll-ups.
 *
 * Each function asks one question and hands every row to a callback, in an order that does not
 * depend on the database's collation; strings are borrowed and valid during the call only. A
 * callback returns 0, or -1 with *err, which ends the reading. All are called inside one
 * store_transact, so that a report is of one snapshot. Only the questions about users and days scan
 * charges, those of one month's partition; everything else comes from sums that are kept in the
 * charges' own transaction.
 */
#ifndef LEDGERD_STORE_STORE_REPORT_H
#define LEDGERD_STORE_STORE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

/* What moved a project's account, by kind of transfer and source: credits minus debits. */
struct report_move {
    const char *project;
    const char *kind;     /* of the transfers: "grant", "charge", … */
    const char *source;   /* "" for manual acts */
    struct points before; /* in earlier months */
    struct points month;  /* in the month, and belonging to it */
    struct points late;   /* in the month, but belonging to a closed one */
};
typedef int report_move_fn(void *context, const struct report_move *row, struct error *err);
/* `project` NULL: all projects and services. */
int store_report_moves(struct store *store, struct month month, const char *project,
                       report_move_fn *fn, void *context, struct error *err);

/* What a project used of a class in the month; `meter` rows follow the physical month. */
struct report_usage {
    const char *project;
    const char *source;
    const char *klass;
    struct points points;
    struct points list_points;
};
typedef int report_usage_fn(void *context, const struct report_usage *row, struct error *err);
int store_report_usage(struct store *store, struct month month, const char *project,
                       report_usage_fn *fn, void *context, struct error *err);

struct report_meter {
    const char *project;
    const char *source;
    const char *klass;
    const char *meter;
    bool is_held;       /* amount is in unit-seconds, six decimals; else a count */
    const char *amount; /* decimal, may be negative after amendments */
};
typedef int report_meter_fn(void *context, const struct report_meter *row, struct error *err);
int store_report_meters(struct store *store, struct month month, const char *project,
                        report_meter_fn *fn, void *context, struct error *err);

/* Points by project and user: one scan of the month's charges. */
struct report_user {
    const char *project;
    const char *user;
    struct points points;
};
typedef int report_user_fn(void *context, const struct report_user *row, struct error *err);
int store_report_users(struct store *store, struct month month, const char *project,
                       report_user_fn *fn, void *context, struct error *err);

/* Charges of [from, to) grouped by what `by` names: a charge belongs to the day of its slice's last
 * instant, in the zone. What is not grouped by is "". Periods are "2027-06-30" or "2027-06". */
struct report_usage_query {
    const char *project;      /* NULL: all, one after the other */
    struct month first, last; /* months to read, inclusive */
    struct instant from, to;  /* of the slices' last instants */
    const char *zone;
    bool by_day, by_month, by_user, by_class, by_source;
};
struct report_usage_line {
    const char *project;
    const char *period;
    const char *user;
    const char *source;
    const char *klass;
    struct points points;
    struct points list_points;
    int64_t records;
};
typedef int report_usage_line_fn(void *context, const struct report_usage_line *row,
                                 struct error *err);
int store_report_usage_lines(struct store *store, const struct report_usage_query *query,
                             report_usage_line_fn *fn, void *context, struct error *err);

/* By project: the cost so far of running work, and what is held at `now`. */
typedef int report_points_fn(void *context, const char *project, struct points points,
                             struct error *err);
int store_report_accrued(struct store *store, report_points_fn *fn, void *context,
                         struct error *err);
int store_report_held(struct store *store, struct instant now, report_points_fn *fn, void *context,
                      struct error *err);

/* How far each source was read, and what is not in the book: open quarantine entries of the month
 * or of no known month, and skipped items that no booked record replaced. */
typedef int report_source_fn(void *context, const char *source, struct instant last_record,
                             struct error *err);
int store_report_sources(struct store *store, report_source_fn *fn, void *context,
                         struct error *err);
int store_report_unbooked(struct store *store, struct month month, int64_t *quarantined,
                          int64_t *skipped, struct error *err);

#endif
