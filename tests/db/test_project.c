/* Projects, services, names and members; and how the catalog finds them again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/project.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

static int setup(void **state)
{
    struct book *book = calloc(1, sizeof *book);

    book_open(book, "project");
    book_agree(book);
    *state = book;
    return 0;
}

static int teardown(void **state)
{
    book_close(*state);
    free(*state);
    return 0;
}

static int add(struct book *book, const char *id, const char *share, const char *name,
               const char *service, bool *unchanged, struct error *err)
{
    struct project_add_request request = {.act = book_act("2027-05-02"),
                                          .id = id,
                                          .share = share,
                                          .name = name,
                                          .service_count = service != NULL,
                                          .services = &service};

    return project_add(book->store, &request, unchanged, err);
}

static void a_project_added_again_is_unchanged(void **state)
{
    struct book *book = *state;
    struct error err = {0};
    bool unchanged;

    assert_int_equal(add(book, "hp1", "hpci", "A title", NULL, &unchanged, &err), 0);
    assert_false(unchanged);
    assert_int_equal(add(book, "hp1", "hpci", "A title", NULL, &unchanged, &err), 0);
    assert_true(unchanged);
    assert_int_equal(add(book, "hp1", "hpci", NULL, NULL, &unchanged, &err), 0);
    assert_true(unchanged);
    assert_int_equal(add(book, "hp1", "hpci", "Another", NULL, &unchanged, &err), 0);
    assert_false(unchanged);
    assert_int_equal(add(book, "hp1", "general", "Another", NULL, &unchanged, &err), -1);
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_string_equal(err.reason, "project_differs");
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.audit "
                                                "WHERE verb = 'project add'"),
                     2);
}

static void what_cannot_be_a_project_is_refused(void **state)
{
    static const char *const bad_ids[] = {"", "a b", "-a", "a/b", "\xff", "a\n", "プ"};
    struct book *book = *state;
    struct error err = {0};
    char long_id[200];
    bool unchanged;

    for (size_t i = 0; i < sizeof bad_ids / sizeof bad_ids[0]; i++) {
        assert_int_equal(add(book, bad_ids[i], "hpci", NULL, NULL, &unchanged, &err), -1);
        assert_int_equal(err.code, ERROR_ARGUMENT);
    }
    memset(long_id, 'a', sizeof long_id);
    long_id[129] = '\0';
    assert_int_equal(add(book, long_id, "hpci", NULL, NULL, &unchanged, &err), -1);
    long_id[128] = '\0';
    assert_int_equal(add(book, long_id, "hpci", NULL, NULL, &unchanged, &err), 0);
    assert_int_equal(add(book, "x", "moon", NULL, NULL, &unchanged, &err), -1);
    assert_string_equal(err.reason, "unknown_share");
    assert_int_equal(add(book, "x", NULL, NULL, NULL, &unchanged, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    assert_int_equal(add(book, "x", "hpci", NULL, "gateway:*/m", &unchanged, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    assert_int_equal(add(book, "x", NULL, NULL, "no-slash", &unchanged, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.project"), 1);
}

static void without_a_policy_there_is_no_share(void **state)
{
    struct book book;
    struct error err = {0};
    bool unchanged;

    (void)state;
    book_open(&book, "nopolicy");
    assert_int_equal(add(&book, "x", "hpci", NULL, NULL, &unchanged, &err), -1);
    assert_string_equal(err.reason, "no_policy");
    book_close(&book);
}

static void a_pattern_has_one_service(void **state)
{
    struct book *book = *state;
    struct error err = {0};
    bool unchanged;

    assert_int_equal(add(book, "svc", NULL, NULL, "gateway:*/openai/gpt", &unchanged, &err), 0);
    assert_int_equal(add(book, "svc", NULL, NULL, "gateway:*/openai/gpt", &unchanged, &err), 0);
    assert_true(unchanged);
    assert_int_equal(add(book, "svc", NULL, NULL, "gateway:*/other", &unchanged, &err), 0);
    assert_false(unchanged);
    assert_int_equal(add(book, "svc2", NULL, NULL, "gateway:*/openai/gpt", &unchanged, &err), -1);
    assert_string_equal(err.reason, "service_taken");
    assert_int_equal(
        testdb_int(book->conninfo, "SELECT count(*) FROM ledger.project WHERE project_id = 'svc2'"),
        0);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.service_class "
                                                "WHERE class = 'openai/gpt'"),
                     1);
}

