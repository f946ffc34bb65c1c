/* expirer - the thread of ledgerd that posts expiries of grants and notes deadlines of holds when
 * they are due, with a connection of its own.
 *
 * Nothing depends on it: what has expired follows from the book, and whoever reads or writes
 * balances posts what is due first; holds past their deadline are ignored by every reader. It makes
 * the book show an expiry within a second without anybody looking.
 */
#ifndef LEDGERD_FLOW_EXPIRER_H
#define LEDGERD_FLOW_EXPIRER_H

#include "ledgerd/base/error.h"

enum { EXPIRER_PAUSE_MS = 1000 };

struct expirer;

/* Start the thread; a database that is away is waited for. NULL on error. */
struct expirer *expirer_start(const char *conninfo, struct error *err);
void expirer_stop(struct expirer *expirer); /* waits for it; accepts NULL */

#endif
