/* engine_metrics - see engine_metrics.h.
 *
 * Own code, because the text form of Prometheus has no parser in Debian's C libraries, and because
 * a counter is wanted exactly, not by way of a double.
 */
#include "importers/engine_metrics.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"

#define TAKEN_AT "# taken at "

enum {
    LABEL_BYTES_MAX = 4096, /* of one value; its excess is an error */
    EXPONENT_MAX = 15,
    LLAMA_DIGITS = 6, /* llama-server prints numbers with so many digits */
};

struct counter_name {
    const char *name;
    enum engine_kind kind;
    bool is_cut; /* printed with LLAMA_DIGITS alone */
};

static const struct counter_name names[] = {
    {"llamacpp:prompt_tokens_total", ENGINE_INPUT, true},
    {"llamacpp:prompt_tokens_cached_total", ENGINE_CACHED, true},
    {"llamacpp:tokens_predicted_total", ENGINE_OUTPUT, true},
    {"vllm:prompt_tokens_total", ENGINE_PROMPT, false},
    {"vllm:prefix_cache_hits_total", ENGINE_CACHED, false},
    {"vllm:generation_tokens_total", ENGINE_OUTPUT, false},
};

struct reading {
    struct engine_metrics *out;
    size_t line;
    const char *at, *end; /* of the line */
    bool many_starts;     /* processes that were not started together */
};

static int bad(const struct reading *reading, const char *what, struct error *err)
{
    return error_set(err, ERROR_INPUT, "line %zu: %s", reading->line, what);
}

static void skip_blanks(struct reading *reading)
{
    while (reading->at < reading->end && (*reading->at == ' ' || *reading->at == '\t')) {
        reading->at++;
    }
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
}

static size_t name_length(const struct reading *reading)
{
    size_t length = 0;
    while (reading->at + length < reading->end && is_name_char(reading->at[length])) {
        length++;
    }
    return length;
}

static bool is_word(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* FNV-1a, goes on from *hash. */
static void hash_add(uint64_t *hash, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        *hash = (*hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    }
}

/* A quoted value, at its opening quote; unescaped into value[LABEL_BYTES_MAX], *length of it. */
static int value_read(struct reading *reading, char *value, size_t *length, struct error *err)
{
    *length = 0;
    if (reading->at == reading->end || *reading->at != '"') {
        return bad(reading, "a label without a value", err);
    }
    for (reading->at++; reading->at < reading->end && *reading->at != '"'; reading->at++) {
        char c = *reading->at;
        if (c == '\\') {
            if (++reading->at == reading->end) {
                return bad(reading, "a label that does not end", err);
            }
            c = *reading->at == 'n' ? '\n' : *reading->at;
        }
        if (*length == LABEL_BYTES_MAX) {
            return bad(reading, "a label that is too long", err);
        }
        value[(*length)++] = c;
    }
    if (reading->at == reading->end) {
        return bad(reading, "a label that does not end", err);
    }
    reading->at++;
    return 0;
}

static int label_read(struct reading *reading, struct engine_counter *counter, struct error *err)
{
    char value[LABEL_BYTES_MAX];
    size_t value_length;
    const char *name = reading->at;
    size_t length = name_length(reading);

    reading->at += length;
    skip_blanks(reading);
    if (length == 0 || reading->at == reading->end || *reading->at != '=') {
        return bad(reading, "labels that cannot be read", err);
    }
    reading->at++;
    skip_blanks(reading);
    if (value_read(reading, value, &value_length, err) != 0) {
        return -1;
    }
    hash_add(&counter->series, name, length + 1);
    hash_add(&counter->series, value, value_length);
    hash_add(&counter->series, "\"", 1);
    if (is_word(name, length, "model_name")) {
        if (!usage_is_clean(value, value_length, USAGE_NAME_BYTES)) {
            return bad(reading, "model_name is no name of a model", err);
        }
        memcpy(counter->model, value, value_length);
        counter->model[value_length] = '\0';
    }
    return 0;
}

static int labels_read(struct reading *reading, struct engine_counter *counter, struct error *err)
{
    skip_blanks(reading);
    if (reading->at == reading->end || *reading->at != '{') {
        return 0;
    }
    reading->at++;
    skip_blanks(reading);
    while (reading->at < reading->end && *reading->at != '}') {
        if (label_read(reading, counter, err) != 0) {
            return -1;
        }
        skip_blanks(reading);
        if (reading->at < reading->end && *reading->at == ',') {
            reading->at++;
            skip_blanks(reading);
        } else if (reading->at == reading->end || *reading->at != '}') {
            return bad(reading, "labels that cannot be read", err);
        }
    }
    if (reading->at == reading->end) {
        return bad(reading, "labels that do not end", err);
    }
    reading->at++;
    return 0;
}

/* Digits, maybe with a point, as an integer and how many stood behind the point. Zeros at the end
 * of a fraction are left out. */
static int digits_read(const char *text, size_t length, uint64_t *value, int *places)
{
    bool has_point = false;
    int zeros = 0;
    int digits = 0;

    *value = 0;
    *places = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        digits++;
        if (has_point && text[i] == '0') {
            zeros++;
            continue;
        }
        for (; zeros > 0 && *value <= ENGINE_VALUE_MAX; zeros--) {
            *value *= 10;
            (*places)++;
        }
        *value = *value * 10 + (uint64_t)(text[i] - '0');
        *places += has_point;
        if (*value > ENGINE_VALUE_MAX) {
            return -1;
        }
    }
    return digits > 0 ? 0 : -1;
}

