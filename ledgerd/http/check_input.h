/* check_input - a check's question from a query string or a JSON object, both with the same names.
 */
#ifndef LEDGERD_HTTP_CHECK_INPUT_H
#define LEDGERD_HTTP_CHECK_INPUT_H

#include <jansson.h>
#include <stdbool.h>

#include "ledgerd/base/error.h"
#include "ledgerd/flow/check.h"
#include "ledgerd/http/request.h"

/* Read project, user, points, source, class, qos, seconds, meter.NAME and attributes.NAME, and with
 * a cluster what ask_input.h has. Strings are borrowed from the request. ERROR_ARGUMENT names the
 * argument that is off. */
int check_input_from_query(const struct request *request, struct check_request *check,
                           struct error *err);

/* The same from {"project",…,"meters":{},"attributes":{}}. Strings are borrowed from the document.
 */
int check_input_from_json(json_t *object, struct check_request *check, struct error *err);

/* One member of such an object, but for ask_input.h's; *known is false of a name that means nothing
 * here. */
int check_input_member(const char *name, json_t *value, struct check_request *check, bool *known,
                       struct error *err);

/* Points as JSON has them: a decimal string, or an integer. ERROR_ARGUMENT. */
int check_input_points(const json_t *value, struct points *points, struct error *err);

#endif
