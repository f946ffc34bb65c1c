/* reconcile - the book beside Slurm's own accounting. */
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/reconcile.h"
#include "ledgerd/flow/text_table.h"

enum { LIMIT_DEFAULT = 10000 };

/* A month, a day, or an instant, as the period that it names; an instant's is empty. */
static int parse_period(const struct calendar *calendar, const char *option, const char *text,
                        struct period *period, struct error *err)
{
    size_t length = strlen(text);
    struct month month;
    int64_t local_us;
    char midnight[32];

    if (month_parse(text, length, &month) == 0) {
        *period = calendar_month(calendar, month);
        return 0;
    }
    if (parse_rfc3339(text, length, &period->from) == 0) {
        period->to = period->from;
        return 0;
    }
    if (length == strlen("2027-06-01") &&
        snprintf(midnight, sizeof midnight, "%sT00:00:00", text) > 0 &&
        parse_naive_time(midnight, strlen(midnight), &local_us) == 0) {
        *period = calendar_day_of(calendar, zone_from_local(calendar->zone, local_us));
        return 0;
    }
    return error_set(err, ERROR_ARGUMENT,
                     "--%s: '%.40s' is no month (2027-06), day (2027-06-01) or time with offset",
                     option, text);
}

/* [from, to): without --to the month or day that --from names, else up to now. */
static int read_period(struct command *command, const struct calendar *calendar,
                       struct reconcile_options *options, struct error *err)
{
    const char *to = command_line_text(&command->line, "to", NULL);
    struct period first, last;

    if (parse_period(calendar, "from", command_line_option(&command->line, "from")->text, &first,
                     err) != 0 ||
        (to != NULL && parse_period(calendar, "to", to, &last, err) != 0)) {
        return -1;
    }
    options->from = first.from;
    options->to = to != NULL                                  ? last.from
                  : instant_compare(first.from, first.to) < 0 ? first.to
                                                              : command->act.now;
    options->to = instant_min(options->to, command->act.now);
    if (instant_compare(options->from, options->to) >= 0) {
        return error_set(err, ERROR_ARGUMENT, "--from: the time begins behind its end, or now");
    }
    return 0;
}

static const char *configured_command(const struct conf *conf, const char *cluster)
{
    for (size_t i = 0; i < conf->source_count; i++) {
        const char *name = conf->sources[i].name;

        if (strncmp(name, "slurm:", 6) == 0 && strcmp(name + 6, cluster) == 0) {
            return conf->sources[i].command;
        }
    }
    return "";
}

