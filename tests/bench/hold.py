"""hold, hold-hot, check-held: durable POST /v1/holds, and checks while holds are made.

64 connections ask for holds with a key each, half of them (hold) or all (hold-hot) on one of 1000 projects; the floors
are pgbench's single-row UPDATE over 1000 rows and over one, prepared, 64 clients, on the same server. The p99s are taken
at half of each one's own peak rate. check-held is the throughput and p99 of GET /v1/check over 32 connections while holds
run at half of their peak, against the bare handler in its place under the same load. history puts the same figures at 10,000
and at LEDGER_BENCH_TRANSFERS (5,000,000) transfers side by side. Rounds take turns, medians count.
"""

import glob
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check  # noqa: E402
import ledger_test as lt  # noqa: E402

ROUNDS = int(os.environ.get("LEDGER_BENCH_ROUNDS", "3"))
SECONDS = int(os.environ.get("LEDGER_BENCH_SECONDS", "5"))
TRANSFERS = int(os.environ.get("LEDGER_BENCH_TRANSFERS", "5000000"))
FEW_TRANSFERS = 10000
CLIENTS = 64
BATCH = 20000
KINDS = {"hold": (50, "\\set id random(1, 1000)\nUPDATE bench_floor SET held = held + 1 WHERE id = :id;\n"),
         "hold-hot": (100, "UPDATE bench_floor SET held = held + 1 WHERE id = 1;\n")}


