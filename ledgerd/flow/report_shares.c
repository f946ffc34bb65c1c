/* The shares of a fiscal year, against what was promised. */
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/report.h"
#include "ledgerd/flow/report_head.h"
#include "ledgerd/flow/report_share.h"

struct shares_work {
    int fiscal_year;
    struct instant now;
    json_t *document;
};

/* What a share can still spend, and what its pool can still grant: supply +- lent, less the one or
 * the other. */
static int left_set(json_t *document, const struct report_share_row *row, size_t month_count,
                    struct error *err)
{
    struct report_cell sum;
    struct points left;
    struct points remaining;
    struct points ungranted;
    if (report_cells_sum(row, 0, month_count, &sum, err) < 0) {
        return -1;
    }
    if (points_add(row->supply, sum.lent, &left) != POINTS_OK ||
        points_subtract(left, sum.spent, &remaining) != POINTS_OK ||
        points_subtract(left, sum.granted, &ungranted) != POINTS_OK) {
        return error_set(err, ERROR_INTERNAL, "share %s: its sums do not fit", row->share);
    }
    json_object_set_new(document, "remaining", document_points(remaining));
    json_object_set_new(document, "ungranted", document_points(ungranted));
    return 0;
}

/* Beside each share's year, its months. */
static int months_set(const struct report_shares *shares, json_t *rows, struct error *err)
{
    for (size_t m = 0; m < shares->month_count; m++) {
        json_t *cells = report_cells_document(shares, m, m + 1, err);
        if (cells == NULL) {
            return -1;
        }
        for (size_t s = 0; s < shares->share_count; s++) {
            json_t *months = json_object_get(json_array_get(rows, s), "months");
            json_t *line = json_pack("{s:o}", "month",
                                     document_month((struct month){shares->first.number + (int)m}));
            json_object_del(json_array_get(cells, s), "supply");
            json_object_update(line, json_array_get(cells, s));
            json_array_append_new(months, line);
        }
        json_decref(cells);
    }
    return 0;
}

static json_t *rows_document(const struct report_shares *shares, struct error *err)
{
    json_t *year = report_cells_document(shares, 0, shares->month_count, err);
    json_t *rows = json_array();
    bool failed = year == NULL;
    for (size_t s = 0; !failed && s < shares->share_count; s++) {
        json_t *row = json_pack("{s:s, s:o}", "share", shares->shares[s].share, "fraction",
                                report_promise_document(&shares->shares[s]));
        json_object_update(row, json_array_get(year, s));
        failed = left_set(row, &shares->shares[s], shares->month_count, err) < 0;
        json_object_set_new(row, "months", json_array());
        json_array_append_new(rows, row);
    }
    json_decref(year);
    if (failed || months_set(shares, rows, err) < 0) {
        json_decref(rows);
        return NULL;
    }
    return rows;
}

static int shares_work(struct store *store, void *context, struct error *err)
{
    struct shares_work *work = context;
    struct report_shares shares = {0};
    struct catalog *catalog = catalog_load(store, err);
    json_t *rows = NULL;

    json_decref(work->document);
    work->document = NULL;
    if (catalog == NULL) {
        return -1;
    }
    struct month last = calendar_fiscal_year_first_month(&catalog->calendar, work->fiscal_year);
    last.number += REPORT_MONTHS_MAX - 1;
    if (report_shares_gather(store, catalog, last, work->now, &shares, err) == 0) {
        rows = rows_document(&shares, err);
    }
    if (rows != NULL) {
        work->document = json_pack("{s:i, s:s, s:s, s:o, s:o}", "fiscal_year", work->fiscal_year,
                                   "timezone", catalog->zone.name, "policy", shares.policy->name,
                                   "as_of", document_instant(&catalog->zone, work->now), "shares",
                                   rows);
    }
    report_shares_release(&shares);
    catalog_destroy(catalog);
    return work->document != NULL ? 0 : -1;
}

json_t *report_shares(struct store *store, int fiscal_year, struct instant now, struct error *err)
{
    struct shares_work work = {.fiscal_year = fiscal_year, .now = now};
    if (store_transact(store, STORE_UNLOCKED, shares_work, &work, err) < 0) {
        json_decref(work.document);
        return NULL;
    }
    return work.document;
}
