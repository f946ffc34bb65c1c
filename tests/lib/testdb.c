#include "tests/lib/testdb.h"

#include "schema/embed.h"

#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Taken in the superuser's database while the template is made: one maker per server. */
#define TEMPLATE_LOCK "7203471"

#define NAME_BYTES_MAX 64
#define CONNINFO_BYTES_MAX 1024

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fputs("testdb: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(2);
}

static const char *server_conninfo(void)
{
    const char *conninfo = getenv("LEDGER_TEST_PG");
    if (conninfo == NULL || *conninfo == '\0') {
        die("LEDGER_TEST_PG is not set: run `make check`, or this program under "
            "contrib/dev/private-pg.sh --fast run build/pg -- PROGRAM");
    }
    return conninfo;
}

/* Notices ("does not exist, skipping") would only clutter a test's output. */
static void notice_ignore(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

static PGconn *connection_open(const char *conninfo)
{
    PGconn *conn = PQconnectdb(conninfo);
    if (PQstatus(conn) != CONNECTION_OK) {
        die("cannot connect: %s", PQerrorMessage(conn));
    }
    PQsetNoticeProcessor(conn, notice_ignore, NULL);
    return conn;
}

static int result_ok(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

static PGresult *connection_query(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    if (!result_ok(result)) {
        die("%s\n  in: %s", PQerrorMessage(conn), sql);
    }
    return result;
}

static void connection_exec(PGconn *conn, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void connection_exec(PGconn *conn, const char *format, ...)
{
    char sql[CONNINFO_BYTES_MAX];
    va_list ap;
    va_start(ap, format);
    int length = vsnprintf(sql, sizeof sql, format, ap);
    va_end(ap);
    if (length < 0 || (size_t)length >= sizeof sql) {
        die("statement too long");
    }
    PQclear(connection_query(conn, sql));
}

/* The server's conninfo with another database in it; later keywords win in libpq. */
static char *conninfo_for(const char *database)
{
    char text[CONNINFO_BYTES_MAX];
    int length = snprintf(text, sizeof text, "%s dbname=%s", server_conninfo(), database);
    if (length < 0 || (size_t)length >= sizeof text) {
        die("LEDGER_TEST_PG is too long");
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        die("out of memory");
    }
    return copy;
}

/* FNV-1a over the migrations' text, in order; ledger_test.py computes the same over the files. */
static uint64_t schema_hash(void)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < schema_migrations_count; i++) {
        for (const char *p = schema_migrations[i].sql; *p != '\0'; p++) {
            hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
        }
    }
    return hash;
}

static void migrate(const char *conninfo)
{
    const char *build = getenv("LEDGER_BUILD");
    char program[CONNINFO_BYTES_MAX];
    snprintf(program, sizeof program, "%s/ledgerctl", build != NULL ? build : "build");
    pid_t pid = fork();
    if (pid < 0) {
        die("cannot fork");
    }
    if (pid == 0) {
        setenv("LEDGER_DB", conninfo, 1);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execl(program, "ledgerctl", "migrate", "--sandbox", (char *)NULL);
        die("cannot run %s", program);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        die("%s migrate --sandbox failed", program);
    }
}

static int database_exists(PGconn *conn, const char *name)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT 1 FROM pg_database WHERE datname = '%s'", name);
    PGresult *result = connection_query(conn, sql);
    int exists = PQntuples(result) > 0;
    PQclear(result);
    return exists;
}

/* Makes the template under another name first: one that bears the final name is complete. */
static void template_ensure(PGconn *conn, const char *name)
{
    connection_exec(conn, "SELECT pg_advisory_lock(%s)", TEMPLATE_LOCK);
    if (!database_exists(conn, name)) {
        connection_exec(conn, "DROP DATABASE IF EXISTS ledger_template_new WITH (FORCE)");
        connection_exec(conn, "CREATE DATABASE ledger_template_new");
        char *conninfo = conninfo_for("ledger_template_new");
        migrate(conninfo);
        free(conninfo);
        connection_exec(conn, "ALTER DATABASE ledger_template_new RENAME TO %s", name);
    }
    connection_exec(conn, "SELECT pg_advisory_unlock(%s)", TEMPLATE_LOCK);
}

static const char *database_create(const char *prefix, int with_schema)
{
    static unsigned counter;
    char name[NAME_BYTES_MAX];
    char template[NAME_BYTES_MAX] = "template1";
    snprintf(name, sizeof name, "t_%.24s_%d_%u", prefix, (int)getpid(), ++counter);

    PGconn *conn = connection_open(server_conninfo());
    if (with_schema) {
        snprintf(template, sizeof template, "ledger_template_%016llx",
                 (unsigned long long)schema_hash());
        template_ensure(conn, template);
    }
    connection_exec(conn, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    connection_exec(conn, "CREATE DATABASE %s TEMPLATE %s", name, template);
    PQfinish(conn);
    return conninfo_for(name);
}

const char *testdb_create(const char *prefix)
{
    return database_create(prefix, 1);
}

const char *testdb_create_empty(const char *prefix)
{
    return database_create(prefix, 0);
}

void testdb_drop(const char *conninfo)
{
    if (conninfo == NULL) {
        return;
    }
    const char *name = strrchr(conninfo, '=');
    PGconn *conn = connection_open(server_conninfo());
    connection_exec(conn, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name + 1);
    PQfinish(conn);
    free((char *)(uintptr_t)conninfo);
}

void testdb_exec(const char *conninfo, const char *sql)
{
    PGconn *conn = connection_open(conninfo);
    PQclear(connection_query(conn, sql));
    PQfinish(conn);
}

const char *testdb_sqlstate(const char *conninfo, const char *sql)
{
    static char state[6];
    PGconn *conn = connection_open(conninfo);
    PGresult *result = PQexec(conn, sql);
    const char *field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (!result_ok(result) && field == NULL) {
        die("%s\n  in: %s", PQerrorMessage(conn), sql);
    }
    snprintf(state, sizeof state, "%s", field != NULL ? field : "00000");
    PQclear(result);
    PQfinish(conn);
    return state;
}

char *testdb_text(const char *conninfo, const char *sql)
{
    PGconn *conn = connection_open(conninfo);
    PGresult *result = connection_query(conn, sql);
    char *text = NULL;
    if (PQntuples(result) > 0 && PQnfields(result) > 0 && !PQgetisnull(result, 0, 0)) {
        text = strdup(PQgetvalue(result, 0, 0));
    }
    PQclear(result);
    PQfinish(conn);
    return text;
}

int64_t testdb_int(const char *conninfo, const char *sql)
{
    char *text = testdb_text(conninfo, sql);
    char *end = NULL;
    if (text == NULL) {
        die("no value from: %s", sql);
    }
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0') {
        die("not an integer but '%s' from: %s", text, sql);
    }
    free(text);
    return value;
}
