/* hold_asked - a request of a group, and what has become of it. Internal to hold. */
#ifndef LEDGERD_FLOW_HOLD_ASKED_H
#define LEDGERD_FLOW_HOLD_ASKED_H

#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/slurm_answer.h"
#include "ledgerd/flow/slurm_resolve.h"
#include "ledgerd/store/store_hold.h"
#include "ledgerd/store/store_slurm.h"

struct place; /* hold_placing.h */

struct asked_slurm { /* what is asked of Slurm */
    struct hold_request
        request; /* as it was asked for, with the source, and the key if it modifies */
    bool has_job;
    struct slurm_job_row job; /* that it modifies */
    char source[USAGE_SOURCE_BYTES + 1];
    char key[HOLD_KEY_BYTES];
    char ref_id[HOLD_KEY_BYTES];
    int64_t catalog_version;            /* by which it was completed; -1: by none yet */
    struct slurm_resolution resolution; /* in this attempt */
    struct slurm_note note;
};

struct asked { /* a request and what has become of it */
    const struct hold_request *request;
    struct asked_slurm *slurm; /* owned; NULL: nothing is asked of Slurm */
    struct hold_outcome *outcome;
    bool is_known; /* its key was found in the book */
    unsigned char key[STORE_HASH_BYTES];
    unsigned char body[STORE_HASH_BYTES];
    struct place *place; /* NULL: unknown project */
    const char *klass;   /* of a shape, resolved */
};

/* Begin what is asked of Slurm: find the job that it modifies. -1 if the database is away. */
int asked_slurm_begin(struct asked *asked, struct store *store, struct error *err);
void asked_slurm_end(struct asked *asked);

#endif
