/* project_find - see project_find.h. */
#include "ledgerd/flow/project_find.h"

int project_unknown(const char *id, struct error *err)
{
    return error_set_reason(err, ERROR_REFUSED, "unknown_project", "there is no project '%s'", id);
}

int project_find(struct store *store, const char *id, struct project_rows *rows, struct error *err)
{
    if (store_read_projects(store, id, rows, err) != 0) {
        return -1;
    }
    if (rows->count == 0) {
        project_rows_release(rows);
        return project_unknown(id, err);
    }
    return 0;
}

const struct policy *policy_for_acts(const struct catalog *catalog, struct instant now,
                                     struct error *err)
{
    const struct policy *policy = policies_at(&catalog->policies, now);

    if (policy == NULL && catalog->policies.count > 0) {
        policy = catalog->policies.policies[0];
    }
    if (policy == NULL) {
        error_set_reason(err, ERROR_REFUSED, "no_policy",
                         "the book has no policy yet: apply one first (policy apply FILE)");
    }
    return policy;
}
