/* store_hold_end - see store_hold_end.h. */
#include "ledgerd/store/store_hold_end.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/hold_lapse.h"
#include "ledgerd/store/query.h"

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

int store_lock_positions(struct store *store, const int32_t *accounts, size_t account_count,
                         const char *const *projects, size_t project_count, struct error *err)
{
    struct query query;

    query_init(&query, "SELECT FROM ledger.project_position WHERE project_id IN ("
                       "SELECT a.project_id FROM ledger.account a WHERE a.account_no = ANY ($1) "
                       "AND a.project_id IS NOT NULL UNION SELECT unnest($2)) "
                       "ORDER BY project_id FOR UPDATE");
    query_i32_array(&query, accounts, account_count);
    query_text_array(&query, projects, project_count);
    return query_run(store, &query, NULL, NULL, err);
}

/* --- holds ---------------------------------------------------------------------------------- */

#define READ_SQL                                                                              \
    "SELECT hold_no, key_hash, project_id, user_name, class, points_micro, "                  \
    "freed_micro, held_micro, parts, ended_parts, events, state, expires_at, " HOLD_LAPSES_AT \
    ", at_once "                                                                              \
    "FROM ledger.hold h WHERE hold_no = ANY ($1) OR key_hash = ANY ($2) ORDER BY hold_no"

void store_locked_holds_release(struct locked_holds *holds)
{
    for (size_t i = 0; i < holds->count; i++) {
        free(holds->holds[i].project);
        free(holds->holds[i].user);
        free(holds->holds[i].klass);
    }
    free(holds->holds);
    *holds = (struct locked_holds){0};
}

static int hold_from_row(const struct rows *rows, size_t row, struct locked_hold *hold)
{
    *hold = (struct locked_hold){
        .number = rows_i64(rows, row, 0),
        .has_key = !rows_is_null(rows, row, 1),
        .project = rows_copy(rows, row, 2),
        .user = rows_copy(rows, row, 3),
        .klass = rows_copy(rows, row, 4),
        .points = rows_points(rows, row, 5),
        .freed = rows_points(rows, row, 6),
        .held = rows_points(rows, row, 7),
        .parts = rows_i64(rows, row, 8),
        .ended_parts = rows_i64(rows, row, 9),
        .events = rows_i64(rows, row, 10),
        .expires_at = rows_instant(rows, row, 12),
        .lapses_at = rows_instant(rows, row, 13),
        .at_once = rows_i64(rows, row, 14),
    };
    if (hold->has_key) {
        memcpy(hold->key_hash, rows_bytes(rows, row, 1), sizeof hold->key_hash);
    }
    snprintf(hold->state, sizeof hold->state, "%s", rows_text(rows, row, 11));
    return hold->project == NULL || hold->user == NULL || hold->klass == NULL ? -1 : 0;
}

int store_lock_holds(struct store *store, bool lock, const int64_t *numbers, size_t number_count,
                     const unsigned char (*keys)[16], size_t key_count, struct locked_holds *holds,
                     struct error *err)
{
    struct query query;
    struct rows rows;

    *holds = (struct locked_holds){0};
    query_init(&query, lock ? READ_SQL " FOR UPDATE OF h" : READ_SQL);
    query_i64_array(&query, numbers, number_count);
    query_uuid_array(&query, keys, key_count);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    holds->holds = calloc(rows_count(&rows) + 1, sizeof *holds->holds);
    for (size_t i = 0; holds->holds != NULL && i < rows_count(&rows); i++) {
        if (hold_from_row(&rows, i, &holds->holds[holds->count++]) != 0) {
            store_locked_holds_release(holds);
        }
    }
    rows_release(&rows);
    return holds->holds == NULL ? no_memory(err) : 0;
}

struct write_columns {
    int64_t *numbers, *held, *freed, *parts, *events;
    const char **states;
    struct instant *expires;
};

static void write_columns_release(struct write_columns *columns)
{
    free(columns->numbers);
    free(columns->held);
    free(columns->freed);
    free(columns->parts);
    free(columns->events);
    free(columns->states);
    free(columns->expires);
}

