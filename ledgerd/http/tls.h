/* tls - the certificate and key that TCP listeners show, read once ([http] tls_certificate,
 * tls_key). */
#ifndef LEDGERD_HTTP_TLS_H
#define LEDGERD_HTTP_TLS_H

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"

struct tls { /* PEM texts; NULL without TLS */
    char *certificate;
    char *key;
};

/* Read both files; neither is set: *tls is empty. ERROR_INPUT for a file that cannot be read or
 * holds no PEM, or a key that is not the certificate's; ERROR_ARGUMENT if libmicrohttpd was built
 * without TLS. A key that everybody can read is warned of. */
int tls_load(const struct conf *conf, struct tls *tls, struct error *err);

/* Wipes the key. */
void tls_release(struct tls *tls);

#endif
