/* store_slurm - see store_slurm.h.
 *
 * A round finds most jobs as they were: rows are compared where they stand, and only those that
 * changed are written, so that a cluster at rest costs no dead rows.
 */
#include "ledgerd/store/store_slurm.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/store/query.h"

enum {
    WRITE_JOBS = 8192, /* rows of one statement: a few megabytes of parameters */
    READ_JOBS = 4096,  /* rows in memory at a time */
};

/* --- arrays of parameters --------------------------------------------------------------------- */

/* One field of every element of an array of structs, as a parameter. */
struct column_source {
    const void *rows;
    size_t size; /* of one */
    size_t count;
};

static const void *field_at(const struct column_source *from, size_t i, size_t offset)
{
    return (const char *)from->rows + i * from->size + offset;
}

static void add_texts(struct query *query, const struct column_source *from, size_t offset)
{
    const char **texts = calloc(from->count + 1, sizeof *texts);

    if (texts == NULL) {
        query->failed = true;
        return;
    }
    for (size_t i = 0; i < from->count; i++) {
        memcpy(&texts[i], field_at(from, i, offset), sizeof texts[i]);
    }
    query_text_array(query, texts, from->count);
    free(texts);
}

static void add_numbers(struct query *query, const struct column_source *from, size_t offset)
{
    int64_t *numbers = calloc(from->count + 1, sizeof *numbers);

    if (numbers == NULL) {
        query->failed = true;
        return;
    }
    for (size_t i = 0; i < from->count; i++) {
        memcpy(&numbers[i], field_at(from, i, offset), sizeof numbers[i]);
    }
    query_i64_array(query, numbers, from->count);
    free(numbers);
}

static void add_ints(struct query *query, const struct column_source *from, size_t offset)
{
    int32_t *numbers = calloc(from->count + 1, sizeof *numbers);

    _Static_assert(sizeof(int) == sizeof(int32_t), "counts of jobs are int");
    if (numbers == NULL) {
        query->failed = true;
        return;
    }
    for (size_t i = 0; i < from->count; i++) {
        memcpy(&numbers[i], field_at(from, i, offset), sizeof numbers[i]);
    }
    query_i32_array(query, numbers, from->count);
    free(numbers);
}

static void add_flags(struct query *query, const struct column_source *from, size_t offset)
{
    bool *flags = calloc(from->count + 1, sizeof *flags);

    if (flags == NULL) {
        query->failed = true;
        return;
    }
    for (size_t i = 0; i < from->count; i++) {
        memcpy(&flags[i], field_at(from, i, offset), sizeof flags[i]);
    }
    query_bool_array(query, flags, from->count);
    free(flags);
}

static void add_instants(struct query *query, const struct column_source *from, size_t offset)
{
    struct instant *instants = calloc(from->count + 1, sizeof *instants);

    if (instants == NULL) {
        query->failed = true;
        return;
    }
    for (size_t i = 0; i < from->count; i++) {
        memcpy(&instants[i], field_at(from, i, offset), sizeof instants[i]);
    }
    query_instant_array(query, instants, from->count);
    free(instants);
}

/* --- jobs ------------------------------------------------------------------------------------- */

#define JOB_VALUES                                                                         \
    "submitted_at, array_job_id, array_task, tasks, at_once, het_job_id, uid, user_name, " \
    "account, "                                                                            \
    "partition, qos, state, is_held, start_at, limit_seconds, meters, hold_key"
#define OF_EXCLUDED                                                                               \
    "excluded.submitted_at, excluded.array_job_id, excluded.array_task, excluded.tasks, "         \
    "excluded.at_once, excluded.het_job_id, excluded.uid, excluded.user_name, excluded.account, " \
    "excluded.partition, excluded.qos, excluded.state, excluded.is_held, excluded.start_at, "     \
    "excluded.limit_seconds, excluded.meters, excluded.hold_key"
#define OF_JOB                                                                                \
    "j.submitted_at, j.array_job_id, j.array_task, j.tasks, j.at_once, j.het_job_id, j.uid, " \
    "j.user_name, j.account, j.partition, j.qos, j.state, j.is_held, j.start_at, "            \
    "j.limit_seconds, j.meters, j.hold_key"

#define JOB(field) offsetof(struct slurm_job_row, field)

