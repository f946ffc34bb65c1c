#!/usr/bin/python3
"""Checks what of the house's style a machine can see.

Ceilings (function 70 lines, source 800, header 120), functions that are not used here and why, no floating
point where quantities are, no output or exit in library code, every public function described,
no history in comments. Tests are held to the last alone.
"""

import glob
import re
import subprocess
import sys

FUNCTION_LINES_MAX = 70
SOURCE_LINES_MAX = 800
HEADER_LINES_MAX = 120
COLUMNS_MAX = 100

BANNED = {
    "strcpy": "unbounded", "strcat": "unbounded", "sprintf": "unbounded", "vsprintf": "unbounded",
    "gets": "unbounded", "strncpy": "may leave no NUL", "alloca": "unbounded stack",
    "strtok": "keeps state", "atoi": "no errors", "atol": "no errors", "atoll": "no errors",
    "atof": "no errors", "scanf": "no errors", "sscanf": "overflow is undefined",
    "fscanf": "overflow is undefined", "strtod": "floating point", "strtof": "floating point",
    "gmtime": "shared buffer", "localtime": "reads TZ", "localtime_r": "reads TZ",
    "mktime": "reads TZ", "ctime": "reads TZ", "asctime": "shared buffer",
    "strftime": "reads the locale", "tzset": "reads TZ", "setenv": "changes the whole process",
    "putenv": "changes the whole process", "unsetenv": "changes the whole process",
    "setlocale": "changes the whole process",
    "rand": "use getrandom", "srand": "use getrandom", "tmpnam": "races", "mktemp": "races",
    "system": "a shell in between", "popen": "a shell in between", "signal": "use sigaction",
}

# Only base/clock.c reads the time, and for what links against libc alone, the client's clock.c.
CLOCK = {"time", "clock_gettime", "gettimeofday"}
CLOCK_FILES = ("ledgerd/base/clock.c", "contrib/slurm/client/clock.c")

# Library code passes errors up: it neither prints nor ends the process. (base/log.c is the log.)
LIBRARY = re.compile(r"^(ledgerd/(base|core|store|flow)|importers|contrib/slurm/(client|hook))/")
OUTPUT = {"printf", "fprintf", "vfprintf", "puts", "fputs", "putchar", "perror", "exit", "_exit",
          "err", "errx", "warn", "warnx", "syslog"}

# Where quantities and amounts are at home.
EXACT = re.compile(r"^(ledgerd/(base|core|store|flow|ctl)|importers|reports|contrib/slurm)/")
HISTORY = re.compile(r"\b(TODO|FIXME|XXX|HACK|used to be|previously|refactored)\b")


def listed(*patterns):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--",
                          *patterns], capture_output=True, text=True, check=True).stdout
    return sorted(f for f in set(out.splitlines()) if glob.glob(glob.escape(f)))


def blank(text):
    """The text with comments and literals replaced by spaces; lines stay where they are."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def comments(text):
    for found in re.finditer(r'/\*.*?\*/|//[^\n]*', text, re.S):
        yield text.count("\n", 0, found.start()) + 1, found.group(0)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def check_words(path, code):
    for found in re.finditer(r"(?<![\w.>])(\w+)\s*\(", code):
        name, where = found.group(1), f"{path}:{line_of(code, found.start())}"
        if name in BANNED:
            yield f"{where}: {name} is not used here: {BANNED[name]}"
        if name in CLOCK and path not in CLOCK_FILES and not path.startswith("tests/"):
            yield f"{where}: {name}: only ledgerd/base/clock.c reads the time"
        if LIBRARY.match(path) and name in OUTPUT and path != "ledgerd/base/log.c":
            yield f"{where}: {name}: library code passes errors up, it does not print or exit"
    if EXACT.match(path):
        for found in re.finditer(r"\b(double|float)\b", code):
            yield f"{path}:{line_of(code, found.start())}: no {found.group(1)} near a quantity"


def check_lengths(path, text):
    lines = text.count("\n")
    limit = HEADER_LINES_MAX if path.endswith(".h") else SOURCE_LINES_MAX
    if lines > limit:
        yield f"{path}: {lines} lines, at most {limit}"
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > COLUMNS_MAX:
            yield f"{path}:{number}: {len(line)} columns, at most {COLUMNS_MAX}"


def check_functions(paths):
    if not paths:
        return
    out = subprocess.run(["ctags", "--languages=C", "--c-kinds=f", "--fields=+ne", "--sort=no",
                          "-f", "-", *paths], capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        fields = line.split("\t")
        marks = dict(f.split(":", 1) for f in fields[3:] if ":" in f)
        start, end = int(marks.get("line", 0)), int(marks.get("end", 0))
        if end - start + 1 > FUNCTION_LINES_MAX:
            yield f"{fields[1]}:{start}: {fields[0]}: {end - start + 1} lines, at most {FUNCTION_LINES_MAX}"


# The life-cycle words mean the same everywhere and need no sentence each.
LIFE_CYCLE = re.compile(r"\w+_(init|release|clear|destroy|free)\(")


def check_described(path, text):
    """A prototype stands under a comment, beside one, or in an unbroken group under one."""
    lines, described = text.splitlines(), False
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped:
            described = False
        elif stripped.startswith(("/*", "*", "//")) or stripped.endswith("*/"):
            described = True
        elif line.startswith(("static inline", "typedef")) or LIFE_CYCLE.search(line):
            described = True
        elif re.match(r"^[a-z][\w\s*]*\b\w+\(", line) and not described:
            rest = " ".join(lines[number - 1:number + 6]).split(";")[1:2]
            if not (rest and rest[0].lstrip().startswith("/*")):
                yield f"{path}:{number}: public function without a description"


def check_top(path, text):
    if not text.lstrip().startswith("/*"):
        yield f"{path}: does not start with its idea (a comment)"


def main():
    problems, product = [], []
    for path in listed("*.c", "*.h"):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if not path.startswith("tests/"):
            product.append(path)
            problems += check_words(path, blank(text))
            problems += check_lengths(path, text)
            problems += check_top(path, text)
            if path.endswith(".h"):
                problems += check_described(path, text)
        for number, comment in comments(text):
            if HISTORY.search(comment):
                problems.append(f"{path}:{number}: a comment says what is, not what was or will be")
    problems += check_functions([p for p in product if p.endswith(".c")])
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
