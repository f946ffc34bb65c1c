/* project - projects and inference services, their other names, their overdraft. */
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/project.h"
#include "ledgerd/flow/text_table.h"

static int change_finish(struct command *command, const char *verb, bool unchanged,
                         struct error *err)
{
    return command_finish(command,
                          json_pack("{s:o, s:s, s:b}", "project",
                                    document_text(command_argument(command, 0)), "did", verb,
                                    "unchanged", unchanged),
                          err);
}

static void change_show(const json_t *document, struct strbuf *out)
{
    bool unchanged = json_is_true(json_object_get(document, "unchanged"));
    strbuf_printf(out, "project %s: %s%s\n",
                  json_string_value(json_object_get(document, "project")),
                  unchanged ? "nothing to do, already " : "",
                  json_string_value(json_object_get(document, "did")));
}

static int add_run(struct command *command, struct error *err)
{
    const struct command_line *line = &command->line;
    const struct word *service = command_line_option(line, "service");
    const char *services[COMMAND_WORDS_MAX + 1];
    size_t count = 0;
    bool unchanged = false;

    if (service->text != NULL) {
        services[count++] = service->text;
    }
    for (size_t i = 0; i < line->repeated_count; i++) {
        services[count++] = line->repeated[i];
    }
    struct project_add_request request = {
        .act = command->act,
        .id = command_argument(command, 0),
        .share = command_line_text(line, "share", NULL),
        .name = command_line_text(line, "name", ""),
        .service_count = count,
        .services = services,
    };
    if ((service->text != NULL) == (request.share != NULL)) {
        return error_set(err, ERROR_ARGUMENT,
                         "a project needs --share, an inference service --service: one of them");
    }
    if (service->text == NULL && count > 0) {
        return error_set(err, ERROR_ARGUMENT, "'%s' is one word too many for 'project add'",
                         services[0]);
    }
    if (project_add(command->session.store, &request, &unchanged, err) < 0) {
        return -1;
    }
    return change_finish(command, "added", unchanged, err);
}

static json_t *project_document(const struct project_row *row, const struct zone *zone)
{
    return json_pack(
        "{s:s, s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "project", row->id, "share",
        document_text(row->share), "kind", row->is_service ? "service" : "project", "name",
        document_text(row->name), "state", instant_is_set(row->closed_at) ? "closed" : "open",
        "posted", document_points(row->posted), "accrued", document_points(row->accrued),
        "overdraft", document_points(row->overdraft), "added_at",
        document_instant(zone, row->added_at), "closed_at", document_instant(zone, row->closed_at));
}

static int list_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct project_rows rows = {0};
    if (catalog == NULL || project_list(command->session.store, &rows, err) < 0) {
        return -1;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < rows.count; i++) {
        json_array_append_new(list, project_document(&rows.rows[i], &catalog->zone));
    }
    project_rows_release(&rows);
    return command_finish(command, list, err);
}

static void list_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {
        {"project", "project", false}, {"share", "share", false},
        {"kind", "kind", false},       {"state", "state", false},
        {"posted", "posted", true},    {"accrued", "accrued", true},
        {"name", "name", false},       {0}};
    text_table_write(document, columns, 0, out);
}

static json_t *pairs_document(const struct name_pairs *pairs, const char *first, const char *second)
{
    json_t *list = json_array();
    for (size_t i = 0; i < pairs->count; i++) {
        json_array_append_new(list,
                              json_pack("{s:o, s:o}", first, document_text(pairs->pairs[i].first),
                                        second, document_text(pairs->pairs[i].second)));
    }
    return list;
}

static int show_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct project_details details = {0};
    if (catalog == NULL ||
        project_show(command->session.store, command_argument(command, 0), &details, err) < 0) {
        return -1;
    }
    json_t *document = project_document(&details.project, &catalog->zone);
    json_object_set_new(document, "services", pairs_document(&details.services, "source", "class"));
    json_object_set_new(document, "aliases", pairs_document(&details.aliases, "source", "name"));
    json_object_set_new(document, "members", pairs_document(&details.members, "user", "role"));
    project_details_release(&details);
    return command_finish(command, document, err);
}

