/* Mapping files of any bytes: refused with a sentence, or a mapping that can be used. */
#include <stdint.h>
#include <stdlib.h>

#include "importers/mapping.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct error err = {0};
    struct mapping *mapping = mapping_read("fuzz", (const char *)bytes, length, &err);

    if (mapping == NULL) {
        if (err.code != ERROR_INPUT || err.text[0] == '\0') {
            abort();
        }
        return 0;
    }
    if (mapping->id.count == 0 || mapping->id.places[0].step_count == 0 || mapping->name == NULL) {
        abort();
    }
    mapping_destroy(mapping);
    return 0;
}
