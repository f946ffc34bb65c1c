/* engine_position - see engine_position.h. */
#include "ledgerd/flow/engine_position.h"

#include <string.h>

#include "ledgerd/flow/engine_held.h"

static struct points held_at(const struct engine_view *view, size_t index, struct instant now)
{
    const struct engine_held *held = view->held;
    int64_t unseen_micro = atomic_load(&held->unseen[index]);
    int64_t lapsed_micro = engine_held_lapsed(held, index, NULL, now);

    return (struct points){
        engine_held_sum(view->positions[index].held.micro, unseen_micro - lapsed_micro)};
}

struct balance_position engine_position(const struct engine_view *view,
                                        const struct catalog_project *project, struct instant now)
{
    size_t index = (size_t)(project - view->catalog->projects);
    const struct engine_position *position = &view->positions[index];

    return (struct balance_position){
        .posted = position->posted,
        .held = held_at(view, index, now),
        .accrued = position->accrued,
        .overdraft = project->overdraft,
        .grant_count = project->grant_count,
        .grants = project->grants,
        .draw_count = position->draw_count,
        .draws = position->draws,
    };
}

/* A user's limits all count the same holds: the first one's number stands for them. */
static int64_t user_unseen(const struct engine_view *view, const struct catalog_project *project,
                           size_t index, const char *user)
{
    size_t count = 0;
    const struct catalog_limit *limits = catalog_limits(project, user, &count);

    if (user[0] == '\0' || count == 0) {
        return 0;
    }
    size_t limit = view->held->first_limit[index] + (size_t)(limits - project->limits);
    return atomic_load(&view->held->limit_unseen[limit]);
}

struct limit_knowledge engine_limits(const struct engine_view *view,
                                     const struct catalog_project *project, const char *user,
                                     struct instant now)
{
    size_t index = (size_t)(project - view->catalog->projects);
    const struct engine_held *held = view->held;
    struct limit_knowledge known = {.sums = view->limit_sums};

    if (project->limit_count > 0) {
        known.lapsed.micro = engine_held_lapsed(held, index, NULL, now) -
                             atomic_load(&held->unseen[index]);
        known.user_lapsed.micro = engine_held_lapsed(held, index, user, now) -
                                  user_unseen(view, project, index, user);
    }
    return known;
}

struct points engine_share_held(const struct engine_view *view, const char *share,
                                struct instant now)
{
    const struct engine_held *held = view->held;

    for (size_t i = 0; i < held->share_count; i++) {
        if (strcmp(held->shares[i], share) == 0) {
            int64_t change_micro = atomic_load(&held->share_unseen[i]) -
                                   engine_held_share_lapsed(held, i, now);
            return (struct points){engine_held_sum(held->share_held[i], change_micro)};
        }
    }
    return POINTS_ZERO;
}

struct points engine_held_in_all(const struct engine_view *view, struct instant now, size_t *lapsed)
{
    const struct store_dues *dues = &view->held->read;
    struct points sum = POINTS_ZERO;

    for (size_t i = 0; i < view->catalog->project_count; i++) {
        sum.micro = engine_held_sum(sum.micro, held_at(view, i, now).micro);
    }
    *lapsed = 0;
    while (*lapsed < dues->count && instant_compare(dues->dues[*lapsed].expires_at, now) <= 0) {
        (*lapsed)++;
    }
    return sum;
}
