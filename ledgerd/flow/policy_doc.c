/* policy_doc - see policy_doc.h. One function for each member of the document. */
#include "ledgerd/flow/policy_doc.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/doc.h"

/* Copy a text into a field of `size` bytes. */
static int read_name(const struct doc *doc, char *field, size_t size, struct error *err)
{
    const char *text;

    if (doc_text(doc, &text, err) != 0) {
        return -1;
    }
    if (strlen(text) >= size) {
        return doc_error(doc, err, "is longer than %zu bytes", size - 1);
    }
    memcpy(field, text, strlen(text) + 1);
    return 0;
}

/* "04-01" */
static int read_fiscal_year_start(const struct doc *doc, struct policy *policy, struct error *err)
{
    const char *text = "04-01";

    if (doc_is_there(doc) && doc_text(doc, &text, err) != 0) {
        return -1;
    }
    if (strlen(text) != 5 || strspn(text, "0123456789") != 2 || text[2] != '-' ||
        strspn(text + 3, "0123456789") != 2) {
        return doc_error(doc, err, "must be MM-DD, like \"04-01\"");
    }
    policy->fiscal_month = (text[0] - '0') * 10 + (text[1] - '0');
    policy->fiscal_day = (text[3] - '0') * 10 + (text[4] - '0');
    return 0;
}

static int read_share(const struct doc *doc, struct policy_share *share, struct error *err)
{
    static const char *const known[] = {"share", "fraction", NULL};
    struct doc name = doc_member(doc, "share");
    struct doc fraction = doc_member(doc, "fraction");

    share->overgrant = DECIMAL_ONE;
    if (doc_check_keys(doc, known, err) != 0 ||
        read_name(&name, share->name, sizeof share->name, err) != 0) {
        return -1;
    }
    return doc_decimal(&fraction, &share->fraction, err);
}

