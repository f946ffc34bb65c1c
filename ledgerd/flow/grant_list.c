/* grant_list - the grants of a project, or of all. See grant.h. */
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/grant.h"
#include "ledgerd/flow/grant_info.h"
#include "ledgerd/flow/project_find.h"
#include "ledgerd/store/store_grant.h"
#include "ledgerd/store/store_project.h"

struct listing {
    const char *project; /* NULL: all */
    struct instant now;
    struct grant_infos grants;
};

static int append(struct grant_infos *all, struct grant_infos *more, struct error *err)
{
    struct grant_info *grown;

    if (more->count == 0) {
        return 0;
    }
    grown = realloc(all->grants, (all->count + more->count) * sizeof *grown);
    if (grown == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    memcpy(grown + all->count, more->grants, more->count * sizeof *grown);
    all->grants = grown;
    all->count += more->count;
    return 0;
}

/* rows[0..count) are of one project. */
static int list_one(struct store *store, struct listing *listing, const struct grant_row *rows,
                    size_t count, struct error *err)
{
    struct store_position position;
    struct grant_infos grants;
    int result;

    if (store_read_position(store, rows[0].project, &position, err) != 0) {
        return -1;
    }
    result = grant_infos_build(&position, POINTS_ZERO, rows, count, listing->now, NULL, &grants,
                               err);
    store_position_release(&position);
    if (result == 0) {
        result = append(&listing->grants, &grants, err);
        grant_infos_release(&grants);
    }
    return result;
}

static int list_rows(struct store *store, struct listing *listing, const struct grant_rows *rows,
                     struct error *err)
{
    for (size_t i = 0; i < rows->count;) {
        size_t first = i;

        while (i < rows->count && strcmp(rows->rows[i].project, rows->rows[first].project) == 0) {
            i++;
        }
        if (list_one(store, listing, &rows->rows[first], i - first, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int list(struct store *store, void *context, struct error *err)
{
    struct listing *listing = context;
    struct project_rows projects;
    struct grant_rows rows;
    int result;

    grant_infos_release(&listing->grants); /* of an attempt that was rolled back */
    if (listing->project != NULL) {
        if (project_find(store, listing->project, &projects, err) != 0) {
            return -1;
        }
        project_rows_release(&projects);
    }
    if (store_read_grants(store, listing->project, 0, &rows, err) != 0) {
        return -1;
    }
    result = list_rows(store, listing, &rows, err);
    grant_rows_release(&rows);
    return result;
}

int grant_list(struct store *store, const char *project, struct instant now,
               struct grant_infos *grants, struct error *err)
{
    struct listing listing = {.project = project, .now = now};

    if (store_transact(store, STORE_UNLOCKED, list, &listing, err) != 0) {
        grant_infos_release(&listing.grants);
        return -1;
    }
    *grants = listing.grants;
    return 0;
}