static int write_columns_fill(struct write_columns *columns, const struct locked_hold *const *holds,
                              size_t count)
{
    columns->numbers = calloc(count, sizeof *columns->numbers);
    columns->held = calloc(count, sizeof *columns->held);
    columns->freed = calloc(count, sizeof *columns->freed);
    columns->parts = calloc(count, sizeof *columns->parts);
    columns->events = calloc(count, sizeof *columns->events);
    columns->states = calloc(count, sizeof *columns->states);
    columns->expires = calloc(count, sizeof *columns->expires);
    if (columns->numbers == NULL || columns->held == NULL || columns->freed == NULL ||
        columns->parts == NULL || columns->events == NULL || columns->states == NULL ||
        columns->expires == NULL) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        columns->numbers[i] = holds[i]->number;
        columns->held[i] = holds[i]->held.micro;
        columns->freed[i] = holds[i]->freed.micro;
        columns->parts[i] = holds[i]->ended_parts;
        columns->events[i] = holds[i]->events;
        columns->states[i] = holds[i]->state;
        columns->expires[i] = holds[i]->expires_at;
    }
    return 0;
}

int store_holds_write(struct store *store, const struct locked_hold *const *holds, size_t count,
                      struct instant ended_at, struct error *err)
{
    struct write_columns columns = {0};
    struct query query;
    int result;

    if (count == 0) {
        return 0;
    }
    if (write_columns_fill(&columns, holds, count) != 0) {
        write_columns_release(&columns);
        return no_memory(err);
    }
    query_init(&query, "UPDATE ledger.hold h SET held_micro = n.held, freed_micro = n.freed, "
                       "ended_parts = n.parts, events = n.events, state = n.state, "
                       "expires_at = n.expires, ended_at = CASE WHEN n.state = 'open' THEN NULL "
                       "WHEN n.state = h.state THEN h.ended_at ELSE $8 END "
                       "FROM unnest($1, $2, $3, $4, $5, $6, $7) "
                       "AS n(hold_no, held, freed, parts, events, state, expires) "
                       "WHERE h.hold_no = n.hold_no");
    query_i64_array(&query, columns.numbers, count);
    query_i64_array(&query, columns.held, count);
    query_i64_array(&query, columns.freed, count);
    query_i64_array(&query, columns.parts, count);
    query_i64_array(&query, columns.events, count);
    query_text_array(&query, columns.states, count);
    query_instant_array(&query, columns.expires, count);
    query_instant(&query, ended_at);
    result = query_run(store, &query, NULL, NULL, err);
    write_columns_release(&columns);
    return result;
}

/* --- events --------------------------------------------------------------------------------- */

static int add_event(struct store *store, const struct hold_event *event, struct error *err)
{
    struct query query;

    query_init(&query,
               "INSERT INTO ledger.hold_event (hold_no, n, kind, at, is_end, charged_micro, "
               "freed_micro, record_no, expires_at, key_hash, request, result) VALUES "
               "($1, $2, $3, $4, $5, $6, $7, nullif($8, 0), $9, ($10::uuid[])[1], "
               "($11::uuid[])[1], $12)");
    query_i64(&query, event->hold);
    query_i64(&query, event->n);
    query_text(&query, event->kind);
    query_instant(&query, event->at);
    query_bool(&query, event->is_end);
    query_points(&query, event->charged);
    query_points(&query, event->freed);
    query_i64(&query, event->record_no);
    query_instant(&query, event->expires_at);
    query_uuid_array(&query, (const unsigned char(*)[16])event->key_hash,
                     event->key_hash != NULL ? 1 : 0);
    query_uuid_array(&query, (const unsigned char(*)[16])event->request,
                     event->request != NULL ? 1 : 0);
    query_text(&query, event->result);
    return query_run(store, &query, NULL, NULL, err);
}

struct event_columns {
    int64_t *holds, *ns, *charged, *freed, *records, *parts;
    const char **kinds, **results;
    struct instant *ats;
    bool *ends;
};

static void event_columns_release(struct event_columns *columns)
{
    free(columns->holds);
    free(columns->ns);
    free(columns->charged);
    free(columns->freed);
    free(columns->records);
    free(columns->parts);
    free(columns->kinds);
    free(columns->results);
    free(columns->ats);
    free(columns->ends);
}

