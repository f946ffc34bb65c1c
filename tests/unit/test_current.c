/* One value replaced under many readers: nobody ever reads a value that was freed. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ledgerd/base/current.h"

enum { READERS = 8, READS = 20000, MARK = 0x5eed };

struct value { /* both marks are cleared before the value is freed */
    int first;
    int serial;
    int last;
};

static struct current shared;
static atomic_bool ended;

static struct value *value_make(int serial)
{
    struct value *value = malloc(sizeof(*value));

    assert_non_null(value);
    *value = (struct value){MARK, serial, MARK};
    return value;
}

static void value_free(const void *old)
{
    struct value *value = (struct value *)(uintptr_t)old;

    value->first = value->last = 0;
    free(value);
}

/* Returns the number of readings that were wrong. */
static void *read_values(void *argument)
{
    intptr_t wrong = 0;
    int newest = 0;

    (void)argument;
    for (int i = 0; i < READS; i++) {
        size_t slot;
        const struct value *value = current_enter(&shared, &slot);
        wrong += value->first != MARK || value->last != MARK || value->serial < newest;
        newest = value->serial;
        current_leave(&shared, slot);
    }
    return (void *)wrong;
}

static void *replace_values(void *argument)
{
    (void)argument;
    for (int serial = 1; !atomic_load(&ended); serial++) {
        value_free(current_replace(&shared, value_make(serial)));
    }
    return NULL;
}

static void test_readers_never_see_a_freed_or_an_older_value(void **state)
{
    pthread_t readers[READERS];
    pthread_t writer;
    void *wrong;

    (void)state;
    current_init(&shared, value_make(0));
    assert_int_equal(pthread_create(&writer, NULL, replace_values, NULL), 0);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_values, NULL), 0);
    }
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i], &wrong), 0);
        assert_null(wrong);
    }
    atomic_store(&ended, true);
    pthread_join(writer, NULL);
    value_free(current_replace(&shared, NULL));
}

static void test_one_thread_may_read_twice_at_once(void **state)
{
    int number = 5;
    size_t outer;
    size_t inner;

    (void)state;
    current_init(&shared, &number);
    assert_ptr_equal(current_enter(&shared, &outer), &number);
    assert_ptr_equal(current_enter(&shared, &inner), &number);
    assert_int_not_equal(outer, inner);
    current_leave(&shared, inner);
    current_leave(&shared, outer);
    assert_ptr_equal(current_replace(&shared, NULL), &number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_never_see_a_freed_or_an_older_value),
        cmocka_unit_test(test_one_thread_may_read_twice_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
