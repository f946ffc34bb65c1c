/* rates - dated rate cards: applied, shown, tried on records. */
#include "ledgerd/ctl/agreed.h"
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/quote.h"
#include "ledgerd/flow/rates_apply.h"
#include "ledgerd/flow/text_table.h"

static int rates_apply_run(struct command *command, struct error *err)
{
    struct strbuf json = STRBUF_INIT;
    struct rates_apply_result result = {0};
    const struct catalog *catalog = NULL;
    int status = command_read_file(command_argument(command, 0), &json, err);
    if (status == 0) {
        struct rates_apply_request request = {
            .act = command->act,
            .json = json.data,
            .length = json.length,
            .retroactive = command_line_has(&command->line, "retroactive"),
        };
        status = rates_apply(command->session.store, &request, &result, err);
        if (status < 0) {
            command_blame_file(command_argument(command, 0), err);
        }
    }
    strbuf_release(&json);
    if (status < 0 || (catalog = command_catalog(command, err)) == NULL) {
        return -1;
    }
    return command_finish(command,
                          json_pack("{s:s, s:o, s:I, s:b}", "card", result.name, "effective_from",
                                    document_instant(&catalog->zone, result.effective_from),
                                    "rules", (json_int_t)result.rule_count, "unchanged",
                                    result.unchanged),
                          err);
}

static void rates_apply_show(const json_t *document, struct strbuf *out)
{
    agreed_applied_show("card", document, out);
}

static int rates_show_run(struct command *command, struct error *err)
{
    struct agreed_document agreed = {0};
    struct instant at = command_line_instant(&command->line, "at", command->act.now);
    if (rates_show(command->session.store, at, &agreed, err) < 0) {
        return -1;
    }
    return agreed_finish(command, &agreed, err);
}

static int rates_quote_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct quote_result result = {0};
    if (catalog == NULL) {
        return -1;
    }
    struct quote_request request = {.path = command_argument(command, 0),
                                    .catalog = catalog,
                                    .conf = &command->session.conf,
                                    .now = command->act.now};
    int status = quote_file(&request, &result, err);
    if (result.unreadable > 0) {
        command->status = 3;
    }
    if (result.quotes != NULL) {
        struct error finishing = {0};
        command_finish(command, result.quotes, status == 0 ? err : &finishing);
    }
    return status;
}

static void rates_quote_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {{"source", "source", false},
                                                 {"id", "id", false},
                                                 {"points", "points", true},
                                                 {"list_points", "list points", true},
                                                 {"refund", "refund", true},
                                                 {"card", "card", false},
                                                 {"rule", "rule", true},
                                                 {"error", "what is wrong", false},
                                                 {0}};
    text_table_write(document, columns, 0, out);
}

const struct verb rates_verbs[] = {
    {.spec = {"rates",
              "apply",
              {{"FILE", WORD_TEXT, false, false}},
              agreed_apply_options,
              "put a dated rate card into force"},
     .role = STORE_DAEMON,
     .run = rates_apply_run,
     .show = rates_apply_show},
    {.spec =
         {"rates", "show", {{0}}, agreed_show_options, "the rate card in force, as it was applied"},
     .role = STORE_REPORT,
     .run = rates_show_run,
     .show = NULL},
    {.spec = {"rates",
              "quote",
              {{"FILE", WORD_TEXT, false, false}},
              NULL,
              "what the usage records in FILE would cost; books nothing"},
     .role = STORE_REPORT,
     .run = rates_quote_run,
     .show = rates_quote_show},
    {.run = NULL},
};
