/* explain_transfer - see explain_transfer.h. */
#include "ledgerd/flow/explain_transfer.h"

#include <stdbool.h>

#include "ledgerd/flow/document.h"
#include "ledgerd/store/store_explain_hold.h"

struct looking {
    int64_t id;
    struct explained_transfer *transfer;
};

static int look(struct store *store, void *context, struct error *err)
{
    struct looking *looking = context;

    explained_transfer_destroy(looking->transfer);
    looking->transfer = NULL;
    return store_explain_transfer(store, looking->id, EXPLAIN_RECORDS_MAX, &looking->transfer, err);
}

static json_t *records_document(const struct explained_transfer *transfer)
{
    json_t *records = json_array();

    for (size_t i = 0; i < transfer->record_count; i++) {
        const struct transfer_record *record = &transfer->records[i];

        json_array_append_new(
            records,
            json_pack("{s:o, s:o, s:i, s:o, s:o, s:o}", "source", document_text(record->source),
                      "id", document_text(record->id), "version", record->version, "user",
                      document_text(record->user), "class", document_text(record->klass), "points",
                      document_points(record->points)));
    }
    return records;
}

static json_t *transfer_document(const struct explained_transfer *transfer, const struct zone *zone)
{
    bool is_manual = transfer->source[0] == '\0';

    return json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:I, s:o, s:o, s:o, s:o}", "transfer",
        (json_int_t)transfer->id, "kind", document_text(transfer->kind), "month",
        document_month(transfer->month), "belongs_to", document_month(transfer->belongs_to),
        "debit", document_text(transfer->debit), "credit", document_text(transfer->credit),
        "points", document_points(transfer->amount), "source",
        is_manual ? json_null() : document_text(transfer->source), "charges",
        (json_int_t)transfer->charges, "grant",
        transfer->grant != 0 ? json_integer(transfer->grant) : json_null(), "entry",
        (json_int_t)transfer->entry, "entry_kind", document_text(transfer->entry_kind), "audit",
        transfer->audit_n != 0 ? json_integer(transfer->audit_n) : json_null(), "booked_at",
        document_instant(zone, transfer->booked_at), "records", records_document(transfer));
}

int explain_transfer(struct store *store, const struct zone *zone, int64_t id, json_t **document,
                     struct error *err)
{
    struct looking looking = {.id = id};
    int result = -1;

    *document = NULL;
    if (store_transact(store, STORE_UNLOCKED, look, &looking, err) != 0) {
        return -1;
    }
    if (looking.transfer == NULL) {
        error_set_reason(err, ERROR_REFUSED, "unknown_transfer",
                         "the book has no transfer number %lld", (long long)id);
    } else {
        *document = transfer_document(looking.transfer, zone);
        result = *document != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
    }
    explained_transfer_destroy(looking.transfer);
    return result;
}
