/* tokens_pull - see tokens_pull.h. */
#include "importers/tokens_pull.h"

#include <stdlib.h>
#include <string.h>

#include "importers/importer.h"
#include "importers/mapping.h"
#include "importers/token_http_pull.h"
#include "importers/token_journal_pull.h"
#include "ledgerd/base/clock.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store_pull.h"

struct tokens_pull {
    struct tokens_pull_options options;
    struct tokens_feed feed;
    struct token_journal *journal; /* of mode file */
    struct token_http *http;       /* of mode http */
    struct catalog *catalog;       /* of the last round; NULL: none yet */
    struct ingest_counts *counts;  /* of the round that is made */
};

static const char *source_name(const struct tokens_pull *pull)
{
    return pull->options.source->name;
}

/* --- life --------------------------------------------------------------------------------------
 */

static void say(void *context, const char *event, const char *path, uint64_t bytes)
{
    struct tokens_pull *pull = context;

    if (pull->options.say != NULL) {
        pull->options.say(pull->options.context, event, path, bytes);
    }
}

/* Book a stretch of records. */
static int take(void *context, struct store *store, const char *name, bool by_line,
                input_read_fn *read, void *from, struct error *err)
{
    struct tokens_pull *pull = context;
    const struct conf_source *source = pull->options.source;
    const struct ingest_options options = {
        .format = source->format,
        .source = source->name,
        .project = source->project,
        .user = source->user,
        .conf = pull->options.conf,
        .catalog = pull->catalog,
        .now = clock_now(),
        .by_line = by_line,
    };
    struct ingest_counts counts;
    int result = ingest_stream(store, name, read, from, &options, &counts, err);

    ingest_counts_add(pull->counts, &counts);
    return result;
}

static int check_source(const struct conf_source *source, struct error *err)
{
    struct mapping *read = NULL;
    enum import_format format;
    const char *mapping;

    if (import_format_parse(source->format, &format, &mapping) != 0 || format == IMPORT_SACCT ||
        format == IMPORT_SLURM_JSON) {
        return error_set(err, ERROR_ARGUMENT, "[tokens %s]: '%s' is no format of token records",
                         source->name, source->format);
    }
    if (mapping != NULL && mapping[0] != '/') {
        return error_set(err, ERROR_ARGUMENT, "[tokens %s]: a mapping wants an absolute path",
                         source->name);
    }
    if (mapping != NULL && (read = mapping_load(mapping, err)) == NULL) {
        return -1;
    }
    mapping_destroy(read); /* read again whenever records are */
    if (!usage_is_clean(source->name, strlen(source->name), USAGE_SOURCE_BYTES)) {
        return error_set(err, ERROR_ARGUMENT,
                         "[tokens %s]: a source's name is at most %d bytes of UTF-8 without "
                         "control characters",
                         source->name, USAGE_SOURCE_BYTES);
    }
    return 0;
}

static int open_way(struct tokens_pull *pull, struct error *err)
{
    const struct conf_source *source = pull->options.source;

    switch (source->mode) {
    case CONF_PULL_FILE:
        pull->journal = token_journal_open(source, &pull->feed, err);
        return pull->journal != NULL ? 0 : -1;
    case CONF_PULL_HTTP:
        pull->http = token_http_open(source, &pull->feed, err);
        return pull->http != NULL ? 0 : -1;
    default:
        return error_set(err, ERROR_ARGUMENT, "[tokens %s] names no mode: it is not pulled",
                         source->name);
    }
}

struct tokens_pull *tokens_pull_create(const struct tokens_pull_options *options, struct error *err)
{
    struct tokens_pull *pull = calloc(1, sizeof *pull);

    if (pull == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    pull->options = *options;
    pull->feed = (struct tokens_feed){take, say, pull, options->stop};
    if (check_source(options->source, err) != 0 || open_way(pull, err) != 0) {
        tokens_pull_destroy(pull);
        return NULL;
    }
    return pull;
}

void tokens_pull_destroy(struct tokens_pull *pull)
{
    if (pull != NULL) {
        token_journal_close(pull->journal);
        token_http_close(pull->http);
        catalog_destroy(pull->catalog);
        free(pull);
    }
}

/* --- the round ---------------------------------------------------------------------------------
 */

/* What was written before the round began is read: a month can close on that. */
static int note_through(struct tokens_pull *pull, struct store *store, struct instant began,
                        struct tokens_pull_result *result, struct error *err)
{
    struct instant last_end = result->counts.last_end;

    if (ingest_note_read(store, source_name(pull), began, err) != 0 ||
        store_pull_reach(store, source_name(pull), began, last_end.us > 0 ? last_end : INSTANT_NONE,
                         err) != 0) {
        return -1;
    }
    result->read_through = began;
    return 0;
}

static int make_round(struct tokens_pull *pull, struct store *store,
                      struct tokens_pull_result *result, struct error *err)
{
    struct instant began = clock_now();
    bool is_whole = false;
    int status;

    if (catalog_refresh(&pull->catalog, store, err) != 0) {
        return -1;
    }
    status = pull->journal != NULL ? token_journal_read(pull->journal, store, &is_whole, err)
                                   : token_http_read(pull->http, store, &is_whole, err);
    if (status != 0) {
        return -1;
    }
    return is_whole ? note_through(pull, store, began, result, err) : 0;
}

static bool is_stopped(const struct tokens_pull *pull)
{
    return pull->options.stop != NULL && atomic_load(pull->options.stop);
}

int tokens_pull_round(struct tokens_pull *pull, struct store *store,
                      struct tokens_pull_result *result, struct error *err)
{
    int64_t began_us = clock_monotonic_us();
    struct error ignored;
    bool locked;
    int status;

    *result = (struct tokens_pull_result){.read_through = INSTANT_NONE};
    if ((!store_is_connected(store) && store_reconnect(store, err) != 0) ||
        store_pull_lock(store, source_name(pull), &locked, err) != 0) {
        return -1;
    }
    result->is_busy = !locked;
    if (!locked) {
        return 0;
    }
    pull->counts = &result->counts;
    status = make_round(pull, store, result, err);
    if (status == 0) {
        status = store_pull_good(store, source_name(pull), clock_now(), err);
    } else if (store_is_connected(store) && !is_stopped(pull)) {
        store_pull_failed(store, source_name(pull), clock_now(), err->text, &ignored);
    }
    store_pull_unlock(store, source_name(pull));
    result->elapsed_us = result->counts.elapsed_us = clock_monotonic_us() - began_us;
    return status;
}
