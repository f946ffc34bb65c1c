/* catalog - see catalog.h. Built from the store's rows, which come sorted by project, so that each
 * project's members, grants and edges are slices of one array.
 */
#include "ledgerd/flow/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/flow/catalog_access.h"
#include "ledgerd/flow/catalog_lookup.h"
#include "ledgerd/flow/catalog_slurm.h"
#include "ledgerd/flow/policy_doc.h"
#include "ledgerd/flow/ratecard_doc.h"
#include "ledgerd/store/store_catalog.h"

static int out_of_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

static int build_policies(struct catalog *catalog, const struct agreed_rows *rows,
                          struct error *err)
{
    struct policies *list = &catalog->policies;

    list->policies = calloc(rows->count + 1, sizeof(struct policy *));
    if (list->policies == NULL) {
        return out_of_memory(err);
    }
    for (size_t i = 0; i < rows->count; i++) {
        const struct agreed_row *row = &rows->rows[i];
        struct policy *policy;

        if (policy_doc_parse(row->document, strlen(row->document), &policy, err) != 0) {
            err->code = ERROR_INTERNAL; /* it was accepted once */
            return error_prefix(err, "policy %s in the book", row->name);
        }
        policy->number = row->number;
        list->policies[list->count++] = policy;
    }
    return 0;
}

static int build_cards(struct catalog *catalog, const struct agreed_rows *rows, struct error *err)
{
    struct ratecards *list = &catalog->cards;

    list->cards = calloc(rows->count + 1, sizeof(struct ratecard *));
    if (list->cards == NULL) {
        return out_of_memory(err);
    }
    for (size_t i = 0; i < rows->count; i++) {
        const struct agreed_row *row = &rows->rows[i];
        struct ratecard *card;

        if (ratecard_doc_parse(row->document, strlen(row->document), &card, err) != 0) {
            err->code = ERROR_INTERNAL;
            return error_prefix(err, "rate card %s in the book", row->name);
        }
        card->number = row->number;
        list->cards[list->count++] = card;
    }
    return 0;
}

/* Zone and fiscal year are the same in every policy: the first one fixed them. */
static int build_calendar(struct catalog *catalog, struct error *err)
{
    const struct policy *policy = catalog->policies.count > 0 ? catalog->policies.policies[0]
                                                              : NULL;

    catalog->calendar.zone = &catalog->zone;
    catalog->calendar.fiscal_month = policy != NULL ? policy->fiscal_month : 4;
    catalog->calendar.fiscal_day = policy != NULL ? policy->fiscal_day : 1;
    return zone_load(policy != NULL ? policy->timezone : "UTC", &catalog->zone, err);
}

static int copy_project(struct catalog_project *project, const struct catalog_project_row *row)
{
    project->is_service = row->is_service;
    project->is_closed = row->is_closed;
    project->account = row->account;
    project->spent_account = row->spent_account;
    project->overdraft = row->overdraft;
    project->id = strdup(row->id);
    project->name = strdup(row->name);
    project->share = row->share != NULL ? strdup(row->share) : NULL;
    return project->id == NULL || project->name == NULL ||
                   (row->share != NULL && project->share == NULL)
               ? -1
               : 0;
}

static int fill_members(struct catalog_project *project, const struct catalog_rows *rows,
                        size_t *next)
{
    size_t first = *next;

    while (*next < rows->member_count && strcmp(rows->members[*next].project, project->id) == 0) {
        (*next)++;
    }
    project->members = calloc(*next - first + 1, sizeof *project->members);
    if (project->members == NULL) {
        return -1;
    }
    for (size_t i = first; i < *next; i++) {
        struct catalog_member *member = &project->members[project->member_count++];

        member->is_pi = strcmp(rows->members[i].second, "pi") == 0;
        member->user = strdup(rows->members[i].first);
        if (member->user == NULL) {
            return -1;
        }
    }
    return 0;
}

