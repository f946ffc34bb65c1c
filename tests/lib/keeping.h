/* keeping - a book with holds of the jobs of a cluster "c", and rounds that keep them.
 *
 * The fixture's book has projects ml (100 points) and bio (none) and a service svc; at its end the
 * book must prove itself.
 */
#ifndef TESTS_LIB_KEEPING_H
#define TESTS_LIB_KEEPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/slurm_keep.h"
#include "ledgerd/store/store_slurm.h"
#include "tests/lib/book.h"

#define NOW "2027-06-10T12:00:00+09:00"
#define MINUTE_US (INT64_C(60) * 1000000)
#define HOUR_US (60 * MINUTE_US)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SOURCE "slurm:c"

struct fixture {
    struct book book;
    struct conf conf;
    struct hold_desk *desk;
    struct slurm_keep_figures figures; /* of the last round */
    bool ended_unread;
    struct slurm_gone gone[8];          /* told in each round */
    const struct slurm_gone *many_gone; /* in their place */
    size_t gone_count;
    const char *scontrol;
};

int setup(void **state);
int teardown(void **state);

/* Other settings of the cluster's section, lines of it; the desk is a new one. */
void configure(struct fixture *f, const char *more);

/* So many minutes after NOW. */
struct instant later(int64_t minutes);

/* The one number that a statement answers. */
int64_t ask_book(struct fixture *f, const char *sql);

/* A hold of project ml and user u1 for the job of this key, for an hour. */
struct hold_request request_of(const char *key, const char *points);
enum hold_fate place(struct fixture *f, const struct hold_request *request, struct instant now);

/* Make such a hold, which must be possible. */
void make(struct fixture *f, const char *key, const char *points, struct instant now);

/* A job of one GPU for an hour, which costs a point a task. */
struct slurm_job_row job_of(int64_t id, const char *state, const char *key);

/* The same job, ended; told from now on. */
void tell_gone(struct fixture *f, const struct slurm_job_row *job, bool never);

/* The source confirms what it sees, and no more. */
void begin(struct fixture *f, struct instant now);

/* What a good round does. */
void go_round(struct fixture *f, const struct slurm_job_row *jobs, size_t count,
              struct instant now);

struct hold_info find(struct fixture *f, const char *key, struct instant now);
int64_t held_points(struct fixture *f, const char *key, struct instant now);

/* A record of one GPU, that began at midnight; `import`: an hour of it, at NOW. */
void import_job(struct fixture *f, const char *id, const char *hold, const char *job_state,
                int hours, struct instant now);
void import(struct fixture *f, const char *id, const char *hold);

#endif
