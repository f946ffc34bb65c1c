/* Access tokens: made, found again by their text, revoked; what the book keeps of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/core/role.h"
#include "ledgerd/flow/access_token.h"
#include "ledgerd/flow/catalog_access.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

static int setup(void **state)
{
    struct book *book = calloc(1, sizeof *book);

    book_open(book, "access");
    book_agree(book);
    book_add_project(book, "hp1", "hpci");
    book_add_service(book, "svc", "gateway:*/m");
    *state = book;
    return 0;
}

static int teardown(void **state)
{
    book_close(*state);
    free(*state);
    return 0;
}

static int create(struct book *book, const char *name, const char *roles, const char *project,
                  const char *user, char *token, struct error *err)
{
    const struct access_token_request request = {.act = book_act("2027-06-02"),
                                                 .name = name,
                                                 .roles = roles,
                                                 .project = project,
                                                 .user = user};

    *err = (struct error){0};
    return access_token_create(book->store, &request, token, err);
}

/* The name that the catalog has for a token's text, "" if it finds none; and its roles. */
static void find(struct book *book, const char *token, char name[64], unsigned *roles)
{
    struct error err = {0};
    struct catalog *catalog = catalog_load(book->store, &err);
    unsigned char sha256[ACCESS_SHA256_BYTES];
    const struct catalog_token *found;

    assert_non_null(catalog);
    found = access_token_hash(token, strlen(token), sha256) ? catalog_access_find(catalog, sha256)
                                                            : NULL;
    snprintf(name, 64, "%s", found != NULL ? found->row->name : "");
    *roles = found != NULL ? found->roles : 0;
    catalog_destroy(catalog);
}

static void a_token_is_found_by_its_text_alone(void **state)
{
    enum { TOKENS = 40 };
    static char tokens[TOKENS][ACCESS_TOKEN_BYTES];
    struct book *book = *state;
    struct error err;
    unsigned roles;
    char name[64];

    for (int i = 0; i < TOKENS; i++) {
        snprintf(name, sizeof name, "t%d", i);
        assert_int_equal(
            create(book, name, i % 2 ? "submit+ingest" : "read:hp1", NULL, NULL, tokens[i], &err),
            0);
        assert_int_equal(strlen(tokens[i]), ACCESS_TOKEN_LENGTH);
        assert_memory_equal(tokens[i], "ldg_", 4);
    }
    for (int i = 0; i < TOKENS; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "t%d", i);
        find(book, tokens[i], name, &roles);
        assert_string_equal(name, wanted);
        assert_int_equal(roles, i % 2 ? ROLE_SUBMIT | ROLE_INGEST : ROLE_READ);
    }
    tokens[0][20] = tokens[0][20] == 'A' ? 'B' : 'A';
    find(book, tokens[0], name, &roles);
    assert_string_equal(name, "");
}

static void the_book_keeps_no_text_of_a_token(void **state)
{
    struct book *book = *state;
    struct error err;
    char token[ACCESS_TOKEN_BYTES];
    char sql[400];

    assert_int_equal(create(book, "t", "submit", NULL, NULL, token, &err), 0);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM ledger.access_token t WHERE t::text LIKE '%%%s%%'", token + 4);
    assert_int_equal(testdb_int(book->conninfo, sql), 0);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM ledger.audit a WHERE a::text LIKE '%%%s%%'",
             token + 4);
    assert_int_equal(testdb_int(book->conninfo, sql), 0);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM ledger.access_token WHERE sha256 = sha256(convert_to('%s', "
             "'UTF8'))",
             token);
    assert_int_equal(testdb_int(book->conninfo, sql), 1);
}

