/* project_add - add a project to a share, or an inference service. See project.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/flow/project.h"
#include "ledgerd/flow/project_find.h"

enum { PROJECT_ID_BYTES_MAX = 128, PROJECT_NAME_BYTES_MAX = 256 };

struct adding {
    const struct project_add_request *request;
    bool unchanged;
};

struct service_pattern {
    char source[USAGE_SOURCE_BYTES + 1];
    char klass[USAGE_NAME_BYTES + 1];
};

static int check_id(const char *id, struct error *err)
{
    size_t length = id != NULL ? strlen(id) : 0;

    if (length == 0 || length > PROJECT_ID_BYTES_MAX || !isalnum((unsigned char)id[0]) ||
        strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != length) {
        return error_set(err, ERROR_ARGUMENT,
                         "'%s' cannot be a project's id: it is made of letters, digits, '.', '_' "
                         "and '-', begins with a letter or digit, and has at most %d characters",
                         id != NULL ? id : "", PROJECT_ID_BYTES_MAX);
    }
    return 0;
}

/* SOURCE/CLASS splits at the first '/': classes may hold more of them. */
static int split_service(const char *text, struct service_pattern *pattern, struct error *err)
{
    const char *slash = strchr(text, '/');
    size_t source_length = slash != NULL ? (size_t)(slash - text) : 0;

    if (slash == NULL || source_length == 0 || slash[1] == '\0' ||
        source_length > USAGE_SOURCE_BYTES || strlen(slash + 1) > USAGE_NAME_BYTES ||
        !usage_is_clean(text, strlen(text), SIZE_MAX)) {
        return error_set(err, ERROR_ARGUMENT,
                         "'%s' is no SOURCE/CLASS, such as 'gateway:*/openai/gpt-oss-20b'", text);
    }
    memcpy(pattern->source, text, source_length);
    pattern->source[source_length] = '\0';
    snprintf(pattern->klass, sizeof pattern->klass, "%s", slash + 1);
    return 0;
}

static int check_request(const struct project_add_request *request, struct error *err)
{
    struct service_pattern pattern;

    if (manual_check(&request->act, err) != 0 || check_id(request->id, err) != 0) {
        return -1;
    }
    if ((request->share != NULL) == (request->service_count > 0)) {
        return error_set(err, ERROR_ARGUMENT,
                         "a project needs its share (--share), an inference service what it serves "
                         "(--service SOURCE/CLASS): one of the two");
    }
    if (request->service_count > PROJECT_SERVICES_MAX) {
        return error_set(err, ERROR_ARGUMENT, "a service has at most %d patterns",
                         PROJECT_SERVICES_MAX);
    }
    for (size_t i = 0; i < request->service_count; i++) {
        if (split_service(request->services[i], &pattern, err) != 0) {
            return -1;
        }
    }
    if (request->name != NULL &&
        !usage_is_clean(request->name, strlen(request->name), PROJECT_NAME_BYTES_MAX)) {
        return error_set(err, ERROR_ARGUMENT, "a name is plain text of at most %d bytes",
                         PROJECT_NAME_BYTES_MAX);
    }
    return 0;
}

/* A share that the policy in force names, or one that is to come. */
static int check_share(const struct catalog *catalog, const char *share, struct instant now,
                       struct error *err)
{
    const struct policy *current = policy_for_acts(catalog, now, err);

    if (current == NULL) {
        return -1;
    }
    for (size_t i = 0; i < catalog->policies.count; i++) {
        const struct policy *policy = catalog->policies.policies[i];

        if (instant_compare(policy->effective_from, current->effective_from) >= 0 &&
            policy_share(policy, share) != NULL) {
            return 0;
        }
    }
    return error_set_reason(err, ERROR_REFUSED, "unknown_share",
                            "policy %s has no share '%s': look at policy show", current->name,
                            share);
}

