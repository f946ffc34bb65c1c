"""Bench of the monthly report: `ledger-report monthly` against a plain GROUP BY over the charges.

LEDGER_BENCH_RECORDS jobs (1,000,000) and ten times as many token records are imported into one month; the
figure is the wall time of the whole command, JSON to a file, the floor `SELECT project_id,
sum(points_micro) … GROUP BY project_id` over the same month's charges by psql. Rounds take turns, medians
count. LEDGER_BENCH_TOKENS sets the number of token records.
"""

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ingest  # noqa: E402
import ledger_test as lt  # noqa: E402
import records  # noqa: E402

JOBS = int(os.environ.get("LEDGER_BENCH_RECORDS", "1000000"))
TOKENS = int(os.environ.get("LEDGER_BENCH_TOKENS", str(10 * JOBS)))
ROUNDS = int(os.environ.get("LEDGER_BENCH_ROUNDS", "5"))
MONTH = "2027-06"
FLOOR = f"""SELECT project_id, sum(points_micro) FROM ledger.charge
             WHERE month = DATE '{MONTH}-01' GROUP BY project_id;"""


def import_through_pipe(db, folder, write, count, words):
    """Imports what `write` writes, through a pipe: ten million lines need no disk."""
    pipe = os.path.join(folder, "pipe")
    os.mkfifo(pipe)
    writer = multiprocessing.Process(target=write, args=(pipe, count))
    writer.start()
    counts = json.loads(lt.ctl(["import", *words, pipe, "--json"], db=db, now=ingest.NOW, timeout=1800))
    writer.join()
    os.unlink(pipe)
    if counts["booked"] != count:
        sys.exit(f"bench: report: the import did not book everything: {counts}")


def timed(command, db):
    """Seconds of one command."""
    begin = time.monotonic()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   env={**os.environ, "LEDGER_DB": db, "LEDGER_NOW": ingest.NOW})
    return time.monotonic() - begin


def main():
    folder = lt.temp_dir()
    db = ingest.new_book(folder)
    if JOBS > 0:
        import_through_pipe(db, folder, records.write_jobs, JOBS, ["slurm", "--cluster", records.CLUSTER])
    if TOKENS > 0:
        import_through_pipe(db, folder, records.write_tokens, TOKENS,
                            ["usage", "--source", records.TOKEN_SOURCE])
    lt.psql(db, "VACUUM ANALYZE; CHECKPOINT;")
    report = [lt.LEDGER_REPORT, "monthly", MONTH, "--format", "json", "-o", os.path.join(folder, "report")]
    floor = ["psql", "-XqAt", "-d", db, "-c", FLOOR]
    figures, floors = [], []
    for _ in range(ROUNDS):
        floors.append(timed(floor, db))
        figures.append(timed(report, db))
    lt.drop_db(db)
    ratio = statistics.median(f / g for f, g in zip(figures, floors))
    print(f"report {ratio:.2f} ({statistics.median(figures):.2f} s vs {statistics.median(floors):.2f} s by GROUP BY, "
          f"{JOBS} jobs and {TOKENS} token records)", flush=True)


if __name__ == "__main__":
    main()
