"""Bench of the import: file to committed book, against COPY of the same normalised rows.

For each kind of record: a fresh book, `ledgerctl import` of LEDGER_BENCH_RECORDS records (1,000,000), timed
from start to exit; then, in the same database, COPY of the rows that this left in usage_record, as text,
into a table with the same columns and the same key. Rounds take turns, medians count. Also printed: the
importer's peak memory.
"""

import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt  # noqa: E402
import records  # noqa: E402

RECORDS = int(os.environ.get("LEDGER_BENCH_RECORDS", "1000000"))
ROUNDS = int(os.environ.get("LEDGER_BENCH_ROUNDS", "3"))
KINDS = os.environ.get("LEDGER_BENCH_KINDS", "tokens slurm").split()
NOW = "2027-07-15T00:00:00+09:00"
MEMORY_LIMIT_MIB = 256
FLOOR_TABLE = """
    CREATE TABLE public.floor (LIKE ledger.usage_record INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
                               PRIMARY KEY (source_no, id));
"""


def write_document(folder, name, document):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)
    return path


def new_book(folder):
    """A book with the bench's policy, card and projects."""
    db = lt.create_db("bench")
    lt.ctl(["policy", "apply", write_document(folder, "policy.json", records.policy())], db=db, now=NOW)
    lt.ctl(["rates", "apply", write_document(folder, "rates.json", records.card())], db=db, now=NOW)
    shares = ("hpci", "general", "industry")
    for n in range(records.PROJECTS):
        lt.ctl(["project", "add", records.project_id(n), "--share", shares[n % 3]], db=db, now=NOW)
    return db


def timed_import(db, path, kind):
    """Seconds and peak memory (MiB) of one import, which must book everything."""
    words = (["usage", path, "--source", records.TOKEN_SOURCE] if kind == "tokens"
             else ["slurm", path, "--cluster", records.CLUSTER])
    command = [lt.LEDGERCTL, "import", *words, "--json"]
    environment = {**os.environ, "LEDGER_DB": db, "LEDGER_NOW": NOW}
    begin = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        counts = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 or counts["booked"] != RECORDS:
        sys.exit(f"bench: ingest-{kind}: the import did not book everything: {counts}")
    return seconds, usage.ru_maxrss / 1024


def timed_floor(db, folder):
    """Seconds of COPY of the book's own rows into a plain table with the same key."""
    rows = os.path.join(folder, "rows")
    lt.psql(db, "DROP TABLE IF EXISTS public.floor;" + FLOOR_TABLE)
    lt.psql(db, f"\\copy (SELECT * FROM ledger.usage_record ORDER BY record_no) TO '{rows}'")
    begin = time.monotonic()
    lt.psql(db, f"\\copy public.floor FROM '{rows}'")
    seconds = time.monotonic() - begin
    os.unlink(rows)
    return seconds


def bench(kind, folder):
    path = os.path.join(folder, kind)
    (records.write_tokens if kind == "tokens" else records.write_jobs)(path, RECORDS)
    figures, floors, memories = [], [], []
    for _ in range(ROUNDS):
        db = new_book(folder)
        lt.psql(lt.server(), "CHECKPOINT;")
        seconds, memory = timed_import(db, path, kind)
        figures.append(seconds)
        memories.append(memory)
        lt.psql(lt.server(), "CHECKPOINT;")
        floors.append(timed_floor(db, folder))
        lt.drop_db(db)
    os.unlink(path)
    figure = RECORDS / statistics.median(figures)
    floor = RECORDS / statistics.median(floors)
    print(f"ingest-{kind} {figure / floor:.2f} ({figure:.0f} records/s vs {floor:.0f} rows/s by COPY)", flush=True)
    print(f"ingest-{kind}-memory {max(memories) / MEMORY_LIMIT_MIB:.2f} ({max(memories):.0f} MiB at most vs "
          f"{MEMORY_LIMIT_MIB} MiB allowed)", flush=True)


def main():
    folder = lt.temp_dir()
    for kind in KINDS:
        bench(kind, folder)


if __name__ == "__main__":
    main()
