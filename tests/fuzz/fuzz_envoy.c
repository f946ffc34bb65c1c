/* Envoy AI Gateway's access log of any bytes. */
#include "tests/fuzz/fuzz_import.h"

FUZZ_IMPORT(IMPORT_ENVOY)
