/* Gathering the month of projects. */
#include "ledgerd/flow/report_project.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/document.h"
#include "ledgerd/store/store_report.h"
#include "ledgerd/store/store_report_late.h"

static int overflow(const char *project, struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "project %s: its sums do not fit", project);
}

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory for the report");
}

static struct report_project *project_of(struct report_projects *all, const char *id,
                                         struct error *err)
{
    const struct catalog_project *known = catalog_project(all->catalog, id);
    if (known == NULL) {
        error_set(err, ERROR_VERIFY, "the book has figures of project %s, which it does not know",
                  id);
        return NULL;
    }
    return &all->projects[known - all->catalog->projects];
}

/* Where a kind of transfer counts, and with which sign. */
static struct points *column_of(struct report_project *p, const char *kind, bool *is_subtracted)
{
    static const struct {
        const char *kind;
        size_t offset;
        bool is_subtracted;
    } columns[] = {
        {"grant", offsetof(struct report_project, granted), false},
        {"revoke", offsetof(struct report_project, granted), false},
        {"charge", offsetof(struct report_project, charged), true},
        {"refund", offsetof(struct report_project, refunded), false},
        {"expire", offsetof(struct report_project, expired), true},
    };
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        if (strcmp(columns[i].kind, kind) == 0) {
            *is_subtracted = columns[i].is_subtracted;
            return (struct points *)(void *)((char *)p + columns[i].offset);
        }
    }
    *is_subtracted = false;
    return &p->adjusted;
}

static int move_take(void *context, const struct report_move *row, struct error *err)
{
    struct report_project *p = project_of(context, row->project, err);
    bool is_subtracted;
    if (p == NULL) {
        return -1;
    }
    struct points *column = column_of(p, row->kind, &is_subtracted);
    struct points change = row->month;
    if (is_subtracted && points_subtract(POINTS_ZERO, row->month, &change) != POINTS_OK) {
        return overflow(row->project, err);
    }
    if (points_add(p->opening, row->before, &p->opening) != POINTS_OK ||
        points_add(p->closing, row->before, &p->closing) != POINTS_OK ||
        points_add(p->closing, row->month, &p->closing) != POINTS_OK ||
        points_add(p->closing, row->late, &p->closing) != POINTS_OK ||
        points_add(p->adjusted, row->late, &p->adjusted) != POINTS_OK ||
        points_add(*column, change, column) != POINTS_OK ||
        (column == &p->adjusted && points_add(p->moved, change, &p->moved) != POINTS_OK)) {
        return overflow(row->project, err);
    }
    bool is_charge = column == &p->charged && !p->project->is_service;
    if (is_charge && !points_is_zero(change) &&
        json_object_set_new(p->charged_by, row->source, document_points(change)) < 0) {
        return no_memory(err);
    }
    return 0;
}

static int late_take(void *context, const struct report_late *row, struct error *err)
{
    struct report_projects *all = context;
    struct report_project *p = project_of(all, row->project, err);
    if (p == NULL) {
        return -1;
    }
    if (points_add(p->late_sum, row->points, &p->late_sum) != POINTS_OK) {
        return overflow(row->project, err);
    }
    json_t *line = json_pack("{s:o, s:s, s:s, s:o, s:o}", "month", document_month(row->month),
                             "project", row->project, "source", row->source, "id",
                             document_text(row->id), "points", document_points(row->points));
    return json_array_append_new(all->adjustments, line) < 0 ? no_memory(err) : 0;
}

static json_t *class_add(struct report_project *p, const char *source, const char *klass,
                         struct points points, struct points list_points)
{
    json_t *object = json_pack("{s:s, s:s, s:o, s:o, s:{}}", "source", source, "class", klass,
                               "points", document_points(points), "list_points",
                               document_points(list_points), "meters");
    return json_array_append_new(p->classes, object) < 0 ? NULL : object;
}

static int usage_take(void *context, const struct report_usage *row, struct error *err)
{
    struct report_project *p = project_of(context, row->project, err);
    if (p == NULL) {
        return -1;
    }
    if (points_add(p->classes_sum, row->points, &p->classes_sum) != POINTS_OK) {
        return overflow(row->project, err);
    }
    return class_add(p, row->source, row->klass, row->points, row->list_points) == NULL
               ? no_memory(err)
               : 0;
}

/* A project has few classes: no index is worth its while. */
static json_t *class_of(struct report_project *p, const char *source, const char *klass)
{
    size_t i;
    json_t *object;
    json_array_foreach(p->classes, i, object)
    {
        if (strcmp(json_string_value(json_object_get(object, "source")), source) == 0 &&
            strcmp(json_string_value(json_object_get(object, "class")), klass) == 0) {
            return object;
        }
    }
    /* used in this month, charged in another one by the month rule */
    return class_add(p, source, klass, POINTS_ZERO, POINTS_ZERO);
}

