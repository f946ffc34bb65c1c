/* model_driver - runs ledgerctl's verbs one after another in one process, for the model check.
 *
 *   in:  {"db":CONNINFO} to go to another book, else {"now":T,"words":[...],"input":TEXT}
 *        words are those of ledgerctl, or ["sweep"] as ledgerd notes holds that are past their
 *        deadline, or ["report","YYYY-MM"] for the document of `ledger-report monthly`, or as a
 * hook and a puller do ["jobhold",PROJECT,POINTS,USER,KEY,TTL seconds,PARTS,AT_ONCE,SOURCE] ("" for
 *        what is not given), ["begin",SOURCE,INTERVAL seconds]
 *   out: {"status":exit status,"reason":code of the error,"text":its sentence,"document":{...}}
 *
 * What ledgerctl does around a verb is done here: the clock is set, what has expired is posted, the
 * verb runs on a connection of its own role. Connections are kept from verb to verb, which is what
 * makes thousands of steps a matter of seconds. A word "@" stands for a file that holds `input`.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/expire.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/hold_end.h"
#include "ledgerd/flow/report.h"
#include "ledgerd/flow/slurm_keep.h"

enum { WORDS_MAX = 64, LINE_BYTES = 1 << 20, SWEEP_MAX = 1000 };

struct books {
    struct session daemon; /* store is NULL while no book is open */
    struct session report;
};

struct call {
    const json_t *request;
    int input; /* descriptor of the input's file; -1 if there is none */
    char input_path[32];
    int count;
    char *words[WORDS_MAX];
    struct instant now;
};

static int books_open(struct books *books, const char *conninfo, struct error *err)
{
    struct session_options options = {.pretended = INSTANT_NONE, .role = STORE_DAEMON};

    session_close(&books->daemon);
    session_close(&books->report);
    if (setenv("LEDGER_DB", conninfo, 1) != 0) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (session_open(&options, &books->daemon, err) != 0) {
        return -1;
    }
    options.role = STORE_REPORT;
    return session_open(&options, &books->report, err);
}

static int input_make(struct call *call, struct error *err)
{
    const json_t *input = json_object_get(call->request, "input");

    call->input = -1;
    if (!json_is_string(input)) {
        return 0;
    }
    call->input = memfd_create("input", MFD_CLOEXEC);
    if (call->input < 0 || write(call->input, json_string_value(input),
                                 json_string_length(input)) != (ssize_t)json_string_length(input)) {
        return error_set(err, ERROR_INTERNAL, "the input cannot be kept");
    }
    snprintf(call->input_path, sizeof call->input_path, "/proc/self/fd/%d", call->input);
    return 0;
}

