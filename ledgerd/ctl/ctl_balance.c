/* balance and check - what a project has, and whether it may spend. */
#include <stdlib.h>
#include <string.h>

#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/answer.h"
#include "ledgerd/flow/balance_document.h"
#include "ledgerd/flow/balance_read.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/limit.h"
#include "ledgerd/flow/share_totals.h"
#include "ledgerd/flow/text_table.h"
#include "ledgerd/store/store_grant.h"
#include "ledgerd/store/store_hold.h"
#include "ledgerd/store/store_position.h"

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

struct checking {
    struct command *command;
    struct answer_question question;
    struct strbuf json;
};

static int share_take(struct store *store, const struct catalog *catalog,
                      struct answer_question *question, struct error *err)
{
    const char *share = question->project != NULL ? question->project->share : NULL;
    const struct store_share_total *total;
    struct store_share_total *totals = NULL;
    size_t count = 0;
    if (share_totals_read(store, catalog, question->now, &totals, &count, err) < 0) {
        return -1;
    }
    total = share != NULL ? share_totals_at(totals, count, catalog, share, question->now) : NULL;
    if (total != NULL) {
        question->has_share_total = true;
        question->share_supply = total->supply;
        question->share_spent = (struct points){total->spent.micro + total->held.micro};
    }
    free(totals);
    return 0;
}

static int answer_write(struct store *store, struct checking *checking, struct error *err)
{
    struct answer_question *question = &checking->question;
    struct answer answer;
    if (share_take(store, question->catalog, question, err) < 0 ||
        answer_make(question, &answer, err) < 0) {
        return -1;
    }
    strbuf_clear(&checking->json);
    answer_write_json(question, &answer, NULL, &checking->json);
    return 0;
}

/* Everything is read in one transaction, so that catalog, position and totals agree. */
static int check_work(struct store *store, void *context, struct error *err)
{
    struct checking *checking = context;
    struct answer_question *question = &checking->question;
    struct store_position position = {0};
    struct lapsed_rows lapsed = {0};

    catalog_destroy(checking->command->catalog);
    checking->command->catalog = NULL;
    question->catalog = command_catalog(checking->command, err);
    if (question->catalog == NULL) {
        return -1;
    }
    question->project = catalog_project(question->catalog, question->project_name);
    if (question->project != NULL &&
        (store_read_position(store, question->project_name, &position, err) < 0 ||
         store_read_lapsed(store, question->project_name, question->now, &lapsed, err) < 0)) {
        store_position_release(&position);
        return -1;
    }
    question->limits.lapsed = store_lapsed_of(&lapsed, position.project, NULL);
    question->limits.user_lapsed = store_lapsed_of(&lapsed, position.project, question->user);
    store_lapsed_release(&lapsed);
    question->position = (struct balance_position){
        .posted = position.posted,
        .held = {position.held.micro - question->limits.lapsed.micro},
        .accrued = position.accrued,
        .draw_count = position.draw_count,
        .draws = position.draws};
    if (question->project != NULL && question->project->limit_count > 0 &&
        limit_read_sums(store, question->catalog, question->project_name, question->now,
                        &question->limits.sums, err) < 0) {
        store_position_release(&position);
        return -1;
    }
    int result = answer_write(store, checking, err);
    store_limit_sums_release(&question->limits.sums);
    store_position_release(&position);
    return result;
}

static int check_run(struct command *command, struct error *err)
{
    struct checking checking = {
        .command = command,
        .json = STRBUF_INIT,
        .question = {.project_name = command_argument(command, 0),
                     .user = command_line_text(&command->line, "user", ""),
                     .rated = true,
                     .requested = command->line.arguments[1].as.points,
                     .now = command->act.now,
                     .as_of = command->act.now},
    };
    int result = store_transact(command->session.store, STORE_UNLOCKED, check_work, &checking, err);
    if (result == 0) {
        json_t *document = json_loads(checking.json.data, 0, NULL);
        command->status = json_is_true(json_object_get(document, "allowed")) ? 0 : 1;
        result = command_finish(command, document, err);
    }
    strbuf_release(&checking.json);
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
