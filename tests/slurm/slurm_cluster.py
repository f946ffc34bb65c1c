"""A real Slurm cluster for the tests of one file, and what they do with it.

    def setUpModule(): global cluster; cluster = Cluster.start(plugin=True)      skips the file where there can be none
    job = cluster.sbatch("alice", "-p", "gpu", "--gres=gpu:2", script="sleep 30")      its number; Refused if it is
    cluster.wait_for(job, "RUNNING")
    cluster.command("scancel", job)                      any of Slurm's commands, as root unless user= says otherwise
    cluster.rows()                                       what accounting says, one dict for each row of sacct

cluster.sh says which nodes, partitions, accounts and users there are. Slurm runs on the real clock.
"""

import atexit
import os
import re
import subprocess
import tempfile
import time
import unittest

import ledger_test as lt

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cluster.sh")
SLOW = 30  # seconds until something that Slurm does within a few counts as not happening
PENDING = ("PENDING",)
ENDED = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT")
# None of these can hold what a user wrote, so cutting at the delimiter is safe.
COLUMNS = ("JobID,JobIDRaw,Cluster,Account,User,Partition,QOS,State,Submit,Start,End,ElapsedRaw,Suspended,TimelimitRaw,"
           "AllocTRES,NodeList").split(",")


class Refused(Exception):
    """sbatch, srun or scontrol was told no; what the user read."""


