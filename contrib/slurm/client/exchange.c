/* exchange - see exchange.h.
 *
 * The socket never blocks; what is not ready is waited for with poll, until the deadline and no
 * longer.  A server that is always ready to be read cannot hold us either: the buffer ends.
 */
#include "contrib/slurm/client/exchange.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "contrib/slurm/client/reply.h"

struct call {
    int descriptor;
    int64_t deadline_us; /* absolute */
    struct ledger_answer *answer;
};

void answer_trouble(struct ledger_answer *answer, enum ledger_trouble trouble, const char *format,
                    ...)
{
    va_list arguments;

    *answer = (struct ledger_answer){.verdict = LEDGER_UNAVAILABLE, .trouble = trouble};
    va_start(arguments, format);
    vsnprintf(answer->message, sizeof(answer->message), format, arguments);
    va_end(arguments);
}

/* Whether time is left; says so if not. */
static bool has_time(struct call *call, int64_t *left_us)
{
    *left_us = call->deadline_us - ledger_monotonic_us();
    if (*left_us <= 0) {
        answer_trouble(call->answer, LEDGER_TIMEOUT, "ledgerd has not answered in time");
        return false;
    }
    return true;
}

/* Until the descriptor is ready (-1: a millisecond), a signal came, or the deadline. */
static bool wait_ready(struct call *call, int descriptor, short events)
{
    struct pollfd ready = {.fd = descriptor, .events = events};
    int64_t left_us;

    if (!has_time(call, &left_us)) {
        return false;
    }
    (void)poll(&ready, 1, descriptor == -1 ? 1 : (int)(left_us / 1000 + 1));
    return has_time(call, &left_us);
}

static bool open_socket(struct call *call, const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path)) {
        answer_trouble(call->answer, LEDGER_AWAY, "the socket's path is too long: %.120s", path);
        return false;
    }
    memcpy(address->sun_path, path, strlen(path) + 1);
    call->descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (call->descriptor == -1) {
        answer_trouble(call->answer, LEDGER_AWAY, "no socket can be made: %m");
        return false;
    }
    return true;
}

/* A Unix socket connects at once, or says EAGAIN while the queue of its listener is full: there is
 * nothing to poll for then. */
static bool connect_socket(struct call *call, const char *path)
{
    struct sockaddr_un address;

    if (!open_socket(call, path, &address)) {
        return false;
    }
    while (connect(call->descriptor, (struct sockaddr *)&address, sizeof(address)) != 0) {
        if (errno != EAGAIN && errno != EINTR) {
            answer_trouble(call->answer, LEDGER_AWAY, "cannot connect to %.120s: %m", path);
            return false;
        }
        if (!wait_ready(call, -1, 0)) {
            return false;
        }
    }
    return true;
}

/* A server that closes while we send may have answered before: that is read next. */
static bool send_request(struct call *call, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(call->descriptor, bytes, length, MSG_NOSIGNAL);

        if (sent >= 0) {
            bytes += sent;
            length -= (size_t)sent;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return true;
        } else if (errno != EAGAIN && errno != EINTR) {
            answer_trouble(call->answer, LEDGER_AWAY, "the question cannot be sent: %m");
            return false;
        } else if (!wait_ready(call, call->descriptor, POLLOUT)) {
            return false;
        }
    }
    return true;
}

static void connection_ended(struct call *call, size_t used)
{
    if (used == 0) {
        answer_trouble(call->answer, LEDGER_AWAY, "the connection ended before an answer came");
    } else {
        answer_trouble(call->answer, LEDGER_MALFORMED, "the connection ended within an answer");
    }
}

/* reply_read refuses what is about to fill the buffer: there is always room for a byte more. */
static void read_reply(struct call *call)
{
    char bytes[LEDGER_REPLY_BYTES];
    size_t used = 0;
    int64_t left_us;

    while (has_time(call, &left_us)) {
        ssize_t got = recv(call->descriptor, bytes + used, sizeof(bytes) - 1 - used, 0);
        int result;

        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            connection_ended(call, used);
            return;
        }
        if (got < 0) {
            if (!wait_ready(call, call->descriptor, POLLIN)) {
                return;
            }
            continue;
        }
        used += (size_t)got;
        bytes[used] = '\0';
        result = reply_read(bytes, used, call->answer);
        if (result == 1) {
            return;
        }
        if (result == -1) {
            answer_trouble(call->answer, LEDGER_MALFORMED,
                           "what came back is no answer of ledgerd");
            return;
        }
    }
}

void exchange(const struct ledger_client *client, const char *request, size_t length,
              struct ledger_answer *answer)
{
    struct call call = {.descriptor = -1,
                        .deadline_us = ledger_monotonic_us() + client->deadline_us,
                        .answer = answer};

    if (connect_socket(&call, client->socket_path) && send_request(&call, request, length)) {
        read_reply(&call);
    }
    if (call.descriptor != -1) {
        close(call.descriptor);
    }
}
