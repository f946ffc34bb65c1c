/* reconcile tokens - the book beside what the model servers counted. */
#include <stdlib.h>
#include <string.h>

#include "importers/engine_metrics_pull.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/reconcile_tokens.h"
#include "ledgerd/flow/text_table.h"

/* The text of a snapshot: a file, "-", or a URL. */
static int snapshot_read(const char *from, struct strbuf *text, struct error *err)
{
    return engine_metrics_is_url(from) ? engine_metrics_fetch(from, text, err)
                                       : command_read_file(from, text, err);
}

static int snapshot_parse(const char *from, const struct strbuf *text, struct engine_metrics *to,
                          struct error *err)
{
    if (engine_metrics_parse(text->data, text->length, to, err) == 0) {
        return 0;
    }
    return engine_metrics_is_url(from) ? error_prefix(err, "%.200s", from)
                                       : command_blame_file(from, err);
}

/* Keep what was read, with the time before it, as a baseline for the next time. */
static int snapshot_save(const struct command *command, const struct strbuf *text,
                         const struct catalog *catalog, struct error *err)
{
    const char *path = command_line_text(&command->line, "save", NULL);
    char now[INSTANT_TEXT_BYTES];
    struct strbuf kept = STRBUF_INIT;
    int result;
    if (path == NULL) {
        return 0;
    }
    strbuf_printf(&kept, "# taken at %s\n", zone_format(&catalog->zone, command->act.now, now));
    strbuf_add(&kept, text->data, text->length);
    result = kept.failed ? error_set(err, ERROR_INTERNAL, "out of memory")
                         : command_write_file(path, &kept, err);
    strbuf_release(&kept);
    return result;
}

/* The baselines, then the metrics as they are now. */
static int snapshots_read(const struct command *command, const struct catalog *catalog,
                          struct engine_metrics *snapshots, struct error *err)
{
    size_t count = command->line.repeated_count;
    int result = 0;
    for (size_t i = 0; result == 0 && i <= count; i++) {
        const char *from = i < count ? command->line.repeated[i]
                                     : command_line_text(&command->line, "metrics", NULL);
        struct strbuf text = STRBUF_INIT;
        result = snapshot_read(from, &text, err);
        if (result == 0) {
            result = snapshot_parse(from, &text, &snapshots[i], err);
        }
        if (result == 0 && i == count) {
            result = snapshot_save(command, &text, catalog, err);
        }
        strbuf_release(&text);
    }
    return result;
}

static int options_read(const struct command *command, struct reconcile_tokens_options *options,
                        struct error *err)
{
    const char *tolerance = command_line_text(&command->line, "tolerance", "0");
    *options = (struct reconcile_tokens_options){
        .source = command_argument(command, 0),
        .conf = &command->session.conf,
        .klass = command_line_text(&command->line, "class", NULL),
        .from = command_line_instant(&command->line, "from", INSTANT_NONE),
        .to = command_line_instant(&command->line, "to", INSTANT_NONE),
        .now = command->act.now,
    };
    if (!usage_is_clean(options->source, strlen(options->source), USAGE_SOURCE_BYTES)) {
        return error_set(err, ERROR_ARGUMENT, "SOURCE: no name of a source");
    }
    if (decimal_parse(tolerance, strlen(tolerance), &options->tolerance) != 0 ||
        decimal_compare(options->tolerance, DECIMAL_ONE) > 0) {
        return error_set(err, ERROR_ARGUMENT,
                         "--tolerance: '%.40s' is no fraction between 0 and 1, such as 0.005",
                         tolerance);
    }
    return 0;
}

static int tokens_run(struct command *command, struct error *err)
{
    struct reconcile_tokens_options options;
    struct engine_metrics snapshots[COMMAND_WORDS_MAX + 1] = {0};
    size_t count = command->line.repeated_count + 1;
    const struct catalog *catalog = command_catalog(command, err);
    json_t *document = NULL;

    if (catalog != NULL && options_read(command, &options, err) == 0 &&
        snapshots_read(command, catalog, snapshots, err) == 0) {
        document = reconcile_tokens(command->session.store, catalog, &options, snapshots, count,
                                    err);
    }
    for (size_t i = 0; i < count; i++) {
        engine_metrics_release(&snapshots[i]);
    }
    if (document == NULL || command_finish(command, document, err) != 0) {
        return -1;
    }
    command->status = json_is_true(json_object_get(command->document, "agrees")) ? 0 : 5;
    return 0;
}

static void tokens_show(const json_t *document, struct strbuf *out)
{
    static const struct text_column columns[] = {
        {"class", "model", false},   {"kind", "kind", false},  {"engine", "engine", true},
        {"book", "book", true},      {"drift", "drift", true}, {"resets", "resets", true},
        {"agrees", "agrees", false}, {"why", "why", false},    {0}};
    const json_t *elsewhere = json_object_get(document, "elsewhere");
    strbuf_printf(out, "%s from %s to %s\n", json_string_value(json_object_get(document, "source")),
                  json_string_value(json_object_get(document, "from")),
                  json_string_value(json_object_get(document, "to")));
    text_table_write(json_object_get(document, "counters"), columns, 0, out);
    if (json_array_size(elsewhere) > 0) {
        size_t i;
        const json_t *klass;
        strbuf_add_string(out, "not of these engines, by name:");
        json_array_foreach(elsewhere, i, klass)
        {
            strbuf_printf(out, " %s", json_string_value(klass));
        }
        strbuf_add_char(out, '\n');
    }
    strbuf_printf(out, "\n%s\n",
                  json_is_true(json_object_get(document, "agrees"))
                      ? "the book and the engines agree"
                      : "the book and the engines differ");
}

static const struct option_spec tokens_options[] = {
    {"metrics", 0, "FILE|URL", WORD_TEXT,
     "what the engine counts now: its /metrics, or a file of it (- for standard input)", true},
    {"save", 0, "FILE", WORD_TEXT, "keep that, with the time, as a baseline for the next time",
     false},
    {"class", 0, "CLASS", WORD_TEXT,
     "the book's class of counters that name no model (default: all of the source)", false},
    {"tolerance", 0, "F", WORD_TEXT,
     "fraction by which they may differ, such as 0.005 (default: 0)", false},
    {"from", 0, "T", WORD_INSTANT,
     "records that end since then (default: when the first baseline was saved, or the engine "
     "started)",
     false},
    {"to", 0, "T", WORD_INSTANT, "and before then (default: when the metrics were read)", false},
    {0},
};

const struct verb reconcile_tokens_verbs[] = {
    {.spec = {"reconcile",
              "tokens",
              {{"SOURCE", WORD_TEXT, false, false}, {"BASELINE", WORD_TEXT, true, true}},
              tokens_options,
              "compare the book with what model servers counted since the baselines; exit code 5 "
              "if they differ"},
     .role = STORE_REPORT,
     .run = tokens_run,
     .show = tokens_show},
    {.run = NULL},
};
