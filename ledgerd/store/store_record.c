/* store_record - see store_record.h. */
#include "ledgerd/store/store_record.h"

#include <jansson.h>
#include <string.h>

#include "ledgerd/store/query.h"

static const char hex_digits[] = "0123456789ABCDEF";

static bool must_escape(unsigned char c)
{
    return c <= ' ' || c == '%' || c == '=' || c == 0x7f;
}

static void add_name(struct strbuf *out, const char *name)
{
    while (*name != '\0') {
        const char *plain = name;

        while (*name != '\0' && !must_escape((unsigned char)*name)) {
            name++;
        }
        strbuf_add(out, plain, (size_t)(name - plain));
        if (*name != '\0') {
            unsigned char c = (unsigned char)*name++;

            strbuf_add_char(out, '%');
            strbuf_add_char(out, hex_digits[c >> 4]);
            strbuf_add_char(out, hex_digits[c & 15]);
        }
    }
}

void store_record_add_meters(struct strbuf *out, const struct usage_record *record)
{
    char number[DECIMAL_TEXT_BYTES];

    for (size_t i = 0; i < record->meter_count; i++) {
        if (i > 0) {
            strbuf_add_char(out, ' ');
        }
        add_name(out, record->meters[i].name);
        strbuf_add_char(out, '=');
        strbuf_add_string(out, decimal_format(record->meters[i].quantity, number));
    }
}

void store_record_add_attributes(struct strbuf *out, const struct usage_record *record)
{
    if (record->attribute_count == 0) {
        return;
    }
    for (size_t i = 0; i < record->attribute_count; i++) {
        strbuf_add_char(out, i == 0 ? '{' : ',');
        strbuf_add_json_string(out, record->attributes[i].name);
        strbuf_add_char(out, ':');
        strbuf_add_json_string(out, record->attributes[i].value);
    }
    strbuf_add_char(out, '}');
}

/* Copy without looking at the text: what the book holds was cleaned when it came. NULL when the
 * arena is full. */
static const char *keep(struct usage_arena *arena, const char *text, size_t length)
{
    char *kept = arena->bytes + arena->used;

    if (length == 0) {
        return "";
    }
    if (length >= sizeof arena->bytes - arena->used) {
        return NULL;
    }
    memcpy(kept, text, length);
    kept[length] = '\0';
    arena->used += length + 1;
    return kept;
}

static int hex_value(char c)
{
    const char *at = c != '\0' ? strchr(hex_digits, c) : NULL;

    return at != NULL ? (int)(at - hex_digits) : -1;
}

/* Undo %XX in a kept name, in place. */
static int unescape(char *name)
{
    char *to = name;

    for (const char *from = name; *from != '\0'; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = hex_value(from[1]);
        int low = high < 0 ? -1 : hex_value(from[2]);
        if (low < 0) {
            return -1;
        }
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return 0;
}

int store_record_parse_meters(const char *text, struct usage_record *record,
                              struct usage_arena *arena)
{
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        const char *equals = memchr(text, '=', length);
        struct decimal quantity;
        char *name;

        if (equals == NULL || equals == text ||
            decimal_parse(equals + 1, (size_t)(text + length - equals - 1), &quantity) != 0) {
            return -1;
        }
        name = (char *)keep(arena, text, (size_t)(equals - text));
        if (name == NULL || unescape(name) != 0 || usage_add_meter(record, name, quantity) != 0) {
            return -1;
        }
        text += length;
        text += *text == ' ';
    }
    return 0;
}

int store_record_parse_attributes(const char *text, struct usage_record *record,
                                  struct usage_arena *arena)
{
    json_t *object;
    json_t *value;
    const char *key;
    int result = 0;

    if (*text == '\0') {
        return 0;
    }
    object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return -1;
    }
    json_object_foreach(object, key, value)
    {
        const char *name = keep(arena, key, strlen(key));
        const char *kept = NULL;

        if (json_is_string(value)) {
            kept = keep(arena, json_string_value(value), json_string_length(value));
        }
        if (name == NULL || kept == NULL || usage_add_attribute(record, name, kept) != 0) {
            result = -1;
            break;
        }
    }
    json_decref(object);
    return result;
}

