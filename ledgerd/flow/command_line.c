/* Reading the words of a command by its table: one pass, each word either an option, an option's
 * value or the next positional argument. */
#include "ledgerd/flow/command_line.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/base/parse.h"

static const struct option_spec no_options[] = {{0}};

/* A running number of the book fits easily; anything longer is a slip of the keyboard. */
#define COMMAND_NUMBER_MAX UINT64_C(999999999999999999)

static const struct option_spec *own_options(const struct command_spec *spec)
{
    return spec->options != NULL ? spec->options : no_options;
}

static size_t option_count(const struct option_spec *options)
{
    size_t count = 0;
    while (options[count].name != NULL) {
        count++;
    }
    return count;
}

static const char *word_type_text(enum word_type type)
{
    switch (type) {
    case WORD_POINTS:
        return "a number of points, such as 1000 or 0.5, with at most six decimals";
    case WORD_SIGNED_POINTS:
        return "a number of points of either sign, such as -1000, with at most six decimals";
    case WORD_NUMBER:
        return "a whole number above zero";
    case WORD_INSTANT:
        return "a time with offset, such as 2027-06-01T00:00:00+09:00";
    case WORD_MONTH:
        return "a month, such as 2027-06";
    case WORD_YEAR:
        return "a fiscal year, such as 2027";
    case WORD_FLAG:
    case WORD_TEXT:
    case WORD_PASSED:
        break;
    }
    return "a text";
}

static int points_read(const char *what, enum word_type type, const char *text, struct word *word,
                       struct error *err)
{
    enum points_result result = type == WORD_POINTS
                                    ? points_parse(text, strlen(text), &word->as.points)
                                    : points_parse_signed(text, strlen(text), &word->as.points);
    if (result == POINTS_OK) {
        return 0;
    }
    return error_set(err, ERROR_ARGUMENT, "%s: '%s' is %s: it must be %s", what, text,
                     points_result_text(result), word_type_text(type));
}

/* Check a word against its type. `what` names it in the error: "--from" or "POINTS". */
static int word_read(const char *what, enum word_type type, const char *text, struct word *word,
                     struct error *err)
{
    size_t length = strlen(text);
    int result = 0;
    if (!parse_is_utf8(text, length)) {
        return error_set(err, ERROR_ARGUMENT, "%s: the text is not UTF-8", what);
    }
    switch (type) {
    case WORD_FLAG:
        break;
    case WORD_TEXT:
    case WORD_PASSED:
        if (length == 0) {
            return error_set(err, ERROR_ARGUMENT, "%s: the text is empty", what);
        }
        break;
    case WORD_POINTS:
    case WORD_SIGNED_POINTS:
        if (points_read(what, type, text, word, err) < 0) {
            return -1;
        }
        break;
    case WORD_NUMBER:
        result = parse_u64(text, length, COMMAND_NUMBER_MAX, &word->as.number);
        result = result == 0 && word->as.number == 0 ? -1 : result;
        break;
    case WORD_INSTANT:
        result = parse_rfc3339(text, length, &word->as.instant);
        break;
    case WORD_MONTH:
        result = month_parse(text, length, &word->as.month);
        break;
    case WORD_YEAR:
        result = length == 4 ? parse_u64(text, length, 2199, &word->as.number) : -1;
        result = result == 0 && word->as.number < 1970 ? -1 : result;
        break;
    }
    if (result < 0) {
        return error_set(err, ERROR_ARGUMENT, "%s: '%s' is not %s", what, text,
                         word_type_text(type));
    }
    word->text = text;
    return 0;
}

/* Find an option by its long name (of `length` bytes) or, if length is 0, by its letter. Returns
 * its slot in line->options, or -1. */
static ptrdiff_t option_find(const struct command_line *line, const char *name, size_t length,
                             char letter, const struct option_spec **found)
{
    const struct option_spec *lists[2] = {own_options(line->spec), line->common};
    ptrdiff_t slot = 0;
    for (int list = 0; list < 2; list++) {
        for (const struct option_spec *o = lists[list]; o->name != NULL; o++, slot++) {
            bool same = length > 0 ? strlen(o->name) == length && memcmp(o->name, name, length) == 0
                                   : o->letter != 0 && o->letter == letter;
            if (same) {
                *found = o;
                return slot;
            }
        }
    }
    return -1;
}