static int fill_grants(struct catalog_project *project, const struct catalog_rows *rows,
                       size_t *next)
{
    size_t first = *next;

    while (*next < rows->grant_count && strcmp(rows->grants[*next].project, project->id) == 0) {
        (*next)++;
    }
    project->grants = calloc(*next - first + 1, sizeof *project->grants);
    if (project->grants == NULL) {
        return -1;
    }
    for (size_t i = first; i < *next; i++) {
        const struct catalog_grant_row *row = &rows->grants[i];

        project->grants[project->grant_count++] = (struct balance_grant){
            .id = row->id,
            .points = row->points,
            .from = row->from,
            .to = row->to,
            .revoked = row->is_revoked,
        };
    }
    return 0;
}

static int fill_edges(struct catalog_project *project, const struct catalog_rows *rows,
                      size_t *next)
{
    size_t first = *next;

    while (*next < rows->edge_count && strcmp(rows->edges[*next].project, project->id) == 0) {
        (*next)++;
    }
    project->edges = calloc(*next - first + 1, sizeof *project->edges);
    if (project->edges == NULL) {
        return -1;
    }
    for (size_t i = first; i < *next; i++) {
        project->edges[project->edge_count++] = rows->edges[i].at;
    }
    return 0;
}

static int fill_limits(struct catalog_project *project, const struct catalog_rows *rows,
                       size_t *next)
{
    size_t first = *next;

    while (*next < rows->limit_count && strcmp(rows->limits[*next].project, project->id) == 0) {
        (*next)++;
    }
    project->limits = calloc(*next - first + 1, sizeof *project->limits);
    if (project->limits == NULL) {
        return -1;
    }
    for (size_t i = first; i < *next; i++) {
        const struct catalog_limit_row *row = &rows->limits[i];
        struct catalog_limit *limit = &project->limits[project->limit_count++];

        *limit = (struct catalog_limit){
            .number = row->number, .period = row->period, .points = row->points};
        limit->user = strdup(row->user);
        if (limit->user == NULL) {
            return -1;
        }
    }
    return 0;
}

static int build_projects(struct catalog *catalog, const struct catalog_rows *rows,
                          struct error *err)
{
    size_t member = 0, grant = 0, edge = 0, limit = 0;

    catalog->projects = calloc(rows->project_count + 1, sizeof *catalog->projects);
    if (catalog->projects == NULL) {
        return out_of_memory(err);
    }
    for (size_t i = 0; i < rows->project_count; i++) {
        struct catalog_project *project = &catalog->projects[catalog->project_count++];

        if (copy_project(project, &rows->projects[i]) != 0 ||
            fill_members(project, rows, &member) != 0 || fill_grants(project, rows, &grant) != 0 ||
            fill_edges(project, rows, &edge) != 0 || fill_limits(project, rows, &limit) != 0) {
            return out_of_memory(err);
        }
    }
    catalog->limit_count = rows->limit_count;
    return 0;
}

/* The bytes of a name, moved to the end of the lookup's own memory. */
static const char *store_name(char **end, const char *name)
{
    char *kept = *end;

    *end = stpcpy(kept, name) + 1;
    return kept;
}

static size_t names_bytes(const struct catalog_name_row *names, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        bytes += strlen(names[i].first) + strlen(names[i].second) + 2;
    }
    return bytes;
}

static int build_lookup(struct catalog *catalog, const struct catalog_rows *rows, struct error *err)
{
    struct catalog_lookup *lookup = catalog->lookup = calloc(1, sizeof *lookup);
    char *end;

    if (lookup == NULL || lookup_table_init(&lookup->projects, rows->project_count) != 0 ||
        lookup_table_init(&lookup->aliases, rows->alias_count) != 0) {
        return out_of_memory(err);
    }
    end = lookup->names = malloc(names_bytes(rows->aliases, rows->alias_count) +
                                 names_bytes(rows->services, rows->service_count) + 1);
    lookup->services = calloc(rows->service_count + 1, sizeof *lookup->services);
    if (end == NULL || lookup->services == NULL) {
        return out_of_memory(err);
    }
    for (size_t i = 0; i < catalog->project_count; i++) {
        lookup_table_put(&lookup->projects, catalog->projects[i].id, "", &catalog->projects[i]);
    }
    for (size_t i = 0; i < rows->alias_count; i++) {
        const char *source = store_name(&end, rows->aliases[i].first);
        const char *name = store_name(&end, rows->aliases[i].second);

        lookup_table_put(&lookup->aliases, source, name,
                         catalog_project(catalog, rows->aliases[i].project));
    }
    for (size_t i = 0; i < rows->service_count; i++) {
        lookup->services[lookup->service_count++] = (struct catalog_service_pattern){
            .source = store_name(&end, rows->services[i].first),
            .klass = store_name(&end, rows->services[i].second),
            .project = catalog_project(catalog, rows->services[i].project),
        };
    }
    return 0;
}

