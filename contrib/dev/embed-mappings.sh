#!/bin/sh
# Prints a C source that holds the given mapping files as strings (see importers/mapping_embed.h).
set -eu

printf '%s\n\n' '/* Written by contrib/dev/embed-mappings.sh from contrib/mappings; do not edit. */'
printf '#include "importers/mapping_embed.h"\n\n'
printf 'const struct mapping_text mapping_texts[] = {\n'
for file in "$@"; do
    printf '{"%s",\n' "$(basename "$file" .json)"
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' -e 's/^/    "/' -e 's/$/\\n"/' "$file"
    printf '    ""},\n'
done
printf '};\n\nconst size_t mapping_texts_count = %d;\n' "$#"
