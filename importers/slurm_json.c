/* slurm_json - jobs of `sacct --json` and of slurmrestd's /slurmdb/…/jobs, of any release.
 *
 * What a field may look like is slurm_field.h's to know; here is which fields there are.
 *
 *     a state        "RUNNING"    ["RUNNING"]    {"current": either}    3 (as in the database)
 */
#include <stdio.h>

#include "importers/slurm_field.h"
#include "importers/slurm_job.h"

enum { TRES_ENTRIES_MAX = 64 }; /* a site defines a dozen */

/* A member of a member; SCAN_NONE if either is not there. */
static uint32_t inner(struct scan_doc *doc, uint32_t object, const char *outer, const char *key)
{
    uint32_t token = scan_member(doc, object, outer);

    return token == SCAN_NONE ? SCAN_NONE : scan_member(doc, token, key);
}

static struct scan_text inner_text(struct scan_doc *doc, uint32_t object, const char *outer,
                                   const char *key)
{
    uint32_t token = scan_member(doc, object, outer);

    return token == SCAN_NONE ? (struct scan_text){"", 0} : slurm_field_text(doc, token, key);
}

static struct scan_text first_given(struct scan_text a, struct scan_text b)
{
    return a.length > 0 ? a : b;
}

/* Gives the item as bad, naming the field. Always -1. */
static int refuse(struct importer *importer, struct import_item *item, const struct slurm_job *job,
                  const char *field, uint32_t token)
{
    struct scan_doc *doc = &importer->items.doc;
    struct scan_text text = {"", 0};
    char shown[EXCERPT_BYTES];

    if (token != SCAN_NONE) {
        text = (struct scan_text){doc->text + doc->tokens[token].start, doc->tokens[token].length};
    }
    slurm_identify(importer, job);
    item_bad(importer, item, "malformed", "field %s of job %llu cannot be read: '%s'", field,
             job->raw_id.given ? (unsigned long long)job->raw_id.value : 0,
             excerpt(text.bytes, text.length, shown));
    return -1;
}

/* Several words are a state and flags, in any order: what still holds the machine outweighs the
 * rest; flags that we do not know say nothing of use. -1 if none is known. */
static int read_state_list(struct scan_doc *doc, uint32_t list, struct slurm_job *job)
{
    int result = -1;

    for (uint32_t word = list + 1; word < doc->tokens[list].next; word = doc->tokens[word].next) {
        enum slurm_phase phase;
        const char *outcome;

        if (scan_type(doc, word) != SCAN_STRING ||
            slurm_state_parse(scan_text(doc, word), &phase, &outcome) != 0) {
            continue;
        }
        if (result != 0 || phase == SLURM_RUNNING ||
            (phase == SLURM_PENDING && job->phase == SLURM_ENDED)) {
            job->phase = phase;
            job->outcome = outcome;
        }
        result = 0;
    }
    return result;
}

static int read_state(struct scan_doc *doc, uint32_t token, struct slurm_job *job)
{
    struct slurm_number number;

    if (token != SCAN_NONE && scan_type(doc, token) == SCAN_OBJECT) {
        token = scan_member(doc, token, "current");
    }
    if (token == SCAN_NONE) {
        return -1;
    }
    switch (scan_type(doc, token)) {
    case SCAN_STRING:
        return slurm_state_parse(scan_text(doc, token), &job->phase, &job->outcome);
    case SCAN_ARRAY:
        return read_state_list(doc, token, job);
    case SCAN_INTEGER:
        if (slurm_field_number(doc, token, &number) != 0 || !number.given) {
            return -1;
        }
        return slurm_state_number(number.value, &job->phase, &job->outcome);
    default:
        return -1;
    }
}

/* 3_2 of an array task, 4+1 of a part of a heterogeneous job, as sacct shows them. */
static void set_shown_id(struct scan_doc *doc, struct slurm_job *job)
{
    static const struct {
        const char *outer, *part;
        char mark;
    } kinds[] = {{"array", "task_id", '_'}, {"het", "job_offset", '+'}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct slurm_number id, part;

        if (slurm_field_number(doc, inner(doc, 0, kinds[i].outer, "job_id"), &id) == 0 &&
            slurm_field_number(doc, inner(doc, 0, kinds[i].outer, kinds[i].part), &part) == 0 &&
            id.given && id.value > 0 && part.given) {
            snprintf(job->shown_id_room, sizeof job->shown_id_room, "%llu%c%llu",
                     (unsigned long long)id.value, kinds[i].mark, (unsigned long long)part.value);
            job->shown_id = (struct scan_text){job->shown_id_room, strlen(job->shown_id_room)};
        }
    }
    if (job->shown_id.length == 0) {
        job->array_left = inner_text(doc, 0, "array", "task");
    }
}

