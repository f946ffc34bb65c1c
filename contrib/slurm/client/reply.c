/* reply - see reply.h. */
#include "contrib/slurm/client/reply.h"

#include <string.h>
#include <strings.h>

#include "contrib/slurm/client/json.h"

struct head {
    int status;
    size_t length; /* of the head, blank line included */
    size_t body;   /* Content-Length */
    bool has_body_length;
};

/* "HTTP/1.1 201 Created". Returns the status, or -1. */
static int read_status(const char *line, size_t length)
{
    const char *digits = line + strlen("HTTP/1.1 ");
    int status = 0;

    if (length < strlen("HTTP/1.1 200") || strncmp(line, "HTTP/1.", 7) != 0 ||
        (line[7] != '0' && line[7] != '1') || line[8] != ' ') {
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return -1;
        }
        status = status * 10 + (digits[i] - '0');
    }
    return digits[3] == ' ' || digits[3] == '\r' ? status : -1;
}

static bool name_is(const char *line, size_t length, const char *name)
{
    return length == strlen(name) && strncasecmp(line, name, length) == 0;
}

static int read_length(const char *value, const char *end, size_t *length)
{
    size_t sum = 0;
    const char *digit;

    value += strspn(value, " \t");
    for (digit = value; *digit >= '0' && *digit <= '9'; digit++) {
        sum = sum * 10 + (size_t)(*digit - '0');
        if (sum > LEDGER_REPLY_BYTES) {
            return -1;
        }
    }
    if (digit == value || digit + strspn(digit, " \t") != end) {
        return -1;
    }
    *length = sum;
    return 0;
}

/* One line "name: value" up to its end. */
static int read_header(const char *line, const char *end, struct head *head)
{
    const char *colon = memchr(line, ':', (size_t)(end - line));

    if (colon == NULL || colon == line || *line == ' ' || *line == '\t') {
        return -1;
    }
    if (name_is(line, (size_t)(colon - line), "Transfer-Encoding")) {
        return -1;
    }
    if (name_is(line, (size_t)(colon - line), "Content-Length")) {
        if (head->has_body_length) {
            return -1;
        }
        head->has_body_length = true;
        return read_length(colon + 1, end, &head->body);
    }
    return 0;
}

/* Read the head. Returns 1, 0 (not yet there), -1. */
static int read_head(const char *bytes, size_t length, struct head *head)
{
    const char *blank = strstr(bytes, "\r\n\r\n");
    const char *line;

    if (strlen(bytes) != length) {
        return -1; /* a NUL in it: no answer of ours has any */
    }
    if (blank == NULL) {
        return length < LEDGER_REPLY_BYTES - 1 ? 0 : -1;
    }
    head->length = (size_t)(blank - bytes) + 4;
    line = strstr(bytes, "\r\n");
    head->status = read_status(bytes, (size_t)(line - bytes));
    if (head->status < 200) {
        return -1;
    }
    for (line += 2; line < blank + 2; line = strstr(line, "\r\n") + 2) {
        if (read_header(line, strstr(line, "\r\n"), head) != 0) {
            return -1;
        }
    }
    return head->has_body_length && head->length + head->body < LEDGER_REPLY_BYTES ? 1 : -1;
}

/* Whether this status says no for a reason that concerns the asker. */
static bool is_refusal(int status, bool was_decided)
{
    return status == 400 || status == 402 || status == 404 || status == 409 || status == 413 ||
           status == 422 || (status == 403 && was_decided);
}

static int judge(struct ledger_answer *answer, bool was_decided)
{
    static const char unexplained[] = "the ledger refuses this, and does not say why";

    answer->trouble = LEDGER_TROUBLE_NONE;
    if (answer->status == 200 || answer->status == 201) {
        answer->verdict = LEDGER_ALLOWED;
        return answer->hold[0] != '\0' ? 1 : -1;
    }
    if (is_refusal(answer->status, was_decided)) {
        answer->verdict = LEDGER_REFUSED;
        if (answer->message[0] == '\0') {
            memcpy(answer->message, unexplained, sizeof(unexplained));
        }
        return 1;
    }
    answer->verdict = LEDGER_UNAVAILABLE;
    if (answer->status == 401 || answer->status == 403) {
        answer->trouble = LEDGER_DENIED;
        return 1;
    }
    answer->trouble = LEDGER_BUSY;
    return answer->status == 429 || answer->status >= 500 ? 1 : -1;
}

static int read_body(const char *body, size_t length, int status, struct ledger_answer *answer)
{
    struct ledger_answer read = {.status = status};
    char detail[LEDGER_MESSAGE_BYTES];
    struct json_member members[] = {
        {"hold", read.hold, sizeof(read.hold), false},
        {"points", read.points, sizeof(read.points), false},
        {"code", read.code, sizeof(read.code), false},
        {"user_message", read.message, sizeof(read.message), false},
        {"downgraded_to", read.downgraded_to, sizeof(read.downgraded_to), false},
        {"detail", detail, sizeof(detail), false},
        {"decision", NULL, 0, false},
    };
    enum { USER_MESSAGE = 3, DECISION = 6 };
    bool was_decided;
    int result;

    if (json_read(body, length, members, sizeof(members) / sizeof(members[0])) != 0 &&
        status < 500) {
        return -1;
    }
    was_decided = members[USER_MESSAGE].found || members[DECISION].found;
    if (read.message[0] == '\0') {
        memcpy(read.message, detail, sizeof(detail));
    }
    result = judge(&read, was_decided);
    if (result == 1) {
        *answer = read;
    }
    return result;
}

int reply_read(const char *bytes, size_t length, struct ledger_answer *answer)
{
    struct head head = {0};
    int result = read_head(bytes, length, &head);

    if (result != 1) {
        return result;
    }
    if (length < head.length + head.body) {
        return 0;
    }
    if (length > head.length + head.body) {
        return -1;
    }
    return read_body(bytes + head.length, head.body, head.status, answer);
}
