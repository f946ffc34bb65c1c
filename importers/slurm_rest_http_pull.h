/* slurm_rest_http_pull - requests to slurmrestd (and to gateways that are asked for their records),
 * whose answers are read as they come.
 *
 * One client asks one thing at a time, from one thread at a time.  Whatever the answer's size, at
 * most CLIENT_BYTES of it are held: while nobody reads, the server waits.  The token is read when a
 * client is opened, sent in a header, and never shown.
 */
#ifndef IMPORTERS_SLURM_REST_HTTP_PULL_H
#define IMPORTERS_SLURM_REST_HTTP_PULL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"

enum {
    CLIENT_BYTES = 256 * 1024,      /* of an answer, held at a time */
    CLIENT_ERROR_BYTES = 16 * 1024, /* read of an answer that is an error */
    CLIENT_TOKEN_BYTES = 16 * 1024,
};

struct rest_client_options {
    const char *url;         /* http(s)://host[:port][/prefix] */
    const char *token_file;  /* "": no token */
    int64_t idle_us;         /* longest wait for the next bytes */
    int64_t whole_us;        /* longest wait for one answer */
    const char *peer;        /* what is asked, for errors; NULL: slurmrestd */
    bool is_bearer;          /* the token goes as Authorization: Bearer, not as Slurm wants it */
    const atomic_bool *stop; /* ends a wait once true; NULL: never. Borrowed */
};

struct rest_client;

/* Nothing is sent yet. NULL: ERROR_ARGUMENT for the URL, ERROR_INPUT for the token's file. */
struct rest_client *rest_client_open(const struct rest_client_options *options, struct error *err);
void rest_client_close(struct rest_client *client); /* accepts NULL */

/* True if everybody on the machine can read the token's file. */
bool rest_client_token_is_exposed(const struct rest_client *client);

/* Ask for url + path ("/slurm/v0.0.38/jobs?…"), in place of what was asked before. An answer of
 * more than `limit` bytes is an error. */
int rest_client_get(struct rest_client *client, const char *path, uint64_t limit,
                    struct error *err);

/* The answer's next bytes; an input_read_fn on a client. 0 at the end of a whole answer. -1,
 * ERROR_UNAVAILABLE: no connection, cut off, stopped, a status that is none of success. An answer
 * that says only that nothing was found is given as it is. */
ssize_t rest_client_read(void *client, void *buffer, size_t size, struct error *err);

/* Why the last answer failed, where less might be answered. */
enum rest_client_excess {
    REST_NO_EXCESS,
    REST_TOO_LARGE, /* more bytes than the limit */
    REST_TOO_SLOW,  /* past a deadline */
};
enum rest_client_excess rest_client_excess(const struct rest_client *client);

/* Bytes of the answer so far, and how long was waited for it. */
uint64_t rest_client_bytes(const struct rest_client *client);
int64_t rest_client_waited_us(const struct rest_client *client);

/* Ask and append the whole answer to *body. */
int rest_client_fetch(struct rest_client *client, const char *path, uint64_t limit,
                      struct strbuf *body, struct error *err);

#endif
