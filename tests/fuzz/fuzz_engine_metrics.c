/* A model server's metrics of any bytes: refused with a line, or counters within their bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "importers/engine_metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct engine_metrics metrics = {0};
    struct error err = {0};

    if (engine_metrics_parse((const char *)bytes, length, &metrics, &err) != 0) {
        if (err.code != ERROR_INPUT || metrics.counters != NULL) {
            abort();
        }
        return 0;
    }
    if (metrics.count == 0 || metrics.count > ENGINE_COUNTERS_MAX) {
        abort();
    }
    for (size_t i = 0; i < metrics.count; i++) {
        const struct engine_counter *counter = &metrics.counters[i];
        if (counter->value > ENGINE_VALUE_MAX || counter->kind >= ENGINE_KINDS ||
            strlen(counter->model) > USAGE_NAME_BYTES) {
            abort();
        }
        for (size_t j = 0; j < i; j++) {
            if (metrics.counters[j].series == counter->series) {
                abort();
            }
        }
    }
    engine_metrics_release(&metrics);
    return 0;
}
