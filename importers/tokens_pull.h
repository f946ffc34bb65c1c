/* tokens_pull - one round of reading a source of token records into the book: a gateway's journal
 * (token_journal_pull.h) or an address (token_http_pull.h).
 *
 * Everything is keyed by what was read, so a round that breaks off, or that two processes make at a
 * time, books nothing twice.
 */
#ifndef IMPORTERS_TOKENS_PULL_H
#define IMPORTERS_TOKENS_PULL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/store/store.h"

struct tokens_pull; /* what one source's pulling keeps from round to round; one thread uses it */

/* Told of something that happened to a journal's file: an event's name for the log, the path, and
 * the bytes that it is about. */
typedef void tokens_pull_say_fn(void *context, const char *event, const char *path, uint64_t bytes);

struct tokens_pull_options { /* borrowed for as long as the pull lives */
    const struct conf *conf;
    const struct conf_source *source; /* a [tokens …] section with a mode */
    const atomic_bool *stop;          /* ends a round early, as a failed one; NULL: never */
    tokens_pull_say_fn *say;          /* NULL: nobody is told */
    void *context;
};

struct tokens_pull_result { /* of one round; valid also when it failed: what was done is done */
    bool is_busy;           /* another process reads this source now: nothing was done */
    struct instant read_through; /* INSTANT_NONE: as before */
    struct ingest_counts counts;
    int64_t elapsed_us;
};

/* ERROR_ARGUMENT: the section lacks a setting, or has a format that there is not. NULL on error. */
struct tokens_pull *tokens_pull_create(const struct tokens_pull_options *options,
                                       struct error *err);
void tokens_pull_destroy(struct tokens_pull *pull); /* accepts NULL */

/* Make a round; a failed one is noted in the book with its reason, if the book can be reached. */
int tokens_pull_round(struct tokens_pull *pull, struct store *store,
                      struct tokens_pull_result *result, struct error *err);

#endif
