/* explain - a record followed from its source to the transfers. */
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/explain.h"
#include "ledgerd/flow/explain_transfer.h"
#include "ledgerd/flow/text_table.h"

/* `explain transfer N`: no source is called so, they all say of what kind they are. */
static int transfer_run(struct command *command, const struct catalog *catalog, struct error *err)
{
    const char *text = command_argument(command, 1);
    json_t *document;
    uint64_t id;

    if (parse_u64(text, strlen(text), INT64_MAX, &id) != 0) {
        return error_set(err, ERROR_ARGUMENT, "'%.60s' is not the number of a transfer", text);
    }
    return explain_transfer(command->session.store, &catalog->zone, (int64_t)id, &document, err) !=
                   0
               ? -1
               : command_finish(command, document, err);
}

static int explain_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct explanation explanation = {0};
    struct strbuf json = STRBUF_INIT;
    struct strbuf text = STRBUF_INIT;

    if (catalog != NULL && strcmp(command_argument(command, 0), "transfer") == 0) {
        return transfer_run(command, catalog, err);
    }
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

static void transfer_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column fields[] = {
        {"transfer", "transfer", false},  {"kind", "kind", false},
        {"month", "month", false},        {"debit", "from", false},
        {"credit", "to", false},          {"points", "points", false},
        {"source", "source", false},      {"charges", "charges", false},
        {"grant", "grant", false},        {"entry", "entry", false},
        {"entry_kind", "made by", false}, {"audit", "audit", false},
        {"booked_at", "booked", false},   {0}};
    static const struct text_column records[] = {{"source", "source", false},
                                                 {"id", "id", false},
                                                 {"version", "version", true},
                                                 {"user", "user", false},
                                                 {"class", "class", false},
                                                 {"points", "points", true},
                                                 {0}};
    const json_t *list = json_object_get(document, "records");

    text_fields_write(document, fields, out);
    if (json_array_size(list) > 0) {
        strbuf_add_string(out, "\nrecords that it stands for\n");
        text_table_write(list, records, 2, out);
    }
    if (json_array_size(list) == EXPLAIN_RECORDS_MAX) {
        strbuf_printf(out, "  the first %d are listed\n", EXPLAIN_RECORDS_MAX);
    }
}

static void explain_show(const json_t *document, struct strbuf *out)
{
    if (json_is_object(document)) {
        transfer_show(document, out);
        return;
    }
    strbuf_add(out, json_string_value(document), json_string_length(document));
}

const struct verb explain_verbs[] = {
    {.spec = {"explain",
              NULL,
              {{"SOURCE", WORD_TEXT, false, false}, {"ID", WORD_TEXT, false, false}},
              NULL,
              "a record from its source to the transfers: rule, card, arithmetic, months, holds, "
              "refunds; "
              "`explain transfer N`: a transfer back to its records"},
     .role = STORE_REPORT,
     .run = explain_run,
     .show = explain_show},
    {.run = NULL},
};
