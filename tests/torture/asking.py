"""Asking until the fate is known: what a caller does when connections break and servers die.

The schedule (who does what, when servers die) follows from the seed; the order in which the servers see it
does not, and need not: the model only keeps what was answered.
"""

import asyncio
import random

import wire
from model import Wrong

RETRY_SECONDS = 0.05
CUT_CHANCE, TWICE_CHANCE, LATER_CHANCE = 0.08, 0.10, 0.05


class Request:
    """Something that is asked until its fate is known.

    known: statuses that settle it. done(answers, unsure): what to note then; unsure: some attempt ended without
    an answer, so it may have been done already when it was answered.
    """

    def __init__(self, label, data, known, done):
        self.label, self.data, self.known, self.done = label, data, known, done
        self.answers, self.unsure = [], False


class World:
    """What all callers share."""

    def __init__(self, model, ports, projects, jobs):
        self.model, self.ports, self.projects = model, ports, projects
        self.rich = [p for p in projects if p != "poor"]
        self.jobs = jobs    # running: (id, project, gpus, hundredths of an hour, hold)
        self.later = []     # requests whose fate is asked for at the end
        self.doubtful = []  # holds that were refused after an attempt without an answer
        self.counts = {}
        self.slowest = (0, "")  # answer: (seconds, what was asked)
        self.over = False

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1


class Asker:
    """One caller with its own dice and connections to each server."""

    def __init__(self, world, seed, name):
        self.world, self.model, self.name = world, world.model, name
        self.dice = random.Random(f"{seed}/{name}")
        self.idle = {port: [] for port in world.ports}
        self.serial = 0

    def close(self):
        for connections in self.idle.values():
            for connection in connections:
                connection.close()

    def fresh(self, what):
        self.serial += 1
        return f"{what}-{self.name}-{self.serial}"

    # --- sending -----------------------------------------------------------------------------------

    async def once(self, request):
        """One attempt on either server: the answer that settles the request, or None."""
        port = self.dice.choice(self.world.ports)
        connection = self.idle[port].pop() if self.idle[port] else wire.Connection(port)
        cut_at = self.dice.randrange(0, 600) if self.dice.random() < CUT_CHANCE and not self.world.over else None
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        try:
            answer = await connection.ask(request.data, cut_at)
        except wire.Lost:
            self.world.count("lost")
            request.unsure = True
            return None
        except wire.Overdue as problem:
            raise Wrong(f"{request.label}: {problem}") from None
        finally:
            self.idle[port].append(connection)
            self.world.slowest = max(self.world.slowest, (clock() - asked_at, request.label))
        return self.judge(request, answer)

    def judge(self, request, answer):
        """The answer if it settles the request; None if it has to be asked again."""
        if answer.status in request.known and answer.code() != "key_in_flight":
            return answer
        if answer.status == 503:
            self.world.count("503")
            request.unsure = True
            return None
        if answer.status == 409 and answer.code() == "key_in_flight":
            self.world.count("in flight")
            return None
        raise Wrong(f"{request.label}: {answer}\n  asked: {request.data.decode()}")

    async def until_known(self, request, patient=True):
        """Asks until the fate is known; not patient: after one attempt it may be left for later."""
        while True:
            answer = await self.once(request)
            if answer is not None:
                request.answers.append(answer)
                return True
            if not patient and self.dice.random() < LATER_CHANCE:
                return False
            await asyncio.sleep(RETRY_SECONDS)

    async def perform(self, request, twice=None, patient=False):
        """True once it is known and noted; False if it is left for later."""
        if twice is None:
            twice = self.dice.random() < TWICE_CHANCE
        if twice:
            await asyncio.gather(self.until_known(request), self.until_known(request))
        elif not await self.until_known(request, patient):
            self.world.later.append(request)
            self.world.count("later")
            return False
        request.done(request.answers, request.unsure)
        self.world.count(request.label.split()[0])
        return True

    async def finish(self, request):
        """The end of what was left for later."""
        await self.until_known(request)
        request.done(request.answers, request.unsure)
