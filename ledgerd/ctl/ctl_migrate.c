/* migrate - bring the database to this version. */
#include "ledgerd/ctl/verbs.h"

static int migrate_run(struct command *command, struct error *err)
{
    bool sandbox = command_line_has(&command->line, "sandbox");
    int applied = 0;
    if (store_migrate(command->session.store, sandbox, &applied, err) < 0 ||
        store_is_sandbox(command->session.store, &sandbox, err) < 0) {
        return -1;
    }
    return command_finish(command, json_pack("{s:i, s:b}", "applied", applied, "sandbox", sandbox),
                          err);
}

static void migrate_show(const json_t *document, struct strbuf *out)
{
    json_int_t applied = json_integer_value(json_object_get(document, "applied"));
    if (applied == 0) {
        strbuf_add_string(out, "the database is up to date\n");
    } else {
        strbuf_printf(out, "%lld migration%s applied\n", (long long)applied,
                      applied == 1 ? "" : "s");
    }
}

static const struct option_spec migrate_options[] = {
    {"sandbox", 0, NULL, WORD_FLAG, "mark an empty database as one where time may be pretended",
     false},
    {0},
};

const struct verb migrate_verbs[] = {
    {.spec = {"migrate",
              NULL,
              {{0}},
              migrate_options,
              "bring the database to this version; a newer one is refused"},
     .role = STORE_OWNER,
     .run = migrate_run,
     .show = migrate_show},
    {.run = NULL},
};
