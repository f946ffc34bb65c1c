/* listen - open listening sockets; see listen.h. */
#include "ledgerd/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 512 };

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    }
    return false;
}

static void describe_bound(int descriptor, char *text)
{
    struct sockaddr_storage bound;
    socklen_t length = sizeof(bound);
    char host[INET6_ADDRSTRLEN] = "?";
    char port[8] = "?";

    if (getsockname(descriptor, (struct sockaddr *)&bound, &length) == 0) {
        getnameinfo((struct sockaddr *)&bound, length, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV);
    }
    snprintf(text, LISTEN_TEXT_BYTES, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

static int open_address(const char *name, const struct addrinfo *found, bool may_be_beyond,
                        char *text, struct error *err)
{
    const int one = 1;

    if (!may_be_beyond && !is_loopback(found->ai_addr)) {
        return error_set(
            err, ERROR_ARGUMENT,
            "listen %s: not a loopback address; without authentication ledgerd listens on "
            "127.0.0.0/8, [::1] and Unix sockets alone",
            name);
    }
    int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) {
        return error_set(err, ERROR_INTERNAL, "listen %s: %s", name, strerror(errno));
    }
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(descriptor, found->ai_addr, found->ai_addrlen) != 0 ||
        listen(descriptor, LISTEN_BACKLOG) != 0) {
        error_set(err, ERROR_UNAVAILABLE, "listen %s: %s", name, strerror(errno));
        close(descriptor);
        return -1;
    }
    describe_bound(descriptor, text);
    return descriptor;
}

int listen_tcp(const struct conf_address *address, bool may_be_beyond, char *text,
               struct error *err)
{
    char name[CONF_HOST_BYTES + 16];
    char port[8];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};

    snprintf(name, sizeof(name), "%s:%u", address->host, address->port);
    snprintf(port, sizeof(port), "%u", address->port);
    int failure = getaddrinfo(address->host, port, &hints, &found);
    if (failure != 0) {
        return error_set(err, ERROR_ARGUMENT, "listen %s: %s", name, gai_strerror(failure));
    }
    int descriptor = open_address(name, found, may_be_beyond, text, err);
    freeaddrinfo(found);
    return descriptor;
}

/* True if somebody answers at the socket. */
static bool is_live(const struct sockaddr_un *address)
{
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool live = descriptor >= 0 &&
                connect(descriptor, (const struct sockaddr *)address, sizeof(*address)) == 0;

    if (descriptor >= 0) {
        close(descriptor);
    }
    return live;
}

int listen_unix(const char *path, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;

    if (strlen(path) >= sizeof(address.sun_path)) {
        return error_set(err, ERROR_ARGUMENT, "unix %s: longer than the %zu bytes of a socket path",
                         path, sizeof(address.sun_path) - 1);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (lstat(path, &status) == 0) {
        if (!S_ISSOCK(status.st_mode)) {
            return error_set(err, ERROR_ARGUMENT, "unix %s: exists and is no socket", path);
        }
        if (is_live(&address)) {
            return error_set(err, ERROR_UNAVAILABLE, "unix %s: somebody listens there already",
                             path);
        }
        unlink(path);
    }
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) {
        return error_set(err, ERROR_INTERNAL, "unix %s: %s", path, strerror(errno));
    }
    if (bind(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(path, 0660) != 0 || listen(descriptor, LISTEN_BACKLOG) != 0) {
        error_set(err, ERROR_UNAVAILABLE, "unix %s: %s", path, strerror(errno));
        close(descriptor);
        return -1;
    }
    return descriptor;
}
