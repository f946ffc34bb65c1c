#!/bin/sh
# Prints a C source that holds the given schema/NNNN_name.sql files as strings (see schema/embed.h).
set -eu

printf '%s\n\n' '/* Written by contrib/dev/embed-schema.sh from schema/NNNN_*.sql; do not edit. */'
printf '#include "schema/embed.h"\n\n'
printf 'const struct schema_migration schema_migrations[] = {\n'
count=0
for file in $(printf '%s\n' "$@" | LC_ALL=C sort); do
    base=$(basename "$file" .sql)
    number=$(printf '%s' "${base%%_*}" | sed 's/^0*//')
    case $number in
    '' | *[!0-9]*) echo "embed-schema.sh: $file: not named NNNN_name.sql" >&2 && exit 1 ;;
    esac
    printf '{%s, "%s",\n' "$number" "${base#*_}"
    # One literal a line keeps the compiler's messages and the debugger readable.
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' -e 's/^/    "/' -e 's/$/\\n"/' "$file"
    printf '    ""},\n'
    count=$((count + 1))
done
# C has no empty array: an entry that is not counted stands at the end.
printf '{0, "", ""},\n};\n\nconst size_t schema_migrations_count = %d;\n' "$count"
