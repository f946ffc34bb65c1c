/* store_keep_gone - what the book has of jobs that have ended, and of the holds that are theirs. */
#ifndef LEDGERD_STORE_STORE_KEEP_GONE_H
#define LEDGERD_STORE_STORE_KEEP_GONE_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/store/store.h"

struct keep_ended { /* a job that ran, beside a hold of it */
    size_t hold;    /* index in the holds */
    const char *id; /* of its record */
};

struct keep_fate {      /* of the jobs of one hold */
    int64_t unrecorded; /* their records are still to come */
    int64_t elsewhere;  /* booked, and ended no part of it: another hold, or none, took them */
    int64_t told;       /* parts that were given back before because of what was told of them */
};

/* fates[hold_count], for these holds (numbers) and jobs of the source. */
int store_keep_fates(struct store *store, const char *source, const int64_t *holds,
                     size_t hold_count, const struct keep_ended *jobs, size_t job_count,
                     struct keep_fate *fates, struct error *err);

#endif
