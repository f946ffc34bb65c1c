/* hold_request - what a request for a hold must be; see hold.h. */
#include <string.h>

#include "ledgerd/core/usage.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/flow/hold_name.h"

enum { REF_ID_BYTES = 128 };

static int validate_ref(const struct hold_request *request, struct error *err)
{
    static const char *const kinds[] = {"slurm", "gateway", "other"};
    bool is_known = false;

    if (*request->ref_kind == '\0' && *request->ref_id == '\0') {
        return 0;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        is_known = is_known || strcmp(request->ref_kind, kinds[i]) == 0;
    }
    if (!is_known) {
        return error_set(err, ERROR_ARGUMENT, "the kind of a reference is slurm, gateway or other");
    }
    if (*request->ref_id == '\0' ||
        !usage_is_clean(request->ref_id, strlen(request->ref_id), REF_ID_BYTES)) {
        return error_set(err, ERROR_ARGUMENT, "a reference's id is plain text of 1 to %d bytes",
                         REF_ID_BYTES);
    }
    return 0;
}

static int validate_names(const struct check_request *check, struct error *err)
{
    if (!usage_is_clean(check->project, strlen(check->project), USAGE_NAME_BYTES) ||
        !usage_is_clean(check->user, strlen(check->user), USAGE_NAME_BYTES)) {
        return error_set(err, ERROR_ARGUMENT, "project and user are plain text of at most %d bytes",
                         USAGE_NAME_BYTES);
    }
    return 0;
}

int hold_request_validate(const struct hold_request *request, struct error *err)
{
    if (check_request_validate(&request->check, err) != 0 ||
        validate_names(&request->check, err) != 0 ||
        (*request->key != '\0' && hold_key_check(request->key, err) != 0) ||
        validate_ref(request, err) != 0) {
        return -1;
    }
    if (request->check.has_points && request->check.points.micro < 0) {
        return error_set(err, ERROR_ARGUMENT, "points are negative");
    }
    if (request->parts < 0 || request->parts > HOLD_PARTS_MAX) {
        return error_set(err, ERROR_ARGUMENT, "a hold has 0 (a lease) to %d parts", HOLD_PARTS_MAX);
    }
    if (request->at_once < 0 || request->at_once > HOLD_PARTS_MAX) {
        return error_set(err, ERROR_ARGUMENT, "at_once is from 0 (all) to %d", HOLD_PARTS_MAX);
    }
    if (request->ttl_us <= 0 || request->ttl_us > HOLD_TTL_MAX_US) {
        return error_set(err, ERROR_ARGUMENT,
                         "the time to live is more than nothing and at most 366 days");
    }
    return 0;
}
