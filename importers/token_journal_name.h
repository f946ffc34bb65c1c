/* token_journal_name - which files beside a journal are what it was rotated into.
 *
 *      of usage.jsonl:     usage.jsonl.1   usage.jsonl-20270601   usage.jsonl.2027-06-01_00:00:00
 *                          usage-20270601.jsonl                   any of these with .gz
 *
 * A name beside it that is only alike (usage-2.jsonl) is somebody else's journal.
 */
#ifndef IMPORTERS_TOKEN_JOURNAL_NAME_H
#define IMPORTERS_TOKEN_JOURNAL_NAME_H

enum journal_kind {
    JOURNAL_OTHER,   /* none of it */
    JOURNAL_CURRENT, /* the journal itself */
    JOURNAL_ROTATED,
    JOURNAL_GZIP,       /* rotated, then compressed */
    JOURNAL_COMPRESSED, /* likewise, in a way that does not tell how much it holds */
};

/* What the file `name` is to the journal `journal`; both without their folder. */
enum journal_kind journal_kind_of(const char *journal, const char *name);

#endif
