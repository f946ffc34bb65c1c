"""A running ledgerd answers as the model does, whose book was made by other programs.

A book is made by some random moves of the model check. Then a daemon is started on it, and checks, holds,
settlements, releases and records go over HTTP in random order; every answer and, at the end, the whole book
are compared with the oracle's. The daemon's time stands at an instant with no edge near it.
"""

import json
import os
import random
import sys
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import ledger_test as lt  # noqa: E402
from book_moves import Moves, hours, prologue, seconds, stamp  # noqa: E402
from book_parts import instant, points  # noqa: E402
from book_player import Difference, Driver, Player  # noqa: E402

SEED = int(os.environ.get("LEDGER_SEED", "1"))
BOOKS = int(os.environ.get("LEDGER_SEQUENCES", "3"))
MOVES = 70
REQUESTS = 100
MORE_THAN_ANY = 90_000_000  # points: an answer that names every limit there is
QUIET = seconds(900)  # far longer than a book's requests take
STATUS = {"insufficient_points": 402, "no_active_grant": 402, "project_limit": 402, "user_limit": 402,
          "share_cap": 402, "project_closed": 403, "not_a_member": 403, "unknown_project": 404}
ENDED = {0: 200, "unknown_hold": 404, "hold_resolved": 409, "key_differs": 422}


class Requests:
    """The model's moves over HTTP."""

    def __init__(self, player, daemon, rng):
        self.player, self.book, self.daemon, self.rng = player, player.book, daemon, rng

    def same(self, what, given, wanted):
        if given != wanted:
            raise Difference(f"{what}: {given}, not {wanted}")

    def check(self, move):
        """Commits of this daemon are seen at once, all others within a second: the answer is waited for."""
        wanted = self.book.check(move["project"], points(move["points"]), move.get("user") or "")
        query = {k: v for k, v in move.items() if k in ("project", "points", "user") and v}
        seen = []

        def agrees():
            answer = self.daemon.get_json("/v1/check?" + urllib.parse.urlencode(query))
            seen[:] = [(answer["reason"], {(v["limit"], v["name"], points(v["available"]))
                                           for v in answer["violated"]})]
            return seen[0] == wanted
        try:
            lt.eventually(agrees)
        except AssertionError:
            raise Difference(f"check {move}: {seen[0]}, not {wanted}") from None

    def catch_up(self):
        """Share caps are judged by what the daemon knows, which may be a second old: until it knows."""
        for name, project in self.book.projects.items():
            if not project.is_service:
                user = min(project.members, default="")
                self.check({"project": name, "points": str(MORE_THAN_ANY), "user": user})

    def hold(self, move):
        ttl = max(move["ttl"], 86400)
        said, hold, refusal = self.book.hold_make(move["project"], points(move["points"]), move.get("user") or "",
                                                  move.get("key", ""), ttl * 1_000_000, move["parts"])
        body = {"project": move["project"], "points": move["points"], "parts": move["parts"], "ttl": f"{ttl}s"}
        if move.get("user"):
            body["user"] = move["user"]
        reply = self.daemon.post("/v1/holds", body, {"Idempotency-Key": move["key"]} if move.get("key") else {})
        answer = reply.json()
        if refusal is not None:
            given = {(v["limit"], v["name"], points(v["available"])) for v in answer["decision"]["violated"]}
            self.same(f"hold {body}", (reply.status, answer["code"], given), (STATUS[refusal[0]], *refusal))
        elif hold is not None:
            self.same(f"hold {body}", (reply.status, points(answer["held"])), (201, hold.points))
            hold.number, hold.expires = int(answer["hold"][2:]), instant(answer["expires_at"])
        else:
            self.same(f"hold {body}", reply.status, 422 if said.status else 200)

    def ended(self, what, said, name, act, body, headers=None):
        reply = self.daemon.post(f"/v1/holds/{urllib.parse.quote(name)}/{act}", body, headers)
        self.same(what, reply.status, ENDED[said.reasons[0] if said.reasons else 0])
        return reply.json()

    def settle(self, move):
        name, key = self.player.hold_name(move), move.get("part", "")
        said, figures = self.book.hold_settle(name, points(move["points"]), not key, key)
        body = {"points": move["points"], "final": not key}
        answer = self.ended(f"settle {move}", said, name, "settle", body, {"Idempotency-Key": key} if key else {})
        if figures is not None:
            given = {k: points(v) if isinstance(v, str) else v for k, v in answer["result"].items()}
            self.same(f"settle {move}", given, figures)
            self.catch_up()

    def release(self, move):
        name = self.player.hold_name(move)
        self.ended(f"release {move}", self.book.hold_release(name), name, "release", {})
        self.catch_up()

    def records(self, move):
        records = [self.player.with_hold(record) for record in move["records"]]
        fates = [self.book.import_one(record) for record in records]
        text = "".join(json.dumps(record) + "\n" for record in records)
        reply = self.daemon.request("POST", "/v1/usage", text, {"Content-Type": "application/x-ndjson"})
        if reply.status == 409:  # a single record that conflicts
            entry = self.book.quarantine.get((records[0]["source"], records[0]["id"]))
            self.same(f"usage {records}", (fates, entry and entry.reasons), (["quarantined"], ["conflict"]))
            return
        names = ("booked", "amended", "duplicate", "quarantined")
        self.same(f"usage {records}", {name: reply.json().get(name) for name in names},
                  {name: fates.count(name) for name in names})
        self.catch_up()

    def balance(self, name):
        wanted = self.book.balance(name)
        answer = self.daemon.get_json(f"/v1/projects/{name}/balance")
        for key in ("posted", "accrued", "held", "available", "overdraft"):
            self.same(f"balance of {name}: {key}", points(answer[key]), wanted[key])


