/* quarantine - what could not be booked, kept with its reason and its own text until it can.
 *
 * One entry for each (source, id), or for each text where there is no id.  An entry is open until
 * its record is booked (resolved) or an operator gives it up (dismissed).
 */
#ifndef LEDGERD_FLOW_QUARANTINE_H
#define LEDGERD_FLOW_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/flow/ingest.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_quarantine.h"

/* The open entries, by number, without their texts (raw is NULL).  Release with
 * quarantine_list_release. */
int quarantine_list(struct store *store, struct quarantine_list *list, struct error *err);
void quarantine_list_release(struct quarantine_list *list);

/* One entry in any state, with its text.  ERROR_REFUSED reason unknown_entry. */
int quarantine_show(struct store *store, int64_t n, struct quarantine_entry *entry,
                    struct error *err);
void quarantine_entry_release(struct quarantine_entry *entry);

/* Read entry n again (0: all open ones) the way it was read first and book what can be booked now;
 * counts are of the records read again.  An entry whose text was cut cannot be retried:
 * ERROR_REFUSED reason not_whole for a single one, passed over by "all". */
int quarantine_retry(struct store *store, int64_t n, const struct conf *conf,
                     const struct manual_act *act, struct ingest_counts *counts, struct error *err);

/* Give an open entry up: its record, read again, counts as a duplicate.  ERROR_REFUSED reasons
 * unknown_entry, not_open. */
int quarantine_dismiss(struct store *store, int64_t n, const struct manual_act *act,
                       struct error *err);

#endif
