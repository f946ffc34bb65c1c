/* ratecard_doc - see ratecard_doc.h. One function for each object of the document. */
#include "ledgerd/flow/ratecard_doc.h"

#include <jansson.h>

#include "ledgerd/flow/doc.h"

/* A decimal member that may be left out. */
static int optional_decimal(const struct doc *doc, const char *key, struct decimal standard,
                            struct decimal *value, struct error *err)
{
    struct doc member = doc_member(doc, key);

    *value = standard;
    return doc_is_there(&member) ? doc_decimal(&member, value, err) : 0;
}

static int read_rounding(const struct doc *doc, struct rounding *rounding, struct error *err)
{
    static const char *const known[] = {"places", "mode", NULL};
    static const char *const modes[] = {
        [ROUNDING_HALF_EVEN] = "half_even",
        [ROUNDING_HALF_UP] = "half_up",
        [ROUNDING_TRUNCATE] = "truncate",
        [ROUNDING_CEIL] = "ceil",
        NULL,
    };
    struct doc places, mode;
    long number = 6;
    int choice = ROUNDING_HALF_EVEN;

    *rounding = (struct rounding){.places = 6, .mode = ROUNDING_HALF_EVEN};
    if (!doc_is_there(doc)) {
        return 0;
    }
    if (doc_check_keys(doc, known, err) != 0) {
        return -1;
    }
    places = doc_member(doc, "places");
    mode = doc_member(doc, "mode");
    if ((doc_is_there(&places) && doc_integer(&places, 0, 6, &number, err) != 0) ||
        (doc_is_there(&mode) && doc_choice(&mode, modes, &choice, err) != 0)) {
        return -1;
    }
    rounding->places = (unsigned)number;
    rounding->mode = (enum rounding_mode)choice;
    return 0;
}

static int read_require(const struct doc *doc, struct ratecard_rule *rule, struct error *err)
{
    size_t count;

    if (doc_array(doc, USAGE_METERS_MAX, &count, err) != 0 ||
        (rule->require = doc_allocate(doc, count, sizeof *rule->require, err)) == NULL) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct doc meter = doc_element(doc, i);
        if (doc_copy(&meter, &rule->require[i], err) != 0) {
            return -1;
        }
        rule->require_count = i + 1;
    }
    return 0;
}

/* A name that is a key of an object: it has a limit like every text. */
static int copy_key(const struct doc *member, char **name, struct error *err)
{
    json_t *text = json_string(member->key);
    struct doc key = {.json = text, .parent = member->parent, .key = member->key};
    int result = text == NULL ? error_set(err, ERROR_INTERNAL, "out of memory")
                              : doc_copy(&key, name, err);

    json_decref(text);
    return result;
}

/* {"gpu":"1","cpu":"0.0138"} */
static int read_prices(const struct doc *doc, size_t *count, struct ratecard_price **prices,
                       struct error *err)
{
    size_t members;
    const char *key;
    json_t *value;

