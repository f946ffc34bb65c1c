/* Batches: arenas whose strings stay, chains of items of one identity, and the belt they go round
 * on. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledgerd/flow/arena.h"
#include "ledgerd/flow/batch.h"
#include "ledgerd/flow/batch_belt.h"
#include "ledgerd/flow/ingest_turns.h"

enum { ITEMS = 5000 };

static void strings_of_an_arena_stay_until_it_is_cleared(void **state)
{
    const char *kept[3000];
    struct arena arena = {0};
    char text[1200];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 3000; i++) {
            memset(text, 'a' + (int)(i % 26), i % sizeof text);
            kept[i] = arena_copy(&arena, text, i % sizeof text);
        }
        for (size_t i = 0; i < 3000; i++) {
            assert_int_equal(strlen(kept[i]), i % sizeof text);
            if (i % sizeof text > 0) {
                assert_int_equal(kept[i][i % sizeof text - 1], 'a' + (int)(i % 26));
            }
        }
        assert_int_equal(arena.chunk_count, 2);
        arena_clear(&arena);
    }
    arena_release(&arena);
}

static void pieces_larger_than_a_chunk_are_kept_apart(void **state)
{
    struct arena arena = {0};
    char *big = arena_take(&arena, 3 * ARENA_CHUNK_BYTES);
    const char *small = arena_string(&arena, "small");

    (void)state;
    assert_non_null(big);
    memset(big, 'x', 3 * ARENA_CHUNK_BYTES);
    assert_string_equal(small, "small");
    assert_int_equal((uintptr_t)arena_take(&arena, 1) % 16, 0);
    arena_clear(&arena);
    assert_int_equal(arena.big_count, 0);
    arena_release(&arena);
}

static struct batch_item *add_item(struct batch *batch, const char *source, const char *id)
{
    struct batch_item *item = batch_item(batch);

    assert_non_null(item);
    item->source = batch_source(batch, source);
    item->id = arena_string(&batch->arena, id);
    batch_chain(batch);
    return &batch->items.at[batch->items.count - 1];
}

static void items_of_one_identity_form_a_chain(void **state)
{
    struct batch batch = {0};
    const struct batch_item *item;

    (void)state;
    assert_int_equal(batch_prepare(&batch, 100), 0);
    add_item(&batch, "a", "1");
    add_item(&batch, "b", "1");
    add_item(&batch, "a", "2");
    item = add_item(&batch, "a", "1");
    assert_int_equal(item->previous, 0);
    item = add_item(&batch, "a", "1");
    assert_int_equal(item->previous, 3);
    assert_int_equal(item->first, 0);
    for (size_t i = 0; i < batch.items.count; i++) {
        assert_int_equal(batch.items.at[i].is_shared, i == 0 || i >= 3);
    }
    batch_release(&batch);
}

/* Without an id the text tells items apart; with one, it doesn't matter. */
static void texts_without_an_id_are_told_apart_by_their_hash(void **state)
{
    struct batch batch = {0};
    struct batch_raw raws[3] = {{.hash = "one"}, {.hash = "two"}, {.hash = "one"}};

    (void)state;
    assert_int_equal(batch_prepare(&batch, 100), 0);
    for (int i = 0; i < 3; i++) {
        struct batch_item *item = batch_item(&batch);

        item->source = batch_source(&batch, "s");
        item->raw = &raws[i];
        batch_chain(&batch);
    }
    assert_int_equal(batch.items.at[1].previous, BATCH_NONE);
    assert_int_equal(batch.items.at[2].previous, 0);
    batch_release(&batch);
}

static void a_cleared_batch_remembers_nothing(void **state)
{
    struct batch batch = {0};
    char id[32];

    (void)state;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(batch_prepare(&batch, ITEMS), 0);
        for (int i = 0; i < ITEMS; i++) {
            const struct batch_item *item;

            snprintf(id, sizeof id, "%d@1800000000", i / 2);
            item = add_item(&batch, "s", id);
            assert_int_equal(item->previous, i % 2 == 1 ? (uint32_t)i - 1 : BATCH_NONE);
        }
        assert_true(batch_is_full(&batch, &(struct batch_limits){ITEMS, SIZE_MAX}));
        assert_true(batch_is_full(&batch, &(struct batch_limits){ITEMS + 1, 100}));
        assert_false(batch_is_full(&batch, &(struct batch_limits){ITEMS + 1, SIZE_MAX}));
    }
    batch_release(&batch);
}

