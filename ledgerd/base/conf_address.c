/* conf_address - see conf_address.h. */
#include "ledgerd/base/conf_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ledgerd/base/parse.h"

int conf_address_parse(const char *text, struct conf_address *address)
{
    const char *colon = strrchr(text, ':');
    const char *host = text;
    size_t length;
    uint64_t port;

    if (colon == NULL || parse_u64(colon + 1, strlen(colon + 1), UINT16_MAX, &port) != 0) {
        return -1;
    }
    length = (size_t)(colon - text);
    if (length >= 2 && text[0] == '[' && colon[-1] == ']') {
        host++;
        length -= 2;
    } else if (memchr(text, ':', length) != NULL) { /* ::1:8080 could be either */
        return -1;
    }
    if (length == 0 || length >= sizeof address->host) {
        return -1;
    }
    memcpy(address->host, host, length);
    address->host[length] = '\0';
    address->port = (uint16_t)port;
    return 0;
}

bool conf_address_is_loopback(const struct conf_address *address)
{
    struct in6_addr six;
    struct in_addr four;

    if (strcasecmp(address->host, "localhost") == 0) {
        return true;
    }
    if (inet_pton(AF_INET, address->host, &four) == 1) {
        return ntohl(four.s_addr) >> 24 == 127;
    }
    return inet_pton(AF_INET6, address->host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static const struct conf_address *find_beyond(const struct conf *conf)
{
    for (size_t i = 0; i < conf->listen_count; i++) {
        if (!conf_address_is_loopback(&conf->listen[i])) {
            return &conf->listen[i];
        }
    }
    return NULL;
}

bool conf_listens_beyond(const struct conf *conf)
{
    return find_beyond(conf) != NULL;
}

int conf_auth_is_required(const struct conf *conf, bool *required, struct error *err)
{
    const struct conf_address *beyond = find_beyond(conf);

    if ((conf->http_tls_certificate[0] != '\0') != (conf->http_tls_key[0] != '\0')) {
        return error_set(err, ERROR_ARGUMENT,
                         "[http] tls_certificate and tls_key need each other: one of them is not "
                         "set");
    }
    if (beyond != NULL && conf->auth_mode == CONF_AUTH_NONE) {
        return error_set(err, ERROR_ARGUMENT,
                         "listen %s:%u: not a loopback address; with [auth] mode = none ledgerd "
                         "listens on 127.0.0.0/8, [::1] and Unix sockets alone",
                         beyond->host, beyond->port);
    }
    *required = beyond != NULL || conf->auth_mode == CONF_AUTH_REQUIRED;
    return 0;
}
