/* slurm_rest_http_pull - see slurm_rest_http_pull.h.
 *
 * libcurl's multi interface is driven from within the reading: bytes are taken from the socket only
 * when somebody wants them, so an answer of any size needs no thread and no memory of its size.
 */
#include "importers/slurm_rest_http_pull.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "importers/json_scan.h"
#include "importers/slurm_rest_token.h"
#include "ledgerd/base/clock.h"

enum {
    POLL_MS = 200, /* how soon a stop is noticed */
    CONNECT_SECONDS = 10,
    SHOWN_BYTES = 200, /* of a text that is no JSON */
    NOTHING_FOUND = 9003,
    STATUS_OK = 200,
    STATUS_MULTIPLE = 300,
};

struct rest_client {
    struct rest_client_options options;
    char *url;
    struct curl_slist *headers;
    bool exposed;
    CURL *easy;
    CURLM *multi;
    bool running; /* easy is in multi */
    bool paused;
    bool done; /* curl has said how it ended */
    CURLcode result;
    char *held; /* CLIENT_BYTES of the answer; what is at hand is [start, end) */
    size_t start, end;
    struct strbuf refusal; /* the body of an answer that is no success */
    uint64_t limit, bytes;
    int64_t waited_us;
    enum rest_client_excess excess;
    char why[CURL_ERROR_SIZE];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_begin(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT); /* a failure shows in curl_easy_init */
}

/* --- the token ------------------------------------------------------------------------------- */

