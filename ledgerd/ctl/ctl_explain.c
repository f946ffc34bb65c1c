/* explain - a record followed from its source to the transfers. */
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/explain.h"

static int explain_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct explanation explanation = {0};
    struct strbuf json = STRBUF_INIT;
    struct strbuf text = STRBUF_INIT;
    if (catalog == NULL ||
        explain_record(command->session.store, catalog, command_argument(command, 0),
                       command_argument(command, 1), &explanation, err) < 0) {
        return -1;
    }
    json_t *document = NULL;
    if (command_line_has(&command->line, "json")) {
        explain_write_json(&explanation, &json);
        document = json_loads(json.data, 0, NULL);
    } else { /* the text has an order of its own, which no list of columns could give */
        explain_write_text(&explanation, &text);
        document = document_bytes(text.data, text.length);
    }
    explain_release(&explanation);
    strbuf_release(&json);
    strbuf_release(&text);
    return command_finish(command, document, err);
}

static void explain_show(const json_t *document, struct strbuf *out)
{
    strbuf_add(out, json_string_value(document), json_string_length(document));
}

const struct verb explain_verbs[] = {
    {.spec = {"explain",
              NULL,
              {{"SOURCE", WORD_TEXT, false, false}, {"ID", WORD_TEXT, false, false}},
              NULL,
              "a record from its source to the transfers: rule, card, arithmetic, months, refunds"},
     .role = STORE_REPORT,
     .run = explain_run,
     .show = explain_show},
    {.run = NULL},
};
