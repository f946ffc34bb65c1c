/* pull - one round of reading a source, by hand: a Slurm cluster, or token records. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "importers/slurm_pull.h"
#include "importers/tokens_pull.h"
#include "ledgerd/base/clock.h"
#include "ledgerd/ctl/counts.h"
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"

enum {
    BUSY_WAIT_US = 5 * 1000 * 1000, /* for another process's round, before giving way */
    BUSY_PAUSE_NS = 200 * 1000 * 1000,
};

/* Is the section meant by "sdli" or "slurm:sdli", "gateway:sdli"? */
static bool is_named(const struct conf_source *source, const char *name)
{
    return strcmp(source->name, name) == 0 ||
           (strncmp(source->name, "slurm:", 6) == 0 && strcmp(source->name + 6, name) == 0);
}

/* The section of the source, or the only one that is pulled. NULL on error. */
static const struct conf_source *find_source(const struct conf *conf, const char *name,
                                             struct error *err)
{
    const struct conf_source *found = NULL;
    size_t count = 0;

    for (size_t i = 0; i < conf->source_count; i++) {
        const struct conf_source *source = &conf->sources[i];

        if (name != NULL ? is_named(source, name) : source->mode != CONF_PULL_NONE) {
            found = source;
            count++;
        }
    }
    if (count == 1) {
        return found;
    }
    if (name != NULL) {
        error_set(err, ERROR_ARGUMENT, "the configuration has no section [slurm %s] or [tokens %s]",
                  name, name);
    } else {
        error_set(err, ERROR_ARGUMENT,
                  count == 0 ? "no [slurm CLUSTER] or [tokens SOURCE] section of the "
                               "configuration names a mode"
                             : "the configuration has several sources: say which one");
    }
    return NULL;
}

/* What a round of either kind of source is made with, and what came of it. */
struct pulled {
    struct slurm_pull *slurm; /* NULL: tokens are pulled */
    struct tokens_pull *tokens;
    struct slurm_pull_result slurm_result;
    struct tokens_pull_result tokens_result;
};

static int open_pull(struct pulled *pulled, const struct conf *conf,
                     const struct conf_source *source, struct error *err)
{
    const struct slurm_pull_options slurm = {.conf = conf, .source = source};
    const struct tokens_pull_options tokens = {.conf = conf, .source = source};

    if (strncmp(source->name, "slurm:", 6) == 0) {
        pulled->slurm = slurm_pull_create(&slurm, err);
    } else {
        pulled->tokens = tokens_pull_create(&tokens, err);
    }
    return pulled->slurm != NULL || pulled->tokens != NULL ? 0 : -1;
}

static int round_once(struct pulled *pulled, struct store *store, bool *is_busy, struct error *err)
{
    int status;

    if (pulled->slurm != NULL) {
        status = slurm_pull_round(pulled->slurm, store, &pulled->slurm_result, err);
        *is_busy = pulled->slurm_result.is_busy;
    } else {
        status = tokens_pull_round(pulled->tokens, store, &pulled->tokens_result, err);
        *is_busy = pulled->tokens_result.is_busy;
    }
    return status;
}

/* A round, after that of another process if one is under way. */
static int make_round(struct pulled *pulled, struct store *store, bool *is_busy, struct error *err)
{
    const struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
    int64_t until_us = clock_monotonic_us() + BUSY_WAIT_US;
    int status;

    while ((status = round_once(pulled, store, is_busy, err)) == 0 && *is_busy &&
           clock_monotonic_us() < until_us) {
        nanosleep(&pause, NULL);
    }
    if (status == 0 && *is_busy) {
        return error_set_reason(err, ERROR_REFUSED, "pull_busy",
                                "another process is reading this source: try again later");
    }
    return status;
}

