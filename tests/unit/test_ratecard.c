/* Rate card documents: what they say, and that a card with a mistake in it is refused whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/flow/ratecard_doc.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CARD(rules) \
    "{\"card\":\"c\",\"effective_from\":\"2027-06-01T00:00:00+09:00\",\"rules\":" rules "}"
#define RULE(more) CARD("[{\"source\":\"s\",\"class\":\"k\",\"per_hour\":{\"gpu\":\"1\"}" more "}]")

static void the_contracts_example(void **state)
{
    static const char text[] =
        "{\"card\":\"sdli-2027\",\"effective_from\":\"2027-06-01T00:00:00+09:00\","
        "\"rounding\":{\"places\":4,\"mode\":\"truncate\"},\"rules\":["
        "{\"source\":\"slurm:sdli\",\"class\":\"gpu\",\"combine\":\"max\",\"require\":[\"gpu\"],"
        "\"per_hour\":{\"gpu\":\"1\",\"cpu\":\"0.0138\",\"mem_gib\":\"0.002\"},"
        "\"basis\":{\"elapsed\":\"0.7\",\"requested\":\"0.1\",\"min_seconds\":300},"
        "\"factors\":{\"qos\":{\"normal\":\"1\",\"urgent\":\"2\"},\"attributes.season\":{\"*\":1}}}"
        ","
        "{\"source\":\"gateway:*\",\"class\":\"openai/gpt-oss-20b\",\"discount\":\"0.25\","
        "\"per_million\":{\"input_tokens\":\"0.05\"}}],"
        "\"refund\":{\"node_fail\":{\"fraction\":\"1\",\"max_seconds\":14400}}}";
    const struct ratecard_rule *rule;
    struct ratecard *card;
    struct error err;
    char out[DECIMAL_TEXT_BYTES];

    (void)state;
    assert_int_equal(ratecard_doc_parse(text, strlen(text), &card, &err), 0);
    assert_string_equal(card->name, "sdli-2027");
    assert_true(card->effective_from.us == INT64_C(1811775600000000));
    assert_int_equal(card->rounding.places, 4);
    assert_int_equal(card->rounding.mode, ROUNDING_TRUNCATE);
    assert_int_equal(card->rule_count, 2);
    rule = &card->rules[0];
    assert_int_equal(rule->combine, COMBINE_MAX);
    assert_int_equal(rule->require_count, 1);
    assert_int_equal(rule->per_hour_count, 3);
    assert_string_equal(rule->per_hour[1].meter, "cpu");
    assert_string_equal(decimal_format(rule->per_hour[1].price, out), "0.0138");
    assert_string_equal(decimal_format(rule->elapsed_weight, out), "0.7");
    assert_string_equal(decimal_format(rule->requested_weight, out), "0.1");
    assert_string_equal(decimal_format(rule->min_seconds, out), "300");
    assert_int_equal(rule->factor_table_count, 2);
    assert_string_equal(rule->factor_tables[1].key, "attributes.season");
    rule = &card->rules[1];
    assert_int_equal(rule->combine, COMBINE_SUM);
    assert_string_equal(decimal_format(rule->discount, out), "0.25");
    assert_string_equal(decimal_format(rule->elapsed_weight, out), "1");
    assert_true(decimal_is_zero(rule->requested_weight));
    assert_string_equal(decimal_format(card->refunds[0].max_seconds, out), "14400");
    assert_int_equal(ratecard_match(card, "gateway:x", "openai/gpt-oss-20b"), 1);
    assert_int_equal(ratecard_match(card, "gateway:x", "gpu"), -1);
    ratecard_destroy(card);
    ratecard_destroy(NULL);
}

static void cards_with_mistakes_are_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "rate card: line 1"},
        {"[]", "rate card: the document must be a JSON object"},
        {"{\"card\":\"c\"", "rate card: line 1"},
        {"{\"card\":\"c\",\"card\":\"d\"}", "rate card: line 1, column 18: duplicate object key"},
        {"{}", "rate card: card is missing"},
        {"{\"card\":\"\",\"effective_from\":1}", "rate card: card must be a string"},
        {"{\"card\":\"c\",\"effective_from\":\"2027-06-01\"}",
         "rate card: effective_from must be a time"},
        {"{\"card\":\"c\",\"effective_from\":\"2027-06-01T00:00:00Z\"}",
         "rate card: rules is missing"},
        {CARD("[]"), "rate card 'c': it needs 1 to 4096 rules"},
        {CARD("{}"), "rate card: rules must be a JSON array"},
        {CARD("[1]"), "rate card: rules[0] must be a JSON object"},
        {CARD("[{\"source\":\"s\",\"class\":\"k\"}]"), "rate card 'c': rule 0: it prices nothing"},
        {CARD("[{\"class\":\"k\"}]"), "rate card: rules[0].source is missing"},
        {RULE(",\"pre_hour\":{}"), "rate card: rules[0].pre_hour is not a known key"},
        {RULE(",\"combine\":\"min\""), "rate card: rules[0].combine must be \"sum\" or \"max\""},
        {RULE(",\"discount\":0.5"), "rate card: rules[0].discount is a JSON real"},
        {RULE(",\"discount\":\"1.1\""), "rate card 'c': rule 0: the discount is above 1"},
        {RULE(",\"discount\":\"-1\""), "rate card: rules[0].discount must be a decimal string"},
        {RULE(",\"discount\":-1"), "rate card: rules[0].discount must be a decimal string"},
        {RULE(",\"discount\":null"), "rate card: rules[0].discount must be a decimal string"},
        {RULE(",\"per_million\":{\"gpu\":\"1\"}"),
         "rate card 'c': rule 0: 'gpu' is priced per hour and"},
        {RULE(",\"per_million\":{\"node\":\"1\"}"),
         "rate card 'c': rule 0: 'node' is held over time"},
        {RULE(",\"per_million\":{\"t\":1.0}"), "rate card: rules[0].per_million.t is a JSON real"},
        {RULE(",\"per_million\":[]"), "rate card: rules[0].per_million must be a JSON object"},
        {RULE(",\"factors\":{\"user\":{\"a\":\"1\"}}"),
         "rate card 'c': rule 0: factors 'user': the key"},
        {RULE(",\"factors\":{\"attributes.\":{\"a\":\"1\"}}"),
         "rate card 'c': rule 0: factors 'attributes.'"},
        {RULE(",\"factors\":{\"qos\":{}}"), "rate card 'c': rule 0: factors 'qos' needs 1 to"},
        {RULE(",\"factors\":{\"qos\":{\"\":\"1\"}}"),
         "rate card: rules[0].factors.qos. must be a string"},
        {RULE(",\"basis\":{\"elapse\":\"1\"}"),
         "rate card: rules[0].basis.elapse is not a known key"},
        {RULE(",\"require\":\"gpu\""), "rate card: rules[0].require must be a JSON array"},
        {RULE(",\"require\":[\"gpu\",7]"), "rate card: rules[0].require[1] must be a string"},
    };
    struct ratecard *card = NULL;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (ratecard_doc_parse(rows[i].text, strlen(rows[i].text), &card, &err) != -1) {
            fail_msg("taken for a card: %s", rows[i].text);
        }
        assert_null(card);
        assert_int_equal(err.code, ERROR_INPUT);
        if (strncmp(err.text, rows[i].message, strlen(rows[i].message)) != 0) {
            fail_msg("wanted '%s...', got '%s'", rows[i].message, err.text);
        }
    }
}

static void rounding_and_refunds_are_checked(void **state)
{
    static const char *const bad[] = {"\"rounding\":{\"places\":7}",
                                      "\"rounding\":{\"mode\":\"up\"}",
                                      "\"rounding\":{\"place\":1}",
                                      "\"rounding\":4",
                                      "\"refund\":{\"x\":{\"fraction\":\"1.5\",\"max_seconds\":1}}",
                                      "\"refund\":{\"x\":{\"fraction\":\"1\"}}",
                                      "\"refund\":{\"\":{\"fraction\":\"1\",\"max_seconds\":1}}",
                                      "\"refund\":[]"};
    struct ratecard *card = NULL;
    char text[512];

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        snprintf(text, sizeof text, "%.*s,%s}", (int)strlen(RULE("")) - 1, RULE(""), bad[i]);
        if (ratecard_doc_parse(text, strlen(text), &card, NULL) != -1) {
            fail_msg("taken for a card: %s", text);
        }
    }
    assert_int_equal(ratecard_doc_parse(RULE(""), strlen(RULE("")), &card, NULL), 0);
    assert_int_equal(card->rounding.places, 6);
    assert_int_equal(card->rounding.mode, ROUNDING_HALF_EVEN);
    ratecard_destroy(card);
}

static void deep_nesting_and_floods_are_refused(void **state)
{
    size_t length = 5 * 1024 * 1024;
    char *text = malloc(length);
    struct ratecard *card = NULL;
    struct error err;

    (void)state;
    memset(text, '[', length);
    assert_int_equal(ratecard_doc_parse(text, length, &card, &err), -1);
    assert_int_equal(ratecard_doc_parse(text, 1000000, &card, &err), -1);
    assert_null(card);
    free(text);
}

static void the_card_in_force(void **state)
{
    struct ratecard a = {.effective_from = {10}}, b = {.effective_from = {20}};
    struct ratecard *list[] = {&a, &b};
    struct ratecards cards = {2, list};

    (void)state;
    assert_null(ratecards_at(&cards, (struct instant){9}));
    assert_ptr_equal(ratecards_at(&cards, (struct instant){10}), &a);
    assert_ptr_equal(ratecards_at(&cards, (struct instant){19}), &a);
    assert_ptr_equal(ratecards_at(&cards, (struct instant){20}), &b);
    assert_ptr_equal(ratecards_at(&cards, INSTANT_NEVER), &b);
    cards.count = 0;
    assert_int_equal(ratecards_find(&cards, INSTANT_NEVER), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_contracts_example),
        cmocka_unit_test(cards_with_mistakes_are_refused),
        cmocka_unit_test(rounding_and_refunds_are_checked),
        cmocka_unit_test(deep_nesting_and_floods_are_refused),
        cmocka_unit_test(the_card_in_force),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
