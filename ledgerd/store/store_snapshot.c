/* store_snapshot - see store_snapshot.h. */
#include "ledgerd/store/store_snapshot.h"

#include <stdlib.h>

#include "ledgerd/store/query.h"

static const char SNAPSHOT_SQL[] =
    "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint, x::text::bigint "
    "  FROM pg_current_snapshot() s LEFT JOIN LATERAL pg_snapshot_xip(s) x ON true ORDER BY 3";

int store_read_snapshot(struct store *store, struct store_snapshot *snapshot, struct error *err)
{
    struct store_snapshot read = {0};
    struct query query;
    struct rows rows;

    query_init(&query, SNAPSHOT_SQL);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    read.running = calloc(rows_count(&rows) + 1, sizeof(*read.running));
    if (read.running == NULL) {
        rows_release(&rows);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    read.first_running = rows_i64(&rows, 0, 0);
    read.first_unseen = rows_i64(&rows, 0, 1);
    for (size_t i = 0; i < rows_count(&rows); i++) {
        if (!rows_is_null(&rows, i, 2)) {
            read.running[read.count++] = rows_i64(&rows, i, 2);
        }
    }
    rows_release(&rows);
    *snapshot = read;
    return 0;
}

void store_snapshot_release(struct store_snapshot *snapshot)
{
    free(snapshot->running);
    *snapshot = (struct store_snapshot){0};
}

bool store_snapshot_sees(const struct store_snapshot *snapshot, int64_t transaction)
{
    if (transaction >= snapshot->first_unseen) {
        return false;
    }
    for (size_t i = 0; i < snapshot->count; i++) {
        if (snapshot->running[i] == transaction) {
            return false;
        }
    }
    return true;
}