/* "123", "123.0", "1.23457e+06" as a whole number; *exponent is that of its first digit where it
 * has an exponent, else 0. */
static int whole_read(const char *text, size_t length, uint64_t *value, int *exponent)
{
    const char *e = memchr(text, 'e', length);
    size_t mantissa = e != NULL ? (size_t)(e - text) : length;
    uint64_t power = 0;
    int places;

    if (e != NULL) {
        const char *digits = e + 1;
        size_t left = length - mantissa - 1;
        if (left > 0 && *digits == '+') {
            digits++;
            left--;
        }
        if (parse_u64(digits, left, EXPONENT_MAX, &power) != 0) {
            return -1;
        }
    }
    if (digits_read(text, mantissa, value, &places) != 0 || places > (int)power) {
        return -1; /* too large, or a part of a token */
    }
    for (int i = places; i < (int)power; i++) {
        *value *= 10;
        if (*value > ENGINE_VALUE_MAX) {
            return -1;
        }
    }
    *exponent = (int)power;
    return 0;
}

/* Half of the last digit that is printed. */
static uint64_t slack_of(int exponent)
{
    uint64_t slack = 5;
    if (exponent < LLAMA_DIGITS) {
        return 0;
    }
    for (int i = LLAMA_DIGITS; i < exponent; i++) {
        slack *= 10;
    }
    return slack;
}

static int counter_keep(const struct reading *reading, const struct engine_counter *counter,
                        struct error *err)
{
    struct engine_metrics *out = reading->out;
    for (size_t i = 0; i < out->count; i++) {
        struct engine_counter *known = &out->counters[i];
        if (known->series == counter->series) {
            known->value += counter->value;
            known->slack += counter->slack;
            return known->value <= ENGINE_VALUE_MAX
                       ? 0
                       : bad(reading, "more tokens than any engine makes", err);
        }
    }
    if (out->count == ENGINE_COUNTERS_MAX) {
        return bad(reading, "too many counters", err);
    }
    out->counters[out->count++] = *counter;
    return 0;
}

/* The value, at the blanks before it; a time stamp may follow. */
static int number_find(struct reading *reading, const char **text, size_t *length,
                       struct error *err)
{
    skip_blanks(reading);
    *text = reading->at;
    while (reading->at < reading->end && *reading->at != ' ' && *reading->at != '\t') {
        reading->at++;
    }
    *length = (size_t)(reading->at - *text);
    return *length > 0 ? 0 : bad(reading, "a metric without a value", err);
}

static int counter_read(struct reading *reading, const struct counter_name *name, struct error *err)
{
    struct engine_counter counter = {.series = UINT64_C(0xcbf29ce484222325), .kind = name->kind};
    const char *text;
    size_t length;
    int exponent;

    hash_add(&counter.series, name->name, strlen(name->name));
    if (labels_read(reading, &counter, err) != 0 ||
        number_find(reading, &text, &length, err) != 0) {
        return -1;
    }
    if (whole_read(text, length, &counter.value, &exponent) != 0) {
        return bad(reading, "a counter of tokens that is no whole number", err);
    }
    counter.slack = name->is_cut ? slack_of(exponent) : 0;
    return counter_keep(reading, &counter, err);
}

