/* slurm_normalise - a Slurm job as a usage record.
 *
 * Identity is (source, raw job id @ submit time): job ids wrap around and are used again by
 * requeues, the pair is not.  The interval is what the machine was taken for, suspended time
 * included; elapsed_seconds is Slurm's own count, which leaves it out.  What a row does not tell is
 * not made up: no identity and no end are reasons for quarantine.
 */
#include "importers/slurm_job.h"
#include "importers/slurm_live.h"

enum {
    /* SLURM_MINUTES_MAX: a limit beyond a hundred years is a way to say none. */
    SLURM_MINUTES_MAX = 100 * 366 * 24 * 60,
};

void slurm_job_init(struct slurm_job *job)
{
    const struct scan_text none = {"", 0};

    memset(job, 0, sizeof *job);
    job->shown_id = job->cluster = job->account = job->user = job->partition = job->qos = none;
    job->name = job->reservation = job->nodes = job->exit_code = job->uid = none;
    job->alloc_tres = job->admin_comment = job->array_left = none;
    job->outcome = "";
}

static char *put_number(char *end, uint64_t number)
{
    do {
        *--end = (char)('0' + (int)(number % 10));
        number /= 10;
    } while (number > 0);
    return end;
}

bool slurm_identify(struct importer *importer, const struct slurm_job *job)
{
    char text[SLURM_ID_BYTES], *end = text + sizeof text, *at;

    if (!job->raw_id.given || job->submit.given != SLURM_GIVEN) {
        return false;
    }
    at = put_number(end, (uint64_t)(job->submit.at.us / INSTANT_SECOND_US));
    *--at = '@';
    at = put_number(at, job->raw_id.value);
    importer->record.source = importer->options.source != NULL ? importer->options.source : "";
    importer->record.id = usage_keep(&importer->arena, at, (size_t)(end - at), USAGE_ID_BYTES);
    return true;
}

static const char *keep(struct importer *importer, struct scan_text text, size_t limit)
{
    return usage_keep(&importer->arena, text.bytes, text.length, limit);
}

/* The name that the row gives, else the one that the import was given. */
static const char *keep_name(struct importer *importer, struct scan_text text,
                             const char *otherwise)
{
    if (text.length == 0) {
        return otherwise != NULL ? otherwise : "";
    }
    return keep(importer, text, USAGE_NAME_BYTES);
}

static void set_names(struct importer *importer, const struct slurm_job *job)
{
    struct usage_record *record = &importer->record;

    record->project = keep_name(importer, job->account, importer->options.project);
    record->user = keep_name(importer, job->user, importer->options.user);
    record->klass = keep_name(importer, job->partition, NULL);
    record->qos = keep_name(importer, job->qos, NULL);
}

/* How long running work has lasted, suspended time included, and Slurm's own count of it. */
static void set_running(struct importer *importer, const struct slurm_job *job)
{
    struct usage_record *record = &importer->record;
    int64_t suspended = job->suspended_seconds.given ? (int64_t)job->suspended_seconds.value : 0;
    int64_t seconds;

    if (importer->options.runs_to_now) {
        record->end = instant_max(importer->options.now, record->start);
        seconds = (record->end.us - record->start.us) / INSTANT_SECOND_US - suspended;
        record->has_elapsed = decimal_from_u64(seconds > 0 ? (uint64_t)seconds : 0,
                                               &record->elapsed_seconds) == 0;
        return;
    }
    record->end = importer->options.now;
    if (job->elapsed_seconds.given) {
        seconds = (int64_t)job->elapsed_seconds.value + suspended;
        record->end.us = record->start.us + seconds * INSTANT_SECOND_US;
    }
}

/* start and end; 0, or -1 with the item given as bad. */
static int set_interval(struct importer *importer, const struct slurm_job *job,
                        struct import_item *item)
{
    struct usage_record *record = &importer->record;
    bool running = job->phase == SLURM_RUNNING;

    record->state = running ? USAGE_RUNNING : USAGE_FINAL;
    record->outcome = running ? "" : job->outcome;
    record->submitted = job->submit.at;
    record->start = job->start.at;
    if (running) {
        set_running(importer, job);
    } else if (job->end.given != SLURM_GIVEN) {
        item_bad(importer, item, "bad_interval", "field End: the job has ended (%s), but not when",
                 job->outcome);
        return -1;
    } else {
        record->end = job->end.at;
    }
    return 0;
}

