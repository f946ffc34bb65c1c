/* hold_input - what callers of holds send: bodies and keys.
 *
 * Members that mean nothing here are ignored; null stands for a member that is not there.
 */
#ifndef LEDGERD_HTTP_HOLD_INPUT_H
#define LEDGERD_HTTP_HOLD_INPUT_H

#include <jansson.h>
#include <stdbool.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/hold.h"
#include "ledgerd/http/request.h"

enum { HOLD_BODY_MAX_BYTES = 64 * 1024 }; /* a shape with every meter and attribute fits */

/* The request's body, a JSON object; an empty one stands for {} where `may_be_empty`. NULL on
 * error; json_decref it. ERROR_INPUT. */
json_t *hold_input_body(const struct request *request, bool may_be_empty, struct error *err);

/* Read the question of a hold, with the Idempotency-Key header. Strings are borrowed from body and
 * request; `shape` is what hold->check points to. ERROR_ARGUMENT names what is off. */
int hold_input_question(const struct request *request, json_t *body, struct usage_record *shape,
                        struct hold_request *hold, struct error *err);

/* Read {"points","final"} and {"ttl"}. */
int hold_input_settlement(json_t *body, struct points *points, bool *is_final, struct error *err);
int hold_input_ttl(json_t *body, int64_t *ttl_us, struct error *err);

/* The Idempotency-Key header, "" without one. */
const char *hold_input_key(const struct request *request);

#endif
