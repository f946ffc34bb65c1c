/* policy - shares, supply and calendar: applied from a file, shown as applied. */
#include "ledgerd/ctl/agreed.h"
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/policy_apply.h"
#include "ledgerd/flow/text_table.h"

static json_t *mint_document(const struct policy_mint *mint)
{
    json_t *parts = json_array();
    for (size_t i = 0; i < mint->part_count; i++) {
        json_array_append_new(parts, json_pack("{s:s, s:o}", "share", mint->parts[i].share,
                                               "points", document_points(mint->parts[i].points)));
    }
    return json_pack("{s:s, s:i, s:o, s:o}", "id", mint->supply_id, "fiscal_year",
                     mint->fiscal_year, "points", document_points(mint->total), "shares", parts);
}

static json_t *apply_document(const struct policy_apply_result *result, const struct zone *zone)
{
    json_t *minted = json_array();
    for (size_t i = 0; i < result->mint_count; i++) {
        json_array_append_new(minted, mint_document(&result->mints[i]));
    }
    return json_pack("{s:s, s:o, s:b, s:o}", "policy", result->name, "effective_from",
                     document_instant(zone, result->effective_from), "unchanged", result->unchanged,
                     "minted", minted);
}

static int policy_apply_run(struct command *command, struct error *err)
{
    struct strbuf json = STRBUF_INIT;
    struct policy_apply_result result = {0};
    int status = command_read_file(command_argument(command, 0), &json, err);
    if (status == 0) {
        struct policy_apply_request request = {
            .act = command->act,
            .json = json.data,
            .length = json.length,
            .retroactive = command_line_has(&command->line, "retroactive"),
        };
        status = policy_apply(command->session.store, &request, &result, err);
        if (status < 0) {
            command_blame_file(command_argument(command, 0), err);
        }
    }
    if (status == 0) { /* the catalog is read after applying: a first policy brings the zone */
        const struct catalog *catalog = command_catalog(command, err);
        status = catalog == NULL
                     ? -1
                     : command_finish(command, apply_document(&result, &catalog->zone), err);
    }
    policy_apply_result_release(&result);
    strbuf_release(&json);
    return status;
}

static void policy_apply_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {
        {"share", "share", false}, {"points", "points", true}, {0}};
    size_t i;
    const json_t *mint;

    agreed_applied_show("policy", document, out);
    json_array_foreach(json_object_get(document, "minted"), i, mint)
    {
        strbuf_printf(out, "supply %s of fiscal year %lld: %s points\n",
                      json_string_value(json_object_get(mint, "id")),
                      (long long)json_integer_value(json_object_get(mint, "fiscal_year")),
                      json_string_value(json_object_get(mint, "points")));
        text_table_write(json_object_get(mint, "shares"), columns, 2, out);
    }
}

static int policy_show_run(struct command *command, struct error *err)
{
    struct agreed_document agreed = {0};
    struct instant at = command_line_instant(&command->line, "at", command->act.now);
    if (policy_show(command->session.store, at, &agreed, err) < 0) {
        return -1;
    }
    return agreed_finish(command, &agreed, err);
}

const struct verb policy_verbs[] = {
    {.spec = {"policy",
              "apply",
              {{"FILE", WORD_TEXT, false, false}},
              agreed_apply_options,
              "put a policy into force and mint its supply"},
     .role = STORE_DAEMON,
     .run = policy_apply_run,
     .show = policy_apply_show},
    {.spec =
         {"policy", "show", {{0}}, agreed_show_options, "the policy in force, as it was applied"},
     .role = STORE_REPORT,
     .run = policy_show_run,
     .show = NULL},
    {.run = NULL},
};
