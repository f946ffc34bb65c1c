/* conf - see conf.h. To add a setting, add a field to struct conf and a line to the table. */
#include "ledgerd/base/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/conf_address.h"
#include "ledgerd/base/ini.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/parse.h"

enum setting_type {
    SETTING_TEXT,     /* char * */
    SETTING_COUNT,    /* int in [least, most] */
    SETTING_BYTES,    /* int64_t in [least, most] */
    SETTING_DURATION, /* int64_t microseconds; least and most are seconds */
    SETTING_LISTEN,   /* the list of addresses, separated by white space or commas */
    SETTING_LEVEL,
    SETTING_FORMAT,
    SETTING_AUTH,
    SETTING_CLASS,
    SETTING_PROJECT,
    SETTING_NOT_YET, /* known, but its part is not built */
    /* Of the section's source: `offset` is in struct conf_source, the default in source_init. */
    SETTING_SOURCE_DURATION,
    SETTING_SOURCE_TEXT,
    SETTING_SOURCE_INSTANT,
    SETTING_SOURCE_SHARE,
    SETTING_SOURCE_MODE,
    SETTING_SOURCE_ENFORCE,
    SETTING_SOURCE_AGGREGATE, /* checked, nothing to store while there is one choice */
};

/* Sections: "name", or "name *" for [name ANYTHING]. Keys: "key", or "key.*" for key.ANYTHING. */
struct setting {
    const char *section;
    const char *key;
    enum setting_type type;
    size_t offset;        /* in struct conf, or struct conf_source */
    const char *standard; /* default, as it would be written; NULL for none */
    int64_t least, most;
};

#define AT(field) offsetof(struct conf, field)
#define OF_SOURCE(field) offsetof(struct conf_source, field)
#define DAY_SECONDS 86400
#define HOUR_SECONDS 3600
#define LAG_SECONDS_MAX (366 * DAY_SECONDS)

enum { SHARE_DIGITS = 6, SHARE_WHOLE_PPM = 1000000 };