/* "name: value" as a header. */
static int add_header(struct rest_client *client, const char *name, const char *value,
                      size_t length, struct error *err)
{
    struct strbuf line = STRBUF_INIT;
    struct curl_slist *list;

    strbuf_printf(&line, "%s: ", name);
    strbuf_add(&line, value, length);
    list = line.failed ? NULL : curl_slist_append(client->headers, line.data);
    if (line.capacity > 0) {
        explicit_bzero(line.data, line.length);
    }
    strbuf_release(&line);
    if (list == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    client->headers = list;
    return 0;
}

static int add_bearer(struct rest_client *client, const char *token, size_t length,
                      struct error *err)
{
    static const char scheme[] = "Bearer ";
    char value[sizeof scheme + CLIENT_TOKEN_BYTES];
    int result;

    memcpy(value, scheme, sizeof scheme - 1);
    memcpy(value + sizeof scheme - 1, token, length);
    result = add_header(client, "Authorization", value, sizeof scheme - 1 + length, err);
    explicit_bzero(value, sizeof value);
    return result;
}

static int read_token_file(struct rest_client *client, char *text, size_t size, size_t *length,
                           struct error *err)
{
    const char *path = client->options.token_file;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    ssize_t got = -1;

    if (fd >= 0 && fstat(fd, &status) == 0) {
        client->exposed = (status.st_mode & S_IROTH) != 0;
        got = read(fd, text, size);
    }
    if (got < 0) {
        error_set(err, ERROR_INPUT, "%s: the token cannot be read: %s", path, strerror(errno));
    } else if ((size_t)got == size) {
        got = error_set(err, ERROR_INPUT, "%s: longer than any token", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    *length = got > 0 ? (size_t)got : 0;
    return got < 0 ? -1 : 0;
}

static int set_token(struct rest_client *client, struct error *err)
{
    char text[CLIENT_TOKEN_BYTES];
    struct strbuf user = STRBUF_INIT;
    const char *token;
    size_t length;
    int result;

    if (client->options.token_file[0] == '\0') {
        return 0;
    }
    result = read_token_file(client, text, sizeof text, &length, err);
    if (result == 0 && slurm_rest_token_find(text, length, &token, &length) != 0) {
        result = error_set(err, ERROR_INPUT, "%s: this is no token", client->options.token_file);
    }
    if (result == 0 && client->options.is_bearer) {
        result = add_bearer(client, token, length, err);
    } else if (result == 0) {
        result = add_header(client, "X-SLURM-USER-TOKEN", token, length, err);
    }
    if (result == 0 && !client->options.is_bearer &&
        slurm_rest_token_user(token, length, &user) == 0) {
        result = add_header(client, "X-SLURM-USER-NAME", user.data, user.length, err);
    }
    strbuf_release(&user);
    explicit_bzero(text, sizeof text);
    return result;
}

/* --- the answer ------------------------------------------------------------------------------ */

static long status_of(const struct rest_client *client)
{
    long status = 0;

    curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool is_success(long status)
{
    return status >= STATUS_OK && status < STATUS_MULTIPLE;
}

/* Called by curl with bytes of the answer: they are held, or wait until there is room. */
static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    struct rest_client *client = context;
    size_t length = size * count;

    if (!is_success(status_of(client))) {
        size_t room = CLIENT_ERROR_BYTES - client->refusal.length;
        strbuf_add(&client->refusal, bytes, length < room ? length : room);
        return length;
    }
    if (client->end + length > CLIENT_BYTES) {
        client->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    client->bytes += length;
    if (client->bytes > client->limit) {
        client->excess = REST_TOO_LARGE;
        return 0; /* ends it */
    }
    memcpy(client->held + client->end, bytes, length);
    client->end += length;
    return length;
}

/* --- life ------------------------------------------------------------------------------------ */

static int set_up(struct rest_client *client, struct error *err)
{
    CURL *easy = client->easy = curl_easy_init();

    client->multi = curl_multi_init();
    client->held = malloc(CLIENT_BYTES);
    if (easy == NULL || client->multi == NULL || client->held == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->why);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* the token goes nowhere else, */
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L); /* and to whom it is meant for */
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    return 0;
}

static int check_url(const char *url, struct error *err)
{
    CURLU *parts = curl_url();
    char *user = NULL, *scheme = NULL;
    int result = 0;

    if (parts == NULL || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        result = error_set(err, ERROR_ARGUMENT, "url: '%.100s' is no address (http://host:6820)",
                           url);
    } else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        result = error_set(err, ERROR_ARGUMENT, "url: no user belongs in it: token_file says who");
    }
    curl_free(scheme);
    curl_free(user);
    curl_url_cleanup(parts);
    return result;
}

struct rest_client *rest_client_open(const struct rest_client_options *options, struct error *err)
{
    struct rest_client *client;

    pthread_once(&curl_once, curl_begin);
    if (check_url(options->url, err) != 0) {
        return NULL;
    }
    client = calloc(1, sizeof *client);
    if (client == NULL || (client->url = strdup(options->url)) == NULL) {
        free(client);
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    client->options = *options;
    client->options.peer = options->peer != NULL ? options->peer : "slurmrestd";
    strbuf_init(&client->refusal);
    if (set_token(client, err) != 0 || set_up(client, err) != 0) {
        rest_client_close(client);
        return NULL;
    }
    return client;
}

static void stop(struct rest_client *client)
{
    if (client->running) {
        curl_multi_remove_handle(client->multi, client->easy);
        client->running = false;
    }
}

void rest_client_close(struct rest_client *client)
{
    if (client == NULL) {
        return;
    }
    stop(client);
    if (client->easy != NULL) {
        curl_easy_cleanup(client->easy);
    }
    if (client->multi != NULL) {
        curl_multi_cleanup(client->multi);
    }
    for (struct curl_slist *line = client->headers; line != NULL; line = line->next) {
        explicit_bzero(line->data, strlen(line->data));
    }
    curl_slist_free_all(client->headers);
    strbuf_release(&client->refusal);
    free(client->held);
    free(client->url);
    free(client);
}

bool rest_client_token_is_exposed(const struct rest_client *client)
{
    return client->exposed;
}

enum rest_client_excess rest_client_excess(const struct rest_client *client)
{
    return client->excess;
}

uint64_t rest_client_bytes(const struct rest_client *client)
{
    return client->bytes;
}

int64_t rest_client_waited_us(const struct rest_client *client)
{
    return client->waited_us;
}

int rest_client_get(struct rest_client *client, const char *path, uint64_t limit, struct error *err)
{
    struct strbuf url = STRBUF_INIT;
    bool failed;

    stop(client);
    client->paused = client->done = false;
    client->start = client->end = 0;
    client->limit = limit;
    client->bytes = 0;
    client->waited_us = 0;
    client->excess = REST_NO_EXCESS;
    client->why[0] = '\0';
    strbuf_clear(&client->refusal);
    strbuf_printf(&url, "%s%s", client->url, path);
    failed = url.failed || curl_easy_setopt(client->easy, CURLOPT_URL, url.data) != CURLE_OK ||
             curl_easy_setopt(client->easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)limit) !=
                 CURLE_OK ||
             curl_multi_add_handle(client->multi, client->easy) != CURLM_OK;
    strbuf_release(&url);
    client->running = !failed;
    return failed ? error_set(err, ERROR_INTERNAL, "out of memory") : 0;
}

/* --- errors ---------------------------------------------------------------------------------- */

/* The text of the first of an answer's errors that is more than "nothing found"; *found counts
 * errors of both kinds. */
static struct scan_text find_error(struct scan_doc *doc, size_t *found)
{
    static const char *const names[] = {"description", "error"};
    uint32_t list = scan_given(doc, 0, "errors");

    *found = 0;
    if (list == SCAN_NONE || scan_type(doc, list) != SCAN_ARRAY) {
        return (struct scan_text){"", 0};
    }
    for (uint32_t entry = list + 1; entry < doc->tokens[list].next;
         entry = doc->tokens[entry].next) {
        uint32_t number = scan_given(doc, entry, "error_number");

        (*found)++;
        if (number != SCAN_NONE && scan_text(doc, number).length == 4 &&
            strtol(scan_text(doc, number).bytes, NULL, 10) == NOTHING_FOUND) {
            continue;
        }
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            uint32_t text = scan_given(doc, entry, names[i]);
            if (text != SCAN_NONE && scan_text(doc, text).length > 0) {
                return scan_text(doc, text);
            }
        }
        return (struct scan_text){"an error without a text", strlen("an error without a text")};
    }
    return (struct scan_text){"", 0};
}

/* Bytes of the other side, made fit to be printed. */
static void show(struct strbuf *out, struct scan_text text)
{
    for (size_t i = 0; i < text.length && i < SHOWN_BYTES; i++) {
        char c = text.bytes[i];
        strbuf_add_char(out, c >= ' ' && c < 0x7f ? c : ' ');
    }
}

/* An answer whose status is none of success: one that found nothing is given as it is. */
static int judge_refusal(struct rest_client *client, long status, struct error *err)
{
    struct strbuf *body = &client->refusal;
    struct strbuf shown = STRBUF_INIT;
    struct scan_doc doc;
    struct scan_text text = {body->data, body->length};
    size_t found = 0;
    int result = 0;

    scan_init(&doc);
    if (scan_json_whole(&doc, body->data, body->length) == SCAN_OK) {
        text = find_error(&doc, &found);
    }
    if (found > 0 && text.length == 0) {
        memcpy(client->held, body->data, body->length);
        client->start = 0;
        client->end = body->length;
    } else {
        show(&shown, text);
        result = error_set(err, ERROR_UNAVAILABLE, "%s at %.200s: HTTP status %ld%s%s",
                           client->options.peer, client->url, status, shown.length > 0 ? ": " : "",
                           shown.data);
    }
    scan_release(&doc);
    strbuf_release(&shown);
    return result;
}

static int fail_excess(struct rest_client *client, struct error *err)
{
    if (client->excess == REST_TOO_LARGE) {
        return error_set_reason(err, ERROR_UNAVAILABLE, "too_large",
                                "%s at %.200s: the answer is larger than %llu bytes",
                                client->options.peer, client->url,
                                (unsigned long long)client->limit);
    }
    return error_set_reason(err, ERROR_UNAVAILABLE, "too_slow",
                            "%s at %.200s: no answer within %lld s", client->options.peer,
                            client->url, (long long)(client->waited_us / INSTANT_SECOND_US));
}

/* How an answer ended: 0 if it is whole. */
static int judge(struct rest_client *client, struct error *err)
{
    long status = status_of(client);

    if (client->result == CURLE_FILESIZE_EXCEEDED) { /* the header says so */
        client->excess = REST_TOO_LARGE;
    }
    if (client->excess != REST_NO_EXCESS) {
        return fail_excess(client, err);
    }
    if (client->result != CURLE_OK) {
        return error_set(err, ERROR_UNAVAILABLE, "%s at %.200s: %s", client->options.peer,
                         client->url,
                         client->why[0] != '\0' ? client->why : curl_easy_strerror(client->result));
    }
    if (!is_success(status)) {
        return judge_refusal(client, status, err);
    }
    if (client->bytes == 0) { /* cut off within its headers looks like that too */
        return error_set(err, ERROR_UNAVAILABLE, "%s at %.200s: an empty answer",
                         client->options.peer, client->url);
    }
    return 0;
}

/* --- reading --------------------------------------------------------------------------------- */

static void look_whether_done(struct rest_client *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            client->done = true;
            client->result = message->data.result;
        }
    }
}