static int build(struct catalog *catalog, struct catalog_rows *rows, struct error *err)
{
    catalog->version = rows->version;
    catalog->rating_version = rows->rating_version;
    catalog->slurm = catalog_slurm_create(&rows->slurm);
    if (catalog->slurm == NULL) {
        return out_of_memory(err);
    }
    catalog->access = catalog_access_create(&rows->access, err);
    if (catalog->access == NULL) {
        return -1;
    }
    if (build_policies(catalog, &rows->policies, err) != 0 || build_calendar(catalog, err) != 0 ||
        build_cards(catalog, &rows->cards, err) != 0 || build_projects(catalog, rows, err) != 0) {
        return -1;
    }
    return build_lookup(catalog, rows, err);
}

static int read_rows(struct store *store, void *context, struct error *err)
{
    catalog_rows_release(context); /* of an attempt that was rolled back */
    return store_read_catalog(store, context, err);
}

struct catalog *catalog_load(struct store *store, struct error *err)
{
    struct catalog *catalog = calloc(1, sizeof *catalog);
    struct catalog_rows rows = {0};
    struct error cause = {0};

    if (catalog == NULL) {
        out_of_memory(err);
        return NULL;
    }
    if (store_transact(store, STORE_UNLOCKED, read_rows, &rows, &cause) != 0 ||
        build(catalog, &rows, &cause) != 0) {
        if (err != NULL) {
            *err = cause;
        }
        catalog_destroy(catalog);
        catalog = NULL;
    }
    catalog_rows_release(&rows);
    return catalog;
}

static void destroy_project(struct catalog_project *project)
{
    for (size_t i = 0; i < project->member_count; i++) {
        free(project->members[i].user);
    }
    for (size_t i = 0; i < project->limit_count; i++) {
        free(project->limits[i].user);
    }
    free(project->limits);
    free(project->id);
    free(project->name);
    free(project->share);
    free(project->members);
    free(project->grants);
    free(project->edges);
}

void catalog_destroy(struct catalog *catalog)
{
    if (catalog == NULL) {
        return;
    }
    policies_release(&catalog->policies);
    ratecards_release(&catalog->cards);
    for (size_t i = 0; i < catalog->project_count; i++) {
        destroy_project(&catalog->projects[i]);
    }
    free(catalog->projects);
    if (catalog->lookup != NULL) {
        lookup_table_release(&catalog->lookup->projects);
        lookup_table_release(&catalog->lookup->aliases);
        free(catalog->lookup->services);
        free(catalog->lookup->names);
        free(catalog->lookup);
    }
    catalog_slurm_destroy(catalog->slurm);
    catalog_access_destroy(catalog->access);
    free(catalog);
}

struct versions {
    int64_t version;
    int64_t rating_version;
};

static int read_versions(struct store *store, void *context, struct error *err)
{
    struct versions *versions = context;

    return store_read_versions(store, &versions->version, &versions->rating_version, err);
}

int catalog_versions(struct store *store, int64_t *version, int64_t *rating_version,
                     struct error *err)
{
    struct versions versions;

    if (store_transact(store, STORE_UNLOCKED, read_versions, &versions, err) != 0) {
        return -1;
    }
    *version = versions.version;
    *rating_version = versions.rating_version;
    return 0;
}

int catalog_refresh(struct catalog **catalog, struct store *store, struct error *err)
{
    int64_t version, rating_version;

    if (catalog_versions(store, &version, &rating_version, err) != 0) {
        return -1;
    }
    if (*catalog != NULL && (*catalog)->version == version) {
        return 0;
    }
    catalog_destroy(*catalog);
    *catalog = catalog_load(store, err);
    return *catalog == NULL ? -1 : 0;
}