static const struct setting settings[] = {
    {"database", "url", SETTING_TEXT, AT(database_url), "", 0, 0},
    {"database", "connections", SETTING_COUNT, AT(database_connections), "4", 1, 1000},
    {"http", "listen", SETTING_LISTEN, AT(listen), "127.0.0.1:8080", 0, 0},
    {"http", "unix", SETTING_TEXT, AT(unix_path), "", 0, 0},
    {"http", "threads", SETTING_COUNT, AT(http_threads), "1", 1, 256},
    {"http", "max_connections", SETTING_COUNT, AT(http_max_connections), "2000", 1, 1000000},
    {"http", "max_body_bytes", SETTING_BYTES, AT(http_max_body_bytes), "8388608", 1024, 1 << 30},
    {"http", "idle_timeout", SETTING_DURATION, AT(http_idle_timeout_us), "30s", 1, DAY_SECONDS},
    {"http", "max_staleness", SETTING_DURATION, AT(http_max_staleness_us), "60s", 1, DAY_SECONDS},
    {"http", "tls_certificate", SETTING_TEXT, AT(http_tls_certificate), "", 0, 0},
    {"http", "tls_key", SETTING_TEXT, AT(http_tls_key), "", 0, 0},
    {"auth", "mode", SETTING_AUTH, 0, NULL, 0, 0},
    {"auth", "jwks", SETTING_NOT_YET, 0, NULL, 0, 0},
    {"auth", "issuer", SETTING_NOT_YET, 0, NULL, 0, 0},
    {"auth", "audience", SETTING_NOT_YET, 0, NULL, 0, 0},
    {"auth", "unix_uids", SETTING_TEXT, AT(auth_unix_uids), "", 0, 0},
    {"checkpoint", "key", SETTING_TEXT, AT(checkpoint_key), "", 0, 0},
    {"checkpoint", "public_key", SETTING_TEXT, AT(checkpoint_public_key), "", 0, 0},
    {"log", "level", SETTING_LEVEL, AT(log_level), "info", 0, 0},
    {"log", "format", SETTING_FORMAT, AT(log_json), "logfmt", 0, 0},
    {"slurm *", "partition.*", SETTING_CLASS, 0, NULL, 0, 0},
    {"slurm *", "account.*", SETTING_PROJECT, 0, NULL, 0, 0},
    {"slurm *", "mode", SETTING_SOURCE_MODE, OF_SOURCE(mode), NULL, 0, 0},
    {"slurm *", "interval", SETTING_SOURCE_DURATION, OF_SOURCE(interval_us), NULL, 1, DAY_SECONDS},
    {"slurm *", "overlap", SETTING_SOURCE_DURATION, OF_SOURCE(overlap_us), NULL, 0,
     LAG_SECONDS_MAX},
    {"slurm *", "timeout", SETTING_SOURCE_DURATION, OF_SOURCE(timeout_us), NULL, 1, DAY_SECONDS},
    {"slurm *", "lag", SETTING_SOURCE_DURATION, OF_SOURCE(lag_us), NULL, 0, LAG_SECONDS_MAX},
    {"slurm *", "command", SETTING_SOURCE_TEXT, OF_SOURCE(command), NULL, 0, 0},
    {"slurm *", "url", SETTING_SOURCE_TEXT, OF_SOURCE(url), NULL, 0, 0},
    {"slurm *", "token_file", SETTING_SOURCE_TEXT, OF_SOURCE(token_file), NULL, 0, 0},
    {"slurm *", "since", SETTING_SOURCE_INSTANT, OF_SOURCE(since), NULL, 0, 0},
    {"slurm *", "enforce", SETTING_SOURCE_ENFORCE, OF_SOURCE(enforce), NULL, 0, 0},
    {"slurm *", "pending_share", SETTING_SOURCE_SHARE, OF_SOURCE(pending_share_ppm), NULL, 0, 0},
    {"slurm *", "pending_ttl", SETTING_SOURCE_DURATION, OF_SOURCE(pending_ttl_us), NULL, 0,
     LAG_SECONDS_MAX},
    {"tokens *", "model.*", SETTING_CLASS, 0, NULL, 0, 0},
    {"tokens *", "mode", SETTING_SOURCE_MODE, OF_SOURCE(mode), NULL, 0, 0},
    {"tokens *", "path", SETTING_SOURCE_TEXT, OF_SOURCE(path), NULL, 0, 0},
    {"tokens *", "url", SETTING_SOURCE_TEXT, OF_SOURCE(url), NULL, 0, 0},
    {"tokens *", "token_file", SETTING_SOURCE_TEXT, OF_SOURCE(token_file), NULL, 0, 0},
    {"tokens *", "timeout", SETTING_SOURCE_DURATION, OF_SOURCE(timeout_us), NULL, 1, DAY_SECONDS},
    {"tokens *", "format", SETTING_SOURCE_TEXT, OF_SOURCE(format), NULL, 0, 0},
    {"tokens *", "project", SETTING_SOURCE_TEXT, OF_SOURCE(project), NULL, 0, 0},
    {"tokens *", "user", SETTING_SOURCE_TEXT, OF_SOURCE(user), NULL, 0, 0},
    {"tokens *", "interval", SETTING_SOURCE_DURATION, OF_SOURCE(interval_us), NULL, 1, DAY_SECONDS},
    {"tokens *", "lag", SETTING_SOURCE_DURATION, OF_SOURCE(lag_us), NULL, 0, LAG_SECONDS_MAX},
    {"tokens *", "aggregate", SETTING_SOURCE_AGGREGATE, 0, NULL, 0, 0},
};

enum { SETTING_COUNT_ALL = sizeof settings / sizeof settings[0] };

/* The part of `text` that the pattern's final star stands for, "" where it has none; NULL if it
 * does not match. */
static const char *pattern_match(const char *pattern, const char *text)
{
    size_t length = strlen(pattern);

    if (length == 0 || pattern[length - 1] != '*') {
        return strcmp(pattern, text) == 0 ? "" : NULL;
    }
    if (strncmp(pattern, text, length - 1) != 0 || text[length - 1] == '\0') {
        return NULL;
    }
    return text + length - 1;
}

