/* The matrix of shares as sums and JSON. */
#include "ledgerd/flow/report_share.h"

#include <string.h>

#include "ledgerd/flow/document.h"

static int points_sum(struct points *sum, struct points more)
{
    return points_add(*sum, more, sum) == POINTS_OK ? 0 : -1;
}

int report_cells_sum(const struct report_share_row *row, size_t from, size_t to,
                     struct report_cell *sum, struct error *err)
{
    struct report_cell total = {0};
    int result = 0;
    for (size_t m = from; m < to; m++) {
        const struct report_cell *cell = &row->cells[m];
        result |= points_sum(&total.granted, cell->granted);
        result |= points_sum(&total.lent, cell->lent);
        result |= points_sum(&total.spent, cell->spent);
        result |= points_sum(&total.accrued, cell->accrued);
        result |= points_sum(&total.held, cell->held);
        result |= hours_add(&total.nominal, cell->nominal);
        result |= hours_add(&total.available, cell->available);
        result |= hours_add(&total.offered, cell->offered);
        result |= hours_add(&total.granted_hours, cell->granted_hours);
        result |= hours_add(&total.used, cell->used);
        result |= hours_add(&total.service, cell->service);
    }
    if (result < 0) {
        return error_set(err, ERROR_INTERNAL, "share %s: its sums do not fit", row->share);
    }
    *sum = total;
    return 0;
}

static json_t *hours_document(struct hours hours)
{
    char text[HOURS_TEXT_BYTES];
    return json_string(hours_format(hours, text));
}

static json_t *fraction_document(int64_t part, int64_t whole)
{
    char text[HOURS_TEXT_BYTES];
    return json_string(fraction_format(part, whole, text));
}

/* used/offered says how busy the share's part was, whoever kept it so. */
static json_t *gpu_hours_document(const struct report_cell *cell)
{
    struct hours busy = cell->used;
    if (hours_add(&busy, cell->service) < 0) {
        return NULL;
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "nominal",
                     hours_document(cell->nominal), "available", hours_document(cell->available),
                     "offered", hours_document(cell->offered), "granted",
                     hours_document(cell->granted_hours), "used", hours_document(cell->used),
                     "service", hours_document(cell->service), "utilisation",
                     fraction_document(busy.micro, cell->offered.micro));
}

static json_t *cell_document(const struct report_share_row *row, const struct report_cell *cell,
                             int64_t spent_micro, int64_t offered_micro)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "supply",
                     document_points(row->supply), "granted", document_points(cell->granted),
                     "lent", document_points(cell->lent), "spent", document_points(cell->spent),
                     "held", document_points(cell->held), "accrued", document_points(cell->accrued),
                     "fraction_of_spent", fraction_document(cell->spent.micro, spent_micro),
                     "fraction_of_offered", fraction_document(cell->offered.micro, offered_micro),
                     "gpu_hours", gpu_hours_document(cell));
}

json_t *report_cells_document(const struct report_shares *shares, size_t from, size_t to,
                              struct error *err)
{
    struct points spent = POINTS_ZERO;
    struct hours offered = {0};
    struct report_cell sum = {0};
    for (size_t s = 0; s < shares->share_count; s++) {
        if (report_cells_sum(&shares->shares[s], from, to, &sum, err) < 0) {
            return NULL;
        }
        if (points_sum(&spent, sum.spent) < 0 || hours_add(&offered, sum.offered) < 0) {
            error_set(err, ERROR_INTERNAL, "the shares' sums do not fit");
            return NULL;
        }
    }
    json_t *list = json_array();
    for (size_t s = 0; s < shares->share_count; s++) {
        const struct report_share_row *row = &shares->shares[s];
        if (report_cells_sum(row, from, to, &sum, err) < 0 ||
            json_array_append_new(list, cell_document(row, &sum, spent.micro, offered.micro)) < 0) {
            json_decref(list);
            error_set(err, ERROR_INTERNAL, "out of memory for the shares");
            return NULL;
        }
    }
    return list;
}