static void lines_and_names_are_numbered_once(void **state)
{
    struct batch batch = {0};
    char name[32];

    (void)state;
    assert_int_equal(batch_prepare(&batch, 10), 0);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 3000; i++) {
            snprintf(name, sizeof name, "p%u", i);
            assert_int_equal(batch_line(&batch, i % 2, name, "class"), i);
        }
    }
    assert_int_equal(batch_line(&batch, 1, "p0", "class"), 3000);
    assert_int_equal(batch_line(&batch, 0, "p0", "other"), 3001);
    assert_int_equal(batch_meter(&batch, "gpu"), 0);
    assert_int_equal(batch_meter(&batch, "cpu"), 1);
    assert_int_equal(batch_meter(&batch, "gpu"), 0);
    batch_month(&batch, month_make(2027, 6));
    batch_month(&batch, month_make(2027, 7));
    batch_month(&batch, month_make(2027, 6));
    assert_int_equal(batch.months.count, 2);
    batch_release(&batch);
}

/* --- the belt and the turns ------------------------------------------------------------------- */

struct posting_thread {
    struct batch_belt *belt;
    struct ingest_turns *turns;
    uint64_t least;
    uint64_t *order; /* of tickets, as they were told */
    size_t *told;
};

static void *post(void *context)
{
    struct posting_thread *thread = context;
    struct batch *batch;
    uint64_t ticket;

    while ((batch = belt_take_full(thread->belt, thread->least, &ticket)) != NULL) {
        assert_int_equal(batch->items.count, ticket);
        assert_int_equal(turns_wait(thread->turns, ticket, NULL), 0);
        turns_begin_telling(thread->turns);
        thread->order[(*thread->told)++] = ticket;
        turns_end_telling(thread->turns);
        turns_pass(thread->turns);
        belt_give_empty(thread->belt, batch);
    }
    return NULL;
}

static void batches_are_told_in_the_order_of_filling(void **state)
{
    enum { BATCHES = 200 };
    struct batch_belt belt;
    struct ingest_turns turns;
    uint64_t order[BATCHES];
    size_t told = 0;
    struct posting_thread threads[2] = {{&belt, &turns, 0, order, &told},
                                        {&belt, &turns, 1, order, &told}};
    pthread_t ids[2];

    (void)state;
    belt_init(&belt);
    turns_init(&turns);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&ids[i], NULL, post, &threads[i]), 0);
    }
    for (size_t i = 0; i < BATCHES; i++) {
        struct batch *batch = belt_take_empty(&belt);

        assert_non_null(batch);
        assert_int_equal(batch_prepare(batch, BATCHES), 0);
        for (size_t n = 0; n < i; n++) {
            assert_non_null(batch_item(batch));
        }
        belt_give_full(&belt, batch);
    }
    belt_end(&belt);
    for (int i = 0; i < 2; i++) {
        pthread_join(ids[i], NULL);
    }
    assert_int_equal(told, BATCHES);
    for (size_t i = 0; i < BATCHES; i++) {
        assert_int_equal(order[i], i);
    }
    turns_release(&turns);
    belt_release(&belt);
}

static void a_stopped_belt_lets_nobody_wait(void **state)
{
    struct batch_belt belt;
    struct ingest_turns turns;
    struct error err = {0};
    uint64_t ticket;

    (void)state;
    belt_init(&belt);
    turns_init(&turns);
    belt_give_full(&belt, belt_take_empty(&belt));
    belt_stop(&belt);
    turns_stop(&turns);
    assert_null(belt_take_empty(&belt));
    assert_null(belt_take_full(&belt, 0, &ticket));
    assert_false(belt_wait_full(&belt, 1));
    assert_int_equal(turns_wait(&turns, 1, &err), -1);
    assert_string_equal(err.reason, TURNS_STOPPED);
    turns_release(&turns);
    belt_release(&belt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_of_an_arena_stay_until_it_is_cleared),
        cmocka_unit_test(pieces_larger_than_a_chunk_are_kept_apart),
        cmocka_unit_test(items_of_one_identity_form_a_chain),
        cmocka_unit_test(texts_without_an_id_are_told_apart_by_their_hash),
        cmocka_unit_test(a_cleared_batch_remembers_nothing),
        cmocka_unit_test(lines_and_names_are_numbered_once),
        cmocka_unit_test(batches_are_told_in_the_order_of_filling),
        cmocka_unit_test(a_stopped_belt_lets_nobody_wait),
    };

    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
