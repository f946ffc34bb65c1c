/* Walking a document by its layout. */
#include "reports/csv.h"

#include <string.h>

#include "ledgerd/flow/document.h"

struct place { /* where a row stands, the inside first */
    const json_t *levels[3];
};

static const json_t *member(const json_t *object, const char *path)
{
    const char *dot = strchr(path, '.');
    char first[64] = "";
    if (dot == NULL) {
        return json_object_get(object, path);
    }
    strncat(first, path, (size_t)(dot - path) < sizeof first ? (size_t)(dot - path) : 0);
    return member(json_object_get(object, first), dot + 1);
}

static void cell_write(const char *text, size_t length, struct strbuf *out)
{
    bool is_quoted = false;
    for (size_t i = 0; i < length && !is_quoted; i++) {
        is_quoted = strchr(",\"\r\n", text[i]) != NULL;
    }
    if (!is_quoted) {
        strbuf_add(out, text, length);
        return;
    }
    strbuf_add_char(out, '"');
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"') {
            strbuf_add_char(out, '"');
        }
        strbuf_add_char(out, text[i]);
    }
    strbuf_add_char(out, '"');
}

static void value_write(const struct place *place, const char *column, struct strbuf *out)
{
    struct strbuf cell = STRBUF_INIT;
    const json_t *value = NULL;
    for (size_t i = 0; i < 3 && value == NULL; i++) {
        value = member(place->levels[i], column);
    }
    if (value != NULL && !json_is_null(value)) {
        document_show(value, &cell);
    }
    cell_write(cell.data, cell.length, out);
    strbuf_release(&cell);
}

static bool has_column(const struct csv_section *section, const char *column)
{
    for (const char *const *c = section->columns; *c != NULL; c++) {
        if (strcmp(*c, column) == 0) {
            return true;
        }
    }
    return false;
}

static void row_write(const struct csv_layout *layout, const struct csv_section *section,
                      const struct place *place, struct strbuf *out)
{
    strbuf_add_string(out, section->name);
    for (const char *const *c = layout->columns; *c != NULL; c++) {
        strbuf_add_char(out, ',');
        if (has_column(section, *c)) {
            value_write(place, *c, out);
        }
    }
    strbuf_add_char(out, '\n');
}

static void inner_write(const json_t *document, const struct csv_layout *layout,
                        const struct csv_section *section, const json_t *outer, struct strbuf *out)
{
    const json_t *inner = json_object_get(outer, section->inner);
    const json_t *item;
    size_t i;
    if (json_is_object(inner)) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)inner, key, value)
        {
            json_t *row = json_pack("{s:s, s:O}", "source", key, "points", value);
            row_write(layout, section, &(struct place){{row, outer, document}}, out);
            json_decref(row);
        }
        return;
    }
    json_array_foreach(inner, i, item)
    {
        row_write(layout, section, &(struct place){{item, outer, document}}, out);
    }
}

static void section_write(const json_t *document, const struct csv_layout *layout,
                          const struct csv_section *section, struct strbuf *out)
{
    const json_t *array = section->array != NULL ? json_object_get(document, section->array) : NULL;
    const json_t *item;
    size_t i;
    if (section->array == NULL && section->inner != NULL) {
        inner_write(document, layout, section, document, out);
    } else if (section->array == NULL) {
        row_write(layout, section, &(struct place){{document, NULL, NULL}}, out);
    }
    json_array_foreach(array, i, item)
    {
        if (section->inner != NULL) {
            inner_write(document, layout, section, item, out);
        } else {
            row_write(layout, section, &(struct place){{item, document, NULL}}, out);
        }
    }
}

void csv_write(const json_t *document, const struct csv_layout *layout, struct strbuf *out)
{
    strbuf_add_string(out, "section");
    for (const char *const *c = layout->columns; *c != NULL; c++) {
        strbuf_add_char(out, ',');
        strbuf_add_string(out, *c);
    }
    strbuf_add_char(out, '\n');
    for (const struct csv_section *s = layout->sections; s->name != NULL; s++) {
        section_write(document, layout, s, out);
    }
}
