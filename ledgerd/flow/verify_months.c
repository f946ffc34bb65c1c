/* verify_months - what was stored when months were closed, and what of it is sealed. Part of
 * verify.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/flow/digest.h"
#include "ledgerd/flow/seal_hash.h"
#include "ledgerd/flow/verify_book.h"
#include "ledgerd/store/store_close.h"
#include "ledgerd/store/store_seal.h"

enum { WHY_BYTES = 384 };

struct months {
    struct store *store;
    struct strbuf digests; /* of a month's statements, by project */
    size_t statements;     /* of the month */
    size_t reports;
    char why[WHY_BYTES]; /* what is wrong first, "" if nothing is */
};

static void note(struct months *months, struct month month, const char *what, const char *why)
{
    char text[MONTH_TEXT_BYTES];

    if (months->why[0] == '\0') {
        snprintf(months->why, sizeof months->why, "%s: %s %s", month_format(month, text), what,
                 why);
    }
}

/* Whether the stored text has this digest. */
static int check_digest(struct months *months, struct month month, const char *what,
                        const char *document, const char *digest, struct error *err)
{
    char found[DIGEST_TEXT_BYTES];
    struct error why = {0};

    months->reports++;
    if (digest_stored(document, digest, found, &why) != 0) {
        if (why.code != ERROR_VERIFY) {
            *err = why;
            return -1;
        }
        note(months, month, what, "does not hold its digest");
    } else if (strcmp(found, digest) != 0) {
        note(months, month, what, "is not as it was stored: its digest is another one");
    }
    return 0;
}

static int check_statement(void *context, struct month month, const char *project,
                           const char *digest, const char *document, struct error *err)
{
    struct months *months = context;
    char what[WHY_BYTES];

    snprintf(what, sizeof what, "the statement of %.128s", project);
    months->statements++;
    strbuf_printf(&months->digests, "%s %s\n", digest, project);
    return check_digest(months, month, what, document, digest, err);
}

static int check_close(void *context, const struct stored_close *close, struct error *err)
{
    struct months *months = context;
    char digests[DIGEST_TEXT_BYTES];

    months->statements = 0;
    strbuf_clear(&months->digests);
    if (check_digest(months, close->month, "the report", close->report, close->digest, err) != 0 ||
        store_statement_each(months->store, close->month, check_statement, months, err) != 0) {
        return -1;
    }
    if (months->digests.failed) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (digest_text(months->digests.data, months->digests.length, digests, err) != 0) {
        return -1;
    }
    if (months->statements != close->statements || strcmp(digests, close->statements_digest) != 0) {
        note(months, close->month, "its statements", "are not those that were stored with it");
    }
    return 0;
}

int verify_months(struct store *store, struct verify_result *result, struct error *err)
{
    struct months months = {.store = store, .digests = STRBUF_INIT};
    char promise[VERIFY_DETAIL_BYTES];
    int status = store_close_each(store, check_close, &months, err);

    strbuf_release(&months.digests);
    if (status != 0) {
        return -1;
    }
    snprintf(promise, sizeof promise,
             "%zu reports and statements of closed months are as they were stored", months.reports);
    verify_note(result, "closed_reports_match", promise, months.why);
    return 0;
}

/* --- seals ------------------------------------------------------------------------------------ */

/* The sealed closes and those that are there, both in order: what was sealed must still begin what
 * is there. */
static void compare_closes(const struct strbuf *sealed, const struct strbuf *there, char *why)
{
    for (size_t at = 0; at < sealed->length; at += SEAL_LEAF_BYTES) {
        const unsigned char *leaf = (const unsigned char *)sealed->data + at;
        const struct month month = {(int)seal_leaf_transfer(leaf)};
        char text[MONTH_TEXT_BYTES];

        if (at >= there->length ||
            seal_leaf_transfer((const unsigned char *)there->data + at) != month.number) {
            snprintf(why, WHY_BYTES, "%s was reopened: its close is sealed, and gone",
                     month_format(month, text));
            return;
        }
        if (memcmp(leaf, there->data + at, SEAL_LEAF_BYTES) != 0) {
            snprintf(why, WHY_BYTES, "%s: its close is not as it was sealed",
                     month_format(month, text));
            return;
        }
    }
}

int verify_sealed_months(struct store *store, const struct strbuf *sealed,
                         struct verify_result *result, struct error *err)
{
    struct strbuf there = STRBUF_INIT;
    char promise[VERIFY_DETAIL_BYTES], why[WHY_BYTES] = "";
    int status = store_seal_closes(store, -1, &there, err);

    if (status == 0) {
        compare_closes(sealed, &there, why);
        snprintf(promise, sizeof promise,
                 "%zu months are closed as they were sealed, %zu not yet "
                 "sealed",
                 sealed->length / SEAL_LEAF_BYTES,
                 (there.length - (why[0] == '\0' ? sealed->length : there.length)) /
                     SEAL_LEAF_BYTES);
        verify_note(result, "months_as_sealed", promise, why);
    }
    strbuf_release(&there);
    return status;
}
