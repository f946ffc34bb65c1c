/* ingest - from an input to the committed book.
 *
 *      importer -> prepare (no database) -> batch -> post (a transaction each)
 *
 * A crash loses only the batches that were not committed, and reading the same input again books
 * just those.  What is booked, amended or a duplicate follows from (source, id), the content's hash
 * and `seen`, never from the order of reading.  A charge is never refused; what cannot be rated or
 * assigned goes to quarantine.
 */
#ifndef LEDGERD_FLOW_INGEST_H
#define LEDGERD_FLOW_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "importers/importer.h"
#include "ledgerd/base/conf.h"
#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/store/store.h"

/* The tail of a batch wants tens of thousands to share it; a block of numbers has 65536. */
enum { INGEST_BATCH_RECORDS = 50000, INGEST_BATCH_RECORDS_MAX = 60000 };

enum ingest_fate {
    INGEST_BOOKED,      /* new: its charges, or the accrual of running work */
    INGEST_AMENDED,     /* a newer version: the difference was booked, or the accrual moved */
    INGEST_DUPLICATE,   /* changes nothing: read before, or an older version */
    INGEST_QUARANTINED, /* reason and detail say why */
    INGEST_SKIPPED,     /* not usage; outside `read` */
};

struct ingest_counts { /* read = booked + amended + duplicate + quarantined, always */
    uint64_t read;
    uint64_t booked;
    uint64_t amended;
    uint64_t duplicate;
    uint64_t quarantined;
    uint64_t skipped;
    struct points points;    /* booked, net of what amendments took back; accruals are not in it */
    struct instant last_end; /* of final records read; 1970 if there were none */
    int64_t elapsed_us;
};

struct ingest_progress {
    uint64_t records; /* read and skipped so far, posted or not */
    uint64_t bytes;
    uint64_t size_bytes; /* of the input; 0 if not known */
    int64_t elapsed_us;
};

struct ingest_item {         /* what became of one item; strings are valid during the call */
    uint64_t line;           /* line (text) or element (JSON), from 1 */
    uint32_t body;           /* of a group, see ingest_group.h */
    const char *source, *id; /* "" if they could not be read */
    const char *project;     /* that it was resolved to; "" if none */
    enum ingest_fate fate;
    const char *reason;   /* quarantined or skipped: reason code; else "" */
    const char *detail;   /* quarantined: what is wrong and where; else "" */
    struct points points; /* booked for it by this item, net */
};

typedef void ingest_progress_fn(void *context, const struct ingest_progress *progress);
typedef void ingest_item_fn(void *context, const struct ingest_item *item);
/* The id or key of a record's hold if it is known better than the record says, else NULL. Called in
 * a thread of the import's own. */
typedef const char *ingest_hold_fn(void *context, const char *record_id);

struct ingest_options {
    const char *format;            /* contract's name: sacct, json, ledger, openai, … */
    const char *source;            /* "slurm:<cluster>" or --source */
    const char *cluster;           /* slurm only, else NULL */
    const char *project;           /* for records that name none; NULL: none */
    const char *user;              /* likewise */
    const struct conf *conf;       /* names of classes and projects; NULL: none */
    const struct catalog *catalog; /* NULL or stale: read from the store */
    struct instant now;            /* booked_at, and `seen` of records that tell none */
    bool is_closing;               /* running work is posted through the month `closing` */
    struct month closing;
    size_t batch_records;           /* 0: INGEST_BATCH_RECORDS */
    ingest_progress_fn *progress;   /* at most twice a second; NULL: none */
    ingest_item_fn *item;           /* after each batch's commit, in order; NULL: none */
    ingest_hold_fn *hold_of;        /* NULL: none */
    import_unstarted_fn *unstarted; /* see struct import_options; called as hold_of is */
    void *context;                  /* of all four */
    bool runs_to_now;               /* see struct import_options */
    bool by_line;                   /* likewise */
    bool expects_new; /* from memory: most records are news, so look few of them up before */
};

/* Import a file ("-": standard input) of any size in bounded memory. *counts (what was committed)
 * is valid also on failure: ERROR_INPUT, unreadable or cut off, what came before is booked;
 * ERROR_UNAVAILABLE, the database is away or an agreement changed (stale_catalog): run again. */
int ingest_file(struct store *store, const char *path, const struct ingest_options *options,
                struct ingest_counts *counts, struct error *err);

/* The same from what `read` gives, which is called in another thread; `name` stands in errors. */
int ingest_stream(struct store *store, const char *name, input_read_fn *read, void *from,
                  const struct ingest_options *options, struct ingest_counts *counts,
                  struct error *err);

/* The same from memory, in the caller's thread, for requests. Durable when it returns. */
int ingest_bytes(struct store *store, const char *bytes, size_t length,
                 const struct ingest_options *options, struct ingest_counts *counts,
                 struct error *err);

/* All records of the source up to this instant have been read: a month can close on that. */
int ingest_note_read(struct store *store, const char *source, struct instant through,
                     struct error *err);

/* Add what another input brought, but for the time. */
void ingest_counts_add(struct ingest_counts *sum, const struct ingest_counts *counts);

const char *ingest_fate_text(enum ingest_fate fate); /* "booked", …: the words of the counts */

#endif
