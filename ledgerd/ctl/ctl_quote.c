/* quote - what a job would cost, and whether it would be accepted, before it is submitted.
 *
 * The counts are those of the hook that slurmctld asks (ledger_job_shape), completed and decided as
 * a hold would be; nothing is written.
 */
#include <inttypes.h>
#include <string.h>

#include "include/ledger_job.h"
#include "ledgerd/ctl/sbatch.h"
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/catalog_slurm.h"
#include "ledgerd/flow/check_book.h"
#include "ledgerd/flow/text_table.h"

struct quoting {
    struct command *command;
    const char *cluster;
    const char *user;
    json_t *components;
    json_t *decision; /* that counts so far */
    struct points total;
    char project[USAGE_NAME_BYTES + 1]; /* of the first component; "" if it has none */
    char account[USAGE_NAME_BYTES + 1];
    bool is_one_project;
};

/* --- a component ------------------------------------------------------------------------------ */

static int add_meter(struct usage_record *shape, const char *name, int64_t count, struct error *err)
{
    struct decimal quantity;

    return count > 0 && (decimal_from_u64((unsigned long long)count, &quantity) != 0 ||
                         usage_add_meter(shape, name, quantity) != 0)
               ? error_set(err, ERROR_INPUT, "%s: the job asks for more than can be counted", name)
               : 0;
}

static int add_meters(const struct ledger_shape *needs, struct usage_record *shape,
                      struct error *err)
{
    char text[LEDGER_QUANTITY_BYTES];
    struct decimal gib;

    if (needs->memory_mib > 0) {
        ledger_mem_gib(needs->memory_mib, text);
        if (decimal_parse(text, strlen(text), &gib) != 0 ||
            usage_add_meter(shape, "mem_gib", gib) != 0) {
            return error_set(err, ERROR_INPUT, "the job asks for more memory than can be counted");
        }
    }
    return add_meter(shape, "gpu", needs->gpus, err) != 0 ||
                   add_meter(shape, "cpu", needs->cpus, err) != 0 ||
                   add_meter(shape, "node", needs->nodes, err) != 0
               ? -1
               : 0;
}

static const char *text_or_none(const char *text)
{
    return text != NULL ? text : "";
}

static int make_request(const struct quoting *quoting, const struct ledger_job *job,
                        struct check_request *request, struct usage_record *shape,
                        struct error *err)
{
    struct ledger_shape needs;
    enum ledger_shape_result result = ledger_job_shape(job, &needs);

    if (result != LEDGER_SHAPE_OK) {
        return error_set(err, ERROR_INPUT, "%s", ledger_shape_result_text(result));
    }
    check_request_init(request, shape);
    request->user = quoting->user;
    request->has_shape = true;
    shape->qos = text_or_none(job->qos);
    request->ask = (struct slurm_ask){.cluster = quoting->cluster,
                                      .uid = -1,
                                      .account = text_or_none(job->account),
                                      .partition = text_or_none(job->partition),
                                      .modifies = "",
                                      .has_seconds = needs.seconds >= 0,
                                      .is_unlimited = needs.unlimited,
                                      .is_exclusive = needs.exclusive,
                                      .is_mem_default = needs.mem_default || needs.mem_whole,
                                      .is_mem_whole = needs.mem_whole,
                                      .is_mem_per_cpu = needs.mem_per_cpu,
                                      .nodes = needs.nodes,
                                      .parts = needs.parts,
                                      .at_once = needs.at_once};
    if (needs.seconds >= 0 &&
        decimal_from_u64((unsigned long long)needs.seconds, &request->seconds) != 0) {
        return error_set(err, ERROR_INPUT, "the time limit is longer than a job may last");
    }
    return add_meters(&needs, shape, err) != 0 ? -1 : check_request_validate(request, err);
}

static json_t *meters_document(const struct usage_record *shape)
{
    json_t *meters = json_object();

    for (size_t i = 0; i < shape->meter_count; i++) {
        char text[DECIMAL_TEXT_BYTES];

        decimal_format(shape->meters[i].quantity, text);
        json_object_set_new(meters, shape->meters[i].name, json_string(text));
    }
    return meters;
}

static json_t *decision_document(const struct check_result *result)
{
    struct strbuf text = STRBUF_INIT;

    answer_write_json(&result->question, &result->answer, NULL, &text);
    json_t *document = text.failed ? NULL : json_loads(text.data, 0, NULL);
    strbuf_release(&text);
    return document;
}

