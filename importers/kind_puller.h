/* kind_puller - what the puller's threads need to know of a kind of source. */
#ifndef IMPORTERS_KIND_PULLER_H
#define IMPORTERS_KIND_PULLER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/pull_board.h"
#include "ledgerd/store/store.h"

struct puller_options { /* borrowed for as long as the source is pulled */
    const struct conf *conf;
    const struct conf_source *source;
    struct pull_board *board;
    const atomic_bool *stop;
};

struct puller_kind {
    void *(*create)(const struct puller_options *options, struct error *err); /* NULL on error */
    void (*destroy)(void *pull);                                              /* accepts NULL */
    /* Called once the database could be opened first; NULL: there is nothing to do. */
    int (*begin)(struct store *store, const char *source, struct error *err);
    /* One round. *is_busy: another process makes one, nothing was done. What was done, also by a
     * round that fails, is added to the figures; rounds, failures and round_us are the caller's. */
    int (*round)(void *pull, struct store *store, bool *is_busy, struct pull_figures *figures,
                 struct error *err);
};

extern const struct puller_kind slurm_puller_kind, tokens_puller_kind;

/* Add what an import brought. */
static inline void puller_add_counts(struct pull_figures *figures,
                                     const struct ingest_counts *counts)
{
    figures->booked += counts->booked;
    figures->amended += counts->amended;
    figures->duplicate += counts->duplicate;
    figures->quarantined += counts->quarantined;
    figures->skipped += counts->skipped;
}

#endif