static void a_closed_project_stays_and_is_not_added_again(void **state)
{
    struct book *book = *state;
    struct project_request request = {.act = book_act("2027-07-01"), .project = "hp1"};
    struct project_details details;
    struct error err = {0};
    bool unchanged;

    assert_int_equal(project_close(book->store, &request, &unchanged, &err), -1);
    assert_string_equal(err.reason, "unknown_project");
    book_add_project(book, "hp1", "hpci");
    assert_int_equal(project_close(book->store, &request, &unchanged, &err), 0);
    assert_false(unchanged);
    request.act.now = book_time("2027-08-01");
    assert_int_equal(project_close(book->store, &request, &unchanged, &err), 0);
    assert_true(unchanged);
    assert_int_equal(project_show(book->store, "hp1", &details, &err), 0);
    assert_int_equal(details.project.closed_at.us, book_time("2027-07-01").us);
    project_details_release(&details);
    assert_int_equal(add(book, "hp1", "hpci", NULL, NULL, &unchanged, &err), -1);
    assert_string_equal(err.reason, "project_closed");
}

static int alias(struct book *book, const char *project, const char *source, const char *name,
                 bool *unchanged, struct error *err)
{
    struct project_alias_request request = {
        .act = book_act("2027-05-02"), .project = project, .source = source, .name = name};

    return project_alias(book->store, &request, unchanged, err);
}

static int member(struct book *book, const char *user, bool is_pi, bool *unchanged,
                  struct error *err)
{
    struct member_request request = {
        .act = book_act("2027-05-02"), .project = "hp1", .user = user, .is_pi = is_pi};

    return member_add(book->store, &request, unchanged, err);
}