static int write_jobs(struct store *store, const char *cluster, const struct slurm_job_row *jobs,
                      size_t count, struct instant now, struct error *err)
{
    const struct column_source from = {jobs, sizeof *jobs, count};
    struct query query;

    query_init(
        &query,
        "INSERT INTO ledger.slurm_job AS j (cluster, seen_at, job_id, " JOB_VALUES ") "
        "SELECT DISTINCT ON (t.job_id) $1, $2, t.job_id, t.submitted_at, t.array_job_id, "
        "nullif(t.array_task, -1), t.tasks, t.at_once, t.het_job_id, t.uid, t.user_name, "
        "t.account, t.partition, t.qos, t.state, t.is_held, t.start_at, "
        "nullif(t.limit_seconds, -1), t.meters, t.hold_key FROM unnest($3, $4, $5, $6, $7, "
        "$8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) WITH ORDINALITY "
        "AS t(job_id, " JOB_VALUES ", n) ORDER BY t.job_id, t.n DESC "
        "ON CONFLICT (cluster, job_id) DO UPDATE SET (seen_at, start_key, held_by_us, " JOB_VALUES
        ") = ROW (excluded.seen_at, "
        "CASE WHEN j.submitted_at = excluded.submitted_at THEN j.start_key ELSE '' END, "
        "j.submitted_at = excluded.submitted_at AND j.held_by_us, " OF_EXCLUDED ") "
        "WHERE (" OF_JOB ") IS DISTINCT FROM (" OF_EXCLUDED ")");
    query_text(&query, cluster);
    query_instant(&query, now);
    add_numbers(&query, &from, JOB(job_id));
    add_instants(&query, &from, JOB(submitted));
    add_numbers(&query, &from, JOB(array_job_id));
    add_numbers(&query, &from, JOB(array_task));
    add_ints(&query, &from, JOB(tasks));
    add_ints(&query, &from, JOB(at_once));
    add_numbers(&query, &from, JOB(het_job_id));
    add_numbers(&query, &from, JOB(uid));
    add_texts(&query, &from, JOB(user));
    add_texts(&query, &from, JOB(account));
    add_texts(&query, &from, JOB(partition));
    add_texts(&query, &from, JOB(qos));
    add_texts(&query, &from, JOB(state));
    add_flags(&query, &from, JOB(is_held));
    add_instants(&query, &from, JOB(start));
    add_numbers(&query, &from, JOB(limit_seconds));
    add_texts(&query, &from, JOB(meters));
    add_texts(&query, &from, JOB(hold_key));
    return query_run(store, &query, NULL, NULL, err);
}

static int delete_gone(struct store *store, const char *cluster, const struct slurm_job_row *jobs,
                       size_t count, struct error *err)
{
    const struct column_source from = {jobs, sizeof *jobs, count};
    struct query query;

    query_init(&query, "DELETE FROM ledger.slurm_job j WHERE j.cluster = $1 AND NOT EXISTS "
                       "(SELECT FROM unnest($2) AS t(job_id) WHERE t.job_id = j.job_id)");
    query_text(&query, cluster);
    add_numbers(&query, &from, JOB(job_id));
    return query_run(store, &query, NULL, NULL, err);
}

struct jobs_writing {
    const char *cluster;
    const struct slurm_job_row *jobs;
    size_t count;
    struct instant now;
    bool is_whole; /* what is not among them is gone */
};

static int write_all_jobs(struct store *store, void *context, struct error *err)
{
    const struct jobs_writing *writing = context;

    for (size_t from = 0; from < writing->count; from += WRITE_JOBS) {
        size_t rest = writing->count - from;

        if (write_jobs(store, writing->cluster, writing->jobs + from,
                       rest < WRITE_JOBS ? rest : WRITE_JOBS, writing->now, err) != 0) {
            return -1;
        }
    }
    return writing->is_whole
               ? delete_gone(store, writing->cluster, writing->jobs, writing->count, err)
               : 0;
}

int store_slurm_jobs_write(struct store *store, const char *cluster,
                           const struct slurm_job_row *jobs, size_t count, struct instant now,
                           struct error *err)
{
    struct jobs_writing writing = {cluster, jobs, count, now, true};

    return store_transact(store, STORE_UNLOCKED, write_all_jobs, &writing, err);
}

int store_slurm_jobs_update(struct store *store, const char *cluster,
                            const struct slurm_job_row *jobs, size_t count, struct instant now,
                            struct error *err)
{
    struct jobs_writing writing = {cluster, jobs, count, now, false};

