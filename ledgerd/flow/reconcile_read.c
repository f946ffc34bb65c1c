/* reconcile_read - see reconcile_read.h: sacct, sacctmgr and sreport, and what they print. */
#include "ledgerd/flow/reconcile_read.h"

#include <stdlib.h>
#include <string.h>

#include "importers/importer.h"
#include "ledgerd/base/child.h"
#include "ledgerd/base/civil.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/flow/arena.h"
#include "ledgerd/store/store_record.h"

enum {
    ROWS_AT_A_TIME = 5000,
    DAY_SECONDS = 86400,
    REPORT_BYTES = 64 * 1024 * 1024, /* sreport's lines: some hundred thousand users */
    STATS_BYTES = 1024 * 1024,
    USED_MAX = 1000 * 1000, /* accounts and meters, far beyond any site */
};
/* A database that is asked for a year may think for minutes before the first row. */
static const int64_t WHOLE_US = 4 * 3600 * INSTANT_SECOND_US;
static const int64_t IDLE_US = 15 * 60 * INSTANT_SECOND_US;

/* No column that users write: what they do not hold cannot break a row. */
static const char COLUMNS[] =
    "--format=JobID,JobIDRaw,Cluster,Submit,Start,End,State,ElapsedRaw,Suspended,"
    "TimelimitRaw,Account,User,Partition,QOS,AllocTRES";

static const char *const ENVIRONMENT[] = {"SLURM_TIME_FORMAT=%s", NULL};

/* Slurm's time of an option: whole seconds of UTC, which is the zone that a child has. */
static void put_time(struct strbuf *out, const char *option, struct instant t)
{
    int64_t seconds = t.us / INSTANT_SECOND_US;
    struct civil_date date = civil_from_days(seconds / DAY_SECONDS);
    int rest = (int)(seconds % DAY_SECONDS);

    strbuf_printf(out, "%s%04d-%02d-%02dT%02d:%02d:%02d", option, date.year, date.month, date.day,
                  rest / 3600, rest / 60 % 60, rest % 60);
}

/* --- sacct ----------------------------------------------------------------------------------- */

struct reading { /* of sacct's rows, a batch at a time */
    struct store *store;
    struct arena arena; /* texts of the batch */
    struct strbuf meters;
    struct reconcile_row rows[ROWS_AT_A_TIME];
    size_t count;
    uint64_t never_started;
};

static int flush(struct reading *reading, struct error *err)
{
    int result = reading->arena.failed || reading->meters.failed
                     ? error_set(err, ERROR_INTERNAL, "out of memory")
                     : store_reconcile_add(reading->store, reading->rows, reading->count, err);

    reading->count = 0;
    arena_clear(&reading->arena);
    return result;
}

static const char *keep_decimal(struct reading *reading, struct decimal value)
{
    char text[DECIMAL_TEXT_BYTES];

    return arena_string(&reading->arena, decimal_format(value, text));
}

/* Seconds without suspension: Slurm's own count, else what lies between start and end. */
static const char *keep_elapsed(struct reading *reading, const struct usage_record *record)
{
    struct decimal seconds = record->elapsed_seconds;

    if (!record->has_elapsed) {
        decimal_from_u64(
            (unsigned long long)((record->end.us - record->start.us) / INSTANT_SECOND_US),
            &seconds);
    }
    return keep_decimal(reading, seconds);
}

static void keep_record(struct reading *reading, const struct usage_record *record, uint64_t n)
{
    struct arena *arena = &reading->arena;
    const char *account = usage_attribute(record, "account");
    const char *partition = usage_attribute(record, "partition");

    strbuf_clear(&reading->meters);
    store_record_add_meters(&reading->meters, record);
    reading->rows[reading->count++] = (struct reconcile_row){
        .n = n,
        .id = arena_string(arena, record->id),
        .job = {.state = record->state == USAGE_RUNNING ? "running" : "ended",
                .account = arena_string(arena, account != NULL ? account : record->project),
                .user = arena_string(arena, record->user),
                .partition = arena_string(arena, partition != NULL ? partition : record->klass),
                .qos = arena_string(arena, record->qos),
                .outcome = arena_string(arena, record->outcome),
                .submitted = record->submitted,
                .start = record->start,
                .end = record->end,
                .elapsed = keep_elapsed(reading, record),
                .requested = keep_decimal(reading, record->requested_seconds),
                .meters = arena_string(arena, reading->meters.data)},
        .detail = "",
    };
}

