/* verify - the book proves itself. */
#include <sched.h>
#include <string.h>

#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/checkpoint.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/seal.h"
#include "ledgerd/flow/text_table.h"
#include "ledgerd/flow/verify.h"

/* A site without ledgerd is sealed here. Where that can't be done (a replica, a role that only
 * reads) the book is verified as it stands; the sentence says why, "" if it was done. */
static void seal_first(const struct command *command, struct error *why)
{
    struct store *store = store_open(command->session.conf.database_url, STORE_DAEMON, why);
    if (store != NULL) {
        seal_book(store, true, NULL, why);
    }
    store_close(store);
}

/* The checkpoint must be signed by the key that the caller trusts, if one is named. */
static int check_signer(struct command *command, const struct checkpoint *since, struct error *err)
{
    const char *path = command_line_text(&command->line, "key",
                                         command->session.conf.checkpoint_public_key);
    unsigned char key[CHECKPOINT_KEY_BYTES];
    struct strbuf pem = STRBUF_INIT;
    if (path[0] == '\0') {
        return 0;
    }
    int result = command_read_file(path, &pem, err);
    if (result == 0 && checkpoint_public_key(pem.data, pem.length, key, err) < 0) {
        result = command_blame_file(path, err);
    }
    strbuf_release(&pem);
    if (result == 0 && memcmp(key, since->public_key, sizeof key) != 0) {
        return error_set_reason(err, ERROR_VERIFY, "other_key",
                                "the checkpoint was signed by another key than that of %s", path);
    }
    return result;
}

static int since_read(struct command *command, const char *path, struct checkpoint *since,
                      struct error *err)
{
    struct strbuf text = STRBUF_INIT;
    int result = command_read_file(path, &text, err);
    if (result == 0 && checkpoint_read(text.data, text.length, since, err) < 0) {
        result = error_prefix(err, "%s", path);
    }
    strbuf_release(&text);
    return result < 0 ? -1 : check_signer(command, since, err);
}

static json_t *result_document(const struct verify_result *result, const struct zone *zone,
                               const struct error *sealing)
{
    json_t *checks = json_array();
    for (size_t i = 0; i < result->check_count; i++) {
        json_array_append_new(checks, json_pack("{s:s, s:b, s:o}", "name", result->checks[i].name,
                                                "ok", result->checks[i].ok, "detail",
                                                document_text(result->checks[i].detail)));
    }
    json_t *document = json_pack(
        "{s:b, s:o, s:I, s:I, s:o, s:I, s:I}", "ok", result->ok, "checks", checks, "transfers",
        (json_int_t)result->transfers, "records", (json_int_t)result->records, "sealed_through",
        document_instant(zone, result->sealed_through), "seals", (json_int_t)result->seals,
        "unsealed", (json_int_t)result->unsealed);
    if (document != NULL && sealing->code != ERROR_NONE) {
        json_object_set_new(document, "not_sealing", document_text(sealing->text));
    }
    return document;
}

/* Rows come faster than they are looked at. Woken for every few of them, this process would push
 * the server off its core each time; as a batch job it waits its turn and takes many at once. Where
 * that is not allowed it is only slower. */
static void become_batch_job(void)
{
    const struct sched_param no_priority = {0};

    (void)sched_setscheduler(0, SCHED_BATCH, &no_priority);
}

static int verify_run(struct command *command, struct error *err)
{
    const struct word *every = command_line_option(&command->line, "every");
    const char *path = command_line_text(&command->line, "since", NULL);
    struct checkpoint since = {0};
    struct verify_options options = {
        .rerate_every = every->text != NULL ? (int64_t)every->as.number : 1,
        .since = path != NULL ? &since : NULL,
    };
    struct verify_result result = {0};
    struct error sealing = {0};
    if (path != NULL && since_read(command, path, &since, err) < 0) {
        return -1;
    }
    become_batch_job();
    seal_first(command, &sealing);
    const struct catalog *catalog = command_catalog(command, err);
    if (catalog == NULL || verify_book(command->session.store, &options, &result, err) < 0) {
        return -1;
    }
    command->status = result.ok ? 0 : 5;
    return command_finish(command, result_document(&result, &catalog->zone, &sealing), err);
}

static void verify_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {
        {"ok", "ok", false}, {"name", "check", false}, {"detail", "detail", false}, {0}};
    const char *through = json_string_value(json_object_get(document, "sealed_through"));
    const char *why = json_string_value(json_object_get(document, "not_sealing"));
    text_table_write(json_object_get(document, "checks"), columns, 0, out);
    strbuf_printf(out, "%s: %lld transfers, %lld records\n",
                  json_is_true(json_object_get(document, "ok")) ? "the book is right"
                                                                : "the book does NOT prove itself",
                  (long long)json_integer_value(json_object_get(document, "transfers")),
                  (long long)json_integer_value(json_object_get(document, "records")));
    strbuf_printf(out, "sealed through %s in %lld seals, %lld transfers above it\n",
                  through != NULL ? through : "nothing",
                  (long long)json_integer_value(json_object_get(document, "seals")),
                  (long long)json_integer_value(json_object_get(document, "unsealed")));
    if (why != NULL) {
        strbuf_printf(out, "nothing was sealed by this call: %s\n", why);
    }
}

static const struct option_spec verify_options[] = {
    {"every", 0, "N", WORD_NUMBER, "re-rate one record in N (default: all)", false},
    {"since", 0, "CHECKPOINT", WORD_TEXT, "compare with a checkpoint's file as well", false},
    {"key", 0, "FILE", WORD_TEXT, "the key that must have signed it, public or private", false},
    {0},
};

const struct verb verify_verbs[] = {
    {.spec = {"verify",
              NULL,
              {{0}},
              verify_options,
              "recompute every sum, charge and seal; exit code 5 if the book is not right"},
     .role = STORE_REPORT,
     .run = verify_run,
     .show = verify_show},
    {.run = NULL},
};
