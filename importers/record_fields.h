/* record_fields - the fields of a usage record by name, for formats that are records already.
 *
 * One table of names and one reader for each kind of text: JSON records and CSV columns go through
 * it alike. Strict: what does not fit is said, never cut or cleaned into something else.
 */
#ifndef IMPORTERS_RECORD_FIELDS_H
#define IMPORTERS_RECORD_FIELDS_H

#include "importers/format.h"

enum record_field {
    FIELD_SOURCE,
    FIELD_ID,
    FIELD_PROJECT,
    FIELD_USER,
    FIELD_CLASS,
    FIELD_START,
    FIELD_END,
    FIELD_CREATED, /* both ends of a record without interval */
    FIELD_STATE,
    FIELD_OUTCOME,
    FIELD_ELAPSED_SECONDS,
    FIELD_REQUESTED_SECONDS,
    FIELD_SUBMITTED,
    FIELD_QOS,
    FIELD_HOLD,
    FIELD_BASIS,
    FIELD_SEEN,
    FIELD_METERS,
    FIELD_ATTRIBUTES,
    FIELD_COUNT,
    FIELD_UNKNOWN = FIELD_COUNT,
};

enum record_kind { RECORD_TEXT, RECORD_TIME, RECORD_DECIMAL, RECORD_OBJECT };

enum { METER_NAME_BYTES = 64 };

struct record_draft {
    struct importer *importer;
    struct instant created;
    uint32_t seen;     /* fields that were set, a bit each */
    char reason[40];   /* of the first failure: "malformed" or "no_identity" */
    char problem[200]; /* … and its sentence */
};

/* Begin with importer->record, which item_begin has emptied. */
void record_draft_init(struct record_draft *draft, struct importer *importer);

/* The field of this name, FIELD_UNKNOWN if records have none. */
enum record_field record_field_find(const char *name, size_t length);

/* The name of a field (not FIELD_UNKNOWN). */
const char *record_field_text(enum record_field field);

/* What the text of a field must look like. */
enum record_kind record_field_kind(enum record_field field);

/* Set a field (not meters or attributes) from its text. -1, with reason and problem set, if the
 * text does not fit or the field was set before. */
int record_set(struct record_draft *draft, enum record_field field, struct scan_text text);
int record_set_meter(struct record_draft *draft, struct scan_text name, struct scan_text quantity);
int record_set_attribute(struct record_draft *draft, struct scan_text name, struct scan_text value);

/* Note a failure. Always -1. */
int record_fail(struct record_draft *draft, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* All fields are set: fill in what the import was told for records that name none, and make the
 * item. Returns 1. */
int record_finish(struct record_draft *draft, struct import_item *item);

#endif
