/* ingest_prepare - see ingest_prepare.h. */
#include "ledgerd/flow/ingest_prepare.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/policy.h"
#include "ledgerd/core/rate.h"
#include "ledgerd/core/rate_refund.h"
#include "ledgerd/flow/ingest_hash.h"
#include "ledgerd/flow/ingest_holds.h"
#include "ledgerd/flow/ingest_judge.h"
#include "ledgerd/flow/meter_use.h"
#include "ledgerd/flow/record_json.h"

enum {
    MONTH_FIRST = 1970 * 12, /* the book has partitions for these years */
    MONTH_LIMIT = 2200 * 12,
    FIELD_BYTES = USAGE_NAME_BYTES, /* of outcome and hold */
    NAMES = 1024,                   /* slots for what names were resolved to: a power of two */
};

/* What a source's names mean: looked up once a batch, because the same few come again and again. */
struct names {
    const char *project; /* as the source has them; NULL: an empty slot */
    const char *klass;
    uint32_t source;
    uint32_t line;
    const struct catalog_project *meant;
    const char *meant_class;
};

struct prepare {
    const struct ingest_options *options;
    const struct catalog *catalog;
    const struct batch_reading *reading;
    struct ingest_hasher *hasher;
    struct charge charge; /* reused from record to record */
    struct strbuf text;
    struct month month; /* the month of `period`: most records are of the same one */
    struct period period;
    struct names names[NAMES]; /* of the batch that is being filled */
};

/* Settlements of holds are records of this source: no other record may take their identities. */
static const char settlement_source[] = "hold";

static const struct batch_reading read_nothing = {"", "", "", 0, 0};

struct prepare *prepare_create(const struct ingest_options *options, const struct catalog *catalog,
                               struct error *err)
{
    struct prepare *prepare = calloc(1, sizeof *prepare);

    if (prepare == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    prepare->options = options;
    prepare->catalog = catalog;
    prepare->reading = &read_nothing;
    prepare->period = (struct period){INSTANT_NEVER, INSTANT_NONE};
    strbuf_init(&prepare->text);
    prepare->hasher = ingest_hasher_create(err);
    if (prepare->hasher == NULL) {
        prepare_destroy(prepare);
        return NULL;
    }
    return prepare;
}

void prepare_destroy(struct prepare *prepare)
{
    if (prepare != NULL) {
        ingest_hasher_destroy(prepare->hasher);
        charge_release(&prepare->charge);
        strbuf_release(&prepare->text);
        free(prepare);
    }
}

void prepare_reading(struct prepare *prepare, const struct batch_reading *reading)
{
    prepare->reading = reading;
}

/* The batch's own copy, shared by all items that were read the same way. */
static const struct batch_reading *keep_reading(struct prepare *prepare, struct batch *batch)
{
    const struct batch_reading *from = prepare->reading;
    const struct batch_reading *kept = batch->reading;
    struct batch_reading *copy;

    if (kept != NULL && strcmp(kept->header, from->header) == 0 &&
        strcmp(kept->options, from->options) == 0 && strcmp(kept->format, from->format) == 0) {
        return kept;
    }
    copy = arena_take(&batch->arena, sizeof *copy);
    if (copy == NULL) {
        return &read_nothing;
    }
    copy->format = arena_string(&batch->arena, from->format);
    copy->options = arena_string(&batch->arena, from->options);
    copy->header = arena_string(&batch->arena, from->header);
    batch->reading = copy;
    return copy;
}

static struct month month_of(struct prepare *prepare, struct instant t)
{
    if (instant_compare(t, prepare->period.from) < 0 ||
        instant_compare(t, prepare->period.to) >= 0) {
        prepare->month = calendar_month_of(&prepare->catalog->calendar, t);
        prepare->period = calendar_month(&prepare->catalog->calendar, prepare->month);
    }
    return prepare->month;
}

static bool month_is_kept(struct month month)
{
    return month.number >= MONTH_FIRST && month.number < MONTH_LIMIT;
}

static const struct batch_trouble *trouble(struct batch *batch, const char *reason,
                                           const char *detail)
{
    struct batch_trouble *made = arena_take(&batch->arena, sizeof *made);

    if (made != NULL) {
        made->reason = arena_string(&batch->arena, reason);
        made->detail = arena_string(&batch->arena, detail);
    }
    return made;
}

/* Trouble made of an error that a record caused. */
static const struct batch_trouble *trouble_of(struct batch *batch, const struct error *why)
{
    return trouble(batch, why->reason[0] != '\0' ? why->reason : "malformed", why->text);
}

static struct batch_raw *keep_raw(struct prepare *prepare, struct batch *batch,
                                  const struct import_item *item, const char *reason)
{
    struct batch_raw *raw = arena_take(&batch->arena, sizeof *raw);

    if (raw != NULL) {
        raw->reading = keep_reading(prepare, batch);
        raw->text = arena_copy(&batch->arena, item->raw != NULL ? item->raw : "",
                               item->raw != NULL ? item->raw_length : 0);
        raw->length = item->raw != NULL ? item->raw_length : 0;
        raw->is_whole = raw->length < IMPORT_RAW_BYTES && strcmp(reason, "line_too_long") != 0;
        memset(raw->hash, 0, sizeof raw->hash);
    }
    return raw;
}

/* The same with its hash, for items that have no other identity. */
static const struct batch_raw *keep_hashed_raw(struct prepare *prepare, struct batch *batch,
                                               const struct import_item *item, const char *reason,
                                               struct error *err)
{
    struct batch_raw *raw = keep_raw(prepare, batch, item, reason);

