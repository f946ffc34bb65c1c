/* conf_load - a configuration from its file and the environment, and looking things up in it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/ini.h"

/* The file's text, to be freed; NULL on error. */
static char *file_read(const char *path, struct error *err)
{
    FILE *file = fopen(path, "re");
    char *text = malloc(INI_FILE_BYTES + 1);
    size_t length = 0;
    bool failed = file == NULL;
    int number = errno;

    if (file != NULL && text != NULL) {
        length = fread(text, 1, INI_FILE_BYTES + 1, file);
        failed = ferror(file) != 0;
        number = errno;
    }
    if (file != NULL) {
        fclose(file);
    }
    if (text == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory for %s", path);
        return NULL;
    }
    if (failed) {
        error_set(err, ERROR_INPUT, "cannot read %s: %s", path, strerror(number));
    } else if (length > INI_FILE_BYTES) {
        error_set(err, ERROR_INPUT, "%s is larger than %d bytes", path, INI_FILE_BYTES);
    } else if (memchr(text, '\0', length) != NULL) {
        error_set(err, ERROR_INPUT, "%s holds a NUL byte", path);
    } else {
        text[length] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

static int environment_take(struct conf *conf, struct error *err)
{
    const char *url = getenv("LEDGER_DB");
    char *copy;

    if (url == NULL || url[0] == '\0') {
        return 0;
    }
    copy = strdup(url);
    if (copy == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory for LEDGER_DB");
    }
    free(conf->database_url);
    conf->database_url = copy;
    return 0;
}

int conf_load(const char *path, struct conf *conf, struct error *err)
{
    char *text;
    int result;

    *conf = (struct conf){0};
    if (path == NULL && access(CONF_PATH, F_OK) != 0) {
        result = conf_parse("defaults", "", conf, err);
    } else {
        path = path != NULL ? path : CONF_PATH;
        text = file_read(path, err);
        if (text == NULL) {
            return -1;
        }
        result = conf_parse(path, text, conf, err);
        free(text);
    }
    if (result == 0 && environment_take(conf, err) != 0) {
        conf_release(conf);
        result = -1;
    }
    return result;
}

void conf_source_release(struct conf_source *source)
{
    free(source->name);
    free(source->command);
    free(source->url);
    free(source->token_file);
    free(source->enforce_qos);
    free(source->path);
    free(source->format);
    free(source->project);
    free(source->user);
    *source = (struct conf_source){0};
}

void conf_release(struct conf *conf)
{
    for (size_t i = 0; i < conf->name_count; i++) {
        free(conf->names[i].source);
        free(conf->names[i].name);
        free(conf->names[i].means);
    }
    free(conf->names);
    for (size_t i = 0; i < conf->source_count; i++) {
        conf_source_release(&conf->sources[i]);
    }
    free(conf->sources);
    free(conf->database_url);
    free(conf->unix_path);
    free(conf->http_tls_certificate);
    free(conf->http_tls_key);
    free(conf->auth_unix_uids);
    free(conf->checkpoint_key);
    free(conf->checkpoint_public_key);
    *conf = (struct conf){0};
}

const struct conf_source *conf_source_find(const struct conf *conf, const char *source)
{
    for (size_t i = 0; i < conf->source_count; i++) {
        if (strcmp(conf->sources[i].name, source) == 0) {
            return &conf->sources[i];
        }
    }
    return NULL;
}

const char *conf_name_find(const struct conf *conf, enum conf_name_kind kind, const char *source,
                           const char *name)
{
    size_t low = 0, high = conf->name_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct conf_name *candidate = &conf->names[middle];
        int order = (int)kind - (int)candidate->kind;

        if (order == 0) {
            order = strcmp(source, candidate->source);
        }
        if (order == 0) {
            order = strcmp(name, candidate->name);
        }
        if (order == 0) {
            return candidate->means;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}
