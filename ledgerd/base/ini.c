/* ini - see ini.h. */
#include "ledgerd/base/ini.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char blanks[] = " \t\r\v\f";

void ini_begin(struct ini *ini, const char *name, const char *text)
{
    *ini = (struct ini){.name = name, .at = text};
}

int ini_error(const struct ini *ini, struct error *err, const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return error_set(err, ERROR_INPUT, "%s:%zu: %s", ini->name, ini->line, text);
}

/* The text without white space around it; cuts the end in place. */
static char *trim(char *text)
{
    size_t length;

    text += strspn(text, blanks);
    length = strlen(text);
    while (length > 0 && strchr(blanks, text[length - 1]) != NULL) {
        length--;
    }
    text[length] = '\0';
    return text;
}

/* Copy the next line into ini->text, trimmed: *line points there, or is NULL at the end. */
static int line_read(struct ini *ini, char **line, struct error *err)
{
    size_t length = strcspn(ini->at, "\n");

    *line = NULL;
    if (*ini->at == '\0') {
        return 0;
    }
    ini->line++;
    if (length >= sizeof ini->text) {
        return ini_error(ini, err, "the line is longer than %d bytes", INI_LINE_BYTES - 1);
    }
    memcpy(ini->text, ini->at, length);
    ini->text[length] = '\0';
    ini->at += length + (ini->at[length] == '\n');
    *line = trim(ini->text);
    return 0;
}

static int section_read(struct ini *ini, char *line, struct error *err)
{
    size_t length = strlen(line);

    if (line[length - 1] != ']') {
        return ini_error(ini, err, "a section is written [name]");
    }
    line[length - 1] = '\0';
    snprintf(ini->section, sizeof ini->section, "%s", trim(line + 1));
    return 0;
}

static int setting_read(struct ini *ini, char *line, struct error *err)
{
    char *equals = strchr(line, '=');

    if (equals == NULL) {
        return ini_error(ini, err, "neither [section] nor key = value: '%.60s'", line);
    }
    *equals = '\0';
    ini->key = trim(line);
    ini->value = trim(equals + 1);
    if (ini->key[0] == '\0') {
        return ini_error(ini, err, "no key stands before the '='");
    }
    return 0;
}

int ini_next(struct ini *ini, enum ini_kind *kind, struct error *err)
{
    char *line;

    do {
        if (line_read(ini, &line, err) != 0) {
            return -1;
        }
        if (line == NULL) {
            *kind = INI_END;
            return 0;
        }
    } while (line[0] == '\0' || line[0] == ';' || line[0] == '#');
    *kind = line[0] == '[' ? INI_SECTION : INI_SETTING;
    return *kind == INI_SECTION ? section_read(ini, line, err) : setting_read(ini, line, err);
}
