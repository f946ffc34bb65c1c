/* The counts of contract section 3 as document and text. */
#include "ledgerd/ctl/counts.h"

#include <stdio.h>

#include "ledgerd/flow/document.h"
#include "ledgerd/flow/text_table.h"

json_t *counts_document(const struct ingest_counts *counts)
{
    char seconds[32];
    snprintf(seconds, sizeof seconds, "%lld.%03lld", (long long)(counts->elapsed_us / 1000000),
             (long long)(counts->elapsed_us / 1000 % 1000));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "read", (json_int_t)counts->read,
                     "booked", (json_int_t)counts->booked, "amended", (json_int_t)counts->amended,
                     "duplicate", (json_int_t)counts->duplicate, "quarantined",
                     (json_int_t)counts->quarantined, "skipped", (json_int_t)counts->skipped,
                     "points", document_points(counts->points), "seconds",
                     json_loads(seconds, JSON_DECODE_ANY, NULL));
}

int counts_finish(struct command *command, const struct ingest_counts *counts, int status,
                  struct error *err)
{
    struct error finishing = {0};
    if (command_finish(command, counts_document(counts), status == 0 ? err : &finishing) < 0) {
        return -1;
    }
    command->status = counts->quarantined > 0 ? 3 : 0;
    return status;
}

void counts_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column fields[] = {{"read", "read", true},
                                                {"booked", "  booked", true},
                                                {"amended", "  amended", true},
                                                {"duplicate", "  duplicate", true},
                                                {"quarantined", "  quarantined", true},
                                                {"skipped", "skipped", true},
                                                {"points", "points", true},
                                                {0}};
    text_fields_write(document, fields, out);
    if (json_integer_value(json_object_get(document, "quarantined")) > 0) {
        strbuf_add_string(out, "ledgerctl quarantine list says what is wrong\n");
    }
}
