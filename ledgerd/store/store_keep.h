/* store_keep - holds of jobs beside the live jobs that their source sees, and deadlines that go on.
 *
 * A hold belongs to a live job if its reference is one of the job's keys, and its project and user
 * are the job's: the project is what the job's account means, which the caller knows.
 */
#ifndef LEDGERD_STORE_STORE_KEEP_H
#define LEDGERD_STORE_STORE_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/store/store.h"

/* The source has confirmed what it sees at `now`, which stands until `fresh_until`.  If it had been
 * stale, the deadlines that stood still are moved by as long as it was (of holds made meanwhile, as
 * long as they have been there), in the same transaction. *moved gets how many. */
int store_keep_begin(struct store *store, const char *source, struct instant now,
                     struct instant fresh_until, int64_t *moved, struct error *err);

/* Deadlines of a source that has never confirmed anything stand still from now on, until it does.
 * Nothing happens to one that has. */
int store_keep_await(struct store *store, const char *source, struct instant now,
                     struct error *err);

struct keep_accounts {
    size_t count;
    char **names; /* of live jobs of the cluster, all different */
};
int store_keep_accounts(struct store *store, const char *cluster, struct keep_accounts *accounts,
                        struct error *err);
void store_keep_accounts_release(struct keep_accounts *accounts);

struct keep_question { /* which holds; borrowed */
    const char *cluster;
    const char *source;
    size_t account_count;
    const char *const *accounts; /* what live jobs name, */
    const char *const *projects; /* and what that means: an account may mean one project */
    const char *after_project;   /* the page begins behind this hold; "" and 0: the first page */
    int64_t after_number;
    size_t limit;
};

struct keep_hold { /* an open hold for a job */
    int64_t number;
    const char *project, *user, *ref; /* of its reference the id: a key of its job */
    int64_t parts;
    int64_t ended_parts;
    struct points held;
    struct instant made_at;
    struct instant expires_at;
    struct instant lapses_at;    /* see store_hold.h */
    struct instant confirmed_at; /* INSTANT_NONE: never */
    int64_t tasks;               /* live ones that it belongs to; 0: none is left */
    int64_t waiting_tasks;       /* those of them that are pending */
    int64_t named_tasks;         /* live ones that name it, others' too */
};

struct keep_holds { /* by project and number */
    size_t count;
    struct keep_hold *holds;
    char *texts;
};
int store_keep_holds(struct store *store, const struct keep_question *question,
                     struct keep_holds *holds, struct error *err);
void store_keep_holds_release(struct keep_holds *holds);

/* What holds of Slurm's jobs that wait hold at `now` of each of these projects (ascending as bytes,
 * all different): all of a hold, less its parts that run. sums[count]. */
int store_keep_waiting(struct store *store, const char *const *projects, size_t count,
                       struct instant now, struct points *sums, struct error *err);

/* Note when these holds were confirmed; their deadlines are moved like any hold's. */
int store_keep_confirmed(struct store *store, const int64_t *holds, size_t count,
                         struct instant now, struct error *err);

/* Tasks that were split off an array have the key of the hold of all of it: "CLUSTER/JOB_*@…". */
int store_keep_inherit(struct store *store, const char *cluster, struct error *err);

struct keep_work {         /* what the book has of a record of the source: ids[count] */
    struct points accrued; /* while it runs, and no hold covers it */
    bool has_ended;        /* it is booked, and nothing of it runs */
};
int store_keep_works(struct store *store, const char *source, const char *const *ids, size_t count,
                     struct keep_work *works, struct error *err);

struct keep_start { /* a job and the key of the hold that was taken for it */
    int64_t job_id;
    struct instant submitted;
    const char *key;
};
int store_keep_started(struct store *store, const char *cluster, const struct keep_start *starts,
                       size_t count, struct error *err);

/* Whether we have held the job back, and will let it go. */
int store_keep_mark_held(struct store *store, const char *cluster, int64_t job_id, bool held_by_us,
                         struct error *err);

struct keep_event { /* a row of ledger.slurm_event */
    const char *cluster;
    int64_t job_id;
    const char *kind; /* hold, release, requeue, failed */
    struct instant at;
    const char *detail;
};

/* Write down what was done to a job; and with it, whether we hold it back from now on. */
int store_keep_event(struct store *store, const struct keep_event *event, bool held_by_us,
                     struct error *err);

/* The jobs for which a command failed at `since` or later, ascending. Allocates *jobs (free()). */
int store_keep_failed(struct store *store, const char *cluster, struct instant since,
                      int64_t **jobs, size_t *count, struct error *err);

#endif
