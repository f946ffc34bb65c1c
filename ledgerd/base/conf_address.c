/* conf_address - where to listen, as HOST:PORT. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ledgerd/base/conf.h"
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
