/* hook_conf - see hook_conf.h. Every setting stands in one table: its name, its reader, its place.
 */
#include "contrib/slurm/hook/hook_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND_US INT64_C(1000000)

static const int64_t deadline_min_us = 1000;
static const int64_t deadline_max_us = 10 * SECOND_US; /* slurmctld waits for us */
static const int64_t pause_max_us = 3600 * SECOND_US;
static const int64_t time_max_us = 366 * 86400 * SECOND_US;

/* A key's value between blanks. */
struct value {
    const char *bytes;
    size_t length;
};

static bool read_digits(struct value *value, int64_t *number)
{
    size_t i = 0;

    for (*number = 0; i < value->length && value->bytes[i] >= '0' && value->bytes[i] <= '9'; i++) {
        *number = *number * 10 + (value->bytes[i] - '0');
        if (*number > LEDGER_COUNT_MAX) {
            return false;
        }
    }
    value->bytes += i;
    value->length -= i;
    return i > 0;
}

static bool value_is(struct value value, const char *text)
{
    return value.length == strlen(text) && memcmp(value.bytes, text, value.length) == 0;
}

static bool read_number(struct value value, int64_t *number)
{
    return read_digits(&value, number) && value.length == 0;
}

static bool read_duration(struct value value, int64_t *us)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {{"ms", 1000},
                 {"s", SECOND_US},
                 {"m", 60 * SECOND_US},
                 {"h", 3600 * SECOND_US},
                 {"d", 86400 * SECOND_US}};
    int64_t number;

    if (!read_digits(&value, &number)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (value_is(value, units[i].name)) {
            return !__builtin_mul_overflow(number, units[i].us, us);
        }
    }
    return false;
}

/* Points with up to six fraction digits. */
static bool read_points(struct value value, int64_t *micro)
{
    int64_t whole;
    int64_t fraction = 0;
    size_t digits;

    if (!read_digits(&value, &whole)) {
        return false;
    }
    if (value.length > 0) {
        if (value.bytes[0] != '.') {
            return false;
        }
        value.bytes++;
        value.length--;
        digits = value.length;
        if (digits > 6 || !read_number(value, &fraction)) {
            return false;
        }
        for (; digits < 6; digits++) {
            fraction *= 10;
        }
    }
    *micro = whole * SECOND_US + fraction; /* below 2^63: whole has twelve digits */
    return true;
}

static bool copy_text(struct value value, char *text, size_t size)
{
    if (value.length == 0 || value.length >= size) {
        return false;
    }
    memcpy(text, value.bytes, value.length);
    text[value.length] = '\0';
    return true;
}

static bool read_posture(struct value value, bool *fails_open)
{
    *fails_open = value_is(value, "open");
    return *fails_open || value_is(value, "closed");
}

static bool set_socket(struct hook_conf *conf, struct value value)
{
    return copy_text(value, conf->socket_path, sizeof(conf->socket_path)) && value.bytes[0] == '/';
}

static bool set_cluster(struct hook_conf *conf, struct value value)
{
    return copy_text(value, conf->cluster, sizeof(conf->cluster));
}

static bool set_deadline(struct hook_conf *conf, struct value value)
{
    return read_duration(value, &conf->deadline_us) && conf->deadline_us >= deadline_min_us &&
           conf->deadline_us <= deadline_max_us;
}

static bool set_failures(struct hook_conf *conf, struct value value)
{
    return read_number(value, &conf->breaker.failures) && conf->breaker.failures > 0;
}

static bool set_pause(struct hook_conf *conf, struct value value)
{
    return read_duration(value, &conf->breaker.pause_us) && conf->breaker.pause_us <= pause_max_us;
}

static bool set_ttl(struct hook_conf *conf, struct value value)
{
    int64_t us;

    return read_duration(value, &us) && us >= SECOND_US &&
           copy_text(value, conf->ttl, sizeof(conf->ttl));
}

static bool set_fail(struct hook_conf *conf, struct value value)
{
    return read_posture(value, &conf->fails_open);
}

static bool set_budget(struct hook_conf *conf, struct value value)
{
    return read_points(value, &conf->risk.budget_micro);
}

