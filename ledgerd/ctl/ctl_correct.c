/* supply, transfer, refund - corrections, each a posting of its own. */
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/refund.h"
#include "ledgerd/flow/supply_adjust.h"
#include "ledgerd/flow/text_table.h"
#include "ledgerd/flow/transfer.h"

static int adjust_run(struct command *command, struct error *err)
{
    struct supply_adjust_result result;
    struct supply_adjust_request request = {
        .act = command->act,
        .supply = command_argument(command, 0),
        .points = command->line.arguments[1].as.points,
    };
    if (supply_adjust(command->session.store, &request, &result, err) < 0) {
        return -1;
    }
    json_t *parts = json_array();
    for (size_t i = 0; i < result.part_count; i++) {
        json_array_append_new(parts,
                              json_pack("{s:s, s:o, s:o}", "share", result.parts[i].share, "points",
                                        document_points(result.parts[i].points), "pool_left",
                                        document_points(result.parts[i].pool_left)));
    }
    return command_finish(command,
                          json_pack("{s:s, s:i, s:o, s:o}", "supply", request.supply, "fiscal_year",
                                    result.fiscal_year, "points", document_points(result.points),
                                    "shares", parts),
                          err);
}

static void adjust_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {{"share", "share", false},
                                                 {"points", "points", true},
                                                 {"pool_left", "left in the pool", true},
                                                 {0}};
    text_table_write(json_object_get(document, "shares"), columns, 0, out);
}

static int transfer_run(struct command *command, struct error *err)
{
    struct transfer_result result;
    struct transfer_request request = {
        .act = command->act,
        .from = command_argument(command, 0),
        .to = command_argument(command, 1),
        .points = command->line.arguments[2].as.points,
        .across = command_line_has(&command->line, "across"),
        .key = command_line_text(&command->line, "key", NULL),
    };
    if (transfer_make(command->session.store, &request, &result, err) < 0) {
        return -1;
    }
    return command_finish(command,
                          json_pack("{s:I, s:s, s:s, s:o, s:o, s:b}", "id", (json_int_t)result.id,
                                    "from", request.from, "to", request.to, "points",
                                    document_points(request.points), "left",
                                    document_points(result.left), "repeated", (int)result.repeated),
                          err);
}

static void transfer_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column fields[] = {{"id", "transfer", false},
                                                {"from", "from", false},
                                                {"to", "to", false},
                                                {"points", "points", false},
                                                {"left", "left to transfer", false},
                                                {"repeated", "made before", false},
                                                {0}};
    text_fields_write(document, fields, out);
}

static int refund_run(struct command *command, struct error *err)
{
    const struct word *points = command_line_option(&command->line, "points");
    struct refund_result result;
    struct refund_request request = {
        .act = command->act,
        .source = command_argument(command, 0),
        .id = command_argument(command, 1),
        .has_points = points->text != NULL,
        .points = points->as.points,
    };
    if (refund_make(command->session.store, &request, &result, err) < 0) {
        return -1;
    }
    return command_finish(command,
                          json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "source", request.source,
                                    "id", request.id, "project", result.project, "points",
                                    document_points(result.points), "charged",
                                    document_points(result.charged), "refundable",
                                    document_points(result.refundable)),
                          err);
}

static void refund_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column fields[] = {{"source", "source", false},
                                                {"id", "record", false},
                                                {"project", "project", false},
                                                {"points", "refunded", false},
                                                {"charged", "charged", false},
                                                {"refundable", "still refundable", false},
                                                {0}};
    text_fields_write(document, fields, out);
}

static const struct option_spec transfer_options[] = {
    {"key", 0, "K", WORD_TEXT, "the same key and arguments answer the first result again", false},
    {"across", 0, NULL, WORD_FLAG, "allow it between two shares: the one lends the other", false},
    {0},
};
static const struct option_spec refund_options[] = {
    {"points", 0, "N", WORD_POINTS, "how much (default: all that it was charged)", false},
    {0},
};

const struct verb supply_verbs[] = {
    {.spec = {"supply",
              "adjust",
              {{"ID", WORD_TEXT, false, false}, {"POINTS", WORD_SIGNED_POINTS, false, false}},
              NULL,
              "what the machine could not deliver of a supply entry, or could on top (--note says "
              "why)"},
     .role = STORE_DAEMON,
     .run = adjust_run,
     .show = adjust_show},
    {.run = NULL},
};

const struct verb transfer_verbs[] = {
    {.spec = {"transfer",
              NULL,
              {{"FROM_PROJECT", WORD_TEXT, false, false},
               {"TO_PROJECT", WORD_TEXT, false, false},
               {"POINTS", WORD_POINTS, false, false}},
              transfer_options,
              "points of one project's grants to another project, with their validity"},
     .role = STORE_DAEMON,
     .run = transfer_run,
     .show = transfer_show},
    {.run = NULL},
};

const struct verb refund_verbs[] = {
    {.spec = {"refund",
              NULL,
              {{"RECORD_SOURCE", WORD_TEXT, false, false}, {"RECORD_ID", WORD_TEXT, false, false}},
              refund_options,
              "give back what a record was charged"},
     .role = STORE_DAEMON,
     .run = refund_run,
     .show = refund_show},
    {.run = NULL},
};