static void set_seconds(struct importer *importer, const struct slurm_job *job)
{
    struct usage_record *record = &importer->record;

    if (!record->has_elapsed && job->elapsed_seconds.given &&
        decimal_from_u64(job->elapsed_seconds.value, &record->elapsed_seconds) == 0) {
        record->has_elapsed = true;
    }
    if (job->limit_minutes.given && job->limit_minutes.value <= SLURM_MINUTES_MAX) {
        decimal_from_u64(job->limit_minutes.value * 60, &record->requested_seconds);
    }
}

static void add_meter(struct usage_record *record, const char *name, struct slurm_quantity quantity)
{
    if (quantity.given) {
        usage_add_meter(record, name, quantity.value);
    }
}

static void set_meters(struct usage_record *record, const struct slurm_tres *tres)
{
    add_meter(record, "cpu", tres->cpu);
    add_meter(record, "gpu", tres->gpu.given ? tres->gpu : tres->gpu_typed);
    add_meter(record, "mem_gib", tres->mem_gib);
    add_meter(record, "node", tres->node);
}

static void add_attribute(struct importer *importer, const char *name, struct scan_text text)
{
    if (text.length > 0) {
        usage_add_attribute(&importer->record, name, keep(importer, text, USAGE_ATTRIBUTE_BYTES));
    }
}

/* In the order of their names, which is the order that the record keeps them in. */
static void set_attributes(struct importer *importer, const struct slurm_job *job)
{
    struct scan_text id = job->shown_id;
    bool het = memchr(id.bytes, '+', id.length) != NULL;
    bool array = !het && memchr(id.bytes, '_', id.length) != NULL;

    add_attribute(importer, "account", job->account);
    add_attribute(importer, "alloc_tres", job->alloc_tres);
    if (array) {
        add_attribute(importer, "array_id", id);
    }
    add_attribute(importer, "exit_code", job->exit_code);
    if (het) {
        add_attribute(importer, "het_id", id);
    }
    add_attribute(importer, "job_name", job->name);
    if (!slurm_text_is(job->nodes, "None assigned")) {
        add_attribute(importer, "node_list", job->nodes);
    }
    add_attribute(importer, "partition", job->partition);
    add_attribute(importer, "reservation", job->reservation);
    add_attribute(importer, "uid", job->uid);
}

static bool is_separator(char c)
{
    return c == ';' || c == ',' || c == ' ' || c == '\t' || c == '\n';
}

struct scan_text slurm_hold_key(struct scan_text comment)
{
    static const char *const tokens[] = {"ledger:hold=", "ledger:h="};
    const char *at = comment.bytes, *end = comment.bytes + comment.length;

    while (at < end) {
        const char *stop = at;
        while (stop < end && !is_separator(*stop)) {
            stop++;
        }
        for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
            size_t length = strlen(tokens[i]);
            if ((size_t)(stop - at) > length && memcmp(at, tokens[i], length) == 0) {
                struct scan_text key = {at + length, (size_t)(stop - at) - length};
                /* A key that is cut or cleaned would name another hold, or none. */
                bool is_clean = usage_is_clean(key.bytes, key.length, USAGE_ID_BYTES);
                return is_clean ? key : (struct scan_text){"", 0};
            }
        }
        at = stop + 1;
    }
    return (struct scan_text){"", 0};
}

static void set_hold(struct importer *importer, const struct slurm_job *job)
{
    struct scan_text hold = slurm_hold_key(job->admin_comment);

    if (hold.length > 0) {
        importer->record.hold = keep(importer, hold, USAGE_ID_BYTES);
    }
}

static bool is_other_cluster(const struct importer *importer, const struct slurm_job *job)
{
    const char *cluster = importer->options.cluster;

    return cluster != NULL && job->cluster.length > 0 && !slurm_text_is(job->cluster, cluster);
}

/* How many tasks the row stands for: "3_[0-9%2]" for ten; 0 if it cannot be said. */
static int count_tasks(const struct slurm_job *job)
{
    struct scan_text left = job->array_left, id = job->shown_id;
    const char *open = memchr(id.bytes, '[', id.length);

    if (open != NULL) {
        left = (struct scan_text){open + 1, (size_t)(id.bytes + id.length - open - 1)};
        left.length -= left.length > 0 && left.bytes[left.length - 1] == ']';
    }
    int tasks = open != NULL || left.length > 0 ? slurm_live_tasks(left) : 1;
    return tasks > 0 ? tasks : 0;
}

