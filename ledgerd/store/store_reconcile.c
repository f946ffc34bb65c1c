/* store_reconcile - see store_reconcile.h. */
#include "ledgerd/store/store_reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"

static const char TABLES_SQL[] =
    "DROP TABLE IF EXISTS pg_temp.slurm_row, pg_temp.slurm_used, pg_temp.slurm_pair;"
    "CREATE TEMP TABLE slurm_row ("
    "  n bigint NOT NULL, id text COLLATE \"C\" NOT NULL, phase text NOT NULL,"
    "  account text NOT NULL, user_name text NOT NULL, partition text NOT NULL,"
    "  qos text NOT NULL, outcome text NOT NULL, submitted_at timestamptz,"
    "  start_at timestamptz, end_at timestamptz, elapsed text NOT NULL, requested text NOT NULL,"
    "  meters text NOT NULL, detail text NOT NULL);"
    "CREATE TEMP TABLE slurm_used ("
    "  account text COLLATE \"C\" NOT NULL, meter text NOT NULL, seconds bigint NOT NULL);"
    "CREATE TEMP TABLE slurm_pair ("
    "  kind text, id text COLLATE \"C\" NOT NULL, detail text,"
    "  s_state text, s_account text, s_user text, s_partition text, s_qos text, s_outcome text,"
    "  s_submitted timestamptz, s_start timestamptz, s_end timestamptz,"
    "  s_elapsed text, s_requested text, s_meters text,"
    "  b_state text, b_account text, b_user text, b_partition text, b_qos text, b_outcome text,"
    "  b_submitted timestamptz, b_start timestamptz, b_end timestamptz,"
    "  b_elapsed text, b_requested text, b_meters text, b_project text)";

static const char ADD_SQL[] =
    "INSERT INTO pg_temp.slurm_row"
    " SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[],"
    "   $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[],"
    "   $11::timestamptz[], $12::text[], $13::text[], $14::text[], $15::text[])";

static const char ADD_USED_SQL[] =
    "INSERT INTO pg_temp.slurm_used SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])";

/* The earliest month in which the book has any of the rows: no partition before it is read. */
static const char FIRST_MONTH_SQL[] =
    "SELECT least($2, min(i.month)) FROM pg_temp.slurm_row r"
    "  JOIN ledger.record_identity i ON i.id = r.id"
    "   AND i.source_no = (SELECT source_no FROM ledger.source WHERE name = $1)";

/* Work that runs is what its accrual says, not what was booked of it when a month closed. A record
 * without an account of Slurm's is known by its project. */
