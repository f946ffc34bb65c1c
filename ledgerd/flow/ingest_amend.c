/* ingest_amend - see ingest_amend.h. */
#include "ledgerd/flow/ingest_amend.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/ingest_refund.h"
#include "ledgerd/flow/meter_use.h"
#include "ledgerd/store/store_lookup.h"

/* What is booked for a record in one place: the sum of its charges there. */
struct booked_slice {
    const char *project;
    const char *user;
    const char *klass;
    struct batch_slice slice;
    bool is_matched; /* a slice of the new version is in the same place */
};

struct amending {
    struct amendments *amendments;
    struct judgement *judgement;
    struct batch *batch;
    struct tail *tail;
    struct lookup_charges booked;
    BATCH_LIST(struct booked_slice) slices; /* of the record that is being amended */
    struct lookup_version *versions;        /* one for each of amendments->chains */
    const struct ratecard_rule **rules;     /* likewise: of the booked version */
    int64_t *record_nos;
};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

void amendments_release(struct amendments *amendments)
{
    free(amendments->chains.at);
    free(amendments->rows.at);
    copy_rows_release(&amendments->encoded);
    *amendments = (struct amendments){0};
}

static int find_amended(struct amendments *amendments, const struct judgement *judgement,
                        struct error *err)
{
    amendments->chains.count = 0;
    amendments->rows.count = 0;
    copy_rows_clear(&amendments->encoded);
    for (size_t i = 0; i < judgement->chains.count; i++) {
        const struct chain *chain = &judgement->chains.at[i];

        if (!chain->booked.found || chain->final == BATCH_NONE) {
            continue;
        }
        if (amendments->chains.count == amendments->chains.capacity) {
            size_t capacity = amendments->chains.capacity * 2 + 64;
            uint32_t *grown = realloc(amendments->chains.at, capacity * sizeof *grown);

            if (grown == NULL) {
                return no_memory(err);
            }
            amendments->chains.at = grown;
            amendments->chains.capacity = capacity;
        }
        amendments->chains.at[amendments->chains.count++] = (uint32_t)i;
    }
    return 0;
}

static const struct chain *chain_at(const struct amending *amending, size_t i)
{
    return &amending->judgement->chains.at[amending->amendments->chains.at[i]];
}

static int look_up_booked(struct amending *amending, struct store *store, struct error *err)
{
    const struct calendar *calendar = &amending->tail->catalog->calendar;
    size_t count = amending->amendments->chains.count;
    struct instant earliest = chain_at(amending, 0)->earliest;
    struct instant latest = chain_at(amending, 0)->latest;

    amending->versions = calloc(count, sizeof *amending->versions);
    amending->rules = calloc(count, sizeof *amending->rules);
    amending->record_nos = calloc(count, sizeof *amending->record_nos);
    if (amending->versions == NULL || amending->rules == NULL || amending->record_nos == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        const struct chain *chain = chain_at(amending, i);

        amending->versions[i] = (struct lookup_version){chain->booked.record_no,
                                                        chain->booked.month, chain->booked.version};
        amending->record_nos[i] = chain->booked.record_no;
        earliest = instant_min(earliest, chain->earliest);
        latest = instant_max(latest, chain->latest);
    }
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): amendments_make frees them */
    return store_lookup_charges(store, amending->record_nos, count,
                                calendar_month_of(calendar, earliest),
                                calendar_month_of(calendar, latest), &amending->booked, err);
}

/* --- what is booked ------------------------------------------------------------------------ */

static bool is_same_place(const struct booked_slice *slice, const struct lookup_charge *charge)
{
    return slice->slice.month.number == charge->month.number &&
           instant_compare(slice->slice.last, charge->last) == 0 &&
           strcmp(slice->project, charge->project) == 0 && strcmp(slice->user, charge->user) == 0 &&
           strcmp(slice->klass, charge->klass) == 0;
}

