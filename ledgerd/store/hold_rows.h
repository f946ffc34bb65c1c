/* hold_rows - the query for holds by number or key, and its rows. Internal to this folder. */
#ifndef LEDGERD_STORE_HOLD_ROWS_H
#define LEDGERD_STORE_HOLD_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/store/query.h"
#include "ledgerd/store/store_hold.h"

/* Make the query of store_find_holds; it is prepared once a connection. */
void hold_rows_query(struct query *query, const int64_t *numbers, size_t number_count,
                     const unsigned char (*keys)[STORE_HASH_BYTES], size_t key_count);

/* Keep what it gave; store_hold_rows_release ends it. */
int hold_rows_keep(const struct rows *rows, struct hold_rows *out, struct error *err);

#endif
