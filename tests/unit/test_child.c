/* Programs that we run: what they say is read whole or not at all, and none is left behind. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "ledgerd/base/child.h"
#include "ledgerd/base/clock.h"

#define SECOND_US (INT64_C(1000) * 1000)

/* Run a line of shell; its output stands in *output then. */
static int run(const char *line, const struct child_options *how, struct strbuf *output,
               struct error *err)
{
    const char *const argv[] = {"/bin/sh", "-c", line, NULL};
    struct child_options options = *how;

    options.argv = argv;
    strbuf_clear(output);
    return child_run(&options, 4096, output, err);
}

static void no_child_is_left(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void output_is_read_whole(void **state)
{
    struct child_options options = {.whole_us = 10 * SECOND_US};
    struct strbuf output = STRBUF_INIT;
    struct error err = {0};

    (void)state;
    assert_int_equal(
        run("printf 'a\\0b'; sleep 0.1; printf c; echo noise >&2", &options, &output, &err), 0);
    assert_int_equal(output.length, 4);
    assert_memory_equal(output.data, "a\0bc", 4);
    no_child_is_left();
    strbuf_release(&output);
}

static void a_program_beside_another_is_in_its_folder(void **state)
{
    static const char *const rows[][2] = {{"", "sreport"},
                                          {"sacct", "sreport"},
                                          {"/opt/bin/sacct", "/opt/bin/sreport"},
                                          {"./sacct", "./sreport"},
                                          {"/", "/sreport"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = child_sibling(rows[i][0], "sreport");

        assert_string_equal(path, rows[i][1]);
        free(path);
    }
}

static void a_bad_end_is_an_error_with_its_last_words(void **state)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"echo half; echo 'cannot  reach\tit' >&2; exit 3",
         "sh ended with status 3: cannot reach it"},
        {"exit 1", "sh ended with status 1"},
        {"kill -9 $$", "sh was killed by signal 9"},
        {"printf 'x\\033[31m\\377' >&2; exit 1", "sh ended with status 1: x?[31m?"},
    };
    struct child_options options = {.whole_us = 10 * SECOND_US};
    struct strbuf output = STRBUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = {0};

        assert_int_equal(run(rows[i].line, &options, &output, &err), -1);
        assert_int_equal(err.code, ERROR_UNAVAILABLE);
        assert_string_equal(err.text, rows[i].says);
        no_child_is_left();
    }
    strbuf_release(&output);
}

static void of_long_complaints_the_end_is_kept(void **state)
{
    struct child_options options = {.whole_us = 10 * SECOND_US};
    struct strbuf output = STRBUF_INIT;
    struct error err = {0};

    (void)state;
    assert_int_equal(run("yes complaint | head -c 200000 >&2; echo the-end >&2; exit 1", &options,
                         &output, &err),
                     -1);
    assert_non_null(strstr(err.text, "complaint the-end"));
    assert_string_equal(err.text + strlen(err.text) - strlen("the-end"), "the-end");
    strbuf_release(&output);
}

static void what_is_not_there_cannot_be_started(void **state)
{
    const char *const argv[] = {"no-such-program-here", NULL};
    struct child_options options = {.argv = argv};
    struct strbuf output = STRBUF_INIT;
    struct error err = {0};

    (void)state;
    assert_int_equal(child_run(&options, 10, &output, &err), -1);
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    /* valgrind forks, so that only a status tells. */
    assert_ptr_equal(strstr(err.text, "no-such-program-here cannot be started"), err.text);
    strbuf_release(&output);
    no_child_is_left();
}

static void deadlines_kill_the_whole_group(void **state)
{
    static const struct {
        const char *line;
        int64_t whole_us, idle_us;
        const char *says;
    } rows[] = {
        {"sleep 60", SECOND_US / 5, 0, "sh took too long and was killed"},
        {"sleep 60 & wait", SECOND_US / 5, 0, "sh took too long and was killed"},
        {"while :; do echo x; sleep 0.02; done", SECOND_US / 2, 0,
         "sh took too long and was killed"},
        {"echo x; sleep 60", 0, SECOND_US / 5, "sh fell silent and was killed"},
        {"echo why >&2; exec >&-; sleep 60", 0, SECOND_US / 5,
         "sh fell silent and was killed: why"},
        {"trap '' TERM INT HUP; sleep 60", SECOND_US / 5, 0, "sh took too long and was killed"},
    };
    struct strbuf output = STRBUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct child_options options = {.whole_us = rows[i].whole_us, .idle_us = rows[i].idle_us};
        int64_t begun_us = clock_monotonic_us();
        struct error err = {0};

        assert_int_equal(run(rows[i].line, &options, &output, &err), -1);
        assert_string_equal(err.text, rows[i].says);
        assert_true(clock_monotonic_us() - begun_us < 20 * SECOND_US);
        no_child_is_left();
    }
    strbuf_release(&output);
}