static const char PAIR_SQL[] =
    "WITH source AS (SELECT source_no FROM ledger.source WHERE name = $1),"
    " accrual AS ("
    "  SELECT a.id, 'running' AS state, a.project_id, a.user_name, a.start_at, a.end_at,"
    "         a.record::jsonb AS r"
    "    FROM ledger.accrual a WHERE a.source_no = (SELECT source_no FROM source)),"
    " booked AS ("
    "  SELECT u.*, nullif(u.attributes, '')::json AS a FROM ledger.usage_record u"
    "    JOIN ledger.record_identity i ON i.source_no = u.source_no AND i.id = u.id"
    "     AND i.record_no = u.record_no AND i.version = u.version AND i.month = u.month"
    "   WHERE u.source_no = (SELECT source_no FROM source) AND u.month >= $5"
    "     AND NOT EXISTS (SELECT FROM accrual x WHERE x.id = u.id)),"
    " book AS ("
    "  SELECT id, state, coalesce(r->'attributes'->>'account', project_id) AS account, user_name,"
    "         coalesce(r->'attributes'->>'partition', r->>'class') AS partition,"
    "         coalesce(r->>'qos', '') AS qos, '' AS outcome,"
    "         (r->>'submitted')::timestamptz AS submitted_at, start_at, end_at,"
    "         coalesce(r->>'elapsed_seconds',"
    "                  extract(epoch FROM end_at - start_at)::bigint::text) AS elapsed,"
    "         coalesce(r->>'requested_seconds', '0') AS requested,"
    "         (SELECT coalesce(string_agg(key || '=' || value, ' ' ORDER BY key COLLATE \"C\"), '')"
    "            FROM jsonb_each_text(r->'meters')) AS meters, project_id"
    "    FROM accrual"
    "   UNION ALL"
    "  SELECT id, CASE WHEN booked_through IS NULL THEN 'ended' ELSE 'running' END,"
    "         coalesce(a->>'account', project_id), user_name, coalesce(a->>'partition', class),"
    "         qos, outcome, submitted_at, start_at, end_at,"
    "         coalesce(elapsed_seconds, extract(epoch FROM end_at - start_at)::bigint::text),"
    "         requested_seconds, meters, project_id"
    "    FROM booked),"
    " told AS (SELECT DISTINCT ON (id) * FROM pg_temp.slurm_row ORDER BY id, n DESC),"
    " pair AS ("
    "  SELECT coalesce(s.id, b.id) AS id, s.detail, s.phase AS s_state, s.account AS s_account,"
    "         s.user_name AS s_user, s.partition AS s_partition, s.qos AS s_qos,"
    "         s.outcome AS s_outcome, s.submitted_at AS s_submitted, s.start_at AS s_start,"
    "         s.end_at AS s_end, s.elapsed AS s_elapsed, s.requested AS s_requested,"
    "         s.meters AS s_meters, b.state AS b_state, b.account AS b_account,"
    "         b.user_name AS b_user, b.partition AS b_partition, b.qos AS b_qos,"
    "         b.outcome AS b_outcome, b.submitted_at AS b_submitted, b.start_at AS b_start,"
    "         b.end_at AS b_end, b.elapsed AS b_elapsed, b.requested AS b_requested,"
    "         b.meters AS b_meters, b.project_id AS b_project"
    "    FROM told s FULL JOIN book b ON b.id = s.id"
    "   WHERE s.id IS NOT NULL OR (b.start_at < $3 AND b.end_at >= $2))"
    "INSERT INTO pg_temp.slurm_pair SELECT CASE"
    "    WHEN s_state = 'unreadable' THEN 'unreadable'"
    "    WHEN b_state IS NULL THEN 'missing'"
    "    WHEN s_state IS NULL THEN 'extra'"
    "    WHEN s_state = 'ended' AND b_state = 'running' THEN 'unsettled'"
    "    WHEN s_state = 'running' AND b_state = 'running' THEN"
    "      CASE WHEN b_end < s_end AND b_end < $4 THEN 'behind' END"
    "    WHEN (s_state, s_account, s_user, s_partition, s_qos, s_outcome, s_submitted, s_start,"
    "          s_end, s_elapsed, s_requested, s_meters) IS DISTINCT FROM"
    "         (b_state, b_account, b_user, b_partition, b_qos, b_outcome, b_submitted, b_start,"
    "          b_end, b_elapsed, b_requested, b_meters) THEN 'different'"
    "  END, pair.* FROM pair";

static const char DIFFERENCES_SQL[] =
    "SELECT p.kind, p.id, coalesce(p.b_project, ''), coalesce(p.detail, ''),"
    "       coalesce(p.s_state, ''), p.s_account, p.s_user, p.s_partition, p.s_qos, p.s_outcome,"
    "       p.s_submitted, p.s_start, p.s_end, p.s_elapsed, p.s_requested, p.s_meters,"
    "       coalesce(p.b_state, ''), p.b_account, p.b_user, p.b_partition, p.b_qos, p.b_outcome,"
    "       p.b_submitted, p.b_start, p.b_end, p.b_elapsed, p.b_requested, p.b_meters,"
    "       coalesce(q.n, 0), q.state, q.reason, q.detail,"
    "       greatest((SELECT read_to FROM ledger.source WHERE name = $1),"
    "                (SELECT read_through FROM ledger.pull WHERE source = $1))"
    "  FROM pg_temp.slurm_pair p"
    "  LEFT JOIN ledger.quarantine q ON q.source = $1 AND q.id = p.id AND q.id <> ''"
    " WHERE p.kind IS NOT NULL"
    " ORDER BY length(split_part(p.id, '@', 1)), p.id LIMIT $2";

static const char COUNTS_SQL[] =
    "SELECT count(*) FILTER (WHERE s_state = 'ended' AND s_end >= $1 AND s_end < $2),"
    "       count(*) FILTER (WHERE b_state = 'ended' AND b_end >= $1 AND b_end < $2),"
    "       count(*) FILTER (WHERE s_state = 'running' OR b_state = 'running'),"
    "       count(*) FILTER (WHERE s_elapsed <> extract(epoch FROM s_end - s_start)::bigint::text"
    "                          AND (s_start < $3 AND s_end > $3 OR s_start < $4 AND s_end > $4)),"
    "       count(*) FILTER (WHERE kind = 'missing'), count(*) FILTER (WHERE kind = 'extra'),"
    "       count(*) FILTER (WHERE kind = 'different'),"
    "       count(*) FILTER (WHERE kind = 'unsettled'),"
    "       count(*) FILTER (WHERE kind = 'behind'), count(*) FILTER (WHERE kind = 'unreadable')"
    "  FROM pg_temp.slurm_pair";