static int add_services(struct store *store, const struct project_add_request *request, bool *added,
                        struct error *err)
{
    for (size_t i = 0; i < request->service_count; i++) {
        struct service_pattern pattern;
        char *taken_by = NULL;
        bool is_own;

        if (split_service(request->services[i], &pattern, err) != 0 ||
            store_add_service(store, request->id, pattern.source, pattern.klass, &taken_by, err) !=
                0) {
            return -1;
        }
        is_own = taken_by == NULL || strcmp(taken_by, request->id) == 0;
        if (!is_own) {
            error_set_reason(err, ERROR_REFUSED, "service_taken", "'%s' is already served by %s",
                             request->services[i], taken_by);
        }
        *added = *added || taken_by == NULL;
        free(taken_by);
        if (!is_own) {
            return -1;
        }
    }
    return 0;
}

static int check_existing(const struct project_row *row, const struct project_add_request *request,
                          struct error *err)
{
    if (row->is_service != (request->share == NULL)) {
        return error_set_reason(err, ERROR_REFUSED, "project_differs",
                                "'%s' is there already, as a %s", row->id,
                                row->is_service ? "service" : "project");
    }
    if (!row->is_service && strcmp(row->share, request->share) != 0) {
        return error_set_reason(err, ERROR_REFUSED, "project_differs",
                                "project '%s' is there already, in share %s: a project does not "
                                "move to another share",
                                row->id, row->share);
    }
    if (instant_is_set(row->closed_at)) {
        return error_set_reason(err, ERROR_REFUSED, "project_closed",
                                "project '%s' is there already, and closed", row->id);
    }
    return 0;
}

/* A project that is there: take over what may change. */
static int change_existing(struct store *store, const struct project_row *row,
                           const struct project_add_request *request, bool *changed,
                           struct error *err)
{
    if (check_existing(row, request, err) != 0) {
        return -1;
    }
    *changed = false;
    if (request->name != NULL && *request->name != '\0' && strcmp(row->name, request->name) != 0) {
        *changed = true;
        if (store_rename_project(store, row->id, request->name, err) != 0) {
            return -1;
        }
    }
    return add_services(store, request, changed, err);
}

static int add_new(struct store *store, const struct project_add_request *request,
                   struct error *err)
{
    bool added = false;

    if (request->share != NULL) {
        struct catalog *catalog = catalog_load(store, err);
        int result;

        if (catalog == NULL) {
            return -1;
        }
        result = check_share(catalog, request->share, request->act.now, err);
        catalog_destroy(catalog);
        if (result != 0) {
            return -1;
        }
    }
    if (store_add_project(store, request->id, request->share,
                          request->name != NULL ? request->name : "", request->act.now, err) != 0) {
        return -1;
    }
    return add_services(store, request, &added, err);
}

static int record_act(struct store *store, const struct project_add_request *request,
                      struct error *err)
{
    struct strbuf detail = STRBUF_INIT;
    int result;

    if (request->share != NULL) {
        strbuf_printf(&detail, "share %s", request->share);
    }
    for (size_t i = 0; i < request->service_count; i++) {
        strbuf_printf(&detail, "%sservice %s", i > 0 ? ", " : "", request->services[i]);
    }
    if (request->name != NULL && *request->name != '\0') {
        strbuf_printf(&detail, ", name %s", request->name);
    }
    result = detail.failed ? error_set(err, ERROR_INTERNAL, "out of memory")
                           : manual_record(store, &request->act, "project add", request->id,
                                           detail.data, NULL, err);
    strbuf_release(&detail);
    return result;
}

static int add(struct store *store, void *context, struct error *err)
{
    struct adding *adding = context;
    const struct project_add_request *request = adding->request;
    struct project_rows rows;
    bool changed = true;
    int result;

    if (store_read_projects(store, request->id, &rows, err) != 0) {
        return -1;
    }
    result = rows.count > 0 ? change_existing(store, &rows.rows[0], request, &changed, err)
                            : add_new(store, request, err);
    project_rows_release(&rows);
    if (result != 0) {
        return -1;
    }
    adding->unchanged = !changed;
    return changed ? record_act(store, request, err) : 0;
}

int project_add(struct store *store, const struct project_add_request *request, bool *unchanged,
                struct error *err)
{
    struct adding adding = {.request = request};

    if (check_request(request, err) != 0 ||
        store_transact(store, STORE_BOOKING, add, &adding, err) != 0) {
        return -1;
    }
    *unchanged = adding.unchanged;
    return 0;
}
