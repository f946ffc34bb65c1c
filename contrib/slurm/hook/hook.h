/* hook - what becomes of a job that is being submitted, or of one whose time limit is changed.
 *
 *     configuration -> exempt? -> what does it ask for? -> breaker -> ask ledgerd
 *         held       accept, its key to the admin comment "ledger:hold=sl_..."
 *         refused    reject, with ledgerd's sentence
 *         no answer  accept "ledger:unheld" within the risk budget, or reject: as configured
 *
 * One struct hook serves any number of threads.  Its lock is never held while ledgerd is asked.
 */
#ifndef CONTRIB_SLURM_HOOK_HOOK_H
#define CONTRIB_SLURM_HOOK_HOOK_H

#include <pthread.h>
#include <sys/stat.h>

#include "contrib/slurm/hook/breaker.h"
#include "contrib/slurm/hook/hook_conf.h"
#include "ledger_client.h"

enum { HOOK_COMMENT_BYTES = 64, HOOK_MESSAGE_BYTES = LEDGER_NAME_BYTES + LEDGER_MESSAGE_BYTES };

/* Writes a line to the controller's log; called from any thread, without the lock. */
typedef void hook_log(bool is_error, const char *line);

struct hook {
    pthread_mutex_t lock;
    const char *conf_path;
    hook_log *log;
    bool has_conf;
    struct hook_conf conf;
    struct stat seen;      /* the file as it was when it was read last, well or badly */
    int64_t look_again_us; /* not before then */
    struct breaker breaker;
    int64_t spent_micro; /* of the risk budget */
    int64_t unheld;      /* jobs accepted without an answer since the last one */
};

struct hook_result {
    bool accepted;
    char comment[HOOK_COMMENT_BYTES]; /* to append to the admin comment; may be empty */
    char qos[LEDGER_NAME_BYTES];      /* the QOS that the job must take; empty: as it is */
    char message[HOOK_MESSAGE_BYTES]; /* for the user, accepted or not; may be empty */
};

/* The path is $LEDGER_HOOK_CONF, else /etc/ledger/job_submit_ledger.conf. Reads it; what is wrong
 * with it is logged, and without a file jobs are treated as if nobody answered. */
void hook_init(struct hook *hook, hook_log *log);

/* Decide on a job of the user uid. */
void hook_submit(struct hook *hook, const struct ledger_job *job, int64_t uid,
                 struct hook_result *result);

/* Decide on a new time limit in seconds of the job with this id ("123", "123_4"). What ledgerd
 * cannot decide on is left to operators and refused to others. */
void hook_modify(struct hook *hook, const char *job_id, int64_t seconds, int64_t uid,
                 bool is_operator, struct hook_result *result);

#endif
