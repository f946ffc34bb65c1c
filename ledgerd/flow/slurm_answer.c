/* slurm_answer - see slurm_answer.h. */
#include "ledgerd/flow/slurm_answer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/core/usage.h"
#include "ledgerd/flow/check.h"
#include "ledgerd/flow/hold_parts.h"

enum {
    MINUTE_SECONDS = 60,
    HOUR_SECONDS = 3600,
    NAME_SHOWN_BYTES = 40, /* of a name in a line for a terminal */
};

void slurm_question(const struct slurm_resolution *resolution, struct answer_question *question)
{
    question->project = resolution->project;
    question->project_name = resolution->project_name;
    question->user = resolution->user;
    question->unresolved = resolution->unresolved;
    question->rated = resolution->is_rated;
    question->requested = resolution->points;
    question->unrated_detail = resolution->is_rated ? NULL : resolution->detail;
    question->unknown_detail = resolution->project == NULL ? resolution->detail : NULL;
}

/* --- words ------------------------------------------------------------------------------------ */

/* Bytes of the line that are left; what does not fit is cut. */
static void say(char *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(char *line, const char *format, ...)
{
    size_t length = strlen(line);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line + length, SLURM_MESSAGE_BYTES - length, format, arguments);
    va_end(arguments);
}

/* Names are others' choice: what a terminal could take amiss becomes a question mark. */
static void clean(char *line)
{
    for (char *at = line; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '?';
        }
    }
}

/* With no more zeros at the end than one. */
static const char *short_points(struct points points, char text[POINTS_TEXT_BYTES])
{
    size_t length = strlen(points_format(points, text));

    while (length > 2 && text[length - 1] == '0' && text[length - 2] != '.') {
        text[--length] = '\0';
    }
    return text;
}

/* "24 h", "90 min", "1 h 30 min"; a started minute counts. */
static void say_time(char *line, int64_t seconds)
{
    int64_t minutes = seconds / MINUTE_SECONDS + (seconds % MINUTE_SECONDS > 0);
    int64_t hours = minutes / (HOUR_SECONDS / MINUTE_SECONDS);

    minutes %= HOUR_SECONDS / MINUTE_SECONDS;
    if (hours > 0) {
        say(line, "%" PRId64 " h%s", hours, minutes > 0 ? " " : "");
    }
    if (minutes > 0 || hours == 0) {
        say(line, "%" PRId64 " min", minutes);
    }
}

/* "4 GPU x 24 h x 100 tasks" */
static void say_work(const struct slurm_resolution *of, char *line)
{
    static const struct {
        const char *meter;
        const char *word;
    } words[] = {{"gpu", "GPU"}, {"cpu", "CPU"}, {"node", "nodes"}};
    const struct decimal *quantity = NULL;
    char text[DECIMAL_TEXT_BYTES];

    for (size_t i = 0; i < sizeof words / sizeof words[0] && quantity == NULL; i++) {
        quantity = usage_meter(&of->shape, words[i].meter);
        if (quantity != NULL && decimal_is_zero(*quantity)) {
            quantity = NULL;
        }
        if (quantity != NULL) {
            say(line, "%s %s x ", decimal_format(*quantity, text), words[i].word);
        }
    }
    say_time(line, of->seconds);
    if (of->parts > 1) {
        say(line, " x %" PRId64 " tasks", hold_slots(of->parts, of->at_once));
    }
}

static void say_need(const struct slurm_resolution *of, const struct answer *answer, char *line)
{
    char text[POINTS_TEXT_BYTES];

    say(line, ", this %s may need %s", of->job != NULL ? "change" : "job",
        short_points(answer->question.requested, text));
    if (!of->asked->has_points) {
        say(line, of->job != NULL ? " more (" : " (");
        say_work(of, line);
        say(line, ")");
    }
}

/* --- what stands in the way ------------------------------------------------------------------- */

static const struct decide_bound *find_bound(const struct answer *answer, enum decide_limit limit)
{
    for (size_t i = 0; i < answer->decision.violated_count; i++) {
        const struct decide_violation *violation = &answer->decision.violated[i];

        if (violation->limit == limit && violation->bound != NULL) {
            return violation->bound;
        }
    }
    return NULL;
}

static void say_bound(const struct answer_question *question, const struct decide_bound *bound,
                      char *line)
{
    static const char *const periods[] = {[LIMIT_DAY] = "today",
                                          [LIMIT_MONTH] = "this month",
                                          [LIMIT_FISCAL_YEAR] = "this fiscal year",
                                          [LIMIT_TOTAL] = "altogether"};
    bool is_user = bound->limit == LIMIT_USER;
    char text[POINTS_TEXT_BYTES];

    say(line, "%s %.*s may spend %s more points %s", is_user ? "user" : "project", NAME_SHOWN_BYTES,
        bound->name, short_points(bound->available, text), periods[bound->period]);
    if (is_user) {
        say(line, " in project %.*s", NAME_SHOWN_BYTES, question->project_name);
    }
}

