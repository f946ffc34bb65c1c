/* The statement of a project. */
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

static int day_take(void *context, const struct report_usage_line *row, struct error *err)
{
    json_t *line = json_pack("{s:s, s:s, s:o, s:o, s:I}", "day", row->period, "source", row->source,
                             "points", document_points(row->points), "list_points",
                             document_points(row->list_points), "records",
                             (json_int_t)row->records);
    return json_array_append_new(context, line) < 0 ? (no_memory(err), -1) : 0;
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
    json_t *days = json_array();
    if (store_report_usage_lines(store, &query, day_take, days, err) < 0) {
        json_decref(days);
        return NULL;
    }
    return days;
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
