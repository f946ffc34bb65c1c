"""check and check-p99: GET /v1/check against the bare libmicrohttpd handler.

32 keep-alive connections ask about 1000 projects at random; the floor answers the same requests with a body of the
same size and the same server options. Rounds are interleaved and the median of the rounds' ratios is shown, because
single figures on a shared machine mean little.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt

PROJECTS = 1000
CONNECTIONS = 32
ROUNDS = int(os.environ.get("LEDGER_BENCH_ROUNDS", "5"))
SECONDS = int(os.environ.get("LEDGER_BENCH_SECONDS", "4"))
NOW = "2027-06-15T12:00:00+09:00"

SCRIPT = """
local n = 0
local paths = {}
for i = 1, %d do paths[i] = wrk.format("GET", string.format("/v1/check?project=hp%%06d&user=u%%d&points=12.5", i, i)) end
function request() n = n %% #paths + 1; return paths[(n * 7919) %% #paths + 1] end
"""


def make_book(db):
    lt.ctl(["policy", "apply", "contrib/sdli/policy.json"], db=db, now=NOW)
    lt.ctl(["rates", "apply", "contrib/sdli/rates.json"], db=db, now=NOW)
    # A thousand projects by the verbs would take a minute of process starts; two go through them, the rest are
    # copied row by row from what the verbs left, which is what ledgerd reads.
    for i in (1, 2):
        lt.ctl(["project", "add", f"hp{i:06d}", "--share", "hpci"], db=db, now=NOW)
        lt.ctl(["grant", f"hp{i:06d}", "1000"], db=db, now=NOW)
    lt.psql(db, f"""
        INSERT INTO ledger.account (name, kind, share, project_id)
          SELECT 'project/hp' || lpad(i::text, 6, '0'), 'project', 'hpci', 'hp' || lpad(i::text, 6, '0')
            FROM generate_series(3, {PROJECTS}) i;
        INSERT INTO ledger.project (project_id, kind, share, account_no, added_at)
          SELECT project_id, 'project', 'hpci', account_no, now() FROM ledger.account a
           WHERE kind = 'project' AND NOT EXISTS (SELECT FROM ledger.project p WHERE p.project_id = a.project_id);
        INSERT INTO ledger.project_position (project_id, posted_micro)
          SELECT project_id, 1000000000 FROM ledger.project
              ON CONFLICT (project_id) DO UPDATE SET posted_micro = 1000000000;
        INSERT INTO ledger.project_grant (project_id, share, fiscal_year, points_micro, valid_from, valid_to, request,
                                          entry_id, granted_at)
          SELECT p.project_id, 'hpci', g.fiscal_year, g.points_micro, g.valid_from, g.valid_to, '', g.entry_id, now()
            FROM ledger.project p, (SELECT * FROM ledger.project_grant ORDER BY grant_id LIMIT 1) g
           WHERE p.project_id > 'hp000002';
        """)


def load(port, script):
    """(requests per second, p99 in microseconds) of one round."""
    done = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", script,
                           f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True)
    if re.search(r"Non-2xx|Socket errors", done.stdout):
        raise SystemExit(f"check: the load saw errors\n{done.stdout}")
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout).group(1))
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", done.stdout).groups()
    return rate, float(value) * {"us": 1, "ms": 1000, "s": 1000000}[unit]


def main():
    db = lt.create_db("bench_check")
    make_book(db)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script, lt.start_ledgerd(db, now=NOW) as ledgerd:
        script.write(SCRIPT % PROJECTS)
        script.flush()
        body = ledgerd.get("/v1/check?project=hp000500&user=u500&points=12.5").body
        floor = subprocess.Popen([os.path.join(lt.BUILD, "tests/bench/floor_check"), str(len(body))],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with floor:
            floor_port = int(floor.stdout.readline())
            load(floor_port, script.name)
            load(ledgerd.port, script.name)  # warm both
            rounds = [(load(ledgerd.port, script.name), load(floor_port, script.name)) for _ in range(ROUNDS)]
            floor.stdin.close()
    ours, floors = zip(*rounds)
    rate = statistics.median(o[0] / f[0] for o, f in rounds)
    p99 = statistics.median(o[1] / f[1] for o, f in rounds)
    print(f"check {rate:.2f} ({statistics.median(o[0] for o in ours):.0f} req/s vs "
          f"{statistics.median(f[0] for f in floors):.0f} req/s of the bare handler)")
    print(f"check-p99 {p99:.2f} ({statistics.median(o[1] for o in ours):.0f} us vs "
          f"{statistics.median(f[1] for f in floors):.0f} us)")


if __name__ == "__main__":
    main()
