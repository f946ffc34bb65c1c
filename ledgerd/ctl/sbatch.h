/* sbatch - what a job asks for, from the words that sbatch would be given and its script.
 *
 * As sbatch(1) reads them: the script's #SBATCH lines up to its first command, then the words; of
 * an option that is given twice the last one counts. Components of a heterogeneous job are
 * separated by
 * "#SBATCH hetjob" and ":", and begin with what the one before said of the job as a whole. The
 * environment (SBATCH_*) and PBS directives play no part.
 */
#ifndef LEDGERD_CTL_SBATCH_H
#define LEDGERD_CTL_SBATCH_H

#include <stddef.h>

#include "include/ledger_job.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"

enum {
    SBATCH_COMPONENTS_MAX = 128, /* of a heterogeneous job: Slurm's own bound */
    SBATCH_WORDS_MAX = 1024,     /* of a component, in the script and outside */
    SBATCH_NOTES_MAX = 32,       /* further ones are not kept */
};

struct sbatch {
    size_t job_count;
    struct ledger_job *jobs; /* one a component; texts are the sbatch's own */
    const char *clusters;    /* -M; NULL if not given */
    size_t note_count;
    char *notes[SBATCH_NOTES_MAX]; /* what was not understood, and is left out */
    size_t text_count;
    char **texts; /* all that was made from words and lines */
};

/* Read options and the path of the script ("-": standard input; none with --wrap). Release the
 * result. ERROR_ARGUMENT, ERROR_INPUT for what sbatch refuses, or for a script that cannot be
 * read. */
int sbatch_read(size_t count, const char *const *words, struct sbatch *sbatch, struct error *err);
void sbatch_release(struct sbatch *sbatch);

#endif
