/* engine_held - running sums over deadlines, and what was committed since; see engine_held.h. */
#include "ledgerd/flow/engine_held.h"

#include <stdlib.h>
#include <string.h>

int64_t engine_held_sum(int64_t a, int64_t b)
{
    int64_t sum;

    if (__builtin_add_overflow(a, b, &sum)) {
        return a < 0 ? INT64_MIN : INT64_MAX;
    }
    return sum;
}

/* --- shares ----------------------------------------------------------------------------------- */

static size_t share_index(struct engine_held *held, const char *share)
{
    for (size_t i = 0; i < held->share_count; i++) {
        if (held->shares[i] != NULL && strcmp(held->shares[i], share) == 0) {
            return i;
        }
    }
    held->shares[held->share_count] = share;
    return held->share_count++;
}

/* Number the shares that projects belong to, and sum what each holds. */
static void find_shares(struct engine_held *held, const struct catalog *catalog,
                        const int64_t *held_micro)
{
    for (size_t i = 0; i < catalog->project_count; i++) {
        if (catalog->projects[i].share != NULL) {
            size_t share = share_index(held, catalog->projects[i].share);
            held->share_of[i] = share;
            held->share_held[share] = engine_held_sum(held->share_held[share], held_micro[i]);
        }
    }
    for (size_t i = 0; i < catalog->project_count; i++) {
        if (catalog->projects[i].share == NULL) {
            held->share_of[i] = held->share_count;
        }
    }
}

/* --- deadlines -------------------------------------------------------------------------------- */

static int compare_dues(const void *a, const void *b)
{
    const struct engine_due *left = a;
    const struct engine_due *right = b;

    return left->group != right->group ? (left->group > right->group) - (left->group < right->group)
                                       : instant_compare(left->expires_at, right->expires_at);
}

static void sum_dues(struct engine_dues *dues, size_t group_count)
{
    size_t at = 0;

    qsort(dues->dues, dues->count, sizeof(*dues->dues), compare_dues);
    for (size_t group = 0; group <= group_count; group++) {
        int64_t sum_micro = 0;
        dues->first[group] = at;
        for (; at < dues->count && dues->dues[at].group == group; at++) {
            sum_micro = engine_held_sum(sum_micro, dues->dues[at].held_micro);
            dues->dues[at].sum_micro = sum_micro;
        }
    }
}

/* The dues of projects that the catalog knows; others are newer than it, and so is its version. */
static void fill_dues(struct engine_held *held, const struct catalog *catalog)
{
    for (size_t i = 0; i < held->read.count; i++) {
        const struct store_due *due = &held->read.dues[i];
        const struct catalog_project *project = catalog_project(catalog, due->project);
        if (project == NULL) {
            continue;
        }
        struct engine_due known = {.group = (size_t)(project - catalog->projects),
                                   .expires_at = due->expires_at,
                                   .user = due->user,
                                   .held_micro = due->held.micro};
        size_t share = held->share_of[known.group];
        held->by_project.dues[held->by_project.count++] = known;
        if (share < held->share_count) {
            known.group = share;
            held->by_share.dues[held->by_share.count++] = known;
        }
    }
    sum_dues(&held->by_project, catalog->project_count);
    sum_dues(&held->by_share, held->share_count);
}

