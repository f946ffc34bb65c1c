/* error - see error.h. A sentence that does not fit is cut at the buffer's end. */
#include "ledgerd/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef error_set /* what error.h tells the analyser */
#undef error_set_reason
#undef error_prefix

static void fill(struct error *err, enum error_code code, const char *reason, const char *format,
                 va_list arguments) __attribute__((format(printf, 4, 0)));

static void fill(struct error *err, enum error_code code, const char *reason, const char *format,
                 va_list arguments)
{
    char text[ERROR_TEXT_BYTES]; /* the arguments may point into err->text */

    vsnprintf(text, sizeof text, format, arguments);
    err->code = code;
    snprintf(err->reason, sizeof err->reason, "%s", reason);
    memcpy(err->text, text, sizeof text);
}

int error_set(struct error *err, enum error_code code, const char *format, ...)
{
    va_list arguments;

    if (err == NULL) {
        return -1;
    }
    va_start(arguments, format);
    fill(err, code, "", format, arguments);
    va_end(arguments);
    return -1;
}

int error_set_reason(struct error *err, enum error_code code, const char *reason,
                     const char *format, ...)
{
    va_list arguments;

    if (err == NULL) {
        return -1;
    }
    va_start(arguments, format);
    fill(err, code, reason, format, arguments);
    va_end(arguments);
    return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
    char prefix[ERROR_TEXT_BYTES];
    va_list arguments;
    size_t length;

    if (err == NULL) {
        return -1;
    }
    va_start(arguments, format);
    vsnprintf(prefix, sizeof prefix - 2, format, arguments);
    va_end(arguments);
    length = strlen(prefix);
    memcpy(prefix + length, ": ", 2);
    length += 2;
    memmove(err->text + length, err->text, sizeof err->text - length);
    memcpy(err->text, prefix, length);
    err->text[sizeof err->text - 1] = '\0';
    return -1;
}

int error_exit_status(const struct error *err)
{
    switch (err->code) {
    case ERROR_NONE:
        return 0;
    case ERROR_REFUSED:
        return 1;
    case ERROR_ARGUMENT:
        return 2;
    case ERROR_INPUT:
        return 3;
    case ERROR_UNAVAILABLE:
    case ERROR_INTERNAL:
        return 4;
    case ERROR_VERIFY:
        return 5;
    }
    return 4;
}