static void pairs_show(const json_t *document, const char *key, const struct text_column *columns,
                       struct strbuf *out)
{
    const json_t *list = json_object_get(document, key);
    if (json_array_size(list) > 0) {
        strbuf_printf(out, "\n%s\n", key);
        text_table_write(list, columns, 2, out);
    }
}

static void show_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column fields[] = {
        {"project", "project", false}, {"name", "name", false},
        {"kind", "kind", false},       {"share", "share", false},
        {"state", "state", false},     {"posted", "posted", false},
        {"accrued", "accrued", false}, {"overdraft", "overdraft", false},
        {"added_at", "added", false},  {0}};
    static const struct text_column services[] = {
        {"source", "source", false}, {"class", "class", false}, {0}};
    static const struct text_column aliases[] = {
        {"source", "source", false}, {"name", "name there", false}, {0}};
    static const struct text_column members[] = {
        {"user", "user", false}, {"role", "role", false}, {0}};
    text_fields_write(document, fields, out);
    pairs_show(document, "services", services, out);
    pairs_show(document, "aliases", aliases, out);
    pairs_show(document, "members", members, out);
}

static int close_run(struct command *command, struct error *err)
{
    struct project_request request = {.act = command->act, .project = command_argument(command, 0)};
    bool unchanged = false;
    if (project_close(command->session.store, &request, &unchanged, err) < 0) {
        return -1;
    }
    return change_finish(command, "closed", unchanged, err);
}

static int alias_run(struct command *command, struct error *err)
{
    struct project_alias_request request = {.act = command->act,
                                            .project = command_argument(command, 0),
                                            .source = command_argument(command, 1),
                                            .name = command_argument(command, 2)};
    bool unchanged = false;
    if (project_alias(command->session.store, &request, &unchanged, err) < 0) {
        return -1;
    }
    return change_finish(command, "known by that name", unchanged, err);
}

static int overdraft_run(struct command *command, struct error *err)
{
    struct overdraft_request request = {.act = command->act,
                                        .project = command_argument(command, 0),
                                        .overdraft = command->line.arguments[1].as.points};
    bool unchanged = false;
    if (overdraft_set(command->session.store, &request, &unchanged, err) < 0) {
        return -1;
    }
    return change_finish(command, "overdraft set", unchanged, err);
}

static const struct option_spec add_options[] = {
    {"share", 0, "S", WORD_TEXT, "share of the policy that its grants come from", false},
    {"service", 0, "SOURCE/CLASS...", WORD_TEXT,
     "an inference service that serves this usage; * matches any run of characters", false},
    {"name", 0, "N", WORD_TEXT, "its title", false},
    {0},
};

const struct verb project_verbs[] = {
    {.spec = {"project",
              "add",
              {{"ID", WORD_TEXT, false, false}, {"SOURCE/CLASS", WORD_TEXT, true, true}},
              add_options,
              "add a project, or an inference service; a new title of a known one is taken over"},
     .role = STORE_DAEMON,
     .run = add_run,
     .show = change_show},
    {.spec = {"project", "list", {{0}}, NULL, "all projects and services"},
     .role = STORE_REPORT,
     .run = list_run,
     .show = list_show},
    {.spec = {"project",
              "show",
              {{"ID", WORD_TEXT, false, false}},
              NULL,
              "a project with its aliases and members"},
     .role = STORE_REPORT,
     .run = show_run,
     .show = show_show},
    {.spec = {"project",
              "close",
              {{"ID", WORD_TEXT, false, false}},
              NULL,
              "no more work for it; what comes in is still booked"},
     .role = STORE_DAEMON,
     .run = close_run,
     .show = change_show},
    {.spec = {"project",
              "alias",
              {{"ID", WORD_TEXT, false, false},
               {"SOURCE", WORD_TEXT, false, false},
               {"NAME", WORD_TEXT, false, false}},
              NULL,
              "records of SOURCE that name NAME belong to ID"},
     .role = STORE_DAEMON,
     .run = alias_run,
     .show = change_show},
    {.spec = {"overdraft",
              NULL,
              {{"PROJECT", WORD_TEXT, false, false}, {"POINTS", WORD_POINTS, false, false}},
              NULL,
              "how far below zero the project may go"},
     .role = STORE_DAEMON,
     .run = overdraft_run,
     .show = change_show},
    {.run = NULL},
};