/* What there is less of than is needed; false if that is not the reason. */
static bool say_lack(const struct answer_question *question, const struct answer *answer,
                     char *line)
{
    enum decide_reason reason = answer->decision.reason;
    char text[POINTS_TEXT_BYTES];

    if (reason == DECIDE_INSUFFICIENT_POINTS) {
        say(line, "project %.*s has %s points left", NAME_SHOWN_BYTES, question->project_name,
            short_points(answer->available, text));
        return true;
    }
    if (reason == DECIDE_SHARE_CAP) {
        say(line, "share %.*s has %s points left", NAME_SHOWN_BYTES, answer->question.share,
            short_points(answer->question.share_cap_available, text));
        return true;
    }
    if (reason == DECIDE_PROJECT_LIMIT || reason == DECIDE_USER_LIMIT) {
        const struct decide_bound *bound = find_bound(
            answer, reason == DECIDE_USER_LIMIT ? LIMIT_USER : LIMIT_PROJECT);

        if (bound != NULL) {
            say_bound(question, bound, line);
            return true;
        }
    }
    return false;
}

/* Why not, with its numbers; for reasons that are no matter of points the decision's own words. */
static void say_reason(const struct slurm_resolution *of, const struct answer_question *question,
                       const struct answer *answer, char *line)
{
    struct strbuf detail = STRBUF_INIT;

    if (say_lack(question, answer, line)) {
        say_need(of, answer, line);
        return;
    }
    answer_write_detail(question, answer, &detail);
    if (answer->decision.reason == DECIDE_NO_RATE) {
        const char *why = strstr(detail.data,
                                 ": "); /* behind the record, which users never wrote */

        say(line, "this job has no price%s", why != NULL ? why : "");
    } else {
        say(line, "%s", detail.data);
    }
    strbuf_release(&detail);
}

/* --- what would do ---------------------------------------------------------------------------- */

static bool is_for_points(enum decide_reason reason)
{
    return reason == DECIDE_INSUFFICIENT_POINTS || reason == DECIDE_PROJECT_LIMIT ||
           reason == DECIDE_USER_LIMIT || reason == DECIDE_SHARE_CAP;
}

/* The most that would be allowed. */
static struct points room_of(const struct answer *answer)
{
    struct points room = answer->available;

    for (size_t i = 0; i < answer->question.bound_count; i++) {
        if (points_compare(answer->bounds[i].available, room) < 0) {
            room = answer->bounds[i].available;
        }
    }
    if (answer->question.has_share_cap &&
        points_compare(answer->question.share_cap_available, room) < 0) {
        room = answer->question.share_cap_available;
    }
    return room;
}

static bool fits(const struct slurm_resolution *of, int64_t minutes, struct points room)
{
    struct error ignored = {0};
    struct points points;

    return slurm_resolve_points(of, minutes * MINUTE_SECONDS, &points, &ignored) == 0 &&
           points_compare(points, room) <= 0;
}

/* The greatest number of whole minutes, less than asked for, that fits; 0 if none does. */
static int64_t find_minutes(const struct slurm_resolution *of, struct points room)
{
    int64_t low = 0;
    int64_t high = (of->seconds - 1) / MINUTE_SECONDS + 1; /* the first that is not less */

    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;

        if (fits(of, middle, room)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static void suggest(const struct slurm_resolution *of, const struct answer *answer,
                    struct slurm_note *note)
{
    if (of->asked->has_points || of->seconds <= 0 || !is_for_points(answer->decision.reason)) {
        return;
    }
    note->job.suggest_seconds = find_minutes(of, room_of(answer)) * MINUTE_SECONDS;
}

void slurm_note_make(const struct slurm_resolution *resolution,
                     const struct answer_question *question, struct answer *answer,
                     struct slurm_note *note)
{
    bool is_refused = !answer->decision.allowed;
    bool is_dry = is_refused && decide_reason_status(answer->decision.reason) == 402;

    note->job = (struct answer_job){
        .account = resolution->account, .partition = resolution->partition, .qos = resolution->qos};
    note->message[0] = '\0';
    if (!is_refused) {
        return;
    }
    say_reason(resolution, question, answer, note->message);
    suggest(resolution, answer, note);
    if (is_dry && *resolution->downgrade_qos != '\0' && resolution->job == NULL) {
        note->job.downgraded_to = resolution->downgrade_qos;
        answer->decision.allowed = true;
        say(note->message, ": it runs with QOS %.*s", NAME_SHOWN_BYTES, resolution->downgrade_qos);
    } else if (note->job.suggest_seconds > 0) {
        say(note->message, "; a limit of ");
        say_time(note->message, note->job.suggest_seconds);
        say(note->message, " would fit");
    }
    clean(note->message);
    note->job.message = note->message;
}
