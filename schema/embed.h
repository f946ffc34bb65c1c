/*
 * The schema's numbered migrations, compiled into the programs so that a
 * program and the schema it needs can never be installed apart. The build
 * writes the array from schema/NNNN_*.sql, in ascending order of number.
 */
#ifndef SCHEMA_EMBED_H
#define SCHEMA_EMBED_H

#include <stddef.h>

/* One migration: its number, the file's name without number and suffix, and the file's text. */
struct schema_migration {
    int number;
    const char *name;
    const char *sql;
};

extern const struct schema_migration schema_migrations[];
extern const size_t schema_migrations_count;

#endif
