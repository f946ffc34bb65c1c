/* grant_draw - see grant_draw.h. */
#include "ledgerd/flow/grant_draw.h"

#include "ledgerd/store/store_grant.h"

/* The edges around t, of the project's own and one more that was just cut. */
struct around {
    struct instant before; /* INSTANT_NONE if none */
    struct instant after;  /* INSTANT_NEVER if none */
    bool is_edge;
};

static void look_at(struct around *around, struct instant edge, struct instant t)
{
    int order = instant_compare(edge, t);

    if (order == 0) {
        around->is_edge = true;
    } else if (order < 0) {
        around->before = instant_max(around->before, edge);
    } else {
        around->after = instant_min(around->after, edge);
    }
}

static int cut_at(struct store *store, const struct catalog_project *project, struct instant t,
                  struct instant also, struct error *err)
{
    struct around around = {INSTANT_NONE, INSTANT_NEVER, false};

    for (size_t i = 0; i < project->edge_count; i++) {
        look_at(&around, project->edges[i], t);
    }
    if (instant_is_set(also)) {
        look_at(&around, also, t);
    }
    return around.is_edge
               ? 0
               : store_split_draw(store, project->id, around.before, t, around.after, err);
}

int grant_draw_cut(struct store *store, const struct catalog_project *project, struct instant first,
                   struct instant second, struct error *err)
{
    if (cut_at(store, project, first, INSTANT_NONE, err) != 0) {
        return -1;
    }
    return instant_is_set(second) ? cut_at(store, project, second, first, err) : 0;
}
