/* health - is the process alive, can it answer, and its counters. */
#include "ledgerd/http/route.h"

void handle_healthz(struct request *request, struct reply *reply)
{
    (void)request;
    reply_json(reply, 200);
    strbuf_add_string(&reply->body, "{\"status\":\"ok\"}\n");
}

void handle_readyz(struct request *request, struct reply *reply)
{
    struct engine_health health = engine_health(request->service->engine);

    if (health.stale) {
        reply_problem(
            reply, 503, "stale",
            "the book was last read longer ago than max_staleness; is the database away?");
        return;
    }
    reply_json(reply, 200);
    strbuf_printf(&reply->body, "{\"status\":\"ready\",\"database\":\"%s\",\"age_ms\":%lld}\n",
                  health.away ? "away" : "up", (long long)(health.age_us / 1000));
}

void handle_metrics(struct request *request, struct reply *reply)
{
    const char *names[METRICS_ROUTES_MAX];
    struct service *service = request->service;

    for (size_t i = 0; i < route_count; i++) {
        names[i] = routes[i].path;
    }
    reply->status = 200;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_render(&service->metrics, service->engine, service->holds, names, route_count,
                   &reply->body);
}
