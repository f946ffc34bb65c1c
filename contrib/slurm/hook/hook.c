/* hook - see hook.h. */
#include "contrib/slurm/hook/hook.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 1024 };

#define CONF_PATH "/etc/ledger/job_submit_ledger.conf"

static const int64_t look_again_us = 1000000;

static const char try_again[] = "accounting cannot be asked at the moment, try again in a minute";

static void say(const struct hook *hook, bool is_error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(const struct hook *hook, bool is_error, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    hook->log(is_error, line);
}

/* Fill the result's message, with the site's prefix. */
static void tell(const struct hook_conf *conf, struct hook_result *result, const char *message)
{
    snprintf(result->message, sizeof(result->message), "%s%s", conf->message_prefix, message);
}

static void reject(const struct hook_conf *conf, struct hook_result *result, const char *message)
{
    result->accepted = false;
    tell(conf, result, message);
}

/* --- the configuration ---------------------------------------------------------------------- */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Read the file if it is another one than was read last. Called with the lock; returns whether
 * there is something to log: error is empty if it was read well. */
static bool read_again(struct hook *hook, char error[HOOK_ERROR_BYTES])
{
    struct stat now;

    if (stat(hook->conf_path, &now) != 0) {
        memset(&now, 0, sizeof(now));
    }
    if (is_same_file(&now, &hook->seen)) {
        return false;
    }
    hook->seen = now;
    error[0] = '\0';
    if (hook_conf_load(hook->conf_path, &hook->conf, error) == 0) {
        hook->has_conf = true;
    }
    return true;
}

static void log_read(const struct hook *hook, bool had_conf, const char *error)
{
    if (error[0] == '\0') {
        say(hook, false, "%s: read", hook->conf_path);
    } else {
        say(hook, true, "%s: %s; %s", hook->conf_path, error,
            had_conf ? "the settings stay as they are" : "ledgerd is not asked");
    }
}

/* The settings for one call. False if there have never been any. */
static bool current_conf(struct hook *hook, struct hook_conf *conf)
{
    char error[HOOK_ERROR_BYTES];
    int64_t now_us = ledger_monotonic_us();
    bool was_read = false;
    bool has_conf;

    pthread_mutex_lock(&hook->lock);
    if (now_us >= hook->look_again_us) {
        hook->look_again_us = now_us + look_again_us;
        was_read = read_again(hook, error);
    }
    *conf = hook->conf;
    has_conf = hook->has_conf;
    pthread_mutex_unlock(&hook->lock);
    if (was_read) {
        log_read(hook, has_conf, error);
    }
    return has_conf;
}

void hook_init(struct hook *hook, hook_log *log)
{
    const char *path = getenv("LEDGER_HOOK_CONF");
    struct hook_conf ignored;

    *hook = (struct hook){.conf_path = path != NULL && path[0] != '\0' ? path : CONF_PATH,
                          .log = log,
                          .seen = {.st_size = -1}}; /* like no file, not even like none */
    pthread_mutex_init(&hook->lock, NULL);
    hook_conf_default(&hook->conf);
    (void)current_conf(hook, &ignored);
}

/* --- asking --------------------------------------------------------------------------------- */

static void note_answer(struct hook *hook)
{
    bool was_open;
    int64_t unheld;

    pthread_mutex_lock(&hook->lock);
    was_open = breaker_succeed(&hook->breaker);
    unheld = hook->unheld;
    hook->unheld = 0;
    hook->spent_micro = 0;
    pthread_mutex_unlock(&hook->lock);
    if (was_open || unheld > 0) {
        say(hook, false, "ledgerd answers again; %lld jobs were accepted meanwhile",
            (long long)unheld);
    }
}

static void note_trouble(struct hook *hook, const struct hook_conf *conf,
                         const struct ledger_answer *answer)
{
    bool has_opened;

    pthread_mutex_lock(&hook->lock);
    has_opened = breaker_fail(&hook->breaker, &conf->breaker, ledger_monotonic_us());
    pthread_mutex_unlock(&hook->lock);
    say(hook, true, "ledgerd gives no answer (status %d): %s%s", answer->status, answer->message,
        has_opened ? "; it is not asked for a while" : "");
}

typedef enum ledger_verdict ask_call(const struct ledger_client *client,
                                     const struct ledger_ask *ask, struct ledger_answer *answer);

/* Ask, if the breaker lets us. */
static enum ledger_verdict ask_ledgerd(struct hook *hook, const struct hook_conf *conf,
                                       ask_call *call, const struct ledger_ask *ask,
                                       struct ledger_answer *answer)
{
    struct ledger_client client = {.socket_path = conf->socket_path,
                                   .deadline_us = conf->deadline_us};
    bool may_ask;

    pthread_mutex_lock(&hook->lock);
    may_ask = breaker_allows(&hook->breaker, ledger_monotonic_us());
    pthread_mutex_unlock(&hook->lock);
    *answer = (struct ledger_answer){.verdict = LEDGER_UNAVAILABLE, .trouble = LEDGER_AWAY};
    if (!may_ask) {
        return LEDGER_UNAVAILABLE;
    }
    if (call(&client, ask, answer) == LEDGER_UNAVAILABLE) {
        note_trouble(hook, conf, answer);
    } else {
        note_answer(hook);
    }
    return answer->verdict;
}

/* --- submissions ---------------------------------------------------------------------------- */

/* Whether the budget takes this job; counts it if so. */
static bool take_risk(struct hook *hook, const struct hook_conf *conf,
                      const struct ledger_shape *shape)
{
    int64_t estimate = risk_estimate(&conf->risk, shape);
    bool is_covered;

    pthread_mutex_lock(&hook->lock);
    is_covered = risk_take(&conf->risk, &hook->spent_micro, estimate);
    hook->unheld += is_covered;
    pthread_mutex_unlock(&hook->lock);
    return is_covered;
}

static void decide_alone(struct hook *hook, const struct hook_conf *conf,
                         const struct ledger_job *job, const struct ledger_shape *shape,
                         int64_t uid, struct hook_result *result)
{
    const char *account = job->account != NULL ? job->account : "";

    if (!hook_conf_fails_open(conf, job->partition != NULL ? job->partition : "")) {
        reject(conf, result, try_again);
        say(hook, false, "a job of uid %lld, account '%.80s', was turned away without an answer",
            (long long)uid, account);
        return;
    }
    if (!take_risk(hook, conf, shape)) {
        reject(conf, result,
               "accounting cannot be asked, and as much work as may start without it has been "
               "accepted: try again in a minute");
        say(hook, true, "the risk budget is spent: a job of uid %lld, account '%.80s', was refused",
            (long long)uid, account);
        return;
    }
    result->accepted = true;
    snprintf(result->comment, sizeof(result->comment), "ledger:unheld");
    say(hook, false, "a job of uid %lld, account '%.80s', was accepted without a hold",
        (long long)uid, account);
}

static void accept_held(const struct hook_conf *conf, const struct ledger_ask *ask,
                        const struct ledger_answer *answer, struct hook_result *result)
{
    result->accepted = true;
    snprintf(result->comment, sizeof(result->comment), "ledger:hold=%s", ask->key);
    snprintf(result->qos, sizeof(result->qos), "%s", answer->downgraded_to);
    if (answer->message[0] != '\0') {
        tell(conf, result, answer->message);
    } else if (result->qos[0] != '\0') {
        char text[LEDGER_MESSAGE_BYTES];
        snprintf(text, sizeof(text), "there are not enough points: the job runs in QOS %s",
                 result->qos);
        tell(conf, result, text);
    }
}

void hook_submit(struct hook *hook, const struct ledger_job *job, int64_t uid,
                 struct hook_result *result)
{
    struct hook_conf conf;
    struct ledger_ask ask = {
        .uid = uid, .account = job->account, .qos = job->qos, .partition = job->partition};
    struct ledger_answer answer;
    char key[LEDGER_KEY_BYTES];
    bool has_conf = current_conf(hook, &conf);
    enum ledger_shape_result shaped;

    *result = (struct hook_result){.accepted = true};
    if (hook_conf_is_exempt(&conf, uid)) {
        return;
    }
    shaped = ledger_job_shape(job, &ask.shape);
    if (shaped != LEDGER_SHAPE_OK) {
        reject(&conf, result, ledger_shape_result_text(shaped));
        return;
    }
    if (!has_conf || ledger_key_make(key) != 0) {
        decide_alone(hook, &conf, job, &ask.shape, uid, result);
        return;
    }
    ask.cluster = conf.cluster;
    ask.ttl = conf.ttl;
    ask.key = key;
    switch (ask_ledgerd(hook, &conf, ledger_hold, &ask, &answer)) {
    case LEDGER_ALLOWED:
        accept_held(&conf, &ask, &answer, result);
        break;
    case LEDGER_REFUSED:
        reject(&conf, result, answer.message);
        break;
    case LEDGER_UNAVAILABLE:
        decide_alone(hook, &conf, job, &ask.shape, uid, result);
        break;
    }
}

/* --- longer time limits --------------------------------------------------------------------- */

void hook_modify(struct hook *hook, const char *job_id, int64_t seconds, int64_t uid,
                 bool is_operator, struct hook_result *result)
{
    struct hook_conf conf;
    struct ledger_ask ask = {.uid = uid, .modifies = job_id, .shape = {.seconds = seconds}};
    struct ledger_answer answer;
    bool has_conf = current_conf(hook, &conf);
    enum ledger_verdict verdict = LEDGER_UNAVAILABLE;

    *result = (struct hook_result){.accepted = true};
    if (hook_conf_is_exempt(&conf, uid)) {
        return;
    }
    ask.cluster = conf.cluster;
    ask.ttl = conf.ttl;
    if (has_conf) {
        verdict = ask_ledgerd(hook, &conf, ledger_modify, &ask, &answer);
    }
    if (verdict == LEDGER_ALLOWED) {
        if (answer.message[0] != '\0') {
            tell(&conf, result, answer.message);
        }
    } else if (verdict == LEDGER_REFUSED && strcmp(answer.code, "unknown_job") != 0) {
        reject(&conf, result, answer.message);
    } else if (!is_operator) {
        reject(&conf, result,
               verdict == LEDGER_REFUSED
                   ? "accounting does not know this job yet, try again in a minute"
                   : try_again);
    }
    if (!result->accepted) { /* not every scontrol shows its user the message */
        say(hook, false, "job %.40s keeps its time limit, asked by uid %lld: %s", job_id,
            (long long)uid, result->message);
    }
}
