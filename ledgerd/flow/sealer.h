/* sealer - the thread of ledgerd that seals what has been committed, several times a second.
 *
 * It has a connection of its own and holds no lock that a writer wants.  Of several ledgerd
 * processes whichever comes first seals; the others look again.
 */
#ifndef LEDGERD_FLOW_SEALER_H
#define LEDGERD_FLOW_SEALER_H

#include "ledgerd/base/error.h"

struct sealer;

/* Start it. It logs once when it cannot seal and once when it can again. NULL on error. */
struct sealer *sealer_start(const char *conninfo, struct error *err);

/* Let it finish the link that it is making, and end it. Accepts NULL. */
void sealer_stop(struct sealer *sealer);

#endif
