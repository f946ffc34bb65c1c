#!/usr/bin/python3
"""Runs test suites, two programs at a time, and ends with a line `SUITE: N passed, N failed` each.

    run.py [--valgrind] [--only PART]... SUITE...       SUITE: unit, db, pgtap, cli, ..., or all

A suite is a folder of tests/: programs built from test_*.c speak TAP (cmocka), test_*.py are unittest
files, tests/db/pgtap holds pgTAP files. One line a program; a program that fails, crashes, hangs or runs
no test at all shows its whole output. Counted are test cases. Exit code 0 only if every suite ran
something and nothing failed.

LEDGER_BUILD names the build (default: build), LEDGER_TEST_SLOWDOWN multiplies the time limits (sanitizers),
LEDGER_TEST_JOBS says how many programs run at once.
"""

import argparse
import concurrent.futures
import glob
import os
import re
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("LEDGER_BUILD", os.path.join(ROOT, "build")))
SLOWDOWN = float(os.environ.get("LEDGER_TEST_SLOWDOWN", "1"))
PYTHON = "/usr/bin/python3"

# Seconds until a program counts as hanging.
TIME_LIMITS = {"unit": 60, "db": 240, "hook": 120, "pgtap": 240}
TIME_LIMIT_PYTHON = 900

PYTHON_SUITES = ["property", "cli", "http", "slurm", "gateway", "torture", "e2e", "golden", "issues"]
C_SUITES = ["unit", "db", "hook"]
SUITES = C_SUITES + ["pgtap"] + PYTHON_SUITES
BY_NAME = ["llama"]  # a unittest suite too, which `all` leaves out: it builds a model server first


class Result:
    """What one program did: counts of test cases, its output, and whether it ended well."""

    def __init__(self, suite, name, passed, failed, skipped, output, seconds, note=""):
        self.suite, self.name, self.output, self.seconds = suite, name, output, seconds
        self.passed, self.failed, self.skipped, self.note = passed, failed, skipped, note
        if not self.passed and not self.failed and not self.skipped:
            self.failed, self.note = 1, note or "ran no test"


def sources(suite):
    if suite in C_SUITES:
        return sorted(glob.glob(os.path.join(ROOT, "tests", suite, "test_*.c")))
    if suite == "pgtap":
        return sorted(glob.glob(os.path.join(ROOT, "tests", "db", "pgtap", "*.sql")))
    found = glob.glob(os.path.join(ROOT, "tests", suite, "test_*.py"))
    found += glob.glob(os.path.join(ROOT, "tests", suite, "*", "test_*.py"))
    return sorted(found)


def command(suite, source, valgrind):
    if suite in C_SUITES:
        program = os.path.join(BUILD, "tests", suite, os.path.basename(source)[:-2])
        if valgrind:
            return ["valgrind", "-q", "--leak-check=full", "--error-exitcode=99", program]
        return no_randomisation() + [program]
    if suite == "pgtap":
        return [os.path.join(ROOT, "tests", "run", "pgtap-file.sh"), source]
    return no_randomisation() + [PYTHON, "-B", source, "-v"]


