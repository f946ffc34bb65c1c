/* Which files are a journal's own: a name that is only alike must not be read as its. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "importers/token_journal_name.h"

static void names_are_told_apart(void **state)
{
    static const struct {
        const char *journal, *name;
        enum journal_kind kind;
    } rows[] = {
        {"usage.jsonl", "usage.jsonl", JOURNAL_CURRENT},
        {"usage.jsonl", "usage.jsonl.1", JOURNAL_ROTATED},
        {"usage.jsonl", "usage.jsonl.000123", JOURNAL_ROTATED},
        {"usage.jsonl", "usage.jsonl-20270601", JOURNAL_ROTATED},
        {"usage.jsonl", "usage.jsonl-1812596400", JOURNAL_ROTATED},
        {"usage.jsonl", "usage.jsonl.2027-06-01T00:00:00Z", JOURNAL_ROTATED},
        {"usage.jsonl", "usage-20270601.jsonl", JOURNAL_ROTATED},
        {"usage.jsonl", "usage-2027-06-01_12.jsonl", JOURNAL_ROTATED},
        {"usage.jsonl", "usage.jsonl.2.gz", JOURNAL_GZIP},
        {"usage.jsonl", "usage-20270601.jsonl.gz", JOURNAL_GZIP},
        {"usage.jsonl", "usage.jsonl.2.xz", JOURNAL_COMPRESSED},
        {"usage.jsonl", "usage.jsonl.2.zst", JOURNAL_COMPRESSED},
        {"usage", "usage.1", JOURNAL_ROTATED},
        {"usage", "usage-20270601", JOURNAL_ROTATED},
        {".usage", ".usage.1", JOURNAL_ROTATED},
        {"usage.jsonl", "usage.jsonl.gz", JOURNAL_OTHER},
        {"usage.jsonl", "usage.jsonl.", JOURNAL_OTHER},
        {"usage.jsonl", "usage.jsonl.1234567", JOURNAL_OTHER},
        {"usage.jsonl", "usage.jsonl.1a", JOURNAL_OTHER},
        {"usage.jsonl", "usage.jsonl1", JOURNAL_OTHER},
        {"usage.jsonl", "usage.jsonl-2", JOURNAL_OTHER},
        {"usage.jsonl", "usage.jsonl.bak", JOURNAL_OTHER},
        {"usage.jsonl", "usage.jsonl.20270601.tmp", JOURNAL_OTHER},
        {"usage.jsonl", "usage-2.jsonl", JOURNAL_OTHER},
        {"usage.jsonl", "usage.json", JOURNAL_OTHER},
        {"usage.jsonl", "usage", JOURNAL_OTHER},
        {"usage.jsonl", "", JOURNAL_OTHER},
        {"usage.jsonl", "other.jsonl.1", JOURNAL_OTHER},
        {"usage.jsonl", "other-20270601.jsonl", JOURNAL_OTHER},
        {"usage.jsonl", "usageX20270601.jsonl", JOURNAL_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum journal_kind kind = journal_kind_of(rows[i].journal, rows[i].name);

        if (kind != rows[i].kind) {
            fail_msg("%s of %s: %d, not %d", rows[i].name, rows[i].journal, kind, rows[i].kind);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_told_apart)};

    return cmocka_run_group_tests_name("token_journal", tests, NULL, NULL);
}
