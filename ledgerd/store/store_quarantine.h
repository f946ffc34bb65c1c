/* store_quarantine - the rows of ledger.quarantine and ledger.skipped.
 *
 * Writers work set-wise inside the batch's transaction; the verbs of operators see one entry at a
 * time.
 */
#ifndef LEDGERD_STORE_STORE_QUARANTINE_H
#define LEDGERD_STORE_STORE_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/store/store.h"

enum quarantine_state { QUARANTINE_OPEN, QUARANTINE_RESOLVED, QUARANTINE_DISMISSED };

struct quarantine_entry { /* strings are owned by the entry when it was read, borrowed when it is
                             written */
    int64_t n;
    char *source;
    char *id; /* "" if the text has none that can be read */
    unsigned char raw_hash[16];
    char *format;
    char *options; /* JSON object: what reading it again needs */
    char *reason;
    char *detail;
    char *raw; /* header and text; NULL in lists */
    size_t raw_length;
    bool is_whole; /* the text was not cut: it can be read again */
    bool has_month;
    struct month first_month; /* first and last that it touches, if they could be told */
    struct month month;
    enum quarantine_state state;
    struct instant since;
    struct instant ended_at; /* INSTANT_NONE while open */
};

struct quarantine_list {
    size_t count;
    struct quarantine_entry *entries;
};

struct quarantine_known { /* what the book holds about an entry that is to be written */
    bool found;
    enum quarantine_state state;
    bool same_raw;    /* its text is the same */
    bool same_reason; /* and so is what is wrong with it */
};

/* What is known of each entry (by source and id, else by source and raw_hash): known[count]. */
int store_quarantine_known(struct store *store, const struct quarantine_entry *const *entries,
                           size_t count, struct quarantine_known *known, struct error *err);

/* Insert or replace, each in its `state`; keys must differ.  `since` of an entry that is there
 * stays. */
int store_quarantine_put(struct store *store, const struct quarantine_entry *const *entries,
                         size_t count, struct error *err);

/* True if any entry with an id is open: whether booking has anything to resolve. */
int store_quarantine_any_open(struct store *store, bool *any, struct error *err);

/* Resolve the open entries of these identities. */
int store_quarantine_resolve(struct store *store, const char *const *sources,
                             const char *const *ids, size_t count, struct instant now,
                             struct error *err);

/* Resolve open entries by their numbers. */
int store_quarantine_resolve_numbers(struct store *store, const int64_t *numbers, size_t count,
                                     struct instant now, struct error *err);

/* Open entries after entry number `after`, at most `max`, by number; with_raw reads their texts
 * too. */
int store_quarantine_list(struct store *store, int64_t after, size_t max, bool with_raw,
                          struct quarantine_list *list, struct error *err);

/* One entry with its text.  ERROR_REFUSED reason unknown_entry. */
int store_quarantine_read(struct store *store, int64_t n, struct quarantine_entry *entry,
                          struct error *err);

/* The entry of an identity in any state: *found says whether there is one. */
int store_quarantine_find(struct store *store, const char *source, const char *id, bool *found,
                          struct quarantine_entry *entry, struct error *err);

/* open -> dismissed.  ERROR_REFUSED reason not_open if it isn't open. */
int store_quarantine_dismiss(struct store *store, int64_t n, struct instant now, struct error *err);

void store_quarantine_entry_release(struct quarantine_entry *entry);
void store_quarantine_list_release(struct quarantine_list *list);

const char *quarantine_state_text(enum quarantine_state state);

/* Items that are not usage, each remembered once. */
int store_skipped_put(struct store *store, const int32_t *sources, const char *const *keys,
                      const char *const *reasons, size_t count, struct error *err);

#endif