/* Of each side's jobs: account, times, seconds without suspension, and what they had. */
#define SIDES                                                                                   \
    "side AS ("                                                                                 \
    "  SELECT 'sacct' AS who, s_account COLLATE \"C\" AS account, s_state AS state,"            \
    "         s_start AS b, s_end AS e, s_elapsed::numeric AS elapsed, s_meters AS meters"      \
    "    FROM pg_temp.slurm_pair WHERE s_state IN ('ended', 'running')"                         \
    "   UNION ALL"                                                                              \
    "  SELECT 'book', b_account COLLATE \"C\", b_state, b_start, b_end, b_elapsed::numeric,"    \
    "         b_meters FROM pg_temp.slurm_pair WHERE b_state IS NOT NULL),"                     \
    " had AS ("                                                                                 \
    "  SELECT who, account, state, b, e, elapsed, m.meter,"                                     \
    "         substring(meters FROM '(?:^| )' || m.meter || '=([0-9.]+)')::numeric AS quantity" \
    "    FROM side, (VALUES ('gpu'), ('cpu')) AS m (meter))"

/* The figures of each account, and of all of them together. */
#define TOTALS                                                                                 \
    " SELECT account, meter,"                                                                  \
    "        round(coalesce(sum(seconds) FILTER (WHERE who = 'book'), 0) / 3600, 6)::text,"    \
    "        round(coalesce(sum(seconds) FILTER (WHERE who = 'sacct'), 0) / 3600, 6)::text,"   \
    "        round(coalesce(sum(seconds) FILTER (WHERE who = 'sreport'), 0) / 3600, 6)::text," \
    "        round(coalesce(sum(seconds) FILTER (WHERE who = 'book'), 0))"                     \
    "          <> round(coalesce(sum(seconds) FILTER (WHERE who = 'sacct'), 0)),"              \
    "        round(coalesce(sum(seconds) FILTER (WHERE who = 'sreport'), 0))"                  \
    "          <> round(coalesce(sum(seconds) FILTER (WHERE who = 'sacct'), 0))"               \
    "   FROM used GROUP BY GROUPING SETS ((account, meter), (meter))"                          \
    " HAVING sum(seconds) > 0"                                                                 \
    "  ORDER BY grouping(account), account, meter DESC"

static const char ENDED_SQL[] =
    "WITH " SIDES ", used AS ("
    "  SELECT who, account, meter, elapsed * quantity AS seconds FROM had"
    "   WHERE state = 'ended' AND e >= $1 AND e < $2 AND quantity IS NOT NULL)" TOTALS;

/* What was suspended is left out evenly over a job's time, as the book charges it. */
static const char USED_SQL[] =
    "WITH " SIDES ", shared AS ("
    "  SELECT had.*, extract(epoch FROM e - b) AS whole,"
    "         greatest(extract(epoch FROM least(e, $2) - greatest(b, $1)), 0) AS part FROM had"
    "   WHERE b < $2 AND e >= $1 AND quantity IS NOT NULL), used AS ("
    "  SELECT who, account, meter, quantity * CASE WHEN whole = 0 THEN elapsed"
    "         WHEN elapsed = whole THEN part ELSE part * elapsed / whole END AS seconds"
    "    FROM shared"
    "   UNION ALL"
    "  SELECT 'sreport', account, meter, seconds FROM pg_temp.slurm_used)" TOTALS;

static int begin_work(struct store *store, void *context, struct error *err)
{
    (void)context;
    return query_execute(store, TABLES_SQL, err);
}

int store_reconcile_begin(struct store *store, struct error *err)
{
    return store_transact(store, STORE_UNLOCKED, begin_work, NULL, err);
}

struct add { /* context of add_work */
    const struct reconcile_row *rows;
    size_t count;
};

enum { ROW_TEXTS = 11, ROW_INSTANTS = 3 };