static bool section_is_known(const char *section)
{
    for (size_t i = 0; i < SETTING_COUNT_ALL; i++) {
        if (pattern_match(settings[i].section, section) != NULL) {
            return true;
        }
    }
    return false;
}

static const struct setting *setting_find(const char *section, const char *key)
{
    for (size_t i = 0; i < SETTING_COUNT_ALL; i++) {
        if (pattern_match(settings[i].section, section) != NULL &&
            pattern_match(settings[i].key, key) != NULL) {
            return &settings[i];
        }
    }
    return NULL;
}

/* Storing values: each returns NULL, or what is wrong with the value.
 * ------------------------------- */

static const char *store_text(char **field, const char *value)
{
    char *copy = strdup(value);

    if (copy == NULL) {
        return "out of memory";
    }
    free(*field);
    *field = copy;
    return NULL;
}

static const char *store_number(const struct setting *setting, const char *value, int64_t *number)
{
    uint64_t read;

    if (setting->type == SETTING_DURATION) {
        if (parse_duration(value, strlen(value), number) != 0 ||
            *number < setting->least * INSTANT_SECOND_US ||
            *number > setting->most * INSTANT_SECOND_US) {
            return "must be a duration like 250ms, 30s or 15m, from 1s to 1d";
        }
        return NULL;
    }
    if (parse_u64(value, strlen(value), (uint64_t)setting->most, &read) != 0 ||
        read < (uint64_t)setting->least) {
        return "must be a whole number within its limits";
    }
    *number = (int64_t)read;
    return NULL;
}

static const char *store_listen(struct conf *conf, const char *value)
{
    conf->listen_count = 0;
    while (*(value += strspn(value, " \t,")) != '\0') {
        char one[CONF_HOST_BYTES + 16];
        size_t length = strcspn(value, " \t,");

        if (conf->listen_count == CONF_LISTEN_MAX) {
            return "lists too many addresses";
        }
        if (length >= sizeof one) {
            return "must be HOST:PORT";
        }
        memcpy(one, value, length);
        one[length] = '\0';
        if (conf_address_parse(one, &conf->listen[conf->listen_count]) != 0) {
            return "must be HOST:PORT";
        }
        conf->listen_count++;
        value += length;
    }
    return NULL;
}

static const char *store_level(enum log_level *level, const char *value)
{
    static const char *const names[] = {
        [LOG_LEVEL_DEBUG] = "debug",
        [LOG_LEVEL_INFO] = "info",
        [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_ERROR] = "error",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], value) == 0) {
            *level = (enum log_level)i;
            return NULL;
        }
    }
    return "must be debug, info, warning or error";
}

static int name_compare(const void *a, const void *b)
{
    const struct conf_name *x = a, *y = b;
    int order = (int)x->kind - (int)y->kind;

    if (order == 0) {
        order = strcmp(x->source, y->source);
    }
    return order != 0 ? order : strcmp(x->name, y->name);
}

/* [slurm CLUSTER] is of the source "slurm:CLUSTER"; [tokens SOURCE] names it in full. NULL for any
 * other section, or out of memory. */
static char *source_name(const char *section)
{
    const char *cluster = pattern_match("slurm *", section);
    const char *source = pattern_match("tokens *", section);
    char *name = NULL;

    if (cluster != NULL) {
        return asprintf(&name, "slurm:%s", cluster) < 0 ? NULL : name;
    }
    return source != NULL ? strdup(source) : NULL;
}

static bool section_is_source(const char *section)
{
    return pattern_match("slurm *", section) != NULL || pattern_match("tokens *", section) != NULL;
}

