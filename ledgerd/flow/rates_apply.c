/* rates_apply - see rates_apply.h. */
#include "ledgerd/flow/rates_apply.h"

#include <stdio.h>

#include "ledgerd/flow/agreed.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/ratecard_doc.h"

struct applying {
    const struct rates_apply_request *request;
    struct rates_apply_result *result;
};

static int apply_under_lock(struct store *store, const struct applying *applying,
                            const struct zone *zone, struct error *err)
{
    const struct rates_apply_request *request = applying->request;
    struct rates_apply_result *result = applying->result;
    struct agreed_candidate candidate = {
        .kind = AGREED_CARD,
        .name = result->name,
        .effective_from = result->effective_from,
        .json = request->json,
        .length = request->length,
        .retroactive = request->retroactive,
        .zone = zone,
    };
    char detail[128], when[INSTANT_TEXT_BYTES];
    int64_t number;

    if (agreed_check(store, &candidate, &result->unchanged, err) != 0) {
        return -1;
    }
    if (result->unchanged) {
        return 0;
    }
    snprintf(detail, sizeof detail, "effective_from %s%s",
             zone_format(zone, result->effective_from, when),
             request->retroactive ? " retroactive" : "");
    if (agreed_add(store, &candidate, request->act.now, &number, err) != 0) {
        return -1;
    }
    return manual_record(store, &request->act, "rates apply", result->name, detail, NULL, err);
}

static int apply(struct store *store, void *context, struct error *err)
{
    struct catalog *catalog = catalog_load(store, err);
    int result;

    if (catalog == NULL) {
        return -1;
    }
    result = apply_under_lock(store, context, &catalog->zone, err);
    catalog_destroy(catalog);
    return result;
}

int rates_apply(struct store *store, const struct rates_apply_request *request,
                struct rates_apply_result *result, struct error *err)
{
    struct applying applying = {request, result};
    struct ratecard *card;

    if (manual_check(&request->act, err) != 0 ||
        ratecard_doc_parse(request->json, request->length, &card, err) != 0) {
        return -1;
    }
    snprintf(result->name, sizeof result->name, "%s", card->name);
    result->effective_from = card->effective_from;
    result->rule_count = card->rule_count;
    ratecard_destroy(card);
    return store_transact(store, STORE_BOOKING, apply, &applying, err);
}

int rates_show(struct store *store, struct instant at, struct agreed_document *document,
               struct error *err)
{
    return agreed_show(store, AGREED_CARD, at, document, err);
}