static int read_identity(struct importer *importer, struct slurm_job *job, struct import_item *item)
{
    struct scan_doc *doc = &importer->items.doc;
    uint32_t id = scan_member(doc, 0, "job_id"), state = scan_member(doc, 0, "state");
    uint32_t submission = inner(doc, 0, "time", "submission");

    if (slurm_field_number(doc, id, &job->raw_id) != 0) {
        return refuse(importer, item, job, "job_id", id);
    }
    job->raw_id.given = job->raw_id.given && job->raw_id.value > 0;
    if (slurm_field_time(&importer->times, doc, submission, &job->submit) != 0) {
        return refuse(importer, item, job, "time.submission", submission);
    }
    if (read_state(doc, state, job) != 0) {
        return refuse(importer, item, job, "state", state);
    }
    set_shown_id(doc, job);
    return 0;
}

static int read_times(struct importer *importer, struct slurm_job *job, struct import_item *item)
{
    struct scan_doc *doc = &importer->items.doc;
    uint32_t time = scan_member(doc, 0, "time"), token;
    struct {
        const char *key;
        struct slurm_number *number;
    } numbers[] = {
        {"elapsed", &job->elapsed_seconds},
        {"suspended", &job->suspended_seconds},
        {"limit", &job->limit_minutes},
    };

    if (time == SCAN_NONE) {
        return 0;
    }
    token = scan_member(doc, time, "start");
    if (slurm_field_time(&importer->times, doc, token, &job->start) != 0) {
        return refuse(importer, item, job, "time.start", token);
    }
    token = scan_member(doc, time, "end");
    if (slurm_field_time(&importer->times, doc, token, &job->end) != 0) {
        return refuse(importer, item, job, "time.end", token);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        token = scan_member(doc, time, numbers[i].key);
        if (slurm_field_number(doc, token, numbers[i].number) != 0) {
            return refuse(importer, item, job, numbers[i].key, token);
        }
    }
    return 0;
}

struct tres_entry {
    char name[96]; /* cpu, gres/gpu:a100 */
    struct scan_text count;
};

/* One entry of the list: 1, 0 if it has no value, -1 if it cannot be read. */
static int read_tres_entry(struct scan_doc *doc, uint32_t token, struct tres_entry *entry)
{
    struct scan_text type = slurm_field_text(doc, token, "type"),
                     name = slurm_field_text(doc, token, "name");

    if (type.length == 0 || type.length + name.length + 2 > sizeof entry->name) {
        return -1;
    }
    snprintf(entry->name, sizeof entry->name, "%.*s%s%.*s", (int)type.length, type.bytes,
             name.length > 0 ? "/" : "", (int)name.length, name.bytes);
    entry->count = (struct scan_text){"", 0};
    switch (slurm_field_digits(doc, scan_member(doc, token, "count"), &entry->count)) {
    case FIELD_BAD:
        return -1;
    case FIELD_NONE:
        return 0;
    case FIELD_GIVEN:
        break;
    }
    return 1;
}

/* Memory in MB the way sacct prints it: in the largest unit that takes it at most by halves. */
static void print_memory(char *out, size_t size, uint64_t megabytes)
{
    static const char units[] = "MGTP";
    size_t unit = 0;
    uint64_t halves = megabytes * 2;

    while (halves >= 2048 && halves % 1024 == 0 && unit + 1 < sizeof units - 1) {
        halves /= 1024;
        unit++;
    }
    snprintf(out, size, halves % 2 == 0 ? "%llu%c" : "%llu.50%c", (unsigned long long)(halves / 2),
             units[unit]);
}

/* "name=count," behind what stands in job->tres_room; a list that does not fit is cut at an entry.
 */
static void note_tres(struct slurm_job *job, const struct tres_entry *entry)
{
    size_t used = job->alloc_tres.length;
    struct slurm_number count;
    char text[SLURM_ID_BYTES];
    int added;

    if (slurm_number_parse(entry->count, &count) != 0 || !count.given) {
        return;
    }
    if (strcmp(entry->name, "mem") == 0) {
        print_memory(text, sizeof text, count.value);
    } else {
        snprintf(text, sizeof text, "%llu", (unsigned long long)count.value);
    }
    added = snprintf(job->tres_room + used, sizeof job->tres_room - used, "%s%s=%s",
                     used > 0 ? "," : "", entry->name, text);
    if (used + (size_t)added < sizeof job->tres_room) {
        job->alloc_tres = (struct scan_text){job->tres_room, used + (size_t)added};
    }
}

