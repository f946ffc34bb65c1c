"""hook, hook-p99: one submission's hold through the Slurm hook's own code.

The plugin that slurmctld loads submits jobs one after the other to ledgerd over its Unix socket; after each one the
same bytes go to an echo server and back. The p99s are taken while CHECKS checks a second are asked of ledgerd.
"""

import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check  # noqa: E402
import ledger_test as lt  # noqa: E402

ROUNDS = int(os.environ.get("LEDGER_BENCH_ROUNDS", "3"))
COUNT = 1000 * int(os.environ.get("LEDGER_BENCH_SECONDS", "5"))
CHECKS = 5000
CONF = "[slurm sdli]\npartition.gpu = gpu\n"


def make_site(db):
    """What the puller would have read: a user with an account, and a partition."""
    check.make_book(db)
    lt.psql(db, """
        INSERT INTO ledger.slurm_user (cluster, user_name, uid, default_account) VALUES ('sdli', 'u1', 20001, 'hp000001');
        INSERT INTO ledger.slurm_association (cluster, user_name, account, partition, default_qos)
          VALUES ('sdli', 'u1', 'hp000001', '', 'normal');
        INSERT INTO ledger.slurm_partition (cluster, partition, is_default, default_seconds, max_seconds, is_exclusive,
                                            node_cpus, node_gpus, node_mem)
          VALUES ('sdli', 'gpu', true, 3600, 604800, false, 16, 4, 64000);""")


def round_of(socket, port, checks):
    """(ours p50, ours p99, floor p50, floor p99, checks a second)."""
    done = subprocess.run([os.path.join(lt.BUILD, "tests/bench/hook"),
                           os.path.join(lt.BUILD, "slurm/job_submit_ledger.so"), socket, str(port), str(checks),
                           str(COUNT)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"hook: {done.stdout}{done.stderr}")
    return [int(word) for word in done.stdout.split()][:5]


def main():
    db = lt.create_db("bench_hook")
    make_site(db)
    socket = os.path.join(lt.temp_dir(), "sock")
    with lt.start_ledgerd(db, now=check.NOW, conf=CONF, extra=["--unix", socket]) as ledgerd:
        quiet = [round_of(socket, ledgerd.port, 0) for _ in range(ROUNDS)]
        busy = [round_of(socket, ledgerd.port, CHECKS) for _ in range(ROUNDS)]

    def median(rounds, index):
        return statistics.median(r[index] for r in rounds)

    ratio = statistics.median(r[0] / r[2] for r in quiet)
    print(f"hook {ratio:.2f} ({median(quiet, 0):.0f} us vs {median(quiet, 2):.0f} us of an echo server; "
          f"p99 {median(quiet, 1):.0f} us vs {median(quiet, 3):.0f} us)", flush=True)
    ratio = statistics.median(r[1] / r[3] for r in busy)
    print(f"hook-p99 {ratio:.2f} ({median(busy, 1):.0f} us vs {median(busy, 3):.0f} us with {median(busy, 4):.0f} "
          f"checks/s; p50 {median(busy, 0):.0f} us vs {median(busy, 2):.0f} us)", flush=True)
    lt.drop_db(db)


if __name__ == "__main__":
    main()
