/* fake_ledgerd - servers on a Unix socket that answer, or misbehave, as real ones rarely can be
 * made to.
 *
 * A thread takes one connection after the other and hands each to `serve`; the folder and the
 * socket are gone after fake_stop.  Whatever fails here ends the program with code 2.
 */
#ifndef TESTS_HOOK_FAKE_LEDGERD_H
#define TESTS_HOOK_FAKE_LEDGERD_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FAKE_REQUEST_BYTES = 16384, FAKE_ANSWER_BYTES = 65536 };

struct fake {
    void (*serve)(struct fake *fake, int connection);
    pthread_mutex_t lock;
    char answer[FAKE_ANSWER_BYTES];
    const char *bytes; /* what most of them send */
    size_t length;
    char folder[64];
    char path[100];
    char request[FAKE_REQUEST_BYTES]; /* the last one that was read */
    atomic_int connections;
    atomic_bool stopping;
    int listener;
    pthread_t thread;
};

static inline void fake_die(const char *what)
{
    perror(what);
    exit(2);
}

/* Until the whole request is there, which it is once its body is as long as it says. */
static inline void fake_read(struct fake *fake, int connection)
{
    size_t used = 0;

    while (used < sizeof(fake->request) - 1) {
        ssize_t got = read(connection, fake->request + used, sizeof(fake->request) - 1 - used);
        const char *blank;
        const char *length;

        if (got <= 0) {
            return;
        }
        used += (size_t)got;
        fake->request[used] = '\0';
        blank = strstr(fake->request, "\r\n\r\n");
        length = strstr(fake->request, "Content-Length: ");
        if (blank != NULL && length != NULL && length < blank &&
            strlen(blank + 4) >= strtoul(length + strlen("Content-Length: "), NULL, 10)) {
            return;
        }
    }
}

static inline void fake_answer(struct fake *fake, int connection)
{
    fake_read(fake, connection);
    (void)!send(connection, fake->bytes, fake->length, MSG_NOSIGNAL);
}

static inline void *fake_run(void *context)
{
    struct fake *fake = context;

    while (!fake->stopping) {
        struct pollfd ready = {.fd = fake->listener, .events = POLLIN};
        int connection;

        if (poll(&ready, 1, 20) <= 0) {
            continue;
        }
        connection = accept(fake->listener, NULL, NULL);
        if (connection == -1) {
            continue;
        }
        fake->connections++;
        pthread_mutex_lock(&fake->lock);
        fake->serve(fake, connection);
        pthread_mutex_unlock(&fake->lock);
        close(connection);
    }
    return NULL;
}

/* A socket that is bound, and listened on with this backlog. */
static inline void fake_listen(struct fake *fake, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(fake->folder, sizeof(fake->folder), "/tmp/fake-ledgerd.XXXXXX");
    if (mkdtemp(fake->folder) == NULL) {
        fake_die("mkdtemp");
    }
    snprintf(fake->path, sizeof(fake->path), "%s/socket", fake->folder);
    memcpy(address.sun_path, fake->path, strlen(fake->path) + 1);
    fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fake->listener == -1 ||
        bind(fake->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fake->listener, backlog) != 0) {
        fake_die("listen");
    }
}

static inline void fake_unlisten(struct fake *fake)
{
    close(fake->listener);
    unlink(fake->path);
    rmdir(fake->folder);
}

static inline void fake_start(struct fake *fake, void (*serve)(struct fake *, int))
{
    fake->serve = serve;
    fake->stopping = false;
    fake->connections = 0;
    fake->request[0] = '\0';
    fake_listen(fake, 16);
    if (pthread_create(&fake->thread, NULL, fake_run, fake) != 0) {
        fake_die("pthread_create");
    }
}

static inline void fake_stop(struct fake *fake)
{
    fake->stopping = true;
    pthread_join(fake->thread, NULL);
    fake_unlisten(fake);
}

/* An HTTP answer with this status and body, in memory that the next call uses again. */
static inline const char *fake_http(int status, const char *body)
{
    static char bytes[65536];

    snprintf(bytes, sizeof(bytes),
             "HTTP/1.1 %d Whatever\r\nDate: Mon, 15 Jun 2027 12:00:00 GMT\r\nConnection: close\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             status, strlen(body), body);
    return bytes;
}

static inline void fake_says(struct fake *fake, const char *bytes)
{
    pthread_mutex_lock(&fake->lock);
    snprintf(fake->answer, sizeof(fake->answer), "%s", bytes);
    fake->bytes = fake->answer;
    fake->length = strlen(bytes);
    pthread_mutex_unlock(&fake->lock);
}

/* The last request, once its connection has been dealt with. */
static inline const char *fake_request(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    pthread_mutex_unlock(&fake->lock);
    return fake->request;
}

/* The body of the last request, "" before there is one. */
static inline const char *fake_body(struct fake *fake)
{
    const char *blank = strstr(fake_request(fake), "\r\n\r\n");

    return blank == NULL ? "" : blank + 4;
}

static inline bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

#endif