    return store_transact(store, STORE_UNLOCKED, write_all_jobs, &writing, err);
}

#define SELECT_JOB                                                                          \
    "SELECT job_id, submitted_at, array_job_id, coalesce(array_task, -1), tasks, at_once, " \
    "het_job_id, uid, user_name, account, partition, qos, state, is_held, start_at, "       \
    "coalesce(limit_seconds, -1), meters, hold_key, start_key, held_by_us FROM ledger.slurm_job "

static void take_job(const struct rows *rows, size_t row, struct slurm_job_row *job)
{
    *job = (struct slurm_job_row){
        .job_id = rows_i64(rows, row, 0),
        .submitted = rows_instant(rows, row, 1),
        .array_job_id = rows_i64(rows, row, 2),
        .array_task = rows_i64(rows, row, 3),
        .tasks = (int)rows_i64(rows, row, 4),
        .at_once = (int)rows_i64(rows, row, 5),
        .het_job_id = rows_i64(rows, row, 6),
        .uid = rows_i64(rows, row, 7),
        .user = rows_text(rows, row, 8),
        .account = rows_text(rows, row, 9),
        .partition = rows_text(rows, row, 10),
        .qos = rows_text(rows, row, 11),
        .state = rows_text(rows, row, 12),
        .is_held = rows_bool(rows, row, 13),
        .start = rows_instant(rows, row, 14),
        .limit_seconds = rows_i64(rows, row, 15),
        .meters = rows_text(rows, row, 16),
        .hold_key = rows_text(rows, row, 17),
        .start_key = rows_text(rows, row, 18),
        .held_by_us = rows_bool(rows, row, 19),
    };
}

/* One page of jobs with ids above *last; *count tells how many there were. */
static int read_page(struct store *store, const char *cluster, int64_t *last, size_t *count,
                     slurm_job_fn *each, void *context, struct error *err)
{
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, SELECT_JOB "WHERE cluster = $1 AND job_id > $2 ORDER BY job_id LIMIT $3");
    query_text(&query, cluster);
    query_i64(&query, *last);
    query_i64(&query, READ_JOBS);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *count = rows_count(&rows);
    for (size_t i = 0; result == 0 && i < *count; i++) {
        struct slurm_job_row job;

        take_job(&rows, i, &job);
        *last = job.job_id;
        result = each(context, &job, err);
    }
    rows_release(&rows);
    return result;
}

int store_slurm_jobs_read(struct store *store, const char *cluster, slurm_job_fn *each,
                          void *context, struct error *err)
{
    int64_t last = -1;
    size_t count = 0;
    int result;

    do {
        result = read_page(store, cluster, &last, &count, each, context, err);
    } while (result == 0 && count == READ_JOBS);
    return result;
}

/* Give the row texts of its own, all in one piece. */
static int own_texts(struct slurm_job_row *job, struct error *err)
{
    const char **texts[] = {&job->user,  &job->account, &job->partition, &job->qos,
                            &job->state, &job->meters,  &job->hold_key,  &job->start_key};
    size_t bytes = 0;
    char *at;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bytes += strlen(*texts[i]) + 1;
    }
    job->texts = at = malloc(bytes);
    if (at == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t length = strlen(*texts[i]) + 1;

        *texts[i] = memcpy(at, *texts[i], length);
        at += length;
    }
    return 0;
}

/* How many tasks of the array have not ended, the lot of them behind the row of one. */
static int count_tasks(struct store *store, const char *cluster, struct slurm_job_row *job,
                       struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, "SELECT coalesce(sum(tasks), 0), coalesce(min(limit_seconds), -1) "
                       "FROM ledger.slurm_job WHERE cluster = $1 AND array_job_id = $2 "
                       "AND state <> 'ending'");
    query_text(&query, cluster);
    query_i64(&query, job->array_job_id);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    int64_t tasks = rows_i64(&rows, 0, 0);
    if (tasks > 0) {
        job->tasks = tasks < INT_MAX ? (int)tasks : INT_MAX;
        job->limit_seconds = rows_i64(&rows, 0, 1);
    }
    rows_release(&rows);
    return 0;
}

