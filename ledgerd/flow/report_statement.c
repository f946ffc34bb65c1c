/* The statement of a project, and its usage as the portal asks for it. */
#include <string.h>

#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/grant.h"
#include "ledgerd/flow/report.h"
#include "ledgerd/flow/report_head.h"
#include "ledgerd/flow/report_project.h"
#include "ledgerd/store/store_report.h"

struct statement_work {
    const char *project;
    struct month month;
    struct instant now;
    json_t *document;
};

static json_t *no_memory(struct error *err)
{
    error_set(err, ERROR_INTERNAL, "out of memory for the report");
    return NULL;
}

static int line_take(void *context, const struct report_usage_line *row, struct error *err)
{
    json_t *line = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:I}", "period", row->period, "user", row->user, "source",
        row->source, "class", row->klass, "points", document_points(row->points), "list_points",
        document_points(row->list_points), "records", (json_int_t)row->records);
    return json_array_append_new(context, line) < 0 ? (no_memory(err), -1) : 0;
}

/* Leave out the members that were not grouped by. */
static void lines_trim(json_t *lines, const struct report_usage_query *query)
{
    size_t i;
    json_t *line;
    json_array_foreach(lines, i, line)
    {
        json_t *period = json_incref(json_object_get(line, "period"));
        const char *name = query->by_day ? "day" : query->by_month ? "month" : NULL;
        json_object_del(line, "period");
        if (name != NULL) {
            json_object_set(line, name, period);
        }
        json_decref(period);
        if (!query->by_user) {
            json_object_del(line, "user");
        }
        if (!query->by_source) {
            json_object_del(line, "source");
        }
        if (!query->by_class) {
            json_object_del(line, "class");
        }
    }
}

static json_t *usage_lines(struct store *store, const struct report_usage_query *query,
                           struct error *err)
{
    json_t *lines = json_array();
    if (store_report_usage_lines(store, query, line_take, lines, err) < 0) {
        json_decref(lines);
        return NULL;
    }
    lines_trim(lines, query);
    return lines;
}

static json_t *days_document(struct store *store, const struct catalog *catalog,
                             const struct statement_work *work, struct error *err)
{
    struct report_usage_query query = {
        .project = work->project,
        .first = work->month,
        .last = work->month,
        .from = {0},
        .to = {INSTANT_LIMIT_US},
        .zone = catalog->zone.name,
        .by_day = true,
        .by_source = true,
    };
    return usage_lines(store, &query, err);
}

static json_t *grants_document(struct store *store, const struct catalog *catalog,
                               const struct statement_work *work, struct error *err)
{
    struct period month = calendar_month(&catalog->calendar, work->month);
    struct grant_infos grants = {0};
    if (grant_list(store, work->project, work->now, &grants, err) < 0) {
        return NULL;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < grants.count; i++) {
        const struct grant_info *grant = &grants.grants[i];
        if (instant_compare(grant->from, month.to) >= 0) {
            continue; /* not yet known to the month */
        }
        json_array_append_new(list, json_pack("{s:I, s:o, s:o, s:o, s:o, s:s}", "id",
                                              (json_int_t)grant->id, "points",
                                              document_points(grant->points), "remaining",
                                              document_points(grant->remaining), "from",
                                              document_instant(&catalog->zone, grant->from), "to",
                                              document_instant(&catalog->zone, grant->to), "state",
                                              grant_state_text(grant->state)));
    }
    grant_infos_release(&grants);
    return list;
}

static json_t *statement_fill(struct store *store, const struct catalog *catalog,
                              const struct report_project *project,
                              const struct statement_work *work, struct error *err)
{
    json_t *grants = project->project->is_service ? json_array()
                                                  : grants_document(store, catalog, work, err);
    json_t *days = grants != NULL ? days_document(store, catalog, work, err) : NULL;
    json_t *completeness = days != NULL ? report_completeness(store, catalog, work->month, err)
                                        : NULL;
    if (completeness == NULL) {
        json_decref(grants);
        json_decref(days);
        return NULL;
    }
    json_t *document = json_pack("{s:o, s:s, s:s, s:s}", "month", document_month(work->month),
                                 "timezone", catalog->zone.name, "state", "open", "digest", "");
    json_t *lines = report_project_document(project);
    json_object_update(document, lines);
    json_decref(lines);
    json_object_set_new(document, "grants", grants);
    json_object_set_new(document, "days", days);
    json_object_set_new(document, "completeness", completeness);
    return document != NULL ? document : no_memory(err);
}

