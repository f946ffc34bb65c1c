/* format - what the formats share: the state of one importer, and how an item is given.
 *
 * A format is three functions.  next() reads and parses one item, fills importer->record through
 * the normaliser of its family, and ends with one of the item_ functions below; the raw text and
 * the line were set by item_begin.  Private to importers/.
 */
#ifndef IMPORTERS_FORMAT_H
#define IMPORTERS_FORMAT_H

#include "importers/import_time.h"
#include "importers/importer.h"
#include "importers/json_items.h"
#include "ledgerd/base/strbuf.h"

struct import_format_ops {
    enum import_format format;
    const char *name;  /* of the contract */
    const char *alias; /* another name for it; NULL if none */
    bool empty_is_bad; /* a header or a document is expected */
    /* Prepare importer->state; 0 or -1. NULL if there is nothing to prepare. */
    int (*open)(struct importer *importer, struct error *err);
    /* As importer_next. */
    int (*next)(struct importer *importer, struct import_item *item, struct error *err);
    void (*close)(struct importer *importer); /* frees importer->state; NULL if there is none */
};

struct importer {
    const struct import_format_ops *ops;
    struct import_options options;
    struct input *input;
    struct time_reader times; /* naive times: the site's zone */
    struct strbuf header;     /* importer_header */
    void *state;              /* of the format */
    struct json_items items;  /* the JSON formats' */
    bool finished;            /* the end or an error was given */
    struct usage_record record;
    struct usage_arena arena;
};

extern const struct import_format_ops format_sacct, format_slurm_json, format_ledger, format_openai,
    format_litellm, format_envoy, format_otel, format_csv, format_mapping;

/* Start an item: empties the record and sets raw and line. */
void item_begin(struct importer *importer, struct import_item *item, const char *raw, size_t length,
                uint64_t line);

/* The item is importer->record, if it validates; else it is bad for the reason that it does not.
 * Returns 1. */
int item_give(struct importer *importer, struct import_item *item);

/* The item cannot be read. With source and id in importer->record, they go along. Returns 1. */
int item_bad(struct importer *importer, struct import_item *item, const char *reason,
             const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The item is no usage. Returns 1. */
int item_skip(struct import_item *item, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The next item of a JSON format: 1 and *given when it is bad or too long and was given already;
 * else 1 with the tape in importer->items.doc, 0, or -1. */
int item_next_json(struct importer *importer, struct import_item *item, bool *given,
                   struct error *err);

/* Text cut for a message: at most 60 bytes, what is not printable shown as '?'. */
enum { EXCERPT_BYTES = 64 };
const char *excerpt(const char *bytes, size_t length, char out[EXCERPT_BYTES]);

#endif
