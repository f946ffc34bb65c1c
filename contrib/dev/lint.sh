#!/bin/bash
# Runs the linters, all or those named, and says which of them found something.
#
#   contrib/dev/lint.sh [format headers layers style tidy cppcheck shell man python lua]
#
# LINT_FLAGS are the compiler's flags, BUILD the folder of the built objects (make lint sets both).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

BUILD=${BUILD:-build}
read -ra flags <<<"${LINT_FLAGS:--std=gnu11 -I. -Iinclude -D_GNU_SOURCE}"
jobs=$(nproc)
# Without the list of files every linter would be content.
git ls-files >/dev/null || exit 1

# Tracked and new files alike; what was deleted but not committed is left out.
files() {
    git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while read -r file; do
        if [ -f "$file" ]; then echo "$file"; fi
    done
}

# One line a file: how many places, and what to type.
lint_format() {
    files '*.c' '*.h' | xargs -r -P "$jobs" -n 8 clang-format --dry-run 2>&1 |
        sed -n 's/^\([^: ]*\):[0-9]*:[0-9]*: warning:.*/\1/p' | sort | uniq -c |
        awk '{ print $2 ": " $1 " places; make format FILES=" $2 } END { exit NR > 0 }'
}

# Every header compiles alone, so that no file depends on the order of its includes.
lint_headers() {
    files '*.h' | xargs -r -P "$jobs" -I{} gcc "${flags[@]}" -Wall -Wextra -Werror -Wno-unused \
        -fsyntax-only -x c {}
}

lint_layers() {
    contrib/dev/lint-layers.py "$BUILD"
}

lint_style() {
    contrib/dev/lint-style.py
}

# clang-tidy wants its flags after the files: a shell a handful of files puts them there. Tests are spared the
# analyser, which loses itself in their macros.
tidy() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    xargs -r -P "$jobs" -n 4 bash -c 'read -ra flags <<<"$0"
        clang-tidy --quiet --checks="$1" "${@:2}" -- "${flags[@]}" 2>/dev/null |
            sed -n "s|^$PWD/||; /: error: /p"
        exit "${PIPESTATUS[0]}"' "${flags[*]}" "$1"
}

lint_tidy() {
    local status=0
    files '*.c' | grep -v '^tests/' | tidy '' || status=1
    files 'tests/*.c' | grep -v '^tests/fuzz/' | tidy '-clang-analyzer-*,-cert-err34-c,-bugprone-suspicious-missing-comma' || status=1
    return "$status"
}

# It does not know that mpq_init sets its argument, so core's uninitialised variables are left to the
# compiler; nor that NULL is a pointer on every system that we build for; nor some of gnu11.
lint_cppcheck() {
    local defines=() flag
    for flag in "${flags[@]}"; do
        case $flag in -D*) defines+=("$flag") ;; esac
    done
    files '*.c' | grep -v '^tests/' |
        xargs -r cppcheck --quiet -j "$jobs" --std=c11 --language=c -I. "${defines[@]}" \
            --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
            --suppress=missingIncludeSystem --suppress=checkersReport \
            --suppress=varFuncNullUB --suppress=internalAstError \
            --suppress='uninitvar:ledgerd/core/*' --suppress='legacyUninitvar:ledgerd/core/*' \
            --template='{file}:{line}: {severity}: {message} [{id}]'
}

lint_shell() {
    {
        files '*.sh' '.ci/run'
        files 'tests/run/*' 'contrib/*' | while read -r file; do
            if head -n 1 "$file" | grep -aqE '^#!.*\b(ba)?sh$'; then echo "$file"; fi
        done
    } | sort -u | xargs -r shellcheck
}

lint_man() {
    files 'contrib/man/*.[0-9]' | xargs -r mandoc -T lint -W warning
}

lint_python() {
    local found
    found=$(files '*.py' | xargs -r grep -nE '^(from|import) (numpy|requests|psycopg|yaml|pytest)\b')
    [ -z "$found" ] || { echo "only Debian's python3 and its own library: $found" && return 1; }
    files '*.py' | xargs -r /usr/bin/python3 -c '
import sys
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        compile(file.read(), path, "exec")
'
}

lint_lua() {
    files '*.lua' | grep '^contrib/gateway/' | xargs -r luacheck --quiet --no-color --std ngx_lua --max-line-length 110
}

[ $# -gt 0 ] || set -- format headers layers style tidy cppcheck shell man python lua
failed=
for step in "$@"; do
    started=$SECONDS
    if "lint_$step"; then
        echo "lint $step: ok ($((SECONDS - started)) s)"
    else
        echo "lint $step: FAILED ($((SECONDS - started)) s)"
        failed="$failed $step"
    fi
done
[ -z "$failed" ] || { echo "lint failed:$failed" >&2 && exit 1; }