static int statement_work(struct store *store, void *context, struct error *err)
{
    struct statement_work *work = context;
    struct report_projects projects = {0};
    struct catalog *catalog = catalog_load(store, err);
    int result = -1;

    json_decref(work->document);
    work->document = NULL;
    if (catalog == NULL) {
        return -1;
    }
    const struct catalog_project *known = catalog_project(catalog, work->project);
    if (known == NULL) {
        error_set_reason(err, ERROR_REFUSED, "unknown_project", "there is no project %s",
                         work->project);
    } else if (report_projects_gather(store, catalog, work->month,
                                      calendar_month_of(&catalog->calendar, work->now),
                                      work->project, &projects, err) == 0) {
        work->document = statement_fill(store, catalog,
                                        &projects.projects[known - catalog->projects], work, err);
        result = work->document != NULL ? 0 : -1;
    }
    report_projects_release(&projects);
    catalog_destroy(catalog);
    return result;
}

json_t *report_statement(struct store *store, const char *project, struct month month,
                         struct instant now, struct error *err)
{
    struct statement_work work = {.project = project, .month = month, .now = now};
    if (store_transact(store, STORE_UNLOCKED, statement_work, &work, err) < 0 ||
        report_digest_set(work.document, err) < 0) {
        json_decref(work.document);
        return NULL;
    }
    return work.document;
}

struct usage_work {
    const struct report_usage_request *request;
    json_t *document;
};

/* The months that charges of [from, to) can belong to. A month rule may put a slice into the month
 * of its start or its submission, which lies before its last instant, never after. */
static void usage_months(const struct catalog *catalog, const struct report_usage_request *request,
                         struct report_usage_query *query)
{
    enum { MONTHS_BEFORE = 12 }; /* no job waits and runs for longer */
    query->first = calendar_month_of(&catalog->calendar, request->from);
    query->first.number -= MONTHS_BEFORE;
    query->last = calendar_month_of(&catalog->calendar, (struct instant){request->to.us - 1});
}

static int usage_work(struct store *store, void *context, struct error *err)
{
    struct usage_work *work = context;
    const struct report_usage_request *request = work->request;
    struct catalog *catalog = catalog_load(store, err);

    json_decref(work->document);
    work->document = NULL;
    if (catalog == NULL) {
        return -1;
    }
    if (catalog_project(catalog, request->project) == NULL) {
        catalog_destroy(catalog);
        return error_set_reason(err, ERROR_REFUSED, "unknown_project", "there is no project %s",
                                request->project);
    }
    struct report_usage_query query = {
        .project = request->project,
        .from = request->from,
        .to = request->to,
        .zone = catalog->zone.name,
        .by_day = request->by_day,
        .by_month = request->by_month && !request->by_day,
        .by_user = request->by_user,
        .by_class = request->by_class,
        .by_source = request->by_source,
    };
    usage_months(catalog, request, &query);
    json_t *lines = usage_lines(store, &query, err);
    if (lines != NULL) {
        work->document = json_pack("{s:s, s:o, s:o, s:o}", "project", request->project, "from",
                                   document_instant(&catalog->zone, request->from), "to",
                                   document_instant(&catalog->zone, request->to), "usage", lines);
    }
    catalog_destroy(catalog);
    return work->document != NULL ? 0 : (lines != NULL ? (no_memory(err), -1) : -1);
}

json_t *report_usage(struct store *store, const struct report_usage_request *request,
                     struct error *err)
{
    struct usage_work work = {.request = request};
    int64_t length_us;
    if (__builtin_sub_overflow(request->to.us, request->from.us, &length_us) || length_us <= 0 ||
        length_us > REPORT_USAGE_YEARS_MAX * INT64_C(366) * 86400 * INSTANT_SECOND_US) {
        error_set(err, ERROR_ARGUMENT, "from must lie before to, and at most %d years before",
                  REPORT_USAGE_YEARS_MAX);
        return NULL;
    }
    if (store_transact(store, STORE_UNLOCKED, usage_work, &work, err) < 0) {
        json_decref(work.document);
        return NULL;
    }
    return work.document;
}