static struct booked_slice *booked_slice(struct amending *amending,
                                         const struct lookup_charge *charge)
{
    struct booked_slice *slice;

    for (size_t i = 0; i < amending->slices.count; i++) {
        if (is_same_place(&amending->slices.at[i], charge)) {
            return &amending->slices.at[i];
        }
    }
    if (amending->slices.count == amending->slices.capacity) {
        size_t capacity = amending->slices.capacity * 2 + 16;
        struct booked_slice *grown = realloc(amending->slices.at, capacity * sizeof *grown);

        if (grown == NULL) {
            return NULL;
        }
        amending->slices.at = grown;
        amending->slices.capacity = capacity;
    }
    slice = &amending->slices.at[amending->slices.count++];
    *slice = (struct booked_slice){
        .project = charge->project,
        .user = charge->user,
        .klass = charge->klass,
        .slice = {.month = charge->month, .last = charge->last},
    };
    return slice;
}

static const struct ratecard_rule *find_rule(const struct catalog *catalog, int32_t card_no,
                                             int rule)
{
    for (size_t i = 0; i < catalog->cards.count; i++) {
        const struct ratecard *card = catalog->cards.cards[i];

        if (card->number == card_no && rule >= 0 && (size_t)rule < card->rule_count) {
            return &card->rules[rule];
        }
    }
    return NULL;
}

static const struct lookup_charge *first_charge(const struct lookup_charges *charges,
                                                int64_t record_no)
{
    size_t low = 0;
    size_t high = charges->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (charges->charges[middle].record_no < record_no) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return &charges->charges[low];
}

/* Add up what is booked for amendment i; its current version's rule is that of its latest charge.
 */
static int sum_booked(struct amending *amending, size_t i, struct error *err)
{
    int64_t record_no = amending->record_nos[i];
    const struct lookup_charge *end = amending->booked.charges + amending->booked.count;

    amending->slices.count = 0;
    for (const struct lookup_charge *charge = first_charge(&amending->booked, record_no);
         charge < end && charge->record_no == record_no; charge++) {
        struct booked_slice *slice = booked_slice(amending, charge);

        if (slice == NULL) {
            return no_memory(err);
        }
        if (points_add(slice->slice.points, charge->points, &slice->slice.points) != POINTS_OK ||
            points_add(slice->slice.list_points, charge->list_points, &slice->slice.list_points) !=
                POINTS_OK) {
            return error_set(err, ERROR_INTERNAL, "the charges of record %lld do not fit",
                             (long long)record_no);
        }
        amending->rules[i] = find_rule(amending->tail->catalog, charge->card_no, charge->rule);
    }
    if (amending->rules[i] == NULL) {
        return error_set(err, ERROR_INTERNAL, "record %lld has no charge, or its card is gone",
                         (long long)record_no);
    }
    return 0;
}

/* --- the difference --------------------------------------------------------------------------- */

struct place { /* whom and what a difference is charged to */
    const struct chain *chain;
    const char *project;
    const char *user;
    const char *klass;
};

static int add_difference(struct amending *amending, const struct place *place,
                          const struct batch_slice *slice, struct error *err)
{
    struct amendments *amendments = amending->amendments;
    const struct batch_item *item = &amending->batch->items.at[place->chain->final];
    uint32_t line = batch_line(amending->batch, item->source, place->project, place->klass);
    struct verdict *verdict = &amending->judgement->verdicts.at[place->chain->final];
    struct amend_row *row;

    if (amendments->rows.count == amendments->rows.capacity) {
        size_t capacity = amendments->rows.capacity * 2 + 64;
        struct amend_row *grown = realloc(amendments->rows.at, capacity * sizeof *grown);

        if (grown == NULL) {
            return no_memory(err);
        }
        amendments->rows.at = grown;
        amendments->rows.capacity = capacity;
    }
    row = &amendments->rows.at[amendments->rows.count++];
    row->row = amendments->encoded.length;
    row->chain = (uint32_t)(place->chain - amending->judgement->chains.at);
    copy_add_charge(&amendments->encoded, &(struct copy_charge){
                                              .month = slice->month,
                                              .card_no = item->card_no,
                                              .rule = item->rule,
                                              .last = slice->last,
                                              .points = slice->points,
                                              .list_points = slice->list_points,
                                              .project = place->project,
                                              .user = place->user,
                                              .klass = place->klass,
                                          });
    if (line == BATCH_NONE || amendments->encoded.failed) {
        return no_memory(err);
    }
    if (points_add(verdict->points, slice->points, &verdict->points) != POINTS_OK) {
        return error_set(err, ERROR_INTERNAL, "the difference of an amendment does not fit");
    }
    return tail_charge(amending->tail, line, place->user, slice, &row->posted, err);
}