int store_slurm_job_find(struct store *store, const char *cluster, int64_t job_id,
                         int64_t array_task, struct slurm_job_row *job, bool *found,
                         struct error *err)
{
    struct slurm_job_row row = {0};
    struct query query;
    struct rows rows;
    int result = 0;

    query_init(&query, SELECT_JOB
               "WHERE cluster = $1 AND CASE WHEN $3 < 0 THEN $2 IN (job_id, array_job_id) "
               "ELSE array_job_id = $2 AND (array_task = $3 OR array_task IS NULL) END "
               "ORDER BY CASE WHEN $3 < 0 THEN job_id <> $2 END, array_task NULLS LAST LIMIT 1");
    query_text(&query, cluster);
    query_i64(&query, job_id);
    query_i64(&query, array_task);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *found = rows_count(&rows) == 1;
    if (*found) {
        take_job(&rows, 0, &row);
        result = own_texts(&row, err);
    }
    rows_release(&rows);
    if (result == 0 && *found && array_task < 0 && row.array_job_id == job_id) {
        result = count_tasks(store, cluster, &row, err);
    }
    if (result == 0 && *found) {
        *job = row;
    } else {
        slurm_job_row_release(&row);
    }
    return result;
}

void slurm_job_row_release(struct slurm_job_row *job)
{
    free(job->texts);
    job->texts = NULL;
}

/* --- users, associations, partitions ------------------------------------------------------------
 */

#define USER(field) offsetof(struct slurm_user_row, field)
#define ASSOCIATION(field) offsetof(struct slurm_association_row, field)
#define PARTITION(field) offsetof(struct slurm_partition_row, field)

/* How one of the three tables is compared and written: `given` makes its rows of $2 and on. */
struct site_table {
    const char *differs; /* true if the table holds anything else */
    const char *empty;
    const char *fill;
    void (*bind)(struct query *query, const struct slurm_site *site);
    size_t rows; /* where its count stands in struct slurm_site */
};

#define DIFFERS(table, columns, given)                                                           \
    "WITH given AS MATERIALIZED (" given "), known AS MATERIALIZED (SELECT " columns             \
    " FROM ledger." table " WHERE cluster = $1) SELECT EXISTS (TABLE given EXCEPT TABLE known) " \
    "OR EXISTS (TABLE known EXCEPT TABLE given)"
#define EMPTY(table) "DELETE FROM ledger." table " WHERE cluster = $1"
#define FILL(table, columns, given)                                                            \
    "INSERT INTO ledger." table " (cluster, " columns ") SELECT $1, given.* FROM (" given ") " \
    "given"

#define USER_COLUMNS "user_name, uid, default_account"
#define USER_GIVEN                                                                      \
    "SELECT DISTINCT ON (user_name) user_name, nullif(uid, -1), default_account "       \
    "FROM unnest($2, $3, $4) WITH ORDINALITY AS t(user_name, uid, default_account, n) " \
    "ORDER BY user_name, n DESC"
#define ASSOCIATION_COLUMNS "user_name, account, partition, default_qos"
#define ASSOCIATION_GIVEN                                                                \
    "SELECT DISTINCT ON (user_name, account, partition) user_name, account, partition, " \
    "default_qos FROM unnest($2, $3, $4, $5) WITH ORDINALITY "                           \
    "AS t(user_name, account, partition, default_qos, n) "                               \
    "ORDER BY user_name, account, partition, n DESC"
#define PARTITION_COLUMNS                                                               \
    "partition, is_default, default_seconds, max_seconds, is_exclusive, mem_per_node, " \
    "mem_per_cpu, node_cpus, node_gpus, node_mem"
#define PARTITION_GIVEN                                                                          \
    "SELECT DISTINCT ON (partition) partition, is_default, nullif(default_seconds, -1), "        \
    "nullif(max_seconds, -1), is_exclusive, nullif(mem_per_node, -1), nullif(mem_per_cpu, -1), " \
    "node_cpus, node_gpus, node_mem FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "      \
    "WITH ORDINALITY AS t(" PARTITION_COLUMNS ", n) ORDER BY partition, n DESC"

static void bind_users(struct query *query, const struct slurm_site *site)
{
    const struct column_source from = {site->users, sizeof *site->users, site->user_count};

    add_texts(query, &from, USER(user));
    add_numbers(query, &from, USER(uid));
    add_texts(query, &from, USER(default_account));
}

