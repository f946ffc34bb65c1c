/* query_send - run a query in two steps, for who has something else to wait for as well. Internal
 * to this folder.
 *
 *      query_send -> watch the connection's socket: query_is_back? -> query_answer
 *
 * Nothing else runs on the store in between.
 */
#ifndef LEDGERD_STORE_QUERY_SEND_H
#define LEDGERD_STORE_QUERY_SEND_H

#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/store/query.h"
#include "ledgerd/store/store.h"

/* Send it and release it. Does not wait, unless the connection has yet to parse its name. Errors as
 * query_run. */
int query_send(struct store *store, struct query *query, struct error *err);

/* True if the store's connection has parsed a statement of this name. */
bool query_is_prepared(const struct store *store, const char *name);

/* Take what has come, without waiting. True when there is nothing more to wait for: the whole
 * answer is there, or the connection or the store's patience is at its end. */
bool query_is_back(struct store *store);

/* What query_run would have returned; waits for what is not back. */
int query_answer(struct store *store, struct rows *rows, int64_t *affected, struct error *err);

#endif