/* A source with its defaults, which owns `name`. -1 if out of memory, with the name freed. */
static int source_init(struct conf_source *source, char *name, bool is_slurm)
{
    *source = (struct conf_source){
        .name = name,
        .lag_us = (is_slurm ? DAY_SECONDS : HOUR_SECONDS) * INSTANT_SECOND_US,
        .interval_us = (is_slurm ? 60 : 10) * INSTANT_SECOND_US,
        .overlap_us = HOUR_SECONDS * INSTANT_SECOND_US,
        .command = strdup(""),
        .url = strdup(""),
        .token_file = strdup(""),
        .path = strdup(""),
        .format = strdup("ledger"),
        .project = strdup(""),
        .user = strdup(""),
        .timeout_us = (is_slurm ? 300 : 60) * INSTANT_SECOND_US,
        .since = INSTANT_NONE,
        .enforce_qos = strdup(""),
        .pending_share_ppm = SHARE_WHOLE_PPM,
    };
    if (source->command == NULL || source->url == NULL || source->token_file == NULL ||
        source->enforce_qos == NULL || source->path == NULL || source->format == NULL ||
        source->project == NULL || source->user == NULL) {
        conf_source_release(source);
        return -1;
    }
    return 0;
}

/* The source of a section, added with its defaults when the section is met first. */
static struct conf_source *source_take(struct conf *conf, const char *section)
{
    char *name = source_name(section);
    struct conf_source *sources;

    for (size_t i = 0; name != NULL && i < conf->source_count; i++) {
        if (strcmp(conf->sources[i].name, name) == 0) {
            free(name);
            return &conf->sources[i];
        }
    }
    sources = name == NULL ? NULL
                           : realloc(conf->sources, (conf->source_count + 1) * sizeof *sources);
    if (sources == NULL) {
        free(name);
        return NULL;
    }
    conf->sources = sources;
    if (source_init(&sources[conf->source_count], name, section[0] == 's') != 0) {
        return NULL;
    }
    return &sources[conf->source_count++];
}

static const char *store_duration(const struct setting *setting, const char *value, int64_t *field)
{
    int64_t us;

    if (parse_duration(value, strlen(value), &us) != 0 || us < setting->least * INSTANT_SECOND_US ||
        us > setting->most * INSTANT_SECOND_US) {
        return setting->most > DAY_SECONDS ? "must be a duration like 30m, 1h or 2d, up to 366d"
                                           : "must be a duration like 30s or 15m, from 1s to 1d";
    }
    *field = us;
    return NULL;
}

static const char *store_mode(struct conf_source *source, bool is_slurm, const char *value)
{
    static const struct {
        const char *name;
        enum conf_pull mode;
        bool is_slurm;
    } modes[] = {
        {"sacct", CONF_PULL_SACCT, true},
        {"slurmrestd", CONF_PULL_SLURMRESTD, true},
        {"file", CONF_PULL_FILE, false},
        {"http", CONF_PULL_HTTP, false},
    };

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (modes[i].is_slurm == is_slurm && strcmp(modes[i].name, value) == 0) {
            source->mode = modes[i].mode;
            return NULL;
        }
    }
    return is_slurm ? "must be sacct or slurmrestd" : "must be file or http";
}

static const char *check_aggregate(const char *value)
{
    if (strcmp(value, "minute") == 0) {
        return "minute is not yet possible: this version books each record";
    }
    return strcmp(value, "none") == 0 ? NULL : "must be none or minute";
}

static const char *store_enforce(struct conf_source *source, const char *value)
{
    const char *qos = pattern_match("requeue:*", value);

    if (strcmp(value, "none") == 0) {
        source->enforce = CONF_ENFORCE_NONE;
    } else if (strcmp(value, "hold") == 0) {
        source->enforce = CONF_ENFORCE_HOLD;
    } else if (qos != NULL) {
        source->enforce = CONF_ENFORCE_REQUEUE;
        return store_text(&source->enforce_qos, qos);
    } else {
        return "must be none, hold or requeue:QOS";
    }
    return NULL;
}

