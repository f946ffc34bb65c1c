/* slurm_job - a job as Slurm's accounting tells of it, in one form for text and JSON.
 *
 * The two parsers fill it, slurm_normalise makes a usage record of it.  Texts are slices of the
 * item's own bytes.  "No value" in all its disguises (4294967294, -2, Unknown, None, null, "") is
 * already told apart from a value here; whether something that is missing matters is for the
 * normaliser to say.
 */
#ifndef IMPORTERS_SLURM_JOB_H
#define IMPORTERS_SLURM_JOB_H

#include <string.h>

#include "importers/format.h"

enum slurm_given {
    SLURM_ABSENT,  /* the source does not tell */
    SLURM_UNKNOWN, /* it tells that there is none: Unknown, None, 0 */
    SLURM_GIVEN,
};

struct slurm_time {
    enum slurm_given given;
    struct instant at;
};

struct slurm_number {
    bool given;
    uint64_t value;
};

struct slurm_quantity {
    bool given;
    struct decimal value;
};

enum slurm_phase {
    SLURM_PENDING, /* not started: nothing was used */
    SLURM_RUNNING,
    SLURM_ENDED,
    SLURM_RESIZED, /* RESIZING: one of several rows of one job, each with a part of its time */
};

/* What was allocated; gpu_typed is the sum of gres/gpu:TYPE, which repeats gres/gpu where both are
 * given. */
struct slurm_tres {
    struct slurm_quantity cpu, mem_gib, node, gpu, gpu_typed;
};

enum { SLURM_ID_BYTES = 48, SLURM_TRES_BYTES = 1024 };

struct slurm_job {
    struct scan_text
        shown_id; /* as sacct shows it: 3_2, 4+1; "" if it says no more than the raw id */
    struct scan_text array_left; /* "0-9%2": tasks that were never split off, of JSON */
    struct slurm_number raw_id;
    enum slurm_phase phase;
    const char *outcome; /* of SLURM_ENDED */
    struct scan_text cluster, account, user, partition, qos;
    struct scan_text name, reservation, nodes, exit_code, uid, alloc_tres, admin_comment;
    struct slurm_time submit, start, end;
    struct slurm_number elapsed_seconds, suspended_seconds, limit_minutes;
    struct slurm_tres tres;
    /* Room for texts that JSON does not have in one piece. */
    char shown_id_room[SLURM_ID_BYTES];
    char exit_code_room[SLURM_ID_BYTES];
    char tres_room[SLURM_TRES_BYTES];
};

/* All texts "", nothing given. */
void slurm_job_init(struct slurm_job *job);

/* --- values, as text (slurm_values.c); 0 or -1 unless said otherwise ------------------------- */

/* A state word, "CANCELLED by 20042" too; -1 if Slurm has no such state. */
int slurm_state_parse(struct scan_text text, enum slurm_phase *phase, const char **outcome);

/* The same from the number that Slurm keeps in its database. */
int slurm_state_number(uint64_t number, enum slurm_phase *phase, const char **outcome);

/* ISO time in the zone, seconds since 1970, or none of it. */
int slurm_time_parse(struct time_reader *times, struct scan_text text, struct slurm_time *time);

/* A whole number; "" and Slurm's "no value" give none. */
int slurm_number_parse(struct scan_text text, struct slurm_number *number);

/* [days-]hours:minutes:seconds, minutes:seconds[.fraction]; "" and INVALID give none. */
int slurm_duration_parse(struct scan_text text, struct slurm_number *seconds);

/* A time limit: minutes (raw) or a duration; UNLIMITED, Partition_Limit and no value give none. */
int slurm_limit_parse(struct scan_text text, struct slurm_number *minutes);

/* Memory with its unit (K, M, G, T, P; M if none) in GiB, rounded half to even at nine digits. */
int slurm_memory_parse(struct scan_text text, struct slurm_quantity *gib);

/* "billing=1,cpu=2,gres/gpu:a100=4,gres/gpu=4,mem=62.50G,node=1". */
int slurm_tres_parse(struct scan_text text, struct slurm_tres *tres);

/* One entry of such a list, its name ("cpu", "gres/gpu:a100") and its count. Names that are no
 * meter of ours and counts that are no value are passed over. */
int slurm_tres_add(struct slurm_tres *tres, struct scan_text name, struct scan_text count);

/* --- the record (slurm_normalise.c) -------------------------------------------------------- */

/* Make the item of a job: a record, bad or skipped. Returns 1. */
int slurm_normalise(struct importer *importer, const struct slurm_job *job,
                    struct import_item *item);

/* "<raw id>@<submit epoch>" and the source into importer->record, if both parts are known. For rows
 * that are bad for another reason. True if they are. */
bool slurm_identify(struct importer *importer, const struct slurm_job *job);

/* The key in an admin comment: ledger:hold=KEY among whatever else stands there; "" if none. */
struct scan_text slurm_hold_key(struct scan_text comment);

static inline bool slurm_text_is(struct scan_text text, const char *word)
{
    return strlen(word) == text.length && memcmp(text.bytes, word, text.length) == 0;
}

#endif