/* now - booked, in place. */
static int subtract(struct batch_slice *now, const struct batch_slice *booked, struct error *err)
{
    if (points_subtract(now->points, booked->points, &now->points) != POINTS_OK ||
        points_subtract(now->list_points, booked->list_points, &now->list_points) != POINTS_OK) {
        return error_set(err, ERROR_INTERNAL, "the difference of an amendment does not fit");
    }
    return 0;
}

static bool is_nothing(const struct batch_slice *slice)
{
    return points_is_zero(slice->points) && points_is_zero(slice->list_points);
}

static struct booked_slice *match(struct amending *amending, const struct place *place,
                                  const struct batch_slice *slice)
{
    for (size_t i = 0; i < amending->slices.count; i++) {
        struct booked_slice *booked = &amending->slices.at[i];

        if (booked->slice.month.number == slice->month.number &&
            instant_compare(booked->slice.last, slice->last) == 0 &&
            strcmp(booked->project, place->project) == 0 &&
            strcmp(booked->user, place->user) == 0 && strcmp(booked->klass, place->klass) == 0) {
            return booked;
        }
    }
    return NULL;
}

/* The slices of the new version, less what is booked in the same places. */
static int charge_new(struct amending *amending, const struct place *place, size_t *added,
                      struct error *err)
{
    const struct batch_item *item = &amending->batch->items.at[place->chain->final];

    for (uint32_t i = 0; i < item->slice_count; i++) {
        struct batch_slice slice = amending->batch->slices.at[item->slice + i];
        struct booked_slice *booked = match(amending, place, &slice);

        if (booked != NULL) {
            booked->is_matched = true;
            if (subtract(&slice, &booked->slice, err) != 0) {
                return -1;
            }
        }
        if (!is_nothing(&slice)) {
            if (add_difference(amending, place, &slice, err) != 0) {
                return -1;
            }
            (*added)++;
        }
    }
    return 0;
}

/* What is booked in places that the new version has left. */
static int take_back(struct amending *amending, const struct place *place, size_t *added,
                     struct error *err)
{
    for (size_t i = 0; i < amending->slices.count; i++) {
        const struct booked_slice *booked = &amending->slices.at[i];
        struct batch_slice slice = {.month = booked->slice.month, .last = booked->slice.last};
        struct place was = {place->chain, booked->project, booked->user, booked->klass};

        if (booked->is_matched || is_nothing(&booked->slice)) {
            continue;
        }
        if (subtract(&slice, &booked->slice, err) != 0 ||
            add_difference(amending, &was, &slice, err) != 0) {
            return -1;
        }
        (*added)++;
    }
    return 0;
}

/* Every version has a charge, if only one of nothing: it names the version's card and rule. */
static int charge_nothing(struct amending *amending, const struct place *place, struct error *err)
{
    const struct batch_item *item = &amending->batch->items.at[place->chain->final];
    struct batch_slice slice = amending->batch->slices.at[item->slice + item->slice_count - 1];

    slice.points = POINTS_ZERO;
    slice.list_points = POINTS_ZERO;
    return add_difference(amending, place, &slice, err);
}

static int amend(struct amending *amending, size_t i, struct error *err)
{
    const struct chain *chain = chain_at(amending, i);
    const struct batch_item *item = &amending->batch->items.at[chain->final];
    const struct batch_line *line = &amending->batch->lines.at[item->line];
    struct place place = {chain, line->project, item->user, line->klass};
    size_t added = 0;

    if (sum_booked(amending, i, err) != 0 || charge_new(amending, &place, &added, err) != 0 ||
        take_back(amending, &place, &added, err) != 0) {
        return -1;
    }
    return added > 0 ? 0 : charge_nothing(amending, &place, err);
}

/* --- refunds --------------------------------------------------------------------------------- */

/* What the rate card gives back of the new versions, less what it gave of the booked ones. */
static int amend_refunds(struct amending *amending, struct store *store, struct error *err)
{
    size_t count = amending->amendments->chains.count;
    struct refund_amended *amended = calloc(count + 1, sizeof *amended);
    int result;

    if (amended == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        const struct chain *chain = chain_at(amending, i);

        amended[i] = (struct refund_amended){.record_no = chain->booked.record_no,
                                             .version = chain->booked.version + 1,
                                             .item = chain->final};
    }
    result = refunds_amend(amending->tail, store, amended, count, err);
    free(amended);
    return result;
}

