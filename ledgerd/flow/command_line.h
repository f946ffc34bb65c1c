/* command_line - the words after a command's name, read by a table.
 *
 * A program describes each of its verbs once: positional arguments and options with their types,
 * and one line of help. Parsing checks every word against its type, so that a verb gets points,
 * instants and months and never text that it must look at again; help is printed from the same
 * table. Own code where getopt_long would do half: that knows no types, takes "-5" for an option,
 * and prints messages of its own.
 */
#ifndef LEDGERD_FLOW_COMMAND_LINE_H
#define LEDGERD_FLOW_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"

enum {
    COMMAND_ARGUMENTS_MAX = 4,
    COMMAND_OPTIONS_MAX = 24, /* a verb's own and the common ones */
    COMMAND_WORDS_MAX = 256,  /* words of a repeated argument */
};

enum word_type {
    WORD_FLAG,          /* an option without a value */
    WORD_TEXT,          /* anything but the empty string */
    WORD_POINTS,        /* "12.5", not negative */
    WORD_SIGNED_POINTS, /* "-12.5" too */
    WORD_NUMBER,        /* 1, 2, … */
    WORD_INSTANT,       /* RFC 3339 with offset */
    WORD_MONTH,         /* 2027-06 */
    WORD_YEAR,          /* 2027 */
    WORD_PASSED, /* an argument's: text, and options that the table does not have, as they stand */
};

struct argument_spec { /* positional; ended by a NULL name */
    const char *name;  /* as help shows it: "PROJECT" */
    enum word_type type;
    bool is_optional;
    bool is_repeated; /* the last one may stand once or more often */
};

struct option_spec {   /* ended by a NULL name */
    const char *name;  /* without dashes: "from" */
    char letter;       /* short form, 0 if none */
    const char *value; /* as help shows it, NULL for a flag: "T" */
    enum word_type type;
    const char *help;
    bool is_required;
};

struct command_spec {
    const char *noun; /* first word: "grant" */
    const char *verb; /* second word, NULL if there is none */
    struct argument_spec arguments[COMMAND_ARGUMENTS_MAX];
    const struct option_spec *options; /* NULL if it has none of its own */
    const char *summary;
};

struct word {
    const char *text; /* borrowed from argv; NULL if it was not given */
    union {
        struct points points;
        struct instant instant;
        struct month month;
        uint64_t number;
    } as;
};

struct command_line { /* a zeroed struct is empty */
    const struct command_spec *spec;
    const struct option_spec *common;
    struct word arguments[COMMAND_ARGUMENTS_MAX];
    struct word options[COMMAND_OPTIONS_MAX]; /* the verb's own, then the common ones */
    size_t repeated_count;                    /* of the repeated argument */
    const char *repeated[COMMAND_WORDS_MAX];
    bool wants_help;
};

/* Read words[0..count), those after the verb. Options may stand anywhere before "--"; a lone "-"
 * and a negative number are arguments. --help and -h set wants_help and end the reading.
 * ERROR_ARGUMENT with a sentence that names the word. */
int command_line_parse(const struct command_spec *spec, const struct option_spec *common, int count,
                       char *const *words, struct command_line *line, struct error *err);

/* The option's word; its text is NULL if it was not given. The name must be in the table. */
const struct word *command_line_option(const struct command_line *line, const char *name);

/* The option's text, or `otherwise` if it was not given. */
const char *command_line_text(const struct command_line *line, const char *name,
                              const char *otherwise);

/* The option's instant, or `otherwise`. */
struct instant command_line_instant(const struct command_line *line, const char *name,
                                    struct instant otherwise);

/* True if the option was given. */
bool command_line_has(const struct command_line *line, const char *name);

/* "grant PROJECT POINTS [options]", the form of the command in one line. */
void command_synopsis(const struct command_spec *spec, struct strbuf *out);

/* Everything about one command, and about the common options. */
void command_help(const char *program, const struct command_spec *spec,
                  const struct option_spec *common, struct strbuf *out);

#endif