    if (doc_object(doc, RATECARD_PRICES_MAX, &members, err) != 0 ||
        (*prices = doc_allocate(doc, members, sizeof **prices, err)) == NULL) {
        return -1;
    }
    json_object_foreach((json_t *)doc->json, key, value)
    {
        struct doc member = {.json = value, .parent = doc, .key = key};
        struct ratecard_price *price = &(*prices)[*count];

        if (copy_key(&member, &price->meter, err) != 0) {
            return -1;
        }
        (*count)++;
        if (doc_decimal(&member, &price->price, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* {"normal":"1","*":"2"} */
static int read_factor_table(const struct doc *doc, struct ratecard_factor_table *table,
                             struct error *err)
{
    size_t members;
    const char *key;
    json_t *value;

    if (doc_object(doc, RATECARD_FACTOR_VALUES_MAX, &members, err) != 0 ||
        (table->factors = doc_allocate(doc, members, sizeof *table->factors, err)) == NULL) {
        return -1;
    }
    json_object_foreach((json_t *)doc->json, key, value)
    {
        struct doc member = {.json = value, .parent = doc, .key = key};
        struct ratecard_factor *factor = &table->factors[table->count];

        if (copy_key(&member, &factor->value, err) != 0) {
            return -1;
        }
        table->count++;
        if (doc_decimal(&member, &factor->factor, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_factors(const struct doc *doc, struct ratecard_rule *rule, struct error *err)
{
    size_t members;
    const char *key;
    json_t *value;

    if (doc_object(doc, RATECARD_FACTOR_TABLES_MAX, &members, err) != 0 ||
        (rule->factor_tables = doc_allocate(doc, members, sizeof *rule->factor_tables, err)) ==
            NULL) {
        return -1;
    }
    json_object_foreach((json_t *)doc->json, key, value)
    {
        struct doc member = {.json = value, .parent = doc, .key = key};
        struct ratecard_factor_table *table = &rule->factor_tables[rule->factor_table_count];

        if (copy_key(&member, &table->key, err) != 0) {
            return -1;
        }
        rule->factor_table_count++;
        if (read_factor_table(&member, table, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_basis(const struct doc *doc, struct ratecard_rule *rule, struct error *err)
{
    static const char *const known[] = {"elapsed", "requested", "min_seconds", NULL};

    if (doc_is_there(doc) && doc_check_keys(doc, known, err) != 0) {
        return -1;
    }
    if (optional_decimal(doc, "elapsed", DECIMAL_ONE, &rule->elapsed_weight, err) != 0 ||
        optional_decimal(doc, "requested", DECIMAL_ZERO, &rule->requested_weight, err) != 0 ||
        optional_decimal(doc, "min_seconds", DECIMAL_ZERO, &rule->min_seconds, err) != 0) {
        return -1;
    }
    return 0;
}

static int read_rule(const struct doc *doc, struct ratecard_rule *rule, struct error *err)
{
    static const char *const known[] = {"source",      "class", "combine", "require",  "per_hour",
                                        "per_million", "basis", "factors", "discount", NULL};
    static const char *const combines[] = {[COMBINE_SUM] = "sum", [COMBINE_MAX] = "max", NULL};
    struct doc source = doc_member(doc, "source");
    struct doc klass = doc_member(doc, "class");
    struct doc combine = doc_member(doc, "combine");
    struct doc require = doc_member(doc, "require");
    struct doc per_hour = doc_member(doc, "per_hour");
    struct doc per_million = doc_member(doc, "per_million");
    struct doc basis = doc_member(doc, "basis");
    struct doc factors = doc_member(doc, "factors");
    int choice = COMBINE_SUM;

    if (doc_check_keys(doc, known, err) != 0 || doc_copy(&source, &rule->source, err) != 0 ||
        doc_copy(&klass, &rule->klass, err) != 0 ||
        (doc_is_there(&combine) && doc_choice(&combine, combines, &choice, err) != 0) ||
        read_require(&require, rule, err) != 0 ||
        read_prices(&per_hour, &rule->per_hour_count, &rule->per_hour, err) != 0 ||
        read_prices(&per_million, &rule->per_million_count, &rule->per_million, err) != 0 ||
        read_basis(&basis, rule, err) != 0 || read_factors(&factors, rule, err) != 0 ||
        optional_decimal(doc, "discount", DECIMAL_ZERO, &rule->discount, err) != 0) {
        return -1;
    }
    rule->combine = (enum combine)choice;
    return 0;
}

static int read_rules(const struct doc *doc, struct ratecard *card, struct error *err)
{
    size_t count;

    if (!doc_is_there(doc)) {
        return doc_error(doc, err, "is missing");
    }
    if (doc_array(doc, RATECARD_RULES_MAX, &count, err) != 0 ||
        (card->rules = doc_allocate(doc, count, sizeof *card->rules, err)) == NULL) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct doc rule = doc_element(doc, i);

        card->rule_count = i + 1;
        if (read_rule(&rule, &card->rules[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* {"node_fail":{"fraction":"1","max_seconds":14400}} */
static int read_refunds(const struct doc *doc, struct ratecard *card, struct error *err)
{
    static const char *const known[] = {"fraction", "max_seconds", NULL};
    size_t members;
    const char *key;
    json_t *value;

    if (doc_object(doc, RATECARD_FACTOR_VALUES_MAX, &members, err) != 0 ||
        (card->refunds = doc_allocate(doc, members, sizeof *card->refunds, err)) == NULL) {
        return -1;
    }
    json_object_foreach((json_t *)doc->json, key, value)
    {
        struct doc member = {.json = value, .parent = doc, .key = key};
        struct ratecard_refund *refund = &card->refunds[card->refund_count];
        struct doc fraction = doc_member(&member, "fraction");
        struct doc max_seconds = doc_member(&member, "max_seconds");

        if (doc_check_keys(&member, known, err) != 0 ||
            copy_key(&member, &refund->outcome, err) != 0) {
            return -1;
        }
        card->refund_count++;
        if (doc_decimal(&fraction, &refund->fraction, err) != 0 ||
            doc_decimal(&max_seconds, &refund->max_seconds, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_card(const struct doc *doc, struct ratecard *card, struct error *err)
{
    static const char *const known[] = {"card",  "effective_from", "rounding",
                                        "rules", "refund",         NULL};
    struct doc name = doc_member(doc, "card");
    struct doc effective_from = doc_member(doc, "effective_from");
    struct doc rounding = doc_member(doc, "rounding");
    struct doc rules = doc_member(doc, "rules");
    struct doc refund = doc_member(doc, "refund");

    if (doc_check_keys(doc, known, err) != 0 || doc_copy(&name, &card->name, err) != 0 ||
        doc_instant(&effective_from, &card->effective_from, err) != 0 ||
        read_rounding(&rounding, &card->rounding, err) != 0 || read_rules(&rules, card, err) != 0 ||
        read_refunds(&refund, card, err) != 0) {
        return -1;
    }
    return ratecard_validate(card, err);
}

int ratecard_doc_parse(const char *json, size_t length, struct ratecard **card, struct error *err)
{
    struct doc doc = {.key = "rate card"};
    struct ratecard *made;
    json_t *root;
    int result = -1;

    if (doc_parse(doc.key, json, length, &root, err) != 0) {
        return -1;
    }
    doc.json = root;
    made = doc_allocate(&doc, 1, sizeof *made, err);
    if (made != NULL) {
        result = read_card(&doc, made, err);
    }
    json_decref(root);
    if (result != 0) {
        ratecard_destroy(made);
        return -1;
    }
    *card = made;
    return 0;
}
