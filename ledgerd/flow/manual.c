/* manual - see manual.h. */
#include "ledgerd/flow/manual.h"

#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/store/store_audit.h"

enum {
    ACTOR_BYTES_MAX = 256,
    NOTE_BYTES_MAX = 4096,
    REF_BYTES_MAX = 256
}; /* what a list can show */

static int check_text(const char *what, const char *text, size_t limit, struct error *err)
{
    size_t length = text != NULL ? strlen(text) : 0;

    if (length > limit) {
        return error_set(err, ERROR_ARGUMENT, "the %s is longer than %zu bytes", what, limit);
    }
    if (length > 0 && !parse_is_utf8(text, length)) {
        return error_set(err, ERROR_ARGUMENT, "the %s is not UTF-8 text", what);
    }
    return 0;
}

int manual_check(const struct manual_act *act, struct error *err)
{
    if (act->actor == NULL || *act->actor == '\0') {
        return error_set(err, ERROR_ARGUMENT, "who does this? --actor names nobody");
    }
    if (check_text("actor", act->actor, ACTOR_BYTES_MAX, err) != 0 ||
        check_text("note", act->note, NOTE_BYTES_MAX, err) != 0) {
        return -1;
    }
    return check_text("ref", act->ref, REF_BYTES_MAX, err);
}

int manual_record(struct store *store, const struct manual_act *act, const char *verb,
                  const char *subject, const char *detail, int64_t *audit_n, struct error *err)
{
    int64_t n;
    struct audit_row row = {
        .at = act->now,
        .actor = (char *)act->actor,
        .verb = (char *)verb,
        .subject = (char *)subject,
        .detail = (char *)detail,
        .note = (char *)(act->note != NULL ? act->note : ""),
        .ref = (char *)(act->ref != NULL ? act->ref : ""),
    };

    if (store_add_audit(store, &row, &n, err) != 0) {
        return -1;
    }
    if (audit_n != NULL) {
        *audit_n = n;
    }
    return 0;
}
