/* ask_input - what a check or a hold says of a Slurm job, from a query string or a JSON object, and
 * whom that reaches.
 *
 *     cluster, account, partition, modifies        text
 *     uid, nodes, parts, at_once                   whole numbers
 *     exclusive, mem_default, mem_per_cpu,
 *     mem_whole, unlimited                         true or false
 */
#ifndef LEDGERD_HTTP_ASK_INPUT_H
#define LEDGERD_HTTP_ASK_INPUT_H

#include <jansson.h>
#include <stdbool.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/decide.h"
#include "ledgerd/flow/slurm_ask.h"
#include "ledgerd/http/service.h"

/* Read one of these; *known is false of a name that is none of them. Texts are borrowed.
 * ERROR_ARGUMENT names what is off. */
int ask_input_argument(const char *name, const char *value, struct slurm_ask *ask, bool *known,
                       struct error *err);

/* The same of a member: a number may be a string of digits too. */
int ask_input_member(const char *name, const json_t *value, struct slurm_ask *ask, bool *known,
                     struct error *err);

/* Have the puller of a configured cluster look soon, if a decision refused somebody who may be new
 * to it. */
void ask_want_news(const struct service *service, const struct slurm_ask *ask,
                   enum decide_reason reason);

#endif
