/* tokens_ledger - usage records in their own form: JSON, or CloudEvents 1.0 around it.
 *
 * Strict, because here the sender knows the form: an unknown field, a repeated one or a JSON real
 * where a decimal string belongs makes the record malformed.  The records of one sender have their
 * fields in one order, so each field is first looked for where it stood in the record before.
 */
#include <stdlib.h>
#include <string.h>

#include "importers/record_fields.h"

enum { GUESSES = 32 };

struct ledger_state {
    uint8_t guess[GUESSES]; /* the field at each place of the record before */
};

static int ledger_open(struct importer *importer, struct error *err)
{
    struct ledger_state *state = calloc(1, sizeof *state);

    if (state == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    importer->state = state;
    return 0;
}

static void ledger_close(struct importer *importer)
{
    free(importer->state);
}

static enum record_field find_field(struct ledger_state *state, size_t place, struct scan_text name)
{
    enum record_field field = (enum record_field)state->guess[place % GUESSES];
    const char *text = record_field_text(field);

    if (strlen(text) == name.length && memcmp(text, name.bytes, name.length) == 0) {
        return field;
    }
    field = name.length > 0 ? record_field_find(name.bytes, name.length) : FIELD_UNKNOWN;
    if (field != FIELD_UNKNOWN) {
        state->guess[place % GUESSES] = (uint8_t)field;
    }
    return field;
}

static struct scan_text token_slice(struct scan_doc *doc, uint32_t token)
{
    const struct scan_token *t = &doc->tokens[token];

    return t->escaped ? scan_text(doc, token) : (struct scan_text){doc->text + t->start, t->length};
}

/* A decimal string or a JSON integer; 0 or -1. */
static int check_quantity(struct record_draft *draft, struct scan_doc *doc, uint32_t token,
                          struct scan_text name)
{
    char shown[EXCERPT_BYTES];

    if (scan_type(doc, token) == SCAN_STRING || scan_type(doc, token) == SCAN_INTEGER) {
        return 0;
    }
    return record_fail(draft, "malformed", "field %s: %s where a decimal string belongs",
                       excerpt(name.bytes, name.length, shown),
                       scan_type(doc, token) == SCAN_REAL ? "a JSON real" : "no number");
}

static int read_meters(struct record_draft *draft, struct scan_doc *doc, uint32_t meters)
{
    uint32_t end = doc->tokens[meters].next;

    for (uint32_t k = meters + 1; k < end; k = doc->tokens[k + 1].next) {
        struct scan_text name = token_slice(doc, k);

        if (check_quantity(draft, doc, k + 1, name) != 0 ||
            record_set_meter(draft, name, token_slice(doc, k + 1)) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_attributes(struct record_draft *draft, struct scan_doc *doc, uint32_t attributes)
{
    uint32_t end = doc->tokens[attributes].next;

    for (uint32_t k = attributes + 1; k < end; k = doc->tokens[k + 1].next) {
        struct scan_text name = token_slice(doc, k);
        char shown[EXCERPT_BYTES];

        switch (scan_type(doc, k + 1)) {
        case SCAN_NULL:
            continue;
        case SCAN_STRING:
        case SCAN_INTEGER:
        case SCAN_TRUE:
        case SCAN_FALSE:
            break;
        default:
            return record_fail(draft, "malformed", "attribute %s: a string expected",
                               excerpt(name.bytes, name.length, shown));
        }
        if (record_set_attribute(draft, name, token_slice(doc, k + 1)) != 0) {
            return -1;
        }
    }
    return 0;
}

/* meters and attributes. */
static int read_object(struct record_draft *draft, struct scan_doc *doc, enum record_field field,
                       uint32_t value)
{
    uint32_t bit = UINT32_C(1) << field;

    if ((draft->seen & bit) != 0) {
        return record_fail(draft, "malformed", "field %s is given twice", record_field_text(field));
    }
    draft->seen |= bit;
    if (scan_type(doc, value) != SCAN_OBJECT) {
        return record_fail(draft, "malformed", "field %s: an object expected",
                           record_field_text(field));
    }
    return field == FIELD_METERS ? read_meters(draft, doc, value)
                                 : read_attributes(draft, doc, value);
}

static int read_member(struct record_draft *draft, struct scan_doc *doc, enum record_field field,
                       uint32_t value)
{
    const char *name = record_field_text(field);

    if (scan_type(doc, value) == SCAN_NULL) {
        return 0;
    }
    switch (record_field_kind(field)) {
    case RECORD_OBJECT:
        return read_object(draft, doc, field, value);
    case RECORD_DECIMAL:
        if (check_quantity(draft, doc, value, (struct scan_text){name, strlen(name)}) != 0) {
            return -1;
        }
        break;
    case RECORD_TEXT:
    case RECORD_TIME:
        if (scan_type(doc, value) != SCAN_STRING) {
            return record_fail(draft, "malformed", "field %s: a string expected", name);
        }
        break;
    }
    return record_set(draft, field, token_slice(doc, value));
}

/* All members of a record. `bare`: source and id stand here, not in an envelope. */
static int read_record(struct record_draft *draft, struct scan_doc *doc, uint32_t object, bool bare)
{
    struct ledger_state *state = draft->importer->state;
    uint32_t end = doc->tokens[object].next;
    size_t place = 0;

    for (uint32_t k = object + 1; k < end; k = doc->tokens[k + 1].next, place++) {
        struct scan_text name = token_slice(doc, k);
        enum record_field field = find_field(state, place, name);
        char shown[EXCERPT_BYTES];

        if (field == FIELD_UNKNOWN) {
            return record_fail(draft, "malformed", "unknown field %s",
                               excerpt(name.bytes, name.length, shown));
        }
        if (!bare && (field == FIELD_SOURCE || field == FIELD_ID)) {
            continue;
        }
        if (read_member(draft, doc, field, k + 1) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Source and id as well as they can be read, for a record that is bad for another reason. */
static void identify(struct record_draft *draft, struct scan_doc *doc)
{
    static const enum record_field identity[] = {FIELD_SOURCE, FIELD_ID};

    for (size_t i = 0; i < sizeof identity / sizeof *identity; i++) {
        uint32_t token = scan_given(doc, 0, record_field_text(identity[i]));
        if (token != SCAN_NONE && scan_type(doc, token) == SCAN_STRING) {
            record_set(draft, identity[i], token_slice(doc, token));
        }
    }
}

/* A CloudEvent, whose envelope names source and id. */
static int give_event(struct importer *importer, struct import_item *item)
{
    struct scan_doc *doc = &importer->items.doc;
    struct record_draft draft;
    uint32_t version = scan_member(doc, 0, "specversion"), data = scan_given(doc, 0, "data");

    item_begin(importer, item, item->raw, item->raw_length, item->line);
    record_draft_init(&draft, importer);
    identify(&draft, doc);
    if (scan_type(doc, version) != SCAN_STRING || doc->tokens[version].length != 3 ||
        memcmp(doc->text + doc->tokens[version].start, "1.0", 3) != 0) {
        record_fail(&draft, "malformed", "a CloudEvent of another version than 1.0");
    } else if (data == SCAN_NONE || scan_type(doc, data) != SCAN_OBJECT) {
        record_fail(&draft, "malformed", "a CloudEvent whose data is no record");
    } else {
        read_record(&draft, doc, data, false);
    }
    return record_finish(&draft, item);
}

static int ledger_next(struct importer *importer, struct import_item *item, struct error *err)
{
    struct scan_doc *doc = &importer->items.doc;
    struct record_draft draft;
    bool given;
    int result = item_next_json(importer, item, &given, err);

    if (result != 1 || given) {
        return result;
    }
    if (scan_type(doc, 0) != SCAN_OBJECT) {
        return item_bad(importer, item, "malformed", "a record must be an object");
    }
    record_draft_init(&draft, importer);
    if (read_record(&draft, doc, 0, true) != 0) {
        if (scan_member(doc, 0, "specversion") != SCAN_NONE) {
            return give_event(importer, item);
        }
        identify(&draft, doc);
    }
    return record_finish(&draft, item);
}

const struct import_format_ops format_ledger = {
    .format = IMPORT_LEDGER,
    .name = "ledger",
    .open = ledger_open,
    .next = ledger_next,
    .close = ledger_close,
};
