/* token - who may call ledgerd: access tokens. */
#include <openssl/crypto.h>

#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/access_token.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/text_table.h"

static int create_run(struct command *command, struct error *err)
{
    const struct command_line *line = &command->line;
    const struct access_token_request request = {
        .act = command->act,
        .name = command_argument(command, 0),
        .roles = command_line_text(line, "role", NULL),
        .project = command_line_text(line, "project", NULL),
        .user = command_line_text(line, "user", NULL),
    };
    char token[ACCESS_TOKEN_BYTES];
    json_t *document;

    if (access_token_create(command->session.store, &request, token, err) < 0) {
        return -1;
    }
    document = json_pack("{s:o, s:s, s:o, s:o, s:o}", "name", document_text(request.name), "token",
                         token, "roles", document_text(request.roles), "project",
                         document_text(request.project), "user", document_text(request.user));
    OPENSSL_cleanse(token, sizeof token);
    return command_finish(command, document, err);
}

/* Nothing but the token, so that a script can take it as it comes. */
static void create_show(const json_t *document, struct strbuf *out)
{
    strbuf_printf(out, "%s\n", json_string_value(json_object_get(document, "token")));
}

static int revoke_run(struct command *command, struct error *err)
{
    const struct access_token_request request = {.act = command->act,
                                                 .name = command_argument(command, 0)};
    bool unchanged = false;

    if (access_token_revoke(command->session.store, &request, &unchanged, err) < 0) {
        return -1;
    }
    return command_finish(
        command,
        json_pack("{s:o, s:b}", "name", document_text(request.name), "unchanged", unchanged), err);
}

static void revoke_show(const json_t *document, struct strbuf *out)
{
    strbuf_printf(out, "token %s is %s revoked\n",
                  json_string_value(json_object_get(document, "name")),
                  json_is_true(json_object_get(document, "unchanged")) ? "already" : "now");
}

static json_t *token_document(const struct access_token_row *row, const struct zone *zone)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "name", document_text(row->name), "roles",
        document_text(row->roles), "project", document_text(row->project), "user",
        document_text(row->user[0] != '\0' ? row->user : NULL), "state",
        instant_is_set(row->revoked_at) ? "revoked" : "active", "created_at",
        document_instant(zone, row->created_at), "created_by", document_text(row->created_by),
        "revoked_at", document_instant(zone, row->revoked_at), "revoked_by",
        document_text(row->revoked_by));
}

static int list_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct access_token_rows rows = {0};
    json_t *list;

    if (catalog == NULL || access_token_list(command->session.store, &rows, err) < 0) {
        return -1;
    }
    list = json_array();
    for (size_t i = 0; i < rows.count; i++) {
        json_array_append_new(list, token_document(&rows.rows[i], &catalog->zone));
    }
    access_token_rows_release(&rows);
    return command_finish(command, list, err);
}

static void list_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {
        {"name", "name", false},       {"roles", "roles", false},
        {"project", "project", false}, {"user", "user", false},
        {"state", "state", false},     {"created_at", "created", false},
        {"created_by", "by", false},   {"revoked_at", "revoked", false},
        {"revoked_by", "by", false},   {0}};
    text_table_write(document, columns, 0, out);
}

static const struct option_spec create_options[] = {
    {"role", 0, "R[+R]", WORD_TEXT,
     "submit, ingest, read:PROJECT, report and admin, joined by '+', or gateway-user alone", true},
    {"project", 0, "P", WORD_TEXT, "project of a gateway-user", false},
    {"user", 0, "U", WORD_TEXT, "user of that project whose token it is", false},
    {0},
};

const struct verb token_verbs[] = {
    {.spec = {"token",
              "create",
              {{"NAME", WORD_TEXT, false, false}},
              create_options,
              "make an access token; its text is told now and never again"},
     .role = STORE_DAEMON,
     .run = create_run,
     .show = create_show},
    {.spec = {"token", "list", {{0}}, NULL, "all access tokens, revoked ones too"},
     .role = STORE_REPORT,
     .run = list_run,
     .show = list_show},
    {.spec = {"token",
              "revoke",
              {{"NAME", WORD_TEXT, false, false}},
              NULL,
              "end an access token for good; ledgerd refuses it within a second"},
     .role = STORE_DAEMON,
     .run = revoke_run,
     .show = revoke_show},
    {.run = NULL},
};
