/* store_lookup - see store_lookup.h.
 *
 * The month tables have no index but BRIN on the record number, so that a few records are found by
 * their numbers, and many by one scan of the range that they span.
 */
#include "ledgerd/store/store_lookup.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"

enum { FEW_RECORDS = 64 }; /* up to here an index scan for each is cheaper than one scan of all */

int store_lookup_identities(struct store *store, const struct lookup_key *keys, size_t count,
                            struct lookup_identity *identities, struct error *err)
{
    int32_t *sources = calloc(count, sizeof *sources);
    const char **ids = calloc(count, sizeof *ids);
    struct query query;
    struct rows rows;
    int result = -1;

    memset(identities, 0, count * sizeof *identities);
    if (count > 0 && (sources == NULL || ids == NULL)) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        sources[i] = keys[i].source_no;
        ids[i] = keys[i].id;
    }
    query_init(&query, "SELECT k.i, r.content, r.record_no, r.version, r.month "
                       "FROM unnest($1, $2) WITH ORDINALITY k(source_no, id, i) "
                       "JOIN ledger.record_identity r "
                       "ON r.source_no = k.source_no AND r.id = k.id COLLATE \"C\"");
    query_i32_array(&query, sources, count);
    query_text_array(&query, ids, count);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        goto done;
    }
    for (size_t row = 0; row < rows_count(&rows); row++) {
        struct lookup_identity *identity = &identities[rows_i64(&rows, row, 0) - 1];

        identity->found = true;
        memcpy(identity->content, rows_bytes(&rows, row, 1), sizeof identity->content);
        identity->record_no = rows_i64(&rows, row, 2);
        identity->version = (int)rows_i64(&rows, row, 3);
        identity->month = rows_month(&rows, row, 4);
    }
    rows_release(&rows);
    result = 0;
done:
    free(sources);
    free(ids);
    return result;
}

static int compare_contents(const void *a, const void *b)
{
    const struct lookup_content *x = a;
    const struct lookup_content *y = b;

    if (x->record_no != y->record_no) {
        return x->record_no < y->record_no ? -1 : 1;
    }
    return memcmp(x->content, y->content, sizeof x->content);
}

int store_lookup_contents(struct store *store, const int64_t *record_nos, size_t count,
                          struct lookup_content **contents, size_t *content_count,
                          struct error *err)
{
    struct query query;
    struct rows rows;

    *contents = NULL;
    *content_count = 0;
    if (count == 0) {
        return 0;
    }
    query_init(&query, "SELECT c.record_no, c.content, c.seen_at "
                       "FROM (SELECT DISTINCT n FROM unnest($1) n) k "
                       "JOIN ledger.record_content c ON c.record_no = k.n");
    query_i64_array(&query, record_nos, count);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *content_count = rows_count(&rows);
    *contents = calloc(*content_count + 1, sizeof **contents);
    if (*contents == NULL) {
        rows_release(&rows);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < *content_count; i++) {
        (*contents)[i].record_no = rows_i64(&rows, i, 0);
        memcpy((*contents)[i].content, rows_bytes(&rows, i, 1), sizeof(*contents)[i].content);
        (*contents)[i].seen = rows_instant(&rows, i, 2);
    }
    rows_release(&rows);
    qsort(*contents, *content_count, sizeof **contents, compare_contents);
    return 0;
}

const struct lookup_content *lookup_content_find(const struct lookup_content *contents,
                                                 size_t count, int64_t record_no,
                                                 const unsigned char content[16])
{
    struct lookup_content wanted = {.record_no = record_no};

    memcpy(wanted.content, content, sizeof wanted.content);
    return count == 0 ? NULL
                      : bsearch(&wanted, contents, count, sizeof *contents, compare_contents);
}

static void record_range(const int64_t *record_nos, size_t count, int64_t *least, int64_t *greatest)
{
    *least = record_nos[0];
    *greatest = record_nos[0];
    for (size_t i = 1; i < count; i++) {
        *least = record_nos[i] < *least ? record_nos[i] : *least;
        *greatest = record_nos[i] > *greatest ? record_nos[i] : *greatest;
    }
}

static int run_records_query(struct store *store, const struct lookup_version *wanted, size_t count,
                             struct rows *rows, struct error *err)
{
    int64_t *record_nos = calloc(count, sizeof *record_nos);
    struct month *months = calloc(count, sizeof *months);
    int32_t *versions = calloc(count, sizeof *versions);
    int64_t least;
    int64_t greatest;
    struct query query;
    int result = -1;

