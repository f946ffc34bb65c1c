/* keeping - see keeping.h. */
#include "tests/lib/keeping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/verify.h"
#include "tests/lib/testdb.h"

void configure(struct fixture *f, const char *more)
{
    struct error err = {0};
    char text[512];

    snprintf(text, sizeof text, "[slurm c]\nmode = sacct\n%s\n", more);
    conf_release(&f->conf);
    if (conf_parse("test", text, &f->conf, &err) != 0) {
        fail_msg("%s", err.text);
    }
    hold_desk_destroy(f->desk);
    f->desk = hold_desk_create(&f->conf, &err);
    assert_non_null(f->desk);
}

int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    book_open(&f->book, "keep");
    book_agree(&f->book);
    book_add_project(&f->book, "ml", "hpci");
    book_add_project(&f->book, "bio", "hpci");
    book_add_service(&f->book, "svc", "slurm:c/llm");
    book_grant(&f->book, "ml", "100", "2027-06-01", "2028-04-01");
    configure(f, "");
    *state = f;
    return 0;
}

/* The first check that fails, as "name: detail"; "" if the book proves itself. */
static void verify_all(struct book *book, char *text, size_t size)
{
    struct verify_options options = {.rerate_every = 1};
    struct verify_result *result = calloc(1, sizeof *result);
    struct error err = {0};
    struct store *store = store_open(book->conninfo, STORE_REPORT, &err);

    if (store == NULL || verify_book(store, &options, result, &err) != 0) {
        fail_msg("%s", err.text);
    }
    store_close(store);
    text[0] = '\0';
    for (size_t i = 0; i < result->check_count && *text == '\0'; i++) {
        if (!result->checks[i].ok) {
            snprintf(text, size, "%s: %s", result->checks[i].name, result->checks[i].detail);
        }
    }
    free(result);
}

int teardown(void **state)
{
    struct fixture *f = *state;
    char text[VERIFY_DETAIL_BYTES + 64];

    verify_all(&f->book, text, sizeof text);
    assert_string_equal(text, "");
    hold_desk_destroy(f->desk);
    conf_release(&f->conf);
    book_close(&f->book);
    free(f);
    return 0;
}

struct instant later(int64_t minutes)
{
    return (struct instant){book_time(NOW).us + minutes * MINUTE_US};
}

int64_t ask_book(struct fixture *f, const char *sql)
{
    return testdb_int(f->book.conninfo, sql);
}

struct hold_request request_of(const char *key, const char *points)
{
    return (struct hold_request){.key = key,
                                 .check = {.project = "ml",
                                           .user = "u1",
                                           .has_points = true,
                                           .points = book_points(points),
                                           .ask = SLURM_ASK_NONE},
                                 .parts = 1,
                                 .ttl_us = HOUR_US,
                                 .source = SOURCE,
                                 .ref_kind = "slurm",
                                 .ref_id = key};
}

enum hold_fate place(struct fixture *f, const struct hold_request *request, struct instant now)
{
    const struct hold_knowledge nothing = {0};
    struct hold_outcome outcome = {0};
    struct error err = {0};

    if (hold_place(f->book.store, f->desk, &nothing, request, 1, now, &outcome, &err) != 0) {
        fail_msg("%s", err.text);
    }
    hold_outcome_release(&outcome);
    return outcome.fate;
}

void make(struct fixture *f, const char *key, const char *points, struct instant now)
{
    const struct hold_request request = request_of(key, points);

    assert_int_equal(place(f, &request, now), HOLD_MADE);
}

struct slurm_job_row job_of(int64_t id, const char *state, const char *key)
{
    return (struct slurm_job_row){.job_id = id,
                                  .submitted = book_time("2027-06-10T11:59:00+09:00"),
                                  .array_task = -1,
                                  .tasks = 1,
                                  .uid = 20001,
                                  .user = "u1",
                                  .account = "ml",
                                  .partition = "gpu",
                                  .qos = "normal",
                                  .state = state,
                                  .start = INSTANT_NONE,
                                  .limit_seconds = 3600,
                                  .meters = "cpu=4 gpu=1",
                                  .hold_key = key,
                                  .start_key = ""};
}

void tell_gone(struct fixture *f, const struct slurm_job_row *job, bool never)
{
    assert_true(f->gone_count < COUNT(f->gone));
    f->gone[f->gone_count++] = (struct slurm_gone){.job_id = job->job_id,
                                                   .submitted = job->submitted,
                                                   .array_job_id = job->array_job_id,
                                                   .tasks = job->tasks,
                                                   .never_started = never,
                                                   .hold_key = job->hold_key,
                                                   .user = job->user,
                                                   .account = job->account};
}

void go_round(struct fixture *f, const struct slurm_job_row *jobs, size_t count, struct instant now)
{
    const struct slurm_keep_options options = {.cluster = "c",
                                               .conf = &f->conf,
                                               .round_began = now,
                                               .now = now,
                                               .ended_was_read = !f->ended_unread,
                                               .gone = f->many_gone != NULL ? f->many_gone
                                                                            : f->gone,
                                               .gone_count = f->gone_count,
                                               .interval_us = MINUTE_US,
                                               .scontrol = f->scontrol};
    struct error err = {0};

    if (slurm_keep_begin(f->book.store, SOURCE, now, MINUTE_US, &err) != 0 ||
        store_slurm_jobs_write(f->book.store, "c", jobs, count, now, &err) != 0 ||
        slurm_keep(f->book.store, f->desk, &options, &f->figures, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

struct hold_info find(struct fixture *f, const char *key, struct instant now)
{
    struct hold_info hold;
    struct error err = {0};
    char name[HOLD_KEY_BYTES + 4];

    snprintf(name, sizeof name, "key:%s", key);
    if (hold_find(f->book.store, name, now, &hold, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return hold;
}

int64_t held_points(struct fixture *f, const char *key, struct instant now)
{
    return find(f, key, now).held.micro / POINTS_MICRO;
}

void import_job(struct fixture *f, const char *id, const char *hold, const char *job_state,
                int hours, struct instant now)
{
    struct ingest_options options = {.format = "ledger", .source = SOURCE, .now = now};
    struct ingest_counts counts = {0};
    struct error err = {0};
    char line[512];

    snprintf(line, sizeof line,
             "{\"source\":\"slurm:c\",\"id\":\"%s\",\"project\":\"ml\",\"user\":\"u1\","
             "\"class\":\"gpu\",\"start\":\"2027-06-10T00:00:00+09:00\",\"state\":\"%s\","
             "\"end\":\"2027-06-10T%02d:00:00+09:00\",\"outcome\":\"completed\","
             "\"meters\":{\"gpu\":\"1\"},\"hold\":\"%s\"}\n",
             id, job_state, hours, hold);
    if (ingest_bytes(f->book.store, line, strlen(line), &options, &counts, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(counts.quarantined, 0);
}

void import(struct fixture *f, const char *id, const char *hold)
{
    import_job(f, id, hold, "final", 1, book_time(NOW));
}

void begin(struct fixture *f, struct instant now)
{
    struct error err = {0};

    if (slurm_keep_begin(f->book.store, SOURCE, now, MINUTE_US, &err) != 0) {
        fail_msg("%s", err.text);
    }
}
