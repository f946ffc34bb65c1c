/* LiteLLM's logs of any bytes. */
#include "tests/fuzz/fuzz_import.h"

FUZZ_IMPORT(IMPORT_LITELLM)
