/*
 * Databases for tests: each test gets one of its own, with the migrated schema
 * and nothing in it, and asks it questions in SQL.
 *
 * The schema is migrated once per server, by `ledgerctl migrate --sandbox` into
 * a template that every database is then copied from; the template's name
 * carries a hash of the migrations, so that a changed schema makes a new one.
 * The server is the one LEDGER_TEST_PG names (a conninfo of its superuser's
 * database), ledgerctl the one in LEDGER_BUILD (default: build).
 *
 * These are for tests only: whatever fails prints why and ends the program
 * with code 2, so that a broken set-up can never look like a passing test.
 */
#ifndef TESTS_LIB_TESTDB_H
#define TESTS_LIB_TESTDB_H

#include <stdint.h>

/* Creates a database named after prefix (letters and digits) and returns its conninfo, which the
 * caller hands to testdb_drop. It is a sandbox: time may be pretended in it. */
const char *testdb_create(const char *prefix);

/* As testdb_create, but without a schema: for tests of the migrations themselves. */
const char *testdb_create_empty(const char *prefix);

/* Ends every session of the database, drops it and frees conninfo. Accepts NULL. */
void testdb_drop(const char *conninfo);

/* Runs one or more statements as superuser; any error ends the program. */
void testdb_exec(const char *conninfo, const char *sql);

/* Runs statements that the database ought to refuse. Returns the SQLSTATE ("00000" if it did not
 * refuse), valid until the next call. */
const char *testdb_sqlstate(const char *conninfo, const char *sql);

/* The first column of the first row as text, or NULL where there is no row or the value is null.
 * The caller frees it. */
char *testdb_text(const char *conninfo, const char *sql);

/* The first column of the first row as an integer; no row, null or another text ends the program.
 */
int64_t testdb_int(const char *conninfo, const char *sql);

#endif
