/* sbatch - see sbatch.h. */
#include "ledgerd/ctl/sbatch.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/ctl/command.h"
#include "ledgerd/ctl/sbatch_options.h"

enum { TEXTS_MAX = SBATCH_COMPONENTS_MAX * SBATCH_WORDS_MAX };

struct script { /* what is left of it */
    const char *at;
    size_t line;
    bool has_more; /* components */
};

/* --- texts ------------------------------------------------------------------------------------ */

const char *sbatch_keep(struct sbatch *sbatch, char *text, struct error *err)
{
    char **more = NULL;

    if (text != NULL && sbatch->text_count < TEXTS_MAX) {
        more = realloc(sbatch->texts, (sbatch->text_count + 1) * sizeof *more);
    }
    if (more == NULL) {
        free(text);
        error_set(err, ERROR_INPUT, "the job has too many words, or there is no memory for them");
        return NULL;
    }
    sbatch->texts = more;
    sbatch->texts[sbatch->text_count++] = text;
    return text;
}

const char *sbatch_copy(struct sbatch *sbatch, const char *text, size_t length, struct error *err)
{
    return sbatch_keep(sbatch, strndup(text, length), err);
}

void sbatch_note(struct sbatch *sbatch, const char *format, ...)
{
    struct strbuf text = STRBUF_INIT;
    va_list arguments;

    if (sbatch->note_count == SBATCH_NOTES_MAX) {
        return;
    }
    va_start(arguments, format);
    strbuf_vprintf(&text, format, arguments);
    va_end(arguments);
    sbatch->notes[sbatch->note_count] = strbuf_detach(&text);
    sbatch->note_count += sbatch->notes[sbatch->note_count] != NULL;
    strbuf_release(&text);
}

void sbatch_release(struct sbatch *sbatch)
{
    for (size_t i = 0; i < sbatch->note_count; i++) {
        free(sbatch->notes[i]);
    }
    for (size_t i = 0; i < sbatch->text_count; i++) {
        free(sbatch->texts[i]);
    }
    free(sbatch->texts);
    free(sbatch->jobs);
    *sbatch = (struct sbatch){0};
}

/* --- lines of the script ---------------------------------------------------------------------- */

/* The next word of a line, without its quotes; NULL at its end, or with *err. A '#' begins a
 * comment, a backslash takes the next character as it is. */
static const char *next_word(struct sbatch *sbatch, const char **at, const char *end,
                             struct error *err)
{
    struct strbuf word = STRBUF_INIT;
    const char *p = *at;
    char quote = '\0';

    while (p < end && isspace((unsigned char)*p)) {
        p++;
    }
    if (p == end || *p == '#') {
        *at = end;
        return NULL;
    }
    for (; p < end && (quote != '\0' || (!isspace((unsigned char)*p) && *p != '#')); p++) {
        if (*p == '\\' && p + 1 < end) {
            strbuf_add_char(&word, *++p);
        } else if (quote != '\0' ? *p == quote : *p == '"' || *p == '\'') {
            quote = quote != '\0' ? '\0' : *p;
        } else {
            strbuf_add_char(&word, *p);
        }
    }
    *at = p;
    if (quote != '\0') {
        strbuf_release(&word);
        error_set(err, ERROR_INPUT, "a quote %c is not closed", quote);
        return NULL;
    }
    const char *kept = sbatch_copy(sbatch, word.data, word.length, err);
    strbuf_release(&word);
    return kept;
}

/* True if the directive begins the next component; *at goes behind the word that says so. */
static bool begins_component(const char **at, const char *end)
{
    static const char *const words[] = {"hetjob", "packjob"};
    const char *p = *at;

    while (p < end && isspace((unsigned char)*p)) {
        p++;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t length = strlen(words[i]);

        if ((size_t)(end - p) >= length && strncasecmp(p, words[i], length) == 0 &&
            (p + length == end || isspace((unsigned char)p[length]))) {
            *at = p + length;
            return true;
        }
    }
    return false;
}

static int take_line(struct sbatch *sbatch, const char *at, const char *end,
                     struct sbatch_options *options, struct error *err)
{
    const char *words[SBATCH_WORDS_MAX];
    size_t count = 0, taken;

    while (at < end) {
        struct error trouble = {0};
        const char *word = next_word(sbatch, &at, end, &trouble);

        if (trouble.code != ERROR_NONE) {
            *err = trouble;
            return -1;
        }
        if (word != NULL && count == SBATCH_WORDS_MAX) {
            return error_set(err, ERROR_INPUT, "more than %d words", SBATCH_WORDS_MAX);
        }
        if (word != NULL) {
            words[count++] = word;
        }
    }
    if (sbatch_take_options(sbatch, count, words, options, &taken, err) != 0) {
        return -1;
    }
    return taken < count ? error_set(err, ERROR_INPUT, "'%.60s' is no option", words[taken]) : 0;
}