/* --- meters -------------------------------------------------------------------------------------
 */

struct meter_sink {
    struct amending *amending;
    uint32_t line;
    const struct stored_record *stored;
    struct error *err;
};

static int take_back_meter(void *context, const struct meter_use *use)
{
    struct meter_sink *sink = context;
    uint32_t meter;

    if (sink->stored->is_running && use->month.number > sink->stored->booked_through.number) {
        return 0; /* never added */
    }
    meter = batch_meter(sink->amending->batch, use->meter);
    if (meter == BATCH_NONE) {
        return no_memory(sink->err);
    }
    return tail_meter(sink->amending->tail, sink->line, meter, use->month, use->is_held,
                      -use->amount, sink->err);
}

/* The roll-up of meters loses what the replaced version added to it. */
static int take_back_meters(void *context, size_t i, const struct stored_record *stored,
                            struct error *err)
{
    struct amending *amending = context;
    const struct batch_item *item = &amending->batch->items.at[chain_at(amending, i)->final];
    struct error cause = {0};
    struct meter_sink sink = {amending, 0, stored, &cause};

    sink.line = batch_line(amending->batch, item->source, stored->record.project,
                           stored->record.klass);
    if (sink.line == BATCH_NONE) {
        return no_memory(err);
    }
    if (meter_use_each(&stored->record, amending->rules[i], &amending->tail->catalog->calendar,
                       take_back_meter, &sink) == 0) {
        return 0;
    }
    if (cause.code == ERROR_NONE) {
        return error_set(err, ERROR_INTERNAL, "the meters of record %lld do not fit",
                         (long long)stored->record_no);
    }
    *err = cause;
    return -1;
}

int amendments_make(struct amendments *amendments, struct judgement *judgement, struct store *store,
                    struct tail *tail, struct error *err)
{
    struct amending amending = {
        .amendments = amendments, .judgement = judgement, .batch = judgement->batch, .tail = tail};
    int result = -1;

    if (find_amended(amendments, judgement, err) != 0) {
        return -1;
    }
    if (amendments->chains.count == 0) {
        return 0;
    }
    if (look_up_booked(&amending, store, err) != 0) {
        goto done;
    }
    for (size_t i = 0; i < amendments->chains.count; i++) {
        if (amend(&amending, i, err) != 0) {
            goto done;
        }
    }
    if (amend_refunds(&amending, store, err) != 0) {
        goto done;
    }
    result = store_lookup_records(store, amending.versions, amendments->chains.count,
                                  take_back_meters, &amending, err);
done:
    lookup_charges_release(&amending.booked);
    free(amending.slices.at);
    free(amending.versions);
    free(amending.rules);
    free(amending.record_nos);
    return result;
}

int amendments_send_charges(struct amendments *amendments, const struct judgement *judgement,
                            const struct tail *tail, struct store *store, struct error *err)
{
    const struct batch *batch = judgement->batch;

    for (size_t i = 0; i < amendments->rows.count; i++) {
        const struct amend_row *row = &amendments->rows.at[i];
        const struct chain *chain = &judgement->chains.at[row->chain];
        const struct batch_item *item = &batch->items.at[chain->final];

        copy_patch_charge(amendments->encoded.bytes + row->row, chain->booked.record_no,
                          chain->booked.version + 1, batch->sources.at[item->source].number,
                          tail_transfer(tail, row->posted));
    }
    return store_copy_send(store, amendments->encoded.bytes, amendments->encoded.length, err);
}

int amendments_write(const struct amendments *amendments, const struct judgement *judgement,
                     struct store *store, struct error *err)
{
    const struct batch *batch = judgement->batch;
    struct batch_identity *identities = calloc(amendments->chains.count + 1, sizeof *identities);
    int result;

    if (identities == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < amendments->chains.count; i++) {
        const struct chain *chain = &judgement->chains.at[amendments->chains.at[i]];
        const struct batch_item *item = &batch->items.at[chain->final];

        identities[i] = (struct batch_identity){
            .source_no = batch->sources.at[item->source].number,
            .id = item->id,
            .version = chain->booked.version + 1,
            .month = item->month,
        };
        memcpy(identities[i].content, item->content, sizeof identities[i].content);
    }
    result = store_identity_amend(store, identities, amendments->chains.count, err);
    free(identities);
    return result;
}
