/* store_migrate - bring a database to this program's version of the schema.
 *
 * The migrations are compiled in (schema/embed.h).  Each runs in a transaction of its own together
 * with its row in ledger.schema_migration, so that a crash between two leaves a database that the
 * next run carries on from.
 */
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/connection.h"
#include "ledgerd/store/query.h"
#include "schema/embed.h"

static int newest_number(void)
{
    return schema_migrations_count == 0 ? 0 : schema_migrations[schema_migrations_count - 1].number;
}

int store_schema_number(struct store *store, int *number, struct error *err)
{
    struct query query;
    struct rows rows;
    bool exists;

    query_init(&query, "SELECT to_regclass('ledger.schema_migration') IS NOT NULL");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    exists = rows_bool(&rows, 0, 0);
    rows_release(&rows);
    if (!exists) {
        *number = 0;
        return 0;
    }
    query_init(&query, "SELECT coalesce(max(number), 0) FROM ledger.schema_migration");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *number = (int)rows_i64(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

static int refuse_newer(int number, struct error *err)
{
    return error_set(err, ERROR_UNAVAILABLE,
                     "the database's schema is version %d, newer than this program's %d: use a "
                     "newer program",
                     number, newest_number());
}

int store_check_schema(struct store *store, struct error *err)
{
    int number;

    if (store_schema_number(store, &number, err) != 0) {
        return -1;
    }
    if (number == 0) {
        return error_set(err, ERROR_UNAVAILABLE,
                         "the database holds no book yet: run ledgerctl migrate");
    }
    if (number > newest_number()) {
        return refuse_newer(number, err);
    }
    if (number < newest_number()) {
        return error_set(
            err, ERROR_UNAVAILABLE,
            "the database's schema is version %d, this program needs %d: run ledgerctl "
            "migrate",
            number, newest_number());
    }
    return 0;
}

static int apply_one(struct store *store, void *context, struct error *err)
{
    const struct schema_migration *migration = context;
    struct query query;

    if (query_execute(store, migration->sql, err) != 0) {
        return -1;
    }
    query_init(&query, "INSERT INTO ledger.schema_migration (number, name) VALUES ($1, $2)");
    query_i32(&query, migration->number);
    query_text(&query, migration->name);
    return query_run(store, &query, NULL, NULL, err);
}

static int apply_missing(struct store *store, int number, int *applied, struct error *err)
{
    for (size_t i = 0; i < schema_migrations_count; i++) {
        struct schema_migration migration = schema_migrations[i];

        if (migration.number <= number) {
            continue;
        }
        if (store_transact(store, STORE_UNLOCKED, apply_one, &migration, err) != 0) {
            return error_prefix(err, "migration %04d_%s", migration.number, migration.name);
        }
        (*applied)++;
    }
    return 0;
}

static int mark_sandbox(struct store *store, int number_before, struct error *err)
{
    bool is_sandbox;

    if (store_is_sandbox(store, &is_sandbox, err) != 0) {
        return -1;
    }
    if (is_sandbox) {
        return 0;
    }
    if (number_before != 0) {
        return error_set_reason(
            err, ERROR_REFUSED, "not_empty",
            "the database already holds a book that is no sandbox: only an empty "
            "database can become one");
    }
    return query_execute(store, "UPDATE ledger.book SET is_sandbox = true", err);
}

static int migrate_locked(struct store *store, bool sandbox, int *applied, struct error *err)
{
    int number;
    int count = 0;

    if (store_schema_number(store, &number, err) != 0) {
        return -1;
    }
    if (number > newest_number()) {
        return refuse_newer(number, err);
    }
    if (sandbox && number != 0 && mark_sandbox(store, number, err) != 0) {
        return -1; /* before anything is changed */
    }
    if (apply_missing(store, number, &count, err) != 0 ||
        (sandbox && mark_sandbox(store, number, err) != 0)) {
        return -1;
    }
    *applied = count;
    return 0;
}

int store_migrate(struct store *store, bool sandbox, int *applied, struct error *err)
{
    int result;

    if (query_execute(store, "SELECT pg_advisory_lock(" STORE_LOCK_KEY_MIGRATE ")", err) != 0) {
        return -1;
    }
    result = migrate_locked(store, sandbox, applied, err);
    if (store_is_connected(store)) {
        query_execute(store, "SELECT pg_advisory_unlock(" STORE_LOCK_KEY_MIGRATE ")", NULL);
    }
    return result;
}

int store_is_sandbox(struct store *store, bool *is_sandbox, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT is_sandbox FROM ledger.book");
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *is_sandbox = rows_count(&rows) == 1 && rows_bool(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}
