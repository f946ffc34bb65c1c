/* hold_group - the holds of one process, committed in groups.
 *
 * Whoever asks for a hold leaves a ticket and goes on.  One thread, with a database connection of
 * its own, takes what has come meanwhile, has it decided in one transaction (hold_place), and tells
 * each ticket's owner when that is durable.  So a commit is shared by all who wait for one:
 *
 *      submit -> [queue] -> committer: hold_place -> engine_note_held -> done(ticket)
 *
 * A hold that comes alone need not pass through that thread (hold_group_submit_watched). Whoever
 * decides has the group's seat: its connection and its desk.
 *
 * The queue is bounded.  While the database is away tickets are refused at once, and those that
 * wait when it goes are answered: nobody waits for a database that is not there.
 */
#ifndef LEDGERD_FLOW_HOLD_GROUP_H
#define LEDGERD_FLOW_HOLD_GROUP_H

#include <stdint.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/flow/engine.h"
#include "ledgerd/flow/hold.h"

enum {
    HOLD_GROUP_QUEUE_MAX = 4096, /* tickets that wait: some tenths of a second's work */
    HOLD_GROUP_REASONS = DECIDE_SHARE_CAP + 1,
};

struct hold_group;
struct hold_ticket;

/* Called once for every ticket that was taken, by the committer's thread or the engine's: the
 * ticket is the owner's again. It must not wait. */
typedef void hold_group_done(struct hold_ticket *ticket);

struct hold_ticket {
    struct hold_request request; /* valid, see hold_request_validate; borrowed until done */
    hold_group_done *done;
    void *owner;
    struct hold_outcome outcome; /* if err has no code; the owner releases it */
    struct error err;         /* ERROR_UNAVAILABLE: the same key again settles what became of it */
    struct hold_ticket *next; /* the group's: in the queue */
    struct hold_ticket *next_of_key; /* the group's: under way, of the same hash */
};

enum hold_submitted {
    HOLD_TAKEN,         /* done() will be called, maybe already was */
    HOLD_KEY_IN_FLIGHT, /* a ticket with this key is under way: not taken */
    HOLD_QUEUE_FULL,    /* not taken */
    HOLD_DATABASE_AWAY, /* not taken */
};

/* Start the committer. It connects when it has something to do. All is borrowed and outlives the
 * group. NULL on error. */
struct hold_group *hold_group_start(const char *conninfo, const struct conf *conf,
                                    struct engine *engine, struct error *err);

/* Decide what was taken, then end the thread; tickets that come later are not taken
 * (HOLD_DATABASE_AWAY). Accepts NULL. */
void hold_group_stop(struct hold_group *group);
void hold_group_destroy(struct hold_group *group); /* stops first if need be; accepts NULL */

/* Leave a ticket; it is the group's until done() is called. Returns at once. */
enum hold_submitted hold_group_submit(struct hold_group *group, struct hold_ticket *ticket);

/* The same for a caller whose thread watches descriptors: a hold that finds the committer idle is
 * sent from that thread, and its answer taken there, so that no thread has to wake another one.
 * *descriptor is then what to watch for reading, else -1: the committer has it, or it was not
 * taken. One hold of a group is under way like this at a time. */
enum hold_submitted hold_group_submit_watched(struct hold_group *group, struct hold_ticket *ticket,
                                              int *descriptor);

/* Look what has come of it, without waiting: when the descriptor is readable, and at least every
 * HOLD_GROUP_LOOK_US. True when it needs no more watching: done() was called, or the committer has
 * it. */
enum { HOLD_GROUP_LOOK_US = 100 * 1000 };
bool hold_group_look(struct hold_group *group);

struct hold_group_figures { /* since the start */
    uint64_t groups;        /* that were committed */
    uint64_t requests;      /* decided in them */
    uint64_t failures;      /* groups that could not be */
    uint64_t alone;         /* holds that came alone and were made in one statement */
    uint64_t missed; /* those whose project had changed: decided in a transaction after all */
    uint64_t made;
    uint64_t repeated;                    /* answered with the first hold */
    uint64_t differed;                    /* refused for their key */
    uint64_t refused[HOLD_GROUP_REASONS]; /* by decide_reason */
};
void hold_group_read_figures(const struct hold_group *group, struct hold_group_figures *figures);

#endif
