/* The monthly report. */
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/digest.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/report.h"
#include "ledgerd/flow/report_head.h"
#include "ledgerd/flow/report_project.h"
#include "ledgerd/flow/report_service.h"
#include "ledgerd/flow/report_share.h"

struct month_work {
    struct month month;
    struct instant now;
    report_statement_fn *each; /* of a month that is being closed; NULL: it stays open */
    void *context;
    json_t *document;
};

/* The rows of the shares: the month's figures with the year's to date beside them. */
static json_t *shares_document(const struct report_shares *shares, struct error *err)
{
    json_t *month = report_cells_document(shares, shares->month_count - 1, shares->month_count,
                                          err);
    json_t *year = month != NULL ? report_cells_document(shares, 0, shares->month_count, err)
                                 : NULL;
    json_t *list = json_array();
    for (size_t s = 0; year != NULL && s < shares->share_count; s++) {
        json_t *row = json_pack("{s:s, s:o}", "share", shares->shares[s].share, "fraction",
                                report_promise_document(&shares->shares[s]));
        json_object_update(row, json_array_get(month, s));
        json_object_set(row, "fiscal_year_to_date", json_array_get(year, s));
        json_array_append_new(list, row);
    }
    bool failed = year == NULL;
    json_decref(month);
    json_decref(year);
    if (failed) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *projects_document(const struct report_projects *projects, bool services)
{
    json_t *list = json_array();
    for (size_t i = 0; i < projects->count; i++) {
        const struct report_project *p = &projects->projects[i];
        if (p->project->is_service == services && !report_project_is_idle(p)) {
            json_array_append_new(list, report_project_document(p));
        }
    }
    return list;
}

static int month_fill(struct store *store, struct month_work *work, const struct catalog *catalog,
                      const struct report_shares *shares, const struct report_projects *projects,
                      struct error *err)
{
    json_t *services = projects_document(projects, true);
    json_t *rows = report_services_add(store, shares, projects, services, err) == 0
                       ? shares_document(shares, err)
                       : NULL;
    json_t *completeness = rows != NULL ? report_completeness(store, catalog, work->month, err)
                                        : NULL;
    if (completeness == NULL) {
        json_decref(rows);
        json_decref(services);
        return -1;
    }
    work->document = json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:O, s:o}", "month",
                               document_month(work->month), "timezone", catalog->zone.name,
                               "policy", shares->policy->name, "state",
                               work->each != NULL ? "closed" : "open", "digest", "", "shares", rows,
                               "projects", projects_document(projects, false), "services", services,
                               "adjustments", projects->adjustments, "completeness", completeness);
    if (work->document == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory for the report");
    }
    return 0;
}

/* The statements of everybody whom the month shows. */
static int statements_give(struct store *store, const struct month_work *work,
                           const struct catalog *catalog, const struct report_projects *projects,
                           struct error *err)
{
    const struct statement_head head = {work->month, work->now, true,
                                        json_object_get(work->document, "completeness")};
    json_t *days = report_days(store, catalog, work->month, NULL, err);
    int result = days != NULL ? 0 : -1;
    for (size_t i = 0; i < projects->count && result == 0; i++) {
        const struct report_project *p = &projects->projects[i];
        if (report_project_is_idle(p)) {
            continue;
        }
        json_t *statement = report_statement_document(store, catalog, p, &head, days, err);
        result = statement == NULL ? -1 : work->each(work->context, p->project->id, statement, err);
        json_decref(statement);
    }
    json_decref(days);
    return result;
}

/* The stored document of a closed month. 1 if there is one, 0 while the month is open. */
static int month_stored(struct store *store, struct month_work *work, struct error *err)
{
    if (work->each != NULL) {
        return 0;
    }
    return report_stored(store, work->month, NULL, &work->document, err) < 0 ? -1
           : work->document != NULL                                          ? 1
                                                                             : 0;
}

