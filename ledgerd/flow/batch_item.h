/* batch_item - what a batch holds of one item, and what its items share. See batch.h. */
#ifndef LEDGERD_FLOW_BATCH_ITEM_H
#define LEDGERD_FLOW_BATCH_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"

#define BATCH_NONE UINT32_MAX

struct batch_source {
    const char *name;
    int32_t number; /* set by the poster */
};

/* What records have in common once resolved; project is "" for items that have none. */
struct batch_line {
    uint32_t source;
    const char *project;
    const char *klass;
    /* set by the poster: */
    int32_t debit_account;
    int32_t credit_account;
    uint32_t owner; /* index of its project in the catalog as of then */
};

struct batch_slice { /* of a final record's charge */
    struct month month;
    struct instant last;
    struct points points;
    struct points list_points;
    struct points refund; /* what the rate card gives back of it by itself */
};

struct batch_effect { /* what a record adds to the roll-up of meters */
    uint32_t meter;   /* index into meters */
    struct month month;
    bool is_held;
    __int128 amount; /* held: micro unit-seconds; else 10^-9 of a count */
};

struct batch_trouble { /* why an item could not be booked */
    const char *reason;
    const char *detail;
};

struct batch_reading {   /* how items were read: what reading one again needs */
    const char *format;  /* contract's name */
    const char *options; /* JSON object */
    const char *header;  /* stands before every item's text; "" if none */
    uint64_t number;     /* of every item read so, in place of its line's; 0: none */
    uint32_t body;       /* which of a group's bodies is read so; 0 without a group */
};

struct batch_raw { /* an item's own text */
    const struct batch_reading *reading;
    const char *text;
    size_t length; /* at most IMPORT_RAW_BYTES */
    unsigned char hash[16];
    bool is_whole;
};

enum batch_kind {
    BATCH_FINAL,   /* parsed; unrated if it has a trouble */
    BATCH_RUNNING, /* likewise */
    BATCH_CLOSING, /* running, with slices to post of months that close; rated */
    BATCH_BAD,     /* could not be parsed, has a trouble */
    BATCH_SKIPPED, /* no usage */
};

struct batch_item {
    enum batch_kind kind;
    bool has_seen;     /* the source told when */
    bool is_shared;    /* its chain has more items */
    uint64_t number;   /* line or element in the input */
    uint32_t body;     /* of the group that it came in; 0 without a group */
    uint32_t line;     /* BATCH_NONE for bad and skipped ones */
    uint32_t source;   /* BATCH_NONE if it could not be read */
    uint32_t previous; /* earlier item of its chain, or BATCH_NONE */
    uint32_t first;    /* first item of its chain; itself if alone */
    uint32_t slice;    /* first of slice_count */
    uint32_t slice_count;
    uint32_t effect; /* first of effect_count */
    uint32_t effect_count;
    const char *id; /* "" if it has none */
    const char *user;
    const char *hold;                    /* id or key that it names; NULL if none */
    bool ends_part;                      /* of that hold, once it is final */
    struct batch_settlement *settlement; /* NULL for records of sources; borrowed */
    unsigned char content[16];
    struct instant start;
    struct instant end;
    struct instant seen;
    int64_t elapsed_us;
    struct month first_month; /* that it touches or belongs to */
    struct month month;       /* of its last instant; undefined for bad and skipped ones */
    bool has_month;
    int32_t card_no;
    int rule;
    struct points points; /* whole charge; of running work the accrual */
    struct points list_points;
    struct points posted; /* closing: the part of points that is posted */
    struct points list_posted;
    struct month slice_month;          /* running: of its last slice, by the month rule */
    struct points month_points;        /* running: the part of points in that month, */
    struct points year_points;         /* and in its fiscal year */
    size_t identity_row, identity_end; /* its encoded rows, in the batch's buffers */
    size_t usage_row, usage_end;
    size_t charge_row, charge_end;       /* one a slice */
    const char *record;                  /* running: in format ledger */
    const char *skipped;                 /* skipped: reason */
    const struct batch_trouble *trouble; /* NULL if all is well */
    const struct batch_raw *raw;         /* NULL if it cannot be needed */
};

#endif