static json_t *component_document(const struct check_result *result)
{
    const struct slurm_resolution *job = &result->resolution;
    char points[POINTS_TEXT_BYTES];

    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:o}", "partition", job->partition, "qos",
                     job->qos, "meters", meters_document(&job->shape), "seconds",
                     (json_int_t)job->seconds, "parts", (json_int_t)job->parts, "at_once",
                     (json_int_t)job->at_once, "points",
                     job->is_rated ? json_string(points_format(job->points, points)) : json_null());
}

/* The first decision stands until one is refused for more than its points. */
static bool is_for_points(const json_t *decision)
{
    const char *reason = json_string_value(json_object_get(decision, "reason"));

    return reason == NULL || strcmp(reason, "insufficient_points") == 0 ||
           strcmp(reason, "project_limit") == 0 || strcmp(reason, "user_limit") == 0 ||
           strcmp(reason, "share_cap") == 0;
}

static void take_decision(struct quoting *quoting, json_t *decision)
{
    if (quoting->decision == NULL ||
        (is_for_points(quoting->decision) && !is_for_points(decision)) ||
        (json_is_true(json_object_get(quoting->decision, "allowed")) &&
         !json_is_true(json_object_get(decision, "allowed")))) {
        json_decref(quoting->decision);
        quoting->decision = decision;
    } else {
        json_decref(decision);
    }
}

static int take_component(struct quoting *quoting, const struct check_result *result,
                          struct error *err)
{
    const struct slurm_resolution *job = &result->resolution;
    const char *project = job->project != NULL ? job->project->id : "";

    if (json_array_size(quoting->components) == 0) {
        snprintf(quoting->project, sizeof quoting->project, "%s", project);
        snprintf(quoting->account, sizeof quoting->account, "%s", job->account);
    } else if (strcmp(quoting->project, project) != 0) {
        quoting->is_one_project = false;
    }
    if (points_add(quoting->total, job->points, &quoting->total) != POINTS_OK) {
        return error_set(err, ERROR_INPUT, "the price of all components is too large");
    }
    json_array_append_new(quoting->components, component_document(result));
    take_decision(quoting, decision_document(result));
    return 0;
}

static int quote_component(struct quoting *quoting, const struct ledger_job *job, struct error *err)
{
    const struct session *session = &quoting->command->session;
    struct usage_record shape;
    struct check_request request;
    struct check_book book;
    int result;

    if (make_request(quoting, job, &request, &shape, err) != 0 ||
        check_book(session->store, &session->conf, &request, quoting->command->act.now, &book,
                   err) != 0) {
        return -1;
    }
    result = take_component(quoting, &book.result, err);
    check_book_release(&book);
    return result;
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Components are held for one after the other: what they cost together must be there. */
static int quote_total(struct quoting *quoting, struct error *err)
{
    const struct session *session = &quoting->command->session;
    struct usage_record shape;
    struct check_request request;
    struct check_book book;

    if (json_array_size(quoting->components) < 2 || !quoting->is_one_project ||
        !is_for_points(quoting->decision)) {
        return 0;
    }
    check_request_init(&request, &shape);
    request.user = quoting->user;
    request.has_points = true;
    request.points = quoting->total;
    request.ask.cluster = quoting->cluster;
    request.ask.account = quoting->account;
    if (check_book(session->store, &session->conf, &request, quoting->command->act.now, &book,
                   err) != 0) {
        return -1;
    }
    json_decref(quoting->decision);
    quoting->decision = decision_document(&book.result);
    check_book_release(&book);
    return 0;
}

static int find_cluster(struct quoting *quoting, const struct sbatch *sbatch, struct error *err)
{
    const struct catalog *catalog = command_catalog(quoting->command, err);
    const char *said = command_line_text(&quoting->command->line, "cluster", sbatch->clusters);

    if (catalog == NULL) {
        return -1;
    }
    quoting->cluster = said != NULL ? said : catalog_slurm_only_cluster(catalog->slurm);
    if (quoting->cluster == NULL) {
        return error_set(err, ERROR_ARGUMENT,
                         "name the cluster (--cluster): there is not just one that is known");
    }
    if (strchr(quoting->cluster, ',') != NULL) {
        return error_set(err, ERROR_ARGUMENT, "name one cluster (--cluster): prices are of one");
    }
    return 0;
}

static json_t *notes_document(const struct sbatch *sbatch)
{
    json_t *notes = json_array();

    for (size_t i = 0; i < sbatch->note_count; i++) {
        json_array_append_new(notes, json_string(sbatch->notes[i]));
    }
    return notes;
}

static json_t *quote_document(const struct quoting *quoting, const struct sbatch *sbatch)
{
    static const char *const members[] = {"allowed", "reason",        "detail",
                                          "project", "account",       "available",
                                          "suggest", "downgraded_to", "user_message"};
    char total[POINTS_TEXT_BYTES];
    json_t *document = json_pack(
        "{s:s, s:s, s:s, s:O, s:O, s:o}", "cluster", quoting->cluster, "user", quoting->user,
        "points", points_format(quoting->total, total), "components", quoting->components,
        "decision", quoting->decision, "notes", notes_document(sbatch));

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_t *value = json_object_get(quoting->decision, members[i]);

        json_object_set(document, members[i], value != NULL ? value : json_null());
    }
    return document;
}

