/* grant_info - see grant_info.h. What remains of a grant follows from all of its project's grants
 * and charges. */
#include "ledgerd/flow/grant_info.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void grant_infos_release(struct grant_infos *grants)
{
    free(grants->grants);
    *grants = (struct grant_infos){0};
}

static void fill_info(const struct grant_row *row, const struct balance_grant *grant,
                      struct points remaining, struct instant now, struct grant_info *info)
{
    *info = (struct grant_info){
        .id = row->id,
        .fiscal_year = row->fiscal_year,
        .granted = row->granted,
        .points = row->points,
        .from = row->from,
        .to = row->to,
        .state = grant_state_at(grant, now),
    };
    snprintf(info->project, sizeof info->project, "%s", row->project);
    snprintf(info->share, sizeof info->share, "%s", row->share);
    if (info->state != GRANT_EXPIRED) {
        info->remaining = remaining;
    }
}

int grant_infos_build(const struct store_position *position, struct points overdraft,
                      const struct grant_row *rows, size_t count, struct instant now,
                      struct balance *balance, struct grant_infos *grants, struct error *err)
{
    struct balance_grant *core = calloc(count + 1, sizeof *core);
    struct points *remaining = calloc(count + 1, sizeof *remaining);
    struct balance_position whole = {
        .posted = position->posted,
        .held = position->held,
        .accrued = position->accrued,
        .overdraft = overdraft,
        .grant_count = count,
        .grants = core,
        .draw_count = position->draw_count,
        .draws = position->draws,
    };
    struct balance ignored;
    int result = -1;

    grants->count = 0;
    grants->grants = calloc(count + 1, sizeof *grants->grants);
    if (core == NULL || remaining == NULL || grants->grants == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        core[i] = (struct balance_grant){rows[i].id, rows[i].points, rows[i].from, rows[i].to,
                                         rows[i].is_revoked};
    }
    if (balance_at(&whole, now, balance != NULL ? balance : &ignored, remaining) != POINTS_OK) {
        error_set(err, ERROR_INTERNAL, "the balance of project %s does not fit", position->project);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        fill_info(&rows[i], &core[i], remaining[i], now, &grants->grants[grants->count++]);
    }
    result = 0;
done:
    if (result != 0) {
        grant_infos_release(grants);
    }
    free(core);
    free(remaining);
    return result;
}

static int read_project_grants(struct store *store, const char *project, struct instant now,
                               struct grant_infos *grants, struct error *err)
{
    struct store_position position;
    struct grant_rows rows;
    int result;

    if (store_read_position(store, project, &position, err) != 0) {
        return -1;
    }
    result = store_read_grants(store, project, 0, &rows, err);
    if (result == 0) {
        result = grant_infos_build(&position, POINTS_ZERO, rows.rows, rows.count, now, NULL, grants,
                                   err);
        grant_rows_release(&rows);
    }
    store_position_release(&position);
    return result;
}

static int unknown_grant(int64_t id, struct error *err)
{
    return error_set_reason(err, ERROR_REFUSED, "unknown_grant", "there is no grant %" PRId64, id);
}

int grant_info_read(struct store *store, int64_t id, struct instant now, struct grant_info *info,
                    struct error *err)
{
    struct grant_rows rows;
    struct grant_infos grants;
    bool found = false;

    if (store_read_grants(store, NULL, id, &rows, err) != 0) {
        return -1;
    }
    if (id <= 0 || rows.count == 0) {
        grant_rows_release(&rows);
        return unknown_grant(id, err);
    }
    int result = read_project_grants(store, rows.rows[0].project, now, &grants, err);
    grant_rows_release(&rows);
    if (result != 0) {
        return -1;
    }
    for (size_t i = 0; i < grants.count && !found; i++) {
        if (grants.grants[i].id == id) {
            *info = grants.grants[i];
            found = true;
        }
    }
    grant_infos_release(&grants);
    return found ? 0 : unknown_grant(id, err);
}