/* "1", "0.25": parts of a million, at most the whole. */
static const char *store_share(const char *value, int64_t *ppm)
{
    static const char wrong[] = "must be a fraction from 0 to 1 with at most six digits, like 0.5";
    size_t whole = strcspn(value, "."), digits = 0;
    uint64_t integer, fraction = 0;

    if (value[whole] == '.') {
        digits = strlen(value + whole + 1);
        if (digits > SHARE_DIGITS ||
            parse_u64(value + whole + 1, digits, SHARE_WHOLE_PPM, &fraction) != 0) {
            return wrong;
        }
    }
    for (; digits < SHARE_DIGITS; digits++) {
        fraction *= 10;
    }
    if (parse_u64(value, whole, 1, &integer) != 0 ||
        integer * SHARE_WHOLE_PPM + fraction > SHARE_WHOLE_PPM) {
        return wrong;
    }
    *ppm = (int64_t)(integer * SHARE_WHOLE_PPM + fraction);
    return NULL;
}

static const char *store_of_source(struct conf *conf, const struct setting *setting,
                                   const char *section, const char *value)
{
    struct conf_source *source = source_take(conf, section);
    char *field;

    if (source == NULL) {
        return "out of memory";
    }
    field = (char *)source + setting->offset;
    switch (setting->type) {
    case SETTING_SOURCE_DURATION:
        return store_duration(setting, value, (int64_t *)field);
    case SETTING_SOURCE_TEXT:
        return store_text((char **)field, value);
    case SETTING_SOURCE_INSTANT:
        return parse_rfc3339(value, strlen(value), (struct instant *)field) == 0
                   ? NULL
                   : "must be an RFC 3339 time with offset, like 2027-06-01T00:00:00+09:00";
    case SETTING_SOURCE_SHARE:
        return store_share(value, (int64_t *)field);
    case SETTING_SOURCE_MODE:
        return store_mode(source, pattern_match("slurm *", section) != NULL, value);
    case SETTING_SOURCE_ENFORCE:
        return store_enforce(source, value);
    case SETTING_SOURCE_AGGREGATE:
        return check_aggregate(value);
    default:
        return "is of no known type";
    }
}

static const char *store_name(struct conf *conf, const struct setting *setting, const char *section,
                              const char *key, const char *value)
{
    const char *source = pattern_match(setting->section, section);
    struct conf_name name = {.kind = setting->type == SETTING_CLASS ? CONF_NAME_CLASS
                                                                    : CONF_NAME_PROJECT};
    struct conf_name *names;
    int made;

    if (value[0] == '\0') {
        return "must not be empty";
    }
    if (conf->name_count == CONF_NAMES_MAX) {
        return "is one mapped name too many";
    }
    names = realloc(conf->names, (conf->name_count + 1) * sizeof *names);
    if (names == NULL) {
        return "out of memory";
    }
    conf->names = names;
    made = asprintf(&name.source, "%s%s", setting->section[0] == 's' ? "slurm:" : "", source);
    name.name = strdup(pattern_match(setting->key, key));
    name.means = strdup(value);
    if (made < 0 || name.name == NULL || name.means == NULL) {
        free(made < 0 ? NULL : name.source);
        free(name.name);
        free(name.means);
        return "out of memory";
    }
    conf->names[conf->name_count++] = name;
    return NULL;
}

static const char *store_value(struct conf *conf, const struct setting *setting,
                               const char *section, const char *key, const char *value)
{
    char *field = (char *)conf + setting->offset;
    int64_t number = 0;
    const char *wrong;

    switch (setting->type) {
    case SETTING_TEXT:
        return store_text((char **)field, value);
    case SETTING_COUNT:
        wrong = store_number(setting, value, &number);
        *(int *)field = (int)number;
        return wrong;
    case SETTING_BYTES:
    case SETTING_DURATION:
        return store_number(setting, value, (int64_t *)field);
    case SETTING_LISTEN:
        return store_listen(conf, value);
    case SETTING_LEVEL:
        return store_level(&conf->log_level, value);
    case SETTING_FORMAT:
        conf->log_json = strcmp(value, "json") == 0;
        return conf->log_json || strcmp(value, "logfmt") == 0 ? NULL : "must be logfmt or json";
    case SETTING_AUTH:
        conf->auth_mode = strcmp(value, "none") == 0 ? CONF_AUTH_NONE : CONF_AUTH_REQUIRED;
        return conf->auth_mode == CONF_AUTH_NONE || strcmp(value, "required") == 0
                   ? NULL
                   : "must be required or none";
    case SETTING_CLASS:
    case SETTING_PROJECT:
        return store_name(conf, setting, section, key, value);
    case SETTING_SOURCE_DURATION:
    case SETTING_SOURCE_TEXT:
    case SETTING_SOURCE_INSTANT:
    case SETTING_SOURCE_SHARE:
    case SETTING_SOURCE_MODE:
    case SETTING_SOURCE_ENFORCE:
    case SETTING_SOURCE_AGGREGATE:
        return store_of_source(conf, setting, section, value);
    case SETTING_NOT_YET:
        break;
    }
    return "is not yet possible: this version does not have its part";
}

