/* auth_uids - what peers of the Unix socket may do, by their uid ([auth] unix_uids). */
#ifndef LEDGERD_HTTP_AUTH_UIDS_H
#define LEDGERD_HTTP_AUTH_UIDS_H

#include <stddef.h>
#include <sys/types.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/role.h"

struct auth_uid {
    uid_t uid;
    unsigned roles; /* a set of enum role */
    char words[ROLES_TEXT_BYTES + 1];
};

struct auth_uids {
    size_t count;
    struct auth_uid *uids;
};

/* Read "slurm:submit,www-data:submit+ingest,1000:read:hp1": users by name, which the system must
 * know, or number, each once; white space around commas counts for nothing. gateway-user is of a
 * token alone. ERROR_ARGUMENT names what is off. */
int auth_uids_parse(const char *text, struct auth_uids *uids, struct error *err);
void auth_uids_release(struct auth_uids *uids);

/* NULL if the uid is not named. */
const struct auth_uid *auth_uids_find(const struct auth_uids *uids, uid_t uid);

#endif