/* Seconds since 1970, maybe with a fraction and an exponent: to the second, downwards. */
static int start_read(struct reading *reading, struct error *err)
{
    struct engine_counter labels = {0};
    const char *text;
    size_t length;
    uint64_t digits;
    uint64_t power = 0;
    int places;

    if (labels_read(reading, &labels, err) != 0 || number_find(reading, &text, &length, err) != 0) {
        return -1;
    }
    const char *e = memchr(text, 'e', length);
    size_t mantissa = e != NULL ? (size_t)(e - text) : length;
    size_t sign = e != NULL && mantissa + 1 < length && e[1] == '+' ? 1 : 0;
    /* more digits than microseconds need are left out */
    if ((e != NULL &&
         parse_u64(e + 1 + sign, length - mantissa - 1 - sign, EXPONENT_MAX, &power) != 0) ||
        digits_read(text, mantissa < 16 ? mantissa : 16, &digits, &places) != 0) {
        return bad(reading, "process_start_time_seconds is no time", err);
    }
    for (int i = places; i < (int)power && digits <= ENGINE_VALUE_MAX; i++) {
        digits *= 10;
    }
    for (int i = (int)power; i < places; i++) {
        digits /= 10;
    }
    if (digits >= INSTANT_LIMIT_US / INSTANT_SECOND_US) {
        return bad(reading, "process_start_time_seconds is no time", err);
    }
    struct instant started = {(int64_t)digits * INSTANT_SECOND_US};
    struct instant *known = &reading->out->started;
    reading->many_starts |= instant_is_set(*known) && instant_compare(*known, started) != 0;
    *known = started;
    return 0;
}

static int comment_read(const struct reading *reading, struct error *err)
{
    size_t length = (size_t)(reading->end - reading->at);
    size_t prefix = strlen(TAKEN_AT);
    if (length < prefix || memcmp(reading->at, TAKEN_AT, prefix) != 0) {
        return 0;
    }
    return parse_rfc3339(reading->at + prefix, length - prefix, &reading->out->taken) == 0
               ? 0
               : bad(reading, "taken at no time", err);
}

static int line_read(struct reading *reading, struct error *err)
{
    skip_blanks(reading);
    if (reading->at == reading->end) {
        return 0;
    }
    if (*reading->at == '#') {
        return comment_read(reading, err);
    }
    const char *name = reading->at;
    size_t length = name_length(reading);
    reading->at += length;
    if (length == 0 || (*name >= '0' && *name <= '9')) {
        return bad(reading, "this is no metric of Prometheus", err);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (is_word(name, length, names[i].name)) {
            return counter_read(reading, &names[i], err);
        }
    }
    return is_word(name, length, "process_start_time_seconds") ? start_read(reading, err) : 0;
}

int engine_metrics_parse(const char *text, size_t length, struct engine_metrics *metrics,
                         struct error *err)
{
    struct engine_metrics out = {.taken = INSTANT_NONE, .started = INSTANT_NONE};
    struct reading reading = {.out = &out};
    const char *end = text + length;
    int result = 0;

    if (length > ENGINE_TEXT_BYTES) {
        return error_set(err, ERROR_INPUT, "longer than %d bytes", ENGINE_TEXT_BYTES);
    }
    out.counters = calloc(ENGINE_COUNTERS_MAX, sizeof *out.counters);
    if (out.counters == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (const char *at = text; result == 0 && at < end; at = reading.end + 1) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        reading.at = at;
        reading.end = newline != NULL ? newline : end;
        reading.line++;
        const char *next = reading.end;
        if (reading.end > at && reading.end[-1] == '\r') {
            reading.end--;
        }
        result = line_read(&reading, err);
        reading.end = next;
    }
    if (result == 0 && out.count == 0) {
        result = error_set(err, ERROR_INPUT,
                           "no counters of llama-server (--metrics) or vLLM in it");
    }
    if (reading.many_starts) {
        out.started = INSTANT_NONE;
    }
    if (result != 0) {
        engine_metrics_release(&out);
        return -1;
    }
    *metrics = out;
    return 0;
}

void engine_metrics_release(struct engine_metrics *metrics)
{
    free(metrics->counters);
    *metrics = (struct engine_metrics){0};
}

const char *engine_kind_text(enum engine_kind kind)
{
    static const char *const texts[ENGINE_KINDS] = {"input_tokens", "cached_input_tokens",
                                                    "prompt_tokens", "output_tokens"};
    return texts[kind];
}
