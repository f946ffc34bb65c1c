/* Configuration, connection and clock of a command. */
#include "ledgerd/flow/session.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/parse.h"

/* The time to pretend: --now, else LEDGER_NOW, else none. */
static int pretended_time(const struct session_options *options, struct instant *pretended,
                          struct error *err)
{
    const char *text = getenv("LEDGER_NOW");
    *pretended = options->pretended;
    if (instant_is_set(options->pretended) || text == NULL || text[0] == '\0') {
        return 0;
    }
    if (parse_rfc3339(text, strlen(text), pretended) < 0) {
        return error_set(err, ERROR_ARGUMENT,
                         "LEDGER_NOW: '%s' is not a time with offset, such as "
                         "2027-06-01T00:00:00+09:00",
                         text);
    }
    return 0;
}

int session_pretend(const struct session_options *options, struct store *store, struct instant *now,
                    struct error *err)
{
    struct instant pretended;
    bool is_sandbox = false;
    if (pretended_time(options, &pretended, err) < 0) {
        return -1;
    }
    if (!instant_is_set(pretended)) {
        *now = clock_now();
        return 0;
    }
    if (store_is_sandbox(store, &is_sandbox, err) < 0) {
        return -1;
    }
    if (!is_sandbox) {
        return error_set_reason(err, ERROR_REFUSED, "not_a_sandbox",
                                "this database is no sandbox: --now and LEDGER_NOW may pretend a "
                                "time only in one made by 'ledgerctl migrate --sandbox'");
    }
    clock_pretend(pretended);
    *now = pretended;
    return 0;
}

int session_open(const struct session_options *options, struct session *session, struct error *err)
{
    struct session opened = {0};
    if (conf_load(options->conf_path, &opened.conf, err) < 0) {
        return -1;
    }
    opened.store = store_open(opened.conf.database_url, options->role, err);
    if (opened.store == NULL) {
        conf_release(&opened.conf);
        return -1;
    }
    opened.now = clock_now();
    if (options->role != STORE_OWNER &&
        session_pretend(options, opened.store, &opened.now, err) < 0) {
        session_close(&opened);
        return -1;
    }
    *session = opened;
    return 0;
}

void session_close(struct session *session)
{
    store_close(session->store);
    conf_release(&session->conf);
    *session = (struct session){0};
}