static json_t *slurm_document(const char *source, const struct slurm_pull_result *result,
                              const struct zone *zone)
{
    const struct slurm_keep_figures *kept = &result->kept;
    json_t *document = counts_document(&result->counts);

    if (document == NULL) {
        return NULL;
    }
    json_t *more = json_pack(
        "{s:s, s:o, s:I, s:I, s:I, s:b, s:{s:I, s:I, s:I, s:I, s:I, s:I}}", "source", source,
        "read_through", document_instant(zone, result->read_through), "pending_jobs",
        (json_int_t)result->pending_jobs, "running_jobs", (json_int_t)result->running_jobs,
        "unread_jobs", (json_int_t)result->unread_jobs, "associations_changed",
        (int)result->is_site_changed, "holds", "confirmed", (json_int_t)kept->confirmed, "released",
        (json_int_t)kept->released, "cancelled_parts", (json_int_t)kept->cancelled_parts, "started",
        (json_int_t)kept->started, "refused", (json_int_t)kept->start_refused, "unheld_jobs",
        (json_int_t)kept->unheld_jobs);
    if (more == NULL || json_object_update(document, more) != 0) {
        json_decref(document);
        document = NULL;
    }
    json_decref(more);
    return document;
}

static json_t *tokens_document(const char *source, const struct tokens_pull_result *result,
                               const struct zone *zone)
{
    json_t *document = counts_document(&result->counts);

    if (document != NULL &&
        (json_object_set_new(document, "source", json_string(source)) != 0 ||
         json_object_set_new(document, "read_through",
                             document_instant(zone, result->read_through)) != 0)) {
        json_decref(document);
        document = NULL;
    }
    return document;
}

static int pull_run(struct command *command, struct error *err)
{
    const struct conf *conf = &command->session.conf;
    const struct conf_source *source = find_source(conf, command_argument(command, 0), err);
    const struct catalog *catalog = source != NULL ? command_catalog(command, err) : NULL;
    struct pulled pulled = {0};
    struct error finishing = {0};
    bool is_busy = false;
    json_t *document;
    int status = -1;

    if (catalog == NULL || open_pull(&pulled, conf, source, err) != 0) {
        return -1;
    }
    status = make_round(&pulled, command->session.store, &is_busy, err);
    document = pulled.slurm != NULL
                   ? slurm_document(source->name, &pulled.slurm_result, &catalog->zone)
                   : tokens_document(source->name, &pulled.tokens_result, &catalog->zone);
    slurm_pull_destroy(pulled.slurm);
    tokens_pull_destroy(pulled.tokens);
    if (is_busy) {
        json_decref(document);
        return -1;
    }
    if (command_finish(command, document, status == 0 ? err : &finishing) != 0) {
        return -1;
    }
    command->status = pulled.slurm_result.counts.quarantined +
                                  pulled.tokens_result.counts.quarantined >
                              0
                          ? 3
                          : 0;
    return status;
}

static void pull_show(const json_t *document, struct strbuf *out)
{
    static const char *const holds[] = {"confirmed", "released", "cancelled_parts",
                                        "started",   "refused",  "unheld_jobs"};
    const json_t *kept = json_object_get(document, "holds");
    const json_t *through = json_object_get(document, "read_through");

    counts_show(document, out);
    strbuf_printf(out, "read through %s\n",
                  json_is_string(through) ? json_string_value(through) : "-");
    if (kept == NULL) {
        return;
    }
    strbuf_printf(out, "live jobs    %lld pending, %lld running\nholds       ",
                  (long long)json_integer_value(json_object_get(document, "pending_jobs")),
                  (long long)json_integer_value(json_object_get(document, "running_jobs")));
    for (size_t i = 0; i < sizeof holds / sizeof *holds; i++) {
        strbuf_printf(out, "%s %lld %s", i > 0 ? "," : "",
                      (long long)json_integer_value(json_object_get(kept, holds[i])), holds[i]);
    }
    strbuf_add_char(out, '\n');
}

const struct verb pull_verbs[] = {
    {.spec = {"pull",
              NULL,
              {{"SOURCE", WORD_TEXT, true, false}},
              NULL,
              "read a cluster or gateway of the configuration once, as ledgerd does by itself"},
     .role = STORE_DAEMON,
     .run = pull_run,
     .show = pull_show},
    {.run = NULL},
};