    if (raw == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    return ingest_hash_text(prepare->hasher, raw->reading->header, raw->text, raw->length,
                            raw->hash, err) == 0
               ? raw
               : NULL;
}

/* What can be read of a source and id where there is no record: the importer's, else the options'.
 */
static void take_identity(struct prepare *prepare, const struct import_item *item,
                          struct batch *batch, struct batch_item *to)
{
    const struct usage_record *record = item->record;
    const char *source = prepare->options->source != NULL ? prepare->options->source : "";

    if (record != NULL && record->source != NULL && *record->source != '\0') {
        source = record->source;
    }
    to->source = batch_source(batch, source);
    if (record != NULL && record->id != NULL) {
        to->id = arena_string(&batch->arena, record->id);
    }
}

static int prepare_bad(struct prepare *prepare, const struct import_item *item, struct batch *batch,
                       struct batch_item *to, struct error *err)
{
    to->kind = BATCH_BAD;
    take_identity(prepare, item, batch, to);
    to->trouble = trouble(batch, item->reason, item->detail);
    to->raw = keep_hashed_raw(prepare, batch, item, item->reason, err);
    if (to->raw == NULL) {
        return -1;
    }
    batch_chain(batch);
    return 0;
}

static int prepare_skipped(struct prepare *prepare, const struct import_item *item,
                           struct batch *batch, struct batch_item *to, struct error *err)
{
    char key[1 + INGEST_HASH_TEXT_BYTES] = "#";
    unsigned char hash[INGEST_HASH_BYTES];

    to->kind = BATCH_SKIPPED;
    take_identity(prepare, item, batch, to);
    to->skipped = arena_string(&batch->arena, item->reason);
    if (*to->id == '\0') {
        if (ingest_hash_text(prepare->hasher, prepare->reading->header,
                             item->raw != NULL ? item->raw : "",
                             item->raw != NULL ? item->raw_length : 0, hash, err) != 0) {
            return -1;
        }
        ingest_hash_format(hash, key + 1);
        to->id = arena_string(&batch->arena, key);
    }
    return 0;
}

/* By the rule `submit` a record belongs to a month in which it may not have begun. */
static struct month first_month(struct prepare *prepare, const struct usage_record *record)
{
    const struct policy *policy = policies_at(&prepare->catalog->policies, record->start);
    bool is_submitted = policy != NULL && policy->month_rule == MONTH_SUBMIT &&
                        instant_is_set(record->submitted);

    return month_of(prepare,
                    is_submitted ? instant_min(record->submitted, record->start) : record->start);
}

/* What the book needs of any record: an identity, an interval in its years, names that fit. */
static int check_record(struct prepare *prepare, const struct usage_record *record,
                        struct batch_item *to, struct error *why)
{
    bool is_empty = instant_compare(record->start, record->end) == 0;