static int slurm_run(struct command *command, struct error *err)
{
    const char *cluster = command_argument(command, 0);
    const struct word *limit = command_line_option(&command->line, "limit");
    struct reconcile_options options = {
        .cluster = cluster,
        .command = command_line_text(&command->line, "command",
                                     configured_command(&command->session.conf, cluster)),
        .now = command->act.now,
        .limit = limit->text != NULL ? (int64_t)limit->as.number : LIMIT_DEFAULT,
        .skip_sreport = command_line_has(&command->line, "no-sreport"),
    };
    const struct catalog *catalog = command_catalog(command, err);

    if (strlen(cluster) + strlen("slurm:") > USAGE_SOURCE_BYTES ||
        !usage_is_clean(cluster, strlen(cluster), USAGE_SOURCE_BYTES)) {
        return error_set(err, ERROR_ARGUMENT, "CLUSTER: no name of a cluster");
    }
    if (catalog == NULL || read_period(command, &catalog->calendar, &options, err) != 0) {
        return -1;
    }
    json_t *document = reconcile_slurm(command->session.store, catalog, &options, err);
    if (document == NULL || command_finish(command, document, err) != 0) {
        return -1;
    }
    command->status = json_is_true(json_object_get(command->document, "agrees")) ? 0 : 5;
    return 0;
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static json_int_t show_kinds(const json_t *document, struct strbuf *out)
{
    const json_t *kinds = json_object_get(document, "differing");
    json_int_t total = 0;
    const char *kind;
    json_t *count;

    json_object_foreach((json_t *)kinds, kind, count)
    {
        if (json_integer_value(count) > 0) {
            strbuf_printf(out, "%-12s %lld\n", kind, (long long)json_integer_value(count));
        }
        total += json_integer_value(count);
    }
    return total;
}

static void show_used(const json_t *used, struct strbuf *out)
{
    static const struct text_column columns[] = {{"account", "account", false},
                                                 {"meter", "meter", false},
                                                 {"book", "book", true},
                                                 {"sacct", "sacct", true},
                                                 {"sreport", "sreport", true},
                                                 {"agrees", "agrees", false},
                                                 {0}};
    const char *note = json_string_value(json_object_get(used, "note"));
    const json_t *hours = json_object_get(used, "hours");

    if (!json_is_object(used)) {
        return;
    }
    strbuf_add_string(out, "\nhours used in the time\n");
    if (note != NULL) {
        strbuf_printf(out, "%s\n", note);
    }
    if (json_array_size(hours) > 0) {
        text_table_write(hours, columns, 0, out);
    }
    if (number_of(used, "suspended_across") > 0) {
        strbuf_printf(out,
                      "%lld jobs that were suspended lie across an edge of it: sreport knows when "
                      "they stood still, the others only for how long\n",
                      (long long)number_of(used, "suspended_across"));
    }
}

static void slurm_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column differences[] = {{"id", "id", false},
                                                     {"kind", "kind", false},
                                                     {"account", "account", false},
                                                     {"why", "why", false},
                                                     {0}};
    static const struct text_column ended[] = {
        {"account", "account", false}, {"meter", "meter", false},   {"book", "book", true},
        {"sacct", "sacct", true},      {"agrees", "agrees", false}, {0}};
    const json_t *jobs = json_object_get(document, "jobs");
    const json_t *list = json_object_get(document, "differences");

    strbuf_printf(out, "%s from %s to %s\n%lld jobs ended in it by Slurm, %lld by the book\n",
                  json_string_value(json_object_get(document, "cluster")),
                  json_string_value(json_object_get(document, "from")),
                  json_string_value(json_object_get(document, "to")),
                  (long long)number_of(jobs, "slurm"), (long long)number_of(jobs, "book"));
    json_int_t more = show_kinds(document, out) - (json_int_t)json_array_size(list);
    if (json_array_size(list) > 0) {
        strbuf_add_char(out, '\n');
        text_table_write(list, differences, 0, out);
    }
    if (more > 0) {
        strbuf_printf(out, "and %lld more: --limit names more of them\n", (long long)more);
    }
    strbuf_add_string(out, "\nhours of the jobs that ended in the time\n");
    text_table_write(json_object_get(document, "ended"), ended, 0, out);
    show_used(json_object_get(document, "used"), out);
    strbuf_printf(out, "\n%s\n",
                  json_is_true(json_object_get(document, "agrees")) ? "the book and Slurm agree"
                                                                    : "the book and Slurm differ");
}

static const struct option_spec slurm_options[] = {
    {"from", 0, "T", WORD_TEXT, "a month, a day, or a time: jobs that ran since then", true},
    {"to", 0, "T", WORD_TEXT, "and before then (default: the end of that month or day, or now)",
     false},
    {"command", 0, "SACCT", WORD_TEXT,
     "sacct, beside which sreport and sacctmgr stand (default: as configured, else found in PATH)",
     false},
    {"limit", 0, "N", WORD_NUMBER, "differences to name (default: 10000); all are counted", false},
    {"no-sreport", 0, NULL, WORD_FLAG, "compare with sacct alone", false},
    {0},
};

const struct verb reconcile_verbs[] = {
    {.spec = {"reconcile",
              "slurm",
              {{"CLUSTER", WORD_TEXT, false, false}},
              slurm_options,
              "compare the book with Slurm's accounting; exit code 5 if they differ"},
     .role = STORE_DAEMON,
     .run = slurm_run,
     .show = slurm_show},
    {.run = NULL},
};
