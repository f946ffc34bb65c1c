/* listen - sockets to listen on: TCP and Unix sockets. */
#ifndef LEDGERD_HTTP_LISTEN_H
#define LEDGERD_HTTP_LISTEN_H

#include <stdbool.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"

enum { LISTEN_TEXT_BYTES = 128 };

/* Listen on an address; port 0 is any free one. What turns out to lie beyond loopback is
 * ERROR_ARGUMENT unless it may: without authentication nothing would guard it.
 * text[LISTEN_TEXT_BYTES] gets the address bound. Returns the descriptor or -1. */
int listen_tcp(const struct conf_address *address, bool may_be_beyond, char *text,
               struct error *err);

/* Open a Unix socket at `path`, mode 0660. A socket that nobody listens on any more is replaced; a
 * live one is ERROR_UNAVAILABLE. Returns the descriptor or -1. */
int listen_unix(const char *path, struct error *err);

#endif
