/* slurm_sacct_pull - see slurm_sacct_pull.h. */
#include "importers/slurm_sacct_pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "importers/sacct_delimiter.h"
#include "importers/slurm_site_pull.h"
#include "ledgerd/base/child.h"
#include "ledgerd/base/civil.h"

enum {
    WHOLE_TIMES = 24, /* a program may take so many times as long as it may be silent */
    ARGUMENT_BYTES = 256,
    ARGUMENTS_MAX = 24, /* of sacct */
    RAW_BYTES = 256 * 1024,
};

/* What users write (JobName) stands last: a line without delimiters behind it is the rest of it. */
static const char columns[] =
    "AdminComment,JobIDRaw,JobID,Cluster,User,UID,Account,Partition,QOS,State,Submit,"
    "Start,End,ElapsedRaw,Suspended,TimelimitRaw,AllocTRES,ExitCode,NodeList,Reservation,"
    "JobName";

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

struct program_text {
    struct child *child;
    const char *name;
    struct sacct_delimiter *delimiter; /* of sacct's lines, which must be whole; NULL: no lines */
    char last;                         /* byte */
    size_t raw_start, raw_end;         /* read and not yet translated */
    char raw[RAW_BYTES];
};

static ssize_t read_raw(struct program_text *text, struct error *err)
{
    ssize_t got = child_read(text->child, text->raw, sizeof text->raw, err);

    text->raw_start = 0;
    text->raw_end = got > 0 ? (size_t)got : 0;
    if (got > 0) {
        text->last = text->raw[got - 1];
    } else if (got == 0 && text->last != '\n') {
        return error_set(err, ERROR_UNAVAILABLE, "what %s wrote ends in the middle of a line",
                         text->name);
    }
    return got;
}

static ssize_t read_lines(void *context, void *buffer, size_t size, struct error *err)
{
    struct program_text *text = context;

    for (;;) {
        size_t given = sacct_delimiter_translate(text->delimiter, text->raw, text->raw_end,
                                                 &text->raw_start, buffer, size);
        ssize_t got;

        if (given > 0) {
            return (ssize_t)given;
        }
        got = read_raw(text, err);
        if (got <= 0) {
            return got;
        }
    }
}

