/* service - what all handlers share: the engine, the configuration, the ring of decisions and the
 * counters. */
#ifndef LEDGERD_HTTP_SERVICE_H
#define LEDGERD_HTTP_SERVICE_H

#include "ledgerd/base/conf.h"
#include "ledgerd/flow/engine.h"
#include "ledgerd/http/decisions.h"
#include "ledgerd/http/metrics.h"

struct service {
    const struct conf *conf;
    const char *conninfo;
    struct engine *engine;
    struct decisions *decisions;
    struct metrics metrics;
};

#endif
