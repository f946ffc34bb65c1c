/* balance and check - what a project has, and whether it may spend. */
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/balance_document.h"
#include "ledgerd/flow/balance_read.h"
#include "ledgerd/flow/check_book.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/text_table.h"

static int balance_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct balance_sheet sheet = {0};
    if (catalog == NULL || balance_read(command->session.store, command_argument(command, 0),
                                        command->act.now, &sheet, err) < 0) {
        return -1;
    }
    json_t *document = balance_document(&sheet, &catalog->zone);
    balance_sheet_release(&sheet);
    return command_finish(command, document, err);
}

static void balance_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column names[] = {
        {"project", "project", false}, {"share", "share", false}, {"as_of", "as of", false}, {0}};
    static const struct text_column figures[] = {
        {"posted", "posted", true},       {"accrued", "accrued", true},
        {"held", "held", true},           {"overdraft", "overdraft", true},
        {"available", "available", true}, {"granted", "granted", true},
        {"spent", "spent", true},         {"refunded", "refunded", true},
        {"expired", "expired", true},     {0}};
    static const struct text_column grants[] = {{"id", "grant", true},
                                                {"points", "points", true},
                                                {"remaining", "remaining", true},
                                                {"from", "from", false},
                                                {"to", "to", false},
                                                {"state", "state", false},
                                                {0}};
    text_fields_write(document, names, out);
    text_fields_write(document, figures, out);
    if (json_array_size(json_object_get(document, "grants")) > 0) {
        strbuf_add_char(out, '\n');
        text_table_write(json_object_get(document, "grants"), grants, 0, out);
    }
}

static int check_run(struct command *command, struct error *err)
{
    struct usage_record shape;
    struct check_request request;
    struct check_book book;
    struct strbuf json = STRBUF_INIT;

    check_request_init(&request, &shape);
    request.project = command_argument(command, 0);
    request.user = command_line_text(&command->line, "user", "");
    request.has_points = true;
    request.points = command->line.arguments[1].as.points;
    if (check_book(command->session.store, &command->session.conf, &request, command->act.now,
                   &book, err) != 0) {
        return -1;
    }
    answer_write_json(&book.result.question, &book.result.answer, NULL, &json);
    command->status = book.result.answer.decision.allowed ? 0 : 1;
    check_book_release(&book);
    int result = command_finish(command, json_loads(json.data, 0, NULL), err);
    strbuf_release(&json);
    return result;
}

static void check_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column figures[] = {{"requested", "requested", true},
                                                 {"available", "available", true},
                                                 {"posted", "posted", true},
                                                 {"accrued", "accrued", true},
                                                 {"held", "held", true},
                                                 {"overdraft", "overdraft", true},
                                                 {0}};
    static const struct text_column violated[] = {{"limit", "limit", false},
                                                  {"name", "name", false},
                                                  {"period", "period", false},
                                                  {"available", "available", true},
                                                  {0}};
    bool allowed = json_is_true(json_object_get(document, "allowed"));
    const char *reason = json_string_value(json_object_get(document, "reason"));
    strbuf_printf(out, "%s%s: %s\n", allowed ? "allowed" : "refused, ", allowed ? "" : reason,
                  json_string_value(json_object_get(document, "detail")));
    text_fields_write(document, figures, out);
    if (json_array_size(json_object_get(document, "violated")) > 0) {
        strbuf_add_string(out, "in the way:\n");
        text_table_write(json_object_get(document, "violated"), violated, 2, out);
    }
}

static const struct option_spec check_options[] = {
    {"user", 0, "U", WORD_TEXT, "who wants to run", false},
    {0},
};

const struct verb balance_verbs[] = {
    {.spec = {"balance",
              NULL,
              {{"PROJECT", WORD_TEXT, false, false}},
              NULL,
              "what a project has, had and spent, and its grants"},
     .role = STORE_REPORT,
     .run = balance_run,
     .show = balance_show},
    {.spec = {"check",
              NULL,
              {{"PROJECT", WORD_TEXT, false, false}, {"POINTS", WORD_POINTS, false, false}},
              check_options,
              "may the project spend so much? Exit code 1 if not"},
     .role = STORE_REPORT,
     .run = check_run,
     .show = check_show},
    {.run = NULL},
};
