/* slurm_keep_holds - what becomes of the open holds of a cluster's jobs; see slurm_keep.h.
 *
 * Holds are looked at by the page, beside the live jobs that they belong to, without a lock; what
 * is to change is then locked in everybody's order and judged again as it stands.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/hold_parts.h"
#include "ledgerd/flow/slurm_keep_round.h"
#include "ledgerd/flow/slurm_resolve.h"
#include "ledgerd/store/store_cover.h"
#include "ledgerd/store/store_hold_end.h"
#include "ledgerd/store/store_keep.h"

enum {
    PAGE_HOLDS = HOLD_GROUP_MAX, /* looked at and changed together: positions are locked briefly */
    RESULT_BYTES = POINTS_TEXT_BYTES + 64,
};

/* --- what is to be done with a hold ----------------------------------------------------------- */

struct verdict {       /* all false: nothing */
    bool is_confirmed; /* for the first time, or with a new deadline */
    bool is_extended;
    bool is_released;
    const char *why; /* it is released */
    int64_t cancelled_parts;
    int64_t told_parts; /* of them, see keep_gone_parts */
};

/* Its job has been seen, or has had the time to be. */
static bool is_known(const struct keep_round *round, const struct keep_hold *hold)
{
    return instant_is_set(hold->confirmed_at) ||
           hold->made_at.us <
               round->options->round_began.us - SLURM_KEEP_UNSEEN_S * INSTANT_SECOND_US;
}

static bool has_waited(const struct keep_round *round, const struct keep_hold *hold)
{
    int64_t ttl_us = round->section != NULL ? round->section->pending_ttl_us : 0;

    return ttl_us > 0 && hold->waiting_tasks == hold->tasks && hold->held.micro > 0 &&
           hold->made_at.us + ttl_us <= round->options->now.us;
}

/* Its job was never seen, and has had the time to be: nothing is known but that it may be over. */
static bool is_orphan(const struct keep_hold *hold, const struct keep_gone *gone)
{
    return !instant_is_set(hold->confirmed_at) && hold->tasks == 0 && gone->unrecorded == 0;
}

/* What of the hold is given back, all of it or some parts. */
static void give_back(const struct keep_hold *hold, const struct keep_gone *gone,
                      struct verdict *verdict)
{
    int64_t parts = keep_gone_parts(hold, gone, &verdict->told_parts);

    if (is_orphan(hold, gone) ||
        (hold->tasks == 0 && parts > 0 && parts == hold->parts - hold->ended_parts)) {
        verdict->is_released = true;
        verdict->why = gone->never > 0 ? "unstarted" : gone->moved > 0 ? "moved" : "gone";
    } else {
        verdict->cancelled_parts = parts;
    }
}

static struct verdict judge(const struct keep_round *round, const struct keep_hold *hold,
                            const struct keep_gone *gone)
{
    const struct slurm_keep_options *options = round->options;
    struct verdict verdict = {0};
    bool may_give_back = options->ended_was_read && is_known(round, hold);

    if (instant_compare(hold->lapses_at, options->now) <= 0) {
        return verdict; /* its points are others' already */
    }
    if (may_give_back) {
        give_back(hold, gone, &verdict);
    }
    if (hold->tasks == 0) {
        return verdict;
    }
    if (has_waited(round, hold)) {
        return (struct verdict){.is_released = true, .why = "waited"};
    }
    verdict.is_extended = hold->expires_at.us - options->now.us < round->ttl_us / 2;
    verdict.is_confirmed = verdict.is_extended || !instant_is_set(hold->confirmed_at);
    return verdict;
}

static bool is_nothing(const struct verdict *verdict)
{
    return !verdict->is_confirmed && !verdict->is_released && verdict->cancelled_parts == 0;
}

/* --- a page is changed ------------------------------------------------------------------------ */

struct seen { /* as it stood before it was locked */
    const struct keep_hold *hold;
    struct keep_gone gone;
};

struct page {
    struct keep_round *round;
    struct slurm_keep_figures figures; /* of this attempt */
    size_t count;                      /* of those below that are used: the holds to be changed */
    struct seen seen[PAGE_HOLDS];      /* by number */
    struct locked_holds locked;
    struct points covered[PAGE_HOLDS]; /* of the locked */
    size_t changed_count;
    const struct locked_hold *changed[PAGE_HOLDS];
    size_t event_count;
    struct hold_event events[PAGE_HOLDS];
    size_t move_count;
    struct held_move moves[PAGE_HOLDS];
    size_t confirmed_count;
    int64_t confirmed[PAGE_HOLDS];
    char results[PAGE_HOLDS][RESULT_BYTES]; /* at their events */
};

