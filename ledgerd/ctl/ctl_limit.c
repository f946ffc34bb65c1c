/* limit - how much a project, or a user within it, may spend in a period. */
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/limit.h"
#include "ledgerd/flow/text_table.h"

static int take_request(const struct command *command, struct limit_request *request,
                        struct error *err)
{
    const char *period = command_line_text(&command->line, "period", NULL);

    *request = (struct limit_request){.act = command->act,
                                      .project = command_argument(command, 0),
                                      .user = command_line_text(&command->line, "user", NULL),
                                      .all_periods = period == NULL};
    if (period != NULL && limit_period_parse(period, &request->period) != 0) {
        return error_set(err, ERROR_ARGUMENT,
                         "--period: '%.60s' is not day, month, fiscal_year or total", period);
    }
    return 0;
}

static int set_run(struct command *command, struct error *err)
{
    struct limit_request request;
    bool unchanged = false;

    if (take_request(command, &request, err) != 0) {
        return -1;
    }
    request.points = command_line_option(&command->line, "points")->as.points;
    if (limit_set(command->session.store, &request, &unchanged, err) < 0) {
        return -1;
    }
    return command_finish(
        command,
        json_pack("{s:o, s:o, s:s, s:o, s:b}", "project", document_text(request.project), "user",
                  document_text(request.user), "period", limit_period_text(request.period),
                  "points", document_points(request.points), "unchanged", unchanged),
        err);
}

static void show_subject(const json_t *document, struct strbuf *out)
{
    const char *user = json_string_value(json_object_get(document, "user"));

    if (user != NULL) {
        strbuf_printf(out, "user %s in ", user);
    }
    strbuf_printf(out, "project %s", json_string_value(json_object_get(document, "project")));
}

static void set_show(const json_t *document, struct strbuf *out)
{
    show_subject(document, out);
    strbuf_printf(out, ": %s points by %s%s\n",
                  json_string_value(json_object_get(document, "points")),
                  json_string_value(json_object_get(document, "period")),
                  json_is_true(json_object_get(document, "unchanged")) ? ", as before" : "");
}

static int clear_run(struct command *command, struct error *err)
{
    struct limit_request request;
    int64_t cleared = 0;

    if (take_request(command, &request, err) != 0 ||
        limit_clear(command->session.store, &request, &cleared, err) < 0) {
        return -1;
    }
    return command_finish(command,
                          json_pack("{s:o, s:o, s:I}", "project", document_text(request.project),
                                    "user", document_text(request.user), "cleared",
                                    (json_int_t)cleared),
                          err);
}

static void clear_show(const json_t *document, struct strbuf *out)
{
    show_subject(document, out);
    strbuf_printf(out, ": limits cleared: %" JSON_INTEGER_FORMAT "\n",
                  json_integer_value(json_object_get(document, "cleared")));
}

static json_t *row_document(const struct limit_row *row, const struct zone *zone)
{
    bool is_total = row->bound.period == LIMIT_TOTAL;
    struct instant to = is_total ? INSTANT_NONE : row->period.to;

    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "user",
                     document_text(row->user), "period", limit_period_text(row->bound.period),
                     "points", document_points(row->bound.points), "charged",
                     document_points(row->bound.charged), "accrued",
                     document_points(row->bound.accrued), "held", document_points(row->bound.held),
                     "available", document_points(row->bound.available), "from",
                     document_instant(zone, row->period.from), "to", document_instant(zone, to));
}

static int list_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct limit_rows rows = {0};

    if (catalog == NULL || limit_list(command->session.store, command_argument(command, 0),
                                      command->act.now, &rows, err) < 0) {
        return -1;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < rows.count; i++) {
        json_array_append_new(list, row_document(&rows.rows[i], &catalog->zone));
    }
    limit_rows_release(&rows);
    return command_finish(command, list, err);
}

static void list_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {
        {"user", "user", false},          {"period", "period", false},
        {"points", "points", true},       {"charged", "charged", true},
        {"accrued", "accrued", true},     {"held", "held", true},
        {"available", "available", true}, {0}};

    text_table_write(document, columns, 0, out);
}

static const struct option_spec set_options[] = {
    {"user", 0, "U", WORD_TEXT, "for this user within the project, not for all of it", false},
    {"points", 0, "N", WORD_POINTS, "what may be spent in each such period", true},
    {"period", 0, "P", WORD_TEXT, "day, month, fiscal_year or total", true},
    {0},
};

static const struct option_spec clear_options[] = {
    {"user", 0, "U", WORD_TEXT, "this user's limits, not the whole project's", false},
    {"period", 0, "P", WORD_TEXT, "day, month, fiscal_year or total (default: all)", false},
    {0},
};

const struct verb limit_verbs[] = {
    {.spec = {"limit",
              "set",
              {{"PROJECT", WORD_TEXT, false, false}},
              set_options,
              "limit what a project, or a user within it, may spend"},
     .role = STORE_DAEMON,
     .run = set_run,
     .show = set_show},
    {.spec = {"limit",
              "clear",
              {{"PROJECT", WORD_TEXT, false, false}},
              clear_options,
              "end such limits"},
     .role = STORE_DAEMON,
     .run = clear_run,
     .show = clear_show},
    {.spec = {"limit",
              "list",
              {{"PROJECT", WORD_TEXT, false, false}},
              NULL,
              "a project's limits and how they stand"},
     .role = STORE_REPORT,
     .run = list_run,
     .show = list_show},
    {.run = NULL},
};
