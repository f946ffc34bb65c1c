/* usage - see usage.h. */
#include "ledgerd/core/usage.h"

#include <string.h>

#include "ledgerd/base/parse.h"

void usage_clear(struct usage_record *record, struct usage_arena *arena)
{
    arena->used = 0;
    record->source = record->id = record->project = record->user = record->klass = "";
    record->outcome = record->qos = record->hold = "";
    record->start = record->end = INSTANT_NONE;
    record->submitted = record->seen = INSTANT_NONE;
    record->state = USAGE_FINAL;
    record->basis = USAGE_REPORTED;
    record->has_elapsed = false;
    record->elapsed_seconds = record->requested_seconds = DECIMAL_ZERO;
    record->meter_count = record->attribute_count = 0;
}

/* The first byte from `at` on that is not plain ASCII text. Names are ASCII nearly always. */
static size_t plain_run(const char *bytes, size_t at, size_t length)
{
    while (at < length && (unsigned char)bytes[at] >= 0x20 && (unsigned char)bytes[at] < 0x7f) {
        at++;
    }
    return at;
}

/* Width of the clean character that bytes begin with: neither a control character (C0, DEL, C1) nor
 * bytes that are no UTF-8; 0 if there is none. */
static size_t clean_character(const char *bytes, size_t length)
{
    const unsigned char *s = (const unsigned char *)bytes;
    size_t width = parse_utf8_character(bytes, length);

    if ((width == 1 && (s[0] < 0x20 || s[0] == 0x7f)) ||
        (width == 2 && s[0] == 0xc2 && s[1] < 0xa0)) {
        return 0;
    }
    return width;
}

const char *usage_keep(struct usage_arena *arena, const char *bytes, size_t length, size_t limit)
{
    char *kept = arena->bytes + arena->used;
    size_t room = sizeof arena->bytes - arena->used;
    size_t at = 0, used = 0;

    if (room == 0 || length == 0) {
        return "";
    }
    room = limit < room - 1 ? limit : room - 1;
    while (at < length) {
        const char *from = bytes + at;
        size_t width = plain_run(bytes, at, length) - at;
        size_t eaten = width;

        if (width > room - used) {
            width = eaten = room - used; /* ASCII: every byte is a character's edge */
        } else if (width == 0) {
            width = eaten = clean_character(from, length - at);
            if (width == 0) {
                from = PARSE_UTF8_REPLACEMENT;
                width = sizeof PARSE_UTF8_REPLACEMENT - 1;
                eaten = 1;
            }
        }
        if (width == 0 || width > room - used) {
            break;
        }
        memcpy(kept + used, from, width);
        used += width;
        at += eaten;
    }
    kept[used] = '\0';
    arena->used += used + 1;
    return kept;
}

bool usage_is_clean(const char *bytes, size_t length, size_t limit)
{
    size_t at = plain_run(bytes, 0, length);

    if (length > limit) {
        return false;
    }
    while (at < length) {
        size_t width = clean_character(bytes + at, length - at);
        if (width == 0) {
            return false;
        }
        at = plain_run(bytes, at + width, length);
    }
    return true;
}

int usage_add_meter(struct usage_record *record, const char *name, struct decimal quantity)
{
    size_t at = record->meter_count;

    if (at == USAGE_METERS_MAX) {
        return -1;
    }
    for (; at > 0; at--) {
        int order = strcmp(record->meters[at - 1].name, name);
        if (order == 0) {
            return -1;
        }
        if (order < 0) {
            break;
        }
    }
    memmove(record->meters + at + 1, record->meters + at,
            (record->meter_count - at) * sizeof record->meters[0]);
    record->meters[at] = (struct usage_meter){name, quantity};
    record->meter_count++;
    return 0;
}

int usage_add_attribute(struct usage_record *record, const char *name, const char *value)
{
    size_t at = record->attribute_count;

    if (at == USAGE_ATTRIBUTES_MAX) {
        return -1;
    }
    for (; at > 0; at--) {
        int order = strcmp(record->attributes[at - 1].name, name);
        if (order == 0) {
            return -1;
        }
        if (order < 0) {
            break;
        }
    }
    memmove(record->attributes + at + 1, record->attributes + at,
            (record->attribute_count - at) * sizeof record->attributes[0]);
    record->attributes[at] = (struct usage_attribute){name, value};
    record->attribute_count++;
    return 0;
}

const struct decimal *usage_meter(const struct usage_record *record, const char *name)
{
    for (size_t i = 0; i < record->meter_count; i++) {
        if (strcmp(record->meters[i].name, name) == 0) {
            return &record->meters[i].quantity;
        }
    }
    return NULL;
}

const char *usage_attribute(const struct usage_record *record, const char *name)
{
    for (size_t i = 0; i < record->attribute_count; i++) {
        if (strcmp(record->attributes[i].name, name) == 0) {
            return record->attributes[i].value;
        }
    }
    return NULL;
}

static bool instant_is_usable(struct instant t)
{
    return t.us >= 0 && t.us < INSTANT_LIMIT_US;
}

int usage_validate(const struct usage_record *record, struct error *err)
{
    if (record->source == NULL || record->source[0] == '\0') {
        return error_set_reason(err, ERROR_INPUT, "no_identity", "the record names no source");
    }
    if (record->id == NULL || record->id[0] == '\0') {
        return error_set_reason(err, ERROR_INPUT, "no_identity", "a record of %s has no id",
                                record->source);
    }
    if (!instant_is_usable(record->start) || !instant_is_usable(record->end)) {
        return error_set_reason(err, ERROR_INPUT, "bad_interval",
                                "record %s of %s: start or end is missing or outside 1970 to 9998",
                                record->id, record->source);
    }
    if (instant_compare(record->end, record->start) < 0) {
        return error_set_reason(err, ERROR_INPUT, "bad_interval",
                                "record %s of %s ends before it starts", record->id,
                                record->source);
    }
    if (instant_is_set(record->submitted) && !instant_is_usable(record->submitted)) {
        return error_set_reason(err, ERROR_INPUT, "bad_interval",
                                "record %s of %s was submitted outside 1970 to 9998", record->id,
                                record->source);
    }
    return 0;
}

static const char *const state_texts[] = {
    [USAGE_RUNNING] = "running",
    [USAGE_FINAL] = "final",
};
static const char *const basis_texts[] = {
    [USAGE_REPORTED] = "reported",
    [USAGE_PARTIAL] = "partial",
    [USAGE_ESTIMATED] = "estimated",
};

/* Index of the text among `count` texts, or -1. */
static int text_find(const char *const *texts, size_t count, const char *text, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(texts[i]) == length && memcmp(texts[i], text, length) == 0) {
            return (int)i;
        }
    }
    return -1;
}

const char *usage_state_text(enum usage_state state)
{
    return state_texts[state];
}

const char *usage_basis_text(enum usage_basis basis)
{
    return basis_texts[basis];
}

int usage_state_parse(const char *text, size_t length, enum usage_state *state)
{
    int found = text_find(state_texts, sizeof state_texts / sizeof *state_texts, text, length);

    if (found < 0) {
        return -1;
    }
    *state = (enum usage_state)found;
    return 0;
}

int usage_basis_parse(const char *text, size_t length, enum usage_basis *basis)
{
    int found = text_find(basis_texts, sizeof basis_texts / sizeof *basis_texts, text, length);

    if (found < 0) {
        return -1;
    }
    *basis = (enum usage_basis)found;
    return 0;
}