static const char *command_name(const struct command_spec *spec, char *out, size_t size)
{
    out[0] = '\0';
    strncat(out, spec->noun, size - 1);
    if (spec->verb != NULL) {
        strncat(out, " ", size - strlen(out) - 1);
        strncat(out, spec->verb, size - strlen(out) - 1);
    }
    return out;
}

/* True for an option that is handed on as it stands. */
static bool is_passed(const struct command_line *line, const char *text)
{
    const struct option_spec *option;

    return line->spec->arguments[0].type == WORD_PASSED &&
           (text[1] != '-' || option_find(line, text + 2, strcspn(text + 2, "="), 0, &option) < 0);
}

/* Read the option at words[*at], with its value; *at ends on the last word that it took. */
static int option_read(struct command_line *line, int count, char *const *words, int *at,
                       struct error *err)
{
    const char *text = words[*at];
    bool is_long = text[1] == '-';
    const char *name = is_long ? text + 2 : text + 1;
    const char *value = is_long ? strchr(name, '=') : NULL;
    size_t length = value != NULL ? (size_t)(value - name) : strlen(name);
    const struct option_spec *option = NULL;
    char what[64];

    ptrdiff_t slot = -1;
    if (is_long && length > 0) {
        slot = option_find(line, name, length, 0, &option);
    } else if (!is_long && length == 1) {
        slot = option_find(line, NULL, 0, name[0], &option);
    }
    if (slot < 0) {
        return error_set(err, ERROR_ARGUMENT, "unknown option %.60s: --help lists what '%s' takes",
                         text, command_name(line->spec, what, sizeof what));
    }
    if (option->type == WORD_FLAG) {
        if (value != NULL) {
            return error_set(err, ERROR_ARGUMENT, "--%s takes no value", option->name);
        }
        line->options[slot].text = "";
        return 0;
    }
    if (value != NULL) {
        value++;
    } else if (*at + 1 < count) {
        value = words[++*at];
    } else {
        return error_set(err, ERROR_ARGUMENT, "--%s needs a value: %s", option->name,
                         word_type_text(option->type));
    }
    if (line->options[slot].text != NULL) {
        return error_set(err, ERROR_ARGUMENT, "--%s is given twice", option->name);
    }
    snprintf(what, sizeof what, "--%.60s", option->name);
    return word_read(what, option->type, value, &line->options[slot], err);
}

static int argument_read(struct command_line *line, size_t *next, const char *text,
                         struct error *err)
{
    const struct argument_spec *arguments = line->spec->arguments;
    size_t at = *next;
    char name[64];
    if (at >= COMMAND_ARGUMENTS_MAX || arguments[at].name == NULL) {
        return error_set(err, ERROR_ARGUMENT, "'%s' is one word too many for '%s'", text,
                         command_name(line->spec, name, sizeof name));
    }
    struct word word = {0};
    if (word_read(arguments[at].name, arguments[at].type, text, &word, err) < 0) {
        return -1;
    }
    if (!arguments[at].is_repeated) {
        line->arguments[at] = word;
        ++*next;
        return 0;
    }
    if (line->repeated_count == COMMAND_WORDS_MAX) {
        return error_set(err, ERROR_ARGUMENT, "more than %d words of %s", COMMAND_WORDS_MAX,
                         arguments[at].name);
    }
    if (line->repeated_count == 0) {
        line->arguments[at] = word;
    }
    line->repeated[line->repeated_count++] = text;
    return 0;
}

static bool is_option(const char *text)
{
    return text[0] == '-' && text[1] != '\0' && !(text[1] >= '0' && text[1] <= '9') &&
           text[1] != '.';
}

static bool is_help(const char *text)
{
    return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0;
}

static int word_missing(const struct command_line *line, const char *dashes, const char *name,
                        struct error *err)
{
    struct strbuf synopsis = STRBUF_INIT;
    command_synopsis(line->spec, &synopsis);
    error_set(err, ERROR_ARGUMENT, "%s%s is missing: %s", dashes, name, synopsis.data);
    strbuf_release(&synopsis);
    return -1;
}

