/* Parts of text reports. */
#include "reports/text.h"

#include <stdio.h>
#include <string.h>

#include "ledgerd/core/points.h"
#include "ledgerd/flow/document.h"

const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

void text_title(const char *title, struct strbuf *out)
{
    strbuf_printf(out, "\n%s\n", title);
    for (size_t i = 0; i < strlen(title); i++) {
        strbuf_add_char(out, '-');
    }
    strbuf_add_char(out, '\n');
}

/* The sum of a column; false if a row does not have it or it does not fit. */
static bool column_sum(const json_t *list, const char *key, struct points *sum)
{
    size_t i;
    const json_t *row;
    struct points total = POINTS_ZERO;
    json_array_foreach(list, i, row)
    {
        const char *text = text_of(row, key);
        struct points value;
        if (points_parse_signed(text, strlen(text), &value) != POINTS_OK ||
            points_add(total, value, &total) != POINTS_OK) {
            return false;
        }
    }
    *sum = total;
    return true;
}

void text_totals_write(const json_t *list, const struct text_column *columns, struct strbuf *out)
{
    json_t *rows = json_copy((json_t *)(uintptr_t)list);
    json_t *total = json_object();
    for (const struct text_column *c = columns; c->key != NULL; c++) {
        struct points sum;
        if (c == columns) {
            json_object_set_new(total, c->key, json_string("total"));
        } else if (c->is_number && column_sum(list, c->key, &sum)) {
            json_object_set_new(total, c->key, document_points(sum));
        } else {
            json_object_set_new(total, c->key, json_string(" "));
        }
    }
    json_array_append_new(rows, total);
    text_table_write(rows, columns, 0, out);
    json_decref(rows);
}

void text_list_write(const json_t *list, const struct text_column *columns, const char *none,
                     struct strbuf *out)
{
    if (json_array_size(list) == 0) {
        strbuf_printf(out, "%s\n", none);
    } else {
        text_table_write(list, columns, 0, out);
    }
}

void text_completeness_write(const json_t *document, struct strbuf *out)
{
    const json_t *completeness = json_object_get(document, "completeness");
    json_t *sources = json_object_get(completeness, "last_record");
    json_t *away = json_object_get(completeness, "away");
    const char *source;
    json_t *last;
    text_title("Completeness", out);
    if (json_object_size(sources) == 0) {
        strbuf_add_string(out, "no record of any source is booked\n");
    }
    json_object_foreach(sources, source, last)
    {
        strbuf_printf(out, "%s: last record ends %s\n", source, json_string_value(last));
    }
    json_object_foreach(away, source, last)
    {
        strbuf_printf(out, "%s: cannot be read since %s, what it holds is missing\n", source,
                      json_string_value(last));
    }
    strbuf_printf(out, "%lld records in quarantine, not in these figures\n",
                  (long long)json_integer_value(json_object_get(completeness, "quarantined")));
    strbuf_printf(out, "%lld items skipped that are no usage\n",
                  (long long)json_integer_value(json_object_get(completeness, "skipped")));
}

/* "0.812500" to "81.2500 %": the point moves, no digit is lost. */
static json_t *percentage(const char *fraction)
{
    struct points value;
    char text[64];
    if (points_parse_signed(fraction, strlen(fraction), &value) != POINTS_OK) {
        return json_string(fraction);
    }
    int64_t micro = value.micro;
    snprintf(text, sizeof text, "%s%lld.%04lld %%", micro < 0 ? "-" : "",
             (long long)(micro < 0 ? -(micro / 10000) : micro / 10000),
             (long long)(micro < 0 ? -(micro % 10000) : micro % 10000));
    return json_string(text);
}

static void object_percentages(json_t *object)
{
    static const char *const keys[] = {"fraction",    "fraction_of_spent", "fraction_of_offered",
                                       "utilisation", "recovery",          "idle_share"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *text = json_string_value(json_object_get(object, keys[i]));
        if (text != NULL) {
            json_object_set_new(object, keys[i], percentage(text));
        }
    }
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t i;
        json_t *item;
        if (json_is_object(value)) {
            object_percentages(value);
        }
        json_array_foreach(value, i, item)
        {
            object_percentages(item);
        }
    }
}

json_t *text_percentages(const json_t *rows)
{
    json_t *copy = json_deep_copy(rows);
    size_t i;
    json_t *row;
    json_array_foreach(copy, i, row)
    {
        object_percentages(row);
    }
    return copy;
}
