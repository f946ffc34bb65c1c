/* token_journal_files_pull - the files of a journal that are there now, all open at a time, so that
 * a rotation in between neither hides one nor shows one twice.
 */
#ifndef IMPORTERS_TOKEN_JOURNAL_FILES_PULL_H
#define IMPORTERS_TOKEN_JOURNAL_FILES_PULL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "importers/token_journal_name.h"
#include "ledgerd/base/error.h"

enum { JOURNAL_FILES_MAX = 512 }; /* of one journal that are there at a time */

struct journal_file {
    char *path;
    enum journal_kind kind;
    int fd; /* -1: it cannot be opened; `number` says why */
    int number;
    struct stat status; /* as it was opened */
};

struct journal_files { /* a zeroed one is empty */
    size_t count, capacity;
    struct journal_file
        *files; /* those written to last come last, the journal itself as the last */
};

/* ERROR_INPUT: the folder cannot be read, or has too many. That the journal itself is not there is
 * no error here. */
int journal_files_open(const char *path, struct journal_files *files, struct error *err);
void journal_files_close(struct journal_files *files);

/* True if the journal itself is among them. */
bool journal_files_have_current(const struct journal_files *files);

#endif
