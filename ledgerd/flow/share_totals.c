/* share_totals - see share_totals.h. */
#include "ledgerd/flow/share_totals.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/store_hold.h"

static void take_off_lapsed(const struct catalog *catalog, const struct lapsed_rows *lapsed,
                            struct store_share_total *totals, size_t count)
{
    for (size_t i = 0; i < lapsed->count; i++) {
        const struct catalog_project *project = catalog_project(catalog, lapsed->rows[i].project);

        for (size_t t = 0; project != NULL && project->share != NULL && t < count; t++) {
            if (strcmp(totals[t].share, project->share) == 0) {
                totals[t].held.micro -= lapsed->rows[i].held.micro;
            }
        }
    }
}

int share_totals_read(struct store *store, const struct catalog *catalog, struct instant now,
                      struct store_share_total **totals, size_t *count, struct error *err)
{
    struct store_share_total *read = NULL;
    struct lapsed_rows lapsed;
    size_t read_count;

    if (store_read_share_totals(store, catalog->calendar.fiscal_month, &read, &read_count, err) !=
        0) {
        return -1;
    }
    if (store_read_lapsed(store, NULL, now, &lapsed, err) != 0) {
        free(read);
        return -1;
    }
    take_off_lapsed(catalog, &lapsed, read, read_count);
    store_lapsed_release(&lapsed);
    *totals = read;
    *count = read_count;
    return 0;
}

const struct store_share_total *share_totals_at(const struct store_share_total *totals,
                                                size_t count, const struct catalog *catalog,
                                                const char *share, struct instant now)
{
    int year = calendar_fiscal_year_of(&catalog->calendar, now);

    for (size_t i = 0; i < count; i++) {
        if (totals[i].fiscal_year == year && strcmp(totals[i].share, share) == 0) {
            return &totals[i];
        }
    }
    return NULL;
}
