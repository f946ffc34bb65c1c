/* What is remembered of a Slurm cluster: jobs as whole sets, the site only where it changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/store/store_slurm.h"
#include "tests/lib/book.h"
#include "tests/lib/testdb.h"

static int setup(void **state)
{
    struct book *book = calloc(1, sizeof *book);

    book_open(book, "storeslurm");
    *state = book;
    return 0;
}

static int teardown(void **state)
{
    book_close(*state);
    free(*state);
    return 0;
}

static struct slurm_job_row job_of(int64_t id, const char *submitted, const char *state)
{
    return (struct slurm_job_row){
        .job_id = id,
        .submitted = book_time(submitted),
        .array_task = -1,
        .tasks = 1,
        .uid = 20001,
        .user = "alice",
        .account = "ml",
        .partition = "gpu,cpu",
        .qos = "normal",
        .state = state,
        .start = INSTANT_NONE,
        .limit_seconds = 600,
        .meters = "cpu=4 gpu=2",
        .hold_key = "",
        .start_key = "",
    };
}

static void write_jobs(struct book *book, const char *cluster, const struct slurm_job_row *jobs,
                       size_t count, const char *now)
{
    struct error err = {0};

    if (store_slurm_jobs_write(book->store, cluster, jobs, count, book_time(now), &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static bool find(struct book *book, int64_t id, int64_t task, struct slurm_job_row *job)
{
    struct error err = {0};
    bool found = false;

    if (store_slurm_job_find(book->store, "c", id, task, job, &found, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return found;
}

static void test_every_field_comes_back(void **state)
{
    struct book *book = *state;
    struct slurm_job_row given = job_of(7, "2027-06-10", "suspended"), read;

    given.array_job_id = 5;
    given.array_task = 3;
    given.tasks = 2;
    given.at_once = 4;
    given.het_job_id = 6;
    given.is_held = true;
    given.start = book_time("2027-06-11");
    given.limit_seconds = -1;
    given.hold_key = "sl_00";
    write_jobs(book, "c", &given, 1, "2027-06-12");
    assert_true(find(book, 7, -1, &read));
    assert_int_equal(read.submitted.us, given.submitted.us);
    assert_int_equal(read.array_job_id, 5);
    assert_int_equal(read.array_task, 3);
    assert_int_equal(read.tasks, 2);
    assert_int_equal(read.at_once, 4);
    assert_int_equal(read.het_job_id, 6);
    assert_int_equal(read.uid, 20001);
    assert_string_equal(read.user, "alice");
    assert_string_equal(read.account, "ml");
    assert_string_equal(read.partition, "gpu,cpu");
    assert_string_equal(read.qos, "normal");
    assert_string_equal(read.state, "suspended");
    assert_true(read.is_held);
    assert_int_equal(read.start.us, given.start.us);
    assert_int_equal(read.limit_seconds, -1);
    assert_string_equal(read.meters, "cpu=4 gpu=2");
    assert_string_equal(read.hold_key, "sl_00");
    assert_string_equal(read.start_key, "");
    assert_false(read.held_by_us);
    slurm_job_row_release(&read);
}

static void test_the_gone_are_deleted_and_other_clusters_stay(void **state)
{
    struct book *book = *state;
    struct slurm_job_row jobs[] = {job_of(1, "2027-06-10", "pending"),
                                   job_of(2, "2027-06-10", "pending")};

    write_jobs(book, "c", jobs, 2, "2027-06-10");
    write_jobs(book, "d", jobs, 2, "2027-06-10");
    write_jobs(book, "c", jobs + 1, 1, "2027-06-11");
    assert_int_equal(testdb_int(book->conninfo, "SELECT (string_agg(cluster || job_id, '' ORDER BY "
                                                "cluster, job_id) = 'c2d1d2')::int FROM "
                                                "ledger.slurm_job"),
                     1);
    write_jobs(book, "c", NULL, 0, "2027-06-12");
    assert_int_equal(
        testdb_int(book->conninfo, "SELECT count(*) FROM ledger.slurm_job WHERE cluster = 'c'"), 0);
}

static void test_an_update_deletes_nothing(void **state)
{
    struct book *book = *state;
    struct slurm_job_row jobs[] = {job_of(1, "2027-06-10", "pending"),
                                   job_of(2, "2027-06-10", "running")};
    struct error err = {0};

    write_jobs(book, "c", jobs, 1, "2027-06-10");
    assert_int_equal(
        store_slurm_jobs_update(book->store, "c", jobs + 1, 1, book_time("2027-06-11"), &err), 0);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.slurm_job"), 2);
}

static void test_a_job_as_it_was_is_not_written_again(void **state)
{
    struct book *book = *state;
    struct slurm_job_row jobs[] = {job_of(1, "2027-06-10", "pending"),
                                   job_of(2, "2027-06-10", "pending")};
    char *before, *after;

    write_jobs(book, "c", jobs, 2, "2027-06-10");
    before = testdb_text(book->conninfo,
                         "SELECT xmin::text FROM ledger.slurm_job WHERE job_id = 1");
    jobs[1].state = "running";
    write_jobs(book, "c", jobs, 2, "2027-06-11");
    after = testdb_text(book->conninfo, "SELECT xmin::text FROM ledger.slurm_job WHERE job_id = 1");
    assert_string_equal(before, after);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.slurm_job WHERE "
                                                "job_id = 2 AND state = 'running' AND "
                                                "seen_at = '2027-06-11T00:00:00+09:00'"),
                     1);
    free(before);
    free(after);
}

static void test_what_we_did_to_a_job_is_kept_and_not_inherited_by_its_id(void **state)
{
    struct book *book = *state;
    struct slurm_job_row job = job_of(1, "2027-06-10", "pending"), read;

    write_jobs(book, "c", &job, 1, "2027-06-10");
    testdb_exec(book->conninfo,
                "UPDATE ledger.slurm_job SET start_key = 'c/1@1', held_by_us = true");
    job.state = "running";
    write_jobs(book, "c", &job, 1, "2027-06-11");
    assert_true(find(book, 1, -1, &read));
    assert_string_equal(read.start_key, "c/1@1");
    assert_true(read.held_by_us);
    slurm_job_row_release(&read);

    job.submitted = book_time("2027-06-12"); /* the id was used again, or the job requeued */
    write_jobs(book, "c", &job, 1, "2027-06-12");
    assert_true(find(book, 1, -1, &read));
    assert_string_equal(read.start_key, "");
    assert_false(read.held_by_us);
    slurm_job_row_release(&read);
}