static ssize_t read_bytes(void *context, void *buffer, size_t size, struct error *err)
{
    return child_read(((struct program_text *)context)->child, buffer, size, err);
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

/* Run a program for its text, which is in lines of this delimiter, or in no lines (NULL). */
static int feed_program(struct sacct_source *source, const char *const *argv, const char *name,
                        struct sacct_delimiter *delimiter, slurm_feed_fn *feed, void *context,
                        struct error *err)
{
    struct child_options options = child_options_of(source, argv);
    struct program_text *text = calloc(1, sizeof *text);
    int result = -1;

    if (text == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    text->name = name;
    text->delimiter = delimiter;
    text->child = child_start(&options, err);
    if (text->child != NULL) {
        result = feed(context, delimiter != NULL ? "sacct" : "json", name,
                      delimiter != NULL ? read_lines : read_bytes, text, err);
    }
    child_destroy(text->child);
    free(text);
    return result;
}

/* sacct's text, for the arguments that choose what it is of. */
static int feed_sacct(struct sacct_source *source, const char *const *chosen, slurm_feed_fn *feed,
                      void *context, struct error *err)
{
    char option[sizeof "--delimiter=" + SACCT_DELIMITER_BYTES];
    unsigned char random[SACCT_DELIMITER_LETTERS];
    struct sacct_delimiter delimiter;
    /* Every row of a job (-D: those before a requeue too), no steps (-X), of everybody (-a). */
    const char *argv[ARGUMENTS_MAX] = {source->sacct, "-a",   "-X", "-D",
                                       "-P",          option, "-M", source->options.cluster,
                                       "-o",          columns};
    size_t count = 10;

    if (getrandom(random, sizeof random, 0) != sizeof random) {
        return error_set(err, ERROR_INTERNAL, "the system gives no random bytes");
    }
    sacct_delimiter_init(&delimiter, random);
    snprintf(option, sizeof option, "--delimiter=%s", delimiter.text);
    for (size_t i = 0; chosen[i] != NULL; i++) {
        argv[count++] = chosen[i];
    }
    argv[count] = NULL;
    return feed_program(source, argv, "sacct", &delimiter, feed, context, err);
}

/* --- jobs --------------------------------------------------------------------------------------
 */

static int ended(struct slurm_source *base, struct instant from, struct instant to,
                 slurm_feed_fn *feed, void *context, struct error *err)
{
    char since[CIVIL_TEXT_BYTES], until[CIVIL_TEXT_BYTES];
    const char *const chosen[] = {"-s", ENDED_STATES, "-S", since, "-E", until, NULL};

    civil_format_utc(from.us / INSTANT_SECOND_US, since);
    civil_format_utc(to.us / INSTANT_SECOND_US, until);
    return feed_sacct((struct sacct_source *)base, chosen, feed, context, err);
}

static int running(struct slurm_source *base, slurm_feed_fn *feed, void *context, struct error *err)
{
    static const char *const chosen[] = {"-s", "R,S", NULL};

    return feed_sacct((struct sacct_source *)base, chosen, feed, context, err);
}

static int live(struct slurm_source *base, slurm_feed_fn *feed, void *context, struct error *err)
{
    struct sacct_source *source = (struct sacct_source *)base;
    const char *const argv[] = {source->squeue, "--states=all", "--json", NULL};

    return feed_program(source, argv, "squeue", NULL, feed, context, err);
}

/* --- users and partitions ----------------------------------------------------------------------
 */

typedef int site_reader(struct slurm_site_list *site, const char *text, struct error *err);

/* Run a program for its whole text, which must be one. */
static int run_program(struct sacct_source *source, const char *const *argv, struct strbuf *text,
                       struct error *err)
{
    struct child_options options = child_options_of(source, argv);

    if (child_run(&options, SLURM_SITE_BYTES, text, err) != 0) {
        return -1;
    }
    if (strlen(text->data) != text->length) {
        return error_set(err, ERROR_INPUT, "what %s wrote is no text", argv[0]);
    }
    return 0;
}

struct site_part {
    const char *const *argv;
    site_reader *reader;
};

static int read_site(struct sacct_source *source, const struct site_part *part,
                     struct slurm_site_list *site, struct error *err)
{
    struct strbuf text = STRBUF_INIT;
    int result = run_program(source, part->argv, &text, err);

    if (result == 0 && text.length == 0) { /* none of them is ever empty: a fault, without a word */
        result = error_set(err, ERROR_INPUT, "%s wrote nothing", part->argv[0]);
    }
    if (result == 0) {
        result = part->reader(site, text.data, err);
    }
    strbuf_release(&text);
    return result;
}

/* sacct answers with no rows, not with an error, for a cluster that it does not know. */
static int check_cluster(struct sacct_source *source, struct error *err)
{
    const char *const argv[] = {source->sacctmgr, "-n", "-P", "show", "cluster",
                                "format=cluster", NULL};
    struct strbuf text = STRBUF_INIT;
    int result = run_program(source, argv, &text, err);

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
    const struct site_part parts[] = {
        {defaults, slurm_site_read_users},        {associations, slurm_site_read_associations},
        {partitions, slurm_site_read_partitions}, {config, slurm_site_read_config},
        {nodes, slurm_site_read_nodes},
    };

    snprintf(cluster, sizeof cluster, "cluster=%s", source->options.cluster);
    if (check_cluster(source, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (read_site(source, &parts[i], list, err) != 0) {
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

struct slurm_source *slurm_sacct_open(const struct slurm_source_options *options, struct error *err)
{
    struct sacct_source *source = calloc(1, sizeof *source);
    const char *command = options->conf->command;

    if (source != NULL) {
        source->base.ops = &ops;
        source->options = *options;
        source->sacct = strdup(command[0] != '\0' ? command : "sacct");
        source->squeue = child_sibling(command, "squeue");
        source->sacctmgr = child_sibling(command, "sacctmgr");
        source->scontrol = child_sibling(command, "scontrol");
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
