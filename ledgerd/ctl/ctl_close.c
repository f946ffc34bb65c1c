/* close - a month is over, and stays as it is. */
#include <string.h>

#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/close.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/seal.h"
#include "ledgerd/flow/text_table.h"

static json_t *gates_document(const struct close_result *result)
{
    json_t *gates = json_array();
    for (int i = 0; i < CLOSE_GATES && !result->was_closed; i++) {
        json_array_append_new(gates, json_pack("{s:s, s:b, s:o}", "name",
                                               close_gate_text((enum close_gate_kind)i), "ok",
                                               result->gates[i].ok, "detail",
                                               document_text(result->gates[i].detail)));
    }
    return gates;
}

static json_t *result_document(const struct close_request *request,
                               const struct close_result *result, const struct zone *zone)
{
    json_t *document = json_pack(
        "{s:o, s:s, s:b, s:s, s:o, s:o}", "month", document_month(request->month), "state",
        result->is_closed ? "closed" : "open", "already", result->was_closed, "digest",
        result->digest, "closed_at", document_instant(zone, result->closed_at), "gates",
        gates_document(result));
    if (document != NULL && result->is_closed && !result->was_closed) {
        json_object_set_new(document, "running", json_integer((json_int_t)result->running));
        json_object_set_new(document, "posted", document_points(result->posted));
        json_object_set_new(document, "statements", json_integer((json_int_t)result->statements));
    }
    return document;
}

static int close_run(struct command *command, struct error *err)
{
    const struct close_request request = {
        .month = command->line.arguments[0].as.month,
        .only_check = command_line_has(&command->line, "check"),
        .accept_quarantine = command_line_has(&command->line, "accept-quarantine"),
        .accept_quiet = command_line_text(&command->line, "accept-quiet", NULL),
        .conf = &command->session.conf,
        .act = command->act,
    };
    struct close_result result;
    struct error ignored = {0}, finishing = {0};
    const struct catalog *catalog = command_catalog(command, err);
    if (catalog == NULL) {
        return -1;
    }
    int status = close_month(command->session.store, &request, &result, err);
    bool has_gates = result.is_closed || result.gates[CLOSE_GATE_VERIFIED].detail[0] != '\0';
    if (status == 0 && result.is_closed && !result.was_closed) {
        seal_book(command->session.store, true, NULL, &ignored); /* else the next seal has it */
    }
    if (has_gates && command_finish(command, result_document(&request, &result, &catalog->zone),
                                    status == 0 ? err : &finishing) < 0) {
        return -1;
    }
    command->status = result.is_closed || result.gates_open ? 0 : 1;
    return status;
}

static void close_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {
        {"ok", "ok", false}, {"name", "gate", false}, {"detail", "detail", false}, {0}};
    const json_t *gates = json_object_get(document, "gates");
    const char *month = json_string_value(json_object_get(document, "month"));
    if (json_array_size(gates) > 0) {
        text_table_write(gates, columns, 0, out);
    }
    if (strcmp(json_string_value(json_object_get(document, "state")), "closed") != 0) {
        strbuf_printf(out, "%s is open\n", month);
        return;
    }
    strbuf_printf(out, "%s %s closed at %s, digest %s\n", month,
                  json_is_true(json_object_get(document, "already")) ? "was already" : "is",
                  json_string_value(json_object_get(document, "closed_at")),
                  json_string_value(json_object_get(document, "digest")));
}

static const struct option_spec close_options[] = {
    {"check", 0, NULL, WORD_FLAG, "only list the gates; exit code 1 if one stands in the way",
     false},
    {"accept-quarantine", 0, NULL, WORD_FLAG,
     "close although records of the month are in quarantine; the audit list names them", false},
    {"accept-quiet", 0, "SOURCE[,SOURCE]", WORD_TEXT,
     "take it that these sources have nothing more of the month", false},
    {0},
};

const struct verb close_verbs[] = {
    {.spec = {"close",
              NULL,
              {{"YYYY-MM", WORD_MONTH, false, false}},
              close_options,
              "close a month for good: post the slices of running work, store its reports"},
     .role = STORE_DAEMON,
     .run = close_run,
     .show = close_show},
    {.run = NULL},
};
