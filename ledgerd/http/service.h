/* service - what all handlers share: the engine, the configuration, who may call, the ring of
 * decisions, the committer of holds and the counters. */
#ifndef LEDGERD_HTTP_SERVICE_H
#define LEDGERD_HTTP_SERVICE_H

#include <stdatomic.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/flow/engine.h"
#include "ledgerd/flow/hold_group.h"
#include "ledgerd/http/auth.h"
#include "ledgerd/http/decisions.h"
#include "ledgerd/http/metrics.h"

struct request;

struct service {
    const struct conf *conf;
    const char *conninfo;
    struct auth *auth;
    struct engine *engine;
    struct decisions *decisions;
    struct hold_group *holds;
    void (*resume)(struct request *request); /* see struct request_later */
    struct metrics metrics;
    atomic_bool usage_repeats; /* the last records that were sent were not all news */
};

#endif
