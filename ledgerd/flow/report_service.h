/* report_service - does an inference service pay for its machines, and for whom did they run?
 *
 * Of a month, for each service:
 *
 *      recovered   what those whom it served paid, less what was refunded to them
 *      cost        what it was charged for its persistent jobs, less what was refunded of that
 *      recovery    recovered / cost
 *      idle_hours  GPU hours x (1 - list / cost_list), not below 0; all of them where nothing was
 *                  served: list are the list points of the tokens that it served, cost_list those
 *                  of its own jobs. What the tokens at list price do not pay for
 *      idle_share  idle_hours / GPU hours
 *      break_even  of a kind of token of a class: its price x cost / sum(count x price / 10^6), so
 *                  that the month's tokens at these prices come to the cost; the weights are the
 *                  prices per million of the card in force at the month's end, before discount
 *      break_even_per_million      the same with one price for all tokens: cost x 10^6 / sum(count)
 *
 * Its GPU hours are divided over the shares as report_share.h says.
 */
#ifndef LEDGERD_FLOW_REPORT_SERVICE_H
#define LEDGERD_FLOW_REPORT_SERVICE_H

#include <jansson.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/report_project.h"
#include "ledgerd/flow/report_share.h"
#include "ledgerd/store/store.h"

/* Add to each object of `services` (each names a service in "project"), from the last month of
 * `shares`, inside one store_transact:
 *
 *     "gpu_hours","list_points","recovered","cost","recovery","idle_hours",
 *     "idle_share","break_even_per_million",
 *     "served":[{"source","class","points","list_points"}],
 *     "tokens":[{"source","class","kind","count","price","break_even"}],
 *     "shares":[{"share","points","list_points","gpu_hours"}]
 *
 * recovery and idle_share are null where there is nothing to divide by; prices are points per
 * million, null where the card has none or nothing priced was served. */
int report_services_add(struct store *store, const struct report_shares *shares,
                        const struct report_projects *projects, json_t *services,
                        struct error *err);

#endif
