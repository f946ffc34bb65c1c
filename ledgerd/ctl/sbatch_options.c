/* sbatch_options - words to options; see sbatch_options.h.
 *
 * getopt_long reads them, as it does for sbatch, so that abbreviations and values that are stuck to
 * their letter mean the same. All options of sbatch are in the table: one that is not known could
 * not be told from one that takes a value.
 */
#include "ledgerd/ctl/sbatch_options.h"

#include <getopt.h>
#include <string.h>

/* The lists are sorted, so that a gap is seen. */
#define NEEDS(name, option)                           \
    {                                                 \
        name, required_argument, NULL, 256 + (option) \
    }
#define MAY(name, option)                             \
    {                                                 \
        name, optional_argument, NULL, 256 + (option) \
    }
#define FLAG(name, option)                      \
    {                                           \
        name, no_argument, NULL, 256 + (option) \
    }

static const struct option long_options[] = {
    NEEDS("account", SBATCH_ACCOUNT),
    NEEDS("acctg-freq", SBATCH_OTHER),
    NEEDS("array", SBATCH_ARRAY),
    NEEDS("batch", SBATCH_OTHER),
    NEEDS("bb", SBATCH_OTHER),
    NEEDS("bbf", SBATCH_OTHER),
    NEEDS("begin", SBATCH_OTHER),
    NEEDS("chdir", SBATCH_OTHER),
    NEEDS("cluster", SBATCH_CLUSTERS),
    NEEDS("cluster-constraint", SBATCH_OTHER),
    NEEDS("clusters", SBATCH_CLUSTERS),
    NEEDS("comment", SBATCH_OTHER),
    NEEDS("constraint", SBATCH_OTHER),
    NEEDS("container", SBATCH_OTHER),
    NEEDS("container-id", SBATCH_OTHER),
    NEEDS("context", SBATCH_OTHER),
    FLAG("contiguous", SBATCH_OTHER),
    NEEDS("core-spec", SBATCH_OTHER),
    NEEDS("cores-per-socket", SBATCH_CORES_PER_SOCKET),
    NEEDS("cpu-freq", SBATCH_OTHER),
    NEEDS("cpus-per-gpu", SBATCH_CPUS_PER_GPU),
    NEEDS("cpus-per-task", SBATCH_CPUS_PER_TASK),
    NEEDS("deadline", SBATCH_OTHER),
    NEEDS("delay-boot", SBATCH_OTHER),
    NEEDS("dependency", SBATCH_OTHER),
    NEEDS("distribution", SBATCH_OTHER),
    NEEDS("error", SBATCH_OTHER),
    NEEDS("exclude", SBATCH_OTHER),
    MAY("exclusive", SBATCH_EXCLUSIVE),
    NEEDS("export", SBATCH_OTHER),
    NEEDS("export-file", SBATCH_OTHER),
    NEEDS("extra", SBATCH_OTHER),
    NEEDS("extra-node-info", SBATCH_EXTRA_NODE_INFO),
    MAY("get-user-env", SBATCH_OTHER),
    NEEDS("gid", SBATCH_OTHER),
    NEEDS("gpu-bind", SBATCH_OTHER),
    NEEDS("gpu-freq", SBATCH_OTHER),
    NEEDS("gpus", SBATCH_GPUS),
    NEEDS("gpus-per-node", SBATCH_GPUS_PER_NODE),
    NEEDS("gpus-per-socket", SBATCH_GPUS_PER_SOCKET),
    NEEDS("gpus-per-task", SBATCH_GPUS_PER_TASK),
    NEEDS("gres", SBATCH_GRES),
    NEEDS("gres-flags", SBATCH_OTHER),
    NEEDS("hint", SBATCH_OTHER),
    FLAG("hold", SBATCH_OTHER),
    FLAG("ignore-pbs", SBATCH_OTHER),
    NEEDS("input", SBATCH_OTHER),
    NEEDS("job-name", SBATCH_OTHER),
    NEEDS("jobid", SBATCH_OTHER),
    NEEDS("kill-on-invalid-dep", SBATCH_OTHER),
    NEEDS("licenses", SBATCH_OTHER),
    NEEDS("mail-type", SBATCH_OTHER),
    NEEDS("mail-user", SBATCH_OTHER),
    NEEDS("mcs-label", SBATCH_OTHER),
    NEEDS("mem", SBATCH_MEM),
    NEEDS("mem-bind", SBATCH_OTHER),
    NEEDS("mem-per-cpu", SBATCH_MEM_PER_CPU),
    NEEDS("mem-per-gpu", SBATCH_MEM_PER_GPU),
    NEEDS("mincpus", SBATCH_MINCPUS),
    NEEDS("network", SBATCH_OTHER),
    MAY("nice", SBATCH_OTHER),
    MAY("no-kill", SBATCH_OTHER),
    FLAG("no-requeue", SBATCH_OTHER),
    NEEDS("nodefile", SBATCH_OTHER),
    NEEDS("nodelist", SBATCH_OTHER),
    NEEDS("nodes", SBATCH_NODES),
    NEEDS("ntasks", SBATCH_NTASKS),
    NEEDS("ntasks-per-core", SBATCH_OTHER),
    NEEDS("ntasks-per-gpu", SBATCH_NTASKS_PER_GPU),
    NEEDS("ntasks-per-node", SBATCH_NTASKS_PER_NODE),
    NEEDS("ntasks-per-socket", SBATCH_OTHER),
    NEEDS("open-mode", SBATCH_OTHER),
    NEEDS("output", SBATCH_OTHER),
    FLAG("overcommit", SBATCH_OVERCOMMIT),
    FLAG("oversubscribe", SBATCH_OTHER),
    FLAG("parsable", SBATCH_OTHER),
    NEEDS("partition", SBATCH_PARTITION),
    NEEDS("power", SBATCH_OTHER),
    NEEDS("prefer", SBATCH_OTHER),
    NEEDS("priority", SBATCH_OTHER),
    NEEDS("profile", SBATCH_OTHER),
    MAY("propagate", SBATCH_OTHER),
    NEEDS("qos", SBATCH_QOS),
    FLAG("quiet", SBATCH_OTHER),
    FLAG("reboot", SBATCH_OTHER),
    FLAG("requeue", SBATCH_OTHER),
    NEEDS("reservation", SBATCH_OTHER),
    NEEDS("signal", SBATCH_OTHER),
    NEEDS("sockets-per-node", SBATCH_SOCKETS_PER_NODE),
    FLAG("spread-job", SBATCH_OTHER),
    NEEDS("switches", SBATCH_OTHER),
    NEEDS("tasks-per-node", SBATCH_NTASKS_PER_NODE),
    FLAG("test-only", SBATCH_OTHER),
    NEEDS("thread-spec", SBATCH_OTHER),
    NEEDS("threads-per-core", SBATCH_THREADS_PER_CORE),
    NEEDS("time", SBATCH_TIME),
    NEEDS("time-min", SBATCH_OTHER),
    NEEDS("tmp", SBATCH_OTHER),
    NEEDS("tres-bind", SBATCH_OTHER),
    NEEDS("uid", SBATCH_OTHER),
    FLAG("use-min-nodes", SBATCH_OTHER),
    FLAG("verbose", SBATCH_OTHER),
    FLAG("wait", SBATCH_OTHER),
    NEEDS("wait-all-nodes", SBATCH_OTHER),
    NEEDS("wckey", SBATCH_OTHER),
    NEEDS("wrap", SBATCH_WRAP),
    {NULL, 0, NULL, 0},
};

