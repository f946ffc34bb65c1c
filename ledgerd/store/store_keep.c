/* store_keep - see store_keep.h. */
#include "ledgerd/store/store_keep.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/hold_lapse.h"
#include "ledgerd/store/query.h"

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

/* --- deadlines go on -------------------------------------------------------------------------- */

struct beginning {
    const char *source;
    struct instant now;
    struct instant fresh_until;
    int64_t moved;
};

#define STANDING_HOLDS \
    "FROM ledger.hold h WHERE h.source = $1 AND h.source <> '' AND h.state = 'open' "

/* In the order of everybody's locks: positions of projects, then holds. Their rows are written, so
 * that who remembers them looks again. */
static int lock_standing(struct store *store, const struct beginning *beginning, struct error *err)
{
    static const char *const statements[] = {
        "SELECT FROM ledger.project_position WHERE project_id IN (SELECT "
        "h.project_id " STANDING_HOLDS "AND " HOLD_STANDS_STILL ") ORDER BY project_id FOR UPDATE",
        "SELECT " STANDING_HOLDS "AND " HOLD_STANDS_STILL " ORDER BY h.hold_no "
        "FOR UPDATE OF h",
    };

    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        struct query query;

        query_init(&query, statements[i]);
        query_text(&query, beginning->source);
        if (query_run(store, &query, NULL, NULL, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int move_deadlines(struct store *store, struct beginning *beginning, struct error *err)
{
    static const char sql[] =
        "WITH moved AS (UPDATE ledger.hold h SET expires_at = h.expires_at + "
        "($2 - greatest(p.fresh_until, h.made_at)) FROM ledger.pull p "
        "WHERE p.source = $1 AND h.source = p.source AND h.source <> '' AND h.state = 'open' "
        "AND h.expires_at > p.fresh_until RETURNING h.project_id), "
        "told AS (UPDATE ledger.project_position p SET changed = pg_current_xact_id() "
        "FROM (SELECT DISTINCT project_id FROM moved) m WHERE p.project_id = m.project_id) "
        "SELECT count(*) FROM moved";
    struct query query;
    struct rows rows;

    query_init(&query, sql);
    query_text(&query, beginning->source);
    query_instant(&query, beginning->now);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    beginning->moved = rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

static int was_stale(struct store *store, const struct beginning *beginning, bool *stale,
                     struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT fresh_until FROM ledger.pull WHERE source = $1 FOR UPDATE");
    query_text(&query, beginning->source);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *stale = rows_count(&rows) > 0 && !rows_is_null(&rows, 0, 0) &&
             instant_compare(rows_instant(&rows, 0, 0), beginning->now) < 0;
    rows_release(&rows);
    return 0;
}

static int begin(struct store *store, void *context, struct error *err)
{
    struct beginning *beginning = context;
    struct query query;
    bool stale;

    beginning->moved = 0;
    if (was_stale(store, beginning, &stale, err) != 0) {
        return -1;
    }
    if (stale &&
        (lock_standing(store, beginning, err) != 0 || move_deadlines(store, beginning, err) != 0)) {
        return -1;
    }
    query_init(&query, "INSERT INTO ledger.pull AS p (source, fresh_until) VALUES ($1, $2) "
                       "ON CONFLICT (source) DO UPDATE SET fresh_until = excluded.fresh_until");
    query_text(&query, beginning->source);
    query_instant(&query, beginning->fresh_until);
    return query_run(store, &query, NULL, NULL, err);
}

int store_keep_begin(struct store *store, const char *source, struct instant now,
                     struct instant fresh_until, int64_t *moved, struct error *err)
{
    struct beginning beginning = {.source = source, .now = now, .fresh_until = fresh_until};
    int result = store_transact(store, STORE_UNLOCKED, begin, &beginning, err);

    *moved = result == 0 ? beginning.moved : 0;
    return result;
}

int store_keep_await(struct store *store, const char *source, struct instant now, struct error *err)
{
    struct query query;

    query_init(&query, "INSERT INTO ledger.pull AS p (source, fresh_until) VALUES ($1, $2) "
                       "ON CONFLICT (source) DO UPDATE SET fresh_until = excluded.fresh_until "
                       "WHERE p.fresh_until IS NULL");
    query_text(&query, source);
    query_instant(&query, now);
    return query_run(store, &query, NULL, NULL, err);
}

/* --- accounts --------------------------------------------------------------------------------- */

int store_keep_accounts(struct store *store, const char *cluster, struct keep_accounts *accounts,
                        struct error *err)
{
    struct query query;
    struct rows rows;
    bool failed = false;

    *accounts = (struct keep_accounts){0};
    query_init(&query, "SELECT DISTINCT account FROM ledger.slurm_job WHERE cluster = $1");
    query_text(&query, cluster);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    char **names = calloc(rows_count(&rows) + 1, sizeof *names);
    for (size_t i = 0; names != NULL && i < rows_count(&rows); i++) {
        names[i] = rows_copy(&rows, i, 0);
        failed = failed || names[i] == NULL;
    }
    if (names != NULL) {
        *accounts = (struct keep_accounts){.count = rows_count(&rows), .names = names};
    }
    rows_release(&rows);
    if (names == NULL || failed) {
        store_keep_accounts_release(accounts);
        return no_memory(err);
    }
    return 0;
}

void store_keep_accounts_release(struct keep_accounts *accounts)
{
    for (size_t i = 0; i < accounts->count; i++) {
        free(accounts->names[i]);
    }
    free(accounts->names);
    *accounts = (struct keep_accounts){0};
}

/* --- holds and jobs --------------------------------------------------------------------------- */

/* A page of holds by the index of holds of sources, and for each a look at its jobs by either
 * key. */
static const char HOLDS_SQL[] =
    "SELECT h.hold_no, h.project_id, h.parts, h.ended_parts, h.held_micro, h.made_at, "
    "h.expires_at, " HOLD_LAPSES_AT ", h.confirmed_at, coalesce(l.tasks, 0)::bigint, "
    "coalesce(l.waiting, 0)::bigint, coalesce(l.named, 0)::bigint, h.user_name, h.ref_id "
    "FROM (SELECT * FROM ledger.hold WHERE source = $1 "
    "AND source <> '' AND state = 'open' AND ref_kind = 'slurm' AND (project_id, hold_no) "
    "> "
    "($5, $6) ORDER BY project_id, hold_no LIMIT $7) h "
    "LEFT JOIN LATERAL (SELECT sum(j.tasks) AS named, "
    "sum(j.tasks) FILTER (WHERE m.is_its) AS tasks, "
    "sum(j.tasks) FILTER (WHERE m.is_its AND j.state = 'pending') AS waiting FROM ("
    "SELECT account, user_name, state, tasks FROM ledger.slurm_job WHERE cluster = $2 "
    "AND hold_key = h.ref_id AND hold_key <> '' UNION ALL "
    "SELECT account, user_name, state, tasks FROM ledger.slurm_job WHERE cluster = $2 "
    "AND start_key = h.ref_id AND start_key <> '' AND hold_key <> h.ref_id) j "
    "CROSS JOIN LATERAL (SELECT j.user_name = h.user_name AND EXISTS (SELECT FROM "
    "unnest($3, $4) AS a(account, project) WHERE a.account = j.account "
    "AND a.project = h.project_id) AS is_its) m) l ON true "
    "ORDER BY h.project_id, h.hold_no";

static int holds_from_rows(const struct rows *rows, struct keep_holds *out, struct error *err)
{
    size_t count = rows_count(rows);
    size_t bytes = 1;

    for (size_t i = 0; i < count; i++) {
        bytes += rows_length(rows, i, 1) + rows_length(rows, i, 12) + rows_length(rows, i, 13) + 3;
    }
    out->holds = calloc(count + 1, sizeof *out->holds);
    out->texts = malloc(bytes);
    if (out->holds == NULL || out->texts == NULL) {
        store_keep_holds_release(out);
        return no_memory(err);
    }
    char *end = out->texts;
    for (size_t i = 0; i < count; i++) {
        out->holds[out->count++] = (struct keep_hold){.number = rows_i64(rows, i, 0),
                                                      .project = end,
                                                      .parts = rows_i64(rows, i, 2),
                                                      .ended_parts = rows_i64(rows, i, 3),
                                                      .held = rows_points(rows, i, 4),
                                                      .made_at = rows_instant(rows, i, 5),
                                                      .expires_at = rows_instant(rows, i, 6),
                                                      .lapses_at = rows_instant(rows, i, 7),
                                                      .confirmed_at = rows_instant(rows, i, 8),
                                                      .tasks = rows_i64(rows, i, 9),
                                                      .waiting_tasks = rows_i64(rows, i, 10),
                                                      .named_tasks = rows_i64(rows, i, 11)};
        struct keep_hold *hold = &out->holds[i];
        end = stpcpy(end, rows_text(rows, i, 1)) + 1;
        hold->user = end;
        end = stpcpy(end, rows_text(rows, i, 12)) + 1;
        hold->ref = end;
        end = stpcpy(end, rows_text(rows, i, 13)) + 1;
    }
    return 0;
}

int store_keep_holds(struct store *store, const struct keep_question *question,
                     struct keep_holds *holds, struct error *err)
{
    struct query query;
    struct rows rows;

    *holds = (struct keep_holds){0};
    query_init(&query, HOLDS_SQL);
    query_text(&query, question->source);
    query_text(&query, question->cluster);
    query_text_array(&query, question->accounts, question->account_count);
    query_text_array(&query, question->projects, question->account_count);
    query_text(&query, question->after_project);
    query_i64(&query, question->after_number);
    query_i64(&query, (int64_t)question->limit);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    int result = holds_from_rows(&rows, holds, err);
    rows_release(&rows);
    return result;
}

void store_keep_holds_release(struct keep_holds *holds)
{
    free(holds->holds);
    free(holds->texts);
    *holds = (struct keep_holds){0};
}

static const char WAITING_SQL[] =
    "SELECT h.project_id, sum(greatest(0, h.held_micro - coalesce(l.tasks, 0) * (h.points_micro / "
    "greatest(1, CASE WHEN h.at_once BETWEEN 1 AND h.parts THEN h.at_once ELSE h.parts END))))"
    "::bigint FROM ledger.pull p JOIN ledger.hold h ON h.source = p.source "
    "LEFT JOIN LATERAL (SELECT sum(j.tasks) AS tasks FROM ("
    "SELECT state, tasks FROM ledger.slurm_job WHERE cluster = substr(h.source, 7) "
    "AND hold_key = h.ref_id AND hold_key <> '' UNION ALL "
    "SELECT state, tasks FROM ledger.slurm_job WHERE cluster = substr(h.source, 7) "
    "AND start_key = h.ref_id AND start_key <> '' AND hold_key <> h.ref_id) j "
    "WHERE j.state <> 'pending') l ON true "
    "WHERE h.source <> '' AND h.state = 'open' AND h.held_micro > 0 AND h.project_id = ANY ($2) "
    "AND " HOLD_COUNTS " GROUP BY 1";

static size_t find_name(const char *const *names, size_t count, const char *name)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(names[middle], name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int store_keep_waiting(struct store *store, const char *const *projects, size_t count,
                       struct instant now, struct points *sums, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, WAITING_SQL);
    query_instant(&query, now);
    query_text_array(&query, projects, count);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    memset(sums, 0, count * sizeof *sums);
    for (size_t i = 0; i < rows_count(&rows); i++) {
        sums[find_name(projects, count, rows_text(&rows, i, 0))] = rows_points(&rows, i, 1);
    }
    rows_release(&rows);
    return 0;
}

int store_keep_confirmed(struct store *store, const int64_t *holds, size_t count,
                         struct instant now, struct error *err)
{
    struct query query;

    if (count == 0) {
        return 0;
    }
    query_init(&query, "UPDATE ledger.hold SET confirmed_at = $2 WHERE hold_no = ANY ($1)");
    query_i64_array(&query, holds, count);
    query_instant(&query, now);
    return query_run(store, &query, NULL, NULL, err);
}

/* --- keys of jobs ----------------------------------------------------------------------------- */

int store_keep_inherit(struct store *store, const char *cluster, struct error *err)
{
    struct query query;

    query_init(&query, "UPDATE ledger.slurm_job j SET start_key = a.start_key "
                       "FROM ledger.slurm_job a WHERE a.cluster = $1 "
                       "AND strpos(a.start_key, '_*@') > 0 "
                       "AND j.cluster = a.cluster AND j.array_job_id = a.job_id "
                       "AND j.job_id <> a.job_id AND j.submitted_at = a.submitted_at "
                       "AND j.start_key = ''");
    query_text(&query, cluster);
    return query_run(store, &query, NULL, NULL, err);
}

int store_keep_works(struct store *store, const char *source, const char *const *ids, size_t count,
                     struct keep_work *works, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query,
               "SELECT k.n, coalesce(a.points_micro, 0), a.id IS NULL "
               "FROM unnest($2) WITH ORDINALITY AS k(id, n) JOIN ledger.source s ON s.name = $1 "
               "LEFT JOIN ledger.accrual a ON a.source_no = s.source_no "
               "AND a.id = k.id COLLATE \"C\" LEFT JOIN ledger.record_identity r "
               "ON r.source_no = s.source_no AND r.id = k.id COLLATE \"C\" "
               "WHERE a.hold_no IS NULL AND coalesce(a.id, r.id) IS NOT NULL");
    query_text(&query, source);
    query_text_array(&query, ids, count);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    memset(works, 0, count * sizeof *works);
    for (size_t i = 0; i < rows_count(&rows); i++) {
        works[rows_i64(&rows, i, 0) - 1] = (struct keep_work){rows_points(&rows, i, 1),
                                                              rows_bool(&rows, i, 2)};
    }
    rows_release(&rows);
    return 0;
}

int store_keep_started(struct store *store, const char *cluster, const struct keep_start *starts,
                       size_t count, struct error *err)
{
    int64_t *jobs = calloc(count + 1, sizeof *jobs);
    struct instant *submitted = calloc(count + 1, sizeof *submitted);
    const char **keys = calloc(count + 1, sizeof *keys);
    struct query query;
    int result = -1;

    if (jobs == NULL || submitted == NULL || keys == NULL) {
        no_memory(err);
    } else {
        for (size_t i = 0; i < count; i++) {
            jobs[i] = starts[i].job_id;
            submitted[i] = starts[i].submitted;
            keys[i] = starts[i].key;
        }
        query_init(&query, "UPDATE ledger.slurm_job j SET start_key = s.key "
                           "FROM unnest($2, $3, $4) AS s(job_id, submitted_at, key) "
                           "WHERE j.cluster = $1 AND j.job_id = s.job_id "
                           "AND j.submitted_at = s.submitted_at");
        query_text(&query, cluster);
        query_i64_array(&query, jobs, count);
        query_instant_array(&query, submitted, count);
        query_text_array(&query, keys, count);
        result = query_run(store, &query, NULL, NULL, err);
    }
    free(jobs);
    free(submitted);
    free(keys);
    return result;
}

/* --- what is done to jobs --------------------------------------------------------------------- */

int store_keep_mark_held(struct store *store, const char *cluster, int64_t job_id, bool held_by_us,
                         struct error *err)
{
    struct query query;

    query_init(&query, "UPDATE ledger.slurm_job SET held_by_us = $3 WHERE cluster = $1 "
                       "AND job_id = $2 AND held_by_us <> $3");
    query_text(&query, cluster);
    query_i64(&query, job_id);
    query_bool(&query, held_by_us);
    return query_run(store, &query, NULL, NULL, err);
}

struct noting {
    const struct keep_event *event;
    bool held_by_us;
};

static int note_event(struct store *store, void *context, struct error *err)
{
    const struct noting *noting = context;
    const struct keep_event *event = noting->event;
    struct query query;

    query_init(&query, "INSERT INTO ledger.slurm_event (at, cluster, job_id, kind, detail) "
                       "VALUES ($1, $2, $3, $4, $5)");
    query_instant(&query, event->at);
    query_text(&query, event->cluster);
    query_i64(&query, event->job_id);
    query_text(&query, event->kind);
    query_text(&query, event->detail);
    return query_run(store, &query, NULL, NULL, err) != 0
               ? -1
               : store_keep_mark_held(store, event->cluster, event->job_id, noting->held_by_us,
                                      err);
}

int store_keep_event(struct store *store, const struct keep_event *event, bool held_by_us,
                     struct error *err)
{
    struct noting noting = {event, held_by_us};

    return store_transact(store, STORE_UNLOCKED, note_event, &noting, err);
}

int store_keep_failed(struct store *store, const char *cluster, struct instant since,
                      int64_t **jobs, size_t *count, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT DISTINCT job_id FROM ledger.slurm_event WHERE at >= $2 "
                       "AND cluster = $1 AND kind = 'failed' ORDER BY job_id");
    query_text(&query, cluster);
    query_instant(&query, since);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *count = rows_count(&rows);
    *jobs = calloc(*count + 1, sizeof **jobs);
    for (size_t i = 0; *jobs != NULL && i < *count; i++) {
        (*jobs)[i] = rows_i64(&rows, i, 0);
    }
    rows_release(&rows);
    return *jobs == NULL ? no_memory(err) : 0;
}
