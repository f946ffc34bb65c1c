/* check_book - see check_book.h. */
#include "ledgerd/flow/check_book.h"

#include <stdlib.h>

#include "ledgerd/flow/limit.h"
#include "ledgerd/flow/share_totals.h"
#include "ledgerd/store/store_grant.h"
#include "ledgerd/store/store_hold.h"

struct checking {
    const struct conf *conf;
    const struct check_request *request;
    struct instant now;
    struct check_book *book;
};

static int take_share(struct store *store, struct answer_question *question, struct error *err)
{
    const struct store_share_total *total;
    struct store_share_total *totals = NULL;
    size_t count = 0;

    if (question->project == NULL || question->project->share == NULL) {
        return 0;
    }
    if (share_totals_read(store, question->catalog, question->now, &totals, &count, err) != 0) {
        return -1;
    }
    total = share_totals_at(totals, count, question->catalog, question->project->share,
                            question->now);
    if (total != NULL) {
        question->has_share_total = true;
        question->share_supply = total->supply;
        question->share_spent = (struct points){total->spent.micro + total->held.micro};
    }
    free(totals);
    return 0;
}

static int take_position(struct store *store, struct check_book *book, struct error *err)
{
    struct answer_question *question = &book->result.question;
    struct lapsed_rows lapsed = {0};

    if (question->project == NULL) {
        return 0;
    }
    const char *project = question->project->id;
    if (store_read_position(store, project, &book->position, err) != 0 ||
        store_read_lapsed(store, project, question->now, &lapsed, err) != 0) {
        return -1;
    }
    question->limits.lapsed = store_lapsed_of(&lapsed, project, NULL);
    question->limits.user_lapsed = store_lapsed_of(&lapsed, project, question->user);
    store_lapsed_release(&lapsed);
    question->position = (struct balance_position){
        .posted = book->position.posted,
        .held = {book->position.held.micro - question->limits.lapsed.micro},
        .accrued = book->position.accrued,
        .draw_count = book->position.draw_count,
        .draws = book->position.draws};
    if (question->project->limit_count > 0) {
        if (limit_read_sums(store, question->catalog, project, question->now, &book->sums, err) !=
            0) {
            return -1;
        }
        question->limits.sums = book->sums;
    }
    return 0;
}

/* Everything is read in one transaction, so that catalog, position and totals agree. */
static int check_work(struct store *store, void *context, struct error *err)
{
    const struct checking *checking = context;
    struct check_book *book = checking->book;

    check_book_release(book); /* of an attempt that was rolled back */
    book->catalog = catalog_load(store, err);
    if (book->catalog == NULL) {
        return -1;
    }
    check_begin(book->catalog, checking->conf, checking->request, checking->now, &book->result);
    book->result.question.as_of = checking->now;
    return take_position(store, book, err) != 0 ||
                   take_share(store, &book->result.question, err) != 0
               ? -1
               : check_finish(checking->request, &book->result, err);
}

int check_book(struct store *store, const struct conf *conf, const struct check_request *request,
               struct instant now, struct check_book *book, struct error *err)
{
    struct checking checking = {.conf = conf, .request = request, .now = now, .book = book};

    book->catalog = NULL;
    book->position = (struct store_position){0};
    book->sums = (struct store_limit_sums){0};
    if (store_transact(store, STORE_UNLOCKED, check_work, &checking, err) != 0) {
        check_book_release(book);
        return -1;
    }
    return 0;
}

void check_book_release(struct check_book *book)
{
    store_position_release(&book->position);
    store_limit_sums_release(&book->sums);
    catalog_destroy(book->catalog);
    book->catalog = NULL;
    book->position = (struct store_position){0};
    book->sums = (struct store_limit_sums){0};
}
