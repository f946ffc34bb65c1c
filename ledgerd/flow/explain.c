/* explain - see explain.h. What is found is here, how it is written in explain_write.c. */
#include "ledgerd/flow/explain.h"

#include <stdlib.h>

#include "ledgerd/store/store_quarantine.h"

struct explaining {
    const char *source;
    const char *id;
    struct explanation *explanation;
};

static int read_entry(struct store *store, const char *source, const char *id,
                      struct quarantine_entry **entry, struct error *err)
{
    bool found = false;

    *entry = calloc(1, sizeof **entry);
    if (*entry == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (store_quarantine_find(store, source, id, &found, *entry, err) == 0 && found) {
        return 0;
    }
    free(*entry);
    *entry = NULL;
    return found || err->code != ERROR_NONE ? -1 : 0;
}

static int read_holds(struct store *store, const struct explaining *explaining, struct error *err)
{
    struct explanation *explanation = explaining->explanation;

    if (explanation->booked != NULL &&
        store_explain_holds(store, explanation->booked->stored.record_no, &explanation->holds,
                            err) != 0) {
        return -1;
    }
    return explanation->accrual == NULL
               ? 0
               : store_explain_cover(store, explaining->source, explaining->id, &explanation->hold,
                                     &explanation->covered, err);
}

/* Inside one transaction, so that its parts agree. */
static int gather(struct store *store, void *context, struct error *err)
{
    const struct explaining *explaining = context;
    struct explanation *explanation = explaining->explanation;
    const struct catalog *catalog = explanation->catalog;
    struct error failure = {0};

    explain_release(explanation); /* it may run again */
    explanation->catalog = catalog;
    if (store_explain_record(store, explaining->source, explaining->id, &explanation->booked,
                             &failure) == 0 &&
        store_explain_accrual(store, explaining->source, explaining->id, &explanation->accrual,
                              &failure) == 0 &&
        read_entry(store, explaining->source, explaining->id, &explanation->in_quarantine,
                   &failure) == 0 &&
        read_holds(store, explaining, &failure) == 0) {
        return 0;
    }
    *err = failure;
    return -1;
}

static const struct ratecard *find_card(const struct catalog *catalog, int64_t number)
{
    for (size_t i = 0; i < catalog->cards.count; i++) {
        if (catalog->cards.cards[i]->number == number) {
            return catalog->cards.cards[i];
        }
    }
    return NULL;
}

static int64_t newest_below(const struct ratecards *cards, int64_t limit)
{
    int64_t newest = 0;
    for (size_t i = 0; i < cards->count; i++) {
        int64_t number = cards->cards[i]->number;
        newest = number < limit && number > newest ? number : newest;
    }
    return newest;
}

static bool comes_to(const struct explanation *explanation, const struct ratecards *cards,
                     struct points list_points)
{
    struct charge charge = {0};
    struct error ignored = {0};
    bool same = rate_record(&explanation->booked->stored.record, cards,
                            &explanation->catalog->calendar, MONTH_SPLIT, &charge, &ignored) == 0 &&
                points_compare(charge.list_points, list_points) == 0;
    charge_release(&charge);
    return same;
}

/* The parts of the cost by the cards that gave what is booked. Cards applied later, retroactively,
 * did not: they are left out, newest first, until the sum is right. Without it the parts stay
 * away. */
static void explain_parts(struct explanation *explanation, struct points list_points)
{
    const struct ratecards *all = &explanation->catalog->cards;
    struct ratecards known = {.cards = calloc(all->count + 1, sizeof *known.cards)};
    int64_t newest = newest_below(all, INT64_MAX);

    while (known.cards != NULL && newest > 0 && !explanation->has_parts) {
        struct error ignored = {0};
        known.count = 0;
        for (size_t i = 0; i < all->count; i++) {
            if (all->cards[i]->number <= newest) {
                known.cards[known.count++] = all->cards[i];
            }
        }
        explanation->has_parts = comes_to(explanation, &known, list_points) &&
                                 rate_explain(&explanation->booked->stored.record, &known,
                                              &explanation->parts, &ignored) == 0;
        newest = newest_below(all, newest);
    }
    free(known.cards); /* the cards themselves are the catalog's */
}

/* The card that the current version was rated by, and the parts of its cost. */
static void explain_rating(struct explanation *explanation)
{
    const struct explained_record *booked = explanation->booked;
    struct points list_points = POINTS_ZERO;

    if (booked == NULL || booked->charge_count == 0) {
        return;
    }
    explanation->card = find_card(explanation->catalog,
                                  booked->charges[booked->charge_count - 1].card_no);
    for (size_t i = 0; i < booked->charge_count; i++) {
        if (points_add(list_points, booked->charges[i].list_points, &list_points) != POINTS_OK) {
            return;
        }
    }
    explain_parts(explanation, list_points);
}

static int unknown_record(const char *source, const char *id, struct error *err)
{
    return error_set_reason(err, ERROR_REFUSED, "unknown_record",
                            "the book knows no record '%s' of source '%s'", id, source);
}

int explain_record(struct store *store, const struct catalog *catalog, const char *source,
                   const char *id, struct explanation *explanation, struct error *err)
{
    struct explaining explaining = {source, id, explanation};

    *explanation = (struct explanation){.catalog = catalog};
    if (store_transact(store, STORE_UNLOCKED, gather, &explaining, err) != 0) {
        explain_release(explanation);
        return -1;
    }
    if (explanation->booked == NULL && explanation->accrual == NULL &&
        explanation->in_quarantine == NULL) {
        return unknown_record(source, id, err);
    }
    explain_rating(explanation);
    return 0;
}

static bool booked_is_in(const struct explained_record *booked, const struct role_scope *scope)
{
    bool is_in = role_scope_has(scope, booked->stored.record.project);

    for (size_t i = 0; i < booked->version_count; i++) {
        is_in = is_in && role_scope_has(scope, booked->versions[i].project);
    }
    for (size_t i = 0; i < booked->charge_count; i++) {
        is_in = is_in && role_scope_has(scope, booked->charges[i].project);
    }
    for (size_t i = 0; i < booked->refund_count; i++) {
        is_in = is_in && role_scope_has(scope, booked->refunds[i].project);
    }
    return is_in;
}

/* Leave out what is in quarantine; false if what is left is not all of the scope, or nothing. */
static bool restrict_to(struct explanation *explanation, const struct role_scope *scope)
{
    if (explanation->in_quarantine != NULL) {
        store_quarantine_entry_release(explanation->in_quarantine);
        free(explanation->in_quarantine);
        explanation->in_quarantine = NULL;
    }
    return (explanation->booked == NULL || booked_is_in(explanation->booked, scope)) &&
           (explanation->accrual == NULL || role_scope_has(scope, explanation->accrual->project)) &&
           (explanation->booked != NULL || explanation->accrual != NULL);
}

struct looking {
    const struct explaining *explaining;
    const struct role_scope *scope;
    bool is_in;
};

static int look(struct store *store, void *context, struct error *err)
{
    struct looking *looking = context;
    char project[ROLE_PROJECT_BYTES + 1];

    if (store_explain_project(store, looking->explaining->source, looking->explaining->id, project,
                              err) != 0) {
        return -1;
    }
    looking->is_in = project[0] != '\0' && role_scope_has(looking->scope, project);
    return 0;
}

int explain_record_in(struct store *store, const struct catalog *catalog,
                      const struct role_scope *scope, const char *source, const char *id,
                      struct explanation *explanation, struct error *err)
{
    const struct explaining explaining = {source, id, NULL};
    struct looking looking = {&explaining, scope, false};

    if (scope == NULL) {
        return explain_record(store, catalog, source, id, explanation, err);
    }
    *explanation = (struct explanation){.catalog = catalog};
    if (store_transact(store, STORE_UNLOCKED, look, &looking, err) != 0) {
        return -1;
    }
    if (!looking.is_in) {
        return unknown_record(source, id, err);
    }
    if (explain_record(store, catalog, source, id, explanation, err) != 0) {
        return -1;
    }
    if (!restrict_to(explanation, scope)) {
        explain_release(explanation);
        return unknown_record(source, id, err);
    }
    return 0;
}

void explain_release(struct explanation *explanation)
{
    explained_record_destroy(explanation->booked);
    explained_accrual_destroy(explanation->accrual);
    if (explanation->in_quarantine != NULL) {
        store_quarantine_entry_release(explanation->in_quarantine);
        free(explanation->in_quarantine);
    }
    explained_holds_release(&explanation->holds);
    *explanation = (struct explanation){0};
}

const char *explain_project(const struct explanation *explanation)
{
    if (explanation->booked != NULL) {
        return explanation->booked->stored.record.project;
    }
    return explanation->accrual != NULL ? explanation->accrual->project : "";
}
