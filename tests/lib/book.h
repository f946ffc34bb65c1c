/*
 * A book for tests: a database of its own with an open store, and one-line
 * ways to do what most tests begin with. Like testdb, whatever fails prints
 * why and ends the program with code 2; tests of failures call the flows
 * themselves.
 */
#ifndef TESTS_LIB_BOOK_H
#define TESTS_LIB_BOOK_H

#include <stdint.h>

#include "ledgerd/base/instant.h"
#include "ledgerd/core/points.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/store/store.h"

struct book {
    const char *conninfo; /* as superuser, for testdb_* */
    struct store *store;  /* as ledger_daemon */
};

/* 720 GPUs x 7200 h in fiscal year 2027 over hpci 80 %, general 10 %, industry 10 %, Asia/Tokyo. */
extern const char book_policy_json[];

/* gpu 1 point an hour, cpu 0.0138, model m 1 point per million tokens in and out; six places. */
extern const char book_rates_json[];

void book_open(struct book *book, const char *prefix);
void book_close(struct book *book);

/* RFC 3339 to an instant; "2027-06-10" stands for midnight of that day in Tokyo. */
struct instant book_time(const char *text);
struct points book_points(const char *text);

/* The act of a tester at that time. */
struct manual_act book_act(const char *now);

void book_apply_policy(struct book *book, const char *json, const char *now);
void book_apply_rates(struct book *book, const char *json, const char *now);

/* The policy and the rates above, applied on 2027-05-01. */
void book_agree(struct book *book);

void book_add_project(struct book *book, const char *id, const char *share);
void book_add_service(struct book *book, const char *id, const char *pattern);

/* Grants points over [from, to) and returns the grant's id. */
int64_t book_grant(struct book *book, const char *project, const char *points, const char *from,
                   const char *to);

/* Micro-points that an account holds by its transfers. */
int64_t book_balance(struct book *book, const char *account);

#endif