static bool set_gpu_hour(struct hook_conf *conf, struct value value)
{
    return read_points(value, &conf->risk.gpu_hour_micro);
}

static bool set_cpu_hour(struct hook_conf *conf, struct value value)
{
    return read_points(value, &conf->risk.cpu_hour_micro);
}

static bool set_node_hour(struct hook_conf *conf, struct value value)
{
    return read_points(value, &conf->risk.node_hour_micro);
}

static bool set_risk_time(struct hook_conf *conf, struct value value)
{
    int64_t us;

    if (!read_duration(value, &us) || us > time_max_us) {
        return false;
    }
    conf->risk.seconds = us / SECOND_US;
    return true;
}

static bool set_uids(struct hook_conf *conf, struct value value)
{
    for (conf->uid_count = 0; value.length > 0; conf->uid_count++) {
        if (conf->uid_count == HOOK_UIDS_MAX ||
            !read_digits(&value, &conf->uids[conf->uid_count])) {
            return false;
        }
        if (value.length > 0 && (value.bytes[0] != ',' || value.length == 1)) {
            return false;
        }
        value.bytes += value.length > 0;
        value.length -= value.length > 0;
    }
    return conf->uid_count > 0;
}

static bool set_prefix(struct hook_conf *conf, struct value value)
{
    if (!copy_text(value, conf->message_prefix, sizeof(conf->message_prefix) - 1)) {
        return false;
    }
    memcpy(conf->message_prefix + value.length, " ", 2);
    return true;
}

static bool set_partition(struct hook_conf *conf, struct value name, struct value value)
{
    struct hook_partition *partition = &conf->partitions[conf->partition_count];

    if (conf->partition_count == HOOK_PARTITIONS_MAX ||
        !copy_text(name, partition->name, sizeof(partition->name)) ||
        !read_posture(value, &partition->fails_open)) {
        return false;
    }
    conf->partition_count++;
    return true;
}

static const struct setting {
    const char *name;
    bool (*set)(struct hook_conf *conf, struct value value);
    const char *wanted;
} settings[] = {
    {"socket", set_socket, "the full path of a Unix socket, below 108 bytes"},
    {"cluster", set_cluster, "a cluster's name"},
    {"deadline", set_deadline, "a duration from 1ms to 10s"},
    {"breaker_failures", set_failures, "a number above 0"},
    {"breaker_pause", set_pause, "a duration of at most 1h"},
    {"ttl", set_ttl, "a duration of at least 1s"},
    {"fail", set_fail, "open or closed"},
    {"risk_budget", set_budget, "points, with at most six fraction digits"},
    {"risk.gpu_hour", set_gpu_hour, "points, with at most six fraction digits"},
    {"risk.cpu_hour", set_cpu_hour, "points, with at most six fraction digits"},
    {"risk.node_hour", set_node_hour, "points, with at most six fraction digits"},
    {"risk.time", set_risk_time, "a duration of at most 366d"},
    {"exempt_uids", set_uids, "numbers of users with commas between them, at most 32"},
    {"message_prefix", set_prefix, "a short text"},
};