class Cluster:
    """A running cluster in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder

    @classmethod
    def start(cls, *options, plugin=False):
        """plugin: with the hook, whose configuration is self.hook_conf, for the test to write."""
        check = subprocess.run([SCRIPT, "check"], capture_output=True, text=True, check=False)
        if check.returncode != 0:
            raise unittest.SkipTest(check.stdout.strip())
        self = cls(tempfile.mkdtemp(prefix="slurm-", dir=lt.BUILD))
        self.hook_conf = os.path.join(self.folder, "hook.conf")
        wanted = ["--owner", os.getpid(), *options]
        if plugin:
            with open(self.hook_conf, "w", encoding="utf-8") as file:
                file.write("cluster = sdli\n")
            wanted += ["--plugin", os.path.join(lt.BUILD, "slurm"), "--hook-conf", self.hook_conf]
        atexit.register(self.stop)
        self._script("up", *wanted)
        self.uids = self._read_users()
        return self

    def stop(self):
        """Takes it down; keeps nothing, not even the logs."""
        subprocess.run([SCRIPT, "down", self.folder], check=False)
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def _script(self, verb, *args, check=True):
        done = subprocess.run([SCRIPT, verb, self.folder, *map(str, args)], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=180 * lt.SLOWDOWN)
        if check and done.returncode != 0:
            raise AssertionError(f"cluster.sh {verb} {args}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def _read_users(self):
        with open(os.path.join(self.place(), "etc", "passwd"), encoding="utf-8") as file:
            entries = [line.split(":") for line in file]
        return {entry[0]: (int(entry[2]), int(entry[3])) for entry in entries}

    def place(self):
        with open(os.path.join(self.folder, "place"), encoding="utf-8") as file:
            return file.read().strip()

    def log(self, daemon):
        with open(os.path.join(self.folder, "log", daemon + ".log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def bin(self, name):
        """One of Slurm's commands, for this cluster; users may call it too."""
        return os.path.join(self.place(), "bin", name)

    def names(self):
        """Environment in which the system knows the cluster's users."""
        text = subprocess.run(["sed", "-n", "s/^export \\(LD_PRELOAD.*\\)/\\1/p", os.path.join(self.place(), "env.sh")],
                              capture_output=True, text=True, check=True).stdout
        return dict(word.split("=", 1) for word in text.split())

    # --- daemons ----------------------------------------------------------------------------------

    def start_daemon(self, name):
        self._script("start", name)

    def stop_daemon(self, name):
        self._script("stop", name)

    def kill_daemon(self, name):
        self._script("kill", name)

    def restart_daemon(self, name):
        self.stop_daemon(name)
        self.start_daemon(name)

    def configure(self, **settings):
        """Restarts slurmctld with other settings of slurm.conf."""
        path = os.path.join(self.place(), "etc", "slurm.conf")
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file if line.split("=")[0] not in settings]
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(lines + [f"{name}={value}\n" for name, value in settings.items()])
        self.restart_daemon("slurmctld")

    # --- commands ---------------------------------------------------------------------------------

    def run(self, program, *args, user=None, env=None, timeout=60):
        """The completed process; outputs are bytes, since names may be anything."""
        identity = {}
        if user is not None:
            uid, gid = self.uids[user]
            identity = {"user": uid, "group": gid, "extra_groups": []}
        words = [a if isinstance(a, bytes) else str(a) for a in args]
        clean = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", **(env or {})}
        return subprocess.run([self.bin(program), *words], capture_output=True, cwd="/tmp", env=clean, check=False,
                              stdin=subprocess.DEVNULL, timeout=timeout * lt.SLOWDOWN, **identity)

    def command(self, program, *args, **options):
        """Standard output as text; Refused with what the command said if it fails."""
        done = self.run(program, *args, **options)
        if done.returncode != 0:
            raise Refused(done.stderr.decode("utf-8", "replace"))
        return done.stdout.decode("utf-8", "replace")

    def sbatch(self, user, *args, script="sleep 300", **options):
        """The number of the job that was submitted (of an array or a heterogeneous job, its first)."""
        job, _ = self.sbatch_saying(user, *args, script=script, **options)
        return job

    def sbatch_saying(self, user, *args, script="sleep 300", **options):
        """The job's number, and what sbatch told the user beside it."""
        done = self.run("sbatch", "--parsable", "-o", "/dev/null", "-D", "/tmp", *args, "--wrap", script, user=user, **options)
        said = done.stderr.decode("utf-8", "replace")
        if done.returncode != 0:
            raise Refused(said)
        return int(done.stdout.decode().split(";")[0]), said

    # --- what Slurm says ---------------------------------------------------------------------------

    def state(self, job):
        """A live job's state, or "" when slurmctld has none of that number."""
        out = self.run("squeue", "-h", "-t", "all", "-j", job, "-o", "%T").stdout.decode()
        return out.split("\n", maxsplit=1)[0].strip()

    def reason(self, job):
        """Why a live job waits, or ""."""
        return self.run("squeue", "-h", "-j", job, "-o", "%r").stdout.decode().split("\n", maxsplit=1)[0].strip()

    def wait_for(self, job, *states, seconds=SLOW):
        """Until the job is in one of these states; the state."""
        return lt.eventually(lambda: (found := self.state(job)) in states and found, seconds)

    def rows(self, *args):
        """Every row of accounting that there is (also earlier ones of requeued jobs), as a dict of texts."""
        out = self.command("sacct", "-aXDP", "--noheader", "--delimiter=\x1f", "-o", ",".join(COLUMNS), "-S", "now-400days",
                           *args, env={"SLURM_TIME_FORMAT": "%s"}, timeout=300)
        return [dict(zip(COLUMNS, line.split("\x1f"), strict=True)) for line in out.split("\n") if line]

    def rows_of(self, jobs):
        """The rows of these jobs, with their array tasks and components."""
        wanted = {str(job) for job in jobs}
        return [row for row in self.rows() if re.match(r"\d+", row["JobID"]).group() in wanted]

    def wait_recorded(self, jobs, count=None, seconds=SLOW):
        """Until accounting has so many rows of these jobs (default: one each), all ended; the rows. It may learn of tasks and
        requeued jobs long after slurmctld has forgotten them."""
        wanted = count or len(jobs)
        deadline = time.monotonic() + seconds * lt.SLOWDOWN
        while True:
            rows = self.rows_of(jobs)
            done = [r for r in rows if state_of(r) in ENDED + ("REQUEUED",) and r["End"] not in ("Unknown", "None", "0")]
            if len(rows) == len(done) >= wanted:
                return rows
            if time.monotonic() > deadline:
                raise AssertionError(f"jobs {jobs} have not {wanted} rows that ended: {rows}")
            time.sleep(0.1)

    def cancel(self, jobs):
        """None of these jobs is left."""
        deadline = time.monotonic() + SLOW * lt.SLOWDOWN
        while left := [job for job in jobs if self.run("squeue", "-h", "-j", job, "-o", "%A").stdout]:
            if time.monotonic() > deadline:
                raise AssertionError(f"jobs {left} do not end")
            self.run("scancel", *left)
            time.sleep(0.1)

    def sql(self, statement):
        """Standard output of SQL in the accounting database."""
        done = subprocess.run(["mariadb", "-S", os.path.join(self.place(), "db.sock"), "-uroot", "-N", "-B", "slurm_acct"],
                              input=statement.encode(), capture_output=True, check=False, timeout=120 * lt.SLOWDOWN)
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode("utf-8", "replace"))
        return done.stdout.decode("utf-8", "replace")


def state_of(row):
    """`CANCELLED by 20001` is CANCELLED."""
    return row["State"].split(" ")[0]
