/* pull - one round of reading a Slurm cluster, by hand. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "importers/slurm_pull.h"
#include "ledgerd/base/clock.h"
#include "ledgerd/ctl/counts.h"
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"

enum {
    BUSY_WAIT_US = 5 * 1000 * 1000, /* for another process's round, before giving way */
    BUSY_PAUSE_NS = 200 * 1000 * 1000,
};

/* The section of the cluster, or the only one that is pulled. NULL on error. */
static const struct conf_source *find_source(const struct conf *conf, const char *cluster,
                                             struct error *err)
{
    const struct conf_source *found = NULL;
    size_t count = 0;

    for (size_t i = 0; i < conf->source_count; i++) {
        const struct conf_source *source = &conf->sources[i];
        bool is_named = cluster != NULL && strncmp(source->name, "slurm:", 6) == 0 &&
                        strcmp(source->name + 6, cluster) == 0;

        if (is_named || (cluster == NULL && source->mode != CONF_PULL_NONE)) {
            found = source;
            count++;
        }
    }
    if (count == 1) {
        return found;
    }
    if (cluster != NULL) {
        error_set(err, ERROR_ARGUMENT, "the configuration has no section [slurm %s]", cluster);
    } else {
        error_set(err, ERROR_ARGUMENT,
                  count == 0 ? "no [slurm CLUSTER] section of the configuration names a mode"
                             : "the configuration has several clusters: say which one");
    }
    return NULL;
}

/* A round, after that of another process if one is under way. */
static int make_round(struct slurm_pull *pull, struct store *store,
                      struct slurm_pull_result *result, struct error *err)
{
    const struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
    int64_t until_us = clock_monotonic_us() + BUSY_WAIT_US;
    int status;

    while ((status = slurm_pull_round(pull, store, result, err)) == 0 && result->is_busy &&
           clock_monotonic_us() < until_us) {
        nanosleep(&pause, NULL);
    }
    if (status == 0 && result->is_busy) {
        return error_set_reason(err, ERROR_REFUSED, "pull_busy",
                                "another process is reading this cluster: try again later");
    }
    return status;
}

static json_t *result_document(const char *source, const struct slurm_pull_result *result,
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

static int pull_run(struct command *command, struct error *err)
{
    const struct conf *conf = &command->session.conf;
    const struct conf_source *source = find_source(conf, command_argument(command, 0), err);
    const struct catalog *catalog = source != NULL ? command_catalog(command, err) : NULL;
    struct slurm_pull_result result;
    struct slurm_pull *pull = NULL;
    struct error finishing = {0};
    int status = -1;

    if (catalog == NULL) {
        return -1;
    }
    const struct slurm_pull_options options = {.conf = conf, .source = source};
    pull = slurm_pull_create(&options, err);
    if (pull == NULL) {
        return -1;
    }
    status = make_round(pull, command->session.store, &result, err);
    slurm_pull_destroy(pull);
    if (result.is_busy) {
        return -1;
    }
    if (command_finish(command, result_document(source->name, &result, &catalog->zone),
                       status == 0 ? err : &finishing) != 0) {
        return -1;
    }
    command->status = result.counts.quarantined > 0 ? 3 : 0;
    return status;
}

static void pull_show(const json_t *document, struct strbuf *out)
{
    static const char *const holds[] = {"confirmed", "released", "cancelled_parts",
                                        "started",   "refused",  "unheld_jobs"};
    const json_t *kept = json_object_get(document, "holds");
    const json_t *through = json_object_get(document, "read_through");

    counts_show(document, out);
    strbuf_printf(out, "read through %s\nlive jobs    %lld pending, %lld running\nholds       ",
                  json_is_string(through) ? json_string_value(through) : "-",
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
              {{"CLUSTER", WORD_TEXT, true, false}},
              NULL,
              "read a Slurm cluster of the configuration once, as ledgerd does by itself"},
     .role = STORE_DAEMON,
     .run = pull_run,
     .show = pull_show},
    {.run = NULL},
};