/* A row that has no identity that can be read is known by its line. */
static void keep_bad(struct reading *reading, const struct import_item *item)
{
    struct arena *arena = &reading->arena;
    char line[32];

    snprintf(line, sizeof line, "line %llu", (unsigned long long)item->line);
    reading->rows[reading->count++] = (struct reconcile_row){
        .n = item->line,
        .id = arena_string(arena, item->record != NULL ? item->record->id : line),
        .job = {"unreadable", "", "", "", "", "", INSTANT_NONE, INSTANT_NONE, INSTANT_NONE, "0",
                "0", ""},
        .detail = arena_string(arena, item->detail),
    };
}

static int read_rows(struct reading *reading, struct importer *importer, struct error *err)
{
    struct import_item item;
    int result;

    while ((result = importer_next(importer, &item, err)) == 1) {
        switch (item.kind) {
        case IMPORT_RECORD:
            keep_record(reading, item.record, item.line);
            break;
        case IMPORT_BAD:
            keep_bad(reading, &item);
            break;
        case IMPORT_SKIPPED:
            reading->never_started += strcmp(item.reason, "not_started") == 0;
            break;
        }
        if (reading->count == ROWS_AT_A_TIME && flush(reading, err) != 0) {
            return -1;
        }
    }
    return result == 0 ? flush(reading, err) : -1;
}

static ssize_t read_child(void *context, void *buffer, size_t size, struct error *err)
{
    return child_read(context, buffer, size, err);
}

static int read_all(struct reading *reading, struct child *child,
                    const struct import_options *import, struct error *err)
{
    struct input *input = input_from_reader("sacct", read_child, child, err);
    struct importer *importer = input != NULL ? importer_open(input, import, err) : NULL;
    int result = importer != NULL ? read_rows(reading, importer, err) : -1;

    importer_close(importer);
    input_close(input);
    return result;
}

int reconcile_read_sacct(struct store *store, const struct reconcile_options *options,
                         const char *source, uint64_t *never_started, struct error *err)
{
    const struct import_options import = {
        .format = IMPORT_SACCT, .source = source, .cluster = options->cluster, .now = options->now};
    const char *program = options->command[0] != '\0' ? options->command : "sacct";
    struct strbuf cluster = STRBUF_INIT, from = STRBUF_INIT, to = STRBUF_INIT;
    struct reading *reading = calloc(1, sizeof *reading);
    struct child *child = NULL;
    int result = -1;

    strbuf_printf(&cluster, "--clusters=%s", options->cluster);
    put_time(&from, "--starttime=", options->from);
    put_time(&to, "--endtime=", options->to);
    if (reading == NULL || cluster.failed || from.failed || to.failed) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        goto done;
    }
    reading->store = store;
    strbuf_init(&reading->meters);
    const char *const argv[] = {
        program, "--allusers", "--allocations", "--duplicates", "--parsable2", "--delimiter=\x1f",
        COLUMNS, cluster.data, from.data,       to.data,        NULL};
    child = child_start(
        &(struct child_options){
            .argv = argv, .environment = ENVIRONMENT, .whole_us = WHOLE_US, .idle_us = IDLE_US},
        err);
    result = child != NULL ? read_all(reading, child, &import, err) : -1;
    *never_started = reading->never_started;
    arena_release(&reading->arena);
    strbuf_release(&reading->meters);
done:
    child_destroy(child);
    free(reading);
    strbuf_release(&to);
    strbuf_release(&from);
    strbuf_release(&cluster);
    return result;
}

/* --- sacctmgr and sreport -------------------------------------------------------------------- */

/* The number of seconds in the last brackets of a line: "Hour  last ran Sun … (1795374000)". */
static struct instant line_time(const char *line, size_t length)
{
    const char *open = memrchr(line, '(', length);
    const char *close = memrchr(line, ')', length);
    uint64_t seconds;

    if (open == NULL || close == NULL || close < open ||
        parse_u64(open + 1, (size_t)(close - open - 1), INSTANT_LIMIT_US / INSTANT_SECOND_US,
                  &seconds) != 0 ||
        seconds == 0) {
        return INSTANT_NONE;
    }
    return instant_from_seconds((int64_t)seconds);
}

