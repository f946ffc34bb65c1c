/* hook_conf - the hook's small configuration file.
 *
 *     socket = /run/ledger/ledgerd.sock       where ledgerd listens
 *     cluster = sdli                          [slurm sdli] of ledgerd.conf; needed
 *     deadline = 50ms                         for one question, all in all
 *     breaker_failures = 3                    so many failures in a row, and nobody asks
 *     breaker_pause = 10s                     for so long
 *     ttl = 1h                                how long a hold stands before Slurm shows the job
 *     fail = open                             or closed: what becomes of jobs while nobody answers
 *     fail.PARTITION = closed                 the same for jobs that name this partition
 *     risk_budget = 5000                      open: for so many points at most; needs prices:
 *     risk.gpu_hour = 1
 *     risk.cpu_hour = 0.0138
 *     risk.node_hour = 4                      of exclusive jobs, a whole node
 *     risk.time = 1d                          of jobs that name no time limit
 *     exempt_uids = 0,64030                   jobs of these users are not asked about
 *     message_prefix = SDLI:                  before what users read
 */
#ifndef CONTRIB_SLURM_HOOK_HOOK_CONF_H
#define CONTRIB_SLURM_HOOK_HOOK_CONF_H

#include "contrib/slurm/hook/breaker.h"
#include "contrib/slurm/hook/risk.h"
#include "ledger_client.h"

enum {
    HOOK_CONF_BYTES = 16 * 1024, /* of the file */
    HOOK_PATH_BYTES = 108,       /* of a Unix socket's address */
    HOOK_PARTITIONS_MAX = 64,
    HOOK_UIDS_MAX = 32,
    HOOK_ERROR_BYTES = 256,
};

struct hook_partition {
    char name[LEDGER_NAME_BYTES];
    bool fails_open;
};

struct hook_conf {
    char socket_path[HOOK_PATH_BYTES];
    char cluster[LEDGER_NAME_BYTES];
    char ttl[LEDGER_NAME_BYTES];
    char message_prefix[LEDGER_NAME_BYTES]; /* with the blank behind it */
    int64_t deadline_us;
    struct breaker_options breaker;
    struct risk_options risk;
    bool fails_open;
    struct hook_partition partitions[HOOK_PARTITIONS_MAX];
    size_t partition_count;
    int64_t uids[HOOK_UIDS_MAX];
    size_t uid_count;
};

/* What holds where the file says nothing. */
void hook_conf_default(struct hook_conf *conf);

/* Read the file's text (no NUL in it). Returns 0, or -1 with a sentence that names the line; *conf
 * is then untouched. */
int hook_conf_parse(const char *text, struct hook_conf *conf, char error[HOOK_ERROR_BYTES]);

/* Read the file. As hook_conf_parse; does not wait for anything but a local disk. */
int hook_conf_load(const char *path, struct hook_conf *conf, char error[HOOK_ERROR_BYTES]);

/* Whether a job for these partitions ("a,b", or empty) is accepted when nobody can be asked: if one
 * of them is closed, it is not. */
bool hook_conf_fails_open(const struct hook_conf *conf, const char *partitions);

bool hook_conf_is_exempt(const struct hook_conf *conf, int64_t uid); /* listed in exempt_uids */

#endif
