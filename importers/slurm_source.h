/* slurm_source - where a puller gets a cluster's rows from: Slurm's own programs
 * (slurm_sacct_pull.h) or slurmrestd.
 *
 * A source gives text, an answer at a time, in a format that the importers know; the puller's feed
 * reads it to its end.  A source may ask Slurm in smaller pieces than it was asked for, and feed
 * each, or the same piece again after it broke off: what is fed twice counts once.
 */
#ifndef IMPORTERS_SLURM_SOURCE_H
#define IMPORTERS_SLURM_SOURCE_H

#include <stdatomic.h>

#include "importers/importer.h"
#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/store/store_slurm.h"

/* Reads an answer. `format` is the contract's name (sacct, json), `name` of what answers stands in
 * errors. 0, or -1: then the source goes no further, unless it can ask for less. */
typedef int slurm_feed_fn(void *context, const char *format, const char *name, input_read_fn *read,
                          void *from, struct error *err);

/* What a cluster's users, associations and partitions are read into; slurm_site_list_release. */
struct slurm_site_list;

struct slurm_source; /* a kind of source is a struct that begins with this */

struct slurm_source_ops {
    /* Jobs that ended in [from, to], every row of them (requeued ones too), no steps. */
    int (*ended)(struct slurm_source *source, struct instant from, struct instant to,
                 slurm_feed_fn *feed, void *context, struct error *err);
    /* Jobs that are running or suspended, from accounting. */
    int (*running)(struct slurm_source *source, slurm_feed_fn *feed, void *context,
                   struct error *err);
    /* What slurmctld has in memory, ended jobs that it remembers too, in the form {"jobs":[…]} that
     * slurm_live.h reads. */
    int (*live)(struct slurm_source *source, slurm_feed_fn *feed, void *context, struct error *err);
    int (*site)(struct slurm_source *source, struct slurm_site_list *site, struct error *err);
    void (*close)(struct slurm_source *source);
};

struct slurm_source {
    const struct slurm_source_ops *ops;
};

/* What a source is opened with; borrowed for as long as it is. */
struct slurm_source_options {
    const char *cluster;
    const struct conf_source *conf;
    const atomic_bool *stop; /* ends whatever it waits for, once true; NULL: never */
};

typedef struct slurm_source *slurm_source_open_fn(const struct slurm_source_options *options,
                                                  struct error *err);

#endif
