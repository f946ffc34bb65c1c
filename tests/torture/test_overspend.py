"""Nobody can spend a point twice: 64 connections on two ledgerd processes, and ledgerctl beside them.

LEDGER_OVERSPEND_SECONDS (60) is how long they hold and settle; LEDGER_SEED seeds the dice.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import book
import ledger_test as lt
import servers
import wire

SECONDS = float(os.environ.get("LEDGER_OVERSPEND_SECONDS", "60"))
CONNECTIONS = 64
HOT = "p0"
PROJECTS = [f"p{i}" for i in range(10)]
# Less than the callers would like to hold at a time.
GRANTS = {project: 100 if project == HOT else 12 for project in PROJECTS}
OVERDRAFTS = {"p0": 7, "p3": 5}
MOST_OPEN = 8  # holds of one connection
SAMPLE_SECONDS = 0.02


class Tally:
    """What the callers were told: made holds by key, refused keys, settlements by hold id."""

    def __init__(self):
        self.made, self.refused, self.ended = {}, set(), {}
        self.serial = 0

    def spent(self, project):
        return sum(points for owner, _, points in self.ended.values() if owner == project)

    def held(self, project):
        return sum(points for owner, number, points in self.made.values()
                   if owner == project and number not in self.ended)


class Caller:
    """One connection that holds, settles and releases; settles no more than it holds."""

    def __init__(self, tally, port, seed, name):
        self.tally, self.name, self.dice = tally, name, random.Random(f"{seed}/{name}")
        self.connection = wire.Connection(port)
        self.open = []  # (hold id, project, points)

    async def hold(self):
        project = HOT if self.dice.random() < 0.5 else self.dice.choice(PROJECTS[1:])
        self.tally.serial += 1
        key, points = f"{self.name}-{self.tally.serial}", self.dice.randrange(1, 5000000)
        answer = await self.connection.ask(wire.message("POST", "/v1/holds", {
            "project": project, "user": "u", "points": book.points(points), "ttl": "1d"}, key))
        if answer.status == 201:
            document = answer.json()
            if book.micro(document["points"]) != points or key in self.tally.made:
                raise AssertionError(f"{key}: {answer}")
            self.tally.made[key] = (project, document["hold"], points)
            self.open.append((document["hold"], project, points))
        elif answer.status == 402:
            self.tally.refused.add(key)
        else:
            raise AssertionError(f"{key}: {answer}")

    async def end(self):
        number, project, points = self.open.pop(self.dice.randrange(len(self.open)))
        if self.dice.random() < 0.3:
            spent, act, body = 0, "release", {}
        else:
            # Seldom much, so that points are left to be fought for until the end.
            spent = points if self.dice.random() < 0.001 else self.dice.randrange(min(points, 2000) + 1)
            act, body = "settle", {"points": book.points(spent), "final": True}
        answer = await self.connection.ask(wire.message("POST", f"/v1/holds/{number}/{act}", body))
        if answer.status != 200:
            raise AssertionError(f"{act} {number}: {answer}")
        self.tally.ended[number] = (project, act, spent)

    async def run(self, until):
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            if self.open and (len(self.open) >= MOST_OPEN or self.dice.random() < 0.45):
                await self.end()
            else:
                await self.hold()


class Operator(threading.Thread):
    """A loop of ledgerctl: hold, settle, release."""

    def __init__(self, tally, db, clock, seed):
        super().__init__()
        self.tally, self.db, self.clock, self.dice = tally, db, clock, random.Random(f"{seed}/operator")
        self.over, self.problem, self.turns = False, None, 0

    def ctl(self, *arguments):
        return lt.run_ctl([*arguments, "--json"], db=self.db, now=self.clock.now())

    def turn(self):
        project = HOT if self.dice.random() < 0.5 else self.dice.choice(PROJECTS[1:])
        key, points = f"operator-{self.turns}", self.dice.randrange(1, 3000000)
        code, out, err = self.ctl("hold", project, book.points(points), "--key", key, "--ttl", "1d")
        if code == 1:
            self.tally.refused.add(key)
            return
        if code != 0:
            raise AssertionError(f"ledgerctl hold: exit {code}\n{out}{err}")
        number = json.loads(out)["hold"]
        self.tally.made[key] = (project, number, points)
        if self.dice.random() < 0.2:
            return
        spent = self.dice.randrange(min(points, 2000))
        act = ("release", number) if self.dice.random() < 0.4 else ("settle", number, book.points(spent))
        code, out, err = self.ctl(*act)
        if code != 0:
            raise AssertionError(f"ledgerctl {act}: exit {code}\n{out}{err}")
        self.tally.ended[number] = (project, act[0], spent if act[0] == "settle" else 0)

    def run(self):
        try:
            while not self.over:
                self.turn()
                self.turns += 1
        except BaseException as problem:  # told by finish, in the test's own thread
            self.problem = problem

    def finish(self):
        self.over = True
        self.join()
        if self.problem:
            raise self.problem


class Sampler(threading.Thread):
    """Reads every project's position again and again: none may ever be below its overdraft."""

    QUERY = """SELECT count(*), min(p.posted_micro - p.accrued_micro - p.held_micro + j.overdraft_micro),
                      string_agg(project_id, ',') FILTER
                        (WHERE p.posted_micro - p.accrued_micro - p.held_micro + j.overdraft_micro < 0)
                 FROM ledger.project_position p JOIN ledger.project j USING (project_id);"""

    def __init__(self, db):
        super().__init__()
        self.over = threading.Event()
        self.samples, self.tightest, self.below = 0, None, None
        self.psql = subprocess.Popen(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", db], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, bufsize=1)

    def run(self):
        while not self.over.wait(SAMPLE_SECONDS):
            self.psql.stdin.write(self.QUERY.replace("\n", " ") + "\n")
            answer = self.psql.stdout.readline().rstrip("\n")
            if not answer:
                return
            count, least, below = answer.split("|")
            self.samples += int(count) > 0
            self.tightest = int(least) if self.tightest is None else min(self.tightest, int(least))
            if below and not self.below:
                self.below = f"{below}: {least} micro-points"

    def finish(self):
        self.over.set()
        self.join()
        self.psql.stdin.close()
        self.psql.wait()
        self.psql.stdout.close()


class Overspend(unittest.TestCase):
    def setUp(self):
        self.clock = servers.Clock()
        self.seed = os.environ.get("LEDGER_SEED") or str(random.SystemRandom().randrange(10**9))
        print(f"LEDGER_SEED={self.seed}", flush=True)

    def start(self, grants, overdrafts=None):
        self.db = book.make_book(self.clock, grants, overdrafts)
        self.daemons = [servers.Daemon(self.db, self.clock).start() for _ in range(2)]
        for daemon in self.daemons:
            self.addCleanup(daemon.stop)

    def must_agree(self, tally, grants):
        """The book has what was answered: each hold once, no refused one, and every position to the micro-point."""
        rows = book.holds(self.db)
        found = {row[1]: (row[2], row[0], row[3]) for row in rows}
        self.assertEqual(len(found), len(rows), "a hold is in the book twice")
        self.assertEqual(found, tally.made)
        self.assertFalse(tally.refused & set(found))
        for project, granted in grants.items():
            sheet = lt.ctl_json(["balance", project], db=self.db, now=self.clock.now())
            self.assertEqual((sheet["posted"], sheet["held"]),
                             (book.points(granted * 1000000 - tally.spent(project)), book.points(tally.held(project))),
                             project)
            self.assertGreaterEqual(book.micro(sheet["available"]), 0, f"{project} is below its overdraft")
        book.must_be_sound(self.db, self.clock.now())

    async def load(self, tally):
        callers = [Caller(tally, self.daemons[i % 2].port, self.seed, f"c{i}") for i in range(CONNECTIONS)]
        until = asyncio.get_running_loop().time() + SECONDS
        try:
            await asyncio.gather(*[c.run(until) for c in callers])
        finally:
            for caller in callers:
                caller.connection.close()

    def test_nobody_overspends_while_many_hold_and_settle(self):
        self.start(GRANTS, OVERDRAFTS)
        tally = Tally()
        operator, sampler = Operator(tally, self.db, self.clock, self.seed), Sampler(self.db)
        operator.start()
        sampler.start()
        try:
            asyncio.run(self.load(tally))
        finally:
            operator.over = True
            sampler.finish()
            operator.join()
        operator.finish()
        print(f"{len(tally.made)} holds, {len(tally.refused)} refused, {len(tally.ended)} ended; ledgerctl "
              f"{operator.turns} turns; {sampler.samples} samples, tightest {book.points(sampler.tightest or 0)}",
              flush=True)
        self.assertIsNone(sampler.below)
        self.must_agree(tally, GRANTS)
        self.assertGreater(sampler.samples, 10)
        self.assertGreater(operator.turns, 2)
        self.assertGreater(len(tally.refused), 100, "the load never came to the limit: nothing was tested")
        self.assertGreater(len(tally.made), 100)

    async def all_at_once(self, tally, count):
        """Statuses of so many holds of one point, each over a connection of its own, sent together."""
        connections = [wire.Connection(self.daemons[i % 2].port) for i in range(count)]
        for connection in connections:
            await connection.open()
        bodies = [wire.message("POST", "/v1/holds", {"project": "p", "points": "1"}, f"k{i}") for i in range(count)]
        answers = await asyncio.gather(*[c.ask(b) for c, b in zip(connections, bodies)])
        for i, answer in enumerate(answers):
            if answer.status == 201:
                tally.made[f"k{i}"] = ("p", answer.json()["hold"], 1000000)
            else:
                tally.refused.add(f"k{i}")
        for connection in connections:
            connection.close()
        return sorted(a.status for a in answers)

    def test_of_a_thousand_holds_at_once_a_hundred_succeed_where_a_hundred_fit(self):
        self.start({"p": 100})
        tally = Tally()
        statuses = asyncio.run(self.all_at_once(tally, 1000))
        self.assertEqual(statuses, [201] * 100 + [402] * 900)
        self.must_agree(tally, {"p": 100})


if __name__ == "__main__":
    unittest.main()
