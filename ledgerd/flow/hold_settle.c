/* hold_settle - end a hold by charging what was used, without a record of a source.
 *
 * A settlement is booked like any record, of source "hold" and with the hold's id, so that
 * everything that is true of charges is true of it; what it asks for is the charge.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/hold_name.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/ingest_holds.h"

struct settling {
    const struct hold_settle_request *request;
    struct ingest_hasher *hasher;
    struct hold_end_result *result;
    struct locked_holds holds; /* the one that is settled */
    struct batch_settlement settlement;
};

static int check_request(const struct hold_settle_request *request, struct error *err)
{
    if (request->points.micro < 0) {
        return error_set(err, ERROR_ARGUMENT, "points: not below 0");
    }
    if (!request->is_final && *request->key == '\0') {
        return error_set(err, ERROR_ARGUMENT, "a settlement in part needs a key of its own");
    }
    if (request->points.micro > HOLD_SETTLE_MAX_MICRO) {
        return error_set(err, ERROR_ARGUMENT, "points: a settlement charges at most %lld",
                         (long long)(HOLD_SETTLE_MAX_MICRO / POINTS_MICRO));
    }
    return *request->key != '\0' ? hold_key_check(request->key, err) : 0;
}

/* "h_17" or "key:…". */
static int read_hold(struct settling *settling, struct store *store, struct error *err)
{
    const char *name = settling->request->name;
    int64_t number = hold_number(name);
    unsigned char hash[1][INGEST_HASH_BYTES];
    size_t keys = 0;

    if (strncmp(name, "key:", 4) == 0) {
        if (hold_key_hash(settling->hasher, name + 4, hash[0], err) != 0) {
            return -1;
        }
        keys = 1;
    }
    store_locked_holds_release(&settling->holds);
    if (store_lock_holds(store, false, &number, number != 0, (const unsigned char(*)[16])hash, keys,
                         &settling->holds, err) != 0) {
        return -1;
    }
    return settling->holds.count == 1 ? 0
                                      : error_set_reason(err, ERROR_REFUSED, "unknown_hold",
                                                         "there is no hold %.200s", name);
}

static int hash_request(struct settling *settling, struct error *err)
{
    const struct hold_settle_request *request = settling->request;
    struct batch_settlement *settlement = &settling->settlement;
    char text[128];

    *settlement = (struct batch_settlement){.is_final = request->is_final,
                                            .has_key = !request->is_final};
    snprintf(text, sizeof text, "settle %lld %lld %s", (long long)settling->holds.holds[0].number,
             (long long)request->points.micro, request->is_final ? "final" : "part");
    if (ingest_hash_text(settling->hasher, "", text, strlen(text), settlement->request, err) != 0) {
        return -1;
    }
    return settlement->has_key
               ? hold_key_hash(settling->hasher, request->key, settlement->key_hash, err)
               : 0;
}

/* The record that stands for it: charged at one instant. */
static int post(struct settling *settling, struct store *store, struct error *err)
{
    const struct hold_settle_request *request = settling->request;
    const struct locked_hold *hold = &settling->holds.holds[0];
    const struct ingest_options options = {
        .conf = request->conf, .catalog = request->catalog, .now = request->now};
    struct usage_arena *arena = malloc(sizeof *arena);
    struct usage_record *record = malloc(sizeof *record);
    char name[HOLD_ID_BYTES];
    char id[HOLD_ID_BYTES + HOLD_KEY_BYTES];
    int result = -1;

    if (arena == NULL || record == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
    } else {
        usage_clear(record, arena);
        snprintf(name, sizeof name, "h_%lld", (long long)hold->number);
        snprintf(id, sizeof id, "%s%s%s", name, request->is_final ? "" : "/",
                 request->is_final ? "" : request->key);
        record->source = "hold";
        record->id = id;
        record->project = hold->project;
        record->user = hold->user;
        record->klass = *hold->klass != '\0' ? hold->klass : "hold";
        record->start = record->end = record->seen = request->now;
        record->state = USAGE_FINAL;
        record->outcome = "completed";
        record->basis = USAGE_REPORTED;
        record->hold = name;
        result = ingest_settlement(store, &options, record, request->points, &settling->settlement,
                                   err);
    }
    free(arena);
    free(record);
    return result;
}

static void tell(struct settling *settling, struct points held_before, struct points held_after,
                 struct points charged)
{
    struct hold_end_result *result = settling->result;
    int64_t given = held_before.micro - held_after.micro - charged.micro;

    result->charged = charged;
    result->freed.micro = given > 0 ? given : 0;
    result->overspent.micro = given < 0 ? -given : 0;
}

static int repeat(struct settling *settling, const struct settled *settled)
{
    json_t *first = json_loads(settled->result, 0, NULL);
    struct points before = {json_integer_value(json_object_get(first, "held_before_micro"))};
    struct points after = {json_integer_value(json_object_get(first, "held_micro"))};

    json_decref(first);
    settling->result->repeated = true;
    tell(settling, before, after, settled->charged);
    return 0;
}

static int settle(struct settling *settling, struct store *store, struct error *err)
{
    const struct locked_hold *hold = &settling->holds.holds[0];
    const struct batch_settlement *settlement = &settling->settlement;
    struct settled settled;

    if (store_find_settlement(store, hold->number,
                              settlement->has_key ? settlement->key_hash : NULL,
                              settlement->request, &settled, err) != 0) {
        return -1;
    }
    if (settled.found && settled.is_same) {
        return repeat(settling, &settled);
    }
    if (settled.found && settlement->has_key) {
        return error_set_reason(err, ERROR_REFUSED, "key_differs",
                                "the key was used for another settlement");
    }
    if (strcmp(hold->state, "settled") == 0 || strcmp(hold->state, "released") == 0) {
        return error_set_reason(err, ERROR_REFUSED, "hold_resolved", "hold h_%lld is %s already",
                                (long long)hold->number, hold->state);
    }
    if (post(settling, store, err) != 0) {
        return -1;
    }
    tell(settling, settlement->held_before, settlement->held_after, settling->request->points);
    return 0;
}

static int settle_under_lock(struct store *store, void *context, struct error *err)
{
    struct settling *settling = context;
    char name[HOLD_ID_BYTES];

    *settling->result = (struct hold_end_result){0};
    if (store_lock_records(store, true, err) != 0 || store_lock_booking(store, err) != 0 ||
        read_hold(settling, store, err) != 0 || hash_request(settling, err) != 0 ||
        settle(settling, store, err) != 0) {
        return -1;
    }
    snprintf(name, sizeof name, "h_%lld", (long long)settling->holds.holds[0].number);
    return hold_find(store, name, settling->request->now, &settling->result->hold, err);
}

int hold_settle(struct store *store, const struct hold_settle_request *request,
                struct hold_end_result *result, struct error *err)
{
    struct settling settling = {.request = request, .result = result};
    int outcome = -1;

    if (check_request(request, err) != 0) {
        return -1;
    }
    settling.hasher = ingest_hasher_create(err);
    if (settling.hasher != NULL) {
        outcome = store_transact(store, STORE_UNLOCKED, settle_under_lock, &settling, err);
    }
    store_locked_holds_release(&settling.holds);
    ingest_hasher_destroy(settling.hasher);
    return outcome;
}
