/* balance_read - see balance_read.h. */
#include "ledgerd/flow/balance_read.h"

#include <stdio.h>
#include <string.h>

#include "ledgerd/flow/grant_info.h"
#include "ledgerd/flow/project_find.h"
#include "ledgerd/store/store_grant.h"
#include "ledgerd/store/store_hold.h"

void balance_sheet_release(struct balance_sheet *sheet)
{
    grant_infos_release(&sheet->grants);
}

static void fill_project(const struct catalog_project *project, struct instant now,
                         struct balance_sheet *sheet)
{
    *sheet = (struct balance_sheet){
        .is_service = project->is_service,
        .is_closed = project->is_closed,
        .overdraft = project->overdraft,
        .as_of = now,
    };
    snprintf(sheet->project, sizeof sheet->project, "%s", project->id);
    snprintf(sheet->share, sizeof sheet->share, "%s", project->share != NULL ? project->share : "");
}

static int fill_balance(struct store *store, struct balance_sheet *sheet, struct error *err)
{
    struct store_position position;
    struct lapsed_rows lapsed;
    struct grant_rows rows;
    int result;

    if (store_read_position(store, sheet->project, &position, err) != 0) {
        return -1;
    }
    if (store_read_lapsed(store, sheet->project, sheet->as_of, &lapsed, err) != 0) {
        store_position_release(&position);
        return -1;
    }
    position.held.micro -= store_lapsed_of(&lapsed, sheet->project, NULL).micro;
    store_lapsed_release(&lapsed);
    sheet->posted = position.posted;
    sheet->held = position.held;
    sheet->accrued = position.accrued;
    result = store_read_grants(store, sheet->project, 0, &rows, err);
    if (result == 0) {
        result = grant_infos_build(&position, sheet->overdraft, rows.rows, rows.count, sheet->as_of,
                                   &sheet->balance, &sheet->grants, err);
        grant_rows_release(&rows);
    }
    store_position_release(&position);
    return result;
}

int balance_gather(struct store *store, const struct catalog *catalog,
                   const struct catalog_project *project, struct instant now,
                   struct balance_sheet *sheet, struct error *err)
{
    struct lifetime_sums sums;

    (void)catalog; /* the project is a part of it */
    fill_project(project, now, sheet);
    if (store_read_lifetime(store, project->account, &sums, err) != 0) {
        return -1;
    }
    sheet->granted = sums.granted;
    sheet->spent = sums.spent;
    sheet->refunded = sums.refunded;
    sheet->expired = sums.expired;
    return fill_balance(store, sheet, err);
}

struct reading {
    const char *project;
    struct instant now;
    struct balance_sheet sheet;
};

static int read_sheet(struct store *store, void *context, struct error *err)
{
    struct reading *reading = context;
    const struct catalog_project *project;
    struct catalog *catalog;
    int result;

    balance_sheet_release(&reading->sheet); /* of an attempt that was rolled back */
    catalog = catalog_load(store, err);
    if (catalog == NULL) {
        return -1;
    }
    project = catalog_project(catalog, reading->project);
    result = project == NULL
                 ? project_unknown(reading->project, err)
                 : balance_gather(store, catalog, project, reading->now, &reading->sheet, err);
    catalog_destroy(catalog);
    return result;
}

int balance_read(struct store *store, const char *project, struct instant now,
                 struct balance_sheet *sheet, struct error *err)
{
    struct reading reading = {.project = project, .now = now};

    if (store_transact(store, STORE_UNLOCKED, read_sheet, &reading, err) != 0) {
        balance_sheet_release(&reading.sheet);
        return -1;
    }
    *sheet = reading.sheet;
    return 0;
}
