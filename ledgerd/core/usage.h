/* usage - a usage record: what one piece of work used, in one form for every source.
 *
 * Importers make it, rating reads it, the store keeps it. Strings are borrowed slices'
 * NUL-terminated copies inside the record's own arena (`struct usage_arena`), which is reused from
 * record to record, so a million records cost no million allocations.
 */
#ifndef LEDGERD_CORE_USAGE_H
#define LEDGERD_CORE_USAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/decimal.h"

/* Limits, each far above what real sources send and low enough to bound memory. */
enum {
    USAGE_SOURCE_BYTES = 64, /* "gateway:sdli" */
    USAGE_ID_BYTES = 256,    /* job id @ submit; request ids are UUID-like */
    USAGE_NAME_BYTES = 256,  /* project, user, class, qos */
    USAGE_ATTRIBUTE_BYTES =
        4096, /* one attribute's value; node lists are long; longer ones are cut */
    USAGE_METERS_MAX = 32,
    USAGE_ATTRIBUTES_MAX = 32,
    USAGE_ARENA_BYTES = 64 * 1024,
};

enum usage_state { USAGE_RUNNING, USAGE_FINAL };
enum usage_basis { USAGE_REPORTED, USAGE_PARTIAL, USAGE_ESTIMATED };

struct usage_meter {
    const char *name;
    struct decimal quantity;
};

struct usage_attribute {
    const char *name;
    const char *value;
};

struct usage_record {
    const char *source;  /* "slurm:sdli"; never NULL or "" */
    const char *id;      /* "4711@1780000000"; never NULL or "" */
    const char *project; /* after aliases and configuration; "" if the source names none */
    const char *user;    /* "" if none */
    const char
        *klass; /* class: partition or model after aliases; "" never matches a rule but "*" */
    struct instant start;
    struct instant end; /* >= start; for a running record: when it was seen */
    enum usage_state state;
    const char *outcome; /* "completed", "failed", …; "" if not said */
    bool has_elapsed;    /* elapsed_seconds was given (suspended time left out) */
    struct decimal elapsed_seconds;
    struct decimal requested_seconds; /* 0 if not given */
    struct instant submitted;         /* INSTANT_NONE if not given */
    const char *qos;                  /* "" if none */
    const char *hold;                 /* hold id or key, "" if none; not part of the content */
    enum usage_basis basis;
    struct instant seen; /* INSTANT_NONE if not given; not part of the content */
    size_t meter_count;  /* meters and attributes are sorted by name, names unique */
    struct usage_meter meters[USAGE_METERS_MAX];
    size_t attribute_count;
    struct usage_attribute attributes[USAGE_ATTRIBUTES_MAX];
};

/* Memory of one record's strings. */
struct usage_arena {
    size_t used;
    char bytes[USAGE_ARENA_BYTES];
};

/* Empty the record (all strings "", no interval) and its arena. */
void usage_clear(struct usage_record *record, struct usage_arena *arena);

/* Copy bytes into the arena, cleaned: bytes that are not UTF-8 and control characters become
 * '?'-like U+FFFD; cut to `limit` bytes at a character's edge. Returns "" when the arena is
 * full. */
const char *usage_keep(struct usage_arena *arena, const char *bytes, size_t length, size_t limit);

/* True if `bytes` fit `limit` and are clean UTF-8 without control characters: what an identity
 * must be, because a cleaned or cut identity could collide with another one. */
bool usage_is_clean(const char *bytes, size_t length, size_t limit);

/* Add to the sorted lists. A name that is already there is an error (-1), as is a full list. */
int usage_add_meter(struct usage_record *record, const char *name, struct decimal quantity);
int usage_add_attribute(struct usage_record *record, const char *name, const char *value);

/* The meter's quantity or NULL; the attribute's value or NULL. */
const struct decimal *usage_meter(const struct usage_record *record, const char *name);
const char *usage_attribute(const struct usage_record *record, const char *name);

/* Check what every source must give: source, id (ERROR_INPUT reason no_identity), an interval
 * inside [1970, 9999) with end >= start (reason bad_interval). */
int usage_validate(const struct usage_record *record, struct error *err);

/* Write the content in its canonical form (the normalised fields without identity, hold and
 * seen; equal content gives equal bytes, different content different bytes) into out, which has
 * room for USAGE_CONTENT_BYTES. Returns the length. The caller hashes it. */
enum { USAGE_CONTENT_BYTES = 160 * 1024 }; /* every list full, every field at its limit */
size_t usage_content(const struct usage_record *record, char *out);

/* Names used in JSON and SQL. */
const char *usage_state_text(enum usage_state state);
const char *usage_basis_text(enum usage_basis basis);
int usage_state_parse(const char *text, size_t length, enum usage_state *state);
int usage_basis_parse(const char *text, size_t length, enum usage_basis *basis);

#endif