class ModelHttpTest(unittest.TestCase):
    def setUp(self):
        self.driver = Driver()
        self.addCleanup(self.driver.close)

    def make_book(self, seed):
        player = Player(self.driver, lt.create_db("modelhttp"))
        drawing = Moves(f"http{seed}", player.book)
        for move in prologue(drawing.rng):
            player.play(move)
        for _ in range(MOVES):
            player.play(drawing.next())
        for name, project in player.book.projects.items():
            if not project.is_service:  # so that there is something to ask for
                player.play({"now": stamp(drawing.now), "verb": "overdraft", "project": name, "points": "300"})
        self.find_quiet(player, drawing)
        return player, drawing

    def find_quiet(self, player, drawing):
        """Goes on to an instant after which nothing begins or ends for some time."""
        book = player.book
        while True:
            edges = [e for p in book.projects.values() for e in p.purse.edges] + [h.expires for h in book.holds] + \
                [p.begin for p in book.policies] + [c["from"] for c in book.cards]
            same_day = book.calendar.day(drawing.now) == book.calendar.day(drawing.now + QUIET)
            if same_day and not any(drawing.now < edge <= drawing.now + QUIET for edge in edges):
                break
            drawing.now += hours(1)
        player.now = stamp(drawing.now)
        book.advance(drawing.now)
        player.compare_all()

    def ask(self, requests, drawing):
        """One random request; the model's moves are drawn as usual, but time stands still."""
        kind = requests.rng.choices(("check", "hold", "settle", "release", "records"), (40, 30, 12, 6, 12))[0]
        move = getattr(drawing, kind)()
        if move is not None:
            getattr(requests, kind)(move)

    def run_book(self, seed):
        player, drawing = self.make_book(seed)
        with lt.start_ledgerd(player.db, now=player.now) as daemon:
            requests = Requests(player, daemon, random.Random(f"requests{seed}"))
            for _ in range(REQUESTS):
                self.ask(requests, drawing)
            for name in player.book.projects:
                requests.balance(name)
        for name in player.book.projects:
            player.compare_balance(name)
        player.compare_holds()
        player.compare_quarantine()
        player.compare_accounts()
        player.compare_months()
        player.verify()

    def test_a_running_daemon_answers_as_the_model_does(self):
        for seed in range(SEED, SEED + BOOKS):
            try:
                self.run_book(seed)
            except Difference as difference:
                raise AssertionError(f"LEDGER_SEED={seed}: {difference}") from difference


if __name__ == "__main__":
    unittest.main()
