/* Answers of model servers, bodies and event streams, of any bytes. */
#include "tests/fuzz/fuzz_import.h"

FUZZ_IMPORT(IMPORT_OPENAI)
