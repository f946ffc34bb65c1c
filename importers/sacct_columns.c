/* sacct_columns - see sacct_columns.h. */
#include "importers/sacct_columns.h"

#include <strings.h>

static const struct known_column {
    const char *name;
    enum sacct_role role;
    enum sacct_shape shape;
} known[] = {
    {"JobID", ROLE_JOB_ID, SHAPE_JOB_ID},
    {"JobIDRaw", ROLE_RAW_ID, SHAPE_JOB_ID},
    {"State", ROLE_STATE, SHAPE_STATE},
    {"Submit", ROLE_SUBMIT, SHAPE_TIME},
    {"Start", ROLE_START, SHAPE_TIME},
    {"End", ROLE_END, SHAPE_TIME},
    {"ElapsedRaw", ROLE_ELAPSED_RAW, SHAPE_NUMBER},
    {"Elapsed", ROLE_ELAPSED, SHAPE_DURATION},
    {"Suspended", ROLE_SUSPENDED, SHAPE_DURATION},
    {"TimelimitRaw", ROLE_LIMIT_RAW, SHAPE_LIMIT},
    {"Timelimit", ROLE_LIMIT, SHAPE_LIMIT},
    {"Cluster", ROLE_CLUSTER, SHAPE_NAME},
    {"Account", ROLE_ACCOUNT, SHAPE_NAME},
    {"User", ROLE_USER, SHAPE_NAME},
    {"UID", ROLE_UID, SHAPE_NUMBER},
    {"Partition", ROLE_PARTITION, SHAPE_NAME},
    {"QOS", ROLE_QOS, SHAPE_NAME},
    {"NCPUS", ROLE_CPUS, SHAPE_NUMBER},
    {"AllocCPUS", ROLE_CPUS, SHAPE_NUMBER},
    {"NNodes", ROLE_NODES, SHAPE_NUMBER},
    {"AllocNodes", ROLE_NODES, SHAPE_NUMBER},
    {"ReqMem", ROLE_MEMORY, SHAPE_NAME},
    {"AllocTRES", ROLE_ALLOC_TRES, SHAPE_TRES},
    {"NodeList", ROLE_NODE_LIST, SHAPE_FREE},
    {"Reservation", ROLE_RESERVATION, SHAPE_FREE},
    {"ExitCode", ROLE_EXIT_CODE, SHAPE_EXIT},
    {"JobName", ROLE_JOB_NAME, SHAPE_FREE},
    {"AdminComment", ROLE_ADMIN_COMMENT, SHAPE_FREE},
    {"Comment", ROLE_NONE, SHAPE_FREE},
    {"SystemComment", ROLE_NONE, SHAPE_FREE},
    {"Extra", ROLE_NONE, SHAPE_FREE},
    {"WorkDir", ROLE_NONE, SHAPE_FREE},
    {"WCKey", ROLE_NONE, SHAPE_FREE},
    {"SubmitLine", ROLE_NONE, SHAPE_FREE},
    {"Constraints", ROLE_NONE, SHAPE_FREE},
    {"Container", ROLE_NONE, SHAPE_FREE},
    {"StdIn", ROLE_NONE, SHAPE_FREE},
    {"StdOut", ROLE_NONE, SHAPE_FREE},
    {"StdErr", ROLE_NONE, SHAPE_FREE},
    {"Eligible", ROLE_NONE, SHAPE_TIME},
    {"ReqTRES", ROLE_NONE, SHAPE_TRES},
    {"ReqCPUS", ROLE_NONE, SHAPE_NUMBER},
    {"ReqNodes", ROLE_NONE, SHAPE_NUMBER},
    {"GID", ROLE_NONE, SHAPE_NUMBER},
    {"Group", ROLE_NONE, SHAPE_NAME},
    {"AssocID", ROLE_NONE, SHAPE_NUMBER},
    {"DBIndex", ROLE_NONE, SHAPE_NUMBER},
    {"Priority", ROLE_NONE, SHAPE_NUMBER},
    {"Planned", ROLE_NONE, SHAPE_DURATION},
    {"Reserved", ROLE_NONE, SHAPE_DURATION},
    {"DerivedExitCode", ROLE_NONE, SHAPE_EXIT},
};

static const struct known_column *find_known(struct scan_text name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].name) == name.length &&
            strncasecmp(known[i].name, name.bytes, name.length) == 0) {
            return &known[i];
        }
    }
    return NULL;
}

