/* Lists for people: every cell is rendered once to find the widths and once to print. */
#include "ledgerd/flow/text_table.h"

#include <stdint.h>
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/flow/document.h"

static uint32_t code_point(const char *text, size_t width)
{
    const unsigned char *bytes = (const unsigned char *)text;
    static const unsigned char lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t value = bytes[0] & lead_mask[width];
    for (size_t i = 1; i < width; i++) {
        value = value << 6 | (bytes[i] & 0x3f);
    }
    return value;
}

/* The blocks of Unicode's East Asian Width that names are written in (annex 11). */
static bool is_wide(uint32_t c)
{
    return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
           (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
           (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x20000 && c <= 0x3fffd);
}

size_t text_width(const char *text, size_t length)
{
    size_t columns = 0;
    for (size_t i = 0; i < length;) {
        size_t bytes = parse_utf8_character(text + i, length - i);
        columns += bytes > 0 && is_wide(code_point(text + i, bytes)) ? 2 : 1;
        i += bytes > 0 ? bytes : 1;
    }
    return columns;
}

static const json_t *value_of(const json_t *object, const char *key)
{
    const char *dot = strchr(key, '.');
    if (dot == NULL) {
        return json_object_get(object, key);
    }
    char first[64] = "";
    strncat(first, key,
            (size_t)(dot - key) < sizeof first ? (size_t)(dot - key) : sizeof first - 1);
    return value_of(json_object_get(object, first), dot + 1);
}

/* A cell is one line whatever the value holds. */
static void cell_write(const json_t *row, const char *key, struct strbuf *cell)
{
    const json_t *value = value_of(row, key);
    strbuf_clear(cell);
    if (value == NULL) {
        strbuf_add_char(cell, '-');
        return;
    }
    document_show(value, cell);
    for (size_t i = 0; i < cell->length; i++) {
        if ((unsigned char)cell->data[i] < 0x20 || cell->data[i] == 0x7f) {
            cell->data[i] = ' ';
        }
    }
    if (cell->length == 0) {
        strbuf_add_char(cell, '-');
    }
}

static void pad(struct strbuf *out, size_t width, size_t filled)
{
    for (size_t i = filled; i < width; i++) {
        strbuf_add_char(out, ' ');
    }
}

static void line_cell(struct strbuf *out, const char *text, size_t length, size_t width,
                      bool is_number, bool is_last)
{
    size_t filled = text_width(text, length);
    if (is_number) {
        pad(out, width, filled);
    }
    strbuf_add(out, text, length);
    if (!is_last) {
        pad(out, is_number ? 0 : width, filled);
        strbuf_add_string(out, "  ");
    }
}

static void widths_measure(const json_t *rows, const struct text_column *columns, size_t *widths,
                           struct strbuf *cell)
{
    size_t i;
    const json_t *row;
    for (size_t c = 0; c < TEXT_COLUMNS_MAX && columns[c].key != NULL; c++) {
        widths[c] = text_width(columns[c].title, strlen(columns[c].title));
        json_array_foreach(rows, i, row)
        {
            cell_write(row, columns[c].key, cell);
            size_t width = text_width(cell->data, cell->length);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
}

void text_table_write(const json_t *rows, const struct text_column *columns, size_t indent,
                      struct strbuf *out)
{
    struct strbuf cell = STRBUF_INIT;
    size_t widths[TEXT_COLUMNS_MAX];
    size_t i;
    const json_t *row;

    widths_measure(rows, columns, widths, &cell);
    pad(out, indent, 0);
    for (size_t c = 0; c < TEXT_COLUMNS_MAX && columns[c].key != NULL; c++) {
        line_cell(out, columns[c].title, strlen(columns[c].title), widths[c], columns[c].is_number,
                  columns[c + 1].key == NULL);
    }
    strbuf_add_char(out, '\n');
    json_array_foreach(rows, i, row)
    {
        pad(out, indent, 0);
        for (size_t c = 0; c < TEXT_COLUMNS_MAX && columns[c].key != NULL; c++) {
            cell_write(row, columns[c].key, &cell);
            line_cell(out, cell.data, cell.length, widths[c], columns[c].is_number,
                      columns[c + 1].key == NULL);
        }
        strbuf_add_char(out, '\n');
    }
    strbuf_release(&cell);
}

void text_fields_write(const json_t *object, const struct text_column *columns, struct strbuf *out)
{
    struct strbuf cell = STRBUF_INIT;
    size_t width = 0;
    size_t number_width = 0;
    for (const struct text_column *c = columns; c->key != NULL; c++) {
        size_t filled = text_width(c->title, strlen(c->title));
        cell_write(object, c->key, &cell);
        width = filled > width ? filled : width;
        number_width = c->is_number && cell.length > number_width ? cell.length : number_width;
    }
    for (const struct text_column *c = columns; c->key != NULL; c++) {
        cell_write(object, c->key, &cell);
        strbuf_add_string(out, c->title);
        pad(out, width + 2, text_width(c->title, strlen(c->title)));
        pad(out, c->is_number ? number_width : 0, cell.length);
        strbuf_printf(out, "%s\n", cell.data);
    }
    strbuf_release(&cell);
}
