/* hold, settle, release - reserve points before work runs, and say what became of it. */
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/hold_document.h"
#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/text_table.h"

enum { LIST_PAGE = 1000 }; /* holds read at a time */

static int take_ttl(const struct command *command, int64_t *ttl_us, struct error *err)
{
    const char *text = command_line_text(&command->line, "ttl", NULL);

    if (text != NULL && parse_duration(text, strlen(text), ttl_us) != 0) {
        return error_set(err, ERROR_ARGUMENT, "--ttl: '%.60s' is no duration like 30s, 15m or 1h",
                         text);
    }
    return 0;
}

/* A document of what was written as JSON: as one object, or as an object's members. */
static json_t *load_document(struct strbuf *text)
{
    json_t *document = text->failed ? NULL : json_loads(text->data, 0, NULL);

    strbuf_release(text);
    return document;
}

static json_t *hold_document(const struct hold_info *hold, const struct zone *zone)
{
    struct strbuf text = STRBUF_INIT;

    strbuf_add_char(&text, '{');
    hold_write_members(hold, zone, &text);
    strbuf_add_char(&text, '}');
    return load_document(&text);
}

/* --- make ------------------------------------------------------------------------------------- */

static int take_request(const struct command *command, struct hold_request *request,
                        struct error *err)
{
    const char *parts = command_line_text(&command->line, "parts", "1");
    uint64_t count;

    *request = (struct hold_request){
        .key = command_line_text(&command->line, "key", ""),
        .check = {.project = command_argument(command, 0),
                  .user = command_line_text(&command->line, "user", ""),
                  .has_points = true,
                  .points = command->line.arguments[1].as.points},
        .ttl_us = HOLD_TTL_DEFAULT_US,
        .ref_kind = *command->act.ref != '\0' ? "other" : "",
        .ref_id = command->act.ref,
    };
    if (parse_u64(parts, strlen(parts), HOLD_PARTS_MAX, &count) != 0) {
        return error_set(err, ERROR_ARGUMENT, "--parts: '%.60s' is no number from 0 to %d", parts,
                         HOLD_PARTS_MAX);
    }
    request->parts = (int64_t)count;
    return take_ttl(command, &request->ttl_us, err) != 0 ? -1 : hold_request_validate(request, err);
}

static int finish_made(struct command *command, const struct hold_outcome *outcome,
                       struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    json_t *document;

    if (catalog == NULL) {
        return -1;
    }
    document = hold_document(&outcome->hold, &catalog->zone);
    if (document != NULL &&
        (json_object_set_new(document, "decision", json_loads(outcome->decision.data, 0, NULL)) !=
             0 ||
         json_object_set_new(document, "repeated", json_boolean(outcome->fate == HOLD_REPEATED)) !=
             0)) {
        json_decref(document);
        document = NULL;
    }
    return command_finish(command, document, err);
}

static int finish_outcome(struct command *command, const struct hold_request *request,
                          const struct hold_outcome *outcome, struct error *err)
{
    switch (outcome->fate) {
    case HOLD_MADE:
    case HOLD_REPEATED:
        return finish_made(command, outcome, err);
    case HOLD_KEY_DIFFERS:
        return error_set_reason(err, ERROR_REFUSED, "key_differs",
                                "key '%s' was used for another hold (%s)", request->key,
                                outcome->hold.id);
    case HOLD_REFUSED:
        break;
    }
    command->status = 1;
    return command_finish(command, json_loads(outcome->decision.data, 0, NULL), err);
}

static int make_run(struct command *command, struct error *err)
{
    struct hold_request request;
    struct hold_outcome outcome;
    struct hold_desk *desk;
    int result = -1;

    if (take_request(command, &request, err) != 0) {
        return -1;
    }
    desk = hold_desk_create(&command->session.conf, err);
    if (desk == NULL) {
        return -1;
    }
    if (hold_place(command->session.store, desk, NULL, &request, 1, command->act.now, &outcome,
                   err) == 0) {
        result = finish_outcome(command, &request, &outcome, err);
        hold_outcome_release(&outcome);
    }
    hold_desk_destroy(desk);
    return result;
}

