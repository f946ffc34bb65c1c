/* slurm_sacct_pull - see slurm_sacct_pull.h. */
#include "importers/slurm_sacct_pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "importers/slurm_site_pull.h"
#include "ledgerd/base/child.h"
#include "ledgerd/base/civil.h"

enum {
    WHOLE_TIMES = 24, /* a program may take so many times as long as it may be silent */
    ARGUMENT_BYTES = 256,
};

/* What users write (JobName) stands last and an admin's comment first, with fields of fixed form
 * between: however a name is made, it is never taken for a hold's key. */
#define COLUMNS                                                                            \
    "AdminComment,JobIDRaw,JobID,Cluster,User,UID,Account,Partition,QOS,State,Submit,"     \
    "Start,End,ElapsedRaw,Suspended,TimelimitRaw,AllocTRES,ExitCode,NodeList,Reservation," \
    "JobName"

/* Every state in which work has ended. REQUEUED rows are of work that was started again, RESIZING
 * ones parts of work; without naming them they would be passed over in silence. */
#define ENDED_STATES "CD,CA,F,TO,NF,OOM,PR,DL,BF,RQ,RV,RS"

static const char *const environment[] = {
    "SLURM_TIME_FORMAT=%s",
    "SLURM_BITSTR_LEN=0", /* lists of array tasks in full */
    NULL,
};

struct sacct_source {
    struct slurm_source base;
    struct slurm_source_options options;
    char *sacct, *squeue, *sacctmgr, *scontrol; /* paths */
};

/* --- reading a program -------------------------------------------------------------------------
 */

struct program_text { /* lines of a program, each of which must be whole */
    struct child *child;
    const char *name;
    bool wants_lines;
    char last; /* byte */
};

static ssize_t read_text(void *context, void *buffer, size_t size, struct error *err)
{
    struct program_text *text = context;
    ssize_t got = child_read(text->child, buffer, size, err);

    if (got > 0) {
        text->last = ((const char *)buffer)[got - 1];
    } else if (got == 0 && text->wants_lines && text->last != '\n') {
        return error_set(err, ERROR_UNAVAILABLE, "what %s wrote ends in the middle of a line",
                         text->name);
    }
    return got;
}

static struct child_options child_options_of(const struct sacct_source *source,
                                             const char *const *argv)
{
    return (struct child_options){
        .argv = argv,
        .environment = environment,
        .idle_us = source->options.conf->timeout_us,
        .whole_us = WHOLE_TIMES * source->options.conf->timeout_us,
        .stop = source->options.stop,
    };
}

static int feed_program(struct sacct_source *source, const char *const *argv, const char *format,
                        const char *name, slurm_feed_fn *feed, void *context, struct error *err)
{
    struct child_options options = child_options_of(source, argv);
    struct program_text text = {.name = name, .wants_lines = strcmp(format, "sacct") == 0};
    int result = -1;

    text.child = child_start(&options, err);
    if (text.child != NULL) {
        result = feed(context, format, name, read_text, &text, err);
    }
    child_destroy(text.child);
    return result;
}

/* --- jobs --------------------------------------------------------------------------------------
 */

/* Every row of a job (-D: those before a requeue too), no steps (-X), of everybody (-a). */
static int ended(struct slurm_source *base, struct instant from, struct instant to,
                 slurm_feed_fn *feed, void *context, struct error *err)
{
    struct sacct_source *source = (struct sacct_source *)base;
    char since[CIVIL_TEXT_BYTES], until[CIVIL_TEXT_BYTES];
    const char *const argv[] = {source->sacct, "-a",
                                "-X",          "-D",
                                "-P",          "--delimiter=\x1f",
                                "-M",          source->options.cluster,
                                "-s",          ENDED_STATES,
                                "-o",          COLUMNS,
                                "-S",          since,
                                "-E",          until,
                                NULL};

    civil_format_utc(from.us / INSTANT_SECOND_US, since);
    civil_format_utc(to.us / INSTANT_SECOND_US, until);
    return feed_program(source, argv, "sacct", "sacct", feed, context, err);
}

static int running(struct slurm_source *base, slurm_feed_fn *feed, void *context, struct error *err)
{
    struct sacct_source *source = (struct sacct_source *)base;
    const char *const argv[] = {source->sacct, "-a",
                                "-X",          "-D",
                                "-P",          "--delimiter=\x1f",
                                "-M",          source->options.cluster,
                                "-s",          "R,S",
                                "-o",          COLUMNS,
                                NULL};

    return feed_program(source, argv, "sacct", "sacct", feed, context, err);
}

