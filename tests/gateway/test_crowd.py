"""Two hundred streams at once for a project that can afford fifty: no overspend beyond the stated bound, the refused pay nothing."""

import os
import sys
import threading
import unittest

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"), os.path.dirname(os.path.abspath(__file__))]
import ledger_test as lt  # noqa: E402
import model_server  # noqa: E402
from gateway_site import CHAT, MICRO, Site  # noqa: E402
from openai_client import OpenAiClient  # noqa: E402

STREAMS = 200
AFFORDABLE = 50
TOKENS = 10  # of each: ten points
POINTS = AFFORDABLE * TOKENS
BODY = {**CHAT, "model": "dear", "stream": True, "max_tokens": TOKENS}


class Crowd(unittest.TestCase):
    def crowd(self, tokens=TOKENS, **settings):
        """All at once, none of whose streams ends before every other was answered: (served, refused, the site's book)."""
        site = Site(projects={"small": str(POINTS)}, members=[("small", "alice")], **settings)
        self.addCleanup(site.stop)
        site.start()
        key = site.key("alice", "small")
        gate = threading.Event()
        with OpenAiClient() as client:
            if "lease" in settings:
                lt.eventually(lambda: self.runs_on_a_lease(site, client, key), 30)
            before = set(site.journal())
            asked = [site.prepare(key, "chat.completions", BODY, model_server.stream(tokens, gate=gate)) for _ in range(STREAMS)]
            waits = [client.begin(one) for one in asked]

            def answered():
                started = sum(bool(site.seen(one).requests) for one in asked)
                return started + client.finished() >= STREAMS
            try:
                lt.eventually(answered, 60)
            finally:
                gate.set()
            told = site.wait_all(zip(asked, waits))
        served = [report for report in told if report["status"] == 200]
        refused = [(one, report) for one, report in zip(asked, told) if report["status"] != 200]
        for one, report in refused:
            self.assertEqual((report["status"], report["error"]["code"], len(report["attempts"])), (402, "insufficient_points", 1))
            self.assertEqual(site.seen(one).requests, [], "the model was asked for a refused one")
        self.assertEqual(len(served), sum(bool(site.seen(one).requests) for one in asked))
        self.assertEqual(len(site.settled(60, leases="lease" in settings)), len(before) + len(served))
        return site, served, site.book()

    def runs_on_a_lease(self, site, client, key):
        """Asks once more; whether a lease was there for it."""
        told = site.ask(client, key, "chat.completions", BODY, model_server.stream(TOKENS))
        self.assertEqual(told["status"], 200, told["error"])
        site.settled(60, leases=True)
        held_by = site.journal()[told["record"]]["hold"]
        return lt.scalar(site.db, f"SELECT parts FROM ledger.hold WHERE 'h_' || hold_no = '{held_by}'") == "0"

    def test_exactly_the_affordable_are_served(self):
        site, served, book = self.crowd()
        self.assertEqual(len(served), AFFORDABLE)
        self.assertEqual(sum(record["points"] for record in book.values()), POINTS * MICRO)
        self.assertEqual(site.balance("small")["available"], 0)
        site.check_books(self)

    def test_streams_that_run_past_their_holds_overspend_by_that_and_no_more(self):
        beyond = 3
        site, served, book = self.crowd(tokens=TOKENS + beyond)
        self.assertEqual(len(served), AFFORDABLE)
        self.assertEqual(sum(record["points"] for record in book.values()), AFFORDABLE * (TOKENS + beyond) * MICRO)
        self.assertEqual(site.balance("small")["available"], -AFFORDABLE * beyond * MICRO)
        site.check_books(self)

    def test_leases_promise_no_more_than_the_project_has(self):
        site, served, book = self.crowd(lease={"points": "100", "refill_below": "30", "ttl": "20s", "idle": "5s", "comfortable": 2})
        spent = sum(record["points"] for record in book.values())
        self.assertLessEqual(spent, POINTS * MICRO)
        # What a lease has not promised may be refused meanwhile; the rest must not be.
        self.assertGreaterEqual(spent, (POINTS - 2 * 100) * MICRO)
        self.assertEqual(len(book), spent // (TOKENS * MICRO))
        self.assertGreater(len(served), 0)
        site.check_books(self)


if __name__ == "__main__":
    unittest.main()
