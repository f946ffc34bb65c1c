/* slurm_keep - see slurm_keep.h. */
#include "ledgerd/flow/slurm_keep.h"

#include <stdio.h>
#include <stdlib.h>

#include "ledgerd/flow/hold_desk.h"
#include "ledgerd/flow/slurm_keep_round.h"
#include "ledgerd/store/store_keep.h"

int slurm_keep_begin(struct store *store, const char *source, struct instant now,
                     int64_t interval_us, struct error *err)
{
    const struct instant fresh_until = {now.us + SLURM_KEEP_FRESH_ROUNDS * interval_us};
    int64_t moved;

    return store_keep_begin(store, source, now, fresh_until, &moved, err);
}

int slurm_keep_await(struct store *store, const char *source, struct instant now, struct error *err)
{
    return store_keep_await(store, source, now, err);
}

bool keep_round_stops(const struct keep_round *round)
{
    const atomic_bool *stop = round->options->stop;

    return stop != NULL && atomic_load(stop);
}

const struct catalog *keep_round_catalog(struct keep_round *round, struct error *err)
{
    int64_t version;
    int64_t rating_version;

    return catalog_versions(round->store, &version, &rating_version, err) != 0
               ? NULL
               : desk_catalog(round->desk, round->store, NULL, version, err);
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int slurm_keep(struct store *store, struct hold_desk *desk,
               const struct slurm_keep_options *options, struct slurm_keep_figures *figures,
               struct error *err)
{
    struct keep_round round = {
        .store = store,
        .desk = desk,
        .options = options,
        .figures = figures,
        .ttl_us = longer(SLURM_KEEP_TTL_S * INSTANT_SECOND_US,
                         SLURM_KEEP_TTL_ROUNDS * options->interval_us),
    };

    *figures = (struct slurm_keep_figures){0};
    snprintf(round.source, sizeof round.source, "slurm:%s", options->cluster);
    round.section = options->conf != NULL ? conf_source_find(options->conf, round.source) : NULL;
    int result = store_keep_inherit(store, options->cluster, err) != 0 ||
                         keep_round_gone(&round, err) != 0 || keep_round_holds(&round, err) != 0 ||
                         keep_round_starts(&round, err) != 0 || keep_round_enforce(&round, err) != 0
                     ? -1
                     : 0;
    free(round.gone.at);
    free(round.unheld.at);
    arena_release(&round.arena);
    return result;
}