    if (usage_validate(record, why) != 0) {
        return -1;
    }
    if (strcmp(record->source, settlement_source) == 0) {
        return error_set_reason(why, ERROR_INPUT, "reserved_source",
                                "record %s: source %s is kept for settlements of holds", record->id,
                                record->source);
    }
    if (strlen(record->outcome) > FIELD_BYTES || strlen(record->hold) > FIELD_BYTES) {
        return error_set_reason(why, ERROR_INPUT, "malformed",
                                "record %s of %s: outcome or hold is longer than %d bytes",
                                record->id, record->source, FIELD_BYTES);
    }
    to->month = month_of(prepare, (struct instant){record->end.us - !is_empty});
    to->first_month = first_month(prepare, record);
    to->has_month = month_is_kept(to->month) && month_is_kept(to->first_month);
    if (!to->has_month) {
        return error_set_reason(why, ERROR_INPUT, "bad_interval",
                                "record %s of %s lies outside the years 1970 to 2199", record->id,
                                record->source);
    }
    return 0;
}

/* The slot of these names: theirs, or one that something else may have to leave. */
static struct names *names_slot(struct prepare *prepare, const struct usage_record *record,
                                uint32_t source)
{
    uint64_t hash = batch_hash(batch_hash(source, record->project), record->klass);

    return &prepare->names[(hash ^ hash >> 32) & (NAMES - 1)];
}

static bool names_are(const struct names *names, const struct usage_record *record, uint32_t source)
{
    return names->project != NULL && names->source == source &&
           strcmp(names->project, record->project) == 0 && strcmp(names->klass, record->klass) == 0;
}

/* Look the names up, in a slot that may hold others. */
static int find_names(struct prepare *prepare, const struct usage_record *record,
                      struct batch *batch, uint32_t source, struct names *names, struct error *why)
{
    const struct conf *conf = prepare->options->conf;
    struct names found = {.source = source};

    if (*record->project == '\0') {
        return error_set_reason(why, ERROR_INPUT, "no_project", "record %s of %s names no project",
                                record->id, record->source);
    }
    found.meant = catalog_resolve_project(prepare->catalog, conf, record->source, record->project);
    if (found.meant == NULL) {
        return error_set_reason(
            why, ERROR_INPUT, "unknown_project",
            "record %s of %s: no project, alias or configured account is named '%s'", record->id,
            record->source, record->project);
    }
    found.project = arena_string(&batch->arena, record->project);
    found.klass = arena_string(&batch->arena, record->klass);
    found.meant_class = arena_string(&batch->arena,
                                     catalog_resolve_class(conf, record->source, record->klass));
    found.line = batch_line(batch, source, found.meant->id, found.meant_class);
    *names = found;
    return 0;
}

/* Put the book's names in the place of the source's. */
static int resolve(struct prepare *prepare, struct usage_record *record, struct batch *batch,
                   struct batch_item *to, struct error *why)
{
    struct names *names = names_slot(prepare, record, to->source);