static void test_the_id_of_an_array_means_all_of_its_tasks(void **state)
{
    struct book *book = *state;
    struct slurm_job_row jobs[] = {
        job_of(20, "2027-06-10", "pending"), job_of(21, "2027-06-10", "running"),
        job_of(22, "2027-06-10", "running"), job_of(23, "2027-06-10", "ending"),
        job_of(24, "2027-06-10", "running")};
    struct slurm_job_row read;

    for (int i = 0; i < 4; i++) { /* the last one is none of them */
        jobs[i].array_job_id = 20;
        jobs[i].array_task = i > 0 ? i : -1;
    }
    jobs[0].tasks = 5;
    jobs[0].limit_seconds = -1;
    jobs[1].limit_seconds = 300;
    write_jobs(book, "c", jobs, 5, "2027-06-12");
    assert_true(find(book, 20, -1, &read));
    assert_int_equal(read.tasks, 7);
    assert_int_equal(read.limit_seconds, 300);
    slurm_job_row_release(&read);
    assert_true(find(book, 21, -1, &read)); /* by its own id it is one task */
    assert_int_equal(read.tasks, 1);
    slurm_job_row_release(&read);
    /* The last one to be split off has the array's id: also when it has ended before the others. */
    write_jobs(book, "c", jobs + 1, 4, "2027-06-12");
    assert_true(find(book, 20, -1, &read));
    assert_int_equal(read.tasks, 2);
    assert_int_equal(read.array_job_id, 20);
    slurm_job_row_release(&read);
    assert_false(find(book, 25, -1, &read));
}

static void test_a_task_is_found_split_off_or_not(void **state)
{
    struct book *book = *state;
    struct slurm_job_row jobs[] = {job_of(10, "2027-06-10", "pending"),
                                   job_of(11, "2027-06-10", "running")},
                         read;

    jobs[0].array_job_id = jobs[1].array_job_id = 10;
    jobs[0].tasks = 5;
    jobs[1].array_task = 0;
    write_jobs(book, "c", jobs, 2, "2027-06-10");
    assert_true(find(book, 10, 0, &read));
    assert_int_equal(read.job_id, 11);
    slurm_job_row_release(&read);
    assert_true(find(book, 10, 3, &read));
    assert_int_equal(read.job_id, 10);
    slurm_job_row_release(&read);
    assert_false(find(book, 12, -1, &read));
    assert_false(find(book, 11, 0, &read)); /* no array of that number */
}

