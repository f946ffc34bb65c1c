/* store_pull - see store_pull.h. */
#include "ledgerd/store/store_pull.h"

#include <stdio.h>
#include <string.h>

#include "ledgerd/store/connection.h"
#include "ledgerd/store/query.h"

#define SELECT_PULL                                                                   \
    "SELECT source, read_through, rounds, last_good_at, fresh_until, failing_since, " \
    "failures, error, last_end FROM ledger.pull "

static void take_pull(const struct rows *rows, size_t row, struct store_pull *pull)
{
    *pull = (struct store_pull){
        .read_through = rows_instant(rows, row, 1),
        .rounds = rows_i64(rows, row, 2),
        .last_good = rows_instant(rows, row, 3),
        .fresh_until = rows_instant(rows, row, 4),
        .failing_since = rows_instant(rows, row, 5),
        .failures = rows_i64(rows, row, 6),
        .last_end = rows_instant(rows, row, 8),
    };
    snprintf(pull->source, sizeof pull->source, "%s", rows_text(rows, row, 0));
    snprintf(pull->error, sizeof pull->error, "%s", rows_text(rows, row, 7));
}

int store_pull_read(struct store *store, const char *source, struct store_pull *pull, bool *found,
                    struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, SELECT_PULL "WHERE source = $1");
    query_text(&query, source);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *found = rows_count(&rows) == 1;
    if (*found) {
        take_pull(&rows, 0, pull);
    } else {
        *pull = (struct store_pull){.read_through = INSTANT_NONE,
                                    .last_end = INSTANT_NONE,
                                    .last_good = INSTANT_NONE,
                                    .fresh_until = INSTANT_NONE,
                                    .failing_since = INSTANT_NONE};
        snprintf(pull->source, sizeof pull->source, "%s", source);
    }
    rows_release(&rows);
    return 0;
}

int store_pull_list(struct store *store, struct store_pull *pulls, size_t *count, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, SELECT_PULL "ORDER BY source LIMIT $1");
    query_i64(&query, STORE_PULL_SOURCES_MAX);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *count = rows_count(&rows);
    for (size_t i = 0; i < *count; i++) {
        take_pull(&rows, i, &pulls[i]);
    }
    rows_release(&rows);
    return 0;
}

int store_pull_reach(struct store *store, const char *source, struct instant through,
                     struct instant last_end, struct error *err)
{
    struct query query;

    query_init(&query, "INSERT INTO ledger.pull AS p (source, read_through, last_end) "
                       "VALUES ($1, $2, $3) ON CONFLICT (source) DO UPDATE "
                       "SET read_through = greatest(p.read_through, excluded.read_through), "
                       "last_end = greatest(p.last_end, excluded.last_end)");
    query_text(&query, source);
    query_instant(&query, through);
    query_instant(&query, last_end);
    return query_run(store, &query, NULL, NULL, err);
}

int store_pull_good(struct store *store, const char *source, struct instant now, struct error *err)
{
    struct query query;

    query_init(&query,
               "INSERT INTO ledger.pull AS p (source, rounds, last_good_at) "
               "VALUES ($1, 1, $2) ON CONFLICT (source) DO UPDATE SET rounds = p.rounds + 1, "
               "last_good_at = excluded.last_good_at, failing_since = NULL, failures = 0, "
               "error = ''");
    query_text(&query, source);
    query_instant(&query, now);
    return query_run(store, &query, NULL, NULL, err);
}

int store_pull_failed(struct store *store, const char *source, struct instant now, const char *why,
                      struct error *err)
{
    struct query query;

    query_init(&query, "INSERT INTO ledger.pull AS p (source, failing_since, failures, error) "
                       "VALUES ($1, $2, 1, $3) ON CONFLICT (source) DO UPDATE "
                       "SET failing_since = coalesce(p.failing_since, excluded.failing_since), "
                       "failures = p.failures + 1, error = excluded.error");
    query_text(&query, source);
    query_instant(&query, now);
    query_text(&query, why);
    return query_run(store, &query, NULL, NULL, err);
}

/* Two sources whose names collide here only wait for each other. */
#define PULL_LOCK "(" STORE_LOCK_CLASS_PULL ", hashtext($1))"

int store_pull_lock(struct store *store, const char *source, bool *locked, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT pg_try_advisory_lock" PULL_LOCK);
    query_text(&query, source);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *locked = rows_bool(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

void store_pull_unlock(struct store *store, const char *source)
{
    struct error ignored; /* what fails here has lost the connection, and the lock with it */
    struct query query;

    query_init(&query, "SELECT pg_advisory_unlock" PULL_LOCK);
    query_text(&query, source);
    query_run(store, &query, NULL, NULL, &ignored);
}
