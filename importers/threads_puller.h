/* threads_puller - the threads of ledgerd that read sources by themselves, one each.
 *
 * A round every `interval`; after a failed one the pauses grow, up to ten minutes. Of several
 * ledgerd one at a time reads a source; the others look on, and take over when it has not been
 * read for longer than an interval.
 */
#ifndef IMPORTERS_THREADS_PULLER_H
#define IMPORTERS_THREADS_PULLER_H

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/flow/pull_board.h"

struct pullers;

/* Start a thread for each section that names a mode; the configuration and the board are
 * borrowed until they are stopped. NULL on error. */
struct pullers *pullers_start(const struct conf *conf, const char *conninfo,
                              struct pull_board *board, struct error *err);

/* Stop them, in the middle of a round if need be; within a second or two. Accepts NULL. */
void pullers_stop(struct pullers *pullers);

#endif
