/* answer - may this run? From what is known of a project to the decision that callers see.
 *
 * The caller looks the project up (in ledgerd's memory or in the database) and prices the request;
 * answer puts the question to core/decide and writes the decision of contract section 7. Nothing
 * here does I/O or keeps anything, and only the output buffer allocates.
 */
#ifndef LEDGERD_FLOW_ANSWER_H
#define LEDGERD_FLOW_ANSWER_H

#include <stdbool.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/balance.h"
#include "ledgerd/core/decide.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/limit.h"

struct answer_job { /* of a request for a Slurm job; "" where nothing is known */
    const char *account;
    const char *partition; /* the one that it was priced for */
    const char *qos;
    const char *downgraded_to; /* it is allowed after all, with this QOS and no points; or NULL */
    int64_t suggest_seconds;   /* a time limit that would fit; 0: none */
    const char *message;       /* for its user, one line; NULL if there is nothing to say */
};

struct answer_question {                   /* all pointers are borrowed */
    const struct catalog *catalog;         /* its zone, policy and card are named in the decision */
    const struct catalog_project *project; /* NULL: unknown, or not for this caller's eyes */
    const char *project_name;              /* as asked */
    const char *user;                      /* "" if nobody was named */
    bool rated;                            /* `requested` is known */
    struct points requested;
    const char *unrated_detail;    /* why it has no price; NULL if rated */
    enum decide_reason unresolved; /* as in decide_question: why, then, is in unrated_detail */
    const char *unknown_detail; /* why there is no such project, if there is more to say; or NULL */
    const struct answer_job *job; /* NULL: of no job of Slurm's */
    /* The project's: the caller fills in posted, held at `now`, accrued and draws, answer_make the
     * rest. */
    struct balance_position position;
    bool has_share_total;          /* of the project's share in the fiscal year of `now` */
    struct points share_supply;    /* minted, +- lent */
    struct points share_spent;     /* spent, and held at `now` */
    struct limit_knowledge limits; /* of the project, if it has any */
    struct instant now;
    struct instant as_of; /* how old the knowledge is */
    bool stale;           /* that is older than allowed */
};

struct answer {
    struct decide_question question;
    struct decide_answer decision;
    struct balance_position position;              /* of an unknown project: zeroes */
    struct points available;                       /* before the request */
    struct decide_bound bounds[DECIDE_BOUNDS_MAX]; /* those in use are the question's */
};

/* Decide. The answer points into itself and must not be moved. A share without a total has no
 * supply, which caps it at nothing. ERROR_INTERNAL if the book's numbers overflow. */
int answer_make(const struct answer_question *question, struct answer *answer, struct error *err);

/* Append the decision as one JSON object. `decision_id` is NULL where decisions are not kept. */
void answer_write_json(const struct answer_question *question, const struct answer *answer,
                       const char *decision_id, struct strbuf *out);

/* Append one sentence that explains the decision with its numbers. */
void answer_write_detail(const struct answer_question *question, const struct answer *answer,
                         struct strbuf *out);

/* What the user of a job is to know ahead of the decision, as members of a JSON object with a comma
 * before each: partition, qos, downgraded_to, user_message, whichever there are. Nothing of no job
 * (NULL). */
void answer_write_job(const struct answer_job *job, struct strbuf *out);

#endif
