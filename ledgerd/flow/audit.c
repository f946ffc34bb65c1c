/* audit - see audit.h. */
#include "ledgerd/flow/audit.h"

struct listing {
    struct instant from, to;
    struct audit_rows rows;
};

static int read_listing(struct store *store, void *context, struct error *err)
{
    struct listing *listing = context;

    return store_read_audit(store, listing->from, listing->to, &listing->rows, err);
}

int audit_list(struct store *store, struct instant from, struct instant to, struct audit_rows *rows,
               struct error *err)
{
    struct listing listing = {.from = from, .to = to};

    if (instant_is_set(from) && instant_is_set(to) && instant_compare(to, from) < 0) {
        return error_set(err, ERROR_ARGUMENT, "the list's end lies before its start");
    }
    if (store_transact(store, STORE_UNLOCKED, read_listing, &listing, err) != 0) {
        return -1;
    }
    *rows = listing.rows;
    return 0;
}