/* "12.000000000" as "12": counts are whole in practice and exact in any case. */
static json_t *count_document(const char *amount)
{
    size_t length = strlen(amount);
    if (strchr(amount, '.') != NULL) {
        while (length > 1 && amount[length - 1] == '0') {
            length--;
        }
        length -= amount[length - 1] == '.';
    }
    return json_stringn(amount, length);
}

static int held_set(struct report_project *p, json_t *meters, const struct report_meter *row,
                    struct error *err)
{
    struct unit_seconds held;
    char name[300];
    char hours[HOURS_TEXT_BYTES];
    if (unit_seconds_parse(row->amount, &held) < 0) {
        return error_set(err, ERROR_INTERNAL, "project %s: meter %s does not fit: %s", row->project,
                         row->meter, row->amount);
    }
    if (strcmp(row->meter, "gpu") == 0 && unit_seconds_add(&p->gpu, held) < 0) {
        return overflow(row->project, err);
    }
    name[0] = '\0';
    strncat(name, row->meter, sizeof name - sizeof "_hours");
    strncat(name, "_hours", sizeof name - strlen(name) - 1);
    hours_format(hours_from_unit_seconds(held), hours);
    return json_object_set_new(meters, name, json_string(hours)) < 0 ? no_memory(err) : 0;
}

static int meter_take(void *context, const struct report_meter *row, struct error *err)
{
    struct report_project *p = project_of(context, row->project, err);
    json_t *object = p != NULL ? class_of(p, row->source, row->klass) : NULL;
    if (object == NULL) {
        return p == NULL ? -1 : no_memory(err);
    }
    json_t *meters = json_object_get(object, "meters");
    if (row->is_held) {
        return held_set(p, meters, row, err);
    }
    return json_object_set_new(meters, row->meter, count_document(row->amount)) < 0 ? no_memory(err)
                                                                                    : 0;
}

static int user_take(void *context, const struct report_user *row, struct error *err)
{
    struct report_project *p = project_of(context, row->project, err);
    if (p == NULL) {
        return -1;
    }
    if (points_add(p->users_sum, row->points, &p->users_sum) != POINTS_OK) {
        return overflow(row->project, err);
    }
    json_t *user = json_pack("{s:s, s:o}", "user", row->user, "points",
                             document_points(row->points));
    return json_array_append_new(p->users, user) < 0 ? no_memory(err) : 0;
}

static int accrued_take(void *context, const char *project, struct points accrued,
                        struct error *err)
{
    struct report_project *p = project_of(context, project, err);
    if (p == NULL) {
        return -1;
    }
    p->accrued = accrued;
    return 0;
}

/* A service's account is charged for its own jobs and credited for what it served, under the same
 * kind of transfer: its roll-up of classes tells the one, the difference is the other. */
static int service_split(struct report_project *p, struct error *err)
{
    struct points net = p->charged;
    size_t i;
    json_t *object;
    if (points_subtract(p->classes_sum, net, &p->received) != POINTS_OK) {
        return overflow(p->project->id, err);
    }
    p->charged = p->classes_sum;
    json_array_foreach(p->classes, i, object)
    {
        const char *source = json_string_value(json_object_get(object, "source"));
        struct points sum = POINTS_ZERO;
        struct points part = POINTS_ZERO;
        const char *before = json_string_value(json_object_get(p->charged_by, source));
        const char *points = json_string_value(json_object_get(object, "points"));
        if ((before != NULL && points_parse_signed(before, strlen(before), &sum) != POINTS_OK) ||
            points_parse_signed(points, strlen(points), &part) != POINTS_OK ||
            points_add(sum, part, &sum) != POINTS_OK) {
            return overflow(p->project->id, err);
        }
        if (!points_is_zero(part) &&
            json_object_set_new(p->charged_by, source, document_points(sum)) < 0) {
            return no_memory(err);
        }
    }
    return 0;
}

/* opening + granted - charged (+ received) + refunded + adjusted - expired = closing; users and
 * classes each add up to charged, and what was moved and what came late to adjusted. */