static void test_of_two_rows_of_one_id_the_latter_counts(void **state)
{
    struct book *book = *state;
    struct slurm_job_row jobs[] = {job_of(1, "2027-06-10", "pending"),
                                   job_of(1, "2027-06-10", "running")},
                         read;

    write_jobs(book, "c", jobs, 2, "2027-06-10");
    assert_true(find(book, 1, -1, &read));
    assert_string_equal(read.state, "running");
    slurm_job_row_release(&read);
}

enum { MANY_JOBS = 20000 };

static int count_up(void *context, const struct slurm_job_row *job, struct error *err)
{
    int64_t *next = context;

    (void)err;
    assert_int_equal(job->job_id, *next);
    (*next)++;
    return 0;
}

static void test_many_jobs_are_written_and_read_in_order(void **state)
{
    struct book *book = *state;
    struct slurm_job_row *jobs = calloc(MANY_JOBS, sizeof *jobs);
    struct error err = {0};
    int64_t next = 1;

    for (int i = 0; i < MANY_JOBS; i++) {
        jobs[i] = job_of(MANY_JOBS - i, "2027-06-10", "pending");
    }
    write_jobs(book, "c", jobs, MANY_JOBS, "2027-06-10");
    if (store_slurm_jobs_read(book->store, "c", count_up, &next, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(next, MANY_JOBS + 1);
    free(jobs);
}

static int refuse(void *context, const struct slurm_job_row *job, struct error *err)
{
    (void)context;
    (void)job;
    return error_set(err, ERROR_REFUSED, "enough");
}

static void test_reading_ends_where_it_is_told_to(void **state)
{
    struct book *book = *state;
    struct slurm_job_row job = job_of(1, "2027-06-10", "pending");
    struct error err = {0};

    write_jobs(book, "c", &job, 1, "2027-06-10");
    assert_int_equal(store_slurm_jobs_read(book->store, "c", refuse, NULL, &err), -1);
    assert_string_equal(err.text, "enough");
}

static bool write_site(struct book *book, const struct slurm_site *site)
{
    struct error err = {0};
    bool changed = false;

    if (store_slurm_site_write(book->store, "c", site, &changed, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return changed;
}

static int64_t catalog_version(struct book *book)
{
    return testdb_int(book->conninfo, "SELECT version FROM ledger.catalog_version");
}

static void test_a_site_moves_the_catalog_only_when_it_changed(void **state)
{
    struct book *book = *state;
    struct slurm_user_row users[] = {{"alice", 20001, "ml"}, {"bob", -1, ""}, {"bob", -1, "bio"}};
    struct slurm_association_row associations[] = {{"alice", "ml", "", "normal"}};
    struct slurm_partition_row partitions[] = {
        {"gpu", true, -1, 86400, false, -1, 2048, 64, 4, 512000}};
    struct slurm_site site = {users, 3, associations, 1, partitions, 1};
    int64_t version;

    assert_true(write_site(book, &site));
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.slurm_user WHERE "
                                                "user_name = 'bob' AND uid IS NULL AND "
                                                "default_account = 'bio'"),
                     1);
    assert_int_equal(testdb_int(book->conninfo,
                                "SELECT count(*) FROM ledger.slurm_partition WHERE is_default AND "
                                "default_seconds IS NULL AND max_seconds = 86400 AND NOT "
                                "is_exclusive AND mem_per_node IS NULL AND mem_per_cpu = 2048 AND "
                                "node_cpus = 64 AND node_gpus = 4 AND node_mem = 512000"),
                     1);
    version = catalog_version(book);
    assert_false(write_site(book, &site));
    assert_int_equal(catalog_version(book), version);

    partitions[0].max_seconds = -1;
    assert_true(write_site(book, &site));
    assert_true(catalog_version(book) > version);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.slurm_partition "
                                                "WHERE max_seconds IS NULL"),
                     1);
    site.user_count = 0;
    assert_true(write_site(book, &site));
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.slurm_user"), 0);
    assert_int_equal(testdb_int(book->conninfo, "SELECT count(*) FROM ledger.slurm_association"),
                     1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_field_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_gone_are_deleted_and_other_clusters_stay, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_update_deletes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_job_as_it_was_is_not_written_again, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_what_we_did_to_a_job_is_kept_and_not_inherited_by_its_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_id_of_an_array_means_all_of_its_tasks, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_task_is_found_split_off_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_two_rows_of_one_id_the_latter_counts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_many_jobs_are_written_and_read_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_reading_ends_where_it_is_told_to, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_site_moves_the_catalog_only_when_it_changed, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("store_slurm", tests, NULL, NULL);
}
