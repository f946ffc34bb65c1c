/* store_record - usage records as the book keeps them, both ways.
 *
 * Meters are kept as "name=decimal name=decimal", sorted by name, in which '%', '=', blanks and
 * control characters of a name are written as %XX; attributes as a JSON object of strings.
 */
#ifndef LEDGERD_STORE_STORE_RECORD_H
#define LEDGERD_STORE_STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/store/store.h"

struct rows;

struct stored_record {
    int64_t record_no;
    int32_t source_no;
    int version;
    struct month month;          /* its partition */
    struct usage_record record;  /* its strings are in the arena */
    bool is_running;             /* work that ran when its month closed; else final */
    struct month booked_through; /* running: the last month of which its slices are booked */
    struct usage_arena arena;
};

/* The columns that store_record_decode reads, from aliases u (usage_record) and s (source), in its
 * order. */
#define STORE_RECORD_COLUMNS                                                                   \
    "u.record_no, u.source_no, u.version, u.month, s.name, u.id, u.project_id, "               \
    "u.user_name, u.class, u.start_at, u.end_at, u.submitted_at, u.seen_at, u.outcome, "       \
    "u.basis, u.qos, u.elapsed_seconds, u.requested_seconds, u.meters, u.attributes, u.hold, " \
    "u.booked_through"
enum { STORE_RECORD_COLUMN_COUNT = 22 };

/* Fill *stored from a row whose first columns are STORE_RECORD_COLUMNS. ERROR_INTERNAL names the
 * record if the row cannot be what was written. Internal to the store's folder (rows are). */
int store_record_decode(const struct rows *rows, size_t row, struct stored_record *stored,
                        struct error *err);

/* Append the texts of columns meters and attributes. */
void store_record_add_meters(struct strbuf *out, const struct usage_record *record);
void store_record_add_attributes(struct strbuf *out, const struct usage_record *record);

/* Read such texts back into the record (into its arena). 0, or -1 if they are not what was
 * written. */
int store_record_parse_meters(const char *text, struct usage_record *record,
                              struct usage_arena *arena);
int store_record_parse_attributes(const char *text, struct usage_record *record,
                                  struct usage_arena *arena);

/* Read the current version of a booked record; *found is false if (source, id) is not in the
 * book. */
int store_read_record(struct store *store, const char *source, const char *id,
                      struct stored_record *stored, bool *found, struct error *err);

#endif
