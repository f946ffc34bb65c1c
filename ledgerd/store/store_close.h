/* store_close - closed months: which they are, what keeps one open, and what was stored with each.
 *
 * The months up to the latest one closed are closed.  Months close in order and once, under the
 * booking lock, so that whoever holds it knows which month is the earliest open one.
 */
#ifndef LEDGERD_STORE_STORE_CLOSE_H
#define LEDGERD_STORE_STORE_CLOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/store/store.h"

enum { CLOSE_DIGEST_BYTES = 65 }; /* SHA-256 in hexadecimal, terminated */

/* Before every month that the book can hold. */
#define MONTH_NONE ((struct month){-1})

/* The latest closed month, MONTH_NONE if none is. */
int store_closed_through(struct store *store, struct month *closed, struct error *err);

/* The first month in which anything was booked (MONTH_NONE if nothing was), and the start of the
 * oldest running work (INSTANT_NEVER if nothing runs). */
int store_close_first(struct store *store, struct month *first, struct instant *running,
                      struct error *err);

/* Call `each` for every source that has had records, by name, with the instant up to which it is
 * known to have been read: its last record, its last sighting of running work, or what its reader
 * said. */
typedef int close_source_fn(void *context, const char *source, struct instant read_to,
                            struct error *err);
int store_close_sources(struct store *store, close_source_fn *each, void *context,
                        struct error *err);

/* Call `each` for every open quarantine entry that touches the month, or whose months are not
 * known, by number. */
typedef int close_entry_fn(void *context, int64_t n, const char *source, const char *id,
                           const char *reason, struct error *err);
int store_close_entries(struct store *store, struct month month, close_entry_fn *each,
                        void *context, struct error *err);

/* Append the records of running work that began before `until`, in format ledger, one a line;
 * *count of them. */
int store_close_running(struct store *store, struct instant until, struct strbuf *records,
                        size_t *count, struct error *err);

struct month_close { /* a closed month; strings belong to the caller of store_close_insert */
    struct month month;
    struct instant closed_at;
    int64_t audit_n;
    size_t statements;
    const char *statements_digest;
    const char *digest;
    const char *report;
};

/* Close the month: everything that counts in it and in those before it is counted with it. */
int store_close_insert(struct store *store, const struct month_close *close, struct error *err);

/* Store the statement of a project of a month that the same transaction closes. */
int store_close_statement(struct store *store, struct month month, const char *project,
                          const char *digest, const char *document, struct error *err);

/* The stored report of a closed month, or of a project in it (NULL: the month's own); free() it.
 * *document is NULL if there is none. *closed_at (may be NULL) gets when the month was closed. */
int store_close_read(struct store *store, struct month month, const char *project, char **document,
                     struct instant *closed_at, struct error *err);

struct stored_close { /* strings are valid during the call */
    struct month month;
    const char *digest;
    const char *report;
    size_t statements;
    const char *statements_digest;
};

/* Call `each` for every closed month in order; for every stored statement by month and project. */
typedef int stored_close_fn(void *context, const struct stored_close *close, struct error *err);
int store_close_each(struct store *store, stored_close_fn *each, void *context, struct error *err);
typedef int stored_statement_fn(void *context, struct month month, const char *project,
                                const char *digest, const char *document, struct error *err);
int store_statement_each(struct store *store, struct month month, stored_statement_fn *each,
                         void *context, struct error *err);

#endif
