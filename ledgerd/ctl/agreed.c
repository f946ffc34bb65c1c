/* Policies and rate cards on their way in and out. */
#include "ledgerd/ctl/agreed.h"

#include <string.h>

const struct option_spec agreed_apply_options[] = {
    {"retroactive", 0, NULL, WORD_FLAG, "it may begin before something that is booked", false},
    {0},
};

const struct option_spec agreed_show_options[] = {
    {"at", 0, "T", WORD_INSTANT, "the one in force at T (default: now)", false},
    {0},
};

int agreed_finish(struct command *command, struct agreed_document *agreed, struct error *err)
{
    json_error_t where;
    json_t *document = json_loads(agreed->document, 0, &where);
    if (document == NULL) {
        error_set(err, ERROR_INTERNAL, "%s: its stored document is no JSON: %s", agreed->name,
                  where.text);
    }
    agreed_document_release(agreed);
    return document != NULL ? command_finish(command, document, err) : -1;
}

void agreed_applied_show(const char *kind, const json_t *document, struct strbuf *out)
{
    const char *name = json_string_value(json_object_get(document, kind));
    const char *from = json_string_value(json_object_get(document, "effective_from"));
    if (json_is_true(json_object_get(document, "unchanged"))) {
        strbuf_printf(out, "%s is in the book already, in force from %s\n", name, from);
    } else {
        strbuf_printf(out, "%s applied, in force from %s\n", name, from);
    }
}