/* Wait for the next bytes or the end. -1 past a deadline or when stopped. */
static int wait_for_more(struct rest_client *client, struct error *err)
{
    int64_t began = clock_monotonic_us(), before = client->waited_us;
    uint64_t had = client->bytes;
    int running;

    while (client->start == client->end && !client->done) {
        if (client->paused) {
            client->paused = false;
            client->start = client->end = 0;
            curl_easy_pause(client->easy, CURLPAUSE_CONT);
        }
        if (curl_multi_perform(client->multi, &running) != CURLM_OK ||
            (running > 0 && client->bytes == had && !client->paused &&
             curl_multi_poll(client->multi, NULL, 0, POLL_MS, NULL) != CURLM_OK)) {
            return error_set(err, ERROR_INTERNAL, "out of memory");
        }
        look_whether_done(client);
        client->waited_us = before + clock_monotonic_us() - began;
        if (client->options.stop != NULL && atomic_load(client->options.stop)) {
            return error_set_reason(err, ERROR_UNAVAILABLE, "stopped", "stopped");
        }
        if (!client->done && (clock_monotonic_us() - began > client->options.idle_us ||
                              client->waited_us > client->options.whole_us)) {
            client->excess = REST_TOO_SLOW;
            stop(client);
            return fail_excess(client, err);
        }
    }
    return 0;
}

