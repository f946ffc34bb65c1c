/* slurm_live - see slurm_live.h. */
#include "importers/slurm_live.h"

#include <stdio.h>

#include "importers/slurm_field.h"
#include "ledgerd/base/parse.h"

/* --- what is left of an array ------------------------------------------------------------------
 */

static int eat_number(struct scan_text *text, uint64_t *value)
{
    size_t digits = 0;

    while (digits < text->length && text->bytes[digits] >= '0' && text->bytes[digits] <= '9') {
        digits++;
    }
    if (parse_u64(text->bytes, digits, LIVE_TASKS_MAX, value) != 0) {
        return -1;
    }
    text->bytes += digits;
    text->length -= digits;
    return 0;
}

static bool eat(struct scan_text *text, char c)
{
    if (text->length == 0 || text->bytes[0] != c) {
        return false;
    }
    text->bytes++;
    text->length--;
    return true;
}

/* "3", "5-9" or "5-9:2". */
static int eat_range(struct scan_text *text, uint64_t *count)
{
    uint64_t first, last, step = 1;

    if (eat_number(text, &first) != 0) {
        return -1;
    }
    last = first;
    if (eat(text, '-') &&
        (eat_number(text, &last) != 0 || (eat(text, ':') && eat_number(text, &step) != 0))) {
        return -1;
    }
    if (last < first || step == 0) {
        return -1;
    }
    *count += (last - first) / step + 1;
    return 0;
}

int slurm_live_tasks(struct scan_text expression)
{
    struct scan_text text = expression;
    uint64_t count = 0, at_once;

    do {
        if (eat_range(&text, &count) != 0 || count > LIVE_TASKS_MAX) {
            return -1;
        }
    } while (eat(&text, ','));
    if (eat(&text, '%') && eat_number(&text, &at_once) != 0) {
        return -1;
    }
    return text.length == 0 ? (int)count : -1;
}

/* --- states ------------------------------------------------------------------------------------
 */

/* What one word says of a job, by its weight: of several words the heaviest counts, and one that is
 * unknown says nothing. A requeued job is pending again, or will be once it has completed. */
static void weigh_word(struct scan_text word, struct slurm_live_job *job, bool *is_known)
{
    enum slurm_live_state state;
    enum slurm_phase phase;
    const char *outcome;

    if (slurm_state_parse(word, &phase, &outcome) != 0) {
        return;
    }
    if (slurm_text_is(word, "COMPLETING") || slurm_text_is(word, "STAGE_OUT")) {
        state = LIVE_ENDING;
    } else if (slurm_text_is(word, "SUSPENDED")) {
        state = LIVE_SUSPENDED;
    } else if (phase == SLURM_PENDING || slurm_text_is(word, "REQUEUED")) {
        state = LIVE_PENDING;
    } else {
        state = phase == SLURM_ENDED ? LIVE_GONE : LIVE_RUNNING;
    }
    job->state = state > job->state ? state : job->state;
    *is_known = true;
}

static int read_state(struct scan_doc *doc, struct slurm_live_job *job)
{
    uint32_t token = scan_given(doc, 0, "job_state");
    bool is_known = false;

    job->state = LIVE_GONE;
    if (token == SCAN_NONE) {
        return -1;
    }
    if (scan_type(doc, token) == SCAN_STRING) {
        weigh_word(scan_text(doc, token), job, &is_known);
    } else if (scan_type(doc, token) == SCAN_ARRAY) {
        for (uint32_t word = token + 1; word < doc->tokens[token].next;
             word = doc->tokens[word].next) {
            if (scan_type(doc, word) == SCAN_STRING) {
                weigh_word(scan_text(doc, word), job, &is_known);
            }
        }
    }
    return is_known ? 0 : -1;
}

static bool read_held(struct scan_doc *doc)
{
    struct scan_text reason = slurm_field_text(doc, 0, "state_reason");
    uint32_t hold = scan_member(doc, 0, "hold");

    return slurm_text_is(reason, "JobHeldUser") || slurm_text_is(reason, "JobHeldAdmin") ||
           (hold != SCAN_NONE && scan_type(doc, hold) == SCAN_TRUE);
}

/* --- numbers -----------------------------------------------------------------------------------
 */

/* A number that may be absent. */
static int read_i64(struct scan_doc *doc, const char *key, int64_t otherwise, int64_t *value)
{
    struct slurm_number number;

    if (slurm_field_number(doc, scan_member(doc, 0, key), &number) != 0) {
        return -1;
    }
    *value = number.given ? (int64_t)number.value : otherwise;
    return 0;
}

static int read_array(struct scan_doc *doc, struct slurm_live_job *job)
{
    struct scan_text left = slurm_field_text(doc, 0, "array_task_string");
    int64_t at_once;

    if (read_i64(doc, "array_job_id", 0, &job->array_job_id) != 0 ||
        read_i64(doc, "array_task_id", -1, &job->array_task) != 0 ||
        read_i64(doc, "array_max_tasks", 0, &at_once) != 0) {
        return -1;
    }
    if (job->array_job_id == 0) { /* some releases tell a task 0 of jobs that are no array */
        job->array_task = -1;
    }
    job->at_once = at_once < LIVE_TASKS_MAX ? (int)at_once : 0;
    job->tasks = left.length > 0 && job->array_task < 0 ? slurm_live_tasks(left) : 1;
    return job->tasks > 0 ? 0 : -1;
}

static int read_time(struct scan_doc *doc, const char *key, struct instant *at)
{
    struct slurm_time time;
    struct time_reader times;

    time_reader_init(&times, NULL);
    if (slurm_field_time(&times, doc, scan_member(doc, 0, key), &time) != 0) {
        return -1;
    }
    *at = time.given == SLURM_GIVEN ? time.at : INSTANT_NONE;
    return 0;
}