/* In the order of their names, as sacct lists them. */
static void sort_tres(struct tres_entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct tres_entry entry = entries[i];
        size_t at = i;

        for (; at > 0 && strcmp(entries[at - 1].name, entry.name) > 0; at--) {
            entries[at] = entries[at - 1];
        }
        entries[at] = entry;
    }
}

static int read_tres(struct importer *importer, struct slurm_job *job, struct import_item *item)
{
    struct scan_doc *doc = &importer->items.doc;
    uint32_t list = inner(doc, 0, "tres", "allocated");
    struct tres_entry entries[TRES_ENTRIES_MAX];
    size_t count = 0;

    if (list == SCAN_NONE || scan_type(doc, list) != SCAN_ARRAY) {
        return 0;
    }
    for (uint32_t t = list + 1; t < doc->tokens[list].next; t = doc->tokens[t].next) {
        int result = read_tres_entry(doc, t, &entries[count]);

        if (result < 0 || count + 1 == TRES_ENTRIES_MAX) {
            return refuse(importer, item, job, "tres.allocated", t);
        }
        count += (size_t)result;
    }
    sort_tres(entries, count);
    for (size_t i = 0; i < count; i++) {
        struct scan_text name = {entries[i].name, strlen(entries[i].name)};

        if (slurm_tres_add(&job->tres, name, entries[i].count) != 0) {
            return refuse(importer, item, job, "tres.allocated", list);
        }
        note_tres(job, &entries[i]);
    }
    return 0;
}

/* "3:0": return code and signal. */
static void read_exit_code(struct scan_doc *doc, struct slurm_job *job)
{
    uint32_t exit = scan_member(doc, 0, "exit_code"), signal;
    struct slurm_number code = {0}, number = {0};

    if (exit == SCAN_NONE || scan_type(doc, exit) != SCAN_OBJECT ||
        slurm_field_number(doc, scan_member(doc, exit, "return_code"), &code) != 0) {
        return;
    }
    signal = scan_given(doc, exit, "signal");
    if (signal != SCAN_NONE) {
        uint32_t id = scan_given(doc, signal, "signal_id"); /* until 23.02; then "id" */
        if (slurm_field_number(doc, id != SCAN_NONE ? id : scan_member(doc, signal, "id"),
                               &number) != 0) {
            return;
        }
    }
    snprintf(job->exit_code_room, sizeof job->exit_code_room, "%llu:%llu",
             code.given ? (unsigned long long)code.value : 0,
             number.given ? (unsigned long long)number.value : 0);
    job->exit_code = (struct scan_text){job->exit_code_room, strlen(job->exit_code_room)};
}

static void read_texts(struct scan_doc *doc, struct slurm_job *job)
{
    job->cluster = first_given(slurm_field_text(doc, 0, "cluster"),
                               inner_text(doc, 0, "association", "cluster"));
    job->account = first_given(slurm_field_text(doc, 0, "account"),
                               inner_text(doc, 0, "association", "account"));
    job->user = first_given(slurm_field_text(doc, 0, "user"),
                            inner_text(doc, 0, "association", "user"));
    job->partition = slurm_field_text(doc, 0, "partition");
    job->qos = slurm_field_text(doc, 0, "qos");
    job->name = slurm_field_text(doc, 0, "name");
    job->nodes = slurm_field_text(doc, 0, "nodes");
    job->reservation = inner_text(doc, 0, "reservation", "name");
    job->admin_comment = inner_text(doc, 0, "comment", "administrator");
    read_exit_code(doc, job);
}

static int slurm_json_next(struct importer *importer, struct import_item *item, struct error *err)
{
    struct slurm_job job;
    bool given;
    int result = item_next_json(importer, item, &given, err);

    if (result != 1 || given) {
        return result;
    }
    if (scan_type(&importer->items.doc, 0) != SCAN_OBJECT) {
        return item_bad(importer, item, "malformed", "a job must be an object");
    }
    slurm_job_init(&job);
    read_texts(&importer->items.doc, &job);
    if (read_identity(importer, &job, item) != 0 || read_times(importer, &job, item) != 0 ||
        read_tres(importer, &job, item) != 0) {
        return 1;
    }
    return slurm_normalise(importer, &job, item);
}

const struct import_format_ops format_slurm_json = {
    .format = IMPORT_SLURM_JSON,
    .name = "json",
    .alias = "slurm_json",
    .empty_is_bad = true,
    .next = slurm_json_next,
};
