/* Parts of authentication: the header, the peers of the Unix socket, and who failed how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "ledgerd/http/auth_failures.h"
#include "ledgerd/http/auth_uids.h"
#include "ledgerd/http/bearer.h"

#define WINDOW_US (AUTH_WINDOW_SECONDS * INT64_C(1000000))

static void a_bearer_is_one_token_and_nothing_else(void **state)
{
    static const struct {
        const char *value;
        const char *token; /* NULL: none */
    } rows[] = {
        {"Bearer abc", "abc"},
        {"bearer abc", "abc"},
        {"BEARER   a-b._~+/=", "a-b._~+/="},
        {"Bearer abc ", "abc"},
        {"Bearer abc \t ", "abc"},
        {"", NULL},
        {"Bearer", NULL},
        {"Bearer ", NULL},
        {"Bearerabc", NULL},
        {"Bearer\tabc", NULL},
        {" Bearer abc", NULL},
        {"Basic abc", NULL},
        {"Bearer abc def", NULL},
        {"Bearer abc, Bearer def", NULL},
        {"Bearer a\"c", NULL},
        {"Bearer \xc3\xa9", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t length = 0;
        const char *token = bearer_token(rows[i].value, &length);

        if ((token == NULL) != (rows[i].token == NULL)) {
            fail_msg("'%s'", rows[i].value);
        }
        if (token != NULL) {
            assert_int_equal(length, strlen(rows[i].token));
            assert_memory_equal(token, rows[i].token, length);
        }
    }
}

static void uids_have_roles(void **state)
{
    struct auth_uids uids;
    struct error err = {0};

    (void)state;
    assert_int_equal(auth_uids_parse(" root:submit ,, 1234:read:hp1+ingest,5:admin", &uids, &err),
                     0);
    assert_int_equal(uids.count, 3);
    assert_int_equal(auth_uids_find(&uids, 0)->roles, ROLE_SUBMIT);
    assert_int_equal(auth_uids_find(&uids, 1234)->roles, ROLE_READ | ROLE_INGEST);
    assert_string_equal(auth_uids_find(&uids, 1234)->words, "read:hp1+ingest");
    assert_null(auth_uids_find(&uids, 123));
    auth_uids_release(&uids);
    assert_int_equal(auth_uids_parse("", &uids, &err), 0);
    assert_null(auth_uids_find(&uids, 0));
    auth_uids_release(&uids);
}

static void uids_that_mean_nothing_are_refused(void **state)
{
    static const char *const bad[] = {
        "root",
        "root:",
        ":submit",
        "root:sub",
        "root:gateway-user",
        "0:submit,root:ingest",
        "no-such-user-here:submit",
        "4294967295:submit",
        "-1:submit",
        "1:submit:ingest",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct auth_uids uids;
        struct error err = {0};

        if (auth_uids_parse(bad[i], &uids, &err) != -1 || err.code != ERROR_ARGUMENT ||
            uids.uids != NULL) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
}

static void an_entry_has_an_end(void **state)
{
    char text[4096] = "0:read:";
    struct auth_uids uids;
    struct error err = {0};

    (void)state;
    memset(text + strlen(text), 'a', sizeof text - strlen(text) - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(auth_uids_parse(text, &uids, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
}

static int note(struct auth_failures *failures, uint64_t peer, int64_t now_us)
{
    struct auth_failure failure;

    auth_failures_note(failures, (struct auth_peer){.kind = AF_INET, .value = peer}, now_us,
                       &failure);
    return failure.retry_after_seconds;
}

static void a_peer_may_fail_so_often_in_a_window(void **state)
{
    struct auth_failures *failures = auth_failures_create();
    int64_t start_us = 5 * WINDOW_US + 17;

    (void)state;
    for (int i = 0; i < AUTH_FAILURES_PEER; i++) {
        assert_int_equal(note(failures, 1, start_us), 0);
    }
    assert_int_equal(note(failures, 1, start_us), AUTH_WINDOW_SECONDS);
    assert_int_equal(note(failures, 1, start_us + WINDOW_US - 1), 1);
    assert_int_equal(note(failures, 2, start_us), 0); /* another is not meant */
    assert_int_equal(note(failures, 1, start_us + WINDOW_US), 0);
    auth_failures_destroy(failures);
}

/* A uid of the Unix socket with the number of an address is another peer. */
static void kinds_of_peers_are_counted_apart(void **state)
{
    struct auth_failures *failures = auth_failures_create();
    struct auth_failure failure;

    (void)state;
    for (int i = 0; i <= AUTH_FAILURES_PEER; i++) {
        note(failures, 7, 1);
    }
    auth_failures_note(failures, (struct auth_peer){.kind = AF_UNIX, .value = 7}, 1, &failure);
    assert_int_equal(failure.retry_after_seconds, 0);
    auth_failures_destroy(failures);
}

static void all_together_may_fail_so_often(void **state)
{
    struct auth_failures *failures = auth_failures_create();

    (void)state;
    for (uint64_t peer = 0; peer < AUTH_FAILURES_ALL; peer++) {
        assert_int_equal(note(failures, peer, 1), 0);
    }
    assert_int_equal(note(failures, AUTH_FAILURES_ALL, 1), AUTH_WINDOW_SECONDS);
    assert_int_equal(note(failures, AUTH_FAILURES_ALL + 1, 1 + WINDOW_US), 0);
    auth_failures_destroy(failures);
}

/* Peers beyond the table's size push out old ones, and still count. */
static void many_peers_fit_a_table_of_fixed_size(void **state)
{
    struct auth_failures *failures = auth_failures_create();
    int64_t now_us = 1;

    (void)state;
    for (uint64_t peer = 0; peer < 5 * (uint64_t)AUTH_PEERS_MAX; peer++) {
        now_us += WINDOW_US / 500; /* so that all together stay below their limit */
        assert_int_equal(note(failures, peer, now_us), 0);
    }
    for (int i = 0; i < AUTH_FAILURES_PEER - 1; i++) { /* the last one is remembered */
        assert_int_equal(note(failures, 5 * (uint64_t)AUTH_PEERS_MAX - 1, now_us), 0);
    }
    assert_true(note(failures, 5 * (uint64_t)AUTH_PEERS_MAX - 1, now_us) > 0);
    auth_failures_destroy(failures);
}

static void a_window_is_logged_once_with_what_was_before(void **state)
{
    const struct auth_peer peer = {.kind = AF_INET, .value = 1};
    struct auth_failures *failures = auth_failures_create();
    struct auth_failure failure;

    (void)state;
    auth_failures_note(failures, peer, 1, &failure);
    assert_true(failure.is_first);
    assert_int_equal(failure.before, 0);
    for (int i = 0; i < 30; i++) {
        auth_failures_note(failures, peer, 2, &failure);
        assert_false(failure.is_first);
    }
    auth_failures_note(failures, peer, 1 + WINDOW_US, &failure);
    assert_true(failure.is_first);
    assert_int_equal(failure.before, 31);
    auth_failures_destroy(failures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bearer_is_one_token_and_nothing_else),
        cmocka_unit_test(uids_have_roles),
        cmocka_unit_test(uids_that_mean_nothing_are_refused),
        cmocka_unit_test(an_entry_has_an_end),
        cmocka_unit_test(a_peer_may_fail_so_often_in_a_window),
        cmocka_unit_test(kinds_of_peers_are_counted_apart),
        cmocka_unit_test(all_together_may_fail_so_often),
        cmocka_unit_test(many_peers_fit_a_table_of_fixed_size),
        cmocka_unit_test(a_window_is_logged_once_with_what_was_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
