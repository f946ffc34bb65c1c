/* child - another program, run without a shell, whose output is read as it comes.
 *
 * A child is in a process group of its own, with an environment of a few named variables and no
 * descriptor of ours.  It may die, hang, or write without end: reading has a deadline for the whole
 * and one for each pause, and whatever happens the group is killed and the child reaped.  What it
 * says on standard error becomes the reason of an error.  One thread uses a child.
 */
#ifndef LEDGERD_BASE_CHILD_H
#define LEDGERD_BASE_CHILD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"

enum {
    CHILD_ERROR_BYTES = 768, /* kept of the end of standard error: fits in an error with its name */
    CHILD_STOP_US = 200 * 1000, /* how soon a stop is noticed */
};

struct child_options {
    const char *const *argv; /* ended by NULL; a program without a slash is looked for in PATH */
    const char *const *environment; /* NAME=VALUE, ended by NULL, beside what is passed on and
                                       TZ=UTC, LC_ALL=C; NULL: nothing */
    int64_t whole_us;               /* for everything; 0: no limit */
    int64_t idle_us;                /* between two pieces of output; 0: no limit */
    const atomic_bool *stop;        /* ends it once true; NULL: never. Borrowed */
};

struct child;

/* Start it. Of our environment PATH, SLURM_CONF, LD_PRELOAD, LD_LIBRARY_PATH and what begins with
 * NSS_WRAPPER_ are passed on. NULL on error (ERROR_UNAVAILABLE: no such program, say). */
struct child *child_start(const struct child_options *options, struct error *err);

/* Read standard output: bytes, 0 at its end once the child has ended well, or -1,
 * ERROR_UNAVAILABLE: it ended badly ("sacct: exit status 1: its last words"), a deadline passed, or
 * it was stopped. What was read before may be the half of something. */
ssize_t child_read(struct child *child, void *buffer, size_t size, struct error *err);

/* Kill and reap it, if it still runs. Accepts NULL. */
void child_destroy(struct child *child);

/* The path of a program beside another one: "scontrol" for "" or "sacct", "/opt/bin/scontrol" for
 * "/opt/bin/sacct". free() it; NULL if there is no memory. */
char *child_sibling(const char *beside, const char *name);

/* Run it to its end; standard output is appended to *output. More than `limit` bytes are an
 * error. */
int child_run(const struct child_options *options, size_t limit, struct strbuf *output,
              struct error *err);

#endif