static int read_shares(const struct doc *doc, struct policy *policy, struct error *err)
{
    if (!doc_is_there(doc)) {
        return doc_error(doc, err, "is missing");
    }
    if (doc_array(doc, POLICY_SHARES_MAX, &policy->share_count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < policy->share_count; i++) {
        struct doc share = doc_element(doc, i);
        if (read_share(&share, &policy->shares[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* {"hpci":"1.00"} */
static int read_overgrant(const struct doc *doc, struct policy *policy, struct error *err)
{
    size_t members;
    const char *key;
    json_t *value;

    if (doc_object(doc, POLICY_SHARES_MAX, &members, err) != 0) {
        return -1;
    }
    json_object_foreach((json_t *)doc->json, key, value)
    {
        struct doc member = {.json = value, .parent = doc, .key = key};
        const struct policy_share *share = policy_share(policy, key);

        if (share == NULL) {
            return doc_error(&member, err, "is not a share of this policy");
        }
        if (doc_decimal(&member, &policy->shares[share - policy->shares].overgrant, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_supply_entry(const struct doc *doc, struct policy_supply *supply, struct error *err)
{
    static const char *const known[] = {
        "id", "fiscal_year", "from", "to", "resource", "count", "hours", "points_per_hour", NULL};
    struct doc id = doc_member(doc, "id");
    struct doc fiscal_year = doc_member(doc, "fiscal_year");
    struct doc from = doc_member(doc, "from");
    struct doc to = doc_member(doc, "to");
    struct doc resource = doc_member(doc, "resource");
    struct doc count = doc_member(doc, "count");
    struct doc hours = doc_member(doc, "hours");
    struct doc points_per_hour = doc_member(doc, "points_per_hour");
    long year;

    if (doc_check_keys(doc, known, err) != 0 ||
        read_name(&id, supply->id, sizeof supply->id, err) != 0 ||
        doc_integer(&fiscal_year, 1970, 9997, &year, err) != 0 ||
        doc_instant(&from, &supply->from, err) != 0 || doc_instant(&to, &supply->to, err) != 0 ||
        read_name(&resource, supply->resource, sizeof supply->resource, err) != 0 ||
        doc_decimal(&count, &supply->count, err) != 0 ||
        doc_decimal(&hours, &supply->hours, err) != 0 ||
        doc_decimal(&points_per_hour, &supply->points_per_hour, err) != 0) {
        return -1;
    }
    supply->fiscal_year = (int)year;
    return 0;
}

static int read_supply(const struct doc *doc, struct policy *policy, struct error *err)
{
    size_t count;

    if (doc_array(doc, POLICY_SUPPLY_MAX, &count, err) != 0 ||
        (policy->supply = doc_allocate(doc, count, sizeof *policy->supply, err)) == NULL) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct doc entry = doc_element(doc, i);
        if (read_supply_entry(&entry, &policy->supply[i], err) != 0) {
            return -1;
        }
    }
    policy->supply_count = count;
    return 0;
}

/* One of the words, or the standard one where the member is absent. */
static int read_word(const struct doc *doc, const char *key, const char *const *words, int standard,
                     int *choice, struct error *err)
{
    struct doc member = doc_member(doc, key);

    *choice = standard;
    return doc_is_there(&member) ? doc_choice(&member, words, choice, err) : 0;
}

static int read_holds(const struct doc *doc, struct policy *policy, struct error *err)
{
    static const char *const known[] = {"slurm", "gateway", NULL};
    static const char *const slurm_words[] = {"submit", "start", "none", NULL};
    static const enum hold_when slurm_values[] = {HOLD_SUBMIT, HOLD_START, HOLD_NONE};
    static const char *const gateway_words[] = {"request", "none", NULL};
    static const enum hold_when gateway_values[] = {HOLD_REQUEST, HOLD_NONE};
    int slurm, gateway;

    if ((doc_is_there(doc) && doc_check_keys(doc, known, err) != 0) ||
        read_word(doc, "slurm", slurm_words, 0, &slurm, err) != 0 ||
        read_word(doc, "gateway", gateway_words, 0, &gateway, err) != 0) {
        return -1;
    }
    policy->holds_slurm = slurm_values[slurm];
    policy->holds_gateway = gateway_values[gateway];
    return 0;
}

static int read_exhausted(const struct doc *doc, struct policy *policy, struct error *err)
{
    static const char *const known[] = {"slurm", "gateway", NULL};
    static const char *const gateway_words[] = {"deny", NULL};
    static const char downgrade[] = "downgrade:";
    struct doc slurm = doc_member(doc, "slurm");
    int choice;

    memcpy(policy->exhausted_slurm, "deny", sizeof "deny");
    if ((doc_is_there(doc) && doc_check_keys(doc, known, err) != 0) ||
        (doc_is_there(&slurm) &&
         read_name(&slurm, policy->exhausted_slurm, sizeof policy->exhausted_slurm, err) != 0) ||
        read_word(doc, "gateway", gateway_words, 0, &choice, err) != 0) {
        return -1;
    }
    if (strcmp(policy->exhausted_slurm, "deny") != 0 &&
        (strncmp(policy->exhausted_slurm, downgrade, sizeof downgrade - 1) != 0 ||
         policy->exhausted_slurm[sizeof downgrade - 1] == '\0')) {
        return doc_error(&slurm, err, "must be \"deny\" or \"downgrade:<qos>\"");
    }
    return 0;
}

static int read_rules(const struct doc *doc, struct policy *policy, struct error *err)
{
    static const char *const expiry_words[] = {
        [ON_EXPIRY_VOID] = "void", [ON_EXPIRY_POOL] = "pool", NULL};
    static const char *const month_words[] = {[MONTH_SPLIT] = "split",
                                              [MONTH_START] = "start",
                                              [MONTH_END] = "end",
                                              [MONTH_SUBMIT] = "submit",
                                              NULL};
    struct doc membership = doc_member(doc, "require_membership");
    struct doc holds = doc_member(doc, "holds");
    struct doc exhausted = doc_member(doc, "exhausted");
    int on_expiry, month_rule;

    if (read_word(doc, "on_expiry", expiry_words, ON_EXPIRY_VOID, &on_expiry, err) != 0 ||
        read_word(doc, "month_rule", month_words, MONTH_SPLIT, &month_rule, err) != 0 ||
        (doc_is_there(&membership) &&
         doc_bool(&membership, &policy->require_membership, err) != 0) ||
        read_holds(&holds, policy, err) != 0 || read_exhausted(&exhausted, policy, err) != 0) {
        return -1;
    }
    policy->on_expiry = (enum on_expiry)on_expiry;
    policy->month_rule = (enum month_rule)month_rule;
    return 0;
}

/* The zone exists and supply lies inside its fiscal years, whose edges only the zone knows. */
static int check_calendar(const struct policy *policy, struct error *err)
{
    struct zone *zone = malloc(sizeof *zone);
    struct calendar calendar = {
        .zone = zone, .fiscal_month = policy->fiscal_month, .fiscal_day = policy->fiscal_day};
    int result;

    if (zone == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory for a time zone");
    }
    result = zone_load(policy->timezone, zone, err);
    if (result != 0) {
        error_prefix(err, "policy '%s'", policy->name);
    } else {
        result = policy_check_periods(policy, &calendar, err);
    }
    free(zone);
    return result;
}

static int read_policy(const struct doc *doc, struct policy *policy, struct error *err)
{
    static const char *const known[] = {
        "policy",    "timezone",  "fiscal_year_start", "effective_from",     "shares", "supply",
        "overgrant", "on_expiry", "month_rule",        "require_membership", "holds",  "exhausted",
        NULL};
    struct doc name = doc_member(doc, "policy");
    struct doc timezone = doc_member(doc, "timezone");
    struct doc fiscal_year_start = doc_member(doc, "fiscal_year_start");
    struct doc effective_from = doc_member(doc, "effective_from");
    struct doc shares = doc_member(doc, "shares");
    struct doc supply = doc_member(doc, "supply");
    struct doc overgrant = doc_member(doc, "overgrant");

    if (doc_check_keys(doc, known, err) != 0 ||
        read_name(&name, policy->name, sizeof policy->name, err) != 0 ||
        read_name(&timezone, policy->timezone, sizeof policy->timezone, err) != 0 ||
        read_fiscal_year_start(&fiscal_year_start, policy, err) != 0 ||
        doc_instant(&effective_from, &policy->effective_from, err) != 0 ||
        read_shares(&shares, policy, err) != 0 || read_supply(&supply, policy, err) != 0 ||
        read_overgrant(&overgrant, policy, err) != 0 || read_rules(doc, policy, err) != 0) {
        return -1;
    }
    return policy_validate(policy, err) != 0 ? -1 : check_calendar(policy, err);
}

int policy_doc_parse(const char *json, size_t length, struct policy **policy, struct error *err)
{
    struct doc doc = {.key = "policy"};
    struct policy *made;
    json_t *root;
    int result = -1;

    if (doc_parse(doc.key, json, length, &root, err) != 0) {
        return -1;
    }
    doc.json = root;
    made = doc_allocate(&doc, 1, sizeof *made, err);
    if (made != NULL) {
        result = read_policy(&doc, made, err);
    }
    json_decref(root);
    if (result != 0) {
        policy_destroy(made);
        return -1;
    }
    *policy = made;
    return 0;
}
