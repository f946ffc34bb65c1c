/* client - the three calls of ledger_client.h: a request in a bounded buffer, an exchange. */
#include "ledger_client.h"

#include <string.h>

#include "contrib/slurm/client/exchange.h"
#include "contrib/slurm/client/text.h"

enum { HEAD_BYTES = 512, KEY_BYTES_MAX = 128 };

/* Keys that need no escape in a header; a key with other bytes could write headers of its own. */
static bool is_plain_key(const char *key)
{
    size_t length = strspn(key,
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:/@");

    return length > 0 && length <= KEY_BYTES_MAX && key[length] == '\0';
}

static void refuse(struct ledger_answer *answer, const char *message)
{
    struct text text;

    *answer = (struct ledger_answer){.verdict = LEDGER_REFUSED};
    text_init(&text, answer->message, sizeof(answer->message));
    text_add(&text, message);
}

static enum ledger_verdict post(const struct ledger_client *client, const char *path,
                                const char *key, const char *body, struct ledger_answer *answer)
{
    char bytes[HEAD_BYTES + LEDGER_BODY_BYTES];
    struct text request;

    text_init(&request, bytes, sizeof(bytes));
    text_printf(&request, "POST %s HTTP/1.1\r\nHost: ledger\r\nConnection: close\r\n", path);
    text_add(&request, "Content-Type: application/json\r\n");
    if (key != NULL && key[0] != '\0') {
        text_printf(&request, "Idempotency-Key: %s\r\n", key);
    }
    text_printf(&request, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    if (request.failed) {
        answer_trouble(answer, LEDGER_MALFORMED, "the question is too long to be sent");
        return answer->verdict;
    }
    exchange(client, request.bytes, request.length, answer);
    return answer->verdict;
}

static enum ledger_verdict post_ask(const struct ledger_client *client,
                                    const struct ledger_ask *ask, const char *key,
                                    struct ledger_answer *answer)
{
    char body[LEDGER_BODY_BYTES];

    if (key != NULL && !is_plain_key(key)) {
        answer_trouble(answer, LEDGER_MALFORMED, "the key of the hold is none");
        return answer->verdict;
    }
    if (ledger_ask_json(ask, body, sizeof(body)) == -1) {
        refuse(answer, "the names of account, QOS and partitions are too long");
        return answer->verdict;
    }
    return post(client, "/v1/holds", key, body, answer);
}

enum ledger_verdict ledger_hold(const struct ledger_client *client, const struct ledger_ask *ask,
                                struct ledger_answer *answer)
{
    struct ledger_ask hold = *ask;

    hold.modifies = NULL;
    return post_ask(client, &hold, ask->key, answer);
}

enum ledger_verdict ledger_modify(const struct ledger_client *client, const struct ledger_ask *ask,
                                  struct ledger_answer *answer)
{
    if (ask->modifies == NULL || ask->modifies[0] == '\0') {
        answer_trouble(answer, LEDGER_MALFORMED, "no job is named");
        return answer->verdict;
    }
    return post_ask(client, ask, NULL, answer);
}

enum ledger_verdict ledger_release(const struct ledger_client *client, const char *key,
                                   struct ledger_answer *answer)
{
    char bytes[HEAD_BYTES];
    struct text path;

    if (!is_plain_key(key)) {
        answer_trouble(answer, LEDGER_MALFORMED, "the key of the hold is none");
        return answer->verdict;
    }
    text_init(&path, bytes, sizeof(bytes));
    text_add(&path, "/v1/holds/key:");
    for (const char *c = key; *c != '\0'; c++) {
        if (*c == '/') {
            text_add(&path, "%2F");
        } else {
            text_add_bytes(&path, c, 1);
        }
    }
    text_add(&path, "/release");
    return post(client, path.bytes, NULL, "{}", answer);
}
