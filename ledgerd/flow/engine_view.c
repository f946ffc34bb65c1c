/* engine_view - build and free the engine's views; see engine_view.h. */
#include "ledgerd/flow/engine_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t project_index(const struct catalog *catalog, const struct catalog_project *project)
{
    return (size_t)(project - catalog->projects);
}

static int copy_draws(struct engine_position *position, const struct balance_draw *draws,
                      size_t count)
{
    struct balance_draw *copy = NULL;

    if (count > 0) {
        copy = malloc(count * sizeof(*copy));
        if (copy == NULL) {
            return -1;
        }
        memcpy(copy, draws, count * sizeof(*copy));
    }
    free(position->draws);
    position->draws = copy;
    position->draw_count = count;
    return 0;
}

static int copy_old_positions(struct engine_view_owner *owner, const struct engine_view_owner *old)
{
    for (size_t i = 0; i < old->view.catalog->project_count; i++) {
        const struct engine_position *from = &old->positions[i];
        struct engine_position *to = &owner->positions[i];

        to->posted = from->posted;
        to->accrued = from->accrued;
        if (copy_draws(to, from->draws, from->draw_count) != 0) {
            return -1;
        }
    }
    return 0;
}

static int lay_changes(struct engine_view_owner *owner, const struct store_positions *changes)
{
    const struct catalog *catalog = owner->view.catalog;

    for (size_t i = 0; i < changes->count; i++) {
        const struct store_position *change = &changes->positions[i];
        const struct catalog_project *project = catalog_project(catalog, change->project);

        if (project == NULL) {
            continue; /* newer than the catalog: the next refresh sees the catalog's new version */
        }
        struct engine_position *position = &owner->positions[project_index(catalog, project)];
        position->posted = change->posted;
        position->accrued = change->accrued;
        if (copy_draws(position, change->draws, change->draw_count) != 0) {
            return -1;
        }
    }
    return 0;
}

static void copy_shares(struct engine_view_owner *owner, const struct store_share_total *shares,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct engine_share *share = &owner->shares[i];

        snprintf(share->share, sizeof(share->share), "%s", shares[i].share);
        share->fiscal_year = shares[i].fiscal_year;
        share->supply = shares[i].supply;
        share->spent = shares[i].spent;
    }
    owner->view.shares = owner->shares;
    owner->view.share_count = count;
}

struct engine_view_owner *engine_view_build(struct engine_catalog *catalog,
                                            const struct engine_view_owner *old,
                                            const struct store_positions *changes,
                                            const struct store_share_total *shares,
                                            size_t share_count)
{
    struct engine_view_owner *owner = calloc(1, sizeof(*owner));

    if (owner == NULL) {
        return NULL;
    }
    owner->catalog = catalog;
    atomic_fetch_add(&catalog->uses, 1);
    owner->view.catalog = catalog->catalog;
    owner->positions = calloc(catalog->catalog->project_count + 1, sizeof(*owner->positions));
    owner->shares = calloc(share_count + 1, sizeof(*owner->shares));
    owner->view.positions = owner->positions;
    if (owner->positions == NULL || owner->shares == NULL ||
        (old != NULL && copy_old_positions(owner, old) != 0) || lay_changes(owner, changes) != 0) {
        engine_view_destroy(owner);
        return NULL;
    }
    copy_shares(owner, shares, share_count);
    return owner;
}

void engine_catalog_return(struct engine_catalog *borrowed)
{
    if (atomic_fetch_sub(&borrowed->uses, 1) == 1) {
        catalog_destroy(borrowed->catalog);
        free(borrowed);
    }
}

const struct catalog *engine_catalog_of(const struct engine_catalog *borrowed)
{
    return borrowed->catalog;
}

void engine_view_destroy(struct engine_view_owner *owner)
{
    if (owner == NULL) {
        return;
    }
    for (size_t i = 0; owner->positions != NULL && i < owner->view.catalog->project_count; i++) {
        free(owner->positions[i].draws);
    }
    free(owner->positions);
    free(owner->shares);
    store_limit_sums_release(&owner->view.limit_sums);
    engine_catalog_return(owner->catalog);
    free(owner);
}

static bool position_equal(const struct engine_position *position,
                           const struct store_position *change)
{
    if (position->posted.micro != change->posted.micro ||
        position->accrued.micro != change->accrued.micro ||
        position->draw_count != change->draw_count) {
        return false;
    }
    for (size_t i = 0; i < change->draw_count; i++) {
        if (position->draws[i].since.us != change->draws[i].since.us ||
            position->draws[i].points.micro != change->draws[i].points.micro) {
            return false;
        }
    }
    return true;
}

bool engine_view_has(const struct engine_view_owner *owner, const struct store_positions *changes)
{
    const struct catalog *catalog = owner->view.catalog;

    for (size_t i = 0; i < changes->count; i++) {
        const struct catalog_project *project = catalog_project(catalog,
                                                                changes->positions[i].project);
        if (project == NULL || !position_equal(&owner->positions[project_index(catalog, project)],
                                               &changes->positions[i])) {
            return false;
        }
    }
    return true;
}

static bool sum_equal(const struct store_limit_sum *a, const struct store_limit_sum *b)
{
    return a->limit_no == b->limit_no && a->since == b->since &&
           a->charged.micro == b->charged.micro && a->accrued.micro == b->accrued.micro &&
           a->held.micro == b->held.micro;
}

bool engine_view_has_sums(const struct engine_view_owner *owner,
                          const struct store_limit_sums *sums)
{
    const struct store_limit_sums *known = owner != NULL ? &owner->view.limit_sums : NULL;

    if (known == NULL || known->count != sums->count) {
        return false;
    }
    for (size_t i = 0; i < sums->count; i++) {
        if (!sum_equal(&known->sums[i], &sums->sums[i])) {
            return false;
        }
    }
    return true;
}
