/* slurm_rest_pull - see slurm_rest_pull.h.
 *
 * Jobs are asked for without their state: a list of states would leave out rows of requeued jobs,
 * which 22.05 finds under no name. So an answer also has what still runs in its window, which
 * changes nothing: it is read for itself anyway.
 */
#include "importers/slurm_rest_pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "importers/slurm_rest_http_pull.h"
#include "importers/slurm_rest_site_pull.h"
#include "importers/slurm_rest_version.h"
#include "importers/slurm_rest_window.h"
#include "ledgerd/base/clock.h"
#include "ledgerd/base/log.h"

enum {
    WHOLE_TIMES = 24, /* an answer may take so many times as long as it may pause */
    PATH_BYTES = 1024,
    OPENAPI_BYTES = 16 * 1024 * 1024,
    NOW_SECONDS = 60, /* what runs now is asked for so far around now: clocks differ */
};
/* slurmrestd needs about twenty times as much memory as the answer has bytes. */
static const uint64_t WINDOW_BYTES = UINT64_C(64) * 1024 * 1024;
/* What runs, and what is in slurmctld's memory, cannot be asked for in pieces. */
static const uint64_t ANSWER_BYTES = UINT64_C(8) * 1024 * 1024 * 1024;

struct rest_source {
    struct slurm_source base;
    struct slurm_source_options options;
    char *url;                              /* without the version */
    bool asks_version;                      /* url does not name it */
    char version[SLURM_REST_VERSION_BYTES]; /* "" until it is known */
    char *cluster;                          /* as it stands in a query */
    struct slurm_rest_window window;
    bool has_warned;
};

static void warn_once(struct rest_source *source, const struct rest_client *client)
{
    if (rest_client_token_is_exposed(client) && !source->has_warned) {
        source->has_warned = true;
        log_event(LOG_LEVEL_WARNING, "anybody on this machine can read the token of slurmrestd",
                  "file", source->options.conf->token_file, NULL);
    }
}

static int find_version(struct rest_source *source, struct rest_client *client, struct error *err)
{
    struct strbuf body = STRBUF_INIT;
    int result;

    if (source->version[0] != '\0') {
        return 0;
    }
    result = rest_client_fetch(client, "/openapi", OPENAPI_BYTES, &body, err);
    if (result == 0) {
        result = slurm_rest_version_choose(body.data, body.length, source->version, err);
    }
    strbuf_release(&body);
    return result;
}

/* A client, with the token as it is now; the version is known afterwards. */
static struct rest_client *connect(struct rest_source *source, struct error *err)
{
    const struct rest_client_options options = {
        .url = source->url,
        .token_file = source->options.conf->token_file,
        .idle_us = source->options.conf->timeout_us,
        .whole_us = WHOLE_TIMES * source->options.conf->timeout_us,
        .stop = source->options.stop,
    };
    struct rest_client *client = rest_client_open(&options, err);

    if (client == NULL) {
        return NULL;
    }
    warn_once(source, client);
    if (find_version(source, client, err) != 0) {
        rest_client_close(client);
        return NULL;
    }
    return client;
}

/* The end of asking, with its result. After an error slurmrestd may come back as another release.
 */
static int disconnect(struct rest_source *source, struct rest_client *client, int result)
{
    if (result != 0 && source->asks_version) {
        source->version[0] = '\0';
    }
    rest_client_close(client);
    return result;
}

/* --- jobs ------------------------------------------------------------------------------------ */

/* Ask for jobs of accounting in [from, to] and feed the answer. */
static int feed_jobs(struct rest_source *source, struct rest_client *client, struct instant from,
                     struct instant to, uint64_t limit, slurm_feed_fn *feed, void *context,
                     struct error *err)
{
    char path[PATH_BYTES];

    /* 22.05 reads seconds since 1970 behind "uts" alone; later releases read that too. */
    snprintf(path, sizeof path,
             "/slurmdb/%s/jobs?start_time=uts%lld&end_time=uts%lld&skip_steps=true&cluster=%s",
             source->version, (long long)(from.us / INSTANT_SECOND_US),
             (long long)((to.us + INSTANT_SECOND_US - 1) / INSTANT_SECOND_US), source->cluster);
    return rest_client_get(client, path, limit, err) != 0
               ? -1
               : feed(context, "json", "slurmrestd", rest_client_read, client, err);
}

/* The window that begins at *from, which moves behind it; a smaller one where that was too much. */
static int feed_window(struct rest_source *source, struct rest_client *client, struct instant *from,
                       struct instant to, slurm_feed_fn *feed, void *context, struct error *err)
{
    for (;;) {
        struct instant end = slurm_rest_window_end(&source->window, *from, to);
        struct error why = {0};

        if (feed_jobs(source, client, *from, end, source->window.limit_bytes, feed, context,
                      &why) == 0) {
            slurm_rest_window_grow(&source->window, rest_client_bytes(client),
                                   rest_client_waited_us(client));
            *from = end;
            return 0;
        }
        if (rest_client_excess(client) == REST_NO_EXCESS ||
            !slurm_rest_window_halve(&source->window, *from, end)) {
            *err = why;
            return -1;
        }
    }
}

/* A window of a second whose answer is too large still: so much runs, then and at other times. */
static int feed_second(struct rest_source *source, struct rest_client *client, struct instant *from,
                       struct instant to, slurm_feed_fn *feed, void *context, struct error *err)
{
    struct instant end = slurm_rest_window_end(&source->window, *from, to);

