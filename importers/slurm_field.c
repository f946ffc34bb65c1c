/* slurm_field - see slurm_field.h. */
#include "importers/slurm_field.h"

enum slurm_field_given slurm_field_digits(struct scan_doc *doc, uint32_t token,
                                          struct scan_text *text)
{
    uint32_t set, infinite, number;

    if (token == SCAN_NONE) {
        return FIELD_NONE;
    }
    switch (scan_type(doc, token)) {
    case SCAN_NULL:
        return FIELD_NONE;
    case SCAN_INTEGER:
    case SCAN_STRING:
        *text = scan_text(doc, token);
        return text->length == 0 ? FIELD_NONE : FIELD_GIVEN;
    case SCAN_OBJECT:
        set = scan_member(doc, token, "set");
        infinite = scan_member(doc, token, "infinite");
        number = scan_member(doc, token, "number");
        if (infinite != SCAN_NONE && scan_type(doc, infinite) == SCAN_TRUE) {
            return FIELD_NONE;
        }
        if (set == SCAN_NONE || scan_type(doc, set) != SCAN_TRUE) {
            return set != SCAN_NONE ? FIELD_NONE : FIELD_BAD;
        }
        if (number == SCAN_NONE || scan_type(doc, number) != SCAN_INTEGER) {
            return FIELD_BAD;
        }
        *text = scan_text(doc, number);
        return FIELD_GIVEN;
    default:
        return FIELD_BAD;
    }
}

int slurm_field_number(struct scan_doc *doc, uint32_t token, struct slurm_number *number)
{
    struct scan_text text = {"", 0};

    number->given = false;
    return slurm_field_digits(doc, token, &text) == FIELD_BAD ? -1
                                                              : slurm_number_parse(text, number);
}

int slurm_field_time(struct time_reader *times, struct scan_doc *doc, uint32_t token,
                     struct slurm_time *time)
{
    struct scan_text text = {"", 0};

    time->given = SLURM_ABSENT;
    switch (slurm_field_digits(doc, token, &text)) {
    case FIELD_BAD:
        return -1;
    case FIELD_NONE:
        time->given = token == SCAN_NONE ? SLURM_ABSENT : SLURM_UNKNOWN;
        return 0;
    case FIELD_GIVEN:
        break;
    }
    return slurm_time_parse(times, text, time);
}

struct scan_text slurm_field_text(struct scan_doc *doc, uint32_t object, const char *key)
{
    uint32_t token = scan_member(doc, object, key);

    if (token == SCAN_NONE || scan_type(doc, token) != SCAN_STRING) {
        return (struct scan_text){"", 0};
    }
    return scan_text(doc, token);
}
