/* Rating records outside the book. */
#include "ledgerd/flow/quote.h"

#include <string.h>

#include "importers/importer.h"
#include "ledgerd/core/policy.h"
#include "ledgerd/core/rate.h"
#include "ledgerd/core/rate_refund.h"
#include "ledgerd/flow/document.h"

struct quoting {
    const struct quote_request *request;
    struct quote_result *result;
    struct charge charge; /* reused from record to record */
};

static json_t *slices_document(const struct charge *charge)
{
    json_t *slices = json_array();
    for (size_t i = 0; i < charge->slice_count; i++) {
        const struct charge_slice *slice = &charge->slices[i];
        json_array_append_new(slices,
                              json_pack("{s:o, s:o, s:o}", "month", document_month(slice->month),
                                        "points", document_points(slice->points), "list_points",
                                        document_points(slice->list_points)));
    }
    return slices;
}

/* What the card would give back by itself. */
static struct points refund_of(const struct usage_record *record, const struct charge *charge)
{
    struct points amounts[CHARGE_SLICES_MAX + 1], sum = POINTS_ZERO;

    rate_refund(record, charge, amounts);
    for (size_t i = 0; i < charge->slice_count; i++) {
        sum.micro += amounts[i].micro; /* at most charge->points, which fits */
    }
    return sum;
}

static json_t *charge_document(const struct usage_record *record, const struct charge *charge)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:s, s:i, s:o}", "source", document_text(record->source), "id",
        document_text(record->id), "points", document_points(charge->points), "list_points",
        document_points(charge->list_points), "refund", document_points(refund_of(record, charge)),
        "card", charge->card->name, "rule", charge->rule, "slices", slices_document(charge));
}

static json_t *error_document(const struct usage_record *record, const char *reason,
                              const char *detail)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "source",
                     document_text(record != NULL ? record->source : ""), "id",
                     document_text(record != NULL ? record->id : ""), "error",
                     document_text(reason), "detail", document_text(detail));
}

static json_t *record_quote(struct quoting *quoting, struct usage_record *record)
{
    const struct quote_request *request = quoting->request;
    const struct catalog *catalog = request->catalog;
    const struct policy *policy = policies_at(&catalog->policies, record->start);
    enum month_rule rule = policy != NULL ? policy->month_rule : MONTH_SPLIT;
    struct error failed = {0};

    record->klass = catalog_resolve_class(request->conf, record->source, record->klass);
    if (rate_record(record, &catalog->cards, &catalog->calendar, rule, &quoting->charge, &failed) <
        0) {
        return error_document(record, failed.reason, failed.text);
    }
    return charge_document(record, &quoting->charge);
}

static int item_quote(struct quoting *quoting, const struct import_item *item, struct error *err)
{
    json_t *quote = NULL;
    switch (item->kind) {
    case IMPORT_RECORD:
        quote = record_quote(quoting, item->record);
        break;
    case IMPORT_BAD:
        quoting->result->unreadable++;
        quote = error_document(item->record, item->reason, item->detail);
        break;
    case IMPORT_SKIPPED:
        return 0;
    }
    if (json_array_append_new(quoting->result->quotes, quote) < 0) {
        return error_set(err, ERROR_INTERNAL, "out of memory for the quotes");
    }
    return 0;
}

static int items_quote(struct quoting *quoting, struct importer *importer, struct error *err)
{
    struct import_item item;
    int more;
    while ((more = importer_next(importer, &item, err)) > 0) {
        if (item_quote(quoting, &item, err) < 0) {
            return -1;
        }
    }
    return more;
}

int quote_file(const struct quote_request *request, struct quote_result *result, struct error *err)
{
    struct quoting quoting = {.request = request, .result = result};
    struct import_options options = {.format = IMPORT_LEDGER,
                                     .source = "",
                                     .zone = &request->catalog->zone,
                                     .now = request->now};
    struct importer *importer = NULL;
    struct input *input = input_open(request->path, err);
    int status = -1;

    *result = (struct quote_result){.quotes = json_array()};
    if (input != NULL) {
        importer = importer_open(input, &options, err);
    }
    if (importer != NULL) {
        status = items_quote(&quoting, importer, err);
    }
    importer_close(importer);
    input_close(input);
    charge_release(&quoting.charge);
    return status;
}
