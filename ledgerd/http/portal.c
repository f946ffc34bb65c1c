/* portal - arguments of the portal's queries; see portal.h. */
#include "ledgerd/http/portal.h"

#include <stdio.h>
#include <string.h>

#include "ledgerd/base/parse.h"

/* The project of the path, its third part; NULL after setting the problem. */
static const struct catalog_project *find_project(const struct request *request,
                                                  const struct catalog *catalog,
                                                  struct reply *reply)
{
    const char *id = request_part(request, 2);
    /* What the caller may not see is not even looked for: the answer takes as long, too. */
    const struct catalog_project *project = role_scope_has(request->scope, id)
                                                ? catalog_project(catalog, id)
                                                : NULL;

    if (project == NULL) {
        char text[400];
        snprintf(text, sizeof(text), "there is no project %.300s", id);
        reply_problem(reply, 404, "unknown_project", text);
    }
    return project;
}

void portal_answer(struct request *request, struct reply *reply, portal_read *read)
{
    struct engine_catalog *borrowed = engine_catalog_borrow(request->service->engine);
    const struct catalog *catalog = engine_catalog_of(borrowed);
    const struct catalog_project *project = find_project(request, catalog, reply);
    struct error err = {0};

    if (project != NULL && read(request, reply, catalog, project, &err) != 0) {
        reply_error(reply, &err);
    }
    engine_catalog_return(borrowed);
}

/* A time, a day or a month, as the instant at which it begins. */
static int read_edge(const char *text, const struct calendar *calendar, struct instant *edge)
{
    size_t length = strlen(text);
    struct month month;
    int64_t local_us;

    if (parse_rfc3339(text, length, edge) == 0) {
        return 0;
    }
    if (month_parse(text, length, &month) == 0) {
        *edge = calendar_month(calendar, month).from;
        return 0;
    }
    if (length == 10 && parse_naive_time(text, length, &local_us) == 0) {
        *edge = zone_from_local(calendar->zone, local_us);
        return 0;
    }
    return -1;
}

static int take_edge(const struct request *request, const char *name,
                     const struct calendar *calendar, struct instant *edge, struct error *err)
{
    const char *text = request_argument(request, name);

    if (text != NULL && read_edge(text, calendar, edge) != 0) {
        return error_set(err, ERROR_ARGUMENT,
                         "%s: '%.40s' is no time (RFC 3339), day (2027-06-01) or month (2027-06)",
                         name, text);
    }
    return 0;
}

int portal_period(const struct request *request, const struct calendar *calendar,
                  struct instant now, struct period *period, struct error *err)
{
    struct period taken = calendar_month(calendar, calendar_month_of(calendar, now));

    if (take_edge(request, "from", calendar, &taken.from, err) != 0 ||
        take_edge(request, "to", calendar, &taken.to, err) != 0) {
        return -1;
    }
    if (taken.from.us >= taken.to.us || taken.from.us < 0 || taken.to.us > INSTANT_LIMIT_US) {
        return error_set(err, ERROR_ARGUMENT, "from must lie before to");
    }
    *period = taken;
    return 0;
}

int portal_month(const struct request *request, const struct calendar *calendar, struct instant now,
                 struct month *month, struct error *err)
{
    const char *text = request_argument(request, "month");

    if (text == NULL) {
        *month = calendar_month_of(calendar, now);
        return 0;
    }
    if (month_parse(text, strlen(text), month) != 0) {
        return error_set(err, ERROR_ARGUMENT, "month: '%.40s' is no month such as 2027-06", text);
    }
    return 0;
}

int portal_limit(const struct request *request, int *limit, struct error *err)
{
    const char *text = request_argument(request, "limit");
    uint64_t value = PORTAL_PAGE_DEFAULT;

    if (text != NULL &&
        (parse_u64(text, strlen(text), PORTAL_PAGE_MAX, &value) != 0 || value == 0)) {
        return error_set(err, ERROR_ARGUMENT, "limit: '%.40s' is not a number from 1 to %d", text,
                         PORTAL_PAGE_MAX);
    }
    *limit = (int)value;
    return 0;
}
