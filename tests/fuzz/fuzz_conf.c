/* Configuration files of any bytes: refused with a line, or settings that can be used. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *text = strndup((const char *)bytes, length);
    struct conf conf;
    struct error err = {0};

    if (text != NULL && conf_parse("fuzz", text, &conf, &err) == 0) {
        if (conf.database_url == NULL || conf.http_threads < 1 || conf.http_idle_timeout_us <= 0) {
            abort();
        }
        conf_release(&conf);
    } else if (err.code != ERROR_INPUT) {
        abort();
    }
    free(text);
    return 0;
}
