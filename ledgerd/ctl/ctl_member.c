/* member - who belongs to a project. */
#include <string.h>

#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/project.h"
#include "ledgerd/flow/text_table.h"

static int change_finish(struct command *command, const char *role, bool unchanged,
                         struct error *err)
{
    return command_finish(command,
                          json_pack("{s:o, s:o, s:s?, s:b}", "project",
                                    document_text(command_argument(command, 0)), "user",
                                    document_text(command_argument(command, 1)), "role", role,
                                    "unchanged", unchanged),
                          err);
}

static void change_show(const json_t *document, struct strbuf *out)
{
    const char *role = json_string_value(json_object_get(document, "role"));
    bool unchanged = json_is_true(json_object_get(document, "unchanged"));
    strbuf_printf(
        out, "%s is %s%s%s of project %s\n", json_string_value(json_object_get(document, "user")),
        unchanged ? "already " : "now ", role == NULL ? "no member" : "", role != NULL ? role : "",
        json_string_value(json_object_get(document, "project")));
}

static int add_run(struct command *command, struct error *err)
{
    const char *role = command_line_text(&command->line, "role", "member");
    bool unchanged = false;
    if (strcmp(role, "pi") != 0 && strcmp(role, "member") != 0) {
        return error_set(err, ERROR_ARGUMENT, "--role: '%s' is not pi or member", role);
    }
    struct member_request request = {.act = command->act,
                                     .project = command_argument(command, 0),
                                     .user = command_argument(command, 1),
                                     .is_pi = strcmp(role, "pi") == 0};
    if (member_add(command->session.store, &request, &unchanged, err) < 0) {
        return -1;
    }
    return change_finish(command, role, unchanged, err);
}

static int remove_run(struct command *command, struct error *err)
{
    struct member_request request = {.act = command->act,
                                     .project = command_argument(command, 0),
                                     .user = command_argument(command, 1)};
    bool unchanged = false;
    if (member_remove(command->session.store, &request, &unchanged, err) < 0) {
        return -1;
    }
    return change_finish(command, NULL, unchanged, err);
}

static int list_run(struct command *command, struct error *err)
{
    struct name_pairs members = {0};
    if (member_list(command->session.store, command_argument(command, 0), &members, err) < 0) {
        return -1;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < members.count; i++) {
        json_array_append_new(list,
                              json_pack("{s:o, s:s}", "user", document_text(members.pairs[i].first),
                                        "role", members.pairs[i].second));
    }
    name_pairs_release(&members);
    return command_finish(command, list, err);
}

static void list_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {
        {"user", "user", false}, {"role", "role", false}, {0}};
    text_table_write(document, columns, 0, out);
}

static const struct option_spec add_options[] = {
    {"role", 0, "pi|member", WORD_TEXT, "pi or member (default: member)", false},
    {0},
};

const struct verb member_verbs[] = {
    {.spec = {"member",
              "add",
              {{"PROJECT", WORD_TEXT, false, false}, {"USER", WORD_TEXT, false, false}},
              add_options,
              "make a user a member of a project"},
     .role = STORE_DAEMON,
     .run = add_run,
     .show = change_show},
    {.spec = {"member",
              "remove",
              {{"PROJECT", WORD_TEXT, false, false}, {"USER", WORD_TEXT, false, false}},
              NULL,
              "end a membership"},
     .role = STORE_DAEMON,
     .run = remove_run,
     .show = change_show},
    {.spec = {"member",
              "list",
              {{"PROJECT", WORD_TEXT, false, false}},
              NULL,
              "the members of a project"},
     .role = STORE_REPORT,
     .run = list_run,
     .show = list_show},
    {.run = NULL},
};