static const char *text_of(const json_t *document, const char *name)
{
    const char *text = json_string_value(json_object_get(document, name));

    return text != NULL ? text : "-";
}

static void make_show(const json_t *document, struct strbuf *out)
{
    bool is_again = json_is_true(json_object_get(document, "repeated"));

    if (json_object_get(document, "hold") == NULL) {
        strbuf_printf(out, "refused, %s: %s\n", text_of(document, "reason"),
                      text_of(document, "detail"));
        return;
    }
    strbuf_printf(out, "%s: %s holds %s points until %s%s\n", text_of(document, "hold"),
                  text_of(document, "project"), text_of(document, "points"),
                  text_of(document, "expires_at"), is_again ? ", as answered before" : "");
}

/* --- end -------------------------------------------------------------------------------------- */

static int finish_end(struct command *command, const struct hold_end_result *result,
                      struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct strbuf text = STRBUF_INIT;

    if (catalog == NULL) {
        return -1;
    }
    hold_write_result(result, &catalog->zone, &text);
    return command_finish(command, load_document(&text), err);
}

static int settle_run(struct command *command, struct error *err)
{
    struct hold_settle_request request = {
        .name = command_argument(command, 0),
        .points = command->line.arguments[1].as.points,
        .is_final = !command_line_has(&command->line, "part"),
        .key = command_line_text(&command->line, "key", ""),
        .conf = &command->session.conf,
        .now = command->act.now,
    };
    struct hold_end_result result;

    if (request.is_final && *request.key != '\0') {
        return error_set(err, ERROR_ARGUMENT, "--key: only a settlement in part (--part) has one");
    }
    return hold_settle(command->session.store, &request, &result, err) != 0
               ? -1
               : finish_end(command, &result, err);
}

static int release_run(struct command *command, struct error *err)
{
    struct hold_end_result result;

    return hold_release(command->session.store, command_argument(command, 0), command->act.now,
                        &result, err) != 0
               ? -1
               : finish_end(command, &result, err);
}

static int extend_run(struct command *command, struct error *err)
{
    int64_t ttl_us = HOLD_TTL_DEFAULT_US;
    struct hold_end_result result;

    return take_ttl(command, &ttl_us, err) != 0 ||
                   hold_extend(command->session.store, command_argument(command, 0), ttl_us,
                               command->act.now, &result, err) != 0
               ? -1
               : finish_end(command, &result, err);
}

static void end_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column figures[] = {{"charged", "charged", true},
                                                 {"freed", "freed", true},
                                                 {"overspent", "overspent", true},
                                                 {0}};
    const json_t *result = json_object_get(document, "result");

    strbuf_printf(out, "%s: %s, %s of %s points held until %s%s\n", text_of(document, "hold"),
                  text_of(document, "state"), text_of(document, "held"),
                  text_of(document, "points"), text_of(document, "expires_at"),
                  json_is_true(json_object_get(result, "repeated")) ? ", as answered before" : "");
    text_fields_write(result, figures, out);
}

/* --- look ------------------------------------------------------------------------------------- */

static int show_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct hold_info hold;

    return catalog == NULL || hold_find(command->session.store, command_argument(command, 0),
                                        command->act.now, &hold, err) != 0
               ? -1
               : command_finish(command, hold_document(&hold, &catalog->zone), err);
}

