/* command - one call of ledgerctl, and what a verb is.
 *
 * A verb gathers its result as a JSON document; `--json` prints that document and its `show` makes
 * text of the same document, so that the two cannot differ. Verbs print nothing themselves.
 */
#ifndef LEDGERD_CTL_COMMAND_H
#define LEDGERD_CTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"
#include "ledgerd/flow/catalog.h"
#include "ledgerd/flow/command_line.h"
#include "ledgerd/flow/manual.h"
#include "ledgerd/flow/session.h"

enum { COMMAND_FILE_BYTES = 16 * 1024 * 1024 }; /* policies and cards are kilobytes */

struct command {
    struct command_line line;
    struct session session;
    struct catalog *catalog; /* loaded by command_catalog */
    struct manual_act act;   /* --actor, --note, --ref, and when the command began */
    json_t *document;        /* owned; what the verb has to say */
    int status; /* exit status of a verb that succeeded: 0, or 1, 3, 5 where its result is
                   a refusal, quarantined records, a failed verification */
};

struct verb {
    struct command_spec spec;
    enum store_role role;
    /* Returns 0 with command->document set, or -1 with *err (and maybe a document all the same). */
    int (*run)(struct command *command, struct error *err);
    /* The document as text; NULL prints it as JSON in any case. */
    void (*show)(const json_t *document, struct strbuf *out);
};

/* The options that every verb has. */
extern const struct option_spec command_common_options[];

/* The catalog as it is now, loaded once a call and owned by the command. NULL on error. */
const struct catalog *command_catalog(struct command *command, struct error *err);

/* Set the result, whose reference is taken. ERROR_INTERNAL if it is NULL (out of memory). */
int command_finish(struct command *command, json_t *document, struct error *err);

/* The positional argument's text; NULL if an optional one was not given. */
const char *command_argument(const struct command *command, size_t i);

/* Read a small file, "-" for standard input, into *content. ERROR_INPUT names it; an empty one is
 * an error too. */
int command_read_file(const char *path, struct strbuf *content, struct error *err);

/* Write a file, in place of what it held, through to the disk. ERROR_INPUT names it. */
int command_write_file(const char *path, const struct strbuf *content, struct error *err);

/* Put the file's name before an error in what it holds (ERROR_INPUT); leaves other errors alone. */
int command_blame_file(const char *path, struct error *err);

#endif
