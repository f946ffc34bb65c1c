"""make bench: every figure as a ratio against its floor, both measured in this run.

One line a figure: `name ratio (figure vs floor)`. LEDGER_BENCH_ONLY names the parts to run (check, gateway, hold,
hook, ingest, pull, report, usage, verify); LEDGER_BENCH_RECORDS, LEDGER_BENCH_TRANSFERS, LEDGER_BENCH_ROUNDS and LEDGER_BENCH_SECONDS make them shorter.
"""

import os
import subprocess
import sys

PARTS = ("check", "gateway", "hold", "hook", "ingest", "pull", "report", "usage", "verify")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    wanted = os.environ.get("LEDGER_BENCH_ONLY", " ".join(PARTS)).split()
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        sys.exit(f"bench: {unknown[0]}: not a part; there are {', '.join(PARTS)}")
    failed = [part for part in wanted if subprocess.run([sys.executable, os.path.join(here, f"{part}.py")],
                                                        check=False).returncode != 0]
    if failed:
        sys.exit(f"bench: failed: {' '.join(failed)}")


if __name__ == "__main__":
    main()