static void tell_unstarted(struct importer *importer, const struct slurm_job *job)
{
    const struct import_options *options = &importer->options;
    const struct import_unstarted told = {
        .job_id = (int64_t)job->raw_id.value,
        .submitted = job->submit.at,
        .tasks = count_tasks(job),
        .hold = keep(importer, slurm_hold_key(job->admin_comment), USAGE_ID_BYTES),
        .account = keep(importer, job->account, USAGE_NAME_BYTES),
        .user = keep(importer, job->user, USAGE_NAME_BYTES),
    };

    if (options->unstarted != NULL && job->phase == SLURM_ENDED && job->raw_id.given &&
        job->submit.given == SLURM_GIVEN && told.tasks > 0) {
        options->unstarted(options->context, &told);
    }
}

/* Whether no node is known to have been given: said so, or not asked for of a job of no time at
 * all. */
static bool has_no_nodes(const struct slurm_job *job)
{
    return slurm_text_is(job->nodes, "None assigned") ||
           (job->nodes.length == 0 && job->elapsed_seconds.given &&
            job->elapsed_seconds.value == 0 && job->start.given == SLURM_GIVEN &&
            job->end.given == SLURM_GIVEN && job->start.at.us == job->end.at.us);
}

/* A job that was cancelled while it waited, or that no node could take, has been told with the time
 * of that as its start: but it was never given anything. */
static bool has_started(const struct slurm_job *job)
{
    if (job->elapsed_seconds.given && job->elapsed_seconds.value > 0) {
        return true;
    }
    return job->start.given != SLURM_UNKNOWN &&
           !(job->phase == SLURM_ENDED && job->alloc_tres.length == 0 && has_no_nodes(job));
}

/* Rows that are no usage: true, and the item given as skipped. */
static bool skip(struct importer *importer, const struct slurm_job *job, struct import_item *item)
{
    if (is_other_cluster(importer, job)) {
        item_skip(item, "other_cluster", "a job of cluster %.*s", (int)job->cluster.length,
                  job->cluster.bytes);
        return true;
    }
    if (job->phase == SLURM_PENDING) {
        item_skip(item, "not_started", "the job is pending");
        return true;
    }
    if (!has_started(job)) {
        tell_unstarted(importer, job);
        item_skip(item, "not_started", "the job never started");
        return true;
    }
    return false;
}

/* What must be there: 0, or -1 with the item given as bad. */
static int check(struct importer *importer, const struct slurm_job *job, struct import_item *item)
{
    if (job->phase == SLURM_RESIZED && job->end.given == SLURM_GIVEN) {
        /* Its other rows have the same identity: as a record one of them would replace the other.
         */
        importer->record.id = "";
        item_bad(importer, item, "resized",
                 "job %llu was resized: this row is a part of it, and has no identity of its own",
                 (unsigned long long)job->raw_id.value);
        return -1;
    }
    if (!job->raw_id.given) {
        item_bad(importer, item, "no_identity", "no raw job id");
        return -1;
    }
    if (job->submit.given != SLURM_GIVEN) {
        item_bad(importer, item, "no_identity", "job %llu has no submit time",
                 (unsigned long long)job->raw_id.value);
        return -1;
    }
    if (job->start.given != SLURM_GIVEN) {
        item_bad(importer, item, "bad_interval", "job %llu has no start",
                 (unsigned long long)job->raw_id.value);
        return -1;
    }
    return 0;
}

int slurm_normalise(struct importer *importer, const struct slurm_job *job,
                    struct import_item *item)
{
    struct slurm_job running;

    if (job->phase == SLURM_RESIZED && job->end.given != SLURM_GIVEN) {
        running = *job; /* being resized: it runs */
        running.phase = SLURM_RUNNING;
        return slurm_normalise(importer, &running, item);
    }
    if (skip(importer, job, item)) {
        return 1;
    }
    slurm_identify(importer, job);
    if (check(importer, job, item) != 0 || set_interval(importer, job, item) != 0) {
        return 1;
    }
    set_names(importer, job);
    set_seconds(importer, job);
    set_meters(&importer->record, &job->tres);
    set_attributes(importer, job);
    set_hold(importer, job);
    return item_give(importer, item);
}
