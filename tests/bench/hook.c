/* hook - what a submission waits for: the plugin's own code against ledgerd, beside an echo server
 * that is sent the same bytes and answers the same bytes.
 *
 * usage: hook PLUGIN SOCKET PORT CHECKS COUNT.  Loads the plugin, submits COUNT jobs by job_submit,
 * after each one a bare connect + write + read to the echo server, and meanwhile asks ledgerd at
 * PORT for CHECKS checks a second (0: none).  Prints "ours p50 p99, floor p50 p99, checks answered
 * a second, not held", times in us.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <slurm/slurm.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "ledger_client.h"
#include "tests/hook/fake_ledgerd.h"
#include "tests/hook/slurm_stubs.h"

enum { COUNT_MAX = 1000000, LOAD_CONNECTIONS = 8, REPLY_MAX = 65536 };

typedef int submit_call(job_desc_msg_t *desc, uint32_t uid, char **message);

struct plugin {
    int (*init)(void);
    submit_call *submit;
    size_t not_held;
};

static struct fake capture;
static char reply[REPLY_MAX];

static void load_plugin(const char *path, struct plugin *plugin)
{
    void *library = dlopen(path, RTLD_NOW);

    if (library == NULL) {
        fprintf(stderr, "hook: %s\n", dlerror());
        exit(1);
    }
    *(void **)&plugin->init = dlsym(library, "init");
    *(void **)&plugin->submit = dlsym(library, "job_submit");
}

/* Have the plugin ask at this socket from now on. */
static void point_plugin(struct plugin *plugin, const char *folder, const char *socket_path)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s.conf", folder);
    file = fopen(path, "w");
    if (file == NULL ||
        fprintf(file, "cluster = sdli\nsocket = %s\ndeadline = 1s\n", socket_path) < 0 ||
        fclose(file) != 0) {
        fake_die(path);
    }
    setenv("LEDGER_HOOK_CONF", path, 1);
    plugin->init();
    unlink(path);
}

static void submit_one(struct plugin *plugin)
{
    static char account[] = "hp000001";
    static char partition[] = "gpu";
    static char gpus[] = "gres:gpu:1";
    job_desc_msg_t desc = {.account = account,
                           .partition = partition,
                           .tres_per_node = gpus,
                           .time_limit = 1,
                           .user_id = 20001,
                           .min_cpus = 1,
                           .min_nodes = 1,
                           .pn_min_memory = 1024,
                           .num_tasks = NO_VAL,
                           .ntasks_per_node = NO_VAL16,
                           .ntasks_per_tres = NO_VAL16,
                           .cpus_per_task = NO_VAL16,
                           .pn_min_cpus = NO_VAL16,
                           .sockets_per_node = NO_VAL16,
                           .shared = NO_VAL16,
                           .overcommit = NO_VAL8};
    char *message = NULL;
    int result = plugin->submit(&desc, 20001, &message);

    if (result != 0 || desc.admin_comment == NULL ||
        strncmp(desc.admin_comment, "ledger:hold=", 12) != 0) {
        if (plugin->not_held++ == 0) {
            fprintf(stderr, "hook: not held: %s\n", message != NULL ? message : desc.admin_comment);
        }
    }
    free(message);
    free(desc.admin_comment);
}

/* One bare exchange: returns how many bytes came back. */
static size_t exchange_bare(const char *path, const char *bytes, size_t length, char *back)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    size_t used = 0;
    ssize_t got;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        write(descriptor, bytes, length) != (ssize_t)length) {
        fake_die("exchange");
    }
    while ((got = read(descriptor, back + used, REPLY_MAX - used)) > 0) {
        used += (size_t)got;
    }
    close(descriptor);
    return used;
}

static void serve_echo(int listener, size_t asked, const char *bytes, size_t length)
{
    static char request[FAKE_REQUEST_BYTES];

    for (;;) {
        int connection = accept(listener, NULL, NULL);
        size_t used = 0;
        ssize_t got;

        while (used < asked &&
               (got = read(connection, request + used, sizeof(request) - used)) > 0) {
            used += (size_t)got;
        }
        (void)!write(connection, bytes, length);
        close(connection);
    }
}

static int connect_load(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0 ||
        fcntl(descriptor, F_SETFL, O_NONBLOCK) != 0) {
        fake_die("load");
    }
    return descriptor;
}

