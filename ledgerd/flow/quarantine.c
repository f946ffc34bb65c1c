/* quarantine - see quarantine.h. */
#include "ledgerd/flow/quarantine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "importers/importer.h"
#include "ledgerd/flow/ingest_options.h"
#include "ledgerd/flow/ingest_run.h"

enum { RETRY_PAGE = 256 }; /* entries read at once, each with up to 128 KiB of text */

struct listing {
    struct quarantine_list *list;
    int64_t n;
    struct quarantine_entry *entry;
};

static int list_open(struct store *store, void *context, struct error *err)
{
    struct listing *listing = context;

    return store_quarantine_list(store, 0, SIZE_MAX >> 1, false, listing->list, err);
}

int quarantine_list(struct store *store, struct quarantine_list *list, struct error *err)
{
    struct listing listing = {.list = list};

    return store_transact(store, STORE_UNLOCKED, list_open, &listing, err);
}

void quarantine_list_release(struct quarantine_list *list)
{
    store_quarantine_list_release(list);
}

static int read_one(struct store *store, void *context, struct error *err)
{
    struct listing *listing = context;

    return store_quarantine_read(store, listing->n, listing->entry, err);
}

int quarantine_show(struct store *store, int64_t n, struct quarantine_entry *entry,
                    struct error *err)
{
    struct listing listing = {.n = n, .entry = entry};

    return store_transact(store, STORE_UNLOCKED, read_one, &listing, err);
}

void quarantine_entry_release(struct quarantine_entry *entry)
{
    store_quarantine_entry_release(entry);
}

/* --- retry ---------------------------------------------------------------------------------- */

struct retry {
    struct store *store;
    const struct manual_act *act;
    int64_t only; /* 0: all */
    struct ingest_options options;
    size_t told;
    int64_t *mended; /* entries whose record is booked now */
    size_t mended_count;
    size_t mended_capacity;
    bool failed; /* out of memory */
    uint64_t unreadable;
};

/* Items carry the number of their entry. Those that are booked, now or before, end it. */
static void take_fate(void *context, const struct ingest_item *item)
{
    struct retry *retry = context;

    retry->told++;
    if (item->fate == INGEST_QUARANTINED || item->fate == INGEST_SKIPPED) {
        return;
    }
    if (retry->mended_count == retry->mended_capacity) {
        size_t capacity = retry->mended_capacity * 2 + 256;
        int64_t *grown = realloc(retry->mended, capacity * sizeof *grown);

        if (grown == NULL) {
            retry->failed = true;
            return;
        }
        retry->mended = grown;
        retry->mended_capacity = capacity;
    }
    retry->mended[retry->mended_count++] = (int64_t)item->line;
}

