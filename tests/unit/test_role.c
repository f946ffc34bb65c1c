/* Roles as words: what is one, what is none, and what a set of them reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/core/role.h"

static void words_become_a_set(void **state)
{
    static const struct {
        const char *text;
        unsigned roles;
    } cases[] = {
        {"submit", ROLE_SUBMIT},
        {"submit+ingest", ROLE_SUBMIT | ROLE_INGEST},
        {"ingest+submit+report+admin", ROLE_SUBMIT | ROLE_INGEST | ROLE_REPORT | ROLE_ADMIN},
        {"gateway-user", ROLE_GATEWAY_USER},
        {"read:hp1", ROLE_READ},
        {"read:hp1+read:hp2", ROLE_READ},
        {"read:hp1+submit+read:hp", ROLE_READ | ROLE_SUBMIT},
        {"read:read:hp1", ROLE_READ}, /* no project is called that, and create says so */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned roles = 0;
        assert_int_equal(roles_parse(cases[i].text, &roles), 0);
        assert_int_equal(roles, cases[i].roles);
    }
}

static void what_is_no_role_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "+",
        "submit+",
        "+submit",
        "submit++ingest",
        "Submit",
        "submit ",
        "submitter",
        "sub",
        "submit,ingest",
        "submit+submit",
        "read",
        "read:",
        "read:+submit",
        "read:hp1+read:hp1",
        "read:hp1+submit+read:hp1",
        "gateway-user+submit",
        "read:hp1+gateway-user",
        "gateway-user+gateway-user",
        "gateway-user:hp1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        unsigned roles = 77;
        if (roles_parse(bad[i], &roles) != -1 || roles != 77) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
}

static void a_project_is_as_long_as_an_id_may_be(void **state)
{
    char text[ROLES_TEXT_BYTES + 2];
    unsigned roles;

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "read:", 5);
    text[5 + ROLE_PROJECT_BYTES] = '\0';
    assert_int_equal(roles_parse(text, &roles), 0);
    text[5 + ROLE_PROJECT_BYTES] = 'a';
    text[5 + ROLE_PROJECT_BYTES + 1] = '\0';
    assert_int_equal(roles_parse(text, &roles), -1);
}

static void a_list_has_an_end(void **state)
{
    char text[ROLES_TEXT_BYTES + 64];
    unsigned roles;
    size_t used = 0;

    (void)state;
    for (int i = 0; used <= ROLES_TEXT_BYTES; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%sread:p%03d",
                                 used > 0 ? "+" : "", i);
    }
    assert_int_equal(roles_parse(text, &roles), -1);
    *strrchr(text, '+') = '\0';
    assert_int_equal(roles_parse(text, &roles), 0);
}

static void only_the_projects_named_are_read(void **state)
{
    static const char text[] = "read:hp1+submit+read:hp2";

    (void)state;
    assert_true(roles_read(text, "hp1"));
    assert_true(roles_read(text, "hp2"));
    assert_false(roles_read(text, "hp"));
    assert_false(roles_read(text, "hp12"));
    assert_false(roles_read(text, "submit"));
    assert_false(roles_read(text, ""));
    assert_false(roles_read("submit", "hp1"));
}

static void every_role_has_its_word(void **state)
{
    (void)state;
    for (unsigned role = 1; role <= ROLES_ALL; role <<= 1) {
        unsigned roles = 0;
        char text[32];
        snprintf(text, sizeof text, role == ROLE_READ ? "%s:p" : "%s", role_text((enum role)role));
        assert_int_equal(roles_parse(text, &roles), 0);
        assert_int_equal(roles, role);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_a_set),
        cmocka_unit_test(what_is_no_role_is_refused),
        cmocka_unit_test(a_project_is_as_long_as_an_id_may_be),
        cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(only_the_projects_named_are_read),
        cmocka_unit_test(every_role_has_its_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