const char *sacct_role_text(enum sacct_role role)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].role == role) {
            return known[i].name;
        }
    }
    return "?";
}

static int add_column(struct sacct_columns *columns, struct scan_text name, struct error *err)
{
    const struct known_column *column = find_known(name);
    enum sacct_role role = column != NULL ? column->role : ROLE_NONE;

    if (columns->count == SACCT_COLUMNS_MAX) {
        return error_set(err, ERROR_INPUT, "the header line has more than %d columns",
                         SACCT_COLUMNS_MAX);
    }
    if (role != ROLE_NONE && columns->column[role] < 0) {
        columns->column[role] = (int16_t)columns->count;
    }
    columns->shape[columns->count++] = column != NULL ? (uint8_t)column->shape : SHAPE_ANY;
    return 0;
}

int sacct_columns_read(struct sacct_columns *columns, const char *line, size_t length,
                       struct error *err)
{
    const char *at = line, *end = line + length;
    char shown[EXCERPT_BYTES];

    columns->delimiter = memchr(line, '\x1f', length) != NULL ? '\x1f' : '|';
    columns->trailing = length > 0 && end[-1] == columns->delimiter;
    end -= columns->trailing;
    columns->count = 0;
    for (size_t role = 0; role < ROLE_COUNT; role++) {
        columns->column[role] = -1;
    }
    while (at <= end) {
        const char *stop = memchr(at, columns->delimiter, (size_t)(end - at));
        struct scan_text name = {at, (size_t)((stop != NULL ? stop : end) - at)};

        if (add_column(columns, name, err) != 0) {
            return -1;
        }
        at = name.bytes + name.length + 1;
    }
    if (memchr(line, '\0', length) != NULL ||
        (columns->column[ROLE_RAW_ID] < 0 && columns->column[ROLE_JOB_ID] < 0) ||
        columns->column[ROLE_STATE] < 0) {
        return error_set(err, ERROR_INPUT,
                         "the first line is no header of sacct -P: it must name the columns "
                         "JobIDRaw (or JobID) and State, and is '%s'",
                         excerpt(line, length, shown));
    }
    return 0;
}

static bool is_job_id(struct scan_text field)
{
    if (field.length == 0 || field.bytes[0] < '0' || field.bytes[0] > '9') {
        return false;
    }
    for (size_t i = 0; i < field.length; i++) {
        char c = field.bytes[i];
        bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!word && (c == '\0' || strchr("_+.[]%,-:", c) == NULL)) {
            return false;
        }
    }
    return true;
}

static bool is_name(struct scan_text field)
{
    for (size_t i = 0; i < field.length; i++) {
        if ((unsigned char)field.bytes[i] <= ' ') {
            return false;
        }
    }
    return true;
}

static bool is_exit_code(struct scan_text field)
{
    const char *colon = memchr(field.bytes, ':', field.length);

    if (field.length == 0) {
        return true;
    }
    for (size_t i = 0; i < field.length; i++) {
        char c = field.bytes[i];
        if ((c < '0' || c > '9') && field.bytes + i != colon) {
            return false;
        }
    }
    return colon != NULL;
}

bool sacct_shape_fits(enum sacct_shape shape, struct scan_text field, struct time_reader *times)
{
    enum slurm_phase phase;
    const char *outcome;
    struct slurm_time time;
    struct slurm_number number;
    struct slurm_tres tres = {0};

    switch (shape) {
    case SHAPE_ANY:
        return memchr(field.bytes, '\n', field.length) == NULL;
    case SHAPE_FREE:
        return true;
    case SHAPE_NAME:
        return is_name(field);
    case SHAPE_JOB_ID:
        return is_job_id(field);
    case SHAPE_STATE:
        return slurm_state_parse(field, &phase, &outcome) == 0;
    case SHAPE_TIME:
        return field.length > 0 && slurm_time_parse(times, field, &time) == 0;
    case SHAPE_DURATION:
        return slurm_duration_parse(field, &number) == 0;
    case SHAPE_NUMBER:
        return slurm_number_parse(field, &number) == 0;
    case SHAPE_LIMIT:
        return slurm_limit_parse(field, &number) == 0;
    case SHAPE_TRES:
        return slurm_tres_parse(field, &tres) == 0;
    case SHAPE_EXIT:
        break;
    }
    return is_exit_code(field);
}