/* Of pending jobs Slurm tells the start that it expects. */
static int read_start(struct scan_doc *doc, struct slurm_live_job *job)
{
    if (read_time(doc, "start_time", &job->start) != 0) {
        return -1;
    }
    if (job->state == LIVE_PENDING) {
        job->start = INSTANT_NONE;
    }
    return job->state == LIVE_PENDING || job->state == LIVE_ENDING || instant_is_set(job->start)
               ? 0
               : -1;
}

static int read_limit(struct scan_doc *doc, struct slurm_live_job *job)
{
    if (read_i64(doc, "time_limit", -1, &job->limit_seconds) != 0) {
        return -1;
    }
    job->limit_seconds *= job->limit_seconds < 0 ? 1 : 60;
    return 0;
}

static int read_meters(struct scan_doc *doc, struct slurm_live_job *job)
{
    struct scan_text text = slurm_field_text(doc, 0, "tres_alloc_str");
    struct slurm_tres tres = {0};
    size_t used = 0;

    if (job->state == LIVE_PENDING || text.length == 0) {
        text = slurm_field_text(doc, 0, "tres_req_str");
    }
    if (slurm_tres_parse(text, &tres) != 0) {
        return -1;
    }
    const struct {
        const char *name;
        struct slurm_quantity quantity;
    } meters[] = {{"cpu", tres.cpu},
                  {"gpu", tres.gpu.given ? tres.gpu : tres.gpu_typed},
                  {"mem_gib", tres.mem_gib},
                  {"node", tres.node}};

    job->meters[0] = '\0';
    for (size_t i = 0; i < sizeof meters / sizeof *meters; i++) {
        char number[DECIMAL_TEXT_BYTES];

        if (meters[i].quantity.given) {
            used += (size_t)snprintf(job->meters + used, sizeof job->meters - used, "%s%s=%s",
                                     used > 0 ? " " : "", meters[i].name,
                                     decimal_format(meters[i].quantity.value, number));
        }
    }
    return 0;
}

static void read_texts(struct scan_doc *doc, struct slurm_live_job *job)
{
    job->user = slurm_field_text(doc, 0, "user_name");
    job->account = slurm_field_text(doc, 0, "account");
    job->partition = slurm_field_text(doc, 0, "partition");
    job->qos = slurm_field_text(doc, 0, "qos");
    job->hold_key = slurm_hold_key(slurm_field_text(doc, 0, "admin_comment"));
}

/* slurmctld has been seen to tell a start of jobs that were cancelled while they waited, that of
 * their end; but they were never given anything. */
static bool read_never_started(struct scan_doc *doc, const struct slurm_live_job *job)
{
    struct instant end;

    return scan_member(doc, 0, "tres_alloc_str") != SCAN_NONE &&
           slurm_field_text(doc, 0, "tres_alloc_str").length == 0 &&
           slurm_field_text(doc, 0, "nodes").length == 0 &&
           (!instant_is_set(job->start) ||
            (read_time(doc, "end_time", &end) == 0 && instant_compare(job->start, end) >= 0));
}

/* The field of a job that has ended that cannot be read, or NULL. */
static const char *read_gone(struct scan_doc *doc, struct slurm_live_job *job)
{
    read_texts(doc, job);
    if (read_time(doc, "submit_time", &job->submitted) != 0) {
        return "submit_time";
    }
    if (read_array(doc, job) != 0) {
        return "array_task_string, array_task_id or array_max_tasks";
    }
    if (read_time(doc, "start_time", &job->start) != 0) {
        return "start_time";
    }
    job->never_started = read_never_started(doc, job);
    return NULL;
}

/* The field that cannot be read, or NULL. */
static const char *read_fields(struct scan_doc *doc, struct slurm_live_job *job)
{
    read_texts(doc, job);
    if (read_time(doc, "submit_time", &job->submitted) != 0 || !instant_is_set(job->submitted)) {
        return "submit_time";
    }
    if (read_array(doc, job) != 0) {
        return "array_task_string, array_task_id or array_max_tasks";
    }
    if (read_i64(doc, "het_job_id", 0, &job->het_job_id) != 0) {
        return "het_job_id";
    }
    if (read_i64(doc, "user_id", -1, &job->uid) != 0 || job->uid < 0) {
        return "user_id";
    }
    if (read_start(doc, job) != 0) {
        return "start_time";
    }
    if (read_limit(doc, job) != 0) {
        return "time_limit";
    }
    if (read_meters(doc, job) != 0) {
        return "tres_alloc_str or tres_req_str";
    }
    job->is_held = read_held(doc);
    return NULL;
}

int slurm_live_read(struct scan_doc *doc, const char *cluster, struct slurm_live_job *job,
                    char why[LIVE_WHY_BYTES])
{
    struct scan_text its_cluster;
    const char *field;

    if (scan_type(doc, 0) != SCAN_OBJECT || read_i64(doc, "job_id", 0, &job->job_id) != 0 ||
        job->job_id == 0) {
        snprintf(why, LIVE_WHY_BYTES, "a job without a job_id");
        return -1;
    }
    field = read_state(doc, job) != 0 ? "job_state" : NULL;
    its_cluster = slurm_field_text(doc, 0, "cluster");
    if (its_cluster.length > 0 && !slurm_text_is(its_cluster, cluster)) {
        job->state = LIVE_GONE;
        job->submitted = INSTANT_NONE;
        return 0;
    }
    if (field == NULL) {
        field = job->state != LIVE_GONE ? read_fields(doc, job) : read_gone(doc, job);
    }
    if (field != NULL) {
        snprintf(why, LIVE_WHY_BYTES, "job %lld: field %s cannot be read", (long long)job->job_id,
                 field);
        return -1;
    }
    return 0;
}