/* Reading.
 * ----------------------------------------------------------------------------------------- */

static int defaults_store(struct conf *conf, struct error *err)
{
    *conf = (struct conf){0};
    for (size_t i = 0; i < SETTING_COUNT_ALL; i++) {
        const struct setting *setting = &settings[i];
        const char *wrong = setting->standard == NULL
                                ? NULL
                                : store_value(conf, setting, setting->section, setting->key,
                                              setting->standard);
        if (wrong != NULL) {
            return error_set(err, ERROR_INTERNAL, "default of %s %s %s", setting->section,
                             setting->key, wrong);
        }
    }
    return 0;
}

/* One setting of the file. `given` counts the plain ones, to find those that are there twice. */
static int setting_take(struct conf *conf, const struct ini *ini, bool *given, struct error *err)
{
    const struct setting *setting = setting_find(ini->section, ini->key);
    const char *wrong;

    if (setting == NULL) {
        return ini_error(ini, err, "section [%.60s] has no setting '%.60s'", ini->section,
                         ini->key);
    }
    if (strchr(setting->section, '*') == NULL) {
        if (given[setting - settings]) {
            return ini_error(ini, err, "%s is set twice", ini->key);
        }
        given[setting - settings] = true;
    }
    wrong = store_value(conf, setting, ini->section, ini->key, ini->value);
    if (wrong != NULL) {
        return ini_error(ini, err, "%.60s %s", ini->key, wrong);
    }
    return 0;
}

/* Sort the names for conf_name_find; two lines for one name contradict each other. */
static int names_sort(struct conf *conf, const char *file, struct error *err)
{
    if (conf->name_count == 0) {
        return 0;
    }
    qsort(conf->names, conf->name_count, sizeof conf->names[0], name_compare);
    for (size_t i = 1; i < conf->name_count; i++) {
        if (name_compare(&conf->names[i - 1], &conf->names[i]) == 0) {
            return error_set(err, ERROR_INPUT, "%s: '%.200s' of %s is mapped twice", file,
                             conf->names[i].name, conf->names[i].source);
        }
    }
    return 0;
}

static int lines_read(struct conf *conf, struct ini *ini, struct error *err)
{
    bool given[SETTING_COUNT_ALL] = {false};
    enum ini_kind kind;

    do {
        if (ini_next(ini, &kind, err) != 0) {
            return -1;
        }
        if (kind == INI_SECTION && !section_is_known(ini->section)) {
            return ini_error(ini, err, "unknown section [%.60s]", ini->section);
        }
        if (kind == INI_SECTION && section_is_source(ini->section) &&
            source_take(conf, ini->section) == NULL) {
            return error_set(err, ERROR_INTERNAL, "out of memory for %s", ini->name);
        }
        if (kind == INI_SETTING && setting_take(conf, ini, given, err) != 0) {
            return -1;
        }
    } while (kind != INI_END);
    return names_sort(conf, ini->name, err);
}

int conf_parse(const char *name, const char *text, struct conf *conf, struct error *err)
{
    struct ini *ini = malloc(sizeof *ini);
    int result = -1;

    if (ini == NULL) {
        *conf = (struct conf){0};
        return error_set(err, ERROR_INTERNAL, "out of memory for %s", name);
    }
    ini_begin(ini, name, text);
    if (defaults_store(conf, err) == 0) {
        result = lines_read(conf, ini, err);
    }
    free(ini);
    if (result != 0) {
        conf_release(conf);
    }
    return result;
}
