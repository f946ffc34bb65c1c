/* store_verify_charge - whether every transfer of charges is the sum of its charges.
 *
 * Asked from the side of the charges, and answered by a number: whoever reads all transfers counts
 * those of charges. Where the two numbers are the same, every such transfer has its charges. Where
 * not, the statement reads both sides in full and names the first that differ.
 */
#ifndef LEDGERD_STORE_STORE_VERIFY_CHARGE_H
#define LEDGERD_STORE_STORE_VERIFY_CHARGE_H

#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_verify.h"

/* How many transfers are the sum of their charges; -1 if some charges are not with a transfer that
 * is their sum. */
int store_verify_charges_match(struct store *store, int64_t *transfers, struct error *err);

/* Names the first. */
extern const struct verify_statement verify_charge_statement;

#endif
