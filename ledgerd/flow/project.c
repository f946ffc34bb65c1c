/* project - show and close projects; aliases, members and overdraft. See project.h; adding is in
 * project_add.c. */
#include "ledgerd/flow/project.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/usage.h"
#include "ledgerd/flow/project_find.h"

enum { DETAIL_BYTES = 1024 };

void project_details_release(struct project_details *details)
{
    free(details->project.id);
    free(details->project.name);
    free(details->project.share);
    name_pairs_release(&details->services);
    name_pairs_release(&details->aliases);
    name_pairs_release(&details->members);
    memset(details, 0, sizeof *details);
}

struct showing {
    const char *id;
    struct project_details details;
};

static int read_details(struct store *store, void *context, struct error *err)
{
    struct showing *showing = context;
    struct project_details *details = &showing->details;
    struct project_rows rows;

    project_details_release(details); /* of an attempt that was rolled back */
    if (project_find(store, showing->id, &rows, err) != 0) {
        return -1;
    }
    details->project = rows.rows[0];
    free(rows.rows);
    return store_read_services(store, showing->id, &details->services, err) != 0 ||
                   store_read_aliases(store, showing->id, &details->aliases, err) != 0 ||
                   store_read_members(store, showing->id, &details->members, err) != 0
               ? -1
               : 0;
}

int project_show(struct store *store, const char *id, struct project_details *details,
                 struct error *err)
{
    struct showing showing = {.id = id};

    if (store_transact(store, STORE_UNLOCKED, read_details, &showing, err) != 0) {
        project_details_release(&showing.details);
        return -1;
    }
    *details = showing.details;
    return 0;
}

static int read_list(struct store *store, void *context, struct error *err)
{
    project_rows_release(context);
    return store_read_projects(store, NULL, context, err);
}

int project_list(struct store *store, struct project_rows *rows, struct error *err)
{
    struct project_rows list = {0};

    if (store_transact(store, STORE_UNLOCKED, read_list, &list, err) != 0) {
        return -1;
    }
    *rows = list;
    return 0;
}

/* A verb that changes one thing of a known project and leaves a row on the audit list if it did. */
struct change {
    const struct manual_act *act;
    const char *verb;
    const char *project;
    int (*apply)(struct store *store, struct change *change, const struct project_row *row,
                 struct error *err);
    const void *request;
    bool changed;
    char detail[DETAIL_BYTES];
};

static int run_change(struct store *store, void *context, struct error *err)
{
    struct change *change = context;
    struct project_rows rows;
    int result;

    change->changed = false;
    if (project_find(store, change->project, &rows, err) != 0) {
        return -1;
    }
    result = change->apply(store, change, &rows.rows[0], err);
    project_rows_release(&rows);
    if (result != 0 || !change->changed) {
        return result;
    }
    return manual_record(store, change->act, change->verb, change->project, change->detail, NULL,
                         err);
}

static int make_change(struct store *store, struct change *change, bool *unchanged,
                       struct error *err)
{
    if (manual_check(change->act, err) != 0 ||
        store_transact(store, STORE_BOOKING, run_change, change, err) != 0) {
        return -1;
    }
    *unchanged = !change->changed;
    return 0;
}

static int apply_close(struct store *store, struct change *change, const struct project_row *row,
                       struct error *err)
{
    change->changed = !instant_is_set(row->closed_at);
    return change->changed ? store_close_project(store, row->id, change->act->now, err) : 0;
}

int project_close(struct store *store, const struct project_request *request, bool *unchanged,
                  struct error *err)
{
    struct change change = {.act = &request->act,
                            .verb = "project close",
                            .project = request->project,
                            .apply = apply_close};

    return make_change(store, &change, unchanged, err);
}

static int apply_alias(struct store *store, struct change *change, const struct project_row *row,
                       struct error *err)
{
    const struct project_alias_request *request = change->request;
    char *before;

    if (store_set_alias(store, row->id, request->source, request->name, &before, err) != 0) {
        return -1;
    }
    change->changed = before == NULL || strcmp(before, row->id) != 0;
    snprintf(change->detail, sizeof change->detail, "%s %s%s%s", request->source, request->name,
             before != NULL ? ", until now " : "", before != NULL ? before : "");
    free(before);
    return 0;
}

