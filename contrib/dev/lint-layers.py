#!/usr/bin/python3
"""Checks the rooms of the house: who includes whom, and that core is pure.

    base <- core <- store <- flow <- {http, ctl, reports, importers' pullers} <- main.c

Parsers and normalisers (importers/, but for *_pull.[ch], *_puller.[ch], *_source.[ch]) see base and core only. http, ctl, reports
and importers never include each other. libpq is included in store alone. What core's objects leave undefined must be another pure
function: nm over build/obj/ledgerd/core proves that it reads no clock, no file, no environment.

    lint-layers.py BUILD
"""

import glob
import os
import re
import subprocess
import sys

LOWER = {
    "base": {"base"},
    "core": {"base", "core"},
    "parser": {"base", "core", "parser"},
    "store": {"base", "core", "store", "schema"},
    "flow": {"base", "core", "store", "flow", "parser"},
    "puller": {"base", "core", "store", "flow", "parser", "puller"},
    "http": {"base", "core", "store", "flow", "http"},
    "ctl": {"base", "core", "store", "flow", "ctl", "parser", "puller"},
    "reports": {"base", "core", "store", "flow", "reports"},
    "main": {"base", "core", "store", "flow", "http", "parser", "puller"},
}

# A system header that only some rooms may include.
SYSTEM = {
    "libpq-fe.h": {"store"},
    "microhttpd.h": {"http"},
    "gmp.h": {"core"},
    "ini.h": {"base"},
    "jansson.h": {"base", "store", "flow", "parser", "puller", "http", "ctl", "reports", "main"},
    "systemd/sd-daemon.h": {"main", "base"},
    "curl/curl.h": {"puller"},
}

# Never in core, whatever they declare that is pure.
CORE_FORBIDDEN = ("time.h", "sys/", "unistd.h", "fcntl.h", "pthread.h", "openssl/", "signal.h",
                  "jansson.h", "locale.h", "netinet/", "arpa/")

# The functions of libc that depend on nothing but their arguments (and memory).
PURE_LIBC = set("""
    memcpy memmove memset memcmp memchr memrchr mempcpy memmem
    strlen strnlen strcmp strncmp strchr strrchr strstr strspn strcspn strpbrk strcasecmp strncasecmp
    strdup strndup stpcpy strchrnul
    malloc calloc realloc reallocarray free
    qsort qsort_r bsearch abs labs llabs
    snprintf vsnprintf abort
    __assert_fail __stack_chk_fail _GLOBAL_OFFSET_TABLE_
""".split())
CHECKED = re.compile(r"^__(\w+)_chk$")

# libgmp, and the compiler's own 128-bit arithmetic.
PURE_RUNTIME = re.compile(r"^__gmp|^__(u?div|u?mod|u?divmod|mul)ti[34]$")

# Functions of base that are not pure.
IMPURE_BASE = re.compile(r"^(clock_|log_|conf_|config_)|^zone_load$")


def room(path):
    """The room a project file stands in; None for tests and other folders that may include anything."""
    if path == "ledgerd/main.c":
        return "main"
    parts = path.split("/")
    if parts[0] == "ledgerd" and len(parts) > 2:
        return parts[1]
    if parts[0] == "importers":
        return "puller" if re.search(r"_(pull|puller|source)\.[ch]$", path) else "parser"
    if parts[0] in ("reports", "schema"):
        return parts[0]
    return None


def includes(path):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            found = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
            if found:
                yield number, found.group(1) == "<", found.group(2)


def check_file(path):
    mine = room(path)
    for number, _, name in includes(path):
        where = f"{path}:{number}"
        other = room(name)
        if other is not None and other not in LOWER.get(mine, {other}):
            yield f"{where}: {mine} must not include {other} ({name})"
        if name in SYSTEM and mine not in SYSTEM[name]:
            yield f"{where}: <{name}> belongs to {', '.join(sorted(SYSTEM[name]))} alone"
        if mine == "core" and name.startswith(CORE_FORBIDDEN):
            yield f"{where}: core is pure, <{name}> is not"


def symbols(objects, *options):
    if not objects:
        return []
    text = subprocess.run(["nm", "-A", *options, *objects], capture_output=True, text=True,
                          check=True).stdout
    for line in text.splitlines():
        where, _, rest = line.partition(":")
        yield where, rest.split()[-1]


def check_core(build):
    core = glob.glob(f"{build}/obj/ledgerd/core/*.o")
    base = glob.glob(f"{build}/obj/ledgerd/base/*.o")
    pure = {name for _, name in symbols(core, "--defined-only")}
    pure |= {name for _, name in symbols(base, "--defined-only") if not IMPURE_BASE.search(name)}
    for where, name in symbols(core, "--undefined-only"):
        checked = CHECKED.match(name)
        plain = checked.group(1) if checked else name
        if name in pure or plain in PURE_LIBC or PURE_RUNTIME.search(name):
            continue
        yield f"{os.path.relpath(where, build)}: core calls {name}, which is not known to be pure"


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    files = [f for folder in ("ledgerd", "ledgerd/*", "importers", "reports")
             for f in glob.glob(f"{folder}/*.[ch]")]
    problems = [p for f in sorted(set(files)) for p in check_file(f)]
    problems += sorted(check_core(build))
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