static void a_name_is_given_once_for_ever(void **state)
{
    struct book *book = *state;
    const struct access_token_request request = {.act = book_act("2027-06-03"), .name = "t"};
    struct error err;
    char token[ACCESS_TOKEN_BYTES], other[ACCESS_TOKEN_BYTES] = "untouched";
    unsigned roles;
    char name[64];
    bool unchanged;

    assert_int_equal(create(book, "t", "submit", NULL, NULL, token, &err), 0);
    assert_int_equal(create(book, "t", "submit", NULL, NULL, other, &err), -1);
    assert_string_equal(err.reason, "token_exists");
    assert_string_equal(other, "untouched");
    assert_int_equal(access_token_revoke(book->store, &request, &unchanged, &err), 0);
    assert_false(unchanged);
    find(book, token, name, &roles);
    assert_string_equal(name, "");
    assert_int_equal(create(book, "t", "submit", NULL, NULL, other, &err), -1);
    assert_string_equal(err.reason, "token_exists");
    assert_int_equal(access_token_revoke(book->store, &request, &unchanged, &err), 0);
    assert_true(unchanged);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.access_token"), 1);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.audit "
                                                "WHERE verb LIKE 'token %'"),
                     2);
}

static void words_that_make_no_token_are_refused(void **state)
{
    static const struct {
        const char *name, *roles, *project, *user;
        enum error_code code;
        const char *reason;
    } cases[] = {
        {"", "submit", NULL, NULL, ERROR_ARGUMENT, ""},
        {"a\nb", "submit", NULL, NULL, ERROR_ARGUMENT, ""},
        {"t", "root", NULL, NULL, ERROR_ARGUMENT, ""},
        {"t", "gateway-user", NULL, NULL, ERROR_ARGUMENT, ""},
        {"t", "gateway-user", NULL, "u", ERROR_ARGUMENT, ""},
        {"t", "gateway-user", "hp1", "a\tb", ERROR_ARGUMENT, ""},
        {"t", "submit", "hp1", NULL, ERROR_ARGUMENT, ""},
        {"t", "submit", NULL, "u", ERROR_ARGUMENT, ""},
        {"t", "gateway-user", "hp9", NULL, ERROR_REFUSED, "unknown_project"},
        {"t", "gateway-user", "svc", NULL, ERROR_REFUSED, "is_service"},
        {"t", "submit+read:hp9", NULL, NULL, ERROR_REFUSED, "unknown_project"},
    };
    struct book *book = *state;
    char token[ACCESS_TOKEN_BYTES];
    struct error err;

    assert_int_equal(create(book, "reads a service", "read:svc", NULL, NULL, token, &err), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(create(book, cases[i].name, cases[i].roles, cases[i].project,
                                cases[i].user, token, &err),
                         -1);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.reason, cases[i].reason);
    }
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.access_token"), 1);
}

static void what_is_no_token_is_not_hashed(void **state)
{
    static const char *const bad[] = {
        "",
        "ldg_",
        "ldg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "ldg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "LDG_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "ldg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=",
        "ldg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/a",
    };
    static const char good[] = "ldg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-_";
    unsigned char sha256[ACCESS_SHA256_BYTES];

    (void)state;
    assert_true(access_token_hash(good, strlen(good), sha256));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(access_token_hash(bad[i], strlen(bad[i]), sha256));
    }
}

static void the_database_refuses_what_would_be_no_token(void **state)
{
    static const char *const bad[] = {
        /* what a gateway-user lacks, what another role has too much of */
        "('a', sha256('1'), 'gateway-user', NULL, '', now(), 'me', NULL, NULL)",
        "('a', sha256('1'), 'submit', 'hp1', '', now(), 'me', NULL, NULL)",
        "('a', sha256('1'), 'submit', NULL, 'u', now(), 'me', NULL, NULL)",
        "('a', 'short', 'submit', NULL, '', now(), 'me', NULL, NULL)",
        "('a', sha256('1'), 'submit', NULL, '', now(), 'me', now(), NULL)",
    };
    struct book *book = *state;
    char sql[400];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(sql, sizeof sql, "INSERT INTO ledger.access_token VALUES %s", bad[i]);
        assert_string_equal(testdb_sqlstate(book->conninfo, sql), "23514");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_is_found_by_its_text_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(the_book_keeps_no_text_of_a_token, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_is_given_once_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(words_that_make_no_token_are_refused, setup, teardown),
        cmocka_unit_test(what_is_no_token_is_not_hashed),
        cmocka_unit_test_setup_teardown(the_database_refuses_what_would_be_no_token, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
