/* Answers of slurmrestd as they come: whole, in pieces, never done; with deadlines and a stop. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "importers/slurm_rest_http_pull.h"
#include "ledgerd/base/clock.h"

enum { PIECE_BYTES = 100 * 1000, PAUSE_US = 20 * 1000 };
static const int64_t LONG_US = 20 * INSTANT_SECOND_US;

/* A server of one connection: what it says first, and how often it then says `piece`. */
struct server {
    int fd;
    char url[64];
    const char *head;
    const char *piece;
    size_t piece_length;
    int pieces;   /* -1: until nobody listens */
    int pause_us; /* before each */
    bool hangs;   /* says no more, and keeps the connection until it is closed */
    uint64_t sent;
    char request[4096];
    pthread_t thread;
};

static bool say(struct server *server, int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        length -= (size_t)sent;
        server->sent += (uint64_t)sent;
    }
    return true;
}

static void *serve(void *context)
{
    struct server *server = context;
    int fd = accept(server->fd, NULL, NULL);
    char rest[64];
    size_t used = 0;
    ssize_t got;

    while (fd >= 0 && strstr(server->request, "\r\n\r\n") == NULL &&
           (got = recv(fd, server->request + used, sizeof server->request - 1 - used, 0)) > 0) {
        used += (size_t)got;
    }
    bool heard = say(server, fd, server->head, strlen(server->head));
    for (int i = 0; heard && i != server->pieces; i++) {
        usleep((useconds_t)server->pause_us);
        heard = say(server, fd, server->piece, server->piece_length);
    }
    while (server->hangs && recv(fd, rest, sizeof rest, 0) > 0) {
    }
    close(fd);
    return NULL;
}

static void server_start(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->fd >= 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->fd, 1), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_end(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->fd);
}

static struct rest_client *client_of(struct server *server, int64_t idle_us, int64_t whole_us,
                                     const atomic_bool *stop)
{
    const struct rest_client_options options = {.url = server->url,
                                                .token_file = "",
                                                .idle_us = idle_us,
                                                .whole_us = whole_us,
                                                .stop = stop};
    struct error err = {0};

    server_start(server);
    struct rest_client *client = rest_client_open(&options, &err);
    assert_non_null(client);
    return client;
}

static void an_answer_waits_in_the_server_until_it_is_read(void **state)
{
    char piece[PIECE_BYTES], buffer[1000];
    struct server server = {.head = "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n",
                            .piece = piece,
                            .piece_length = sizeof piece,
                            .pieces = 100};
    struct error err = {0};
    uint64_t total = 0;
    ssize_t got;

    (void)state;
    memset(piece, 'x', sizeof piece);
    struct rest_client *client = client_of(&server, LONG_US, LONG_US, NULL);
    assert_int_equal(rest_client_get(client, "/slurm/v0.0.38/jobs?a=b", 1 << 30, &err), 0);
    while ((got = rest_client_read(client, buffer, sizeof buffer, &err)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            assert_int_equal(buffer[i], 'x');
        }
        total += (uint64_t)got;
        assert_true(rest_client_bytes(client) - total <= CLIENT_BYTES);
    }
    assert_int_equal(got, 0);
    assert_int_equal(total, 100 * PIECE_BYTES);
    assert_int_equal(rest_client_read(client, buffer, sizeof buffer, &err), 0);
    rest_client_close(client);
    server_end(&server);
    assert_memory_equal(server.request, "GET /slurm/v0.0.38/jobs?a=b HTTP/1.1\r\n", 38);
    assert_null(strstr(server.request, "X-SLURM"));
}

/* Reads to the end, which must be an error with this excess. */
static void read_to_the_error(struct rest_client *client, uint64_t limit,
                              enum rest_client_excess excess, struct error *err)
{
    char buffer[4096];
    ssize_t got;

    assert_int_equal(rest_client_get(client, "/x", limit, err), 0);
    while ((got = rest_client_read(client, buffer, sizeof buffer, err)) > 0) {
    }
    assert_int_equal(got, -1);
    assert_int_equal(err->code, ERROR_UNAVAILABLE);
    assert_int_equal(rest_client_excess(client), excess);
}

static void an_answer_that_is_never_done_is_given_up(void **state)
{
    struct server server = {.head = "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n",
                            .piece = " ",
                            .piece_length = 1,
                            .pieces = -1,
                            .pause_us = PAUSE_US};
    struct error err = {0};

    (void)state;
    struct rest_client *client = client_of(&server, LONG_US, INSTANT_SECOND_US / 2, NULL);
    read_to_the_error(client, 1 << 30, REST_TOO_SLOW, &err);
    assert_true(rest_client_waited_us(client) < LONG_US / 2);
    rest_client_close(client);
    server_end(&server);
    assert_true(server.sent > 10);
}

static void an_answer_that_pauses_too_long_is_given_up(void **state)
{
    struct server server = {.head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun",
                            .hangs = true};
    struct error err = {0};

    (void)state;
    struct rest_client *client = client_of(&server, INSTANT_SECOND_US / 2, LONG_US, NULL);
    read_to_the_error(client, 1 << 30, REST_TOO_SLOW, &err);
    assert_true(rest_client_waited_us(client) < LONG_US / 2);
    rest_client_close(client);
    server_end(&server);
}

static void an_answer_beyond_the_limit_is_given_up(void **state)
{
    char piece[PIECE_BYTES] = {0};
    struct server server = {.head = "HTTP/1.1 200 OK\r\n\r\n",
                            .piece = piece,
                            .piece_length = sizeof piece,
                            .pieces = -1};
    struct error err = {0};

    (void)state;
    struct rest_client *client = client_of(&server, LONG_US, LONG_US, NULL);
    read_to_the_error(client, 1000 * 1000, REST_TOO_LARGE, &err);
    rest_client_close(client);
    server_end(&server);
}

static void an_answer_that_is_cut_off_is_no_end(void **state)
{
    static const char *const heads[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "",
        "nonsense\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct server server = {.head = heads[i]};
        struct error err = {0};
        struct rest_client *client = client_of(&server, LONG_US, LONG_US, NULL);

        read_to_the_error(client, 1 << 30, REST_NO_EXCESS, &err);
        assert_non_null(strstr(err.text, server.url));
        rest_client_close(client);
        server_end(&server);
    }
}

static void *stop_soon(void *context)
{
    usleep(PAUSE_US * 10);
    atomic_store((atomic_bool *)context, true);
    return NULL;
}

static void a_stop_ends_the_waiting(void **state)
{
    struct server server = {.head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
                            .hangs = true};
    struct error err = {0};
    atomic_bool stop = false;
    pthread_t thread;
    int64_t began = clock_monotonic_us();

    (void)state;
    struct rest_client *client = client_of(&server, LONG_US, LONG_US, &stop);
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, &stop), 0);
    read_to_the_error(client, 1 << 30, REST_NO_EXCESS, &err);
    assert_string_equal(err.reason, "stopped");
    assert_true(clock_monotonic_us() - began < LONG_US / 2);
    pthread_join(thread, NULL);
    rest_client_close(client);
    server_end(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_waits_in_the_server_until_it_is_read),
        cmocka_unit_test(an_answer_that_is_never_done_is_given_up),
        cmocka_unit_test(an_answer_that_pauses_too_long_is_given_up),
        cmocka_unit_test(an_answer_beyond_the_limit_is_given_up),
        cmocka_unit_test(an_answer_that_is_cut_off_is_no_end),
        cmocka_unit_test(a_stop_ends_the_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
