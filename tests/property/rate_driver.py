"""Runs the C rating driver: many cases in, as many answers out.

The driver is build/tests/property/rate_driver; LEDGER_BUILD names another build tree, a
sanitizer's, say.
"""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = os.path.relpath(ROOT / os.environ.get("LEDGER_BUILD", "build"), ROOT)
TARGET = f"{BUILD}/tests/property/rate_driver"
BUILD_TIMEOUT_SECONDS = 600
RUN_TIMEOUT_SECONDS = 120


def build():
    """Makes the driver where it is missing."""
    if not (ROOT / TARGET).exists():
        made = subprocess.run(
            ["make", f"BUILD={BUILD}", TARGET],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_SECONDS,
        )
        if made.returncode != 0:
            raise RuntimeError(f"cannot build {TARGET}:\n{made.stdout[-2000:]}{made.stderr[-2000:]}")


def answers(cases):
    """The driver's answer to each case, in order; a driver that dies is an error that names the case."""
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    ran = subprocess.run(
        [ROOT / TARGET], input=lines, capture_output=True, text=True, timeout=RUN_TIMEOUT_SECONDS
    )
    out = ran.stdout.splitlines()
    if ran.returncode != 0 or len(out) != len(cases):
        culprit = json.dumps(cases[min(len(out), len(cases) - 1)])
        raise RuntimeError(
            f"rate_driver ended with {ran.returncode} after {len(out)} of {len(cases)} answers\n"
            f"{ran.stderr[-2000:]}\nnext case: {culprit}"
        )
    return [json.loads(line) for line in out]


def answer(case):
    return answers([case])[0]