static int event_columns_fill(struct event_columns *columns, const struct hold_event *events,
                              size_t count)
{
    columns->holds = calloc(count, sizeof *columns->holds);
    columns->ns = calloc(count, sizeof *columns->ns);
    columns->charged = calloc(count, sizeof *columns->charged);
    columns->freed = calloc(count, sizeof *columns->freed);
    columns->records = calloc(count, sizeof *columns->records);
    columns->parts = calloc(count, sizeof *columns->parts);
    columns->kinds = calloc(count, sizeof *columns->kinds);
    columns->results = calloc(count, sizeof *columns->results);
    columns->ats = calloc(count, sizeof *columns->ats);
    columns->ends = calloc(count, sizeof *columns->ends);
    if (columns->holds == NULL || columns->ns == NULL || columns->charged == NULL ||
        columns->freed == NULL || columns->records == NULL || columns->kinds == NULL ||
        columns->ats == NULL || columns->ends == NULL || columns->parts == NULL ||
        columns->results == NULL) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        columns->holds[i] = events[i].hold;
        columns->ns[i] = events[i].n;
        columns->charged[i] = events[i].charged.micro;
        columns->freed[i] = events[i].freed.micro;
        columns->records[i] = events[i].record_no;
        columns->parts[i] = events[i].parts > 1 ? events[i].parts : 1;
        columns->kinds[i] = events[i].kind;
        columns->results[i] = events[i].result;
        columns->ats[i] = events[i].at;
        columns->ends[i] = events[i].is_end;
    }
    return 0;
}

/* Many at once have no key, request or deadline of a caller. */
static int add_events(struct store *store, const struct hold_event *events, size_t count,
                      struct error *err)
{
    struct event_columns columns = {0};
    struct query query;
    int result;

    if (event_columns_fill(&columns, events, count) != 0) {
        event_columns_release(&columns);
        return no_memory(err);
    }
    query_init(&query,
               "INSERT INTO ledger.hold_event (hold_no, n, kind, at, is_end, charged_micro, "
               "freed_micro, record_no, parts, result) SELECT hold_no, n, kind, at, is_end, "
               "charged, freed, nullif(record_no, 0), parts, result "
               "FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
               "AS e(hold_no, n, kind, at, is_end, charged, freed, record_no, parts, result)");
    query_i64_array(&query, columns.holds, count);
    query_i64_array(&query, columns.ns, count);
    query_text_array(&query, columns.kinds, count);
    query_instant_array(&query, columns.ats, count);
    query_bool_array(&query, columns.ends, count);
    query_i64_array(&query, columns.charged, count);
    query_i64_array(&query, columns.freed, count);
    query_i64_array(&query, columns.records, count);
    query_i64_array(&query, columns.parts, count);
    query_text_array(&query, columns.results, count);
    result = query_run(store, &query, NULL, NULL, err);
    event_columns_release(&columns);
    return result;
}

static bool is_plain(const struct hold_event *event)
{
    return event->key_hash == NULL && event->request == NULL && !instant_is_set(event->expires_at);
}

int store_hold_events_add(struct store *store, const struct hold_event *events, size_t count,
                          struct error *err)
{
    size_t plain = 0;