static int64_t lapsed(const struct engine_dues *dues, size_t group, struct instant now)
{
    size_t first = dues->first[group];
    size_t low = first;
    size_t high = dues->first[group + 1];

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (instant_compare(dues->dues[middle].expires_at, now) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == first ? 0 : dues->dues[low - 1].sum_micro;
}

int64_t engine_held_lapsed(const struct engine_held *held, size_t project, const char *user,
                           struct instant now)
{
    const struct engine_dues *dues = &held->by_project;
    int64_t sum_micro = 0;

    if (user == NULL) {
        return lapsed(dues, project, now);
    }
    for (size_t i = dues->first[project]; i < dues->first[project + 1]; i++) {
        const struct engine_due *due = &dues->dues[i];
        if (instant_compare(due->expires_at, now) <= 0 && strcmp(due->user, user) == 0) {
            sum_micro = engine_held_sum(sum_micro, due->held_micro);
        }
    }
    return sum_micro;
}

int64_t engine_held_share_lapsed(const struct engine_held *held, size_t share, struct instant now)
{
    return lapsed(&held->by_share, share, now);
}

bool engine_held_has(const struct engine_held *held, const struct store_dues *dues)
{
    if (held->read.count != dues->count) {
        return false;
    }
    for (size_t i = 0; i < dues->count; i++) {
        const struct store_due *a = &held->read.dues[i];
        const struct store_due *b = &dues->dues[i];
        if (a->expires_at.us != b->expires_at.us || a->held.micro != b->held.micro ||
            strcmp(a->project, b->project) != 0 || strcmp(a->user, b->user) != 0) {
            return false;
        }
    }
    return true;
}

/* --- what was committed since ----------------------------------------------------------------- */

static void number_limits(struct engine_held *held, const struct catalog *catalog)
{
    size_t number = 0;

    for (size_t i = 0; i < catalog->project_count; i++) {
        held->first_limit[i] = number;
        number += catalog->projects[i].limit_count;
    }
}

void engine_held_add(struct engine_held *held, const struct catalog *catalog, const char *project,
                     const char *user, int64_t micro)
{
    const struct catalog_project *known = catalog_project(catalog, project);
    size_t count = 0;

    if (known == NULL) {
        return; /* the next view has it */
    }
    size_t index = (size_t)(known - catalog->projects);
    atomic_fetch_add(&held->unseen[index], micro);
    if (held->share_of[index] < held->share_count) {
        atomic_fetch_add(&held->share_unseen[held->share_of[index]], micro);
    }
    if (user[0] == '\0') {
        return;
    }
    const struct catalog_limit *limits = catalog_limits(known, user, &count);
    for (size_t i = 0; i < count; i++) {
        size_t limit = held->first_limit[index] + (size_t)(limits - known->limits) + i;
        atomic_fetch_add(&held->limit_unseen[limit], micro);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static int allocate(struct engine_held *held, size_t projects, size_t limits, size_t dues)
{
    held->by_project.dues = calloc(dues + 1, sizeof(*held->by_project.dues));
    held->by_project.first = calloc(projects + 2, sizeof(*held->by_project.first));
    held->by_share.dues = calloc(dues + 1, sizeof(*held->by_share.dues));
    held->by_share.first = calloc(projects + 2, sizeof(*held->by_share.first));
    held->shares = calloc(projects + 1, sizeof(*held->shares));
    held->share_of = calloc(projects + 1, sizeof(*held->share_of));
    held->share_held = calloc(projects + 1, sizeof(*held->share_held));
    held->first_limit = calloc(projects + 1, sizeof(*held->first_limit));
    held->unseen = calloc(projects + 1, sizeof(*held->unseen));
    held->share_unseen = calloc(projects + 1, sizeof(*held->share_unseen));
    held->limit_unseen = calloc(limits + 1, sizeof(*held->limit_unseen));
    bool failed = held->by_project.dues == NULL || held->by_project.first == NULL ||
                  held->by_share.dues == NULL || held->by_share.first == NULL ||
                  held->shares == NULL || held->share_of == NULL || held->share_held == NULL ||
                  held->first_limit == NULL || held->unseen == NULL || held->share_unseen == NULL ||
                  held->limit_unseen == NULL;
    return failed ? -1 : 0;
}

int engine_held_build(struct engine_held *held, const struct catalog *catalog,
                      const int64_t *held_micro, struct store_dues *dues)
{
    *held = (struct engine_held){.read = *dues};
    *dues = (struct store_dues){0};
    if (allocate(held, catalog->project_count, catalog->limit_count, held->read.count) != 0) {
        return -1;
    }
    find_shares(held, catalog, held_micro);
    number_limits(held, catalog);
    fill_dues(held, catalog);
    return 0;
}

void engine_held_release(struct engine_held *held)
{
    free(held->by_project.dues);
    free(held->by_project.first);
    free(held->by_share.dues);
    free(held->by_share.first);
    free(held->shares);
    free(held->share_of);
    free(held->share_held);
    free(held->first_limit);
    free(held->unseen);
    free(held->share_unseen);
    free(held->limit_unseen);
    store_dues_release(&held->read);
    *held = (struct engine_held){0};
}
