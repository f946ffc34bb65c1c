/* verify - the book proves itself. */
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/text_table.h"
#include "ledgerd/flow/verify.h"

static int verify_run(struct command *command, struct error *err)
{
    const struct word *every = command_line_option(&command->line, "every");
    struct verify_options options = {.rerate_every = every->text != NULL ? (int64_t)every->as.number
                                                                         : 1};
    struct verify_result result = {0};
    if (verify_book(command->session.store, &options, &result, err) < 0) {
        return -1;
    }
    json_t *checks = json_array();
    for (size_t i = 0; i < result.check_count; i++) {
        json_array_append_new(checks, json_pack("{s:s, s:b, s:o}", "name", result.checks[i].name,
                                                "ok", result.checks[i].ok, "detail",
                                                document_text(result.checks[i].detail)));
    }
    command->status = result.ok ? 0 : 5;
    return command_finish(command,
                          json_pack("{s:b, s:o, s:I, s:I, s:n}", "ok", result.ok, "checks", checks,
                                    "transfers", (json_int_t)result.transfers, "records",
                                    (json_int_t)result.records, "sealed_through"),
                          err);
}

static void verify_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {
        {"ok", "ok", false}, {"name", "check", false}, {"detail", "detail", false}, {0}};
    text_table_write(json_object_get(document, "checks"), columns, 0, out);
    strbuf_printf(out, "%s: %lld transfers, %lld records\n",
                  json_is_true(json_object_get(document, "ok")) ? "the book is right"
                                                                : "the book does NOT prove itself",
                  (long long)json_integer_value(json_object_get(document, "transfers")),
                  (long long)json_integer_value(json_object_get(document, "records")));
}

static const struct option_spec verify_options[] = {
    {"every", 0, "N", WORD_NUMBER, "re-rate one record in N (default: all)", false},
    {0},
};

const struct verb verify_verbs[] = {
    {.spec = {"verify",
              NULL,
              {{0}},
              verify_options,
              "recompute every sum and charge; exit code 5 if the book is not right"},
     .role = STORE_REPORT,
     .run = verify_run,
     .show = verify_show},
    {.run = NULL},
};
