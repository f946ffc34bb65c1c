/* reply - an HTTP answer of ledgerd's, from its bytes to a verdict.
 *
 * ledgerd answers with Content-Length, always; an answer in chunks, without a length or with
 * several is not from it.  The status decides: 200 and 201 allow, 4xx that tell the reason refuse
 * (what ledgerd cannot read of a job is refused too, or a job written to be unreadable would be
 * free), everything else is no decision.
 */
#ifndef CONTRIB_SLURM_CLIENT_REPLY_H
#define CONTRIB_SLURM_CLIENT_REPLY_H

#include "ledger_client.h"

/* Read an answer from NUL-terminated bytes, LEDGER_REPLY_BYTES at most. Returns 1 when *answer is
 * filled, 0 while bytes are missing, -1 if these cannot become an answer (*answer is untouched). */
int reply_read(const char *bytes, size_t length, struct ledger_answer *answer);

#endif
