/* loop - poll, and run what is ready; see loop.h. */
#include "ledgerd/http/loop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct loop {
    struct hold_group *holds;
    struct MHD_Daemon *daemon;
    int daemon_descriptor; /* its epoll */
    int wake_descriptor;   /* an eventfd, readable: a connection was resumed, or it is the end */
    atomic_bool stop;
    int hold_descriptor; /* of a hold under way; -1: none is */
    pthread_t thread;
    bool has_thread;
};

/* Whose hold this thread looks at: the daemon runs behind it anyway. */
static _Thread_local const struct loop *looking;

void loop_wake(struct loop *loop)
{
    if (looking != loop) {
        (void)eventfd_write(loop->wake_descriptor, 1);
    }
}

enum hold_submitted loop_submit(struct loop *loop, struct hold_ticket *ticket)
{
    if (loop->hold_descriptor != -1) {
        return hold_group_submit(loop->holds, ticket);
    }
    return hold_group_submit_watched(loop->holds, ticket, &loop->hold_descriptor);
}

/* How long poll may wait, in milliseconds; -1: for ever. */
static int find_patience(const struct loop *loop)
{
    MHD_UNSIGNED_LONG_LONG daemon_ms;
    int patience_ms = loop->hold_descriptor != -1 ? HOLD_GROUP_LOOK_US / 1000 : -1;

    if (MHD_get_timeout(loop->daemon, &daemon_ms) == MHD_YES &&
        (patience_ms == -1 || daemon_ms < (unsigned)patience_ms)) {
        patience_ms = daemon_ms < INT_MAX ? (int)daemon_ms : INT_MAX;
    }
    return patience_ms;
}

/* Wait for the daemon's connections, the hold, and to be woken. */
static void wait_for_any(const struct loop *loop)
{
    struct pollfd any[] = {{.fd = loop->wake_descriptor, .events = POLLIN},
                           {.fd = loop->daemon_descriptor, .events = POLLIN},
                           {.fd = loop->hold_descriptor, .events = POLLIN}};
    eventfd_t count;

    (void)poll(any, sizeof(any) / sizeof(any[0]), find_patience(loop));
    if (any[0].revents != 0) {
        (void)eventfd_read(loop->wake_descriptor, &count);
    }
}

static void look_at_hold(struct loop *loop)
{
    looking = loop;
    if (loop->hold_descriptor != -1 && hold_group_look(loop->holds)) {
        loop->hold_descriptor = -1;
    }
    looking = NULL;
}

static void *run(void *argument)
{
    struct loop *loop = argument;

    while (!atomic_load(&loop->stop)) {
        wait_for_any(loop);
        look_at_hold(loop);
        MHD_run(loop->daemon);
    }
    return NULL;
}

struct loop *loop_create(struct hold_group *holds, struct error *err)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL) {
        error_set(err, ERROR_INTERNAL, "loop: out of memory");
        return NULL;
    }
    loop->holds = holds;
    loop->hold_descriptor = -1;
    loop->wake_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_descriptor == -1) {
        error_set(err, ERROR_UNAVAILABLE, "loop: no eventfd can be made: %s", strerror(errno));
        free(loop);
        return NULL;
    }
    return loop;
}

int loop_start(struct loop *loop, struct MHD_Daemon *daemon, struct error *err)
{
    loop->daemon = daemon;
    loop->daemon_descriptor = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int failure = pthread_create(&loop->thread, NULL, run, loop);
    if (failure != 0) {
        return error_set(err, ERROR_INTERNAL, "loop: cannot start a thread: %s", strerror(failure));
    }
    loop->has_thread = true;
    return 0;
}

void loop_stop(struct loop *loop)
{
    if (loop == NULL || !loop->has_thread) {
        return;
    }
    atomic_store(&loop->stop, true);
    loop_wake(loop);
    pthread_join(loop->thread, NULL);
    loop->has_thread = false;
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    loop_stop(loop);
    close(loop->wake_descriptor);
    free(loop);
}
