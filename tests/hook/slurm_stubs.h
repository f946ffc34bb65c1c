/* slurm_stubs - the functions of slurmctld that the plugin calls, on plain memory. */
#ifndef TESTS_HOOK_SLURM_STUBS_H
#define TESTS_HOOK_SLURM_STUBS_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void slurm_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void slurm_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *slurm_xstrdup(const char *text);
char *slurm_xstrdup_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void slurm_xfree(void **pointer);

static atomic_int logged_lines, logged_errors;

static void stub_log(const char *format, va_list arguments)
{
    char line[4096];

    if (vsnprintf(line, sizeof(line), format, arguments) < 0) {
        abort();
    }
    logged_lines++;
}

void slurm_info(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    stub_log(format, arguments);
    va_end(arguments);
}

void slurm_error(const char *format, ...)
{
    va_list arguments;

    logged_errors++;
    va_start(arguments, format);
    stub_log(format, arguments);
    va_end(arguments);
}

char *slurm_xstrdup(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

char *slurm_xstrdup_printf(const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) {
        abort();
    }
    va_end(arguments);
    return text;
}

void slurm_xfree(void **pointer)
{
    free(*pointer);
    *pointer = NULL;
}

#endif