    if (!names_are(names, record, to->source) &&
        find_names(prepare, record, batch, to->source, names, why) != 0) {
        return -1;
    }
    record->project = names->meant->id;
    record->klass = names->meant_class;
    to->line = names->line;
    return 0;
}

struct effect_sink {
    const struct prepare *prepare;
    struct batch *batch;
    struct batch_item *item;
};

/* Of running work whose month closes, what belongs to later months is not posted. */
static bool is_posted(const struct prepare *prepare, const struct batch_item *item,
                      struct month month)
{
    return item->kind != BATCH_CLOSING || month.number <= prepare->options->closing.number;
}

static int add_effect(void *context, const struct meter_use *use)
{
    struct effect_sink *sink = context;
    struct batch_effect *effect;

    if (!is_posted(sink->prepare, sink->item, use->month)) {
        return 0;
    }
    effect = batch_effect(sink->batch);
    if (effect == NULL) {
        return 0; /* the batch has failed, and says so */
    }
    effect->meter = batch_meter(sink->batch, use->meter);
    effect->month = use->month;
    effect->is_held = use->is_held;
    effect->amount = use->amount;
    sink->item->effect_count++;
    return 0;
}

static int rate(struct prepare *prepare, const struct usage_record *record, struct error *why)
{
    const struct catalog *catalog = prepare->catalog;
    const struct policy *policy = policies_at(&catalog->policies, record->start);

    if (rate_record(record, &catalog->cards, &catalog->calendar,
                    policy != NULL ? policy->month_rule : MONTH_SPLIT, &prepare->charge,
                    why) != 0) {
        return -1;
    }
    if (prepare->charge.list_points.micro > INGEST_CHARGE_MAX_MICRO) {
        return error_set_reason(why, ERROR_INPUT, "overflow",
                                "record %s of %s costs more than %lld points: no sum could hold "
                                "many of that size",
                                record->id, record->source,
                                (long long)(INGEST_CHARGE_MAX_MICRO / POINTS_MICRO));
    }
    for (size_t i = 0; i < prepare->charge.slice_count; i++) {
        if (!month_is_kept(prepare->charge.slices[i].month)) {
            return error_set_reason(why, ERROR_INPUT, "bad_interval",
                                    "record %s of %s belongs to a month outside the years 1970 to "
                                    "2199",
                                    record->id, record->source);
        }
    }
    return 0;
}

static void take_slices(struct prepare *prepare, const struct usage_record *record,
                        struct batch *batch, struct batch_item *to)
{
    const struct charge *charge = &prepare->charge;
    struct points refunds[CHARGE_SLICES_MAX + 1];

    rate_refund(record, charge, refunds);
    to->slice = (uint32_t)batch->slices.count;
    to->charge_row = batch->charges.length;
    for (size_t i = 0; i < charge->slice_count; i++) {
        const struct charge_slice *from = &charge->slices[i];
        struct batch_slice *slice;

        if (!is_posted(prepare, to, from->month)) {
            continue;
        }
        slice = batch_slice(batch);
        if (slice == NULL) {
            return;
        }
        to->slice_count++;
        *slice = (struct batch_slice){from->month, from->last, from->points, from->list_points,
                                      refunds[i]};
        batch_month(batch, from->month);
        copy_add_charge(&batch->charges, &(struct copy_charge){
                                             .month = from->month,
                                             .card_no = to->card_no,
                                             .rule = to->rule,
                                             .last = from->last,
                                             .points = from->points,
                                             .list_points = from->list_points,
                                             .project = record->project,
                                             .user = record->user,
                                             .klass = record->klass,
                                         });
    }
    to->charge_end = batch->charges.length;
}

/* The rows of a record that is posted, to be sent as they are if it turns out to be new. */
static int take_final(struct prepare *prepare, const struct usage_record *record,
                      struct batch *batch, struct batch_item *to, struct error *why)
{
    struct effect_sink sink = {prepare, batch, to};
    const struct copy_months months = {to->month, to->kind == BATCH_CLOSING,
                                       prepare->options->closing};

    to->effect = (uint32_t)batch->effects.count;
    if (meter_use_each(record, &prepare->charge.card->rules[prepare->charge.rule],
                       &prepare->catalog->calendar, add_effect, &sink) != 0) {
        return error_set_reason(why, ERROR_INPUT, "overflow",
                                "record %s of %s: a meter times its time does not fit", record->id,
                                record->source);
    }
    take_slices(prepare, record, batch, to);
    batch_month(batch, to->month);
    to->identity_row = batch->identities.length;
    copy_add_identity(&batch->identities, record->id, to->content, to->month);
    to->identity_end = batch->identities.length;
    to->usage_row = batch->usages.length;
    copy_add_usage(&batch->usages, record, record->project, record->klass, &months);
    to->usage_end = batch->usages.length;
    return 0;
}

/* The parts of an accrual that belong where it would be charged last; what is posted of it is no
 * part of it any more. They are within the whole, which was checked. Work that was seen the moment
 * it began has no slice yet. */
static void take_parts(const struct prepare *prepare, const struct usage_record *record,
                       struct batch_item *to)
{
    const struct calendar *calendar = &prepare->catalog->calendar;
    const struct charge *charge = &prepare->charge;