    while (plain < count && is_plain(&events[plain])) {
        plain++;
    }
    if (plain == count) {
        return count == 0 ? 0 : add_events(store, events, count, err);
    }
    for (size_t i = 0; i < count; i++) {
        if (add_event(store, &events[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

int store_find_settlement(struct store *store, int64_t hold, const unsigned char *key,
                          const unsigned char request[16], struct settled *settled,
                          struct error *err)
{
    struct query query;
    struct rows rows;

    *settled = (struct settled){0};
    query_init(&query, "SELECT request = ($3::uuid[])[1], charged_micro, freed_micro, result "
                       "FROM ledger.hold_event WHERE kind = 'settle' AND CASE "
                       "WHEN cardinality($2::uuid[]) > 0 THEN key_hash = ($2::uuid[])[1] "
                       "ELSE hold_no = $1 AND key_hash IS NULL END");
    query_i64(&query, hold);
    query_uuid_array(&query, (const unsigned char(*)[16])key, key != NULL ? 1 : 0);
    query_uuid_array(&query, (const unsigned char(*)[16])request, 1);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    if (rows_count(&rows) > 0) {
        settled->found = true;
        settled->is_same = rows_bool(&rows, 0, 0);
        settled->charged = rows_points(&rows, 0, 1);
        settled->freed = rows_points(&rows, 0, 2);
        snprintf(settled->result, sizeof settled->result, "%s", rows_text(&rows, 0, 3));
    }
    rows_release(&rows);
    return 0;
}

int store_record_holds(struct store *store, const int64_t *record_nos, size_t count,
                       struct record_hold **found, size_t *found_count, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT record_no, hold_no, bool_or(is_end), sum(charged_micro)::bigint, "
                       "sum(freed_micro)::bigint FROM ledger.hold_event "
                       "WHERE record_no = ANY ($1) GROUP BY 1, 2 ORDER BY 1, 2");
    query_i64_array(&query, record_nos, count);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *found_count = rows_count(&rows);
    *found = calloc(*found_count + 1, sizeof **found);
    for (size_t i = 0; *found != NULL && i < *found_count; i++) {
        (*found)[i] = (struct record_hold){.record_no = rows_i64(&rows, i, 0),
                                           .hold = rows_i64(&rows, i, 1),
                                           .is_end = rows_bool(&rows, i, 2),
                                           .charged = rows_points(&rows, i, 3),
                                           .freed = rows_points(&rows, i, 4)};
    }
    rows_release(&rows);
    return *found == NULL ? no_memory(err) : 0;
}

/* --- what is held ---------------------------------------------------------------------------- */

static int move_columns(const struct held_move *moves, size_t count, const char *sql,
                        struct store *store, struct error *err)
{
    const char **projects = calloc(count, sizeof *projects);
    const char **users = calloc(count, sizeof *users);
    int64_t *points = calloc(count, sizeof *points);
    struct query query;
    int result = -1;

    if (projects == NULL || users == NULL || points == NULL) {
        no_memory(err);
    } else {
        for (size_t i = 0; i < count; i++) {
            projects[i] = moves[i].project;
            users[i] = moves[i].user;
            points[i] = moves[i].points.micro;
        }
        query_init(&query, sql);
        query_text_array(&query, projects, count);
        query_text_array(&query, users, count);
        query_i64_array(&query, points, count);
        result = query_run(store, &query, NULL, NULL, err);
    }
    free(projects);
    free(users);
    free(points);
    return result;
}

int store_held_move(struct store *store, const struct held_move *moves, size_t count,
                    struct error *err)
{
    static const char position_sql[] =
        "UPDATE ledger.project_position p SET held_micro = p.held_micro + m.points, "
        "changed = pg_current_xact_id() FROM (SELECT project_id, sum(points)::bigint AS points "
        "FROM unnest($1, $2, $3) AS t(project_id, user_name, points) GROUP BY 1) m "
        "WHERE p.project_id = m.project_id";
    static const char limit_sql[] =
        "UPDATE ledger.limit_held h SET held_micro = h.held_micro + m.points FROM ("
        "SELECT l.limit_no, sum(t.points)::bigint AS points "
        "FROM unnest($1, $2, $3) AS t(project_id, user_name, points) "
        "JOIN ledger.project_limit l ON l.project_id = t.project_id COLLATE \"C\" "
        "AND (l.user_name = '' OR l.user_name = t.user_name COLLATE \"C\") GROUP BY 1) m "
        "WHERE h.limit_no = m.limit_no";

    if (count == 0) {
        return 0;
    }
    return move_columns(moves, count, position_sql, store, err) != 0
               ? -1
               : move_columns(moves, count, limit_sql, store, err);
}

/* --- deadlines ------------------------------------------------------------------------------- */

int store_holds_lapsed(struct store *store, struct instant now, size_t limit,
                       struct lapsed_hold *lapsed, size_t *count, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT hold_no, project_id FROM ledger.hold h WHERE state = 'open' "
                       "AND " HOLD_HAS_LAPSED " ORDER BY expires_at LIMIT $2");
    query_instant(&query, now);
    query_i64(&query, (int64_t)limit);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *count = rows_count(&rows);
    for (size_t i = 0; i < *count; i++) {
        lapsed[i].number = rows_i64(&rows, i, 0);
        snprintf(lapsed[i].project, sizeof lapsed[i].project, "%s", rows_text(&rows, i, 1));
    }
    rows_release(&rows);
    return 0;
}
