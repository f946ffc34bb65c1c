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
    json_t *days = json_object_get(context, row->project);
    if (days == NULL && json_object_set_new(context, row->project, json_array()) == 0) {
        days = json_object_get(context, row->project);
    }
    json_t *line = json_pack("{s:s, s:s, s:o, s:o, s:I}", "day", row->period, "source", row->source,
                             "points", document_points(row->points), "list_points",
                             document_points(row->list_points), "records",
                             (json_int_t)row->records);
    return json_array_append_new(days, line) < 0 ? (no_memory(err), -1) : 0;
}

json_t *report_days(struct store *store, const struct catalog *catalog, struct month month,
                    const char *project, struct error *err)
{
    struct report_usage_query query = {
        .project = project,
        .first = month,
        .last = month,
        .from = {0},
        .to = {INSTANT_LIMIT_US},
        .zone = catalog->zone.name,
        .by_day = true,
        .by_source = true,
    };
    json_t *days = json_object();
    if (store_report_usage_lines(store, &query, day_take, days, err) < 0) {
        json_decref(days);
        return NULL;
    }
    return days;
}

static json_t *grants_document(struct store *store, const struct catalog *catalog,
                               const char *project, const struct statement_head *head,
                               struct error *err)
{
    struct period month = calendar_month(&catalog->calendar, head->month);
    struct grant_infos grants = {0};
    if (grant_list(store, project, head->now, &grants, err) < 0) {
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

json_t *report_statement_document(struct store *store, const struct catalog *catalog,
                                  const struct report_project *project,
                                  const struct statement_head *head, json_t *days,
                                  struct error *err)
{
    const char *id = project->project->id;
    json_t *grants = project->project->is_service ? json_array()
                                                  : grants_document(store, catalog, id, head, err);
    json_t *own = json_object_get(days, id);
    if (grants == NULL) {
        return NULL;
    }
    json_t *document = json_pack("{s:o, s:s, s:s, s:s}", "month", document_month(head->month),
                                 "timezone", catalog->zone.name, "state",
                                 head->is_closed ? "closed" : "open", "digest", "");
    json_t *lines = report_project_document(project);
    json_object_update(document, lines);
    json_decref(lines);
    json_object_set_new(document, "grants", grants);
    json_object_set_new(document, "days", own != NULL ? json_incref(own) : json_array());
    json_object_set(document, "completeness", head->completeness);
    if (document == NULL || report_digest_set(document, err) < 0) {
        json_decref(document);
        return document == NULL ? no_memory(err) : NULL;
    }
    return document;
}

static int statement_work(struct store *store, void *context, struct error *err)
{
    struct statement_work *work = context;
    struct report_projects projects = {0};
    struct catalog *catalog;
    int result = -1;

    json_decref(work->document);
    work->document = NULL;
    if (report_stored(store, work->month, work->project, &work->document, err) < 0 ||
        work->document != NULL) {
        return work->document != NULL ? 0 : -1;
    }
    catalog = catalog_load(store, err);
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
        json_t *days = report_days(store, catalog, work->month, work->project, err);
        json_t *completeness = days != NULL ? report_completeness(store, catalog, work->month, err)
                                            : NULL;
        const struct statement_head head = {work->month, work->now, false, completeness};
        if (completeness != NULL) {
            work->document = report_statement_document(
                store, catalog, &projects.projects[known - catalog->projects], &head, days, err);
        }
        json_decref(days);
        json_decref(completeness);
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
    if (store_transact(store, STORE_UNLOCKED, statement_work, &work, err) < 0) {
        json_decref(work.document);
        return NULL;
    }
    return work.document;
}
