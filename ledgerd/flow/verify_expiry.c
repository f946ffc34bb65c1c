/* verify_expiry - what has expired of every grant, computed again from its project's grants and
 * charges. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/core/balance.h"
#include "ledgerd/flow/verify_book.h"
#include "ledgerd/store/store_expire.h"
#include "ledgerd/store/store_grant.h"

static ptrdiff_t grant_index(const struct catalog_project *project, int64_t id)
{
    for (size_t i = 0; i < project->grant_count; i++) {
        if (project->grants[i].id == id) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

static void compare(const struct catalog_project *project, const struct expiries *posted,
                    const struct points *remaining, char *detail)
{
    char text[2][POINTS_TEXT_BYTES];

    for (size_t i = 0; i < posted->count && *detail == '\0'; i++) {
        const struct expiry *expiry = &posted->rows[i];
        ptrdiff_t at = grant_index(project, expiry->grant_id);
        struct points sum;

        if (at < 0 || points_add(expiry->sink, expiry->pool, &sum) != POINTS_OK ||
            points_compare(sum, remaining[at]) != 0) {
            snprintf(
                detail, VERIFY_DETAIL_BYTES,
                "grant %" PRId64 " of %s: %s remained at its end, %s has expired", expiry->grant_id,
                project->id, at < 0 ? "nothing" : points_format(remaining[at], text[0]),
                points_format((struct points){expiry->sink.micro + expiry->pool.micro}, text[1]));
        }
    }
}

static int check_position(struct store *store, const struct catalog_project *project,
                          const struct expiries *posted, char *detail, struct error *err)
{
    struct points *remaining = calloc(project->grant_count + 1, sizeof *remaining);
    struct store_position position = {0};
    struct balance balance;
    int result = -1;

    if (remaining == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (store_read_position(store, project->id, &position, err) == 0) {
        struct balance_position whole = {.posted = position.posted,
                                         .grant_count = project->grant_count,
                                         .grants = project->grants,
                                         .draw_count = position.draw_count,
                                         .draws = position.draws};

        result = 0;
        if (balance_at(&whole, INSTANT_NEVER, &balance, remaining) == POINTS_OK) {
            compare(project, posted, remaining, detail);
        } else {
            snprintf(detail, VERIFY_DETAIL_BYTES, "the balance of project %s does not fit",
                     project->id);
        }
    }
    store_position_release(&position);
    free(remaining);
    return result;
}

int verify_expiries(struct store *store, const struct catalog *catalog,
                    struct verify_result *result, struct error *err)
{
    char detail[VERIFY_DETAIL_BYTES] = "";

    for (size_t i = 0; i < catalog->project_count && *detail == '\0'; i++) {
        const struct catalog_project *project = &catalog->projects[i];
        struct expiries posted;
        int status = 0;

        if (project->grant_count == 0) {
            continue;
        }
        if (store_read_expiries(store, project->id, &posted, err) != 0) {
            return -1;
        }
        if (posted.count > 0) {
            status = check_position(store, project, &posted, detail, err);
        }
        expiries_release(&posted);
        if (status != 0) {
            return -1;
        }
    }
    verify_note(result, "expiries_follow",
                "what expired of every grant is what its project had not used by its end", detail);
    return 0;
}
