/* child - see child.h. */
#include "ledgerd/base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledgerd/base/clock.h"

enum {
    ENVIRONMENT_MAX = 64,
    REAP_PAUSE_FIRST_MS = 1, /* between looks whether it has ended, doubled up to */
    REAP_PAUSE_MS = 16,
    RUN_PIECE_BYTES = 64 * 1024,
    PIPE_BYTES = 1024 * 1024,
    NOT_STARTED = 127, /* status of a child that could not become the program, as shells have it */
};

extern char **environ;

struct child {
    pid_t pid;          /* 0 once reaped */
    int output, errors; /* read ends; -1 once at their end */
    char *name;
    int64_t ends_us; /* by the monotonic clock; 0: never */
    int64_t idle_us;
    const atomic_bool *stop;
    char said[CHILD_ERROR_BYTES]; /* the end of standard error */
    size_t said_length;
};

/* --- starting --------------------------------------------------------------------------------- */

static bool is_passed_on(const char *variable)
{
    static const char *const names[] = {
        "PATH=", "SLURM_CONF=", "LD_PRELOAD=", "LD_LIBRARY_PATH=", "NSS_WRAPPER_"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strncmp(variable, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void fill_environment(const struct child_options *options,
                             const char *variables[ENVIRONMENT_MAX + 1])
{
    size_t count = 0;

    variables[count++] = "TZ=UTC";
    variables[count++] = "LC_ALL=C";
    for (size_t i = 0;
         options->environment != NULL && options->environment[i] != NULL && count < ENVIRONMENT_MAX;
         i++) {
        variables[count++] = options->environment[i];
    }
    for (size_t i = 0; environ[i] != NULL && count < ENVIRONMENT_MAX; i++) {
        if (is_passed_on(environ[i])) {
            variables[count++] = environ[i];
        }
    }
    variables[count] = NULL;
}

/* Standard streams and nothing else; default signals, a group of its own. 0 or an errno. */
static int spawn(pid_t *pid, const struct child_options *options, int output, int errors)
{
    const char *variables[ENVIRONMENT_MAX + 1];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int failure;

    fill_environment(options, variables);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    failure = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (failure == 0) {
        failure = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    }
    if (failure == 0) {
        failure = posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    }
    if (failure == 0) {
        failure = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    }
    if (failure == 0) {
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                  POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        failure = posix_spawnp(pid, options->argv[0], &actions, &attributes,
                               (char *const *)options->argv, (char *const *)variables);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}

/* "sacct" of /usr/bin/sacct. */
static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static struct child *child_create(const struct child_options *options)
{
    struct child *child = calloc(1, sizeof *child);

    if (child == NULL || (child->name = strdup(name_of(options->argv[0]))) == NULL) {
        free(child);
        return NULL;
    }
    child->output = child->errors = -1;
    child->idle_us = options->idle_us;
    child->ends_us = options->whole_us > 0 ? clock_monotonic_us() + options->whole_us : 0;
    child->stop = options->stop;
    return child;
}

static void close_one(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

struct child *child_start(const struct child_options *options, struct error *err)
{
    struct child *child = child_create(options);
    int output[2] = {-1, -1}, errors[2] = {-1, -1};
    int failure;

    if (child == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    if (pipe2(output, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0) {
        failure = errno;
    } else {
        failure = spawn(&child->pid, options, output[1], errors[1]);
    }
    close_one(&output[1]);
    close_one(&errors[1]);
    child->output = output[0];
    child->errors = errors[0];
    if (failure != 0) {
        child->pid = 0;
        error_set(err, ERROR_UNAVAILABLE, "%s cannot be started: %s", options->argv[0],
                  strerror(failure));
        child_destroy(child);
        return NULL;
    }
    fcntl(child->output, F_SETPIPE_SZ, PIPE_BYTES); /* if it may be so large */
    fcntl(child->output, F_SETFL, O_NONBLOCK);
    fcntl(child->errors, F_SETFL, O_NONBLOCK);
    return child;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Keep the end of what it says. */
static void take_errors(struct child *child)
{
    char piece[CHILD_ERROR_BYTES];
    ssize_t got;

    while (child->errors >= 0) {
        got = read(child->errors, piece, sizeof piece);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return;
        }
        if (got == 0) {
            close_one(&child->errors);
            return;
        }
        size_t length = (size_t)got;
        size_t kept = child->said_length < sizeof child->said - length
                          ? child->said_length
                          : sizeof child->said - length;

        memmove(child->said, child->said + child->said_length - kept, kept);
        memcpy(child->said + kept, piece, length);
        child->said_length = kept + length;
    }
}

/* Its last words as one line of printable characters: ": …", or "" if it said nothing. */
static const char *last_words(const struct child *child, char text[CHILD_ERROR_BYTES + 3])
{
    size_t length = 0;

    for (size_t i = 0; i < child->said_length; i++) {
        char c = child->said[i];
        bool is_space = c == '\n' || c == '\t' || c == '\r' || c == ' ';

        if (is_space && (length == 0 || text[length - 1] == ' ')) {
            continue;
        }
        if (length == 0) {
            memcpy(text, ": ", 2);
            length = 2;
        }
        text[length++] = c >= 0x20 && c < 0x7f ? c : (char)(is_space ? ' ' : '?');
    }
    while (length > 0 && text[length - 1] == ' ') {
        length--;
    }
    text[length] = '\0';
    return text;
}

static void kill_group(struct child *child)
{
    if (child->pid != 0) {
        kill(-child->pid, SIGKILL); /* before it is reaped: nobody else has its number */
    }
}

static ssize_t fail(struct child *child, const char *what, struct error *err)
{
    char words[CHILD_ERROR_BYTES + 3];

    kill_group(child);
    take_errors(child);
    return error_set(err, ERROR_UNAVAILABLE, "%s %s%s", child->name, what,
                     last_words(child, words));
}

static bool is_stopped(const struct child *child)
{
    return child->stop != NULL && atomic_load(child->stop);
}

/* What ends the waiting: a phrase, or NULL. */
static const char *past_waiting(const struct child *child, int64_t idle_since_us)
{
    int64_t now_us = clock_monotonic_us();

    if (is_stopped(child)) {
        return "was stopped";
    }
    if (child->ends_us != 0 && now_us >= child->ends_us) {
        return "took too long and was killed";
    }
    if (child->idle_us != 0 && now_us - idle_since_us >= child->idle_us) {
        return "fell silent and was killed";
    }
    return NULL;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Wait for something to read; returns at a deadline at the latest. */
static void wait_readable(struct child *child, int64_t idle_since_us)
{
    struct pollfd fds[2] = {{.fd = child->output, .events = POLLIN},
                            {.fd = child->errors, .events = POLLIN}};
    int64_t now_us = clock_monotonic_us(), until_us = now_us + CHILD_STOP_US;

    if (child->ends_us != 0) {
        until_us = earlier(until_us, child->ends_us);
    }
    if (child->idle_us != 0) {
        until_us = earlier(until_us, idle_since_us + child->idle_us);
    }
    poll(fds, 2, until_us > now_us ? (int)((until_us - now_us) / 1000 + 1) : 0);
}

static ssize_t give_outcome(struct child *child, int status, struct error *err)
{
    char what[64];

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return 0;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_STARTED) {
        snprintf(what, sizeof what, "cannot be started (status %d)", NOT_STARTED);
    } else if (WIFEXITED(status)) {
        snprintf(what, sizeof what, "ended with status %d", WEXITSTATUS(status));
    } else {
        snprintf(what, sizeof what, "was killed by signal %d", WTERMSIG(status));
    }
    return fail(child, what, err);
}

/* Standard output is at its end: how did it end itself? */
static ssize_t wait_for_end(struct child *child, struct error *err)
{
    int64_t since_us = clock_monotonic_us();
    int pause_ms = REAP_PAUSE_FIRST_MS;
    const char *past;
    siginfo_t ended;
    int status;

    for (;;) {
        take_errors(child);
        memset(&ended, 0, sizeof ended);
        if (waitid(P_PID, (id_t)child->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            ended.si_pid == child->pid) {
            break;
        }
        past = past_waiting(child, since_us);
        if (past != NULL) {
            return fail(child, past, err);
        }
        poll(NULL, 0, pause_ms);
        pause_ms = pause_ms < REAP_PAUSE_MS ? pause_ms * 2 : pause_ms;
    }
    kill_group(child); /* whatever it has left running */
    take_errors(child);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
    }
    child->pid = 0;
    return give_outcome(child, status, err);
}

ssize_t child_read(struct child *child, void *buffer, size_t size, struct error *err)
{
    int64_t idle_since_us = clock_monotonic_us();
    const char *past;

    while (child->output >= 0) {
        ssize_t got = read(child->output, buffer, size);

        if (got > 0) {
            past = past_waiting(child, clock_monotonic_us()); /* it may write without end */
            return past != NULL ? fail(child, past, err) : got;
        }
        if (got == 0) {
            close_one(&child->output);
            break;
        }
        if (errno != EAGAIN && errno != EINTR) {
            return fail(child, strerror(errno), err);
        }
        take_errors(child);
        past = past_waiting(child, idle_since_us);
        if (past != NULL) {
            return fail(child, past, err);
        }
        wait_readable(child, idle_since_us);
    }
    return child->pid == 0 ? 0 : wait_for_end(child, err);
}

void child_destroy(struct child *child)
{
    if (child == NULL) {
        return;
    }
    kill_group(child);
    while (child->pid != 0 && waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    close_one(&child->output);
    close_one(&child->errors);
    free(child->name);
    free(child);
}

char *child_sibling(const char *beside, const char *name)
{
    const char *slash = strrchr(beside, '/');
    char *path = NULL;

    if (slash == NULL) {
        return strdup(name);
    }
    return asprintf(&path, "%.*s%s", (int)(slash + 1 - beside), beside, name) < 0 ? NULL : path;
}

int child_run(const struct child_options *options, size_t limit, struct strbuf *output,
              struct error *err)
{
    struct child *child = child_start(options, err);
    size_t begun = output->length;
    int result = child == NULL ? -1 : 1;

    while (result > 0) {
        char *room = strbuf_reserve(output, RUN_PIECE_BYTES);
        ssize_t got;

        if (room == NULL) {
            result = error_set(err, ERROR_INTERNAL, "out of memory");
            break;
        }
        got = child_read(child, room, RUN_PIECE_BYTES, err);
        result = got > 0 ? 1 : (int)got;
        output->length += got > 0 ? (size_t)got : 0;
        output->data[output->length] = '\0';
        if (output->length - begun > limit) {
            result = error_set(err, ERROR_UNAVAILABLE, "%s wrote more than %zu bytes",
                               name_of(options->argv[0]), limit);
        }
    }
    child_destroy(child);
    return result;
}
