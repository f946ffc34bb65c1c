/* quarantine - what could not be booked: seen, tried again, given up. */
#include "ledgerd/ctl/counts.h"
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/quarantine.h"
#include "ledgerd/flow/text_table.h"

static json_t *entry_document(const struct quarantine_entry *entry, const struct zone *zone)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "n", (json_int_t)entry->n, "source",
                     document_text(entry->source), "id", document_text(entry->id), "reason",
                     document_text(entry->reason), "detail", document_text(entry->detail), "since",
                     document_instant(zone, entry->since));
}

static int list_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct quarantine_list entries = {0};
    if (catalog == NULL || quarantine_list(command->session.store, &entries, err) < 0) {
        return -1;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < entries.count; i++) {
        json_array_append_new(list, entry_document(&entries.entries[i], &catalog->zone));
    }
    quarantine_list_release(&entries);
    return command_finish(command, list, err);
}

static void list_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {{"n", "n", true},
                                                 {"source", "source", false},
                                                 {"id", "id", false},
                                                 {"reason", "reason", false},
                                                 {"since", "since", false},
                                                 {"detail", "detail", false},
                                                 {0}};
    if (json_array_size(document) == 0) {
        strbuf_add_string(out, "nothing is in quarantine\n");
        return;
    }
    text_table_write(document, columns, 0, out);
}

static int show_run(struct command *command, struct error *err)
{
    const struct catalog *catalog = command_catalog(command, err);
    struct quarantine_entry entry = {0};
    int64_t n = (int64_t)command->line.arguments[0].as.number;
    if (catalog == NULL || quarantine_show(command->session.store, n, &entry, err) < 0) {
        return -1;
    }
    json_t *document = entry_document(&entry, &catalog->zone);
    json_object_set_new(document, "state", json_string(quarantine_state_text(entry.state)));
    json_object_set_new(document, "ended_at", document_instant(&catalog->zone, entry.ended_at));
    json_object_set_new(document, "month",
                        entry.has_month ? document_month(entry.month) : json_null());
    json_object_set_new(document, "format", document_text(entry.format));
    json_object_set_new(document, "is_whole", json_boolean(entry.is_whole));
    json_object_set_new(document, "raw", document_bytes(entry.raw, entry.raw_length));
    quarantine_entry_release(&entry);
    return command_finish(command, document, err);
}

static void show_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column fields[] = {{"n", "entry", false},
                                                {"source", "source", false},
                                                {"id", "id", false},
                                                {"state", "state", false},
                                                {"reason", "reason", false},
                                                {"detail", "detail", false},
                                                {"since", "since", false},
                                                {"ended_at", "ended", false},
                                                {"format", "format", false},
                                                {"is_whole", "whole", false},
                                                {0}};
    const json_t *raw = json_object_get(document, "raw");
    text_fields_write(document, fields, out);
    strbuf_add_string(out, "its text:\n");
    for (const char *c = json_string_value(raw); c != NULL && *c != '\0'; c++) {
        /* whatever stands in a bad record, the terminal is not told to act on it */
        bool is_plain = (unsigned char)*c >= 0x20 && *c != 0x7f;
        strbuf_add_char(out, is_plain || *c == '\n' || *c == '\t' ? *c : '?');
    }
    strbuf_add_char(out, '\n');
}

static int retry_run(struct command *command, struct error *err)
{
    int64_t n = command_argument(command, 0) != NULL ? (int64_t)command->line.arguments[0].as.number
                                                     : 0;
    struct ingest_counts counts = {0};
    int status = quarantine_retry(command->session.store, n, &command->session.conf, &command->act,
                                  &counts, err);
    return counts_finish(command, &counts, status, err);
}

static int dismiss_run(struct command *command, struct error *err)
{
    int64_t n = (int64_t)command->line.arguments[0].as.number;
    if (quarantine_dismiss(command->session.store, n, &command->act, err) < 0) {
        return -1;
    }
    return command_finish(command,
                          json_pack("{s:I, s:s}", "n", (json_int_t)n, "state", "dismissed"), err);
}

static void dismiss_show(const json_t *document, struct strbuf *out)
{
    strbuf_printf(out, "entry %lld dismissed\n",
                  (long long)json_integer_value(json_object_get(document, "n")));
}

const struct verb quarantine_verbs[] = {
    {.spec = {"quarantine", "list", {{0}}, NULL, "what could not be booked, and why"},
     .role = STORE_REPORT,
     .run = list_run,
     .show = list_show},
    {.spec = {"quarantine",
              "show",
              {{"N", WORD_NUMBER, false, false}},
              NULL,
              "an entry with its own text"},
     .role = STORE_REPORT,
     .run = show_run,
     .show = show_show},
    {.spec = {"quarantine",
              "retry",
              {{"N", WORD_NUMBER, true, false}},
              NULL,
              "read entry N again, or all, and book what can be booked now"},
     .role = STORE_DAEMON,
     .run = retry_run,
     .show = counts_show},
    {.spec =
         {"quarantine", "dismiss", {{"N", WORD_NUMBER, false, false}}, NULL, "give an entry up"},
     .role = STORE_DAEMON,
     .run = dismiss_run,
     .show = dismiss_show},
    {.run = NULL},
};