def holds(port, shared, rate=0, seconds=SECONDS):
    """(answered per second, p50, p99 in microseconds) of one round of holds."""
    done = subprocess.run([os.path.join(lt.BUILD, "tests/bench/load_holds"), str(port), str(CLIENTS), str(seconds),
                           str(int(rate)), str(shared), str(check.PROJECTS)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"hold: {done.stderr}")
    answered, p50, p99, refused = map(int, done.stdout.split())
    if refused:
        raise SystemExit(f"hold: {refused} were refused")
    return answered, p50, p99


def updates(db, script, rate=0):
    """(updates per second, p50, p99 in microseconds) of one round of pgbench."""
    folder = lt.temp_dir()
    path = lt.write_file(script, "update.sql")
    limit = ["-R", str(int(rate))] if rate else []
    done = subprocess.run(["pgbench", "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "1", "-T", str(SECONDS), "-l",
                           *limit, "-f", path, db], capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode != 0:
        raise SystemExit(f"hold: pgbench: {done.stderr}")
    times = []
    for name in glob.glob(os.path.join(folder, "pgbench_log.*")):
        with open(name, encoding="ascii") as file:
            times += [int(line.split(" ", 3)[2]) for line in file]
    times.sort()
    tps = float(done.stdout.split("tps = ")[1].split()[0])
    return tps, times[len(times) // 2], times[len(times) - 1 - len(times) // 100]


def tidy(db):
    """What earlier rounds left behind is not this one's cost."""
    lt.psql(db, "VACUUM bench_floor; VACUUM ledger.project_position; VACUUM ledger.limit_held; CHECKPOINT;")


def median_of(rounds, index):
    return statistics.median(r[index] for r in rounds)


def bench_holds(db, port, name):
    """Prints the two lines of `name`; the peak rate of holds."""
    shared, script = KINDS[name]
    ours, floors = [], []
    for _ in range(ROUNDS):
        tidy(db)
        ours.append(holds(port, shared))
        floors.append(updates(db, script))
    peak, floor = median_of(ours, 0), median_of(floors, 0)
    ratio = statistics.median(o[0] / f[0] for o, f in zip(ours, floors))
    print(f"{name} {ratio:.2f} ({peak:.0f} holds/s vs {floor:.0f} single-row updates/s by pgbench)", flush=True)
    tidy(db)
    half = [holds(port, shared, peak / 2) for _ in range(ROUNDS)]
    floor_half = [updates(db, script, floor / 2) for _ in range(ROUNDS)]
    ours_us, floor_us = median_of(half, 2), median_of(floor_half, 2)
    print(f"{name}-p99 {ours_us / floor_us:.2f} ({ours_us:.0f} us vs {floor_us:.0f} us at half of each one's peak; "
          f"p50 {median_of(half, 1):.0f} us vs {median_of(floor_half, 1):.0f} us)", flush=True)
    return peak


def under_load(port, peak, asked, script):
    """One round of checks of the server at port `asked`, while holds run at half their peak."""
    with subprocess.Popen([os.path.join(lt.BUILD, "tests/bench/load_holds"), str(port), str(CLIENTS),
                           str(check.SECONDS + 1), str(int(peak / 2)), "50", str(check.PROJECTS)],
                          stdout=subprocess.PIPE) as load:
        result = check.load(asked, script)
        load.communicate()
    if load.returncode != 0:
        raise SystemExit("hold: the load of holds failed")
    return result


def bench_checks(port, peak, body):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(check.SCRIPT % check.PROJECTS)
        script.flush()
        floor = subprocess.Popen([os.path.join(lt.BUILD, "tests/bench/floor_check"), str(len(body))],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with floor:
            floor_port = int(floor.stdout.readline())
            rounds = [(under_load(port, peak, port, script.name), under_load(port, peak, floor_port, script.name))
                      for _ in range(ROUNDS)]
            floor.stdin.close()
    ours, floors = zip(*rounds)
    rate = statistics.median(o[0] / f[0] for o, f in rounds)
    p99 = statistics.median(o[1] / f[1] for o, f in rounds)
    print(f"check-held {rate:.2f} ({median_of(ours, 0):.0f} req/s vs {median_of(floors, 0):.0f} req/s of the bare "
          f"handler, with {peak / 2:.0f} holds/s)", flush=True)
    print(f"check-held-p99 {p99:.2f} ({median_of(ours, 1):.0f} us vs {median_of(floors, 1):.0f} us)", flush=True)


def add_transfers(db, first, last):
    """Charges of a micro-point over ten months and all projects, and the sums that belong to them."""
    lt.psql(db, """
        SELECT ledger.ensure_month((DATE '2027-06-01' + m * INTERVAL '1 month')::date) FROM generate_series(0, 9) m;
        ALTER TABLE ledger.transfer DISABLE TRIGGER USER;""")
    for start in range(first, last, BATCH):  # a transaction each, as the sealer takes them up
        lt.psql(db, f"""
        WITH project AS (SELECT account_no, row_number() OVER (ORDER BY account_no) - 1 AS n FROM ledger.project),
        spent AS (SELECT account_no FROM ledger.account WHERE name = 'spent/hpci')
        INSERT INTO ledger.transfer (transfer_id, month, entry_id, debit_account, credit_account, amount_micro, kind,
                                     source_no, charges, booked_at)
        SELECT 1000000000 + i, (DATE '2027-06-01' + (i % 10) * INTERVAL '1 month')::date, 1000000000 + i / 200,
               project.account_no, spent.account_no, 1, 'charge', 1, 1, TIMESTAMPTZ '2027-06-10 00:00+09'
          FROM generate_series({start}, {min(start + BATCH, last) - 1}) i
          JOIN project ON project.n = i / 10 % {check.PROJECTS}, spent;""")
    lt.psql(db, """
        ALTER TABLE ledger.transfer ENABLE TRIGGER USER;
        DELETE FROM ledger.transfer_total WHERE kind = 'charge';
        INSERT INTO ledger.transfer_total (debit_account, credit_account, month, kind, source_no, amount_micro, transfers)
        SELECT debit_account, credit_account, month, kind, source_no, sum(amount_micro), count(*) FROM ledger.transfer
         WHERE kind = 'charge' GROUP BY 1, 2, 3, 4, 5;
        ANALYZE;""")


def wait_until_quiet(db):
    """Until the sealer and autovacuum have done their part of what was added: that is the cost of adding it."""
    lt.psql(db, "VACUUM ANALYZE ledger.transfer; CHECKPOINT;")
    lt.eventually(lambda: lt.scalar(db, """
        SELECT 1 WHERE (SELECT max(total) FROM ledger.seal) = (SELECT count(*) FROM ledger.transfer)
           AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum worker')"""), seconds=900)


def bench_history(db, port):
    """The same figures with few transfers and with many."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(check.SCRIPT % check.PROJECTS)
        script.flush()
        figures = []
        for first, last in ((0, FEW_TRANSFERS), (FEW_TRANSFERS, TRANSFERS)):
            add_transfers(db, first, last)
            wait_until_quiet(db)
            rounds = []
            for _ in range(ROUNDS):
                tidy(db)
                rounds.append(holds(port, 50)[0::2] + check.load(port, script.name))
            figures.append([median_of(rounds, i) for i in range(4)])
    few, many = figures
    print(f"hold-history {many[0] / few[0]:.2f} ({many[0]:.0f} holds/s with {TRANSFERS} transfers vs {few[0]:.0f} with "
          f"{FEW_TRANSFERS}; p99 {many[1]:.0f} us vs {few[1]:.0f} us)", flush=True)
    print(f"check-history {many[2] / few[2]:.2f} ({many[2]:.0f} req/s with {TRANSFERS} transfers vs {few[2]:.0f} with "
          f"{FEW_TRANSFERS}; p99 {many[3]:.0f} us vs {few[3]:.0f} us)", flush=True)


def main():
    db = lt.create_db("bench_hold")
    check.make_book(db)
    lt.ctl(["overdraft", "hp000001", "1000000"], db=db, now=check.NOW)
    lt.psql(db, """CREATE TABLE bench_floor (id integer PRIMARY KEY, held bigint NOT NULL) WITH (fillfactor = 50);
                   INSERT INTO bench_floor SELECT i, 0 FROM generate_series(1, 1000) i; VACUUM ANALYZE bench_floor;""")
    with lt.start_ledgerd(db, now=check.NOW) as ledgerd:
        body = ledgerd.get("/v1/check?project=hp000500&user=u500&points=12.5").body
        holds(ledgerd.port, 50, seconds=1)
        peak = bench_holds(db, ledgerd.port, "hold")
        bench_holds(db, ledgerd.port, "hold-hot")
        bench_checks(ledgerd.port, peak, body)
        bench_history(db, ledgerd.port)
    lt.drop_db(db)


if __name__ == "__main__":
    main()