static int compare_numbers(const void *a, const void *b)
{
    int64_t left = ((const struct seen *)a)->hold->number;
    int64_t right = ((const struct seen *)b)->hold->number;

    return (left > right) - (left < right);
}

static const struct seen *seen_of(const struct page *page, int64_t number)
{
    const struct keep_hold wanted = {.number = number};
    const struct seen key = {.hold = &wanted};

    return bsearch(&key, page->seen, page->count, sizeof page->seen[0], compare_numbers);
}

static int lock_page(struct page *page, struct store *store, struct error *err)
{
    const char *projects[PAGE_HOLDS];
    int64_t numbers[PAGE_HOLDS];

    store_locked_holds_release(&page->locked);
    for (size_t i = 0; i < page->count; i++) {
        projects[i] = page->seen[i].hold->project;
        numbers[i] = page->seen[i].hold->number;
    }
    return store_lock_positions(store, NULL, 0, projects, page->count, err) != 0 ||
                   store_lock_holds(store, true, numbers, page->count, NULL, 0, &page->locked,
                                    err) != 0
               ? -1
               : store_cover_sums(store, &page->locked, page->covered, err);
}

static void release(struct page *page, struct locked_hold *hold, const char *why)
{
    char *result = page->results[page->event_count];
    char points[POINTS_TEXT_BYTES];

    snprintf(result, RESULT_BYTES, "{\"freed\":\"%s\",\"by\":\"slurm\",\"why\":\"%s\"}",
             points_format(hold->held, points), why);
    hold_end_all(hold, "release", "released", page->round->options->now, result,
                 &page->events[page->event_count++], &page->moves[page->move_count++]);
    page->figures.released++;
}

static void cancel_parts(struct page *page, struct locked_hold *hold, struct points covered,
                         const struct verdict *verdict)
{
    const int64_t parts = verdict->cancelled_parts;
    char *result = page->results[page->event_count];
    const struct points was_held = hold->held;
    const struct hold_event event = {.hold = hold->number,
                                     .n = ++hold->events,
                                     .kind = "cancel",
                                     .at = page->round->options->now,
                                     .is_end = true,
                                     .parts = parts,
                                     .freed = hold_freed_by(hold, parts),
                                     .expires_at = INSTANT_NONE,
                                     .result = result};

    snprintf(result, RESULT_BYTES, "{\"by\":\"slurm\",\"told\":%lld}",
             (long long)verdict->told_parts);
    hold->freed.micro += event.freed.micro;
    hold->ended_parts += parts;
    int64_t held = hold->points.micro - hold->freed.micro - covered.micro;
    hold->held.micro = held > 0 ? held : 0;
    page->events[page->event_count++] = event;
    page->moves[page->move_count++] = (struct held_move){
        hold->project, hold->user, {hold->held.micro - was_held.micro}};
    page->figures.cancelled_parts += (size_t)parts;
}

/* The hold as it stands now that it is locked. */
static void apply(struct page *page, size_t i)
{
    struct locked_hold *hold = &page->locked.holds[i];
    const struct seen *seen = seen_of(page, hold->number);

    if (seen == NULL || strcmp(hold->state, "open") != 0) {
        return;
    }
    struct keep_hold now = *seen->hold;
    now.ended_parts = hold->ended_parts;
    now.held = hold->held;
    now.expires_at = hold->expires_at;
    now.lapses_at = hold->lapses_at;
    const struct verdict verdict = judge(page->round, &now, &seen->gone);
    if (is_nothing(&verdict)) {
        return;
    }
    page->changed[page->changed_count++] = hold;
    if (verdict.is_released) {
        release(page, hold, verdict.why);
        return;
    }
    if (verdict.cancelled_parts > 0) {
        cancel_parts(page, hold, page->covered[i], &verdict);
    } else if (verdict.is_extended) { /* moving nothing tells readers all the same */
        page->moves[page->move_count++] = (struct held_move){hold->project, hold->user,
                                                             POINTS_ZERO};
    }
    if (verdict.is_extended) {
        hold->expires_at.us = page->round->options->now.us + page->round->ttl_us;
    }
    if (verdict.is_confirmed) {
        page->confirmed[page->confirmed_count++] = hold->number;
    }
}

static int write_page(struct page *page, struct store *store, struct error *err)
{
    struct instant now = page->round->options->now;

    page->figures.confirmed = page->confirmed_count;
    return store_holds_write(store, page->changed, page->changed_count, now, err) != 0 ||
                   store_hold_events_add(store, page->events, page->event_count, err) != 0 ||
                   store_held_move(store, page->moves, page->move_count, err) != 0
               ? -1
               : store_keep_confirmed(store, page->confirmed, page->confirmed_count, now, err);
}

