/* session - what every command starts with: its configuration, its database, its time.
 *
 * A pretended time (--now, LEDGER_NOW) is
 * refused unless the book is a sandbox, because what it books would look as if it had been booked
 * then.
 */
#ifndef LEDGERD_FLOW_SESSION_H
#define LEDGERD_FLOW_SESSION_H

#include <stdbool.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/store/store.h"

struct session_options {
    const char *conf_path;    /* -c; NULL: the default file if it is there, else defaults */
    struct instant pretended; /* --now; INSTANT_NONE: LEDGER_NOW if it is set */
    enum store_role role;
};

struct session { /* a zeroed struct is empty */
    struct conf conf;
    struct store *store;
    struct instant now; /* when the command began: exactly the pretended time, if there is one */
};

/* Read the configuration, connect, and set the process's clock. Call once, before threads exist.
 * ERROR_ARGUMENT for a time that cannot be read, ERROR_REFUSED (reason not_a_sandbox) for one that
 * may not be pretended here. With STORE_OWNER, whose database may have no book yet, the caller
 * calls session_pretend itself once it has one. */
int session_open(const struct session_options *options, struct session *session, struct error *err);
void session_close(struct session *session);

/* Set the clock to the pretended time, if there is one and the book allows it; *now gets the time.
 */
int session_pretend(const struct session_options *options, struct store *store, struct instant *now,
                    struct error *err);

#endif