static int feed_text(struct ingest_run *run, struct retry *retry,
                     const struct quarantine_entry *entry, struct error *err)
{
    struct batch_reading how = {
        .format = entry->format, .options = entry->options, .number = (uint64_t)entry->n};
    struct import_options options;
    struct input *input = NULL;
    struct importer *importer = NULL;
    struct error why = {0};
    int result = -1;

    retry->options.format = entry->format;
    if (ingest_import_options(&retry->options, run_zone(run), &options, err) != 0) {
        return -1;
    }
    input = input_from_memory(entry->raw, entry->raw_length);
    if (input == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    importer = importer_open(input, &options, &why);
    if (importer != NULL) {
        how.header = importer_header(importer);
        result = run_feed(run, importer, &how, &why);
    }
    importer_close(importer);
    input_close(input);
    if (result != 0 && why.code == ERROR_INPUT) { /* still unreadable: stays as it is */
        retry->unreadable++;
        return 0;
    }
    if (result != 0) {
        *err = why;
    }
    return result;
}

static int feed_entry(struct ingest_run *run, struct retry *retry,
                      const struct quarantine_entry *entry, struct error *err)
{
    void *kept;
    int result;

    if (!entry->is_whole) {
        return 0;
    }
    if (ingest_options_read(entry->options, &retry->options, &kept, err) != 0) {
        return -1;
    }
    result = feed_text(run, retry, entry, err);
    ingest_options_free(kept);
    return result;
}

static int feed_all(struct ingest_run *run, struct retry *retry, struct error *err)
{
    struct quarantine_list page;
    int64_t after = 0;
    size_t count;

    do {
        if (store_quarantine_list(retry->store, after, RETRY_PAGE, true, &page, err) != 0) {
            return -1;
        }
        count = page.count;
        for (size_t i = 0; i < count; i++) {
            after = page.entries[i].n;
            if (feed_entry(run, retry, &page.entries[i], err) != 0) {
                store_quarantine_list_release(&page);
                return -1;
            }
        }
        store_quarantine_list_release(&page);
    } while (count == RETRY_PAGE);
    return 0;
}

static int feed_one(struct ingest_run *run, struct retry *retry, struct error *err)
{
    struct quarantine_entry entry;
    int result;

    if (store_quarantine_read(retry->store, retry->only, &entry, err) != 0) {
        return -1;
    }
    if (entry.state != QUARANTINE_OPEN) {
        result = error_set_reason(err, ERROR_REFUSED, "not_open",
                                  "quarantine entry %lld is %s already", (long long)entry.n,
                                  quarantine_state_text(entry.state));
    } else if (!entry.is_whole) {
        result = error_set_reason(err, ERROR_REFUSED, "not_whole",
                                  "the text of quarantine entry %lld was cut: import its source "
                                  "again",
                                  (long long)entry.n);
    } else {
        result = feed_entry(run, retry, &entry, err);
    }
    store_quarantine_entry_release(&entry);
    return result;
}

static int feed(struct ingest_run *run, void *context, struct error *err)
{
    struct retry *retry = context;

    return retry->only != 0 ? feed_one(run, retry, err) : feed_all(run, retry, err);
}

/* End the entries of what is booked, and put the act on the list. */
static int finish(struct store *store, void *context, struct error *err)
{
    struct retry *retry = context;
    char subject[32] = "all";
    struct strbuf detail = STRBUF_INIT;
    int result = -1;

    if (retry->only != 0) {
        snprintf(subject, sizeof subject, "%lld", (long long)retry->only);
    }
    strbuf_printf(&detail, "%zu of %zu booked", retry->mended_count, retry->told);
    if (store_quarantine_resolve_numbers(store, retry->mended, retry->mended_count, retry->act->now,
                                         err) == 0) {
        result = manual_record(store, retry->act, "quarantine retry", subject, detail.data, NULL,
                               err);
    }
    strbuf_release(&detail);
    return result;
}

int quarantine_retry(struct store *store, int64_t n, const struct conf *conf,
                     const struct manual_act *act, struct ingest_counts *counts, struct error *err)
{
    struct retry retry = {.store = store, .act = act, .only = n};
    struct ingest_run *run = NULL;
    int result = -1;

    *counts = (struct ingest_counts){0};
    retry.options = (struct ingest_options){
        .conf = conf, .now = act->now, .item = take_fate, .context = &retry};
    if (manual_check(act, err) == 0) {
        run = run_create(store, &retry.options, false, err);
    }
    if (run != NULL && run_work(run, feed, &retry, counts, err) == 0) {
        counts->read += retry.unreadable;
        counts->quarantined += retry.unreadable;
        result = retry.failed ? error_set(err, ERROR_INTERNAL, "out of memory")
                              : store_transact(store, STORE_BOOKING, finish, &retry, err);
    }
    run_destroy(run);
    free(retry.mended);
    return result;
}

/* --- dismiss -----------------------------------------------------------------------------------
 */

struct dismissal {
    int64_t n;
    const struct manual_act *act;
};

static int dismiss(struct store *store, void *context, struct error *err)
{
    const struct dismissal *dismissal = context;
    struct quarantine_entry entry;
    struct strbuf detail = STRBUF_INIT;
    char subject[32];
    int result = -1;

    if (store_quarantine_read(store, dismissal->n, &entry, err) != 0) {
        return -1;
    }
    snprintf(subject, sizeof subject, "%lld", (long long)dismissal->n);
    strbuf_printf(&detail, "%s %s: %s", entry.source, entry.id, entry.reason);
    if (store_quarantine_dismiss(store, dismissal->n, dismissal->act->now, err) == 0) {
        result = manual_record(store, dismissal->act, "quarantine dismiss", subject, detail.data,
                               NULL, err);
    }
    strbuf_release(&detail);
    store_quarantine_entry_release(&entry);
    return result;
}

int quarantine_dismiss(struct store *store, int64_t n, const struct manual_act *act,
                       struct error *err)
{
    struct dismissal dismissal = {n, act};

    if (manual_check(act, err) != 0) {
        return -1;
    }
    return store_transact(store, STORE_BOOKING, dismiss, &dismissal, err);
}