static int project_prove(const struct report_project *p, struct error *err)
{
    char want[POINTS_TEXT_BYTES];
    char got[POINTS_TEXT_BYTES];
    __int128 closing = (__int128)p->opening.micro + p->granted.micro - p->charged.micro +
                       p->received.micro + p->refunded.micro + p->adjusted.micro - p->expired.micro;
    if (closing != p->closing.micro) {
        return error_set(err, ERROR_VERIFY,
                         "project %s: its columns do not add up to its closing balance %s",
                         p->project->id, points_format(p->closing, want));
    }
    if ((__int128)p->moved.micro + p->late_sum.micro != p->adjusted.micro) {
        return error_set(
            err, ERROR_VERIFY, "project %s: what came late adds up to %s, it was adjusted by %s",
            p->project->id, points_format(p->late_sum, got), points_format(p->adjusted, want));
    }
    if (points_compare(p->users_sum, p->charged) != 0) {
        return error_set(err, ERROR_VERIFY, "project %s: its users add up to %s, not to %s charged",
                         p->project->id, points_format(p->users_sum, got),
                         points_format(p->charged, want));
    }
    if (points_compare(p->classes_sum, p->charged) != 0) {
        return error_set(err, ERROR_VERIFY,
                         "project %s: its classes add up to %s, not to %s charged", p->project->id,
                         points_format(p->classes_sum, got), points_format(p->charged, want));
    }
    return 0;
}

static int projects_read(struct store *store, struct report_projects *all, bool is_current,
                         const char *project, struct error *err)
{
    struct month month = all->month;
    if (store_report_moves(store, month, project, move_take, all, err) < 0 ||
        store_report_late(store, month, project, late_take, all, err) < 0 ||
        store_report_usage(store, month, project, usage_take, all, err) < 0 ||
        store_report_meters(store, month, project, meter_take, all, err) < 0 ||
        store_report_users(store, month, project, user_take, all, err) < 0 ||
        (is_current && store_report_accrued(store, accrued_take, all, err) < 0)) {
        return -1;
    }
    for (size_t i = 0; i < all->count; i++) {
        struct report_project *p = &all->projects[i];
        if ((p->project->is_service && service_split(p, err) < 0) || project_prove(p, err) < 0) {
            return -1;
        }
    }
    return 0;
}

int report_projects_gather(struct store *store, const struct catalog *catalog, struct month month,
                           struct month current, const char *project,
                           struct report_projects *projects, struct error *err)
{
    struct report_projects all = {.catalog = catalog, .month = month};
    all.projects = calloc(catalog->project_count + 1, sizeof *all.projects);
    all.adjustments = json_array();
    if (all.projects == NULL || all.adjustments == NULL) {
        json_decref(all.adjustments);
        free(all.projects);
        return no_memory(err);
    }
    for (; all.count < catalog->project_count; all.count++) {
        struct report_project *p = &all.projects[all.count];
        *p = (struct report_project){.project = &catalog->projects[all.count],
                                     .charged_by = json_object(),
                                     .users = json_array(),
                                     .classes = json_array()};
    }
    if (projects_read(store, &all, month.number == current.number, project, err) < 0) {
        report_projects_release(&all);
        return -1;
    }
    *projects = all;
    return 0;
}

void report_projects_release(struct report_projects *projects)
{
    for (size_t i = 0; i < projects->count; i++) {
        json_decref(projects->projects[i].charged_by);
        json_decref(projects->projects[i].users);
        json_decref(projects->projects[i].classes);
    }
    json_decref(projects->adjustments);
    free(projects->projects);
    *projects = (struct report_projects){0};
}

bool report_project_is_idle(const struct report_project *p)
{
    return p->project->is_closed && p->opening.micro == 0 && p->closing.micro == 0 &&
           p->granted.micro == 0 && p->adjusted.micro == 0 && p->accrued.micro == 0 &&
           json_array_size(p->classes) == 0;
}

json_t *report_project_document(const struct report_project *p)
{
    json_t *document = json_pack(
        "{s:s, s:s?, s:o, s:o, s:o, s:O, s:o, s:o, s:o, s:o, s:o, s:o, s:O, s:O}", "project",
        p->project->id, "share", p->project->share, "name", document_text(p->project->name),
        "opening", document_points(p->opening), "granted", document_points(p->granted), "charged",
        p->charged_by, "charged_total", document_points(p->charged), "refunded",
        document_points(p->refunded), "adjusted", document_points(p->adjusted), "expired",
        document_points(p->expired), "closing", document_points(p->closing), "accrued",
        document_points(p->accrued), "users", p->users, "classes", p->classes);
    if (document != NULL && p->project->is_service) {
        char gpu[HOURS_TEXT_BYTES];
        hours_format(hours_from_unit_seconds(p->gpu), gpu);
        json_object_del(document, "share");
        json_object_set_new(document, "received", document_points(p->received));
        json_object_set_new(document, "gpu_hours", json_string(gpu));
    }
    return document;
}
