/* agreed - see agreed.h. */
#include "ledgerd/flow/agreed.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *kind_text(enum agreed_kind kind)
{
    return kind == AGREED_POLICY ? "policy" : "rate card";
}

static bool is_same_document(const char *stored, const char *json, size_t length)
{
    json_t *a = json_loads(stored, 0, NULL);
    json_t *b = json_loadb(json, length, 0, NULL);
    bool same = a != NULL && b != NULL && json_equal(a, b);

    json_decref(a);
    json_decref(b);
    return same;
}

static int check_date(const struct agreed_candidate *candidate, const struct agreed_rows *rows,
                      bool *unchanged, struct error *err)
{
    const char *kind = kind_text(candidate->kind);
    bool is_policy = candidate->kind == AGREED_POLICY;
    char when[INSTANT_TEXT_BYTES];

    *unchanged = false;
    for (size_t i = 0; i < rows->count; i++) {
        const struct agreed_row *row = &rows->rows[i];

        if (instant_compare(row->effective_from, candidate->effective_from) != 0) {
            continue;
        }
        zone_format(candidate->zone, row->effective_from, when);
        if (strcmp(row->name, candidate->name) != 0) {
            return error_set_reason(err, ERROR_REFUSED,
                                    is_policy ? "policy_date_taken" : "card_date_taken",
                                    "%s %s already begins at %s: one of that time cannot give way "
                                    "to another",
                                    kind, row->name, when);
        }
        if (!is_same_document(row->document, candidate->json, candidate->length)) {
            return error_set_reason(err, ERROR_REFUSED,
                                    is_policy ? "policy_differs" : "card_differs",
                                    "%s %s of %s is in the book with other content: what was "
                                    "applied is never changed, apply a new one with a later "
                                    "effective_from",
                                    kind, row->name, when);
        }
        *unchanged = true;
        return 0;
    }
    return 0;
}

static int check_booked(struct store *store, const struct agreed_candidate *candidate,
                        struct error *err)
{
    char from[INSTANT_TEXT_BYTES], until[INSTANT_TEXT_BYTES];
    struct instant last;
    char *source;

    if (candidate->retroactive) {
        return 0;
    }
    if (store_last_record_after(store, candidate->effective_from, &source, &last, err) != 0) {
        return -1;
    }
    if (source == NULL) {
        return 0;
    }
    error_set_reason(err, ERROR_REFUSED, "retroactive",
                     "%s %s would begin at %s, but records of %s are booked until %s; what is "
                     "booked stays as it is: date it later, or say --retroactive",
                     kind_text(candidate->kind), candidate->name,
                     zone_format(candidate->zone, candidate->effective_from, from), source,
                     zone_format(candidate->zone, last, until));
    free(source);
    return -1;
}

int agreed_check(struct store *store, const struct agreed_candidate *candidate, bool *unchanged,
                 struct error *err)
{
    struct agreed_rows rows;
    int result;

    if (store_read_agreed(store, candidate->kind, &rows, err) != 0) {
        return -1;
    }
    result = check_date(candidate, &rows, unchanged, err);
    agreed_rows_release(&rows);
    if (result != 0 || *unchanged) {
        return result;
    }
    return check_booked(store, candidate, err);
}

int agreed_add(struct store *store, const struct agreed_candidate *candidate, struct instant now,
               int64_t *number, struct error *err)
{
    struct agreed_row row = {
        .name = (char *)candidate->name,
        .effective_from = candidate->effective_from,
        .document = strndup(candidate->json, candidate->length),
        .applied_at = now,
    };
    int result;

    if (row.document == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    result = store_add_agreed(store, candidate->kind, &row, number, err);
    free(row.document);
    return result;
}

struct reading {
    enum agreed_kind kind;
    struct agreed_rows rows;
};

static int read_agreed(struct store *store, void *context, struct error *err)
{
    struct reading *reading = context;

    agreed_rows_release(&reading->rows); /* of an attempt that was rolled back */
    return store_read_agreed(store, reading->kind, &reading->rows, err);
}

static void take_row(struct agreed_row *row, struct agreed_document *document)
{
    *document = (struct agreed_document){
        .name = row->name,
        .document = row->document,
        .effective_from = row->effective_from,
        .applied_at = row->applied_at,
    };
    row->name = row->document = NULL;
}

int agreed_show(struct store *store, enum agreed_kind kind, struct instant at,
                struct agreed_document *document, struct error *err)
{
    struct reading reading = {.kind = kind};
    size_t found = 0;
    int result = 0;

    if (store_transact(store, STORE_UNLOCKED, read_agreed, &reading, err) != 0) {
        return -1;
    }
    while (found < reading.rows.count &&
           instant_compare(reading.rows.rows[found].effective_from, at) <= 0) {
        found++;
    }
    if (found > 0) {
        take_row(&reading.rows.rows[found - 1], document);
    } else {
        result = error_set_reason(err, ERROR_REFUSED,
                                  kind == AGREED_POLICY ? "no_policy" : "no_card",
                                  "no %s is in force at that time", kind_text(kind));
    }
    agreed_rows_release(&reading.rows);
    return result;
}

void agreed_document_release(struct agreed_document *document)
{
    free(document->name);
    free(document->document);
    *document = (struct agreed_document){0};
}
