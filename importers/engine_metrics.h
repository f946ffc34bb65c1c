/* engine_metrics - what a model server counted by itself, read from its /metrics.
 *
 * llama-server and vLLM tell Prometheus, in its text form, how many tokens they have read and made
 * since they were started.  Of all that such a text holds only these counters are kept:
 *
 *      llamacpp:prompt_tokens_total            input, what came from the cache left out
 *      llamacpp:prompt_tokens_cached_total     cached
 *      llamacpp:tokens_predicted_total         output
 *      vllm:prompt_tokens_total                prompt, cached ones included
 *      vllm:prefix_cache_hits_total            cached
 *      vllm:generation_tokens_total            output
 *      process_start_time_seconds              when the counting began
 *
 * and, where a snapshot was kept, when that was: "# taken at 2027-06-01T00:00:00+09:00".
 */
#ifndef IMPORTERS_ENGINE_METRICS_H
#define IMPORTERS_ENGINE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/core/usage.h"

enum {
    ENGINE_TEXT_BYTES = 8 * 1024 * 1024, /* a vLLM of many models gives some 100 KiB */
    ENGINE_COUNTERS_MAX = 1024,
};

enum engine_kind { ENGINE_INPUT, ENGINE_CACHED, ENGINE_PROMPT, ENGINE_OUTPUT, ENGINE_KINDS };

struct engine_counter {
    char model[USAGE_NAME_BYTES + 1]; /* label model_name; "" if it has none */
    uint64_t series;                  /* stands for its name and all of its labels */
    enum engine_kind kind;
    uint64_t value; /* tokens, at most ENGINE_VALUE_MAX */
    uint64_t slack; /* the true value is that far away at most: digits that were not printed */
};

#define ENGINE_VALUE_MAX UINT64_C(1000000000000000) /* a million tokens a second for 30 years */

struct engine_metrics { /* a zeroed struct is empty */
    size_t count;
    struct engine_counter *counters; /* one a series; lines of the same series add up */
    struct instant taken;            /* INSTANT_NONE if it does not say */
    struct instant started;          /* INSTANT_NONE if it does not say, or several differ */
};

/* Read a text of at most ENGINE_TEXT_BYTES. ERROR_INPUT names the line: a line that is none of
 * Prometheus', a count that is no whole number of tokens, more than ENGINE_COUNTERS_MAX counters,
 * or a text without any of them. */
int engine_metrics_parse(const char *text, size_t length, struct engine_metrics *metrics,
                         struct error *err);
void engine_metrics_release(struct engine_metrics *metrics);

/* "input_tokens", "cached_input_tokens", "prompt_tokens", "output_tokens". */
const char *engine_kind_text(enum engine_kind kind);

#endif