static const char *row_text(const struct reconcile_row *row, size_t text)
{
    const struct reconcile_side *job = &row->job;
    const char *const texts[ROW_TEXTS] = {
        row->id,      job->state,   job->account,   job->user,   job->partition, job->qos,
        job->outcome, job->elapsed, job->requested, job->meters, row->detail,
    };

    return texts[text];
}

static struct instant row_instant(const struct reconcile_row *row, size_t instant)
{
    const struct instant instants[ROW_INSTANTS] = {row->job.submitted, row->job.start,
                                                   row->job.end};

    return instants[instant];
}

/* Texts, times, texts: as the statement has its parameters. */
static void add_columns(struct query *query, const struct add *add, const char **texts,
                        struct instant *instants)
{
    for (size_t column = 0; column < ROW_TEXTS; column++) {
        for (size_t at = 0; column == 7 && at < ROW_INSTANTS; at++) {
            for (size_t i = 0; i < add->count; i++) {
                instants[i] = row_instant(&add->rows[i], at);
            }
            query_instant_array(query, instants, add->count);
        }
        for (size_t i = 0; i < add->count; i++) {
            texts[i] = row_text(&add->rows[i], column);
        }
        query_text_array(query, texts, add->count);
    }
}

static int add_work(struct store *store, void *context, struct error *err)
{
    const struct add *add = context;
    const char **texts = calloc(add->count, sizeof *texts);
    struct instant *instants = calloc(add->count, sizeof *instants);
    int64_t *numbers = calloc(add->count, sizeof *numbers);
    struct query query;
    int result = -1;

    if (texts == NULL || instants == NULL || numbers == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        goto done;
    }
    for (size_t i = 0; i < add->count; i++) {
        numbers[i] = (int64_t)add->rows[i].n;
    }
    query_init(&query, ADD_SQL);
    query_i64_array(&query, numbers, add->count);
    add_columns(&query, add, texts, instants);
    result = query_run(store, &query, NULL, NULL, err);
done:
    free(numbers);
    free(instants);
    free(texts);
    return result;
}

int store_reconcile_add(struct store *store, const struct reconcile_row *rows, size_t count,
                        struct error *err)
{
    struct add add = {rows, count};

    return count == 0 ? 0 : store_transact(store, STORE_UNLOCKED, add_work, &add, err);
}

struct add_used { /* context of add_used_work */
    const struct reconcile_used *rows;
    size_t count;
};

static int add_used_work(struct store *store, void *context, struct error *err)
{
    const struct add_used *add = context;
    const char **accounts = calloc(add->count, sizeof *accounts);
    const char **meters = calloc(add->count, sizeof *meters);
    int64_t *seconds = calloc(add->count, sizeof *seconds);
    struct query query;
    int result = -1;

    if (accounts == NULL || meters == NULL || seconds == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        goto done;
    }
    for (size_t i = 0; i < add->count; i++) {
        accounts[i] = add->rows[i].account;
        meters[i] = add->rows[i].meter;
        seconds[i] = add->rows[i].seconds;
    }
    query_init(&query, ADD_USED_SQL);
    query_text_array(&query, accounts, add->count);
    query_text_array(&query, meters, add->count);
    query_i64_array(&query, seconds, add->count);
    result = query_run(store, &query, NULL, NULL, err);
done:
    free(seconds);
    free(meters);
    free(accounts);
    return result;
}

int store_reconcile_add_used(struct store *store, const struct reconcile_used *rows, size_t count,
                             struct error *err)
{
    struct add_used add = {rows, count};

    return count == 0 ? 0 : store_transact(store, STORE_UNLOCKED, add_used_work, &add, err);
}

static int pair_work(struct store *store, void *context, struct error *err)
{
    const struct reconcile_span *span = context;
    struct query query;
    struct rows rows;
    struct month first;

    if (query_execute(store, "ANALYZE pg_temp.slurm_row", err) != 0) {
        return -1;
    }
    query_init(&query, FIRST_MONTH_SQL);
    query_text(&query, span->source);
    query_month(&query, span->first);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    first = rows_month(&rows, 0, 0);
    rows_release(&rows);
    query_init(&query, PAIR_SQL);
    query_text(&query, span->source);
    query_instant(&query, span->from);
    query_instant(&query, span->to);
    query_instant(&query, span->used_to);
    query_month(&query, first);
    return query_run(store, &query, NULL, NULL, err);
}

int store_reconcile_pair(struct store *store, const struct reconcile_span *span, struct error *err)
{
    return store_transact(store, STORE_UNLOCKED, pair_work, (void *)span, err);
}