    if (feed_jobs(source, client, *from, end, ANSWER_BYTES, feed, context, err) != 0) {
        return -1;
    }
    slurm_rest_window_init(&source->window, 2 * rest_client_bytes(client),
                           source->options.conf->timeout_us);
    *from = end;
    return 0;
}

static int ended(struct slurm_source *base, struct instant from, struct instant to,
                 slurm_feed_fn *feed, void *context, struct error *err)
{
    struct rest_source *source = (struct rest_source *)base;
    struct rest_client *client = connect(source, err);
    int result = client != NULL ? 0 : -1;

    while (result == 0 && instant_compare(from, to) < 0) {
        result = feed_window(source, client, &from, to, feed, context, err);
        if (result != 0 && rest_client_excess(client) == REST_TOO_LARGE) {
            result = feed_second(source, client, &from, to, feed, context, err);
        }
    }
    return disconnect(source, client, result);
}

static int running(struct slurm_source *base, slurm_feed_fn *feed, void *context, struct error *err)
{
    struct rest_source *source = (struct rest_source *)base;
    struct rest_client *client = connect(source, err);
    struct instant now = clock_now();
    char path[PATH_BYTES];
    int result = -1;

    if (client != NULL) {
        snprintf(path, sizeof path,
                 "/slurmdb/%s/jobs?state=RUNNING%%2CSUSPENDED&start_time=uts%lld&end_time=uts%lld"
                 "&skip_steps=true&cluster=%s",
                 source->version, (long long)(now.us / INSTANT_SECOND_US - NOW_SECONDS),
                 (long long)(now.us / INSTANT_SECOND_US + NOW_SECONDS), source->cluster);
        result = rest_client_get(client, path, ANSWER_BYTES, err);
    }
    if (result == 0) {
        result = feed(context, "json", "slurmrestd", rest_client_read, client, err);
    }
    return disconnect(source, client, result);
}

/* Ask for a part of slurmctld's, or of accounting's, that has no other words in its path. */
static int ask(struct rest_source *source, struct rest_client *client, const char *daemon,
               const char *what, struct error *err)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "/%s/%s/%s", daemon, source->version, what);
    return rest_client_get(client, path, ANSWER_BYTES, err);
}

static int live(struct slurm_source *base, slurm_feed_fn *feed, void *context, struct error *err)
{
    struct rest_source *source = (struct rest_source *)base;
    struct rest_client *client = connect(source, err);
    int result = client != NULL ? ask(source, client, "slurm", "jobs", err) : -1;

    if (result == 0) {
        result = feed(context, "json", "slurmrestd", rest_client_read, client, err);
    }
    return disconnect(source, client, result);
}

/* --- users and partitions -------------------------------------------------------------------- */

static int read_site(struct rest_source *source, struct rest_client *client,
                     struct slurm_site_list *list, struct error *err)
{
    if (ask(source, client, "slurmdb", "associations", err) != 0 ||
        slurm_rest_read_associations(list, source->options.cluster, rest_client_read, client,
                                     err) != 0 ||
        ask(source, client, "slurm", "partitions", err) != 0 ||
        slurm_rest_read_partitions(list, rest_client_read, client, err) != 0 ||
        ask(source, client, "slurm", "nodes", err) != 0 ||
        slurm_rest_read_nodes(list, rest_client_read, client, err) != 0) {
        return -1;
    }
    if (list->site.association_count == 0) {
        return error_set(err, ERROR_INPUT,
                         "Slurm's accounting knows no users of cluster %s: is it the right name, "
                         "and may the token's user see them?",
                         source->options.cluster);
    }
    return slurm_site_number_users(list, err);
}

static int site(struct slurm_source *base, struct slurm_site_list *list, struct error *err)
{
    struct rest_source *source = (struct rest_source *)base;
    struct rest_client *client = connect(source, err);
    int result = client != NULL ? read_site(source, client, list, err) : -1;

    return disconnect(source, client, result);
}

/* --- life ------------------------------------------------------------------------------------ */

static void close_source(struct slurm_source *base)
{
    struct rest_source *source = (struct rest_source *)base;

    free(source->cluster);
    free(source->url);
    free(source);
}

static const struct slurm_source_ops ops = {ended, running, live, site, close_source};

/* The name with everything but letters, digits and - . _ as %XX. NULL if there is no memory. */
static char *escape(const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    char *escaped = malloc(3 * strlen(text) + 1), *to = escaped;

    for (; escaped != NULL && *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._", c) != NULL) {
            *to++ = (char)c;
        } else {
            *to++ = '%';
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        }
    }
    if (escaped != NULL) {
        *to = '\0';
    }
    return escaped;
}

struct slurm_source *slurm_rest_open(const struct slurm_source_options *options, struct error *err)
{
    struct rest_source *source = calloc(1, sizeof *source);
    size_t base;

    if (source != NULL) {
        source->base.ops = &ops;
        source->options = *options;
        slurm_rest_version_split(options->conf->url, &base, source->version);
        source->asks_version = source->version[0] == '\0';
        source->url = strndup(options->conf->url, base);
        source->cluster = escape(options->cluster);
        slurm_rest_window_init(&source->window, WINDOW_BYTES, options->conf->timeout_us);
    }
    if (source == NULL || source->url == NULL || source->cluster == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        if (source != NULL) {
            close_source(&source->base);
        }
        return NULL;
    }
    return &source->base;
}