static bool begins(const char *line, size_t length, const char *with)
{
    return length >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

/* The cluster's own hours if it has any since slurmdbd started; else everything was rolled up
 * before, when slurmdbd last looked. */
static struct instant find_rollup(const char *text, const char *cluster)
{
    struct instant looked = INSTANT_NONE;
    struct strbuf title = STRBUF_INIT;
    bool is_ours = false;

    strbuf_printf(&title, "Cluster '%s' rollup statistics", cluster);
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        struct instant t = line_time(text, length);

        if (begins(text, length, "Cluster '")) {
            is_ours = begins(text, length, title.data);
        } else if (is_ours && begins(text, length, "Hour") && instant_is_set(t)) {
            looked = t;
            break;
        } else if (begins(text, length, "Internal DBD rollup")) {
            looked = t;
        }
        text += length + (text[length] == '\n');
    }
    strbuf_release(&title);
    return looked;
}

int reconcile_read_rollup(const struct reconcile_options *options, struct instant *through,
                          struct error *err)
{
    char *program = child_sibling(options->command, "sacctmgr");
    struct strbuf output = STRBUF_INIT;
    int result;

    if (program == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    const char *const argv[] = {program, "-n", "show", "stats", NULL};
    result = child_run(&(struct child_options){.argv = argv, .whole_us = WHOLE_US}, STATS_BYTES,
                       &output, err);
    if (result == 0) {
        *through = find_rollup(output.data, options->cluster);
    }
    strbuf_release(&output);
    free(program);
    return result;
}

/* "account|gres/gpu|seconds", cut in place. */
static int parse_used(char *line, struct reconcile_used *used, struct error *err)
{
    char *meter = strchr(line, '|');
    char *seconds = meter != NULL ? strchr(meter + 1, '|') : NULL;
    uint64_t number;

    if (seconds == NULL ||
        parse_u64(seconds + 1, strlen(seconds + 1), (uint64_t)1 << 60, &number) != 0) {
        return error_set(err, ERROR_INPUT,
                         "sreport: a line that is no account, TRES and seconds: "
                         "'%.200s'",
                         line);
    }
    *meter++ = '\0';
    *seconds = '\0';
    *used = (struct reconcile_used){line, strcmp(meter, "gres/gpu") == 0 ? "gpu" : "cpu",
                                    (int64_t)number};
    return 0;
}

static int add_used(struct store *store, char *text, struct error *err)
{
    size_t count = 0, lines = 1;
    struct reconcile_used *used;
    char *rest = NULL;
    int result = 0;

    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    used = lines <= USED_MAX ? calloc(lines, sizeof *used) : NULL;
    if (used == NULL) {
        return error_set(err, ERROR_INTERNAL, "sreport: %zu lines are too many", lines);
    }
    for (char *line = strtok_r(text, "\n", &rest); line != NULL && result == 0;
         line = strtok_r(NULL, "\n", &rest)) {
        result = parse_used(line, &used[count++], err);
    }
    if (result == 0) {
        result = store_reconcile_add_used(store, used, count, err);
    }
    free(used);
    return result;
}

int reconcile_read_sreport(struct store *store, const struct reconcile_options *options,
                           struct instant from, struct instant to, struct error *err)
{
    char *program = child_sibling(options->command, "sreport");
    struct strbuf output = STRBUF_INIT, start = STRBUF_INIT, end = STRBUF_INIT;
    int result;

    if (program == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    put_time(&start, "start=", from);
    put_time(&end, "end=", to);
    const char *const argv[] = {program,
                                "-n",
                                "-P",
                                "-t",
                                "Seconds",
                                "-T",
                                "gres/gpu,cpu",
                                "-M",
                                options->cluster,
                                "cluster",
                                "UserUtilizationByAccount",
                                start.data,
                                end.data,
                                "format=Account,TRESName,Used",
                                NULL};
    result = child_run(&(struct child_options){.argv = argv, .whole_us = WHOLE_US}, REPORT_BYTES,
                       &output, err);
    if (result == 0) {
        result = output.length > 0 ? add_used(store, output.data, err) : 0;
    }
    strbuf_release(&end);
    strbuf_release(&start);
    strbuf_release(&output);
    free(program);
    return result;
}
