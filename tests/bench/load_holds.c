/* load_holds - ask for holds over many connections, as fast as they are answered or at a rate.
 *
 * usage: load_holds PORT CONNECTIONS SECONDS RATE SHARED PROJECTS
 *
 * Every request has a key of its own; SHARED of 100 go to hp000001, the others to any of PROJECTS
 * projects.  With RATE 0 a connection asks again as soon as it is answered; else requests are due
 * RATE times a second, evenly, and their time counts from when they were due, whether or not a
 * connection was free then.  Prints "requests per second, p50 us, p99 us, refused" of what was
 * answered after the first tenth of the time.  Ends 1 if anything but 201 and 402 was answered.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, BUFFER_BYTES = 8192, REQUEST_BYTES = 512, TIMES_MAX = 8000000 };

struct client {
    int descriptor;
    bool busy;
    int64_t since_us;
    size_t used;
    char buffer[BUFFER_BYTES];
};

struct load {
    int epoll;
    size_t count;
    struct client clients[CONNECTIONS_MAX];
    int64_t interval_ns; /* between requests; 0: no pause */
    int64_t start_us, measure_us, end_us;
    uint64_t shared, projects, random, sent;
    size_t answered, refused, times_count;
    uint32_t *times;
};

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void fail(const char *what)
{
    fprintf(stderr, "load_holds: %s\n", what);
    exit(1);
}

static uint64_t next_random(struct load *load) /* xorshift */
{
    load->random ^= load->random << 13;
    load->random ^= load->random >> 7;
    load->random ^= load->random << 17;
    return load->random;
}

static void send_request(struct load *load, struct client *client, int64_t since_us)
{
    char body[128];
    char text[REQUEST_BYTES];
    uint64_t number = 1;

    if (next_random(load) % 100 >= load->shared) {
        number = next_random(load) % load->projects + 1;
    }
    int length = snprintf(body, sizeof(body),
                          "{\"project\":\"hp%06u\",\"user\":\"u%u\",\"points\":\"0.0001\"}",
                          (unsigned)number, (unsigned)number);
    int total = snprintf(
        text, sizeof(text),
        "POST /v1/holds HTTP/1.1\r\nHost: bench\r\nIdempotency-Key: b%d-%lld-%llu\r\n"
        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
        (int)getpid(), (long long)load->start_us, (unsigned long long)load->sent++, length, body);
    if (send(client->descriptor, text, (size_t)total, MSG_NOSIGNAL) != total) {
        fail("a request could not be sent");
    }
    client->busy = true;
    client->since_us = since_us;
    client->used = 0;
}

/* True once the whole answer is there. */
static bool is_complete(const struct client *client)
{
    const char *end = strstr(client->buffer, "\r\n\r\n");
    const char *length = strcasestr(client->buffer, "\r\nContent-Length:");

    if (end == NULL) {
        return false;
    }
    if (length == NULL || length > end) {
        fail("an answer has no length");
    }
    size_t body = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    return client->used >= (size_t)(end + 4 - client->buffer) + body;
}

static void take_answer(struct load *load, struct client *client)
{
    int64_t now = now_us();
    const char *status = client->buffer + strlen("HTTP/1.1 ");

    if (strncmp(status, "402", 3) == 0) {
        load->refused++;
    } else if (strncmp(status, "201", 3) != 0) {
        fail(client->buffer);
    }
    client->busy = false;
    if (now >= load->measure_us && load->times_count < TIMES_MAX) {
        load->times[load->times_count++] = (uint32_t)(now - client->since_us);
    }
    if (load->interval_ns == 0 && now < load->end_us) {
        send_request(load, client, now);
    }
}

static void read_answer(struct load *load, struct client *client)
{
    ssize_t got = recv(client->descriptor, client->buffer + client->used,
                       BUFFER_BYTES - 1 - client->used, 0);

    if (got <= 0) {
        fail("a connection ended");
    }
    client->used += (size_t)got;
    client->buffer[client->used] = '\0';
    if (is_complete(client)) {
        take_answer(load, client);
    }
}

/* Send what is due; returns how many milliseconds to wait for the next one. */
static int send_due(struct load *load)
{
    for (size_t i = 0; load->interval_ns > 0 && i < load->count; i++) {
        int64_t due_us = load->start_us + (int64_t)load->sent * load->interval_ns / 1000;
        if (due_us > now_us() || due_us >= load->end_us) {
            return 1;
        }
        if (!load->clients[i].busy) {
            send_request(load, &load->clients[i], due_us);
        }
    }
    return load->interval_ns > 0 ? 1 : 100;
}

static bool is_busy(const struct load *load)
{
    for (size_t i = 0; i < load->count; i++) {
        if (load->clients[i].busy) {
            return true;
        }
    }
    return false;
}

static void run(struct load *load)
{
    struct epoll_event events[CONNECTIONS_MAX];

    for (size_t i = 0; load->interval_ns == 0 && i < load->count; i++) {
        send_request(load, &load->clients[i], now_us());
    }
    while (now_us() < load->end_us || is_busy(load)) {
        int wait_ms = send_due(load);
        int count = epoll_wait(load->epoll, events, CONNECTIONS_MAX, wait_ms);
        for (int i = 0; i < count; i++) {
            read_answer(load, events[i].data.ptr);
        }
    }
}

static void connect_clients(struct load *load, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int yes = 1;

    load->epoll = epoll_create1(0);
    for (size_t i = 0; i < load->count; i++) {
        struct client *client = &load->clients[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        client->descriptor = socket(AF_INET, SOCK_STREAM, 0);
        if (client->descriptor < 0 ||
            connect(client->descriptor, (struct sockaddr *)&address, sizeof(address)) != 0 ||
            setsockopt(client->descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0 ||
            epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->descriptor, &event) != 0) {
            fail("cannot connect");
        }
    }
}

static int compare_times(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static void report(struct load *load)
{
    size_t count = load->times_count;

    if (count == 0) {
        fail("nothing was answered");
    }
    qsort(load->times, count, sizeof(*load->times), compare_times);
    printf("%lld %u %u %zu\n",
           (long long)((int64_t)count * 1000000 / (load->end_us - load->measure_us)),
           load->times[count / 2], load->times[count - 1 - count / 100], load->refused);
}

int main(int argc, char **argv)
{
    static struct load load;

    if (argc != 7) {
        fail("usage: load_holds PORT CONNECTIONS SECONDS RATE SHARED PROJECTS");
    }
    int64_t rate = strtoll(argv[4], NULL, 10);
    load.count = strtoul(argv[2], NULL, 10);
    load.shared = strtoull(argv[5], NULL, 10);
    load.projects = strtoull(argv[6], NULL, 10);
    load.interval_ns = rate > 0 ? 1000000000 / rate : 0;
    load.random = UINT64_C(88172645463325252) ^ (uint64_t)getpid();
    load.times = malloc(TIMES_MAX * sizeof(*load.times));
    if (load.count == 0 || load.count > CONNECTIONS_MAX || load.projects == 0 ||
        load.times == NULL) {
        fail("these arguments cannot be");
    }
    connect_clients(&load, (unsigned)strtoul(argv[1], NULL, 10));
    load.start_us = now_us();
    load.end_us = load.start_us + strtoll(argv[3], NULL, 10) * 1000000;
    load.measure_us = load.start_us + (load.end_us - load.start_us) / 10;
    run(&load);
    report(&load);
    return 0;
}
