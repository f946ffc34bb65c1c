/* import - read usage into the book, with a progress line for whoever watches. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ledgerd/core/usage.h"
#include "ledgerd/ctl/counts.h"
#include "ledgerd/ctl/verbs.h"

enum { SOURCE_BYTES = USAGE_SOURCE_BYTES + 1 };
static const char SOURCE_RULE[] =
    "a source's name is at most 64 bytes of UTF-8 without control characters";

static void progress_print(void *context, const struct ingest_progress *progress)
{
    (void)context;
    fprintf(stderr, "\r%llu records, %llu MB", (unsigned long long)progress->records,
            (unsigned long long)(progress->bytes / 1000000));
    if (progress->size_bytes > 0) {
        fprintf(stderr, " (%llu %%)",
                (unsigned long long)(progress->bytes * 100 / progress->size_bytes));
    }
    fprintf(stderr, ", %lld s ", (long long)(progress->elapsed_us / 1000000));
    fflush(stderr);
}

static int import_run(struct command *command, struct ingest_options *options, struct error *err)
{
    const struct word *batch = command_line_option(&command->line, "batch");
    const char *path = command_argument(command, 0);
    bool is_watched = isatty(STDERR_FILENO) == 1;
    struct instant through = command_line_instant(&command->line, "through", INSTANT_NONE);
    struct ingest_counts counts = {0};

    if (instant_is_set(through) && instant_compare(through, command->act.now) > 0) {
        return error_set(err, ERROR_ARGUMENT, "--through: that is still to come");
    }
    options->conf = &command->session.conf;
    options->now = command->act.now;
    options->progress = is_watched ? progress_print : NULL;
    options->batch_records = batch->text != NULL ? (size_t)batch->as.number : 0;
    if (options->batch_records > INGEST_BATCH_RECORDS_MAX) {
        return error_set(err, ERROR_ARGUMENT, "--batch: at most %d", INGEST_BATCH_RECORDS_MAX);
    }
    int status = ingest_file(command->session.store, path != NULL ? path : "-", options, &counts,
                             err);
    if (is_watched) {
        fprintf(stderr, "\r\033[K");
    }
    if (status == 0 && instant_is_set(through)) {
        status = ingest_note_read(command->session.store, options->source, through, err);
    }
    return counts_finish(command, &counts, status, err);
}

static int is_one_of(const char *text, const char *const *choices)
{
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(text, choices[i]) == 0) {
            return 0;
        }
    }
    return -1;
}

static int slurm_run(struct command *command, struct error *err)
{
    static const char *const formats[] = {"sacct", "json", NULL};
    const char *cluster = command_line_option(&command->line, "cluster")->text;
    const char *format = command_line_text(&command->line, "format", "sacct");
    char source[SOURCE_BYTES];
    if (is_one_of(format, formats) < 0) {
        return error_set(err, ERROR_ARGUMENT, "--format: '%s' is not sacct or json", format);
    }
    if (snprintf(source, sizeof source, "slurm:%s", cluster) >= SOURCE_BYTES ||
        !usage_is_clean(source, strlen(source), USAGE_SOURCE_BYTES)) {
        return error_set(err, ERROR_ARGUMENT, "--cluster: %s", SOURCE_RULE);
    }
    struct ingest_options options = {.format = format, .source = source, .cluster = cluster};
    return import_run(command, &options, err);
}

static int usage_run(struct command *command, struct error *err)
{
    static const char *const formats[] = {"ledger", "openai", "litellm", "envoy",
                                          "otel",   "csv",    NULL};
    const char *source = command_line_option(&command->line, "source")->text;
    const char *format = command_line_text(&command->line, "format", "ledger");
    if (is_one_of(format, formats) < 0 && strncmp(format, "mapping:/", 9) != 0) {
        return error_set(err, ERROR_ARGUMENT,
                         "--format: '%s' is not ledger, openai, litellm, envoy, otel, csv or "
                         "mapping: with an absolute path",
                         format);
    }
    if (!usage_is_clean(source, strlen(source), USAGE_SOURCE_BYTES)) {
        return error_set(err, ERROR_ARGUMENT, "--source: %s", SOURCE_RULE);
    }
    if (strcmp(command_line_text(&command->line, "aggregate", "none"), "none") != 0) {
        return error_set(err, ERROR_ARGUMENT,
                         "--aggregate: only none is possible yet: each record is booked by itself");
    }
    struct ingest_options options = {
        .format = format,
        .source = source,
        .project = command_line_text(&command->line, "project", NULL),
        .user = command_line_text(&command->line, "user", NULL),
    };
    return import_run(command, &options, err);
}

static const struct option_spec slurm_options[] = {
    {"cluster", 0, "C", WORD_TEXT, "the cluster: records are of source slurm:C", true},
    {"format", 0, "F", WORD_TEXT, "sacct (text of sacct -P, default) or json", false},
    {"through", 0, "T", WORD_INSTANT, "the input holds everything of the source up to T", false},
    {"batch", 0, "N", WORD_NUMBER, "records in one transaction (default: 50000)", false},
    {0},
};
static const struct option_spec usage_options[] = {
    {"source", 0, "S", WORD_TEXT, "the source, such as gateway:sdli", true},
    {"format", 0, "F", WORD_TEXT,
     "ledger (default), openai, litellm, envoy, otel, csv or mapping:PATH", false},
    {"project", 0, "P", WORD_TEXT, "project of records that name none", false},
    {"user", 0, "U", WORD_TEXT, "user of records that name none", false},
    {"aggregate", 0, "A", WORD_TEXT, "none (default); minute is not possible yet", false},
    {"through", 0, "T", WORD_INSTANT, "the input holds everything of the source up to T", false},
    {"batch", 0, "N", WORD_NUMBER, "records in one transaction (default: 50000)", false},
    {0},
};

const struct verb import_verbs[] = {
    {.spec = {"import",
              "slurm",
              {{"FILE", WORD_TEXT, true, false}},
              slurm_options,
              "book Slurm jobs; FILE - or none is standard input"},
     .role = STORE_DAEMON,
     .run = slurm_run,
     .show = counts_show},
    {.spec = {"import",
              "usage",
              {{"FILE", WORD_TEXT, true, false}},
              usage_options,
              "book usage records; FILE - or none is standard input"},
     .role = STORE_DAEMON,
     .run = usage_run,
     .show = counts_show},
    {.run = NULL},
};
