/* tres - counts in Slurm's lists of trackable resources.
 *
 * A list has elements with commas (semicolons) between them, an element a name, a type and a count
 * with colons: "gres:gpu:a100:2,gres:nvme".  Newer releases write "gres/gpu:2" and "gres/gpu=2",
 * and the prefix may be missing.  No count means one; k, m, g, t and p multiply by powers of 1024.
 */
#ifndef CONTRIB_SLURM_CLIENT_TRES_H
#define CONTRIB_SLURM_CLIENT_TRES_H

#include "ledger_job.h"

/* Sum up the counts of the elements of this name ("gpu"), whatever their types. A list that is NULL
 * or empty has none. *count is untouched on failure. */
enum ledger_shape_result tres_count(const char *list, const char *name, int64_t *count);

#endif
