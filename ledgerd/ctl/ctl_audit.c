/* audit - who did what by hand, when and why. */
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/audit.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/text_table.h"

static json_t *act_document(const struct audit_row *row, const struct zone *zone)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "n", (json_int_t)row->n, "at",
                     document_instant(zone, row->at), "actor", document_text(row->actor), "verb",
                     document_text(row->verb), "subject", document_text(row->subject), "detail",
                     document_text(row->detail), "note", document_text(row->note), "ref",
                     document_text(row->ref));
}

static int list_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct instant from = command_line_instant(&command->line, "from", INSTANT_NONE);
    struct instant to = command_line_instant(&command->line, "to", INSTANT_NONE);
    struct audit_rows rows = {0};
    if (catalog == NULL || audit_list(command->session.store, from, to, &rows, err) < 0) {
        return -1;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < rows.count; i++) {
        json_array_append_new(list, act_document(&rows.rows[i], &catalog->zone));
    }
    audit_rows_release(&rows);
    return command_finish(command, list, err);
}

static void list_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {
        {"n", "n", true},        {"at", "at", false},      {"actor", "who", false},
        {"verb", "what", false}, {"subject", "to", false}, {"detail", "how", false},
        {"note", "note", false}, {"ref", "ref", false},    {0}};
    text_table_write(document, columns, 0, out);
}

static const struct option_spec list_options[] = {
    {"from", 0, "T", WORD_INSTANT, "acts at or after T", false},
    {"to", 0, "T", WORD_INSTANT, "acts before T", false},
    {0},
};

const struct verb audit_verbs[] = {
    {.spec = {"audit", "list", {{0}}, list_options, "every manual act: who, when, what, why"},
     .role = STORE_REPORT,
     .run = list_run,
     .show = list_show},
    {.run = NULL},
};