    to->slice_month = charge->slice_count > 0 ? charge->slices[charge->slice_count - 1].month
                                              : calendar_month_of(calendar, record->end);
    for (size_t i = 0; i < charge->slice_count; i++) {
        const struct charge_slice *slice = &charge->slices[i];

        if (to->kind == BATCH_CLOSING && is_posted(prepare, to, slice->month)) {
            to->posted.micro += slice->points.micro;
            to->list_posted.micro += slice->list_points.micro;
            continue;
        }
        if (slice->month.number == to->slice_month.number) {
            to->month_points.micro += slice->points.micro;
        }
        if (calendar_fiscal_year_of_month(calendar, slice->month) ==
            calendar_fiscal_year_of_month(calendar, to->slice_month)) {
            to->year_points.micro += slice->points.micro;
        }
    }
}

/* An accrual's record is kept in the source's names, so that it can be read again. */
static void take_running(struct prepare *prepare, const struct usage_record *record,
                         const char *project, const char *klass, struct batch *batch,
                         struct batch_item *to)
{
    struct usage_record shown = *record;

    take_parts(prepare, record, to);
    shown.project = project;
    shown.klass = klass;
    if (!to->has_seen) {
        shown.seen = INSTANT_NONE;
    }
    strbuf_clear(&prepare->text);
    record_json_write(&shown, &prepare->catalog->zone, &prepare->text);
    to->record = arena_copy(&batch->arena, prepare->text.data, prepare->text.length);
    batch->failed = batch->failed || prepare->text.failed;
}

/* True if slices of the running record are posted. By the rule `end` it belongs to the month of its
 * end, which is not known while it runs. */
static bool closes(const struct prepare *prepare, const struct usage_record *record)
{
    const struct policy *policy = policies_at(&prepare->catalog->policies, record->start);

    if (!prepare->options->is_closing || (policy != NULL && policy->month_rule == MONTH_END)) {
        return false;
    }
    for (size_t i = 0; i < prepare->charge.slice_count; i++) {
        if (prepare->charge.slices[i].month.number <= prepare->options->closing.number) {
            return true;
        }
    }
    return false;
}

static int check_resolve_rate(struct prepare *prepare, struct usage_record *record,
                              struct batch *batch, struct batch_item *to, struct error *why)
{
    const char *project = record->project;
    const char *klass = record->klass;

    if (check_record(prepare, record, to, why) != 0 ||
        resolve(prepare, record, batch, to, why) != 0 || rate(prepare, record, why) != 0) {
        return -1;
    }
    to->card_no = (int32_t)prepare->charge.card->number;
    to->rule = prepare->charge.rule;
    to->points = prepare->charge.points;
    to->list_points = prepare->charge.list_points;
    if (record->state == USAGE_RUNNING) {
        to->kind = closes(prepare, record) ? BATCH_CLOSING : BATCH_RUNNING;
        take_running(prepare, record, project, klass, batch, to);
    }
    return to->kind == BATCH_RUNNING ? 0 : take_final(prepare, record, batch, to, why);
}

static void take_hold(const struct prepare *prepare, struct usage_record *record,
                      struct batch *batch, struct batch_item *to)
{
    const struct ingest_options *options = prepare->options;
    const char *known = options->hold_of != NULL ? options->hold_of(options->context, record->id)
                                                 : NULL;

    if (known != NULL) {
        record->hold = known;
    }
    if (*record->hold != '\0') {
        to->hold = arena_string(&batch->arena, record->hold);
    }
    to->ends_part = strcmp(record->outcome, "requeued") != 0 &&
                    strcmp(record->outcome, "node_fail") != 0;
}

static int prepare_record(struct prepare *prepare, const struct import_item *item,
                          struct batch *batch, struct batch_item *to, struct error *err)
{
    struct usage_record *record = item->record;
    struct error why; /* large: not cleared for every record */