ssize_t rest_client_read(void *context, void *buffer, size_t size, struct error *err)
{
    struct rest_client *client = context;
    size_t length;

    if (client->start == client->end) {
        client->start = client->end = 0;
        if (client->running && wait_for_more(client, err) != 0) {
            return -1;
        }
        if (client->done && client->start == client->end && client->running) {
            stop(client);
            if (judge(client, err) != 0) {
                return -1;
            }
        }
    }
    length = client->end - client->start;
    length = length < size ? length : size;
    memcpy(buffer, client->held + client->start, length);
    client->start += length;
    return (ssize_t)length;
}

int rest_client_fetch(struct rest_client *client, const char *path, uint64_t limit,
                      struct strbuf *body, struct error *err)
{
    enum { PIECE_BYTES = 64 * 1024 };
    ssize_t got;

    if (rest_client_get(client, path, limit, err) != 0) {
        return -1;
    }
    do {
        char *room = strbuf_reserve(body, PIECE_BYTES);

        if (room == NULL) {
            return error_set(err, ERROR_INTERNAL, "out of memory");
        }
        got = rest_client_read(client, room, PIECE_BYTES, err);
        body->length += got > 0 ? (size_t)got : 0;
        body->data[body->length] = '\0';
    } while (got > 0);
    return got < 0 ? -1 : 0;
}
