/* zone_file - a zone's table from its TZif file (RFC 8536).
 *
 * Such a file holds its data twice: a block of 32-bit times for old readers, which is passed over,
 * and one of 64-bit times, followed by a line with the rule for the time after the last transition:
 *
 *      header | v1 data | header | transition times | type numbers | types | ... | \n rule \n
 *
 * Only what moves the offset is kept: transitions that change nothing but a name are dropped.
 */
#include "ledgerd/base/zone.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/base/civil.h"
#include "ledgerd/base/zone_rule.h"

#define ZONE_FOLDER "/usr/share/zoneinfo/"

enum {
    HEADER_BYTES = 44,
    TYPE_BYTES = 6,
    FILE_BYTES_MAX = 64 * 1024,            /* the largest zone of tzdata has under 4 KiB */
    OFFSET_MAX_SECONDS = 25 * 3600 + 3599, /* RFC 8536 section 3.2 */
    /* The longest jump of the wall clock. Between real transitions lie four days at least; closer
     * ones would have wall times that come in no order. */
    GAP_MIN_SECONDS = 2 * OFFSET_MAX_SECONDS,
    RULE_LAST_YEAR = 2200,
};

struct counts { /* in the header's order */
    uint32_t utc_indicators, standard_indicators, leaps, times, types, name_bytes;
};

struct block {
    const unsigned char *times, *type_numbers, *types;
    struct counts counts;
};

static uint32_t read_u32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int64_t read_i64(const unsigned char *bytes)
{
    return (int64_t)((uint64_t)read_u32(bytes) << 32 | read_u32(bytes + 4));
}

/* The length of a data block; counts are bounded by the caller's file size limit. */
static size_t block_bytes(const struct counts *counts, size_t time_bytes)
{
    return counts->times * (time_bytes + 1) + (size_t)counts->types * TYPE_BYTES +
           counts->name_bytes + counts->leaps * (time_bytes + 4) + counts->standard_indicators +
           counts->utc_indicators;
}

static int header_read(const unsigned char *bytes, size_t length, struct counts *counts)
{
    uint32_t *const fields[] = {&counts->utc_indicators, &counts->standard_indicators,
                                &counts->leaps,          &counts->times,
                                &counts->types,          &counts->name_bytes};

    if (length < HEADER_BYTES || memcmp(bytes, "TZif", 4) != 0 || bytes[4] < '2') {
        return -1;
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        *fields[i] = read_u32(bytes + 20 + 4 * i);
        if (*fields[i] > FILE_BYTES_MAX) {
            return -1;
        }
    }
    return 0;
}

/* Find the 64-bit block. On success *rest and *rest_length are what follows it. */
static int block_find(const unsigned char *bytes, size_t length, struct block *block,
                      const unsigned char **rest, size_t *rest_length)
{
    struct counts *counts = &block->counts;
    size_t skip;

    if (header_read(bytes, length, counts) != 0) {
        return -1;
    }
    skip = HEADER_BYTES + block_bytes(counts, 4);
    if (skip > length || header_read(bytes + skip, length - skip, counts) != 0 ||
        counts->types == 0) {
        return -1;
    }
    block->times = bytes + skip + HEADER_BYTES;
    block->type_numbers = block->times + (size_t)counts->times * 8;
    block->types = block->type_numbers + counts->times;
    skip += HEADER_BYTES + block_bytes(counts, 8);
    if (skip > length) {
        return -1;
    }
    *rest = bytes + skip;
    *rest_length = length - skip;
    return 0;
}

static bool is_offset(int32_t seconds)
{
    return seconds >= -OFFSET_MAX_SECONDS && seconds <= OFFSET_MAX_SECONDS;
}

static int type_offset(const struct block *block, size_t number, int32_t *offset)
{
    if (number >= block->counts.types) {
        return -1;
    }
    *offset = (int32_t)read_u32(block->types + number * TYPE_BYTES);
    return is_offset(*offset) ? 0 : -1;
}

/* True if `later` comes so long after `earlier` that the wall clock cannot show both at once. */
static bool is_later(int64_t earlier, int64_t later)
{
    int64_t gap;

    return later > earlier &&
           (__builtin_sub_overflow(later, earlier, &gap) || gap >= GAP_MIN_SECONDS);
}

/* Append a transition, or replace the last one if it is at the same time; drop it if it changes
 * nothing. */
static int zone_add(struct zone *zone, int64_t at_seconds, int32_t offset_seconds)
{
    int32_t before;

    if (zone->count > 0 && zone->transitions[zone->count - 1].at_seconds == at_seconds) {
        zone->count--;
    }
    before = zone->count > 0 ? zone->transitions[zone->count - 1].offset_seconds
                             : zone->first_offset_seconds;
    if (offset_seconds == before) {
        return 0;
    }
    if (zone->count == ZONE_TRANSITIONS_MAX ||
        (zone->count > 0 && !is_later(zone->transitions[zone->count - 1].at_seconds, at_seconds))) {
        return -1;
    }
    zone->transitions[zone->count].at_seconds = at_seconds;
    zone->transitions[zone->count].offset_seconds = offset_seconds;
    zone->count++;
    return 0;
}

