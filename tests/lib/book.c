#include "tests/lib/book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/flow/grant.h"
#include "ledgerd/flow/policy_apply.h"
#include "ledgerd/flow/project.h"
#include "ledgerd/flow/rates_apply.h"
#include "tests/lib/testdb.h"

const char book_policy_json[] =
    "{\"policy\":\"test-2027\",\"timezone\":\"Asia/Tokyo\",\"fiscal_year_start\":\"04-01\","
    "\"effective_from\":\"2027-06-01T00:00:00+09:00\","
    "\"shares\":[{\"share\":\"hpci\",\"fraction\":\"0.80\"},"
    "{\"share\":\"general\",\"fraction\":\"0.10\"},{\"share\":\"industry\",\"fraction\":\"0.10\"}],"
    "\"supply\":[{\"id\":\"fy2027-gpu\",\"fiscal_year\":2027,"
    "\"from\":\"2027-06-01T00:00:00+09:00\",\"to\":\"2028-04-01T00:00:00+09:00\","
    "\"resource\":\"gpu\",\"count\":720,\"hours\":\"7200\",\"points_per_hour\":\"1\"}]}";

const char book_rates_json[] =
    "{\"card\":\"test-2027\",\"effective_from\":\"2027-06-01T00:00:00+09:00\","
    "\"rounding\":{\"places\":6,\"mode\":\"half_even\"},"
    "\"rules\":[{\"source\":\"slurm:*\",\"class\":\"gpu\",\"require\":[\"gpu\"],"
    "\"per_hour\":{\"gpu\":\"1\"}},"
    "{\"source\":\"slurm:*\",\"class\":\"cpu\",\"per_hour\":{\"cpu\":\"0.0138\"}},"
    "{\"source\":\"gateway:*\",\"class\":\"m\","
    "\"per_million\":{\"input_tokens\":\"1\",\"output_tokens\":\"1\"}}]}";

static void die(const char *what, const char *why)
{
    fprintf(stderr, "book: %s: %s\n", what, why);
    exit(2);
}

void book_open(struct book *book, const char *prefix)
{
    struct error err = {0};

    book->conninfo = testdb_create(prefix);
    book->store = store_open(book->conninfo, STORE_DAEMON, &err);
    if (book->store == NULL) {
        die("cannot open the store", err.text);
    }
}

void book_close(struct book *book)
{
    store_close(book->store);
    testdb_drop(book->conninfo);
}

struct instant book_time(const char *text)
{
    char whole[64];
    struct instant t;

    snprintf(whole, sizeof whole, "%s%s", text, strchr(text, 'T') == NULL ? "T00:00:00+09:00" : "");
    if (parse_rfc3339(whole, strlen(whole), &t) != 0) {
        die("not a time", text);
    }
    return t;
}

struct points book_points(const char *text)
{
    struct points points;

    if (points_parse_signed(text, strlen(text), &points) != POINTS_OK) {
        die("not points", text);
    }
    return points;
}

struct manual_act book_act(const char *now)
{
    return (struct manual_act){.actor = "tester", .note = "a test", .now = book_time(now)};
}

void book_apply_policy(struct book *book, const char *json, const char *now)
{
    struct policy_apply_request request = {
        .act = book_act(now), .json = json, .length = strlen(json)};
    struct policy_apply_result result;
    struct error err = {0};

    if (policy_apply(book->store, &request, &result, &err) != 0) {
        die("cannot apply the policy", err.text);
    }
    policy_apply_result_release(&result);
}

void book_apply_rates(struct book *book, const char *json, const char *now)
{
    struct rates_apply_request request = {
        .act = book_act(now), .json = json, .length = strlen(json)};
    struct rates_apply_result result;
    struct error err = {0};

    if (rates_apply(book->store, &request, &result, &err) != 0) {
        die("cannot apply the rates", err.text);
    }
}

void book_agree(struct book *book)
{
    book_apply_policy(book, book_policy_json, "2027-05-01");
    book_apply_rates(book, book_rates_json, "2027-05-01");
}

static void add(struct book *book, const struct project_add_request *request)
{
    struct error err = {0};
    bool unchanged;

    if (project_add(book->store, request, &unchanged, &err) != 0) {
        die("cannot add a project", err.text);
    }
}

void book_add_project(struct book *book, const char *id, const char *share)
{
    struct project_add_request request = {
        .act = book_act("2027-05-02"), .id = id, .share = share, .name = "a project"};

    add(book, &request);
}

void book_add_service(struct book *book, const char *id, const char *pattern)
{
    struct project_add_request request = {
        .act = book_act("2027-05-02"), .id = id, .service_count = 1, .services = &pattern};

    add(book, &request);
}

int64_t book_grant(struct book *book, const char *project, const char *points, const char *from,
                   const char *to)
{
    struct grant_request request = {.act = book_act(from),
                                    .project = project,
                                    .points = book_points(points),
                                    .from = book_time(from),
                                    .to = book_time(to)};
    struct grant_result result;
    struct error err = {0};

    if (grant_make(book->store, &request, &result, &err) != 0) {
        die("cannot grant", err.text);
    }
    return result.grant.id;
}

int64_t book_balance(struct book *book, const char *account)
{
    char sql[512];

    snprintf(sql, sizeof sql,
             "SELECT coalesce(sum(CASE WHEN credit_account = a.account_no THEN amount_micro "
             "ELSE -amount_micro END), 0)::bigint FROM ledger.account a "
             "LEFT JOIN ledger.transfer t ON a.account_no IN (t.debit_account, t.credit_account) "
             "WHERE a.name = '%s'",
             account);
    return testdb_int(book->conninfo, sql);
}
