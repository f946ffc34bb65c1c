/* verify_entries - see verify_entries.h. */
#include "ledgerd/flow/verify_entries.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/verify.h"

enum { FIRST_CAPACITY = 256 };

void entries_release(struct entries *entries)
{
    free(entries->said.transfers);
    free(entries->said.months);
    free(entries->said.entries);
    free(entries->said.xids);
    free(entries->said.booked);
    *entries = (struct entries){0};
}

static bool grow_one(void **array, size_t count, size_t size)
{
    void *grown = reallocarray(*array, count, size);

    if (grown != NULL) {
        *array = grown;
    }
    return grown != NULL;
}

static int grow(struct entries *entries, struct error *err)
{
    struct verify_entries *said = &entries->said;
    size_t capacity = entries->capacity > 0 ? entries->capacity * 2 : FIRST_CAPACITY;

    if (!grow_one((void **)&said->transfers, capacity, sizeof *said->transfers) ||
        !grow_one((void **)&said->months, capacity, sizeof *said->months) ||
        !grow_one((void **)&said->entries, capacity, sizeof *said->entries) ||
        !grow_one((void **)&said->xids, capacity, sizeof *said->xids) ||
        !grow_one((void **)&said->booked, capacity, sizeof *said->booked)) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    entries->capacity = capacity;
    return 0;
}

static bool says_the_same(const struct verify_entries *said, size_t i, const struct seal_row *row)
{
    return said->entries[i] == row->entry_id && said->xids[i] == (int64_t)row->place.xid &&
           said->booked[i].us == row->booked_at.us;
}

int entries_add(struct entries *entries, const struct seal_row *row, struct error *err)
{
    struct verify_entries *said = &entries->said;
    uint32_t *recent = &entries->recent[(uint64_t)row->entry_id % ENTRIES_RECENT];
    size_t i = said->count;

    if (*recent != 0 && says_the_same(said, *recent - 1, row)) {
        if (row->place.transfer_id < said->transfers[*recent - 1]) {
            said->transfers[*recent - 1] = row->place.transfer_id;
            said->months[*recent - 1] = row->month;
        }
        return 0;
    }
    if (i == entries->capacity && grow(entries, err) != 0) {
        return -1;
    }
    said->transfers[i] = row->place.transfer_id;
    said->months[i] = row->month;
    said->entries[i] = row->entry_id;
    said->xids[i] = (int64_t)row->place.xid;
    said->booked[i] = row->booked_at;
    *recent = (uint32_t)++said->count;
    return 0;
}

int entries_check(struct entries *entries, struct store *store, char *detail, size_t size,
                  struct error *err)
{
    char found[VERIFY_DETAIL_BYTES] = "";

    if (entries->said.count > 0 &&
        store_verify_entries(store, &entries->said, found, sizeof found, err) != 0) {
        return -1;
    }
    if (*detail == '\0') {
        snprintf(detail, size, "%s", found);
    }
    entries->said.count = 0;
    memset(entries->recent, 0, sizeof entries->recent);
    return 0;
}
