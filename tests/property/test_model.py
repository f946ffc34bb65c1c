"""Every verb in random order on the real book and on a plain model of it: they must agree after each one.

A sequence of moves is played on a fresh book. After each move the verb's exit code, reason and figures
and the touched projects' balances, grants and remainders are compared; every few moves all projects, their
limits, the quarantine, every account, the sum of all of them, and what `verify` says. A sequence that fails
is made short, by leaving moves out for as long as it still fails in the same place, and printed with its seed.

LEDGER_SEED is the first sequence's seed, LEDGER_SEQUENCES how many are played, LEDGER_STEPS the moves of each.
"""

import collections
import json
import os
import random
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import ledger_test as lt  # noqa: E402
from book_moves import PROLOGUE_MOVES, Moves, prologue  # noqa: E402
from book_player import Difference, Driver, Player  # noqa: E402

SEED = int(os.environ.get("LEDGER_SEED", "1"))
SEQUENCES = int(os.environ.get("LEDGER_SEQUENCES", "12"))
STEPS = int(os.environ.get("LEDGER_STEPS", "170"))
ALL_EVERY = 20
STEPS_THAT_REACH_ALL = 2000
REACHED = {  # ends that a run of that many moves must have seen, or the moves no longer test what they should
    **{verb: (0,) for verb in ("policy", "rates", "adjust", "project", "alias", "member", "overdraft", "limit",
                               "extend", "release", "prolong", "check")},
    "grant": (0, 2, "over_pool", "key_differs"), "revoke": (0, "grant_over", "over_remaining"),
    "transfer": (0, "insufficient_points", "other_share"), "refund": (0, "over_charge", "nothing_to_refund"),
    "import": ("booked", "amended", "duplicate", "quarantined"), "slurm": ("booked", "amended", "duplicate"),
    "retry": ("quarantined",), "hold": (0, 1, "insufficient_points", "key_differs"),
    "settle": (0, "hold_resolved"), "sweep": (0,), "begin": (0,),
    "shut": (0, "month_open", "month_over", "order", "quarantine"),
}
SHRINK_TRIES = int(os.environ.get("LEDGER_SHRINK", "150"))


def kind_of(difference):
    """What two differences of the same cause have in common: the words that they begin with."""
    return re.sub(r"[^a-z ]", "", difference.lower())[:20]


def job(identity, start, end, **more):
    return {"source": "slurm:a", "id": identity, "project": "h1", "class": "gpu", "user": "", "qos": "normal",
            "start": start, "end": end, "state": "final", "outcome": "completed", "meters": {"gpu": "1"}, **more}


def tokens(identity, at):
    return {"source": "gateway:b", "id": identity, "project": "h1", "class": "llm", "user": "", "start": at,
            "end": at, "state": "final", "outcome": "completed", "meters": {"input_tokens": "50000000"}}


def on(day, clock, verb, **move):
    return {"now": f"2027-06-{day:02}T{clock}:00+09:00", "verb": verb, **move}


def closing(month):
    return {"now": "2027-07-01T00:00:00+09:00", "verb": "shut", "month": month, "check": False,
            "quarantine": True, "quiet": True}


NOON = "2027-06-01T12:00:00+09:00"
KEPT = {
    "a service that came later": [
        on(2, "00:00", "import", records=[tokens("t", NOON)]),
        on(3, "00:00", "project", project="svc", services=["gateway:*/llm"]),
        on(4, "00:00", "refund", source="gateway:b", id="t")],
    "a hold that is settled in part when its deadline has passed": [
        on(2, "00:00", "hold", project="h1", points="10", ttl=60, parts=1, key="k"),
        on(2, "01:00", "settle", key="k", points="3", part="one"),
        on(2, "01:10", "settle", key="k", points="3", part="one"),
        on(2, "02:00", "settle", key="k", points="4")],
    "a grant that begins between a record and a settlement": [
        on(2, "00:00", "hold", project="h1", points="9", ttl=864000, parts=1, key="k"),
        on(2, "00:10", "import", records=[job("a", "2027-06-01T00:00:00+09:00", NOON)]),
        on(3, "00:00", "settle", key="k", points="3"),
        on(4, "00:00", "grant", project="h1", points="14", **{"from": "2027-06-02T12:00:00+09:00"})],
    "running work that covers more parts than are left": [
        on(2, "00:00", "hold", project="h1", points="10", ttl=864000, parts=2, key="k"),
        on(2, "08:00", "import", records=[job("a", NOON, "2027-06-02T08:00:00+09:00", state="running", hold="k")]),
        on(2, "08:10", "import", records=[job("b", NOON, "2027-06-02T08:00:00+09:00", state="running", hold="k")]),
        on(2, "08:20", "import", records=[job("c", NOON, "2027-06-01T13:00:00+09:00", hold="k")]),
        on(2, "09:20", "import", records=[job("a", NOON, "2027-06-02T09:00:00+09:00", hold="k")])],
    "running work that says how it will end, when its month closes": [
        on(30, "00:00", "import", records=[job("a", NOON, "2027-06-29T00:00:00+09:00", state="running",
                                               outcome="requeued")]),
        *(closing(month) for month in ("2027-04", "2027-05", "2027-06", "2027-06")),
        {"now": "2027-07-02T00:00:00+09:00", "verb": "import", "records": [
            job("a", NOON, "2027-07-01T12:00:00+09:00", outcome="requeued")]}],
}