static int change_page(struct store *store, void *context, struct error *err)
{
    struct page *page = context;

    page->figures = (struct slurm_keep_figures){0};
    page->changed_count = page->event_count = page->move_count = page->confirmed_count = 0;
    if (lock_page(page, store, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < page->locked.count; i++) {
        apply(page, i);
    }
    return write_page(page, store, err);
}

/* --- page after page -------------------------------------------------------------------------- */

struct meanings { /* what the accounts of live jobs mean */
    struct keep_accounts accounts;
    size_t count;
    const char **names;
    char **projects;
};

static void meanings_release(struct meanings *meanings)
{
    for (size_t i = 0; i < meanings->count; i++) {
        free(meanings->projects[i]);
    }
    free(meanings->names);
    free(meanings->projects);
    store_keep_accounts_release(&meanings->accounts);
}

static int find_meanings(struct keep_round *round, struct meanings *meanings, struct error *err)
{
    const struct catalog *catalog = keep_round_catalog(round, err);

    if (catalog == NULL ||
        store_keep_accounts(round->store, round->options->cluster, &meanings->accounts, err) != 0) {
        return -1;
    }
    meanings->names = calloc(meanings->accounts.count + 1, sizeof *meanings->names);
    meanings->projects = calloc(meanings->accounts.count + 1, sizeof *meanings->projects);
    bool failed = meanings->names == NULL || meanings->projects == NULL;
    for (size_t i = 0; !failed && i < meanings->accounts.count; i++) {
        const struct slurm_job_row job = {.account = meanings->accounts.names[i]};
        const struct catalog_project *project = slurm_resolve_job_project(
            catalog, round->options->conf, round->options->cluster, &job);

        if (project != NULL) {
            meanings->names[meanings->count] = meanings->accounts.names[i];
            meanings->projects[meanings->count] = strdup(project->id);
            failed = meanings->projects[meanings->count++] == NULL;
        }
    }
    return failed ? error_set(err, ERROR_INTERNAL, "out of memory") : 0;
}

static void add_figures(struct slurm_keep_figures *sum, const struct slurm_keep_figures *more)
{
    sum->confirmed += more->confirmed;
    sum->released += more->released;
    sum->cancelled_parts += more->cancelled_parts;
}

static int judge_page(struct page *page, const struct keep_holds *holds, struct error *err)
{
    struct keep_gone gone[PAGE_HOLDS];

    if (keep_gone_find(page->round, holds, gone, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < holds->count; i++) {
        const struct verdict verdict = judge(page->round, &holds->holds[i], &gone[i]);

        if (!is_nothing(&verdict)) {
            page->seen[page->count++] = (struct seen){&holds->holds[i], gone[i]};
        }
    }
    if (page->count > 1) {
        qsort(page->seen, page->count, sizeof page->seen[0], compare_numbers);
    }
    return 0;
}

static int keep_page(struct keep_round *round, const struct keep_holds *holds, struct error *err)
{
    struct page *page = calloc(1, sizeof *page);

    if (page == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    page->round = round;
    int result = judge_page(page, holds, err);
    if (result == 0 && page->count > 0) {
        result = store_transact(round->store, STORE_UNLOCKED, change_page, page, err);
    }
    if (result == 0) {
        add_figures(round->figures, &page->figures);
    }
    store_locked_holds_release(&page->locked);
    free(page);
    return result;
}

int keep_round_holds(struct keep_round *round, struct error *err)
{
    struct meanings meanings = {0};
    struct keep_holds holds = {0};
    char *after = strdup("");
    int64_t after_number = 0;
    bool is_last = false;
    int result = after != NULL ? find_meanings(round, &meanings, err)
                               : error_set(err, ERROR_INTERNAL, "out of memory");

    while (result == 0 && !is_last) {
        const struct keep_question question = {.cluster = round->options->cluster,
                                               .source = round->source,
                                               .account_count = meanings.count,
                                               .accounts = meanings.names,
                                               .projects = (const char *const *)meanings.projects,
                                               .after_project = after,
                                               .after_number = after_number,
                                               .limit = PAGE_HOLDS};

        result = store_keep_holds(round->store, &question, &holds, err) != 0
                     ? -1
                     : keep_page(round, &holds, err);
        is_last = holds.count < PAGE_HOLDS;
        if (result == 0 && keep_round_stops(round)) {
            result = error_set(err, ERROR_UNAVAILABLE, "the round was stopped");
        }
        if (result == 0 && !is_last) {
            const struct keep_hold *last = &holds.holds[holds.count - 1];

            free(after);
            after = strdup(last->project);
            after_number = last->number;
            result = after != NULL ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
        }
        store_keep_holds_release(&holds);
    }
    free(after);
    meanings_release(&meanings);
    return result;
}
