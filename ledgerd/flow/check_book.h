/* check_book - the answer of check.h, from the book itself: for commands, which have no engine. */
#ifndef LEDGERD_FLOW_CHECK_BOOK_H
#define LEDGERD_FLOW_CHECK_BOOK_H

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/check.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_position.h"

struct check_book {
    struct check_result result;
    struct catalog *catalog; /* that the result borrows from */
    struct store_position position;
    struct store_limit_sums sums;
};

/* Decide, in a transaction of its own, from one state of the book. Release the answer, which must
 * not be moved. */
int check_book(struct store *store, const struct conf *conf, const struct check_request *request,
               struct instant now, struct check_book *book, struct error *err);
void check_book_release(struct check_book *book);

#endif
