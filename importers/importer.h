/* importer - from bytes to usage records, one at a time.
 *
 * Every format is three pure pieces (read, parse, normalise) behind one interface: open it over an
 * input, ask for the next item until there is none.  Memory is bounded whatever the input's size:
 * an item's text is at most IMPORT_ITEM_BYTES, longer ones are passed over and reported as bad.
 * Names in the records are those of the source (Slurm account, partition, model): aliases and
 * configuration are applied later, in flow.
 */
#ifndef IMPORTERS_IMPORTER_H
#define IMPORTERS_IMPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/zone.h"
#include "ledgerd/core/usage.h"

enum import_format {
    IMPORT_SACCT,      /* sacct -P text with its header line */
    IMPORT_SLURM_JSON, /* sacct --json or slurmrestd /slurmdb/…/jobs, any release */
    IMPORT_LEDGER,     /* usage records: a document, an array, or one a line; CloudEvents too */
    IMPORT_OPENAI,
    IMPORT_LITELLM,
    IMPORT_ENVOY,
    IMPORT_OTEL,
    IMPORT_CSV,
    IMPORT_MAPPING, /* as a mapping file says (mapping.h) */
};

enum {
    IMPORT_ITEM_BYTES = 8 << 20,  /* one line or one JSON element: no record is larger */
    IMPORT_RAW_BYTES = 64 * 1024, /* kept of a bad item's text */
};

/* A job that ended without ever having been given anything, as Slurm's accounting tells. */
struct import_unstarted {
    int64_t job_id; /* raw */
    struct instant submitted;
    int tasks;        /* that the row stands for: of an array, those never split off */
    const char *hold; /* key in its admin comment; "" if there is none */
    const char *account, *user;
};
typedef void import_unstarted_fn(void *context, const struct import_unstarted *job);

struct import_options {
    enum import_format format;
    const char *source;      /* "slurm:sdli", "gateway:sdli"; of IMPORT_LEDGER's that name none */
    const char *cluster;     /* Slurm: only rows of this cluster if the rows name one; else NULL */
    const char *project;     /* for records that name none; NULL or "" = none */
    const char *user;        /* likewise */
    const struct zone *zone; /* naive times are of this zone (litellm: UTC) */
    struct instant now;      /* end of running work whose source does not tell it */
    bool runs_to_now;        /* Slurm: running work has run until now, less suspended time, whatever
                                the source counts: it has just told that it runs */
    const char *mapping;     /* IMPORT_MAPPING: the file's path */
    bool by_line;            /* JSON: each line is an item, whatever stands before or behind it */
    import_unstarted_fn *unstarted; /* told of each such row, which is skipped; NULL: nobody is */
    void *context;                  /* of it */
};

enum import_kind {
    IMPORT_RECORD,  /* item.record is valid */
    IMPORT_BAD,     /* could not be read: goes to quarantine with reason, detail and raw */
    IMPORT_SKIPPED, /* not usage: job steps, never-started jobs, errors, answers without usage */
};

struct import_item {
    enum import_kind kind;
    struct usage_record
        *record;       /* owned by the importer, valid until the next call; for IMPORT_BAD may hold
                          source and id if those could be read ("" else), NULL otherwise */
    const char *raw;   /* the item's own text (a sacct row without its header; a JSON element) */
    size_t raw_length; /* at most IMPORT_RAW_BYTES */
    char reason[40];   /* IMPORT_BAD: malformed, no_identity, no_time, bad_interval, resized,
                          line_too_long; IMPORT_SKIPPED: step, not_started, other_cluster,
                          error_body, no_usage */
    char detail[400];  /* what and where, for the operator: "line 12: field End: not a time: 'x'" */
    uint64_t line;     /* line (text) or element (JSON) number, from 1 */
};

struct input;    /* bytes: a file, standard input, or memory */
struct importer; /* one format over one input */

/* Bytes from a path ("-" is standard input) or from memory that the caller keeps. ERROR_INPUT names
 * the path. */
struct input *input_open(const char *path, struct error *err);
struct input *input_from_memory(const char *bytes, size_t length);

/* Bytes that `read` gives: how many (at most `size`, at least 1), 0 at the end, -1 with *err, which
 * is what the importer then fails with. `name` stands in errors; it and the context are borrowed.
 * NULL on error. */
typedef ssize_t input_read_fn(void *context, void *buffer, size_t size, struct error *err);
struct input *input_from_reader(const char *name, input_read_fn *read, void *context,
                                struct error *err);
void input_close(struct input *input); /* accepts NULL */
uint64_t input_bytes_read(const struct input *input);
uint64_t input_size(const struct input *input); /* 0 if not known */

/* Start reading. A header that cannot be used, or a zero-length input where a header or document is
 * expected, is ERROR_INPUT. The importer borrows input and options' strings. NULL on error. */
struct importer *importer_open(struct input *input, const struct import_options *options,
                               struct error *err);
void importer_close(struct importer *importer); /* accepts NULL */

/* The next item: 1, 0 at the end, -1 when the rest of the input cannot be read (I/O error, a
 * document cut off); items before that were good. */
int importer_next(struct importer *importer, struct import_item *item, struct error *err);

/* The header needed to read item.raw again on its own (sacct, csv: the header line and a newline),
 * "" if none. Valid as long as the importer. A quarantined text is kept as header + raw. */
const char *importer_header(const struct importer *importer);

/* The contract's names; "sacct", "json"; "mapping:PATH", with *mapping at the path, else NULL. */
int import_format_parse(const char *text, enum import_format *format, const char **mapping);
const char *import_format_text(enum import_format format);

#endif