static int quote_all(struct quoting *quoting, const struct sbatch *sbatch, struct error *err)
{
    if (find_cluster(quoting, sbatch, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sbatch->job_count; i++) {
        if (quote_component(quoting, &sbatch->jobs[i], err) != 0) {
            return sbatch->job_count > 1 ? error_prefix(err, "component %zu", i) : -1;
        }
    }
    if (quote_total(quoting, err) != 0) {
        return -1;
    }
    quoting->command->status = json_is_true(json_object_get(quoting->decision, "allowed")) ? 0 : 1;
    return command_finish(quoting->command, quote_document(quoting, sbatch), err);
}

static int quote_run(struct command *command, struct error *err)
{
    struct quoting quoting = {
        .command = command,
        .user = command_line_text(&command->line, "user", command->act.actor),
        .components = json_array(),
        .is_one_project = true,
    };
    struct sbatch sbatch;
    int result = sbatch_read(command->line.repeated_count, command->line.repeated, &sbatch, err);

    if (result == 0) {
        result = quote_all(&quoting, &sbatch, err);
        sbatch_release(&sbatch);
    }
    json_decref(quoting.components);
    json_decref(quoting.decision);
    return result;
}

/* --- as text ---------------------------------------------------------------------------------- */

static const char *text_of(const json_t *document, const char *name)
{
    const char *text = json_string_value(json_object_get(document, name));

    return text != NULL ? text : "-";
}

/* The meters as columns of their own, so that components stand under each other. */
static json_t *component_rows(const json_t *document)
{
    json_t *rows = json_array();
    json_t *components = json_object_get(document, "components");
    size_t i;
    json_t *component;

    json_array_foreach(components, i, component)
    {
        json_t *row = json_copy(component);

        json_object_update_missing(row, json_object_get(component, "meters"));
        json_array_append_new(rows, row);
    }
    return rows;
}

static void quote_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {{"partition", "partition", false},
                                                 {"qos", "qos", false},
                                                 {"node", "nodes", true},
                                                 {"gpu", "gpu", true},
                                                 {"cpu", "cpu", true},
                                                 {"mem_gib", "GiB", true},
                                                 {"seconds", "seconds", true},
                                                 {"parts", "tasks", true},
                                                 {"at_once", "at once", true},
                                                 {"points", "points", true},
                                                 {0}};
    json_t *rows = component_rows(document);
    size_t i;
    json_t *note;

    text_table_write(rows, columns, 0, out);
    json_decref(rows);
    strbuf_printf(out, "\n%s points at most; project %s has %s\n", text_of(document, "points"),
                  text_of(document, "project"), text_of(document, "available"));
    if (!json_is_true(json_object_get(document, "allowed"))) {
        strbuf_printf(out, "would be refused, %s: %s\n", text_of(document, "reason"),
                      text_of(document, "user_message"));
    } else if (json_is_string(json_object_get(document, "user_message"))) {
        strbuf_printf(out, "would be accepted: %s\n", text_of(document, "user_message"));
    } else {
        strbuf_add_string(out, "would be accepted\n");
    }
    json_array_foreach(json_object_get(document, "notes"), i, note)
    {
        strbuf_printf(out, "note: %s\n", json_string_value(note));
    }
}

static const struct option_spec quote_options[] = {
    {"cluster", 0, "C", WORD_TEXT, "of this cluster (default: the only one that is known)", false},
    {"user", 0, "U", WORD_TEXT, "as this user (default: the Unix user)", false},
    {0},
};

const struct verb quote_verbs[] = {
    {.spec =
         {.noun = "quote",
          .verb = "sbatch",
          .arguments = {{"WORD", WORD_PASSED, false, true}},
          .options = quote_options,
          .summary =
              "what the job would cost that sbatch would make of these words (options, SCRIPT)"},
     .role = STORE_REPORT,
     .run = quote_run,
     .show = quote_show},
    {.run = NULL},
};
