/* slurm_puller - clusters, as the puller's threads read them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "importers/kind_puller.h"
#include "importers/slurm_pull.h"
#include "ledgerd/base/civil.h"
#include "ledgerd/base/clock.h"
#include "ledgerd/base/log.h"

enum { NUMBER_BYTES = 24 };

static const char *number_text(uint64_t number, char text[NUMBER_BYTES])
{
    snprintf(text, NUMBER_BYTES, "%" PRIu64, number);
    return text;
}

/* A backlog is worked off: how far. */
static void say_step(void *context, struct instant through, struct instant to,
                     const struct ingest_counts *counts)
{
    const struct conf_source *source = context;
    char read[NUMBER_BYTES], at[CIVIL_TEXT_BYTES], end[CIVIL_TEXT_BYTES];

    log_event(LOG_LEVEL_INFO, "pull-backlog", "source", source->name, "through",
              civil_format_utc(through.us / INSTANT_SECOND_US, at), "of",
              civil_format_utc(to.us / INSTANT_SECOND_US, end), "records",
              number_text(counts->read, read), NULL);
}

static void *create(const struct puller_options *options, struct error *err)
{
    const struct slurm_pull_options wanted = {
        .conf = options->conf,
        .source = options->source,
        .board = options->board,
        .stop = options->stop,
        .step = say_step,
        .context = (void *)options->source,
    };

    return slurm_pull_create(&wanted, err);
}

static void destroy(void *pull)
{
    slurm_pull_destroy(pull);
}

static int begin(struct store *store, const char *source, struct error *err)
{
    return slurm_keep_await(store, source, clock_now(), err);
}

static void say_unread(const struct pull_figures *figures, const struct slurm_pull_result *result)
{
    char count[NUMBER_BYTES];

    if (result->unread_jobs > 0 && figures->unread_jobs == 0) {
        log_event(LOG_LEVEL_WARNING, "pull-unread-jobs", "source", figures->source, "jobs",
                  number_text(result->unread_jobs, count), "first", result->unread_why, NULL);
    }
}

static int make_round(void *pull, struct store *store, bool *is_busy, struct pull_figures *figures,
                      struct error *err)
{
    struct slurm_pull_result result = {.read_through = INSTANT_NONE};
    const struct slurm_keep_figures *kept = &result.kept;
    int status = slurm_pull_round(pull, store, &result, err);

    *is_busy = result.is_busy;
    if (result.is_busy) {
        return status;
    }
    say_unread(figures, &result);
    figures->pending_jobs = result.pending_jobs;
    figures->running_jobs = result.running_jobs;
    figures->unread_jobs = result.unread_jobs;
    puller_add_counts(figures, &result.counts);
    figures->holds_confirmed += kept->confirmed;
    figures->holds_released += kept->released + kept->cancelled_parts;
    figures->holds_started += kept->started;
    figures->holds_refused += kept->start_refused;
    figures->commands += kept->held_jobs + kept->let_go + kept->requeued;
    figures->commands_failed += kept->failed;
    figures->unheld_jobs = kept->unheld_jobs;
    figures->unheld = kept->unheld;
    return status;
}

const struct puller_kind slurm_puller_kind = {create, destroy, begin, make_round};
