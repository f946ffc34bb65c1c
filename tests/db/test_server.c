/* The engine and the HTTP server in one process, asked by many threads while the book changes under
 * them.
 *
 * The script tests ask a running ledgerd; here everything is in one program, so that the sanitizers
 * see all of it.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/conf.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/flow/engine.h"
#include "ledgerd/flow/grant.h"
#include "ledgerd/flow/policy_apply.h"
#include "ledgerd/flow/project.h"
#include "ledgerd/http/server.h"
#include "tests/lib/testdb.h"

enum { ASKERS = 4, ASKS = 150, CHANGES = 30 };

static const char POLICY[] =
    "{\"policy\":\"t\",\"timezone\":\"Asia/"
    "Tokyo\",\"effective_from\":\"2027-06-01T00:00:00+09:00\","
    "\"shares\":[{\"share\":\"hpci\",\"fraction\":\"1\"}],"
    "\"supply\":[{\"id\":\"s\",\"fiscal_year\":2027,\"from\":\"2027-06-01T00:00:00+09:00\","
    "\"to\":\"2028-04-01T00:00:00+09:00\",\"resource\":\"gpu\",\"count\":10,\"hours\":\"1000\","
    "\"points_per_hour\":\"1\"}]}";

static struct error err;
static const char *conninfo;
static struct conf conf;
static struct engine *engine;
static struct server *server;
static struct sockaddr_in address;

static struct manual_act act_now(void)
{
    return (struct manual_act){.actor = "test", .now = clock_now()};
}

static void must(int result)
{
    if (result != 0) {
        fail_msg("%s", err.text);
    }
}

static void grant_some(struct store *store)
{
    struct grant_result result;
    const struct grant_request grant = {.act = act_now(),
                                        .project = "hp1",
                                        .points = {10 * POINTS_MICRO},
                                        .from = INSTANT_NONE,
                                        .to = INSTANT_NONE};

    must(grant_make(store, &grant, &result, &err));
}

static void make_book(void)
{
    struct store *store = store_open(conninfo, STORE_DAEMON, &err);
    const struct policy_apply_request policy = {
        .act = act_now(), .json = POLICY, .length = sizeof(POLICY) - 1};
    const struct project_add_request project = {
        .act = act_now(), .id = "hp1", .share = "hpci", .name = ""};
    struct policy_apply_result result = {0};
    bool unchanged;

    assert_non_null(store);
    must(policy_apply(store, &policy, &result, &err));
    policy_apply_result_release(&result);
    must(project_add(store, &project, &unchanged, &err));
    grant_some(store);
    store_close(store);
}

static int set_up(void **state)
{
    unsigned port;

    (void)state;
    struct instant start;
    assert_int_equal(parse_rfc3339("2027-06-10T00:00:00Z", 20, &start), 0);
    clock_pretend(start);
    conninfo = testdb_create("server");
    make_book();
    must(conf_parse("test", "[http]\nlisten = 127.0.0.1:0\n", &conf, &err));
    engine = engine_create(conninfo, conf.http_max_staleness_us, &err);
    assert_non_null(engine);
    server = server_start(&conf, conninfo, engine, &err);
    assert_non_null(server);
    assert_int_equal(sscanf(server_address(server, 0), "127.0.0.1:%u", &port), 1);
    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    server_stop(server);
    engine_destroy(engine);
    conf_release(&conf);
    testdb_drop(conninfo);
    return 0;
}

/* Send a request on a connection of its own and read to its end; the status, 0 if there was no
 * answer. */
static int ask(const char *request, char *answer, size_t room)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    size_t length = 0;
    ssize_t got;
    int status = 0;

    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        send(descriptor, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request)) {
        while ((got = recv(descriptor, answer + length, room - 1 - length, 0)) > 0) {
            length += (size_t)got;
        }
    }
    close(descriptor);
    answer[length] = '\0';
    if (sscanf(answer, "HTTP/1.1 %d", &status) != 1) {
        return 0;
    }
    return status;
}

static const char *const REQUESTS[] = {
    "GET /v1/check?project=hp1&points=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET /v1/check?project=hp1&points=9999 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET /v1/projects/hp1/balance HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET /v1/projects?limit=5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "POST /v1/checks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 33\r\n\r\n"
    "[{\"project\":\"hp1\",\"points\":\"1\"}]\n\n",
};

static void *ask_often(void *argument)
{
    intptr_t wrong = 0;
    char answer[16384];

    (void)argument;
    for (size_t i = 0; i < ASKS; i++) {
        wrong += ask(REQUESTS[i % (sizeof(REQUESTS) / sizeof(REQUESTS[0]))], answer,
                     sizeof(answer)) != 200;
    }
    return (void *)wrong;
}

static void test_askers_and_grants_at_once(void **state)
{
    struct store *store = store_open(conninfo, STORE_DAEMON, &err);
    pthread_t threads[ASKERS];
    void *wrong;

    (void)state;
    assert_non_null(store);
    for (int i = 0; i < ASKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
    }
    for (int i = 0; i < CHANGES; i++) {
        grant_some(store);
        engine_wake(engine);
    }
    for (int i = 0; i < ASKERS; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    store_close(store);
}

static void test_what_was_granted_shows(void **state)
{
    char answer[16384];

    (void)state;
    for (int tried = 0; tried < 500; tried++) {
        assert_int_equal(ask(REQUESTS[0], answer, sizeof(answer)), 200);
        if (strstr(answer, "\"available\":\"310.000000\"") != NULL) {
            return;
        }
        usleep(10000);
    }
    fail_msg("31 grants of 10 points do not show: %s", answer);
}

static void test_a_client_that_leaves_while_a_worker_works(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        int descriptor = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_true(send(descriptor, REQUESTS[2], strlen(REQUESTS[2]), MSG_NOSIGNAL) > 0);
        close(descriptor);
    }
    char answer[16384];
    assert_int_equal(ask(REQUESTS[2], answer, sizeof(answer)), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_askers_and_grants_at_once),
        cmocka_unit_test(test_what_was_granted_shows),
        cmocka_unit_test(test_a_client_that_leaves_while_a_worker_works),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
