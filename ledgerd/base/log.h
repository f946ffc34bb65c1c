/* log - structured lines on standard error, for entry points only.
 *
 * One event a line: time, level, event name and key=value pairs, as logfmt or JSON.  Values are
 * escaped, so that a job name cannot forge a line.  Secrets are never passed in.  Thread-safe.
 */
#ifndef LEDGERD_BASE_LOG_H
#define LEDGERD_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

/* Set what is written and how; call before threads exist. Default: info, logfmt. */
void log_configure(enum log_level least, bool json);

/* Write one event. Arguments after `event` are pairs of (const char *key, const char *value),
 * ended by NULL: log_event(LOG_LEVEL_INFO, "listening", "address", text, NULL). A NULL value is
 * left out. */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

#endif
