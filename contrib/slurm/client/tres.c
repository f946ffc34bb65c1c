/* tres - see tres.h. */
#include "contrib/slurm/client/tres.h"

#include <string.h>

struct word {
    const char *bytes;
    size_t length;
};

static bool word_is(struct word word, const char *name)
{
    return word.length == strlen(name) && memcmp(word.bytes, name, word.length) == 0;
}

/* The next word of an element and whether there was one; *text moves behind it and its separator.
 */
static bool next_word(const char **text, struct word *word)
{
    if (**text == '\0' || **text == ',' || **text == ';') {
        return false;
    }
    word->bytes = *text;
    word->length = strcspn(*text, ":/=,;");
    *text += word->length;
    if (**text != '\0' && **text != ',' && **text != ';') {
        *text += 1;
    }
    return true;
}

static int unit_shift(char unit)
{
    static const char units[] = "kmgtp";
    const char *found = unit == '\0' ? NULL : strchr(units, unit | 0x20);

    return found == NULL ? -1 : (int)(found - units + 1) * 10;
}

/* A count with its unit. A word that does not begin with a digit is a type: the count is one. */
static enum ledger_shape_result read_count(struct word word, int64_t *count)
{
    size_t i = 0;
    int shift = 0;
    int64_t value = 0;

    if (word.length == 0 || word.bytes[0] < '0' || word.bytes[0] > '9') {
        *count = 1;
        return LEDGER_SHAPE_OK;
    }
    for (; i < word.length && word.bytes[i] >= '0' && word.bytes[i] <= '9'; i++) {
        value = value * 10 + (word.bytes[i] - '0');
        if (value > LEDGER_COUNT_MAX) {
            return LEDGER_SHAPE_TOO_LARGE;
        }
    }
    if (i + 1 == word.length) {
        shift = unit_shift(word.bytes[i++]);
    }
    if (i != word.length || shift < 0) {
        return LEDGER_SHAPE_BAD_TRES;
    }
    if (value > (LEDGER_COUNT_MAX >> shift)) {
        return LEDGER_SHAPE_TOO_LARGE;
    }
    *count = value << shift;
    return LEDGER_SHAPE_OK;
}

/* One element, up to its comma: its count if it has this name, else 0. */
static enum ledger_shape_result element_count(const char **text, const char *name, int64_t *count)
{
    struct word word;
    struct word last = {NULL, 0};
    bool is_ours = false;

    *count = 0;
    if (next_word(text, &word) && (!word_is(word, "gres") || next_word(text, &word))) {
        is_ours = word_is(word, name);
    }
    while (next_word(text, &word)) {
        last = word;
    }
    return is_ours ? read_count(last, count) : LEDGER_SHAPE_OK;
}

enum ledger_shape_result tres_count(const char *list, const char *name, int64_t *count)
{
    int64_t sum = 0;

    for (const char *text = list == NULL ? "" : list; *text != '\0';) {
        int64_t one;
        enum ledger_shape_result result = element_count(&text, name, &one);

        if (result != LEDGER_SHAPE_OK) {
            return result;
        }
        sum += one;
        if (sum > LEDGER_COUNT_MAX) {
            return LEDGER_SHAPE_TOO_LARGE;
        }
        text += *text != '\0';
    }
    *count = sum;
    return LEDGER_SHAPE_OK;
}
