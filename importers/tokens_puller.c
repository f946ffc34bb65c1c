/* tokens_puller - sources of token records, as the puller's threads read them. */
#include <inttypes.h>
#include <stdio.h>

#include "importers/kind_puller.h"
#include "importers/tokens_pull.h"
#include "ledgerd/base/log.h"

static void say(void *context, const char *event, const char *path, uint64_t bytes)
{
    const struct conf_source *source = context;
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, bytes);
    log_event(LOG_LEVEL_WARNING, event, "source", source->name, "path", path, "bytes", text, NULL);
}

static void *create(const struct puller_options *options, struct error *err)
{
    const struct tokens_pull_options wanted = {
        .conf = options->conf,
        .source = options->source,
        .stop = options->stop,
        .say = say,
        .context = (void *)options->source,
    };

    return tokens_pull_create(&wanted, err);
}

static void destroy(void *pull)
{
    tokens_pull_destroy(pull);
}

static int make_round(void *pull, struct store *store, bool *is_busy, struct pull_figures *figures,
                      struct error *err)
{
    struct tokens_pull_result result = {.read_through = INSTANT_NONE};
    int status = tokens_pull_round(pull, store, &result, err);

    *is_busy = result.is_busy;
    puller_add_counts(figures, &result.counts);
    return status;
}

const struct puller_kind tokens_puller_kind = {create, destroy, NULL, make_round};