/* The file's own transitions. *last is the time of the last one, whether it was kept or not. */
static int table_read(const struct block *block, struct zone *zone, int64_t *last)
{
    *last = INT64_MIN;
    if (type_offset(block, 0, &zone->first_offset_seconds) != 0) {
        return -1;
    }
    for (size_t i = 0; i < block->counts.times; i++) {
        int64_t at = read_i64(block->times + i * 8);
        int32_t offset;

        if (at <= *last || type_offset(block, block->type_numbers[i], &offset) != 0 ||
            zone_add(zone, at, offset) != 0) {
            return -1;
        }
        *last = at;
    }
    return 0;
}

/* Go on after `last` by the rule, up to RULE_LAST_YEAR. */
static int rule_expand(const struct zone_rule *rule, int64_t last, struct zone *zone)
{
    int64_t end = civil_to_days(RULE_LAST_YEAR, 12, 31) * CIVIL_DAY_SECONDS;

    if (!rule->has_summer ||
        last >= end) { /* the table ends in standard time, or goes far enough */
        return 0;
    }
    for (int year = last < 0 ? 1970 : civil_from_days(last / CIVIL_DAY_SECONDS).year;
         year <= RULE_LAST_YEAR; year++) {
        int64_t begins = zone_rule_summer_begins(rule, year);
        int64_t ends = zone_rule_summer_ends(rule, year);
        bool north = begins < ends;
        int64_t at[2] = {north ? begins : ends, north ? ends : begins};
        int32_t offset[2] = {north ? rule->summer_offset_seconds : rule->standard_offset_seconds,
                             north ? rule->standard_offset_seconds : rule->summer_offset_seconds};

        for (int i = 0; i < 2; i++) {
            if (at[i] > last && zone_add(zone, at[i], offset[i]) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* "\nRULE\n"; an empty rule says nothing about the time after the last transition. */
static int footer_read(const unsigned char *bytes, size_t length, int64_t last, struct zone *zone)
{
    const unsigned char *end;
    struct zone_rule rule;

    if (length < 2 || bytes[0] != '\n') {
        return -1;
    }
    end = memchr(bytes + 1, '\n', length - 1);
    if (end == NULL) {
        return -1;
    }
    if (end == bytes + 1) {
        return 0;
    }
    if (zone_rule_parse((const char *)bytes + 1, (size_t)(end - bytes - 1), &rule) != 0 ||
        !is_offset(rule.standard_offset_seconds) || !is_offset(rule.summer_offset_seconds)) {
        return -1;
    }
    return rule_expand(&rule, last, zone);
}

int zone_parse(const char *name, const unsigned char *bytes, size_t length, struct zone *zone,
               struct error *err)
{
    struct block block;
    const unsigned char *rest;
    size_t rest_length;
    int64_t last;

    memset(zone, 0, sizeof *zone);
    if (block_find(bytes, length, &block, &rest, &rest_length) != 0 ||
        table_read(&block, zone, &last) != 0 || footer_read(rest, rest_length, last, zone) != 0) {
        return error_set(err, ERROR_INPUT, "time zone '%s': its zoneinfo file is malformed", name);
    }
    snprintf(zone->name, sizeof zone->name, "%s", name);
    return 0;
}

/* Names are path pieces of letters, digits and "_+-", as tzdata has them: none leads out of the
 * folder. */
static bool name_is_good(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length < ZONE_NAME_BYTES && name[0] != '/' && name[length - 1] != '/' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
               length &&
           strstr(name, "//") == NULL;
}

static int file_read(const char *name, unsigned char *bytes, size_t *length, struct error *err)
{
    char path[sizeof ZONE_FOLDER + ZONE_NAME_BYTES];
    FILE *file;
    int failed;

    snprintf(path, sizeof path, "%s%s", ZONE_FOLDER, name);
    file = fopen(path, "rbe");
    if (file == NULL) {
        return error_set(err, ERROR_INPUT, "time zone '%s': cannot read %s: %s", name, path,
                         strerror(errno));
    }
    *length = fread(bytes, 1, FILE_BYTES_MAX, file);
    failed = ferror(file);
    fclose(file);
    if (failed) {
        return error_set(err, ERROR_INPUT, "time zone '%s': cannot read %s", name, path);
    }
    return 0;
}

int zone_load(const char *name, struct zone *zone, struct error *err)
{
    unsigned char bytes[FILE_BYTES_MAX];
    size_t length = 0;

    if (!name_is_good(name)) {
        return error_set(err, ERROR_INPUT, "time zone '%.80s' is not a name like Asia/Tokyo", name);
    }
    if (strcmp(name, "UTC") == 0) {
        memset(zone, 0, sizeof *zone);
        snprintf(zone->name, sizeof zone->name, "%s", name);
        return 0;
    }
    if (file_read(name, bytes, &length, err) != 0) {
        return -1;
    }
    return zone_parse(name, bytes, length, zone, err);
}
