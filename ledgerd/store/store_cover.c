/* store_cover - see store_cover.h. */
#include "ledgerd/store/store_cover.h"

#include <stdlib.h>

#include "ledgerd/store/query.h"

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

int store_read_covers(struct store *store, const struct lookup_key *keys, size_t count,
                      struct accrual_cover **covers, size_t *cover_count, struct error *err)
{
    int32_t *sources = calloc(count + 1, sizeof *sources);
    const char **ids = calloc(count + 1, sizeof *ids);
    struct query query;
    struct rows rows;
    int result = -1;

    if (sources == NULL || ids == NULL) {
        no_memory(err);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        sources[i] = keys[i].source_no;
        ids[i] = keys[i].id;
    }
    query_init(&query, "SELECT k.i, a.hold_no, a.covered_micro "
                       "FROM unnest($1, $2) WITH ORDINALITY k(source_no, id, i) "
                       "JOIN ledger.accrual a ON a.source_no = k.source_no "
                       "AND a.id = k.id COLLATE \"C\" WHERE a.hold_no IS NOT NULL ORDER BY k.i");
    query_i32_array(&query, sources, count);
    query_text_array(&query, ids, count);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        goto done;
    }
    *cover_count = rows_count(&rows);
    *covers = calloc(*cover_count + 1, sizeof **covers);
    for (size_t i = 0; *covers != NULL && i < *cover_count; i++) {
        (*covers)[i] = (struct accrual_cover){.key = (size_t)rows_i64(&rows, i, 0) - 1,
                                              .hold = rows_i64(&rows, i, 1),
                                              .covered = rows_points(&rows, i, 2)};
    }
    rows_release(&rows);
    result = *covers == NULL ? no_memory(err) : 0;
done:
    free(sources);
    free(ids);
    return result;
}

int store_write_covers(struct store *store, const struct accrual_cover *covers, size_t count,
                       struct error *err)
{
    int32_t *sources = calloc(count + 1, sizeof *sources);
    const char **ids = calloc(count + 1, sizeof *ids);
    int64_t *holds = calloc(count + 1, sizeof *holds);
    int64_t *covered = calloc(count + 1, sizeof *covered);
    struct query query;
    int result = -1;

    if (sources == NULL || ids == NULL || holds == NULL || covered == NULL) {
        no_memory(err);
    } else if (count == 0) {
        result = 0;
    } else {
        for (size_t i = 0; i < count; i++) {
            sources[i] = covers[i].source_no;
            ids[i] = covers[i].id;
            holds[i] = covers[i].hold;
            covered[i] = covers[i].covered.micro;
        }
        query_init(&query, "UPDATE ledger.accrual a SET hold_no = nullif(n.hold_no, 0), "
                           "covered_micro = n.covered FROM unnest($1, $2, $3, $4) "
                           "AS n(source_no, id, hold_no, covered) WHERE a.source_no = n.source_no "
                           "AND a.id = n.id COLLATE \"C\"");
        query_i32_array(&query, sources, count);
        query_text_array(&query, ids, count);
        query_i64_array(&query, holds, count);
        query_i64_array(&query, covered, count);
        result = query_run(store, &query, NULL, NULL, err);
    }
    free(sources);
    free(ids);
    free(holds);
    free(covered);
    return result;
}

int store_cover_sums(struct store *store, const struct locked_holds *holds, struct points *sums,
                     struct error *err)
{
    int64_t *numbers = calloc(holds->count + 1, sizeof *numbers);
    struct query query;
    struct rows rows;

    if (numbers == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < holds->count; i++) {
        numbers[i] = holds->holds[i].number;
        sums[i] = POINTS_ZERO;
    }
    query_init(&query, "SELECT n.i, sum(a.covered_micro)::bigint "
                       "FROM unnest($1) WITH ORDINALITY n(hold_no, i) "
                       "JOIN ledger.accrual a USING (hold_no) GROUP BY 1");
    query_i64_array(&query, numbers, holds->count);
    free(numbers);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < rows_count(&rows); i++) {
        sums[rows_i64(&rows, i, 0) - 1] = rows_points(&rows, i, 1);
    }
    rows_release(&rows);
    return 0;
}