/* Columns, in the order of STORE_RECORD_COLUMNS. */
enum {
    RECORD_NO,
    SOURCE_NO,
    VERSION,
    MONTH,
    SOURCE,
    ID,
    PROJECT,
    USER,
    CLASS,
    START,
    END,
    SUBMITTED,
    SEEN,
    OUTCOME,
    BASIS,
    QOS,
    ELAPSED,
    REQUESTED,
    METERS,
    ATTRIBUTES,
    HOLD,
    BOOKED_THROUGH,
    COLUMN_COUNT
};
_Static_assert(COLUMN_COUNT == (int)STORE_RECORD_COLUMN_COUNT, "columns and their list differ");

static int decode_strings(const struct rows *rows, size_t row, struct stored_record *stored)
{
    struct usage_record *record = &stored->record;
    const struct {
        int column;
        const char **to;
    } fields[] = {
        {SOURCE, &record->source}, {ID, &record->id},       {PROJECT, &record->project},
        {USER, &record->user},     {CLASS, &record->klass}, {OUTCOME, &record->outcome},
        {QOS, &record->qos},       {HOLD, &record->hold},
    };

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        *fields[i].to = keep(&stored->arena, rows_text(rows, row, fields[i].column),
                             rows_length(rows, row, fields[i].column));
        if (*fields[i].to == NULL) {
            return -1;
        }
    }
    return 0;
}

static int decode_quantities(const struct rows *rows, size_t row, struct stored_record *stored)
{
    struct usage_record *record = &stored->record;

    record->has_elapsed = !rows_is_null(rows, row, ELAPSED);
    if (record->has_elapsed &&
        decimal_parse(rows_text(rows, row, ELAPSED), rows_length(rows, row, ELAPSED),
                      &record->elapsed_seconds) != 0) {
        return -1;
    }
    if (decimal_parse(rows_text(rows, row, REQUESTED), rows_length(rows, row, REQUESTED),
                      &record->requested_seconds) != 0 ||
        usage_basis_parse(rows_text(rows, row, BASIS), rows_length(rows, row, BASIS),
                          &record->basis) != 0) {
        return -1;
    }
    return store_record_parse_meters(rows_text(rows, row, METERS), record, &stored->arena) != 0 ||
                   store_record_parse_attributes(rows_text(rows, row, ATTRIBUTES), record,
                                                 &stored->arena) != 0
               ? -1
               : 0;
}

int store_record_decode(const struct rows *rows, size_t row, struct stored_record *stored,
                        struct error *err)
{
    struct usage_record *record = &stored->record;

    usage_clear(record, &stored->arena);
    stored->record_no = rows_i64(rows, row, RECORD_NO);
    stored->source_no = (int32_t)rows_i64(rows, row, SOURCE_NO);
    stored->version = (int)rows_i64(rows, row, VERSION);
    stored->month = rows_month(rows, row, MONTH);
    stored->is_running = !rows_is_null(rows, row, BOOKED_THROUGH);
    stored->booked_through = stored->is_running ? rows_month(rows, row, BOOKED_THROUGH)
                                                : (struct month){0};
    record->state = stored->is_running ? USAGE_RUNNING : USAGE_FINAL;
    record->start = rows_instant(rows, row, START);
    record->end = rows_instant(rows, row, END);
    record->submitted = rows_instant(rows, row, SUBMITTED);
    record->seen = rows_instant(rows, row, SEEN);
    if (decode_strings(rows, row, stored) != 0 || decode_quantities(rows, row, stored) != 0) {
        return error_set(err, ERROR_INTERNAL,
                         "record %s of %s is not as it was written in ledger.usage_record",
                         rows_text(rows, row, ID), rows_text(rows, row, SOURCE));
    }
    return 0;
}

int store_read_record(struct store *store, const char *source, const char *id,
                      struct stored_record *stored, bool *found, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, "SELECT " STORE_RECORD_COLUMNS " FROM ledger.source s "
                       "JOIN ledger.record_identity i ON i.source_no = s.source_no "
                       "JOIN ledger.usage_record u ON u.record_no = i.record_no "
                       "AND u.month = i.month AND u.version = i.version "
                       "WHERE s.name = $1 AND i.id = $2");
    query_text(&query, source);
    query_text(&query, id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *found = rows_count(&rows) > 0;
    if (*found) {
        result = store_record_decode(&rows, 0, stored, err);
    }
    rows_release(&rows);
    return result;
}