    if (record_nos == NULL || months == NULL || versions == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        record_nos[i] = wanted[i].record_no;
        months[i] = wanted[i].month;
        versions[i] = wanted[i].version;
    }
    record_range(record_nos, count, &least, &greatest);
    query_init(&query,
               count <= FEW_RECORDS
                   ? "SELECT " STORE_RECORD_COLUMNS ", k.i FROM ledger.usage_record u "
                     "JOIN ledger.source s USING (source_no) "
                     "JOIN unnest($1, $2, $3) WITH ORDINALITY k(no, month, version, i) "
                     "ON u.record_no = k.no AND u.month = k.month AND u.version = k.version "
                     "WHERE u.record_no = ANY ($1) AND u.month = ANY ($2) "
                     "AND u.record_no BETWEEN $4 AND $5"
                   : "SELECT " STORE_RECORD_COLUMNS ", k.i FROM ledger.usage_record u "
                     "JOIN ledger.source s USING (source_no) "
                     "JOIN unnest($1, $2, $3) WITH ORDINALITY k(no, month, version, i) "
                     "ON u.record_no = k.no AND u.month = k.month AND u.version = k.version "
                     "WHERE u.month = ANY ($2) AND u.record_no BETWEEN $4 AND $5");
    query_i64_array(&query, record_nos, count);
    query_month_array(&query, months, count);
    query_i32_array(&query, versions, count);
    query_i64(&query, least);
    query_i64(&query, greatest);
    result = query_run(store, &query, rows, NULL, err);
done:
    free(record_nos);
    free(months);
    free(versions);
    return result;
}

int store_lookup_records(struct store *store, const struct lookup_version *wanted, size_t count,
                         lookup_record_fn *each, void *context, struct error *err)
{
    struct stored_record *stored;
    struct rows rows;
    int result = 0;

    if (count == 0) {
        return 0;
    }
    if (run_records_query(store, wanted, count, &rows, err) != 0) {
        return -1;
    }
    stored = malloc(sizeof *stored); /* large: its arena holds the strings of any record */
    if (stored == NULL) {
        result = error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t row = 0; result == 0 && row < rows_count(&rows); row++) {
        size_t i = (size_t)(rows_i64(&rows, row, STORE_RECORD_COLUMN_COUNT) - 1);

        result = store_record_decode(&rows, row, stored, err);
        if (result == 0) {
            result = each(context, i, stored, err);
        }
    }
    free(stored);
    rows_release(&rows);
    return result;
}

static int run_charges_query(struct store *store, const int64_t *record_nos, size_t count,
                             struct month from, struct month to, struct rows *rows,
                             struct error *err)
{
    int64_t least;
    int64_t greatest;
    struct query query;

    record_range(record_nos, count, &least, &greatest);
    query_init(&query, count <= FEW_RECORDS
                           ? "SELECT c.record_no, c.month, c.version, c.last_at, c.points_micro, "
                             "c.list_micro, c.card_no, c.rule, c.project_id, c.user_name, c.class "
                             "FROM ledger.charge c WHERE c.record_no = ANY ($1) "
                             "AND c.month BETWEEN $2 AND $3 AND c.record_no BETWEEN $4 AND $5 "
                             "ORDER BY c.record_no, c.version, c.month"
                           : "SELECT c.record_no, c.month, c.version, c.last_at, c.points_micro, "
                             "c.list_micro, c.card_no, c.rule, c.project_id, c.user_name, c.class "
                             "FROM ledger.charge c JOIN unnest($1) k(no) ON k.no = c.record_no "
                             "WHERE c.month BETWEEN $2 AND $3 AND c.record_no BETWEEN $4 AND $5 "
                             "ORDER BY c.record_no, c.version, c.month");
    query_i64_array(&query, record_nos, count);
    query_month(&query, from);
    query_month(&query, to);
    query_i64(&query, least);
    query_i64(&query, greatest);
    return query_run(store, &query, rows, NULL, err);
}

int store_lookup_charges(struct store *store, const int64_t *record_nos, size_t count,
                         struct month from, struct month to, struct lookup_charges *charges,
                         struct error *err)
{
    struct rows rows;

    *charges = (struct lookup_charges){0};
    if (count == 0) {
        return 0;
    }
    if (run_charges_query(store, record_nos, count, from, to, &rows, err) != 0) {
        return -1;
    }
    charges->rows = rows.result;
    charges->count = rows_count(&rows);
    charges->charges = calloc(charges->count + 1, sizeof *charges->charges);
    if (charges->charges == NULL) {
        lookup_charges_release(charges);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < charges->count; i++) {
        charges->charges[i] = (struct lookup_charge){
            .record_no = rows_i64(&rows, i, 0),
            .month = rows_month(&rows, i, 1),
            .version = (int)rows_i64(&rows, i, 2),
            .last = rows_instant(&rows, i, 3),
            .points = rows_points(&rows, i, 4),
            .list_points = rows_points(&rows, i, 5),
            .card_no = (int32_t)rows_i64(&rows, i, 6),
            .rule = (int)rows_i64(&rows, i, 7),
            .project = rows_text(&rows, i, 8),
            .user = rows_text(&rows, i, 9),
            .klass = rows_text(&rows, i, 10),
        };
    }
    return 0;
}

void lookup_charges_release(struct lookup_charges *charges)
{
    struct rows rows = {charges->rows};

    if (rows.result != NULL) {
        rows_release(&rows);
    }
    free(charges->charges);
    *charges = (struct lookup_charges){0};
}
