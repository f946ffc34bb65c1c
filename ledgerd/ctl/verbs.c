/* The table of verbs: its order is that of the help. */
#include "ledgerd/ctl/verbs.h"

#include <string.h>

static const struct verb *const nouns[] = {
    migrate_verbs,    policy_verbs,
    rates_verbs,      project_verbs,
    member_verbs,     limit_verbs,
    grant_verbs,      supply_verbs,
    transfer_verbs,   refund_verbs,
    import_verbs,     pull_verbs,
    balance_verbs,    hold_verbs,
    quote_verbs,      explain_verbs,
    quarantine_verbs, close_verbs,
    verify_verbs,     checkpoint_verbs,
    reconcile_verbs,  reconcile_tokens_verbs,
    token_verbs,      audit_verbs,
};
enum { NOUNS = sizeof nouns / sizeof nouns[0] };

static const struct verb *lookup(const char *first, const char *second)
{
    for (size_t n = 0; n < NOUNS; n++) {
        for (const struct verb *v = nouns[n]; v->spec.noun != NULL; v++) {
            bool same_verb = second == NULL
                                 ? v->spec.verb == NULL
                                 : v->spec.verb != NULL && strcmp(v->spec.verb, second) == 0;
            if (same_verb && strcmp(v->spec.noun, first) == 0) {
                return v;
            }
        }
    }
    return NULL;
}

bool verbs_is_noun(const char *word)
{
    for (size_t n = 0; n < NOUNS; n++) {
        for (const struct verb *v = nouns[n]; v->spec.noun != NULL; v++) {
            if (strcmp(v->spec.noun, word) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void unknown(int count, char *const *words, struct error *err)
{
    if (verbs_is_noun(words[0])) {
        error_set(err, ERROR_ARGUMENT, "'%s' needs one of its verbs%s%.60s: ledgerctl %s --help",
                  words[0], count > 1 ? ", not " : "", count > 1 ? words[1] : "", words[0]);
    } else {
        error_set(err, ERROR_ARGUMENT, "'%.60s' is no verb: ledgerctl --help lists them", words[0]);
    }
}

const struct verb *verb_find(int count, char *const *words, int *taken, struct error *err)
{
    const struct verb *verb = count > 1 ? lookup(words[0], words[1]) : NULL;
    if (verb != NULL) {
        *taken = 2;
        return verb;
    }
    verb = lookup(words[0], NULL);
    if (verb != NULL) {
        *taken = 1;
        return verb;
    }
    unknown(count, words, err);
    return NULL;
}

void verbs_help(const char *noun, struct strbuf *out)
{
    strbuf_printf(out, "usage: ledgerctl %s [arguments] [options]\n\n",
                  noun != NULL ? noun : "VERB");
    for (size_t n = 0; n < NOUNS; n++) {
        for (const struct verb *v = nouns[n]; v->spec.noun != NULL; v++) {
            if (noun != NULL && strcmp(noun, v->spec.noun) != 0) {
                continue;
            }
            strbuf_add_string(out, "  ");
            command_synopsis(&v->spec, out);
            strbuf_printf(out, "\n      %s\n", v->spec.summary);
        }
    }
    strbuf_add_string(out, "\nledgerctl VERB --help tells more of each. Every verb takes --json, "
                           "-c FILE, --actor, --note, --ref\nand --now; LEDGER_DB names the "
                           "database. Points are decimal numbers, times RFC 3339 with offset.\n");
}
