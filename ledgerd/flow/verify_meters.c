/* verify_meters - see verify_meters.h.
 *
 * Sums are kept by two hashes of a row's key: 128 bits, so that two keys of one book do not meet.
 */
#include "ledgerd/flow/verify_meters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/meter_use.h"
#include "ledgerd/store/store_verify.h"

enum { KEY_BYTES = 2048, SUM = 0, IS_SEEN = 1, IS_HELD = 2 };

void meters_release(struct meters *meters)
{
    for (size_t i = 0; i < meters->tally.count; i++) {
        free(meters->names[i]);
    }
    free(meters->names);
    tally_release(&meters->tally);
    *meters = (struct meters){0};
}

static uint64_t hash_key(const char *key, uint64_t hash)
{
    for (; *key != '\0'; key++) {
        hash = (hash ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
        hash ^= hash >> 29;
    }
    return hash;
}

/* The row of a key, with its name kept when it is new. NULL out of memory. */
static struct tally_row *row_of(struct meters *meters, const char *key)
{
    size_t before = meters->tally.count;
    struct tally_row *row = tally_row(&meters->tally, hash_key(key, UINT64_C(0xcbf29ce484222325)),
                                      hash_key(key, UINT64_C(0x9e3779b97f4a7c15)));

    if (row == NULL || meters->tally.count == before) {
        return row;
    }
    if (before == meters->name_capacity) {
        size_t capacity = before == 0 ? 64 : before * 2;
        char **names = realloc(meters->names, capacity * sizeof *names);

        if (names == NULL) {
            meters->tally.count = before;
            return NULL;
        }
        meters->names = names;
        meters->name_capacity = capacity;
    }
    meters->names[before] = strdup(key);
    return meters->names[before] != NULL ? row : NULL;
}

static void write_key(char *key, struct month month, const char *project, const char *source,
                      const char *klass, const char *meter, bool is_held)
{
    char text[MONTH_TEXT_BYTES];

    snprintf(key, KEY_BYTES, "%s, %s, %s, class %s, %s meter %s", month_format(month, text),
             project, source, klass, is_held ? "held" : "counted", meter);
}

struct adding {
    struct meters *meters;
    const struct stored_record *stored;
};

static int add_use(void *context, const struct meter_use *use)
{
    struct adding *adding = context;
    const struct stored_record *stored = adding->stored;
    const struct usage_record *record = &stored->record;
    struct tally_row *row;
    char key[KEY_BYTES];

    if (stored->is_running && use->month.number > stored->booked_through.number) {
        return 0;
    }
    write_key(key, use->month, record->project, record->source, record->klass, use->meter,
              use->is_held);
    row = row_of(adding->meters, key);
    if (row == NULL) {
        return -1;
    }
    row->sums[IS_HELD] = use->is_held;
    return __builtin_add_overflow(row->sums[SUM], use->amount, &row->sums[SUM]) ? -1 : 0;
}

int meters_add(struct meters *meters, const struct stored_record *stored,
               const struct ratecard_rule *rule, const struct calendar *calendar)
{
    struct adding adding = {meters, stored};

    return meter_use_each(&stored->record, rule, calendar, add_use, &adding);
}

struct comparing {
    struct meters *meters;
    char *detail;
    size_t size;
};

static void note_difference(struct comparing *comparing, const char *key, const char *booked,
                            const char *sum)
{
    if (comparing->detail[0] == '\0') {
        snprintf(comparing->detail, comparing->size,
                 "%s: the roll-up says %s, the records come to %s", key, booked, sum);
    }
}

static int compare_row(void *context, const struct verify_meter *meter, struct error *err)
{
    struct comparing *comparing = context;
    char key[KEY_BYTES], sum[METER_USE_TEXT_BYTES];
    struct tally_row *row;

    write_key(key, meter->month, meter->project, meter->source, meter->klass, meter->meter,
              meter->is_held);
    row = row_of(comparing->meters, key);
    if (row == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    row->sums[IS_SEEN] = 1;
    meter_use_format(row->sums[SUM], meter->is_held, sum);
    if (strcmp(sum, meter->amount) != 0) {
        note_difference(comparing, key, meter->amount, sum);
    }
    return 0;
}

int meters_compare(struct meters *meters, struct store *store, char *detail, size_t size,
                   struct error *err)
{
    struct comparing comparing = {meters, detail, size};
    char sum[METER_USE_TEXT_BYTES];

    detail[0] = '\0';
    if (store_verify_meters(store, compare_row, &comparing, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < meters->tally.count; i++) {
        const struct tally_row *row = &meters->tally.rows[i];

        if (!row->sums[IS_SEEN] && row->sums[SUM] != 0) {
            note_difference(&comparing, meters->names[i], "nothing",
                            meter_use_format(row->sums[SUM], row->sums[IS_HELD] != 0, sum));
        }
    }
    return 0;
}