static void bind_associations(struct query *query, const struct slurm_site *site)
{
    const struct column_source from = {site->associations, sizeof *site->associations,
                                       site->association_count};

    add_texts(query, &from, ASSOCIATION(user));
    add_texts(query, &from, ASSOCIATION(account));
    add_texts(query, &from, ASSOCIATION(partition));
    add_texts(query, &from, ASSOCIATION(default_qos));
}

static void bind_partitions(struct query *query, const struct slurm_site *site)
{
    const struct column_source from = {site->partitions, sizeof *site->partitions,
                                       site->partition_count};

    add_texts(query, &from, PARTITION(partition));
    add_flags(query, &from, PARTITION(is_default));
    add_numbers(query, &from, PARTITION(default_seconds));
    add_numbers(query, &from, PARTITION(max_seconds));
    add_flags(query, &from, PARTITION(is_exclusive));
    add_numbers(query, &from, PARTITION(mem_per_node));
    add_numbers(query, &from, PARTITION(mem_per_cpu));
    add_numbers(query, &from, PARTITION(node_cpus));
    add_numbers(query, &from, PARTITION(node_gpus));
    add_numbers(query, &from, PARTITION(node_mem));
}

static const struct site_table site_tables[] = {
    {DIFFERS("slurm_user", USER_COLUMNS, USER_GIVEN), EMPTY("slurm_user"),
     FILL("slurm_user", USER_COLUMNS, USER_GIVEN), bind_users,
     offsetof(struct slurm_site, user_count)},
    {DIFFERS("slurm_association", ASSOCIATION_COLUMNS, ASSOCIATION_GIVEN),
     EMPTY("slurm_association"), FILL("slurm_association", ASSOCIATION_COLUMNS, ASSOCIATION_GIVEN),
     bind_associations, offsetof(struct slurm_site, association_count)},
    {DIFFERS("slurm_partition", PARTITION_COLUMNS, PARTITION_GIVEN), EMPTY("slurm_partition"),
     FILL("slurm_partition", PARTITION_COLUMNS, PARTITION_GIVEN), bind_partitions,
     offsetof(struct slurm_site, partition_count)},
};

enum { SITE_TABLES = sizeof site_tables / sizeof *site_tables };

struct site_writing {
    const char *cluster;
    const struct slurm_site *site;
    bool changed;
};

static int table_differs(struct store *store, const struct site_table *table,
                         const struct site_writing *writing, bool *differs, struct error *err)
{
    struct query query;
    struct rows rows;

    query_init(&query, table->differs);
    query_text(&query, writing->cluster);
    table->bind(&query, writing->site);
    if (query_run(store, &query, &rows, NULL, err) != 0) {
        return -1;
    }
    *differs = rows_bool(&rows, 0, 0);
    rows_release(&rows);
    return 0;
}

/* Statements that touch no row move the catalog's version as well: none is run in vain. */
static int write_table(struct store *store, const struct site_table *table,
                       const struct site_writing *writing, struct error *err)
{
    size_t count;
    struct query query;

    query_init(&query, table->empty);
    query_text(&query, writing->cluster);
    if (query_run(store, &query, NULL, NULL, err) != 0) {
        return -1;
    }
    memcpy(&count, (const char *)writing->site + table->rows, sizeof count);
    if (count == 0) {
        return 0;
    }
    query_init(&query, table->fill);
    query_text(&query, writing->cluster);
    table->bind(&query, writing->site);
    return query_run(store, &query, NULL, NULL, err);
}

static int write_site(struct store *store, void *context, struct error *err)
{
    struct site_writing *writing = context;

    writing->changed = false;
    for (size_t i = 0; i < SITE_TABLES; i++) {
        bool differs;

        if (table_differs(store, &site_tables[i], writing, &differs, err) != 0) {
            return -1;
        }
        if (!differs) {
            continue;
        }
        if ((!writing->changed && store_lock_booking(store, err) != 0) ||
            write_table(store, &site_tables[i], writing, err) != 0) {
            return -1;
        }
        writing->changed = true;
    }
    return 0;
}

int store_slurm_site_write(struct store *store, const char *cluster, const struct slurm_site *site,
                           bool *changed, struct error *err)
{
    struct site_writing writing = {cluster, site, false};

    if (store_transact(store, STORE_UNLOCKED, write_site, &writing, err) != 0) {
        return -1;
    }
    *changed = writing.changed;
    return 0;
}
