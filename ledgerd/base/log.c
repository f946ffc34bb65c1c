/* log - see log.h. A line is built in memory and written with one call, so lines never mix. */
#include "ledgerd/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/base/zone.h"

static enum log_level log_least = LOG_LEVEL_INFO;
static bool log_json;
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

void log_configure(enum log_level least, bool json)
{
    log_least = least;
    log_json = json;
}

static const char *level_text(enum log_level level)
{
    static const char *const texts[] = {"debug", "info", "warning", "error"};

    return texts[level];
}

/* logfmt values stand bare unless a reader could take them apart wrongly. */
static bool is_bare(const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f || *c == '"' || *c == '=' || *c == '\\') {
            return false;
        }
    }
    return *value != '\0';
}

static void add_pair(struct strbuf *line, const char *key, const char *value)
{
    if (log_json) {
        strbuf_add_char(line, line->length == 0 ? '{' : ',');
        strbuf_add_json_string(line, key);
        strbuf_add_char(line, ':');
        strbuf_add_json_string(line, value);
        return;
    }
    if (line->length > 0) {
        strbuf_add_char(line, ' ');
    }
    strbuf_add_string(line, key);
    strbuf_add_char(line, '=');
    if (is_bare(value)) {
        strbuf_add_string(line, value);
    } else {
        strbuf_add_json_string(line, value);
    }
}

static void write_line(const struct strbuf *line)
{
    size_t done = 0;

    pthread_mutex_lock(&log_mutex);
    while (done < line->length) {
        ssize_t wrote = write(STDERR_FILENO, line->data + done, line->length - done);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            break; /* nowhere left to say it */
        }
        done += (size_t)wrote;
    }
    pthread_mutex_unlock(&log_mutex);
}

void log_event(enum log_level level, const char *event, ...)
{
    static const struct zone utc = {.name = "UTC"};
    struct strbuf line = STRBUF_INIT;
    char when[INSTANT_TEXT_BYTES];
    va_list arguments;

    if (level < log_least) {
        return;
    }
    add_pair(&line, "time", zone_format(&utc, clock_now(), when));
    add_pair(&line, "level", level_text(level));
    add_pair(&line, "event", event);
    va_start(arguments, event);
    for (const char *key; (key = va_arg(arguments, const char *)) != NULL;) {
        const char *value = va_arg(arguments, const char *);
        if (value != NULL) {
            add_pair(&line, key, value);
        }
    }
    va_end(arguments);
    strbuf_add_string(&line, log_json ? "}\n" : "\n");
    if (!line.failed) {
        write_line(&line);
    }
    strbuf_release(&line);
}