/* A child that leaves another one behind: the pipe that only it holds must come to its end. */
static void grandchildren_go_with_their_parent(void **state)
{
    char path[] = "/tmp/test_child.XXXXXX", line[128], seen[32] = "";
    struct child_options options = {.idle_us = 10 * SECOND_US};
    struct strbuf output = STRBUF_INIT;
    int file = mkstemp(path);
    struct error err = {0};
    pid_t orphan;

    (void)state;
    snprintf(line, sizeof line, "sleep 60 >/dev/null 2>&1 & echo $! >%s", path);
    assert_int_equal(run(line, &options, &output, &err), 0);
    assert_true(read(file, seen, sizeof seen - 1) > 0);
    orphan = (pid_t)atoi(seen);
    assert_true(orphan > 1);
    for (int i = 0; i < 200 && kill(orphan, 0) == 0; i++) { /* until init has reaped it */
        char stat[64], text[256] = "";
        FILE *proc;

        snprintf(stat, sizeof stat, "/proc/%d/stat", (int)orphan);
        proc = fopen(stat, "re");
        if (proc == NULL || fgets(text, sizeof text, proc) == NULL || strstr(text, ") Z") != NULL) {
            orphan = 0;
        }
        if (proc != NULL) {
            fclose(proc);
        }
        if (orphan == 0) {
            break;
        }
        usleep(10000);
    }
    assert_true(orphan == 0 || kill(orphan, 0) != 0);
    close(file);
    remove(path);
    strbuf_release(&output);
}

static void *raise_flag(void *flag)
{
    usleep(100000);
    atomic_store((atomic_bool *)flag, true);
    return NULL;
}

static void a_stop_is_noticed_at_once(void **state)
{
    static const char *const lines[] = {"sleep 60", "exec >&-; sleep 60", "yes"};
    struct strbuf output = STRBUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *const argv[] = {"/bin/sh", "-c", lines[i], NULL};
        atomic_bool stop = false;
        struct child_options options = {.argv = argv, .stop = &stop};
        int64_t begun_us = clock_monotonic_us();
        struct error err = {0};
        pthread_t thread;
        char buffer[512];
        struct child *child = child_start(&options, &err);
        ssize_t got;

        assert_non_null(child);
        pthread_create(&thread, NULL, raise_flag, &stop);
        while ((got = child_read(child, buffer, sizeof buffer, &err)) > 0) {
        }
        assert_int_equal(got, -1);
        assert_string_equal(err.text, "sh was stopped");
        assert_true(clock_monotonic_us() - begun_us < 10 * SECOND_US);
        pthread_join(thread, NULL);
        child_destroy(child);
        no_child_is_left();
    }
    strbuf_release(&output);
}

static void a_child_is_killed_when_it_is_destroyed(void **state)
{
    const char *const argv[] = {"/bin/sleep", "60", NULL};
    struct child_options options = {.argv = argv};
    struct error err = {0};
    struct child *child = child_start(&options, &err);

    (void)state;
    assert_non_null(child);
    child_destroy(child);
    no_child_is_left();
    child_destroy(NULL);
}

static void too_much_output_is_an_error(void **state)
{
    struct child_options options = {.whole_us = 10 * SECOND_US};
    struct strbuf output = STRBUF_INIT;
    struct error err = {0};

    (void)state;
    assert_int_equal(run("yes", &options, &output, &err), -1);
    assert_string_equal(err.text, "sh wrote more than 4096 bytes");
    no_child_is_left();
    strbuf_release(&output);
}

/* A secret in our environment and a descriptor without O_CLOEXEC stay with us. */
static void nothing_of_ours_goes_along(void **state)
{
    static const char *const extra[] = {"SLURM_TIME_FORMAT=%s", NULL};
    struct child_options options = {.environment = extra, .whole_us = 10 * SECOND_US};
    struct strbuf output = STRBUF_INIT;
    struct error err = {0};
    int open_one = open("/dev/null", O_RDONLY); /* NOLINT: without O_CLOEXEC */
    sigset_t blocked, before;

    (void)state;
    setenv("LEDGER_DB", "password=secret", 1);
    setenv("SLURM_CONF", "/tmp/slurm.conf", 1);
    setenv("TZ", "Asia/Tokyo", 1);
    signal(SIGPIPE, SIG_IGN);
    sigfillset(&blocked);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    assert_int_equal(run("env; ls /proc/self/fd | tr '\\n' ' '; grep SigBlk /proc/self/status; "
                         "grep SigIgn /proc/self/status",
                         &options, &output, &err),
                     0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    signal(SIGPIPE, SIG_DFL);
    assert_null(strstr(output.data, "secret"));
    assert_non_null(strstr(output.data, "SLURM_CONF=/tmp/slurm.conf\n"));
    assert_non_null(strstr(output.data, "SLURM_TIME_FORMAT=%s\n"));
    assert_non_null(strstr(output.data, "TZ=UTC\n"));
    assert_null(strstr(output.data, "Tokyo"));
    assert_non_null(strstr(output.data, "0 1 2 3 ")); /* 3 is the folder itself */
    assert_null(strstr(output.data, "0 1 2 3 4"));
    assert_non_null(strstr(output.data, "SigBlk:\t0000000000000000"));
    /* The two signals above bit 31 are libc's own. */
    assert_non_null(strstr(output.data, "SigIgn:\t"));
    assert_int_equal(strtoull(strstr(output.data, "SigIgn:\t") + 8, NULL, 16) & 0x7fffffff, 0);

    unsetenv("LEDGER_DB");
    unsetenv("TZ");
    close(open_one);
    strbuf_release(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_is_read_whole),
        cmocka_unit_test(a_program_beside_another_is_in_its_folder),
        cmocka_unit_test(a_bad_end_is_an_error_with_its_last_words),
        cmocka_unit_test(of_long_complaints_the_end_is_kept),
        cmocka_unit_test(what_is_not_there_cannot_be_started),
        cmocka_unit_test(deadlines_kill_the_whole_group),
        cmocka_unit_test(grandchildren_go_with_their_parent),
        cmocka_unit_test(a_stop_is_noticed_at_once),
        cmocka_unit_test(a_child_is_killed_when_it_is_destroyed),
        cmocka_unit_test(too_much_output_is_an_error),
        cmocka_unit_test(nothing_of_ours_goes_along),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
