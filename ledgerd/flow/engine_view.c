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
        to->held = from->held;
        to->version = from->version;
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
        position->held = change->held;
        position->version = change->version;
        if (copy_draws(position, change->draws, change->draw_count) != 0) {
            return -1;
        }
    }
    return 0;
}

static int copy_shares(struct engine_view_owner *owner, const struct engine_view_parts *parts)
{
    size_t known = parts->old != NULL ? parts->old->view.share_count : 0;
    size_t count = parts->shares != NULL ? parts->share_count : known;

    owner->shares = calloc(count + 1, sizeof(*owner->shares));
    if (owner->shares == NULL) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct engine_share *share = &owner->shares[i];
        if (parts->shares == NULL) {
            *share = parts->old->shares[i];
            continue;
        }
        snprintf(share->share, sizeof(share->share), "%s", parts->shares[i].share);
        share->fiscal_year = parts->shares[i].fiscal_year;
        share->supply = parts->shares[i].supply;
        share->spent = parts->shares[i].spent;
    }
    owner->view.shares = owner->shares;
    owner->view.share_count = count;
    return 0;
}

static int build_held(struct engine_view_owner *owner, struct store_dues *dues)
{
    size_t count = owner->view.catalog->project_count;
    int64_t *held_micro = calloc(count + 1, sizeof(*held_micro));

    if (held_micro == NULL) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        held_micro[i] = owner->positions[i].held.micro;
    }
    int result = engine_held_build(&owner->held, owner->view.catalog, held_micro, dues);
    owner->view.held = &owner->held;
    free(held_micro);
    return result;
}

struct engine_view_owner *engine_view_build(const struct engine_view_parts *parts)
{
    struct engine_view_owner *owner = calloc(1, sizeof(*owner));

    if (owner == NULL) {
        return NULL;
    }
    owner->catalog = parts->catalog;
    atomic_fetch_add(&parts->catalog->uses, 1);
    owner->view.catalog = parts->catalog->catalog;
    owner->positions = calloc(owner->view.catalog->project_count + 1, sizeof(*owner->positions));
    owner->view.positions = owner->positions;
    if (owner->positions == NULL ||
        (parts->old != NULL && copy_old_positions(owner, parts->old) != 0) ||
        lay_changes(owner, parts->changes) != 0 || copy_shares(owner, parts) != 0 ||
        build_held(owner, parts->dues) != 0) {
        engine_view_destroy(owner);
        return NULL;
    }
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
    engine_held_release(&owner->held);
    store_limit_sums_release(&owner->view.limit_sums);
    engine_catalog_return(owner->catalog);
    free(owner);
}

static bool position_equal(const struct engine_position *position,
                           const struct store_position *change)
{
    if (position->posted.micro != change->posted.micro ||
        position->accrued.micro != change->accrued.micro ||
        position->held.micro != change->held.micro || position->version != change->version ||
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

bool engine_view_has_totals(const struct engine_view_owner *owner,
                            const struct store_positions *changes)
{
    const struct catalog *catalog = owner->view.catalog;

    for (size_t i = 0; i < changes->count; i++) {
        const struct store_position *change = &changes->positions[i];
        const struct catalog_project *project = catalog_project(catalog, change->project);
        if (project == NULL ||
            owner->positions[project_index(catalog, project)].version != change->version) {
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
