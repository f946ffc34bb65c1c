/* auth - who calls, and whether the route is for them (contract section 7, "who may call").
 *
 * A caller shows an access token (Authorization: Bearer), looked up by its SHA-256 in the engine's
 * memory, or is the peer of the Unix socket and has the roles that [auth] unix_uids gives its uid.
 * A token that is shown counts alone: a bad one is not made good by the uid. With mode none every
 * caller may do everything and nothing that it shows is looked at.
 *
 * The roles that let a caller through say what it sees as well: by read:<project> and gateway-user
 * alone, their projects and no others.
 */
#ifndef LEDGERD_HTTP_AUTH_H
#define LEDGERD_HTTP_AUTH_H

#include <stdbool.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"

struct auth;
struct request;

/* conf is borrowed. ERROR_ARGUMENT for settings that contradict each other, or uids that name
 * nobody. NULL on error. */
struct auth *auth_create(const struct conf *conf, struct error *err);
void auth_destroy(struct auth *auth); /* accepts NULL */

/* True if callers must say who they are. */
bool auth_is_required(const struct auth *auth);

/* Let the request's caller through to its route, with request->scope set; or refuse it: 401 (429
 * after too many failures) if it is not known who calls, 403 if that one may not. False, with the
 * reply there and request->is_refused set. */
bool auth_admit(struct request *request);

#endif
