/* policy_doc - a policy from its JSON document (contract section 4). */
#ifndef LEDGERD_FLOW_POLICY_DOC_H
#define LEDGERD_FLOW_POLICY_DOC_H

#include <stddef.h>

#include "ledgerd/base/error.h"
#include "ledgerd/core/policy.h"

/* Parse and validate, its time zone and the fiscal years of its supply included. On success *policy
 * is the caller's (policy_destroy); on failure it is untouched and *err says what and where. */
int policy_doc_parse(const char *json, size_t length, struct policy **policy, struct error *err);

#endif