static int month_work(struct store *store, void *context, struct error *err)
{
    struct month_work *work = context;
    struct report_shares shares = {0};
    struct report_projects projects = {0};
    struct catalog *catalog = NULL;
    int result = -1;

    json_decref(work->document); /* of a run that the database asked to repeat */
    work->document = NULL;
    int stored = month_stored(store, work, err);
    if (stored != 0) {
        return stored < 0 ? -1 : 0;
    }
    catalog = catalog_load(store, err);
    if (catalog != NULL) {
        struct month current = calendar_month_of(&catalog->calendar, work->now);
        if (report_shares_gather(store, catalog, work->month, work->now, &shares, err) == 0 &&
            report_projects_gather(store, catalog, work->month, current, NULL, &projects, err) ==
                0) {
            result = month_fill(store, work, catalog, &shares, &projects, err);
        }
        if (result == 0) {
            result = report_digest_set(work->document, err);
        }
        if (result == 0 && work->each != NULL) {
            result = statements_give(store, work, catalog, &projects, err);
        }
    }
    report_projects_release(&projects);
    report_shares_release(&shares);
    catalog_destroy(catalog);
    return result;
}

int report_digest_set(json_t *document, struct error *err)
{
    struct strbuf text = STRBUF_INIT;
    char hex[DIGEST_TEXT_BYTES];
    int result = document_write(document, &text, err);
    if (result == 0) {
        result = digest_text(text.data, text.length, hex, err);
    }
    if (result == 0 && json_object_set_new(document, "digest", json_string(hex)) < 0) {
        result = error_set(err, ERROR_INTERNAL, "out of memory for the report");
    }
    strbuf_release(&text);
    return result;
}

json_t *report_month(struct store *store, struct month month, struct instant now, struct error *err)
{
    struct month_work work = {.month = month, .now = now};
    if (store_transact(store, STORE_UNLOCKED, month_work, &work, err) < 0) {
        json_decref(work.document);
        return NULL;
    }
    return work.document;
}

json_t *report_close(struct store *store, struct month month, struct instant now,
                     report_statement_fn *each, void *context, struct error *err)
{
    struct month_work work = {.month = month, .now = now, .each = each, .context = context};
    if (store_transact(store, STORE_UNLOCKED, month_work, &work, err) < 0) {
        json_decref(work.document);
        return NULL;
    }
    return work.document;
}

/* Keep the objects of an array whose member `key` is `value`; the number kept. */
static size_t array_keep(json_t *document, const char *array, const char *key, const char *value)
{
    json_t *list = json_object_get(document, array);
    for (size_t i = json_array_size(list); i-- > 0;) {
        const char *text = json_string_value(json_object_get(json_array_get(list, i), key));
        if (text == NULL || strcmp(text, value) != 0) {
            json_array_remove(list, i);
        }
    }
    return json_array_size(list);
}

int report_month_excerpt(json_t *document, const char *share, const char *project,
                         struct error *err)
{
    json_t *services = json_object_get(document, "services");
    json_t *filter = json_object();
    if (share != NULL) {
        json_object_set_new(filter, "share", document_text(share));
        array_keep(document, "projects", "share", share);
        json_array_clear(services);
        if (array_keep(document, "shares", "share", share) == 0) {
            json_decref(filter);
            return error_set_reason(err, ERROR_REFUSED, "unknown_share", "there is no share %s",
                                    share);
        }
    } else {
        json_object_set_new(filter, "project", document_text(project));
        size_t kept = array_keep(document, "services", "project", project);
        kept += array_keep(document, "projects", "project", project);
        json_array_clear(json_object_get(document, "shares"));
        if (kept == 0) {
            json_decref(filter);
            return error_set_reason(err, ERROR_REFUSED, "unknown_project",
                                    "there is no project %s in this month", project);
        }
    }
    json_object_set_new(document, "excerpt", filter);
    return 0;
}

int report_month_services(json_t *document, struct error *err)
{
    json_object_del(document, "shares");
    json_object_del(document, "projects");
    json_object_del(document, "adjustments");
    json_t *filter = json_pack("{s:s}", "report", "services");
    return json_object_set_new(document, "excerpt", filter) == 0
               ? 0
               : error_set(err, ERROR_INTERNAL, "out of memory for the report");
}