static void members_come_change_and_go(void **state)
{
    struct book *book = *state;
    struct member_request gone = {.act = book_act("2027-05-02"), .project = "hp1", .user = "u1"};
    struct name_pairs members;
    struct error err = {0};
    bool unchanged;

    assert_int_equal(member(book, "u1", false, &unchanged, &err), -1);
    assert_string_equal(err.reason, "unknown_project");
    book_add_project(book, "hp1", "hpci");
    assert_int_equal(member(book, "u1", false, &unchanged, &err), 0);
    assert_int_equal(member(book, "u1", true, &unchanged, &err), 0);
    assert_false(unchanged);
    assert_int_equal(member(book, "u1", true, &unchanged, &err), 0);
    assert_true(unchanged);
    assert_int_equal(member(book, "", true, &unchanged, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    assert_int_equal(member_list(book->store, "hp1", &members, &err), 0);
    assert_int_equal(members.count, 1);
    assert_string_equal(members.pairs[0].first, "u1");
    assert_string_equal(members.pairs[0].second, "pi");
    name_pairs_release(&members);
    assert_int_equal(member_remove(book->store, &gone, &unchanged, &err), 0);
    assert_false(unchanged);
    assert_int_equal(member_remove(book->store, &gone, &unchanged, &err), 0);
    assert_true(unchanged);
}

static void names_lead_to_projects_by_alias_then_configuration_then_equality(void **state)
{
    static const char text[] = "[slurm sdli]\naccount.ml = hp2\naccount.geo = hp2\n"
                               "partition.g = gpu\n";
    struct book *book = *state;
    struct conf conf;
    struct error err = {0};
    struct catalog *catalog;
    bool unchanged;

    book_add_project(book, "hp1", "hpci");
    book_add_project(book, "hp2", "hpci");
    assert_int_equal(alias(book, "hp1", "slurm:sdli", "ml", &unchanged, &err), 0);
    assert_int_equal(alias(book, "hp1", "slurm:sdli", "ml", &unchanged, &err), 0);
    assert_true(unchanged);
    assert_int_equal(alias(book, "hp1", "", "ml", &unchanged, &err), -1);
    assert_int_equal(err.code, ERROR_ARGUMENT);
    assert_int_equal(conf_parse("test", text, &conf, &err), 0);
    catalog = catalog_load(book->store, &err);
    assert_non_null(catalog);
    assert_string_equal(catalog_resolve_project(catalog, &conf, "slurm:sdli", "ml")->id, "hp1");
    assert_string_equal(catalog_resolve_project(catalog, &conf, "slurm:sdli", "geo")->id, "hp2");
    assert_string_equal(catalog_resolve_project(catalog, &conf, "slurm:sdli", "hp2")->id, "hp2");
    assert_null(catalog_resolve_project(catalog, NULL, "slurm:sdli", "geo"));
    assert_null(catalog_resolve_project(catalog, &conf, "slurm:other", "ml"));
    assert_null(catalog_resolve_project(catalog, &conf, "slurm:sdli", ""));
    assert_string_equal(catalog_resolve_class(&conf, "slurm:sdli", "g"), "gpu");
    assert_string_equal(catalog_resolve_class(&conf, "slurm:other", "g"), "g");
    catalog_destroy(catalog);
    conf_release(&conf);
    /* A new year's project takes the account over. */
    assert_int_equal(alias(book, "hp2", "slurm:sdli", "ml", &unchanged, &err), 0);
    assert_false(unchanged);
    catalog = catalog_load(book->store, &err);
    assert_string_equal(catalog_resolve_project(catalog, NULL, "slurm:sdli", "ml")->id, "hp2");
    catalog_destroy(catalog);
}

static void the_catalog_knows_services_members_and_accounts(void **state)
{
    struct book *book = *state;
    struct error err = {0};
    const struct catalog_project *project;
    struct catalog *catalog;
    bool unchanged;

    book_add_project(book, "hp1", "hpci");
    book_add_service(book, "svc", "gateway:*/openai/*");
    assert_int_equal(member(book, "zoe", false, &unchanged, &err), 0);
    assert_int_equal(member(book, "adam", true, &unchanged, &err), 0);
    catalog = catalog_load(book->store, &err);
    assert_non_null(catalog);
    assert_int_equal(catalog->project_count, 2);
    project = catalog_project(catalog, "hp1");
    assert_true(catalog_is_member(project, "zoe"));
    assert_true(catalog_is_member(project, "adam"));
    assert_false(catalog_is_member(project, "eve"));
    assert_string_equal(project->share, "hpci");
    assert_int_equal(project->spent_account,
                     testdb_int(book->conninfo, "SELECT account_no FROM ledger.account "
                                                "WHERE name = 'spent/hpci'"));
    project = catalog_service(catalog, "gateway:sdli", "openai/gpt-oss-20b");
    assert_non_null(project);
    assert_string_equal(project->id, "svc");
    assert_null(project->share);
    assert_int_equal(project->account,
                     testdb_int(book->conninfo, "SELECT account_no FROM ledger.account "
                                                "WHERE name = 'service/svc'"));
    assert_null(catalog_service(catalog, "slurm:sdli", "openai/gpt-oss-20b"));
    assert_null(catalog_project(catalog, "nobody"));
    assert_int_equal(catalog->cards.count, 1);
    assert_int_equal(catalog->policies.count, 1);
    assert_string_equal(catalog->zone.name, "Asia/Tokyo");
    catalog_destroy(catalog);
}

static void every_change_moves_the_catalogs_version(void **state)
{
    struct book *book = *state;
    struct error err = {0};
    int64_t before, rating_before, after, rating_after;
    bool unchanged;

    book_add_project(book, "hp1", "hpci");
    assert_int_equal(catalog_versions(book->store, &before, &rating_before, &err), 0);
    assert_int_equal(member(book, "zoe", false, &unchanged, &err), 0);
    assert_int_equal(catalog_versions(book->store, &after, &rating_after, &err), 0);
    assert_true(after > before);
    assert_true(rating_after == rating_before);
    assert_int_equal(alias(book, "hp1", "slurm:sdli", "ml", &unchanged, &err), 0);
    assert_int_equal(catalog_versions(book->store, &before, &rating_before, &err), 0);
    assert_true(before > after);
}

#define BOOK_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(a_project_added_again_is_unchanged),
        BOOK_TEST(what_cannot_be_a_project_is_refused),
        BOOK_TEST(without_a_policy_there_is_no_share),
        BOOK_TEST(a_pattern_has_one_service),
        BOOK_TEST(a_closed_project_stays_and_is_not_added_again),
        BOOK_TEST(members_come_change_and_go),
        BOOK_TEST(names_lead_to_projects_by_alias_then_configuration_then_equality),
        BOOK_TEST(the_catalog_knows_services_members_and_accounts),
        BOOK_TEST(every_change_moves_the_catalogs_version),
    };

    return cmocka_run_group_tests_name("project", tests, NULL, NULL);
}
