/* grant - give a project points out of its share's pool, list, take back, make last longer. */
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/grant.h"
#include "ledgerd/flow/text_table.h"

static json_t *grant_document(const struct grant_info *grant, const struct zone *zone)
{
    return json_pack(
        "{s:I, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:s}", "id", (json_int_t)grant->id,
        "project", grant->project, "share", grant->share, "fiscal_year", grant->fiscal_year,
        "points", document_points(grant->points), "granted", document_points(grant->granted),
        "remaining", document_points(grant->remaining), "from", document_instant(zone, grant->from),
        "to", document_instant(zone, grant->to), "state", grant_state_text(grant->state));
}

static int result_finish(struct command *command, const struct grant_result *result,
                         struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    if (catalog == NULL) {
        return -1;
    }
    json_t *document = grant_document(&result->grant, &catalog->zone);
    json_object_set_new(document, "repeated", json_boolean(result->repeated));
    json_object_set_new(document, "pool_left", document_points(result->pool_left));
    return command_finish(command, document, err);
}

static void result_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column fields[] = {{"id", "grant", false},
                                                {"project", "project", false},
                                                {"points", "points", false},
                                                {"from", "from", false},
                                                {"to", "to", false},
                                                {"remaining", "remaining", false},
                                                {"state", "state", false},
                                                {"repeated", "made before", false},
                                                {"pool_left", "left in the pool", false},
                                                {0}};
    text_fields_write(document, fields, out);
}

static int make_run(struct command *command, struct error *err)
{
    const struct command_line *line = &command->line;
    struct grant_result result = {0};
    struct grant_request request = {
        .act = command->act,
        .project = command_argument(command, 0),
        .points = line->arguments[1].as.points,
        .from = command_line_instant(line, "from", INSTANT_NONE),
        .to = command_line_instant(line, "to", INSTANT_NONE),
        .lend_from = command_line_text(line, "lend-from", NULL),
        .key = command_line_text(line, "key", NULL),
    };
    if (grant_make(command->session.store, &request, &result, err) < 0) {
        return -1;
    }
    return result_finish(command, &result, err);
}

static int list_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct grant_infos grants = {0};
    if (catalog == NULL || grant_list(command->session.store, command_argument(command, 0),
                                      command->act.now, &grants, err) < 0) {
        return -1;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < grants.count; i++) {
        json_array_append_new(list, grant_document(&grants.grants[i], &catalog->zone));
    }
    grant_infos_release(&grants);
    return command_finish(command, list, err);
}

static void list_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {
        {"id", "grant", true},      {"project", "project", false},
        {"points", "points", true}, {"remaining", "remaining", true},
        {"from", "from", false},    {"to", "to", false},
        {"state", "state", false},  {0}};
    text_table_write(document, columns, 0, out);
}

static int revoke_run(struct command *command, struct error *err)
{
    const struct word *points = command_line_option(&command->line, "points");
    struct grant_result result = {0};
    struct grant_revoke_request request = {
        .act = command->act,
        .id = (int64_t)command->line.arguments[0].as.number,
        .has_points = points->text != NULL,
        .points = points->as.points,
    };
    if (grant_revoke(command->session.store, &request, &result, err) < 0) {
        return -1;
    }
    return result_finish(command, &result, err);
}

static int extend_run(struct command *command, struct error *err)
{
    struct grant_result result = {0};
    struct grant_extend_request request = {
        .act = command->act,
        .id = (int64_t)command->line.arguments[0].as.number,
        .to = command_line_option(&command->line, "to")->as.instant,
    };
    if (grant_extend(command->session.store, &request, &result, err) < 0) {
        return -1;
    }
    return result_finish(command, &result, err);
}

static const struct option_spec make_options[] = {
    {"from", 0, "T", WORD_INSTANT, "valid from (default: now)", false},
    {"to", 0, "T", WORD_INSTANT, "valid to, exclusive (default: end of the fiscal year)", false},
    {"lend-from", 0, "SHARE", WORD_TEXT, "another share's pool lends the points", false},
    {"key", 0, "K", WORD_TEXT, "the same key and arguments answer the first result again", false},
    {0},
};
static const struct option_spec revoke_options[] = {
    {"points", 0, "N", WORD_POINTS, "how much (default: all that remains)", false},
    {0},
};
static const struct option_spec extend_options[] = {
    {"to", 0, "T", WORD_INSTANT, "the new end, within the fiscal year", true},
    {0},
};

const struct verb grant_verbs[] = {
    {.spec = {"grant",
              NULL,
              {{"PROJECT", WORD_TEXT, false, false}, {"POINTS", WORD_POINTS, false, false}},
              make_options,
              "give a project points out of its share's pool"},
     .role = STORE_DAEMON,
     .run = make_run,
     .show = result_show},
    {.spec = {"grant",
              "list",
              {{"PROJECT", WORD_TEXT, true, false}},
              NULL,
              "the grants of a project, or of all"},
     .role = STORE_REPORT,
     .run = list_run,
     .show = list_show},
    {.spec = {"grant",
              "revoke",
              {{"ID", WORD_NUMBER, false, false}},
              revoke_options,
              "take back what a grant has left, or a part of it"},
     .role = STORE_DAEMON,
     .run = revoke_run,
     .show = result_show},
    {.spec = {"grant",
              "extend",
              {{"ID", WORD_NUMBER, false, false}},
              extend_options,
              "make a grant last longer"},
     .role = STORE_DAEMON,
     .run = extend_run,
     .show = result_show},
    {.run = NULL},
};
