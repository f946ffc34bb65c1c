/* ledger_client - ask ledgerd for points over its Unix socket: for hooks that must not wait.
 *
 * Every call takes one connection, one request, one answer, and one deadline over all of it:
 * nothing blocks, nothing is allocated, no signal is raised, no name is looked up.  All functions
 * may be called from any number of threads.
 *
 *     struct ledger_client client = {.socket_path = "/run/ledger/ledgerd.sock", .deadline_us =
 * 50000}; struct ledger_ask ask = {.cluster = "sdli", .uid = 20001, .account = "ml", .key = key};
 *     struct ledger_answer answer;
 *     if (ledger_job_shape(&job, &ask.shape) == LEDGER_SHAPE_OK)
 *         verdict = ledger_hold(&client, &ask, &answer);
 */
#ifndef LEDGER_CLIENT_H
#define LEDGER_CLIENT_H

#include "ledger_job.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    LEDGER_KEY_BYTES = 36, /* "sl_", 32 hexadecimal digits, NUL */
    LEDGER_NAME_BYTES = 80,
    LEDGER_MESSAGE_BYTES = 512, /* longer messages are cut at a character's end */
    LEDGER_BODY_BYTES = 6144,   /* of a question; one that is longer is refused unasked */
    LEDGER_REPLY_BYTES = 32768, /* head and body of an answer; longer ones count as malformed */
};

struct ledger_client {
    const char *socket_path;
    int64_t deadline_us; /* for the whole call, from its beginning */
};

/* A question. Strings may be NULL where there is nothing to say, uid -1. */
struct ledger_ask {
    const char *cluster;
    const char *user; /* in place of uid */
    int64_t uid;
    const char *account, *qos, *partition;
    const char
        *modifies;   /* id of the job that is to get shape.seconds ("123_4"); see ledger_modify */
    const char *key; /* Idempotency-Key, and id of the hold's reference */
    const char *ttl; /* how long the hold stands if Slurm never shows the job: "1h" */
    struct ledger_shape shape;
};

enum ledger_verdict {
    LEDGER_ALLOWED,     /* the points are held */
    LEDGER_REFUSED,     /* ledgerd decided against it: message says why, to the user */
    LEDGER_UNAVAILABLE, /* there is no decision: trouble and message say why, to the operator */
};

enum ledger_trouble {
    LEDGER_TROUBLE_NONE,
    LEDGER_AWAY,      /* nobody listens, or the connection broke */
    LEDGER_TIMEOUT,   /* the deadline passed */
    LEDGER_MALFORMED, /* what came back is no answer of ledgerd's */
    LEDGER_BUSY,      /* ledgerd cannot decide now (503), or failed (500) */
    LEDGER_DENIED,    /* ledgerd does not take questions from this process (401, 403) */
};

/* Texts are always NUL-terminated, empty where the answer has none. */
struct ledger_answer {
    enum ledger_verdict verdict;
    enum ledger_trouble trouble;
    int status;                            /* of HTTP; 0 if there is none */
    char hold[LEDGER_NAME_BYTES];          /* its id */
    char points[LEDGER_NAME_BYTES];        /* what is held */
    char code[LEDGER_NAME_BYTES];          /* why not, for machines: "insufficient_points" */
    char message[LEDGER_MESSAGE_BYTES];    /* one line of UTF-8, without control characters */
    char downgraded_to[LEDGER_NAME_BYTES]; /* the QOS that the job must take; else empty */
};

/* Ask for a hold (POST /v1/holds). Returns answer->verdict. */
enum ledger_verdict ledger_hold(const struct ledger_client *client, const struct ledger_ask *ask,
                                struct ledger_answer *answer);

/* Ask whether the job ask->modifies may have the time limit ask->shape.seconds; what that costs on
 * top is held. Of the ask only cluster, user, uid, modifies, ttl and shape.seconds count. */
enum ledger_verdict ledger_modify(const struct ledger_client *client, const struct ledger_ask *ask,
                                  struct ledger_answer *answer);

/* Give a hold back by its key. A hold that has ended already, or never was, is refused. */
enum ledger_verdict ledger_release(const struct ledger_client *client, const char *key,
                                   struct ledger_answer *answer);

/* The JSON text of an ask, as ledger_hold sends it. Returns its length, or -1 if it is longer than
 * size - 1 bytes. */
int ledger_ask_json(const struct ledger_ask *ask, char *text, size_t size);

/* A new random key. Returns 0, or -1 if the system has no random numbers yet. */
int ledger_key_make(char key[LEDGER_KEY_BYTES]);

/* The clock of the deadlines: microseconds since some time in the past, never set back. */
int64_t ledger_monotonic_us(void);

#ifdef __cplusplus
}
#endif

#endif
