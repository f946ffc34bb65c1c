#!/usr/bin/python3
"""Torture: rounds of a storm of requests on servers that die, each compared with a model of the book.

    torture.py [--rounds N] [--seed S] [--seconds T]

One round: two ledgerd processes and a PostgreSQL of their own; callers hold, settle, release, extend, post
records and check; ledgerd is killed, PostgreSQL is shut down at once or killed, connections are cut, requests
are sent twice and in any order. Then all is asked that is not known yet, and the whole book is compared: what was
acknowledged is there, what was refused is not, nothing is there twice. LEDGER_SEED is the default seed.
"""

import argparse
import asyncio
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import book
import ledger_test as lt
import servers
import storm
from asking import World
from model import SHORT_SECONDS, Model, Wrong, same

CALLERS = 12
ROUNDS_OF_A_BOOK = 10
GRANTS = {"hp1": 1000000, "hp2": 1000000, "hp3": 1000000, "poor": 8}
OVERDRAFTS = {"poor": 2}
OF_EACH = ("made", "refused", "lost", "503", "tokens", "job", "settle", "part", "release")  # twice in a round


class Torture:
    """A book, its servers and its model, over a number of rounds."""

    def __init__(self, seed):
        self.seed, self.round = seed, 0
        self.postgres = servers.Postgres()
        os.environ["LEDGER_TEST_PG"] = self.postgres.conninfo
        self.clock = servers.Clock()
        self.open_book()

    def open_book(self):
        self.db = book.make_book(self.clock, GRANTS, OVERDRAFTS)
        self.model = Model(GRANTS)
        self.daemons = [servers.Daemon(self.db, self.clock) for _ in range(2)]
        for daemon in self.daemons:
            daemon.start()
        self.jobs = []

    def close_book(self):
        for daemon in self.daemons:
            daemon.stop()
        lt.drop_db(self.db)

    def end(self):
        for daemon in self.daemons:
            if daemon.running is not None and daemon.running.exit_code is None:
                daemon.crash()
        self.postgres.remove()

    # --- faults ------------------------------------------------------------------------------------

    async def kill_ledgerd(self, dice):
        daemon = dice.choice(self.daemons)
        daemon.must_live()
        await servers.aside(daemon.crash)
        await asyncio.sleep(dice.uniform(0, 0.3))
        await servers.aside(daemon.start)

    async def stop_postgres(self, dice):
        await servers.aside(self.postgres.crash, dice.choice((servers.QUIT, servers.KILL)))
        await asyncio.sleep(dice.uniform(0, 0.5))
        await servers.aside(self.postgres.resume)

    async def kill_backend(self, dice):
        """PostgreSQL ends everybody's connections and recovers when one of its processes is killed."""
        backends = await servers.aside(self.postgres.backends_of, self.db.rsplit("=", 1)[1])
        if backends:
            os.kill(dice.choice(sorted(backends)), servers.KILL)
        await servers.aside(self.postgres.until_it_answers)

    async def end_connections(self, _dice):
        await servers.aside(lt.psql, self.postgres.conninfo,
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 't_torture%'")

    async def kill_both(self, dice):
        daemon = dice.choice(self.daemons)
        await servers.aside(daemon.crash)
        await servers.aside(self.postgres.crash, servers.KILL)
        await servers.aside(self.postgres.resume)
        await servers.aside(daemon.start)

    async def faults(self, world, dice, seconds):
        """One after the other until the time is up, longer on a slow machine; at its end everything runs again."""
        now = asyncio.get_running_loop().time
        until = now() + seconds
        at_most = until + 5 * seconds * lt.SLOWDOWN
        kinds = [self.kill_ledgerd, self.stop_postgres, self.kill_backend, self.end_connections, self.kill_both]
        while now() < until or (now() < at_most and any(world.counts.get(what, 0) < 2 for what in OF_EACH)):
            await asyncio.sleep(dice.uniform(0.2, 1.6))
            fault = dice.choices(kinds, (4, 4, 2, 2, 1))[0]
            world.count(f"fault {fault.__name__}")
            await fault(dice)
        world.over = True

    # --- one round ---------------------------------------------------------------------------------

    async def storm(self, seconds):
        world = World(self.model, [d.port for d in self.daemons], list(GRANTS), self.jobs)
        seed = f"{self.seed}/{self.round}"
        callers = [storm.Caller(world, seed, f"{self.round}.{i}") for i in range(CALLERS)]
        tasks = [asyncio.ensure_future(t) for t in
                 [self.faults(world, random.Random(seed), seconds)] + [c.run() for c in callers]]
        try:
            await asyncio.gather(*tasks)
            await self.ask_what_is_unknown(world, callers[0])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for caller in callers:
                caller.close()
        return world

    async def ask_what_is_unknown(self, world, caller):
        later, world.later = world.later, []
        caller.dice.shuffle(later)
        await asyncio.gather(*[caller.finish(request) for request in later])
        await servers.aside(self.restart)
        doubtful, world.doubtful = world.doubtful, []
        for hold in doubtful:
            request = caller.hold_request(hold)
            request.unsure = True
            await caller.finish(request)

    def restart(self):
        """A clean end of both, so that nothing is on its way any more."""
        for daemon in self.daemons:
            daemon.must_live()
            daemon.stop()
        lt.eventually(lambda: lt.scalar(self.postgres.conninfo, """
            SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 't_torture%'""") == "0", 60)
        for daemon in self.daemons:
            daemon.start()

    def compare(self):
        self.model.compare(self.db)
        for project in GRANTS:
            same(f"balance of {project}", self.model.position(project), self.balance(project))
            self.compare_answers(project)
        posted, accrued, held = self.model.position("poor").values()
        if posted - accrued - held + OVERDRAFTS["poor"] * 1000000 < 0:
            raise Wrong(f"poor is below its overdraft: {posted} posted, {held} held")
        self.compare_lookups(random.Random(f"{self.seed}/{self.round}/lookups"))
        book.must_be_sound(self.db, self.clock.now())

    def balance(self, project):
        """A second from now: what the short holds reserve is free again."""
        sheet = lt.ctl_json(["balance", project], db=self.db, now=self.clock.at(SHORT_SECONDS).isoformat())
        return {field: book.micro(sheet[field]) for field in ("posted", "accrued", "held")}

    def compare_answers(self, project):
        """Both servers, from the book and from memory."""
        posted, accrued, held = self.model.position(project).values()
        available = book.points(posted - accrued - held + OVERDRAFTS.get(project, 0) * 1000000)
        for daemon in self.daemons:
            for path in (f"/v1/projects/{project}/balance", f"/v1/check?project={project}&points=1"):
                answers = []

                def agrees(daemon=daemon, path=path, answers=answers):
                    answers.append(daemon.running.get_json(path)["available"])
                    return answers[-1] == available
                try:
                    lt.eventually(agrees, 5)
                except AssertionError:
                    raise Wrong(f"{path}: {answers[-1]} available, not {available}") from None

    def compare_lookups(self, dice):
        daemon = dice.choice(self.daemons).running
        for key in dice.sample(sorted(self.model.holds), min(20, len(self.model.holds))):
            hold = self.model.holds[key]
            found = daemon.get_json(f"/v1/holds/{dice.choice((hold.id, 'key:' + key))}")
            states = ("expired", "settled") if hold.short() else (hold.state,)
            if found["hold"] != hold.id or book.micro(found["points"]) != hold.points or found["state"] not in states:
                raise Wrong(f"{key}: {found}, not {hold.id} {hold.points} {hold.state}")
        for key in dice.sample(sorted(self.model.refused), min(10, len(self.model.refused))):
            reply = daemon.get(f"/v1/holds/key:{key}")
            if reply.status != 404:
                raise Wrong(f"{key} was refused and is found: {reply.status} {reply.text}")

    def one_round(self, seconds):
        """What happened, counted."""
        self.round += 1
        if self.round % ROUNDS_OF_A_BOOK == 0:
            self.close_book()
            self.open_book()
        started = time.monotonic()
        world = asyncio.run(self.storm(seconds))
        stormed = time.monotonic() - started
        self.compare()
        told = ", ".join(f"{number} {what}" for what, number in sorted(world.counts.items()))
        print(f"round {self.round}: {stormed:.1f} + {time.monotonic() - started - stormed:.1f} s, slowest answer "
              f"{world.slowest[0]:.1f} s ({world.slowest[1].split()[0]}); {told}", flush=True)
        return world.counts


def run(rounds, seed, seconds):
    """The counts of each round; raises where the book is not what it must be."""
    print(f"LEDGER_SEED={seed}", flush=True)
    torture, totals = Torture(seed), []
    try:
        for _ in range(rounds):
            totals.append(torture.one_round(seconds))
    except BaseException:
        print(f"round {torture.round} failed; LEDGER_SEED={seed}", file=sys.stderr, flush=True)
        raise
    finally:
        torture.end()
    return totals


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", default=os.environ.get("LEDGER_SEED") or str(random.SystemRandom().randrange(10**9)))
    parser.add_argument("--seconds", type=float, default=8)
    options = parser.parse_args()
    run(options.rounds, options.seed, options.seconds)
    print(f"torture: {options.rounds} rounds, nothing lost, nothing twice")


if __name__ == "__main__":
    main()