static int list_page(const struct command *command, const struct zone *zone, int64_t *after,
                     json_t *list, struct error *err)
{
    struct hold_infos holds;
    int result = 0;

    if (hold_list(command->session.store, command_argument(command, 0), *after, LIST_PAGE,
                  command->act.now, &holds, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < holds.count && result == 0; i++) {
        result = json_array_append_new(list, hold_document(&holds.holds[i], zone));
    }
    *after = holds.next;
    hold_infos_release(&holds);
    return result != 0 ? error_set(err, ERROR_INTERNAL, "out of memory") : 0;
}

static int list_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    json_t *list = json_array();
    int64_t after = 0;

    do {
        if (catalog == NULL || list_page(command, &catalog->zone, &after, list, err) != 0) {
            json_decref(list);
            return -1;
        }
    } while (after != 0);
    return command_finish(command, list, err);
}

static const struct text_column hold_columns[] = {{"hold", "hold", false},
                                                  {"project", "project", false},
                                                  {"user", "user", false},
                                                  {"points", "points", true},
                                                  {"held", "held", true},
                                                  {"charged", "charged", true},
                                                  {"parts", "parts", true},
                                                  {"ended_parts", "ended", true},
                                                  {"expires_at", "expires at", false},
                                                  {"key", "key", false},
                                                  {0}};

static void list_show(const json_t *document, struct strbuf *out)
{
    text_table_write(document, hold_columns, 0, out);
}

static void show_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column rest[] = {{"state", "state", false},
                                              {"freed", "freed", true},
                                              {"made_at", "made at", false},
                                              {"ended_at", "ended at", false},
                                              {0}};

    text_fields_write(document, hold_columns, out);
    text_fields_write(document, rest, out);
}

/* --- the verbs -------------------------------------------------------------------------------- */

static const struct option_spec make_options[] = {
    {"user", 0, "U", WORD_TEXT, "for this user within the project", false},
    {"key", 0, "K", WORD_TEXT, "the same key again answers the first hold", false},
    {"ttl", 0, "D", WORD_TEXT, "time until it lapses (default 15m)", false},
    {"parts", 0, "N", WORD_TEXT, "records that end it (default 1; 0: a lease)", false},
    {0},
};

static const struct option_spec settle_options[] = {
    {"part", 0, NULL, WORD_FLAG, "a part of it, not the end", false},
    {"key", 0, "K", WORD_TEXT, "of the part, to know it again", false},
    {0},
};

static const struct option_spec extend_options[] = {
    {"ttl", 0, "D", WORD_TEXT, "time from now until it lapses (default 15m)", false},
    {0},
};

const struct verb hold_verbs[] = {
    {.spec = {"hold",
              NULL,
              {{"PROJECT", WORD_TEXT, false, false}, {"POINTS", WORD_POINTS, false, false}},
              make_options,
              "reserve points before work runs"},
     .role = STORE_DAEMON,
     .run = make_run,
     .show = make_show},
    {.spec = {"hold",
              "list",
              {{"PROJECT", WORD_TEXT, true, false}},
              NULL,
              "the open holds of a project, or of all"},
     .role = STORE_REPORT,
     .run = list_run,
     .show = list_show},
    {.spec = {"hold", "show", {{"ID", WORD_TEXT, false, false}}, NULL, "how a hold stands"},
     .role = STORE_REPORT,
     .run = show_run,
     .show = show_show},
    {.spec = {"hold",
              "extend",
              {{"ID", WORD_TEXT, false, false}},
              extend_options,
              "move the deadline of an open hold"},
     .role = STORE_DAEMON,
     .run = extend_run,
     .show = end_show},
    {.spec = {"settle",
              NULL,
              {{"ID", WORD_TEXT, false, false}, {"POINTS", WORD_POINTS, false, false}},
              settle_options,
              "charge what a hold was used for, without a record"},
     .role = STORE_DAEMON,
     .run = settle_run,
     .show = end_show},
    {.spec =
         {"release", NULL, {{"ID", WORD_TEXT, false, false}}, NULL, "give back what a hold holds"},
     .role = STORE_DAEMON,
     .run = release_run,
     .show = end_show},
    {.run = NULL},
};
