/* hold_find - look holds up, one or a list; see hold_end.h. */
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/hold_info.h"
#include "ledgerd/flow/hold_name.h"
#include "ledgerd/flow/project_find.h"
#include "ledgerd/store/store_hold.h"

static const char KEY_PREFIX[] = "key:";

int hold_unknown(const char *name, struct error *err)
{
    return error_set_reason(err, ERROR_REFUSED, "unknown_hold", "there is no hold %.200s", name);
}

static int hash_key(const char *key, unsigned char hash[INGEST_HASH_BYTES], struct error *err)
{
    struct ingest_hasher *hasher = ingest_hasher_create(err);
    int result = hasher != NULL ? hold_key_hash(hasher, key, hash, err) : -1;

    ingest_hasher_destroy(hasher);
    return result;
}

int hold_read_row(struct store *store, const char *name, struct hold_rows *rows, struct error *err)
{
    unsigned char keys[1][INGEST_HASH_BYTES];
    int64_t number = hold_number(name);
    size_t key_count = 0;

    if (strncmp(name, KEY_PREFIX, strlen(KEY_PREFIX)) == 0) {
        if (hash_key(name + strlen(KEY_PREFIX), keys[0], err) != 0) {
            return -1;
        }
        key_count = 1;
    }
    if (number == 0 && key_count == 0) {
        return hold_unknown(name, err);
    }
    if (store_find_holds(store, &number, number != 0 ? 1 : 0,
                         (const unsigned char(*)[INGEST_HASH_BYTES])keys, key_count, rows,
                         err) != 0) {
        return -1;
    }
    if (rows->count == 0) {
        store_hold_rows_release(rows);
        return hold_unknown(name, err);
    }
    return 0;
}

struct finding {
    const char *name;
    struct instant now;
    struct hold_info *hold;
};

static int find(struct store *store, void *context, struct error *err)
{
    const struct finding *finding = context;
    struct hold_rows rows;

    if (hold_read_row(store, finding->name, &rows, err) != 0) {
        return -1;
    }
    hold_info_fill(&rows.rows[0], finding->now, finding->hold);
    store_hold_rows_release(&rows);
    return 0;
}

int hold_find(struct store *store, const char *name, struct instant now, struct hold_info *hold,
              struct error *err)
{
    struct finding finding = {name, now, hold};

    return store_transact(store, STORE_UNLOCKED, find, &finding, err);
}

struct listing {
    const char *project; /* NULL: of all */
    int64_t after;
    size_t limit;
    struct instant now;
    struct hold_infos infos;
};

static int check_project(struct store *store, const char *id, struct error *err)
{
    struct project_rows rows;

    if (id == NULL) {
        return 0;
    }
    if (project_find(store, id, &rows, err) != 0) {
        return -1;
    }
    project_rows_release(&rows);
    return 0;
}

static int keep_infos(struct listing *listing, const struct hold_rows *rows, struct error *err)
{
    struct hold_infos *infos = &listing->infos;

    infos->holds = calloc(rows->count + 1, sizeof *infos->holds);
    if (infos->holds == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    infos->count = rows->count < listing->limit ? rows->count : listing->limit;
    for (size_t i = 0; i < infos->count; i++) {
        hold_info_fill(&rows->rows[i], listing->now, &infos->holds[i]);
    }
    if (rows->count > infos->count && infos->count > 0) {
        infos->next = infos->holds[infos->count - 1].number;
    }
    return 0;
}

static int list(struct store *store, void *context, struct error *err)
{
    struct listing *listing = context;
    struct hold_rows rows;
    int result;

    hold_infos_release(&listing->infos);
    if (check_project(store, listing->project, err) != 0 ||
        store_list_holds(store, listing->project, listing->after, listing->limit + 1, listing->now,
                         &rows, err) != 0) { /* one more, to know whether that was all */
        return -1;
    }
    result = keep_infos(listing, &rows, err);
    store_hold_rows_release(&rows);
    return result;
}

int hold_list(struct store *store, const char *project, int64_t after, size_t limit,
              struct instant now, struct hold_infos *holds, struct error *err)
{
    struct listing listing = {.project = project, .after = after, .limit = limit, .now = now};

    if (store_transact(store, STORE_UNLOCKED, list, &listing, err) != 0) {
        hold_infos_release(&listing.infos);
        return -1;
    }
    *holds = listing.infos;
    return 0;
}

void hold_infos_release(struct hold_infos *holds)
{
    free(holds->holds);
    *holds = (struct hold_infos){0};
}
