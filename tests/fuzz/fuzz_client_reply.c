/* Answers of any bytes for the client of hooks: what is taken for an answer has sound texts, bytes
 * are never read beyond their end, and fewer bytes never make a worse answer than "more are needed"
 * or the same refusal. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "contrib/slurm/client/reply.h"
#include "ledgerd/base/parse.h"

static void require_text(const char *text, size_t size)
{
    size_t length = strnlen(text, size);

    if (length == size || !parse_is_utf8(text, length)) {
        abort();
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            abort();
        }
    }
}

static void require_sound(const struct ledger_answer *answer)
{
    require_text(answer->hold, sizeof(answer->hold));
    require_text(answer->points, sizeof(answer->points));
    require_text(answer->code, sizeof(answer->code));
    require_text(answer->message, sizeof(answer->message));
    require_text(answer->downgraded_to, sizeof(answer->downgraded_to));
    if ((answer->verdict == LEDGER_ALLOWED && answer->hold[0] == '\0') ||
        (answer->verdict == LEDGER_REFUSED && answer->message[0] == '\0') ||
        (answer->verdict == LEDGER_UNAVAILABLE) != (answer->trouble != LEDGER_TROUBLE_NONE)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ledger_answer answer;
    char *bytes;
    int result;

    if (size >= LEDGER_REPLY_BYTES) {
        return 0;
    }
    bytes = malloc(size + 1);
    memcpy(bytes, data, size);
    bytes[size] = '\0';
    result = reply_read(bytes, size, &answer);
    if (result == 1) {
        require_sound(&answer);
    }
    if (result == 1 && size > 0) { /* an answer is none before its last byte */
        bytes[size - 1] = '\0';
        if (reply_read(bytes, size - 1, &answer) != 0) {
            abort();
        }
    }
    free(bytes);
    return 0;
}
