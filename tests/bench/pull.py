"""Bench of the puller: a cluster's accounting into the book, against sacct alone writing the same rows to nowhere.

A real Slurm (tests/slurm, which needs root) holds LEDGER_BENCH_RECORDS finished jobs (1,000,000), one a second. `pull` is
`ledgerctl pull` of all of them into a fresh book, from start to exit, against one sacct with the same columns over the same
time. `pull-running` is a round of ledgerd with 20,000 running jobs in accounting, all accrued anew, against the sacct that
tells them. Rounds take turns, medians count. Also printed: the puller's peak memory.
"""

import datetime
import os
import statistics
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("lib", "slurm"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))
import ledger_test as lt  # noqa: E402
import test_backlog  # noqa: E402
from slurm_cluster import Cluster  # noqa: E402
from slurm_site import Site  # noqa: E402

RECORDS = int(os.environ.get("LEDGER_BENCH_RECORDS", "1000000"))
RUNNING = int(os.environ.get("LEDGER_BENCH_RUNNING", "20000"))
ROUNDS = int(os.environ.get("LEDGER_BENCH_ROUNDS", "3"))
LIVE_ROUNDS = 9  # of ledgerd, that a median is taken of
MEMORY_LIMIT_MIB = 256
COLUMNS = ("AdminComment,JobIDRaw,JobID,Cluster,User,UID,Account,Partition,QOS,State,Submit,Start,End,ElapsedRaw,Suspended,"
           "TimelimitRaw,AllocTRES,ExitCode,NodeList,Reservation,JobName")


def utc(epoch):
    return datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def timed_sacct(cluster, *chosen):
    """Seconds of sacct alone."""
    environment = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "SLURM_TIME_FORMAT": "%s"}
    command = [cluster.bin("sacct"), "-a", "-X", "-D", "-P", "--delimiter=\x1f", "-M", "sdli", "-o", COLUMNS, *chosen]
    begin = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment)
    return time.monotonic() - begin


def peak_mib(pid):
    """The most memory that the process has used so far; 0 once it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return next((int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


def timed_pull(cluster, site, base):
    """Seconds and peak memory of one round by hand, which must book everything."""
    conf = lt.write_file(f"[slurm sdli]\nmode = sacct\ncommand = {cluster.bin('sacct')}\nsince = {utc(base)}Z\n", "ledgerd.conf")
    peak = 0
    begin = time.monotonic()
    with subprocess.Popen([lt.LEDGERCTL, "pull", "-c", conf, "--json"], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "LEDGER_DB": site.db, **cluster.names()}) as process:
        while process.poll() is None:
            peak = max(peak, peak_mib(process.pid))
            time.sleep(0.02)
        told = process.stdout.read()
    seconds = time.monotonic() - begin
    booked = int(lt.scalar(site.db, "SELECT count(*) FROM ledger.record_identity"))
    if process.returncode != 0 or booked != RECORDS:
        sys.exit(f"bench: pull: exit {process.returncode}, {booked} of {RECORDS} jobs are booked: {told}")
    return seconds, peak


def bench_ended(cluster):
    base = int(time.time()) - RECORDS - 2 * 86400
    test_backlog.insert(10_000_000, RECORDS, 3, f"{base} + seq", f"{base} + seq + 5", f"{base} + seq + 305")
    figures, floors, memories = [], [], []
    for _ in range(ROUNDS):
        site = Site({"ml": 100})
        lt.psql(lt.server(), "CHECKPOINT;")
        seconds, memory = timed_pull(cluster, site, base)
        figures.append(seconds)
        memories.append(memory)
        floors.append(timed_sacct(cluster, "-s", "CD", "-S", utc(base), "-E", utc(time.time())))
        lt.drop_db(site.db)
    figure, floor = statistics.median(figures), statistics.median(floors)
    print(f"pull {figure / floor:.2f} ({figure:.1f} s for {RECORDS} jobs into the book vs {floor:.1f} s of sacct alone)", flush=True)
    print(f"pull-memory {max(memories) / MEMORY_LIMIT_MIB:.2f} ({max(memories):.0f} MiB at most vs {MEMORY_LIMIT_MIB} MiB allowed)",
          flush=True)


def round_seconds(daemon):
    """How many rounds there were, and how long the last one took."""
    shown = dict(line.rsplit(" ", 1) for line in daemon.get("/metrics").text.splitlines() if not line.startswith("#"))
    source = '{source="slurm:sdli"}'
    return int(shown.get("ledger_pull_rounds_total" + source, "0")), float(shown.get("ledger_pull_round_seconds" + source, "0"))


def bench_running(cluster):
    start = int(time.time()) - 3600
    test_backlog.insert(30_000_000, RUNNING, 1, f"{start} - seq", str(start), "0")
    site = Site({"ml": 100000})
    conf = f"[slurm sdli]\nmode = sacct\ncommand = {cluster.bin('sacct')}\ninterval = 1s\n"
    figures, floors = [], []
    with lt.start_ledgerd(site.db, conf=conf, env=cluster.names()) as daemon:
        lt.eventually(lambda: round_seconds(daemon)[0] >= 2, 120)  # the first ones read users, and book what is new
        seen = round_seconds(daemon)[0]
        while len(figures) < LIVE_ROUNDS:
            lt.eventually(lambda: round_seconds(daemon)[0] > seen, 120)
            seen, seconds = round_seconds(daemon)
            figures.append(seconds)
            floors.append(timed_sacct(cluster, "-s", "R,S"))
    accrued = int(lt.scalar(site.db, "SELECT count(*) FROM ledger.accrual"))
    if accrued != RUNNING:
        sys.exit(f"bench: pull-running: {accrued} of {RUNNING} jobs are accrued")
    figure, floor = statistics.median(figures), statistics.median(floors)
    print(f"pull-running {figure / floor:.2f} ({figure:.2f} s a round with {RUNNING} running jobs vs {floor:.2f} s of sacct alone)",
          flush=True)


def main():
    try:
        cluster = Cluster.start("--gpu-nodes", "1", "--cpu-nodes", "0")
    except unittest.SkipTest as why:
        print(f"pull: skipped: {why}")
        return
    test_backlog.cluster = cluster
    try:
        bench_ended(cluster)
        bench_running(cluster)
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
