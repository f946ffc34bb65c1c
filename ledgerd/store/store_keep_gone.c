/* store_keep_gone - see store_keep_gone.h. */
#include "ledgerd/store/store_keep_gone.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"

static const char FATES_SQL[] =
    "WITH job AS (SELECT k.h, r.record_no FROM unnest($3, $4) AS k(h, id) "
    "LEFT JOIN ledger.source s ON s.name = $1 LEFT JOIN ledger.record_identity r "
    "ON r.source_no = s.source_no AND r.id = k.id COLLATE \"C\"), "
    "fate AS (SELECT j.h, count(*) FILTER (WHERE j.record_no IS NULL) AS unrecorded, "
    "count(*) FILTER (WHERE j.record_no IS NOT NULL AND NOT EXISTS (SELECT FROM "
    "ledger.hold_event e WHERE e.hold_no = ($2::bigint[])[j.h + 1] AND e.is_end "
    "AND e.record_no = j.record_no)) AS elsewhere FROM job j GROUP BY j.h) "
    "SELECT n.i - 1, coalesce(f.unrecorded, 0), coalesce(f.elsewhere, 0), "
    "coalesce((SELECT sum((nullif(e.result, '')::json->>'told')::bigint) FROM ledger.hold_event e "
    "WHERE e.hold_no = n.hold_no AND e.kind = 'cancel'), 0)::bigint FROM unnest($2) WITH "
    "ORDINALITY AS n(hold_no, i) "
    "LEFT JOIN fate f ON f.h = n.i - 1";

static int read_fates(struct store *store, struct query *query, struct keep_fate *fates,
                      struct error *err)
{
    struct rows rows;

    if (query_run(store, query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < rows_count(&rows); i++) {
        fates[rows_i64(&rows, i, 0)] = (struct keep_fate){.unrecorded = rows_i64(&rows, i, 1),
                                                          .elsewhere = rows_i64(&rows, i, 2),
                                                          .told = rows_i64(&rows, i, 3)};
    }
    rows_release(&rows);
    return 0;
}

int store_keep_fates(struct store *store, const char *source, const int64_t *holds,
                     size_t hold_count, const struct keep_ended *jobs, size_t job_count,
                     struct keep_fate *fates, struct error *err)
{
    int64_t *indices = calloc(job_count + 1, sizeof *indices);
    const char **ids = calloc(job_count + 1, sizeof *ids);
    struct query query;
    int result = -1;

    if (indices == NULL || ids == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
    } else {
        for (size_t i = 0; i < job_count; i++) {
            indices[i] = (int64_t)jobs[i].hold;
            ids[i] = jobs[i].id;
        }
        query_init(&query, FATES_SQL);
        query_text(&query, source);
        query_i64_array(&query, holds, hold_count);
        query_i64_array(&query, indices, job_count);
        query_text_array(&query, ids, job_count);
        result = read_fates(store, &query, fates, err);
    }
    free(indices);
    free(ids);
    return result;
}
