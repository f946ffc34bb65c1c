/* store_explain - everything that the book holds about one record. */
#ifndef LEDGERD_STORE_STORE_EXPLAIN_H
#define LEDGERD_STORE_STORE_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/calendar.h"
#include "ledgerd/core/points.h"
#include "ledgerd/core/role.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/store/store.h"
#include "ledgerd/store/store_record.h"

struct explained_version {
    int version;
    struct instant seen;
    struct instant end;
    char *project;
    char *outcome;
};

struct explained_charge { /* a row of ledger.charge with its transfer */
    int version;
    struct month month;
    struct instant last; /* last instant of the slice: grants valid then pay it */
    char *project;
    struct points points;
    struct points list_points;
    int32_t card_no;
    int rule;
    int64_t transfer; /* 0: its batch's sum was zero, nothing moved */
    char *debit;      /* accounts' names, "" without a transfer */
    char *credit;
    struct instant booked_at; /* INSTANT_NONE without a transfer */
    struct month booked_in;   /* month in which the transfer counts; its own without one */
};

struct explained_refund { /* a row of ledger.refund with its transfer */
    int version;
    bool is_manual; /* else by the rate card's refund table */
    struct month month;
    struct instant last; /* the grant that was valid then gets it back, unless `grant` does */
    char *project;
    struct points points; /* negative: an amendment took it back */
    int64_t grant;        /* later grant that was raised by it, 0 for none */
    int64_t transfer;     /* as in a charge */
    char *debit;
    char *credit;
    struct instant booked_at;
};

struct explained_record {
    char content[33];            /* hexadecimal */
    struct stored_record stored; /* current version */
    size_t version_count;
    struct explained_version *versions;
    size_t charge_count;
    struct explained_charge *charges; /* by version, month */
    size_t refund_count;
    struct explained_refund *refunds; /* in the order of booking */
};

struct explained_accrual {
    struct instant start;
    struct instant end;
    char *project;
    struct points points;
    struct points list_points;
    int32_t card_no;
    char *record; /* in format ledger */
};

/* Read each part; *record, *accrual are NULL if there is none.  Call inside store_transact for one
 * snapshot. */
int store_explain_record(struct store *store, const char *source, const char *id,
                         struct explained_record **record, struct error *err);
int store_explain_accrual(struct store *store, const char *source, const char *id,
                          struct explained_accrual **accrual, struct error *err);

/* The project that the record, or else its accrual, is of; "" if there is neither. */
int store_explain_project(struct store *store, const char *source, const char *id,
                          char project[ROLE_PROJECT_BYTES + 1], struct error *err);

void explained_record_destroy(struct explained_record *record);    /* accepts NULL */
void explained_accrual_destroy(struct explained_accrual *accrual); /* accepts NULL */

#endif
