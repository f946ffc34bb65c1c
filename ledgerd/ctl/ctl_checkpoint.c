/* checkpoint - where the chain of seals stands, signed, to be kept elsewhere. */
#include <stdio.h>
#include <string.h>

#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/checkpoint.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/seal.h"

static int key_read(struct command *command, struct strbuf *pem, const char **path,
                    struct error *err)
{
    *path = command_line_text(&command->line, "key", command->session.conf.checkpoint_key);
    if ((*path)[0] == '\0') {
        return error_set(err, ERROR_ARGUMENT,
                         "which key signs? --key FILE or [checkpoint] key names a file that "
                         "openssl genpkey -algorithm ed25519 -out FILE makes");
    }
    return command_read_file(*path, pem, err);
}

static int document_export(const json_t *document, const char *path, struct error *err)
{
    struct strbuf text = STRBUF_INIT;
    int result = document_write(document, &text, err);
    if (result == 0) {
        result = command_write_file(path, &text, err);
    }
    strbuf_release(&text);
    return result;
}

static int record_act(struct store *store, void *context, struct error *err)
{
    const struct command *command = context;
    char subject[32];
    snprintf(subject, sizeof subject, "seal %lld",
             (long long)json_integer_value(json_object_get(command->document, "seal")));
    return manual_record(store, &command->act, "checkpoint export", subject,
                         json_string_value(json_object_get(command->document, "head")), NULL, err);
}

static int export_run(struct command *command, struct error *err)
{
    struct store *store = command->session.store;
    const struct catalog *catalog = command_catalog(command, err);
    struct strbuf pem = STRBUF_INIT;
    const char *path;
    json_t *document = NULL;
    int result = -1;
    if (catalog != NULL && manual_check(&command->act, err) == 0 &&
        key_read(command, &pem, &path, err) == 0 && seal_book(store, true, NULL, err) == 0) {
        document = checkpoint_make(store, pem.data, pem.length, command->act.now, &catalog->zone,
                                   err);
        result = document != NULL ? command_finish(command, document, err)
                                  : command_blame_file(path, err);
    }
    if (pem.length > 0) {
        explicit_bzero(pem.data, pem.length);
    }
    strbuf_release(&pem);
    if (result == 0) {
        result = document_export(document, command_argument(command, 0), err);
    }
    return result == 0 ? store_transact(store, STORE_UNLOCKED, record_act, command, err) : -1;
}

static void export_show(const json_t *document, struct strbuf *out)
{
    strbuf_printf(out, "seal %lld, %lld transfers, head %s\nsigned by %s\n",
                  (long long)json_integer_value(json_object_get(document, "seal")),
                  (long long)json_integer_value(json_object_get(document, "transfers")),
                  json_string_value(json_object_get(document, "head")),
                  json_string_value(json_object_get(document, "public_key")));
}

static const struct option_spec export_options[] = {
    {"key", 0, "FILE", WORD_TEXT, "Ed25519 private key (PEM) instead of the configured one", false},
    {0},
};

const struct verb checkpoint_verbs[] = {
    {.spec = {"checkpoint",
              "export",
              {{"FILE", WORD_TEXT, false, false}},
              export_options,
              "seal the book and write where its chain stands, signed, to be kept elsewhere"},
     .role = STORE_DAEMON,
     .run = export_run,
     .show = export_show},
    {.run = NULL},
};
