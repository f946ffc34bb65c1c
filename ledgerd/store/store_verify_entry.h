/* store_verify_entry - whether transfers were booked together with the entries that they name.
 *
 * Transfers of one entry carry the same transaction and time: whoever reads transfers anyway
 * gathers what they say, once for each entry, and asks here. The rest is asked for by its place.
 */
#ifndef LEDGERD_STORE_STORE_VERIFY_ENTRY_H
#define LEDGERD_STORE_STORE_VERIFY_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_seal.h"

struct verify_entries { /* what transfers say of their entries */
    size_t count;
    int64_t *transfers; /* the first that says so, and its month */
    struct month *months;
    int64_t *entries;
    int64_t *xids; /* bits of the unsigned number */
    struct instant *booked;
};

/* detail[size] gets the first transfer (by number) whose entry is not there, or was booked by
 * another transaction or at another time; "" if there is none. */
int store_verify_entries(struct store *store, const struct verify_entries *entries, char *detail,
                         size_t size, struct error *err);

/* The same for all transfers behind a place. */
int store_verify_entries_after(struct store *store, struct seal_place after, char *detail,
                               size_t size, struct error *err);

#endif