/* '+': the first word that is no option ends them; ':': tell a missing value from an unknown one.
 */
static const char short_options[] = "+:A:B:C:D:F:G:HJ:L:M:N:OQS:Wa:b:c:d:e:i:k::m:n:o:p:q:st:vw:x:";

static enum sbatch_option option_of(int found)
{
    static const struct {
        char letter;
        enum sbatch_option option;
    } letters[] = {
        {'A', SBATCH_ACCOUNT}, {'B', SBATCH_EXTRA_NODE_INFO},
        {'G', SBATCH_GPUS},    {'M', SBATCH_CLUSTERS},
        {'N', SBATCH_NODES},   {'O', SBATCH_OVERCOMMIT},
        {'a', SBATCH_ARRAY},   {'c', SBATCH_CPUS_PER_TASK},
        {'n', SBATCH_NTASKS},  {'p', SBATCH_PARTITION},
        {'q', SBATCH_QOS},     {'t', SBATCH_TIME},
    };

    if (found >= 256) {
        return (enum sbatch_option)(found - 256);
    }
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        if (letters[i].letter == found) {
            return letters[i].option;
        }
    }
    return SBATCH_OTHER;
}

/* Memory is said in one way: the last one counts. */
static void take(struct sbatch_options *options, enum sbatch_option option, const char *value)
{
    bool is_memory = option == SBATCH_MEM || option == SBATCH_MEM_PER_CPU ||
                     option == SBATCH_MEM_PER_GPU;

    if (is_memory) {
        options->values[SBATCH_MEM] = options->values[SBATCH_MEM_PER_CPU] =
            options->values[SBATCH_MEM_PER_GPU] = NULL;
    }
    options->values[option] = value != NULL ? value : "";
}

int sbatch_take_options(struct sbatch *sbatch, size_t count, const char *const *words,
                        struct sbatch_options *options, size_t *taken, struct error *err)
{
    char *argv[SBATCH_WORDS_MAX + 2] = {(char *)"sbatch"};
    int argc = (int)count + 1;
    int found;

    if (count > SBATCH_WORDS_MAX) {
        return error_set(err, ERROR_ARGUMENT, "more than %d words for a job", SBATCH_WORDS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        argv[i + 1] = (char *)words[i]; /* not written to: nothing is reordered */
    }
    optind = 0; /* begin anew */
    opterr = 0;
    while ((found = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        if (found == ':') {
            return error_set(err, ERROR_ARGUMENT, "%.80s needs a value", argv[optind - 1]);
        }
        if (found == '?') {
            sbatch_note(sbatch, "%.80s: not an option of sbatch, left out",
                        argv[optind > 1 ? optind - 1 : 1]);
            continue;
        }
        take(options, option_of(found), optarg);
    }
    *taken = (size_t)optind - 1;
    return 0;
}

void sbatch_next_component(struct sbatch_options *options)
{
    for (size_t i = SBATCH_OF_COMPONENT; i < SBATCH_OPTIONS; i++) {
        options->values[i] = NULL;
    }
}