static int live(struct slurm_source *base, slurm_feed_fn *feed, void *context, struct error *err)
{
    struct sacct_source *source = (struct sacct_source *)base;
    const char *const argv[] = {source->squeue, "--json", NULL};

    return feed_program(source, argv, "json", "squeue", feed, context, err);
}

/* --- users and partitions ----------------------------------------------------------------------
 */

typedef int site_reader(struct slurm_site_list *site, const char *text, struct error *err);

/* Run a program and read what it wrote. */
static int read_site(struct sacct_source *source, const char *const *argv, site_reader *reader,
                     struct slurm_site_list *site, struct error *err)
{
    struct child_options options = child_options_of(source, argv);
    struct strbuf text = STRBUF_INIT;
    int result = child_run(&options, SLURM_SITE_BYTES, &text, err);

    if (result == 0) {
        result = reader(site, text.data, err);
    }
    strbuf_release(&text);
    return result;
}

/* sacct answers with no rows, not with an error, for a cluster that it does not know. */
static int check_cluster(struct sacct_source *source, struct error *err)
{
    const char *const argv[] = {source->sacctmgr, "-n", "-P", "show", "cluster",
                                "format=cluster", NULL};
    struct child_options options = child_options_of(source, argv);
    struct strbuf text = STRBUF_INIT;
    int result = child_run(&options, SLURM_SITE_BYTES, &text, err);

    if (result == 0 && !slurm_site_has_cluster(text.data, source->options.cluster)) {
        result = error_set(err, ERROR_INPUT, "Slurm's accounting knows no cluster %s",
                           source->options.cluster);
    }
    strbuf_release(&text);
    return result;
}

static int site(struct slurm_source *base, struct slurm_site_list *list, struct error *err)
{
    struct sacct_source *source = (struct sacct_source *)base;
    char cluster[ARGUMENT_BYTES];
    const char *const defaults[] = {
        source->sacctmgr,      "-n", "-P", "show", "assoc", cluster, "onlydefaults",
        "format=user,account", NULL};
    const char *const associations[] = {source->sacctmgr,
                                        "-n",
                                        "-P",
                                        "show",
                                        "assoc",
                                        cluster,
                                        "format=user,account,partition,defaultqos",
                                        NULL};
    const char *const partitions[] = {source->scontrol, "-o", "show", "partition", NULL};
    const char *const config[] = {source->scontrol, "show", "config", NULL};
    const char *const nodes[] = {source->scontrol, "-o", "show", "node", NULL};
    const struct {
        const char *const *argv;
        site_reader *reader;
    } parts[] = {
        {defaults, slurm_site_read_users},        {associations, slurm_site_read_associations},
        {partitions, slurm_site_read_partitions}, {config, slurm_site_read_config},
        {nodes, slurm_site_read_nodes},
    };

    snprintf(cluster, sizeof cluster, "cluster=%s", source->options.cluster);
    if (check_cluster(source, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (read_site(source, parts[i].argv, parts[i].reader, list, err) != 0) {
            return -1;
        }
    }
    return slurm_site_number_users(list, err);
}

/* --- life --------------------------------------------------------------------------------------
 */

static void close_source(struct slurm_source *base)
{
    struct sacct_source *source = (struct sacct_source *)base;

    free(source->sacct);
    free(source->squeue);
    free(source->sacctmgr);
    free(source->scontrol);
    free(source);
}

static const struct slurm_source_ops ops = {ended, running, live, site, close_source};

char *slurm_program(const char *command, const char *name)
{
    const char *slash = strrchr(command, '/');
    char *path = NULL;

    if (slash == NULL) {
        return strdup(name);
    }
    return asprintf(&path, "%.*s%s", (int)(slash + 1 - command), command, name) < 0 ? NULL : path;
}

struct slurm_source *slurm_sacct_open(const struct slurm_source_options *options, struct error *err)
{
    struct sacct_source *source = calloc(1, sizeof *source);
    const char *command = options->conf->command;

    if (source != NULL) {
        source->base.ops = &ops;
        source->options = *options;
        source->sacct = strdup(command[0] != '\0' ? command : "sacct");
        source->squeue = slurm_program(command, "squeue");
        source->sacctmgr = slurm_program(command, "sacctmgr");
        source->scontrol = slurm_program(command, "scontrol");
    }
    if (source == NULL || source->sacct == NULL || source->squeue == NULL ||
        source->sacctmgr == NULL || source->scontrol == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        if (source != NULL) {
            close_source(&source->base);
        }
        return NULL;
    }
    return &source->base;
}
