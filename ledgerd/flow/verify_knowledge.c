/* verify_knowledge - see verify_knowledge.h. */
#include "ledgerd/flow/verify_knowledge.h"

#include <stdbool.h>
#include <stdlib.h>

#include "ledgerd/store/store_verify.h"

static int add_state(struct knowledge *knowledge, const struct catalog *catalog, int64_t card_max,
                     int64_t policy_max)
{
    struct knowledge_state *state = &knowledge->states[knowledge->count++];

    *state = (struct knowledge_state){
        .cards.cards = calloc(catalog->cards.count + 1, sizeof *state->cards.cards),
        .policies.policies = calloc(catalog->policies.count + 1, sizeof *state->policies.policies),
    };
    if (state->cards.cards == NULL || state->policies.policies == NULL) {
        return -1;
    }
    for (size_t i = 0; i < catalog->cards.count; i++) {
        if (catalog->cards.cards[i]->number <= card_max) {
            state->cards.cards[state->cards.count++] = catalog->cards.cards[i];
        }
    }
    for (size_t i = 0; i < catalog->policies.count; i++) {
        if (catalog->policies.policies[i]->number <= policy_max) {
            state->policies.policies[state->policies.count++] = catalog->policies.policies[i];
        }
    }
    return 0;
}

static int64_t newest_card(const struct ratecards *cards, int64_t below)
{
    int64_t newest = 0;

    for (size_t i = 0; i < cards->count; i++) {
        int64_t number = cards->cards[i]->number;

        if (number < below && number > newest) {
            newest = number;
        }
    }
    return newest;
}

static int64_t newest_policy(const struct policies *policies, int64_t below)
{
    int64_t newest = 0;

    for (size_t i = 0; i < policies->count; i++) {
        int64_t number = policies->policies[i]->number;

        if (number < below && number > newest) {
            newest = number;
        }
    }
    return newest;
}

int knowledge_build(struct store *store, const struct catalog *catalog, struct knowledge *knowledge,
                    struct error *err)
{
    bool vary_cards;
    bool vary_policies;
    int64_t card = newest_card(&catalog->cards, INT64_MAX);

    knowledge->count = 0;
    if (store_verify_retroactive(store, &vary_cards, &vary_policies, err) != 0) {
        return -1;
    }
    do {
        int64_t policy = newest_policy(&catalog->policies, INT64_MAX);

        do {
            if (add_state(knowledge, catalog, card, policy) != 0) {
                knowledge_release(knowledge);
                return error_set(err, ERROR_INTERNAL, "out of memory");
            }
            policy = newest_policy(&catalog->policies, policy);
        } while (vary_policies && policy > 0 && knowledge->count < KNOWLEDGE_MAX);
        card = newest_card(&catalog->cards, card);
    } while (vary_cards && card > 0 && knowledge->count < KNOWLEDGE_MAX);
    return 0;
}

void knowledge_release(struct knowledge *knowledge)
{
    for (size_t i = 0; i < knowledge->count; i++) {
        free(knowledge->states[i].cards.cards);
        free(knowledge->states[i].policies.policies);
    }
    knowledge->count = 0;
}
