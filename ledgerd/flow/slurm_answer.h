/* slurm_answer - what a decision means to the user of a Slurm job: one line to read, a time limit
 * that would fit, a QOS to run with instead.
 */
#ifndef LEDGERD_FLOW_SLURM_ANSWER_H
#define LEDGERD_FLOW_SLURM_ANSWER_H

#include "ledgerd/flow/answer.h"
#include "ledgerd/flow/slurm_resolve.h"

enum { SLURM_MESSAGE_BYTES = 301 }; /* of the line, and its NUL */

struct slurm_note {
    struct answer_job job; /* points into the note, the resolution and the question */
    char message[SLURM_MESSAGE_BYTES];
};

/* Put what was resolved into the question: project, user, points, and what is not known. */
void slurm_question(const struct slurm_resolution *resolution, struct answer_question *question);

/* Look at the decision: by policy one that is refused for its points may be allowed after all, with
 * another QOS and without points (note->job.downgraded_to). A refusal for points or limits names
 * the greatest number of whole minutes that would fit, found by halving: exact where a longer limit
 * never costs less. The note must not be moved. */
void slurm_note_make(const struct slurm_resolution *resolution,
                     const struct answer_question *question, struct answer *answer,
                     struct slurm_note *note);

#endif