def no_randomisation():
    """ThreadSanitizer of gcc 12 cannot place its shadow under some address space randomisations."""
    if os.path.basename(BUILD) != "tsan":
        return []
    wrapped = ["setarch", os.uname().machine, "-R"]
    works = subprocess.run(wrapped + ["true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    return wrapped if works else []


def environment():
    env = dict(os.environ)
    env["LEDGER_BUILD"] = BUILD
    env["CMOCKA_MESSAGE_OUTPUT"] = "TAP"
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    lib = os.path.join(ROOT, "tests", "lib")
    env["PYTHONPATH"] = lib + (":" + env["PYTHONPATH"] if env.get("PYTHONPATH") else "")
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    env.setdefault("TSAN_OPTIONS", "halt_on_error=0:second_deadlock_stack=1")
    return env


def run_bounded(argv, seconds):
    """Runs argv in a session of its own and kills all of it when time is up. (code or None, output)"""
    with subprocess.Popen(argv, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as process:
        running.add(process)
        try:
            output, _ = process.communicate(timeout=seconds)
            return process.returncode, output.decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            kill_session(process)
            output, _ = process.communicate()
            return None, output.decode("utf-8", "replace")
        finally:
            running.discard(process)


running = set()


def kill_session(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def count_tap(output):
    """Passed, failed, skipped; cmocka 1.1 says `not ok` of a test that was skipped."""
    passed = len(re.findall(r"^ok \d(?!.*# SKIP)", output, re.M))
    failed = len(re.findall(r"^not ok \d(?!.*# SKIP)", output, re.M))
    return passed, failed, len(re.findall(r"^(?:not )?ok \d.*# SKIP", output, re.M))


def count_unittest(output):
    ran = re.search(r"^Ran (\d+) tests? in", output, re.M)
    if not ran:
        return 0, 0, 0
    last = output[ran.end():]

    def number(word):
        found = re.search(word + r"=(\d+)", last)
        return int(found.group(1)) if found else 0

    failed = number("failures") + number("errors") + number("unexpected successes")
    skipped = number("skipped")
    return max(0, int(ran.group(1)) - failed - skipped), failed, skipped


def run_program(suite, source, valgrind):
    limit = TIME_LIMITS.get(suite, TIME_LIMIT_PYTHON) * SLOWDOWN
    argv = command(suite, source, valgrind)
    name = os.path.relpath(source, os.path.join(ROOT, "tests"))
    started = time.monotonic()
    try:
        code, output = run_bounded(argv, limit)
    except OSError as problem:
        return Result(suite, name, 0, 1, 0, str(problem), 0, "cannot run")
    seconds = time.monotonic() - started
    count = count_unittest if suite in PYTHON_SUITES + BY_NAME else count_tap
    passed, failed, skipped = count(output)
    note = ""
    if code is None:
        note = f"no end within {limit:.0f} s"
    elif code < 0:
        note = f"killed by signal {-code}"
    elif code != 0 and not failed:
        note = f"exit code {code}"
    if note:
        failed = max(failed, 1)
    return Result(suite, name, passed, failed, skipped, output, seconds, note)


def report(result):
    state = "FAIL" if result.failed else "ok"
    parts = [f"{result.passed} passed"]
    parts += [f"{result.failed} failed"] if result.failed else []
    parts += [f"{result.skipped} skipped"] if result.skipped else []
    parts += [result.note] if result.note else []
    if result.failed:
        print(f"---- {result.name} " + "-" * max(0, 70 - len(result.name)))
        print(result.output.rstrip("\n"))
        print("-" * 76)
    print(f"{state:4} {result.name}: {', '.join(parts)} ({result.seconds:.1f} s)", flush=True)


def run_suites(suites, only, valgrind):
    jobs = int(os.environ.get("LEDGER_TEST_JOBS", "2"))
    work = [(s, f) for s in suites for f in sources(s) if not only or any(part in f for part in only)]
    results = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(run_program, suite, source, valgrind) for suite, source in work]
        try:
            for future in concurrent.futures.as_completed(futures):
                results.append(future.result())
                report(results[-1])
        except BaseException:
            for future in futures:
                future.cancel()
            for process in list(running):
                kill_session(process)
            raise
    return results


def reasons_of_skips(results):
    """What the tests that were skipped say of it; a Result without any test at all is a failed one."""
    return {reason for r in results for reason in re.findall(r"skipped ['\"](.+)['\"]$", r.output, re.M)}


def summarise(suites, results):
    """The totals, one line a suite; true if all is well."""
    good = True
    skips = [r for r in results if r.skipped]
    if skips:
        print("\nskipped: " + ", ".join(f"{r.name} ({r.skipped})" for r in skips))
    bad = [r.name for r in results if r.failed]
    if bad:
        print("\nfailed: " + ", ".join(sorted(bad)))
    print()
    for suite in suites:
        mine = [r for r in results if r.suite == suite]
        passed, failed = sum(r.passed for r in mine), sum(r.failed for r in mine)
        if mine and not passed and not failed:
            print(f"{suite}: skipped: {'; '.join(sorted(reasons_of_skips(mine)))}", flush=True)
            continue
        if not passed and not failed:
            print(f"no test of {suite} ran", flush=True)
            good = False
            continue
        good = good and not failed
        print(f"{suite}: {passed} passed, {failed} failed", flush=True)
    return good


def stop(_signal, _frame):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--valgrind", action="store_true")
    parser.add_argument("--only", metavar="PART", action="append", default=[])
    parser.add_argument("suites", nargs="+", choices=SUITES + BY_NAME + ["all"])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    suites = options.suites
    if suites == ["all"]:
        # A suite whose folder is not there yet is not a suite.
        suites = [s for s in SUITES if sources(s)]
    try:
        results = run_suites(suites, options.only, options.valgrind)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    good = summarise(suites, results)
    sys.exit(0 if good and results else 1)


if __name__ == "__main__":
    main()