static int call_read(struct call *call, struct error *err)
{
    const json_t *words = json_object_get(call->request, "words");
    const json_t *now = json_object_get(call->request, "now");

    if (json_array_size(words) == 0 || json_array_size(words) > WORDS_MAX || !json_is_string(now) ||
        parse_rfc3339(json_string_value(now), json_string_length(now), &call->now) != 0) {
        return error_set(err, ERROR_INTERNAL, "a request needs now and words");
    }
    if (input_make(call, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < json_array_size(words); i++) {
        const char *word = json_string_value(json_array_get(words, i));

        if (word == NULL) {
            return error_set(err, ERROR_INTERNAL, "a word is no string");
        }
        call->words[call->count++] = strcmp(word, "@") == 0 ? call->input_path : (char *)word;
    }
    return 0;
}

static void act_fill(struct command *command)
{
    const struct command_line *line = &command->line;

    command->act = (struct manual_act){
        .actor = command_line_text(line, "actor", "model"),
        .note = command_line_text(line, "note", ""),
        .ref = command_line_text(line, "ref", ""),
        .now = command->session.now,
    };
}

/* The verb's session is lent to it: the driver keeps the connection. */
static int verb_run(const struct books *books, const struct verb *verb, const struct call *call,
                    struct command *command, struct error *err)
{
    int result;

    command->session = verb->role == STORE_REPORT ? books->report : books->daemon;
    command->session.now = call->now;
    clock_pretend(call->now);
    act_fill(command);
    result = verb->role == STORE_OWNER ? 0 : expire_due(books->daemon.store, call->now, err);
    if (result == 0) {
        result = verb->run(command, err);
    }
    catalog_destroy(command->catalog);
    return result;
}

static json_t *verb_call(const struct books *books, const struct call *call)
{
    struct command command = {0};
    struct error err = {0};
    int taken = 0;
    const struct verb *verb = verb_find(call->count, call->words, &taken, &err);
    int result = -1;
    json_t *answer;

    if (verb != NULL && books->daemon.store != NULL) {
        result = command_line_parse(&verb->spec, command_common_options, call->count - taken,
                                    call->words + taken, &command.line, &err);
    }
    if (result == 0) {
        result = verb_run(books, verb, call, &command, &err);
    }
    answer = json_pack("{s:i, s:s, s:s}", "status",
                       result < 0 ? error_exit_status(&err) : command.status, "reason", err.reason,
                       "text", err.text);
    json_object_set(answer, "document", command.document);
    json_decref(command.document);
    return answer;
}

/* --- what ledgerctl does not do --------------------------------------------------------------- */

static json_t *sweep(const struct books *books, const struct call *call, struct error *err)
{
    size_t swept;

    return hold_sweep(books->daemon.store, call->now, SWEEP_MAX, &swept, err) == 0
               ? json_pack("{s:I}", "swept", (json_int_t)swept)
               : NULL;
}

static json_t *report(const struct books *books, const struct call *call, struct error *err)
{
    struct month month;

    if (call->count != 2 || month_parse(call->words[1], strlen(call->words[1]), &month) != 0) {
        error_set(err, ERROR_ARGUMENT, "report needs a month");
        return NULL;
    }
    return report_month(books->report.store, month, call->now, err);
}

static json_t *begin(const struct books *books, const struct call *call, struct error *err)
{
    int64_t interval_us = call->count == 3 ? atoll(call->words[2]) * INSTANT_SECOND_US : 0;

    if (interval_us <= 0) {
        error_set(err, ERROR_ARGUMENT, "begin needs a source and an interval");
        return NULL;
    }
    return slurm_keep_begin(books->daemon.store, call->words[1], call->now, interval_us, err) == 0
               ? json_object()
               : NULL;
}

/* As `ledgerctl hold` answers. */
static json_t *tell_hold(const struct hold_outcome *outcome, struct error *err)
{
    json_t *decision = json_loads(outcome->decision.data, 0, NULL);
    char id[HOLD_ID_BYTES];
    json_t *document;

    if (outcome->fate == HOLD_KEY_DIFFERS) {
        error_set_reason(err, ERROR_REFUSED, "key_differs", "the key was used");
        return NULL;
    }
    if (outcome->fate == HOLD_REFUSED) {
        return decision;
    }
    snprintf(id, sizeof id, "h_%lld", (long long)outcome->hold.number);
    char points[POINTS_TEXT_BYTES], held[POINTS_TEXT_BYTES];
    document = json_pack("{s:s, s:b, s:s, s:s, s:o}", "hold", id, "repeated",
                         outcome->fate == HOLD_REPEATED, "points",
                         points_format(outcome->hold.points, points), "held",
                         points_format(outcome->hold.held, held), "decision", decision);
    return document;
}

static json_t *job_hold(const struct books *books, const struct call *call, int *status,
                        struct error *err)
{
    const struct hold_knowledge nothing = {0};
    struct hold_request request = {
        .check = {.has_points = true, .ask = SLURM_ASK_NONE}, .ref_kind = "", .ref_id = ""};
    struct hold_outcome outcome = {0};
    struct hold_desk *desk;
    json_t *document = NULL;

    if (call->count != 9 ||
        points_parse(call->words[2], strlen(call->words[2]), &request.check.points) != POINTS_OK) {
        error_set(err, ERROR_ARGUMENT, "jobhold needs eight words");
        return NULL;
    }
    request.check.project = call->words[1];
    request.check.user = call->words[3];
    request.key = call->words[4];
    request.ttl_us = atoll(call->words[5]) * INSTANT_SECOND_US;
    request.parts = atoll(call->words[6]);
    request.at_once = atoll(call->words[7]);
    request.source = call->words[8];
    if (hold_request_validate(&request, err) != 0) {
        return NULL;
    }
    desk = hold_desk_create(&books->daemon.conf, err);
    if (desk != NULL && hold_place(books->daemon.store, desk, &nothing, &request, 1, call->now,
                                   &outcome, err) == 0) {
        document = tell_hold(&outcome, err);
        *status = outcome.fate == HOLD_REFUSED;
        hold_outcome_release(&outcome);
    }
    hold_desk_destroy(desk);
    return document;
}

/* NULL for words that are a verb of ledgerctl. */
static json_t *other_call(const struct books *books, const struct call *call)
{
    const char *verb = call->words[0];
    struct error err = {0};
    json_t *document = NULL, *answer;
    int status = 0;

    if (books->daemon.store == NULL ||
        (strcmp(verb, "sweep") != 0 && strcmp(verb, "report") != 0 && strcmp(verb, "begin") != 0 &&
         strcmp(verb, "jobhold") != 0)) {
        return NULL;
    }
    clock_pretend(call->now);
    if (expire_due(books->daemon.store, call->now, &err) == 0) {
        document = *verb == 's'   ? sweep(books, call, &err)
                   : *verb == 'r' ? report(books, call, &err)
                   : *verb == 'b' ? begin(books, call, &err)
                                  : job_hold(books, call, &status, &err);
    }
    answer = json_pack("{s:i, s:s, s:s}", "status",
                       document == NULL ? error_exit_status(&err) : status, "reason", err.reason,
                       "text", err.text);
    json_object_set(answer, "document", document);
    json_decref(document);
    return answer;
}

static json_t *call_answer(struct books *books, const json_t *request)
{
    const char *db = json_string_value(json_object_get(request, "db"));
    struct call call = {.request = request, .input = -1};
    struct error err = {0};
    json_t *answer = NULL;

    if (db != NULL ? books_open(books, db, &err) == 0 : call_read(&call, &err) == 0) {
        answer = db != NULL ? json_pack("{s:i}", "status", 0) : other_call(books, &call);
        answer = answer != NULL ? answer : verb_call(books, &call);
    }
    if (call.input >= 0) {
        close(call.input);
    }
    return answer != NULL
               ? answer
               : json_pack("{s:i, s:s, s:s}", "status", -1, "reason", err.reason, "text", err.text);
}

int main(void)
{
    static char line[LINE_BYTES];
    struct books books = {0};

    while (fgets(line, sizeof line, stdin) != NULL) {
        json_t *request = json_loads(line, 0, NULL);
        json_t *answer = call_answer(&books, request);

        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(answer);
        json_decref(request);
    }
    session_close(&books.daemon);
    session_close(&books.report);
    return 0;
}