int project_alias(struct store *store, const struct project_alias_request *request, bool *unchanged,
                  struct error *err)
{
    struct change change = {.act = &request->act,
                            .verb = "project alias",
                            .project = request->project,
                            .apply = apply_alias,
                            .request = request};

    if (*request->source == '\0' ||
        !usage_is_clean(request->source, strlen(request->source), USAGE_SOURCE_BYTES) ||
        *request->name == '\0' ||
        !usage_is_clean(request->name, strlen(request->name), USAGE_NAME_BYTES)) {
        return error_set(err, ERROR_ARGUMENT,
                         "an alias needs a source, such as slurm:sdli, and the name that its "
                         "records carry, both plain text");
    }
    return make_change(store, &change, unchanged, err);
}

static int apply_member(struct store *store, struct change *change, const struct project_row *row,
                        struct error *err)
{
    const struct member_request *request = change->request;

    snprintf(change->detail, sizeof change->detail, "%s%s", request->user,
             request->is_pi ? " as pi" : "");
    return store_set_member(store, row->id, request->user, request->is_pi, change->act->now,
                            &change->changed, err);
}

static int apply_remove(struct store *store, struct change *change, const struct project_row *row,
                        struct error *err)
{
    const struct member_request *request = change->request;

    snprintf(change->detail, sizeof change->detail, "%s", request->user);
    return store_remove_member(store, row->id, request->user, &change->changed, err);
}

static int change_member(struct store *store, const struct member_request *request,
                         struct change *change, bool *unchanged, struct error *err)
{
    change->act = &request->act;
    change->project = request->project;
    change->request = request;
    if (*request->user == '\0' ||
        !usage_is_clean(request->user, strlen(request->user), USAGE_NAME_BYTES)) {
        return error_set(err, ERROR_ARGUMENT, "a user's name is plain text of 1 to %d bytes",
                         USAGE_NAME_BYTES);
    }
    return make_change(store, change, unchanged, err);
}

int member_add(struct store *store, const struct member_request *request, bool *unchanged,
               struct error *err)
{
    struct change change = {.verb = "member add", .apply = apply_member};

    return change_member(store, request, &change, unchanged, err);
}

int member_remove(struct store *store, const struct member_request *request, bool *unchanged,
                  struct error *err)
{
    struct change change = {.verb = "member remove", .apply = apply_remove};

    return change_member(store, request, &change, unchanged, err);
}

int member_list(struct store *store, const char *project, struct name_pairs *members,
                struct error *err)
{
    struct project_details details;

    if (project_show(store, project, &details, err) != 0) {
        return -1;
    }
    *members = details.members;
    details.members = (struct name_pairs){0};
    project_details_release(&details);
    return 0;
}

static int apply_overdraft(struct store *store, struct change *change,
                           const struct project_row *row, struct error *err)
{
    const struct overdraft_request *request = change->request;
    char before[POINTS_TEXT_BYTES], after[POINTS_TEXT_BYTES];

    if (row->is_service) {
        return error_set_reason(err, ERROR_REFUSED, "is_service",
                                "'%s' is a service: it is never refused, so it has no overdraft",
                                row->id);
    }
    change->changed = points_compare(row->overdraft, request->overdraft) != 0;
    snprintf(change->detail, sizeof change->detail, "%s, until now %s",
             points_format(request->overdraft, after), points_format(row->overdraft, before));
    return store_set_overdraft(store, row->id, request->overdraft, err);
}

int overdraft_set(struct store *store, const struct overdraft_request *request, bool *unchanged,
                  struct error *err)
{
    struct change change = {.act = &request->act,
                            .verb = "overdraft",
                            .project = request->project,
                            .apply = apply_overdraft,
                            .request = request};

    if (request->overdraft.micro < 0) {
        return error_set(err, ERROR_ARGUMENT, "an overdraft is not negative");
    }
    return make_change(store, &change, unchanged, err);
}