static int fail(char error[HOOK_ERROR_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fail(char error[HOOK_ERROR_BYTES], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, HOOK_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return -1;
}

static struct value trimmed(const char *bytes, const char *end)
{
    while (bytes < end && strchr(" \t\r", *bytes) != NULL) {
        bytes++;
    }
    while (end > bytes && strchr(" \t\r", end[-1]) != NULL) {
        end--;
    }
    return (struct value){bytes, (size_t)(end - bytes)};
}

static int set_key(struct hook_conf *conf, struct value key, struct value value, int line,
                   char error[HOOK_ERROR_BYTES])
{
    if (key.length >= 5 && memcmp(key.bytes, "fail.", 5) == 0) {
        struct value name = {key.bytes + 5, key.length - 5};
        return set_partition(conf, name, value)
                   ? 0
                   : fail(error, "line %d: fail.PARTITION must be open or closed, for at most %d",
                          line, HOOK_PARTITIONS_MAX);
    }
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (value_is(key, settings[i].name)) {
            return settings[i].set(conf, value) ? 0
                                                : fail(error, "line %d: %s must be %s", line,
                                                       settings[i].name, settings[i].wanted);
        }
    }
    return fail(error, "line %d: there is no setting %.*s", line,
                (int)(key.length < 60 ? key.length : 60), key.bytes);
}

static int read_line(const char *text, const char *end, int line, struct hook_conf *conf,
                     char error[HOOK_ERROR_BYTES])
{
    struct value all = trimmed(text, end);
    const char *equals;

    if (all.length == 0 || all.bytes[0] == '#') {
        return 0;
    }
    equals = memchr(all.bytes, '=', all.length);
    if (equals == NULL) {
        return fail(error, "line %d: is not \"key = value\"", line);
    }
    return set_key(conf, trimmed(all.bytes, equals), trimmed(equals + 1, end), line, error);
}

static int check_whole(const struct hook_conf *conf, char error[HOOK_ERROR_BYTES])
{
    if (conf->cluster[0] == '\0') {
        return fail(error, "cluster is missing");
    }
    if (conf->risk.budget_micro != -1 && conf->risk.gpu_hour_micro == 0 &&
        conf->risk.cpu_hour_micro == 0 && conf->risk.node_hour_micro == 0) {
        return fail(error, "risk_budget needs prices: risk.gpu_hour, risk.cpu_hour");
    }
    return 0;
}

void hook_conf_default(struct hook_conf *conf)
{
    *conf = (struct hook_conf){.socket_path = "/run/ledger/ledgerd.sock",
                               .ttl = "1h",
                               .deadline_us = 50 * 1000,
                               .breaker = {.failures = 3, .pause_us = 10 * SECOND_US},
                               .risk = {.budget_micro = -1, .seconds = 86400},
                               .fails_open = true};
}

int hook_conf_parse(const char *text, struct hook_conf *conf, char error[HOOK_ERROR_BYTES])
{
    struct hook_conf read;
    int line = 1;

    hook_conf_default(&read);
    for (const char *at = text; *at != '\0'; line++) {
        const char *end = at + strcspn(at, "\n");
        if (read_line(at, end, line, &read, error) != 0) {
            return -1;
        }
        at = end + (*end != '\0');
    }
    if (check_whole(&read, error) != 0) {
        return -1;
    }
    *conf = read;
    return 0;
}

static ssize_t read_whole(int descriptor, char *bytes, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t got = read(descriptor, bytes + used, size - used);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        used += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)used;
}

int hook_conf_load(const char *path, struct hook_conf *conf, char error[HOOK_ERROR_BYTES])
{
    char text[HOOK_CONF_BYTES];
    struct stat status;
    ssize_t length = -1;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (descriptor == -1) {
        return fail(error, "%m");
    }
    if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) {
        length = read_whole(descriptor, text, sizeof(text));
    }
    close(descriptor);
    if (length < 0 || length == (ssize_t)sizeof(text)) {
        return fail(error, "is no readable file of less than %d bytes", HOOK_CONF_BYTES);
    }
    text[length] = '\0';
    if (strlen(text) != (size_t)length) {
        return fail(error, "has a NUL byte");
    }
    return hook_conf_parse(text, conf, error);
}

bool hook_conf_fails_open(const struct hook_conf *conf, const char *partitions)
{
    bool all_open = true;
    bool any_named = false;

    for (const char *at = partitions; *at != '\0';) {
        size_t length = strcspn(at, ",");
        bool is_open = conf->fails_open;
        for (size_t i = 0; i < conf->partition_count; i++) {
            if (value_is((struct value){at, length}, conf->partitions[i].name)) {
                is_open = conf->partitions[i].fails_open;
            }
        }
        all_open = all_open && is_open;
        any_named = true;
        at += length + (at[length] != '\0');
    }
    return any_named ? all_open : conf->fails_open;
}

bool hook_conf_is_exempt(const struct hook_conf *conf, int64_t uid)
{
    for (size_t i = 0; i < conf->uid_count; i++) {
        if (conf->uids[i] == uid) {
            return true;
        }
    }
    return false;
}