    to->kind = record->state == USAGE_FINAL ? BATCH_FINAL : BATCH_RUNNING;
    to->source = batch_source(batch, record->source);
    to->id = arena_string(&batch->arena, record->id);
    to->user = arena_string(&batch->arena, record->user);
    to->start = record->start;
    to->end = record->end;
    to->elapsed_us = judge_elapsed_us(record);
    take_hold(prepare, record, batch, to);
    to->has_seen = instant_is_set(record->seen);
    if (!to->has_seen) {
        record->seen = prepare->options->now;
    }
    to->seen = record->seen;
    if (ingest_hash_content(prepare->hasher, record, to->content, err) != 0) {
        return -1;
    }
    why.code = ERROR_NONE;
    why.reason[0] = '\0';
    if (check_resolve_rate(prepare, record, batch, to, &why) != 0) {
        if (why.code != ERROR_INPUT) {
            *err = why;
            return -1;
        }
        to->trouble = trouble_of(batch, &why);
    }
    if (to->trouble != NULL || !judge_is_amendable(record->source)) {
        to->raw = keep_raw(prepare, batch, item, "");
    }
    batch_chain(batch);
    return 0;
}

/* The one slice of a settlement: what was asked to be charged, when it was. */
static void take_settled_slice(const struct usage_record *record, struct batch *batch,
                               struct batch_item *to)
{
    struct batch_slice *slice = batch_slice(batch);

    if (slice == NULL) {
        return;
    }
    *slice = (struct batch_slice){
        .month = to->month, .last = record->end, .points = to->points, .list_points = to->points};
    batch_month(batch, to->month);
    to->slice = (uint32_t)batch->slices.count - 1;
    to->slice_count = 1;
    to->charge_row = batch->charges.length;
    copy_add_charge(&batch->charges, &(struct copy_charge){.month = to->month,
                                                           .card_no = to->card_no,
                                                           .rule = to->rule,
                                                           .last = record->end,
                                                           .points = to->points,
                                                           .list_points = to->points,
                                                           .project = record->project,
                                                           .user = record->user,
                                                           .klass = record->klass});
    to->charge_end = batch->charges.length;
    to->identity_row = batch->identities.length;
    copy_add_identity(&batch->identities, record->id, to->content, to->month);
    to->identity_end = batch->identities.length;
    to->usage_row = batch->usages.length;
    copy_add_usage(&batch->usages, record, record->project, record->klass,
                   &(struct copy_months){.month = to->month});
    to->usage_end = batch->usages.length;
}

int prepare_settlement(struct prepare *prepare, struct usage_record *record, struct points points,
                       struct batch_settlement *settlement, struct batch *batch, struct error *err)
{
    struct batch_item *to = batch_item(batch);

    if (to == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    to->kind = BATCH_FINAL;
    to->source = batch_source(batch, settlement_source);
    to->line = batch_line(batch, to->source, record->project, record->klass);
    to->id = arena_string(&batch->arena, record->id);
    to->user = arena_string(&batch->arena, record->user);
    to->hold = arena_string(&batch->arena, record->hold);
    to->settlement = settlement;
    to->ends_part = true;
    to->has_seen = true;
    to->start = to->end = to->seen = record->end;
    to->month = month_of(prepare, record->end);
    to->has_month = true;
    to->card_no = PREPARE_SETTLED_CARD;
    to->rule = PREPARE_SETTLED_RULE;
    to->points = to->list_points = points;
    if (ingest_hash_content(prepare->hasher, record, to->content, err) != 0) {
        return -1;
    }
    take_settled_slice(record, batch, to);
    batch_chain(batch);
    return batch->failed || batch->arena.failed ? error_set(err, ERROR_INTERNAL, "out of memory")
                                                : 0;
}

int prepare_item(struct prepare *prepare, const struct import_item *item, struct batch *batch,
                 struct error *err)
{
    struct batch_item *to = batch_item(batch);
    int result = -1;

    if (to == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (batch->items.count == 1) { /* what is remembered of names lies in another batch */
        memset(prepare->names, 0, sizeof prepare->names);
    }
    to->number = prepare->reading->number != 0 ? prepare->reading->number : item->line;
    to->body = prepare->reading->body;
    switch (item->kind) {
    case IMPORT_RECORD:
        result = prepare_record(prepare, item, batch, to, err);
        break;
    case IMPORT_BAD:
        result = prepare_bad(prepare, item, batch, to, err);
        break;
    case IMPORT_SKIPPED:
        result = prepare_skipped(prepare, item, batch, to, err);
        break;
    }
    if (result == 0 && (batch->failed || batch->arena.failed || batch->identities.failed ||
                        batch->usages.failed || batch->charges.failed)) {
        result = error_set(err, ERROR_INTERNAL, "out of memory");
    }
    return result;
}