static int words_complete(const struct command_line *line, struct error *err)
{
    const struct option_spec *options = own_options(line->spec);
    for (size_t i = 0; i < COMMAND_ARGUMENTS_MAX && line->spec->arguments[i].name != NULL; i++) {
        if (line->arguments[i].text == NULL && !line->spec->arguments[i].is_optional) {
            return word_missing(line, "", line->spec->arguments[i].name, err);
        }
    }
    for (size_t i = 0; options[i].name != NULL; i++) {
        if (line->options[i].text == NULL && options[i].is_required) {
            return word_missing(line, "--", options[i].name, err);
        }
    }
    return 0;
}

int command_line_parse(const struct command_spec *spec, const struct option_spec *common, int count,
                       char *const *words, struct command_line *line, struct error *err)
{
    struct command_line read = {.spec = spec, .common = common != NULL ? common : no_options};
    size_t next = 0;
    bool options_end = false;

    assert(option_count(own_options(spec)) + option_count(read.common) <= COMMAND_OPTIONS_MAX);
    for (int i = 0; i < count; i++) {
        int result;
        if (!options_end && strcmp(words[i], "--") == 0) {
            options_end = true;
            continue;
        }
        if (!options_end && is_help(words[i])) {
            read.wants_help = true;
            *line = read;
            return 0;
        }
        if (!options_end && is_option(words[i]) && !is_passed(&read, words[i])) {
            result = option_read(&read, count, words, &i, err);
        } else {
            result = argument_read(&read, &next, words[i], err);
        }
        if (result < 0) {
            return -1;
        }
    }
    if (words_complete(&read, err) < 0) {
        return -1;
    }
    *line = read;
    return 0;
}

const struct word *command_line_option(const struct command_line *line, const char *name)
{
    static const struct word missing = {0};
    const struct option_spec *option;
    ptrdiff_t slot = option_find(line, name, strlen(name), 0, &option);
    assert(slot >= 0);
    return slot >= 0 ? &line->options[slot] : &missing;
}

const char *command_line_text(const struct command_line *line, const char *name,
                              const char *otherwise)
{
    const char *text = command_line_option(line, name)->text;
    return text != NULL ? text : otherwise;
}

struct instant command_line_instant(const struct command_line *line, const char *name,
                                    struct instant otherwise)
{
    const struct word *word = command_line_option(line, name);
    return word->text != NULL ? word->as.instant : otherwise;
}

bool command_line_has(const struct command_line *line, const char *name)
{
    return command_line_option(line, name)->text != NULL;
}

void command_synopsis(const struct command_spec *spec, struct strbuf *out)
{
    strbuf_add_string(out, spec->noun);
    if (spec->verb != NULL) {
        strbuf_printf(out, " %s", spec->verb);
    }
    for (size_t i = 0; i < COMMAND_ARGUMENTS_MAX && spec->arguments[i].name != NULL; i++) {
        const struct argument_spec *a = &spec->arguments[i];
        strbuf_printf(out, a->is_optional ? " [%s%s]" : " %s%s", a->name,
                      a->is_repeated ? "..." : "");
    }
    for (const struct option_spec *o = own_options(spec); o->name != NULL; o++) {
        strbuf_add_string(out, o->is_required ? " " : " [");
        strbuf_printf(out, o->value != NULL ? "--%s %s" : "--%s", o->name, o->value);
        strbuf_add_string(out, o->is_required ? "" : "]");
    }
}

static void options_help(const struct option_spec *options, struct strbuf *out)
{
    for (const struct option_spec *o = options; o->name != NULL; o++) {
        size_t start = out->length;
        strbuf_add_string(out, "  ");
        if (o->letter != 0) {
            strbuf_printf(out, "-%c, ", o->letter);
        }
        strbuf_printf(out, "--%s", o->name);
        if (o->value != NULL) {
            strbuf_printf(out, " %s", o->value);
        }
        int width = (int)(out->length - start);
        strbuf_printf(out, "%*s  %s\n", width < 24 ? 24 - width : 0, "", o->help);
    }
}

void command_help(const char *program, const struct command_spec *spec,
                  const struct option_spec *common, struct strbuf *out)
{
    strbuf_printf(out, "usage: %s ", program);
    command_synopsis(spec, out);
    strbuf_printf(out, "\n\n%s\n", spec->summary);
    if (own_options(spec)->name != NULL) {
        strbuf_add_string(out, "\noptions:\n");
        options_help(own_options(spec), out);
    }
    strbuf_add_string(out, "\ncommon options:\n");
    options_help(common, out);
}