/* A line that is neither blank nor a comment ends the directives. */
static bool is_command(const char *at, const char *end)
{
    while (at < end && isspace((unsigned char)*at)) {
        at++;
    }
    return at < end && *at != '#';
}

/* Take the directives of a component; script->has_more tells that one follows. */
static int take_script(struct sbatch *sbatch, struct script *script, struct sbatch_options *options,
                       struct error *err)
{
    static const char mark[] = "#SBATCH";
    bool is_first = script->has_more; /* behind the word that began this component */

    script->has_more = false;
    while (*script->at != '\0') {
        const char *end = strchrnul(script->at, '\n');
        bool is_directive = is_first || strncmp(script->at, mark, sizeof mark - 1) == 0;
        const char *at = script->at + (is_directive && !is_first ? sizeof mark - 1 : 0);

        script->line += !is_first;
        if (is_directive && !is_first && begins_component(&at, end)) {
            script->at = at;
            script->has_more = true;
            return 0;
        }
        if (is_directive && take_line(sbatch, at, end, options, err) != 0) {
            return error_prefix(err, "line %zu", script->line);
        }
        if (!is_directive && is_command(at, end)) {
            script->at = "";
            return 0;
        }
        is_first = false;
        script->at = *end == '\n' ? end + 1 : end;
    }
    return 0;
}

/* --- the words -------------------------------------------------------------------------------- */

/* Where the script's path stands among the words; count if it does not. */
static int find_script(struct sbatch *sbatch, size_t count, const char *const *words,
                       bool *is_wrapped, size_t *place, struct error *err)
{
    struct sbatch_options options = {0};
    size_t at = 0, taken;

    for (bool has_more = true; has_more; at += has_more) {
        if (sbatch_take_options(sbatch, count - at, words + at, &options, &taken, err) != 0) {
            return -1;
        }
        at += taken;
        has_more = at < count && strcmp(words[at], ":") == 0;
    }
    for (size_t i = 0; i < sbatch->note_count; i++) { /* they come again */
        free(sbatch->notes[i]);
    }
    sbatch->note_count = 0;
    *is_wrapped = options.values[SBATCH_WRAP] != NULL;
    *place = at;
    return 0;
}

static int read_components(struct sbatch *sbatch, size_t count, const char *const *words,
                           struct script *script, struct error *err)
{
    struct sbatch_options options = {0};
    bool has_words = true;
    size_t at = 0, taken;

    do {
        struct ledger_job *more = realloc(sbatch->jobs, (sbatch->job_count + 1) * sizeof *more);

        if (more == NULL || sbatch->job_count == SBATCH_COMPONENTS_MAX) {
            sbatch->jobs = more != NULL ? more : sbatch->jobs;
            return error_set(err, ERROR_INPUT, "the job has more than %d components",
                             SBATCH_COMPONENTS_MAX);
        }
        sbatch->jobs = more;
        sbatch_next_component(&options);
        if (take_script(sbatch, script, &options, err) != 0) {
            return -1;
        }
        if (has_words) {
            if (sbatch_take_options(sbatch, count - at, words + at, &options, &taken, err) != 0) {
                return -1;
            }
            at += taken;
            has_words = at < count && strcmp(words[at], ":") == 0;
            at += has_words;
        }
        if (sbatch_make_job(sbatch, &options, &sbatch->jobs[sbatch->job_count], err) != 0) {
            return -1;
        }
        sbatch->job_count++;
    } while (has_words || script->has_more);
    return 0;
}

int sbatch_read(size_t count, const char *const *words, struct sbatch *sbatch, struct error *err)
{
    struct strbuf content = STRBUF_INIT;
    struct script script = {.at = ""};
    bool is_wrapped;
    size_t place;
    int result = -1;

    *sbatch = (struct sbatch){0};
    if (find_script(sbatch, count, words, &is_wrapped, &place, err) != 0) {
        sbatch_release(sbatch);
        return -1;
    }
    if (!is_wrapped && place == count) {
        error_set(err, ERROR_ARGUMENT, "SCRIPT is missing (- reads standard input)");
    } else if (is_wrapped || command_read_file(words[place], &content, err) == 0) {
        script.at = content.data;
        result = read_components(sbatch, place, words, &script, err);
        if (result != 0 && !is_wrapped) {
            command_blame_file(words[place], err);
        }
    }
    strbuf_release(&content);
    if (result != 0) {
        sbatch_release(sbatch);
    }
    return result;
}