static enum reconcile_kind kind_of(const char *text)
{
    static const char *const kinds[RECONCILE_KINDS] = {"missing",   "extra",  "different",
                                                       "unsettled", "behind", "unreadable"};
    enum reconcile_kind kind = RECONCILE_MISSING;

    while (kind < RECONCILE_KINDS - 1 && strcmp(kinds[kind], text) != 0) {
        kind++;
    }
    return kind;
}

/* The twelve columns of a side, from `column` on. */
static void read_side(const struct rows *rows, size_t row, int column, struct reconcile_side *side)
{
    *side = (struct reconcile_side){
        .state = rows_text(rows, row, column),
        .account = rows_text(rows, row, column + 1),
        .user = rows_text(rows, row, column + 2),
        .partition = rows_text(rows, row, column + 3),
        .qos = rows_text(rows, row, column + 4),
        .outcome = rows_text(rows, row, column + 5),
        .submitted = rows_instant(rows, row, column + 6),
        .start = rows_instant(rows, row, column + 7),
        .end = rows_instant(rows, row, column + 8),
        .elapsed = rows_text(rows, row, column + 9),
        .requested = rows_text(rows, row, column + 10),
        .meters = rows_text(rows, row, column + 11),
    };
}

int store_reconcile_differences(struct store *store, const struct reconcile_span *span,
                                int64_t limit, reconcile_difference_fn *each, void *context,
                                struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, DIFFERENCES_SQL);
    query_text(&query, span->source);
    query_i64(&query, limit);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < rows_count(&rows) && result == 0; i++) {
        struct reconcile_difference row = {
            .kind = kind_of(rows_text(&rows, i, 0)),
            .id = rows_text(&rows, i, 1),
            .project = rows_text(&rows, i, 2),
            .detail = rows_text(&rows, i, 3),
            .quarantine = rows_i64(&rows, i, 28),
            .quarantine_state = rows_text(&rows, i, 29),
            .quarantine_reason = rows_text(&rows, i, 30),
            .quarantine_detail = rows_text(&rows, i, 31),
            .read_through = rows_instant(&rows, i, 32),
        };
        read_side(&rows, i, 4, &row.slurm);
        read_side(&rows, i, 16, &row.book);
        result = each(context, &row, err);
    }
    rows_release(&rows);
    return result;
}

int store_reconcile_counts(struct store *store, const struct reconcile_span *span,
                           struct reconcile_counts *counts, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, COUNTS_SQL);
    query_instant(&query, span->from);
    query_instant(&query, span->to);
    query_instant(&query, span->used_from);
    query_instant(&query, span->used_to);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    counts->ended_slurm = rows_i64(&rows, 0, 0);
    counts->ended_book = rows_i64(&rows, 0, 1);
    counts->running = rows_i64(&rows, 0, 2);
    counts->suspended = rows_i64(&rows, 0, 3);
    for (int kind = 0; kind < RECONCILE_KINDS; kind++) {
        counts->kinds[kind] = rows_i64(&rows, 0, 4 + kind);
    }
    rows_release(&rows);
    return 0;
}

static int totals(struct store *store, const char *sql, struct period period, bool with_sreport,
                  reconcile_total_fn *each, void *context, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, sql);
    query_instant(&query, period.from);
    query_instant(&query, period.to);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < rows_count(&rows) && result == 0; i++) {
        const struct reconcile_total total = {
            .account = rows_is_null(&rows, i, 0) ? NULL : rows_text(&rows, i, 0),
            .meter = rows_text(&rows, i, 1),
            .book = rows_text(&rows, i, 2),
            .sacct = rows_text(&rows, i, 3),
            .sreport = with_sreport ? rows_text(&rows, i, 4) : "",
            .differs = rows_bool(&rows, i, 5) || (with_sreport && rows_bool(&rows, i, 6)),
        };
        result = each(context, &total, err);
    }
    rows_release(&rows);
    return result;
}

int store_reconcile_ended(struct store *store, const struct reconcile_span *span,
                          reconcile_total_fn *each, void *context, struct error *err)
{
    return totals(store, ENDED_SQL, (struct period){span->from, span->to}, false, each, context,
                  err);
}

int store_reconcile_used(struct store *store, const struct reconcile_span *span,
                         reconcile_total_fn *each, void *context, struct error *err)
{
    return totals(store, USED_SQL, (struct period){span->used_from, span->used_to}, true, each,
                  context, err);
}