/* Send what is due on the connections in turn, and count what is answered. */
static void run_load(unsigned port, int64_t rate, atomic_long *answered)
{
    static const char check[] = "GET /v1/check?project=hp000500&user=u500&points=12.5 HTTP/1.1\r\n"
                                "Host: bench\r\n\r\n";
    static char bytes[REPLY_MAX];
    int descriptors[LOAD_CONNECTIONS];
    int64_t began = ledger_monotonic_us();

    for (size_t i = 0; i < LOAD_CONNECTIONS; i++) {
        descriptors[i] = connect_load(port);
    }
    for (int64_t sent = 0;; sent++) {
        int descriptor = descriptors[sent % LOAD_CONNECTIONS];
        int64_t due = began + sent * 1000000 / rate - ledger_monotonic_us();
        ssize_t got;

        if (due > 0) {
            struct timespec pause = {.tv_nsec = due * 1000};
            nanosleep(&pause, NULL);
        }
        while ((got = recv(descriptor, bytes, sizeof(bytes) - 1, 0)) > 0) {
            bytes[got] = '\0';
            for (char *at = bytes; (at = strstr(at, "HTTP/1.1 200")) != NULL; at++) {
                *answered += 1;
            }
        }
        (void)!send(descriptor, check, sizeof(check) - 1, MSG_NOSIGNAL);
    }
}

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static void measure(struct plugin *plugin, const char *echo_path, size_t count, int64_t *ours,
                    int64_t *floor)
{
    static char back[REPLY_MAX];
    const char *request = fake_request(&capture);
    size_t length = strlen(request);

    for (size_t i = 0; i < count; i++) {
        int64_t began = ledger_monotonic_us();
        submit_one(plugin);
        ours[i] = ledger_monotonic_us() - began;
        began = ledger_monotonic_us();
        (void)exchange_bare(echo_path, request, length, back);
        floor[i] = ledger_monotonic_us() - began;
    }
    qsort(ours, count, sizeof(*ours), compare_times);
    qsort(floor, count, sizeof(*floor), compare_times);
}

static pid_t start_child(void)
{
    pid_t child = fork();

    if (child == -1) {
        fake_die("fork");
    }
    return child;
}

int main(int argc, char **argv)
{
    static struct fake echo;
    static int64_t ours[COUNT_MAX], floor[COUNT_MAX];
    struct plugin plugin = {0};
    atomic_long *answered = mmap(NULL, sizeof(*answered), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    size_t count = argc == 6 ? strtoul(argv[5], NULL, 10) : 0;
    int64_t rate = argc == 6 ? strtoll(argv[4], NULL, 10) : 0;
    pid_t children[2] = {0};
    size_t length;
    int64_t began;

    if (count == 0 || count > COUNT_MAX || answered == MAP_FAILED) {
        fprintf(stderr, "usage: hook PLUGIN SOCKET PORT CHECKS COUNT\n");
        return 2;
    }
    load_plugin(argv[1], &plugin);
    fake_says(&capture, fake_http(201, "{\"hold\":\"h_1\"}"));
    fake_start(&capture, fake_answer);
    point_plugin(&plugin, capture.folder, capture.path);
    submit_one(&plugin);
    fake_stop(&capture);
    length = exchange_bare(argv[2], capture.request, strlen(capture.request), reply);
    fake_listen(&echo, 128);
    if ((children[0] = start_child()) == 0) {
        serve_echo(echo.listener, strlen(capture.request), reply, length);
    }
    if (rate > 0 && (children[1] = start_child()) == 0) {
        run_load((unsigned)strtoul(argv[3], NULL, 10), rate, answered);
    }
    point_plugin(&plugin, echo.folder, argv[2]);
    measure(&plugin, echo.path, count < 200 ? count : 200, ours, floor); /* warms both */
    *answered = 0;
    began = ledger_monotonic_us();
    measure(&plugin, echo.path, count, ours, floor);
    began = ledger_monotonic_us() - began;
    printf("%lld %lld %lld %lld %lld %zu\n", (long long)ours[count / 2],
           (long long)ours[count - 1 - count / 100], (long long)floor[count / 2],
           (long long)floor[count - 1 - count / 100], (long long)*answered * 1000000 / began,
           plugin.not_held);
    for (size_t i = 0; i < 2; i++) {
        if (children[i] > 0) {
            kill(children[i], SIGKILL);
            waitpid(children[i], NULL, 0);
        }
    }
    fake_unlisten(&echo);
    return plugin.not_held == 0 ? 0 : 1;
}
