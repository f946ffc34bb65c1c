/* conf_address - where to listen, as HOST:PORT, and whether callers must then say who they are. */
#ifndef LEDGERD_BASE_CONF_ADDRESS_H
#define LEDGERD_BASE_CONF_ADDRESS_H

#include <stdbool.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"

/* "HOST:PORT", "[::1]:8080". Returns 0 or -1. */
int conf_address_parse(const char *text, struct conf_address *address);

/* True if the address is a loopback number or "localhost": what may be listened on without
 * authentication. */
bool conf_address_is_loopback(const struct conf_address *address);

/* True if an address lies beyond loopback. */
bool conf_listens_beyond(const struct conf *conf);

/* As [auth] mode says; by default only if an address lies beyond loopback. ERROR_ARGUMENT if one
 * does and the mode is none, or if a certificate is named without its key. */
int conf_auth_is_required(const struct conf *conf, bool *required, struct error *err);

#endif