class Sequence:
    """A book of its own, and the moves that were played on it."""

    def __init__(self, driver):
        self.db = lt.create_db("model")
        self.player = Player(driver, self.db)
        self.played = []

    def play(self, move):
        self.played.append(move)
        self.player.play(move)
        if len(self.played) % ALL_EVERY == 0:
            self.player.compare_all()

    def finish(self):
        self.player.compare_all()
        self.player.verify()

    def close(self, driver):
        driver.ask(db=lt.server())  # a database that is in use cannot be dropped
        lt.drop_db(self.db)


class ModelTest(unittest.TestCase):
    def setUp(self):
        self.driver = Driver()
        self.addCleanup(lambda: self.driver.close())

    def run_moves(self, moves):
        """What differs when these moves are played; None if nothing does."""
        sequence = Sequence(self.driver)
        try:
            for move in moves:
                sequence.play(move)
            sequence.finish()
            return None
        except Difference as difference:
            return str(difference)
        finally:
            self.close(sequence)

    def close(self, sequence):
        if self.driver.process.poll() is not None:
            self.driver.close()
            self.driver = Driver()
        sequence.close(self.driver)

    def draw_and_run(self, seed, outcomes):
        """(the moves, what differs after the last of them or None)."""
        sequence = Sequence(self.driver)
        try:
            drawing = Moves(seed, sequence.player.book)
            for move in prologue(drawing.rng):
                sequence.play(move)
            for _ in range(STEPS):
                sequence.play(drawing.next())
            sequence.finish()
            return sequence.played, None
        except Difference as difference:
            return sequence.played, str(difference)
        finally:
            outcomes.update(sequence.player.outcomes)
            self.close(sequence)

    def shrink(self, moves, difference):
        """The shortest sequence that differs in the same way, of those that leaving out runs of moves gives."""
        tries, size = SHRINK_TRIES, max(1, len(moves) // 2)
        while size > 0 and tries > 0:
            at, shorter = PROLOGUE_MOVES, False  # the prologue stays
            while at < len(moves) - 1 and tries > 0:
                candidate = moves[:at] + moves[at + size:]
                tries -= 1
                if kind_of(self.run_moves(candidate) or "") == kind_of(difference):
                    moves, shorter = candidate, True
                else:
                    at += size
            if not shorter or size > 1:
                size //= 2
        return moves

    def test_sequences_that_once_told_the_two_apart(self):
        for name, moves in KEPT.items():
            with self.subTest(name):
                self.assertIsNone(self.run_moves([*prologue(random.Random(1)), *moves]))

    def test_any_sequence_of_verbs_leaves_the_book_that_the_model_has(self):
        steps, outcomes = 0, collections.Counter()
        for seed in range(SEED, SEED + SEQUENCES):
            moves, difference = self.draw_and_run(seed, outcomes)
            steps += len(moves)
            if difference is not None:
                short = self.shrink(moves, difference)
                lines = "\n".join(json.dumps(move) for move in short)
                self.fail(f"LEDGER_SEED={seed}: after {len(moves)} moves: {difference}\n"
                          f"{len(short)} of them are enough:\n{lines}\n{self.run_moves(short)}")
        if steps >= STEPS_THAT_REACH_ALL:
            self.assertEqual(set(), {(verb, end) for verb in REACHED for end in REACHED[verb]} - set(outcomes))
        if os.environ.get("LEDGER_OUTCOMES"):
            print("\n".join(f"{count:6} {verb}: {end}" for (verb, end), count in sorted(
                outcomes.items(), key=str)), file=sys.stderr)
        print(f"{steps} moves of {SEQUENCES} sequences from seed {SEED}", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
