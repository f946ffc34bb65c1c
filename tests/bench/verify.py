"""Bench of the proof: `ledgerctl verify` against a sequential SELECT sum over the same transfers.

LEDGER_BENCH_RECORDS transfers (1,000,000) between two pools are put into four months of an otherwise empty book,
two hundred an entry, with the sums that belong to them, and sealed. The figure is the wall time of the whole command,
which recomputes sums, entries and seals from them; the floor one `SELECT sum` by psql, without parallel workers.
Rounds take turns, medians count.
"""

import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ingest  # noqa: E402
import ledger_test as lt  # noqa: E402
import report  # noqa: E402

TRANSFERS = int(os.environ.get("LEDGER_BENCH_RECORDS", "1000000"))
ROUNDS = int(os.environ.get("LEDGER_BENCH_ROUNDS", "5"))
BATCHES = 50  # transactions, in the order of which transfers are sealed
FLOOR = "SET max_parallel_workers_per_gather = 0; SELECT sum(amount_micro) FROM ledger.transfer;"
PAIR = """(SELECT account_no FROM ledger.account WHERE name = 'pool/hpci/2027') AS debit,
          (SELECT account_no FROM ledger.account WHERE name = 'pool/general/2027') AS credit"""
BATCH = """BEGIN;
    WITH pair AS (SELECT {pair}),
    row AS (SELECT i, (DATE '2027-06-01' + ((i / 200) % 4) * INTERVAL '1 month')::date AS month,
                   {entries} + i / 200 AS entry_id FROM generate_series({first}, {last}) i),
    entry AS (INSERT INTO ledger.entry (entry_id, booked_at, kind) OVERRIDING SYSTEM VALUE
              SELECT DISTINCT entry_id, TIMESTAMPTZ '2027-06-10 00:00+09', 'bench' FROM row)
    INSERT INTO ledger.transfer (transfer_id, month, entry_id, debit_account, credit_account, amount_micro, kind,
                                 booked_at)
    SELECT 1000000000 + i, month, entry_id, debit, credit, 1 + i % 7, 'lend', TIMESTAMPTZ '2027-06-10 00:00+09'
      FROM row, pair;
    COMMIT;"""
TOTALS = """INSERT INTO ledger.transfer_total (debit_account, credit_account, month, kind, source_no, amount_micro, transfers)
    SELECT debit_account, credit_account, month, kind, source_no, sum(amount_micro), count(*) FROM ledger.transfer
     WHERE kind = 'lend' GROUP BY 1, 2, 3, 4, 5;"""


def fill(db):
    lt.psql(db, """SELECT ledger.ensure_month((DATE '2027-06-01' + m * INTERVAL '1 month')::date)
                     FROM generate_series(0, 3) m;""")
    entries = int(lt.scalar(db, "SELECT (max(entry_id) + 1)::text FROM ledger.entry"))
    size = TRANSFERS // BATCHES
    for batch in range(BATCHES):
        lt.psql(db, BATCH.format(pair=PAIR, entries=entries, first=batch * size, last=(batch + 1) * size - 1))
    lt.psql(db, TOTALS)
    lt.ctl(["verify"], db=db, now=ingest.NOW, timeout=600)
    lt.psql(db, "VACUUM ANALYZE; CHECKPOINT;")


def main():
    db = ingest.new_book(lt.temp_dir())
    fill(db)
    figures, floors = [], []
    for _ in range(ROUNDS):
        floors.append(report.timed(["psql", "-XqAt", "-d", db, "-c", FLOOR], db))
        figures.append(report.timed([lt.LEDGERCTL, "verify"], db))
    lt.drop_db(db)
    ratio = statistics.median(f / g for f, g in zip(figures, floors))
    print(f"verify {ratio:.2f} ({statistics.median(figures):.2f} s vs {statistics.median(floors):.2f} s by SELECT sum, "
          f"{TRANSFERS} transfers)", flush=True)


if __name__ == "__main__":
    main()
