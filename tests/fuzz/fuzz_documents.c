/* Rate cards and policies of any bytes: refused with a sentence, or a card that rates. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/rate.h"
#include "ledgerd/flow/policy_doc.h"
#include "ledgerd/flow/ratecard_doc.h"

/* A job that every card may be asked about. */
static void try_card(struct ratecard *card)
{
    static const struct zone utc = {.name = "UTC"};
    static const struct calendar calendar = {.zone = &utc, .fiscal_month = 4, .fiscal_day = 1};
    static struct usage_arena arena;
    struct ratecard *list[] = {card};
    struct ratecards cards = {1, list};
    struct usage_record record;
    struct charge charge = {0};
    struct error err;
    int64_t sum = 0;

    usage_clear(&record, &arena);
    record.source = "slurm:sdli";
    record.id = "1";
    record.klass = "gpu";
    record.qos = "normal";
    record.start = card->effective_from;
    record.end.us = record.start.us + 40 * INT64_C(86400000000);
    usage_add_meter(&record, "gpu", (struct decimal){4, 0});
    if (rate_record(&record, &cards, &calendar, MONTH_SPLIT, &charge, &err) == 0) {
        for (size_t i = 0; i < charge.slice_count; i++) {
            sum += charge.slices[i].points.micro;
        }
        if (sum != charge.points.micro || charge.slice_count == 0) {
            abort();
        }
    } else if (err.reason[0] == '\0') {
        abort();
    }
    charge_release(&charge);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const char *text = (const char *)bytes;
    struct ratecard *card;
    struct policy *policy;
    struct error err = {0};

    if (ratecard_doc_parse(text, length, &card, &err) == 0) {
        try_card(card);
        ratecard_destroy(card);
    } else if (err.code != ERROR_INPUT || err.text[0] == '\0') {
        abort();
    }
    if (policy_doc_parse(text, length, &policy, &err) == 0) {
        policy_destroy(policy);
    } else if (err.code != ERROR_INPUT || err.text[0] == '\0') {
        abort();
    }
    return 0;
}
