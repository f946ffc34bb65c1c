"""The servers that are tormented: a PostgreSQL of their own, which outlives crashes, and ledgerd processes."""

import asyncio
import atexit
import datetime
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import ledger_test as lt

ZONE = datetime.timezone(datetime.timedelta(hours=9))
BEGIN = datetime.datetime(2027, 7, 15, 12, 0, 0, tzinfo=ZONE)
DAEMON_CONF = "[database]\nconnections = 4\n[log]\nlevel = warning\n"


class Clock:
    """A pretended time that goes on while servers die: a process that starts is told how late it is."""

    def __init__(self):
        self.started = time.monotonic()

    def at(self, seconds=0):
        return BEGIN + datetime.timedelta(seconds=time.monotonic() - self.started + seconds)

    def now(self):
        return self.at().isoformat(timespec="milliseconds")


def quiet_port():
    """A free port below those that outgoing connections take: nobody else gets it while its server is dead."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Postgres:
    """A private server that can be crashed and resumed.

    What its processes have written outlives them in the system's memory, so fsync stays off: recovery would
    spend seconds on the thousands of files of a new database. Whole pages in the log stay on, because a
    process may be killed in the middle of a page, and so does synchronous_commit.
    """

    def __init__(self):
        os.makedirs(lt.BUILD, exist_ok=True)
        self.dir = tempfile.mkdtemp(prefix="pg-torture-", dir=lt.BUILD)
        os.chmod(self.dir, 0o755)
        atexit.register(self.remove)
        done = subprocess.run([lt.PRIVATE_PG, "start", self.dir], check=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True)
        self.conninfo = done.stdout.strip()
        lt.psql(self.conninfo, "ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET full_page_writes = on;"
                               "ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf();")

    def remove(self):
        if os.path.isdir(self.dir):
            subprocess.run([lt.PRIVATE_PG, "stop", self.dir], check=False)
            shutil.rmtree(self.dir, ignore_errors=True)

    def _data(self):
        with open(os.path.join(self.dir, "data-place"), encoding="utf-8") as file:
            return file.read().strip()

    def postmaster(self):
        with open(os.path.join(self._data(), "postmaster.pid"), encoding="ascii") as file:
            return int(file.readline())

    def children(self):
        """Process ids of its server processes, with what each calls itself."""
        parent, found = self.postmaster(), []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                        if int(file.read().rsplit(")", 1)[1].split()[1]) != parent:
                            continue
                    with open(f"/proc/{name}/cmdline", encoding="ascii", errors="replace") as file:
                        found.append((int(name), file.read().strip("\0 ")))
                except OSError:
                    pass
        return found

    def backends_of(self, database):
        return [pid for pid, title in self.children() if f" {database} " in title]

    def crash(self, signal_number):
        """SIGQUIT (immediate shutdown) or SIGKILL to the postmaster; waits until all of it is gone."""
        everyone = [self.postmaster()] + [pid for pid, _ in self.children()]
        os.kill(everyone[0], signal_number)
        lt.eventually(lambda: not any(alive(pid) for pid in everyone), 60)

    def resume(self):
        subprocess.run([lt.PRIVATE_PG, "resume", self.dir], check=True, stdin=subprocess.DEVNULL)

    def until_it_answers(self):
        lt.eventually(lambda: lt.psql(self.conninfo, "SELECT 1", check=False).returncode == 0, 60)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Daemon:
    """One ledgerd on a port that it keeps over crashes."""

    def __init__(self, db, clock):
        self.db, self.clock, self.port, self.running = db, clock, quiet_port(), None

    def start(self):
        """Starts it until it is ready, again and again while the database is away, as systemd would."""
        deadline = time.monotonic() + 60 * lt.SLOWDOWN
        while True:
            self.running = lt.start_ledgerd(self.db, now=self.clock.now(), conf=DAEMON_CONF, port=self.port,
                                            ready=False)
            try:
                self.running.wait_ready()
                return self
            except AssertionError:
                if self.running.process.poll() != 4 or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def crash(self):
        self.running.kill()

    def stop(self):
        if self.running is not None and self.running.exit_code is None:
            code = self.running.stop()
            if code != 0:
                raise AssertionError(f"ledgerd ended with {code}\n{self.running.log()}")

    def must_live(self):
        code = self.running.process.poll()
        if code is not None and self.running.exit_code is None:
            raise AssertionError(f"ledgerd died by itself: {code}\n{self.running.log()}")


async def aside(work, *arguments):
    """Runs what blocks in a thread, so that the load goes on."""
    return await asyncio.get_running_loop().run_in_executor(None, work, *arguments)


QUIT, KILL = signal.SIGQUIT, signal.SIGKILL
