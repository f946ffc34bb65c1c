/* store_hold_alone - see store_hold_alone.h. */
#include "ledgerd/store/store_hold_alone.h"

#include "ledgerd/store/connection.h"
#include "ledgerd/store/patience.h"
#include "ledgerd/store/query_send.h"

/* The position's row is locked by its update, which looks at version and held again once it has
 * waited for somebody. Between them they say all that the decision goes by:
 * - version moves with everything of the position but for what is held. It never goes back.
 * - held may go up and come down again unseen. The decision goes by the sum alone, not by whose
 *   holds it is made of, so that it is the one that would be made now.
 * The catalog, and whether a deadline has passed, are as the statement's snapshot has them, which
 * is younger than the request: a change that is committed while the update waits comes after the
 * hold, as one that is committed between a group's look and its commit does. Holds whose deadline
 * has passed are still a part of held; those that their source keeps standing are left to a closer
 * look. */
static const char ALONE_NAME[] = "hold_alone";
static const char ALONE_SQL[] =
    "WITH moved AS (UPDATE ledger.project_position SET held_micro = held_micro + $10, "
    "changed = pg_current_xact_id() WHERE project_id = $5 AND version = $17 AND held_micro = $18 "
    "AND (SELECT version FROM ledger.catalog_version) = $19 "
    "AND NOT EXISTS (SELECT FROM ledger.hold "
    "WHERE state = 'open' AND expires_at <= $12 AND project_id = $5) RETURNING project_id) "
    "INSERT INTO ledger.hold (hold_no, key_hash, key, request, project_id, user_name, class, "
    "ref_kind, ref_id, points_micro, held_micro, parts, made_at, expires_at, decision, source, "
    "at_once) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13, $14, $15, $16 "
    "FROM moved RETURNING pg_current_xact_id()::text::bigint";

static void bind_lone(struct query *query, const struct lone_hold *lone)
{
    const struct new_hold *hold = lone->hold;

    query_i64(query, hold->number);
    query_uuid(query, *hold->key != '\0' ? hold->key_hash : NULL);
    query_text(query, hold->key);
    query_uuid(query, hold->request);
    query_text(query, hold->project);
    query_text(query, hold->user);
    query_text(query, hold->klass);
    query_text(query, hold->ref_kind);
    query_text(query, hold->ref_id);
    query_points(query, hold->points);
    query_i32(query, (int32_t)hold->parts);
    query_instant(query, lone->now);
    query_instant(query, hold->expires_at);
    query_text(query, hold->decision);
    query_text(query, hold->source);
    query_i32(query, (int32_t)hold->at_once);
    query_i64(query, lone->position->version);
    query_points(query, lone->position->held);
    query_i64(query, lone->catalog_version);
}

bool store_hold_alone_is_ready(const struct store *store)
{
    return store_is_connected(store) && query_is_prepared(store, ALONE_NAME);
}

int store_hold_alone_send(struct store *store, const struct lone_hold *lone, bool *is_sent,
                          struct error *err)
{
    struct query query;

    *is_sent = false;
    if (store_in_transaction(store) || !patience_is_quiet(store)) {
        return 0;
    }
    query_init_named(&query, ALONE_NAME, ALONE_SQL);
    bind_lone(&query, lone);
    if (query_send(store, &query, err) != 0) {
        return err->code == ERROR_UNAVAILABLE ? store_doubt(store, err) : 0;
    }
    *is_sent = true;
    return 0;
}

int store_hold_alone_descriptor(const struct store *store)
{
    return PQsocket(store->connection);
}

bool store_hold_alone_is_back(struct store *store)
{
    return query_is_back(store);
}

int store_hold_alone_take(struct store *store, int64_t *transaction, struct error *err)
{
    struct rows rows;

    *transaction = 0;
    if (query_answer(store, &rows, NULL, err) != 0) {
        store_doubt(store, err);
        return err->code == ERROR_UNAVAILABLE ? -1 : 0;
    }
    *transaction = rows_count(&rows) > 0 ? rows_i64(&rows, 0, 0) : 0;
    rows_release(&rows);
    return 0;
}
