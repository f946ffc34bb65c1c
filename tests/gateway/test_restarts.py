"""Whatever dies, and however often the same is delivered: the book equals the journal, once."""

import json
import os
import random
import sys
import time
import unittest

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"), os.path.dirname(os.path.abspath(__file__))]
import ledger_test as lt  # noqa: E402
import model_server  # noqa: E402
from gateway_site import CHAT, SOURCE, Site  # noqa: E402
from openai_client import OpenAiClient  # noqa: E402

STREAM = {**CHAT, "stream": True}


def answers(count, pause=0.0):
    """Plain answers and streams by turns, each of other counts."""
    return [model_server.stream(10 + n, pause=pause) if n % 2 else model_server.plain(model_server.usage_document(n + 1, 2 * n + 1))
            for n in range(count)]


class Restarts(unittest.TestCase):
    def setUp(self):
        self.site = Site(models={"llm": {"max_output_tokens": 100}, "served": {"posture": "open"}}, open_budget_points="1",
                         posture="closed", ttl="60s")
        self.addCleanup(self.site.stop)
        self.site.start()
        self.key = self.site.key("alice", "rich")
        self.client = OpenAiClient()
        self.addCleanup(self.client.stop)

    def begin(self, count, pause=0.0, retries=0):
        """[(request, function that waits for its report)] of so many requests at once."""
        asked = [self.site.prepare(self.key, "chat.completions", {**CHAT, "stream": answer.events is not None}, answer, retries=retries)
                 for answer in answers(count, pause)]
        return [(request, self.client.begin(request)) for request in asked]

    def finish(self, begun):
        """The reports, and the ids of those that were served whole."""
        told = self.site.wait_all(begun)
        self.site.served -= {report["record"] for report in told if report["error"]}
        return told, {report["record"] for report in told if report["status"] == 200 and report["error"] is None}

    def test_ledgerd_is_killed_and_restarted_while_requests_run(self):
        begun = self.begin(20, pause=0.2)
        lt.eventually(lambda: all(self.site.seen(request).requests for request, _ in begun), 30)
        self.site.ledgerd.kill()
        told, served = self.finish(begun)
        self.assertEqual(len(served), 20, [report["error"] for report in told])
        self.assertEqual(len(self.site.journal()), 20)
        self.site.start_ledgerd()
        self.assertEqual(set(self.site.settled(60)), served)
        self.site.check_books(self)

    def test_while_ledgerd_is_away_nobody_is_served_who_may_not_be(self):
        """Closed: refused at once, in one attempt; and served again when it is back."""
        first, _ = self.finish(self.begin(2))
        self.assertEqual([report["status"] for report in first], [200, 200])
        self.site.ledgerd.kill()
        for streamed in (False, True):
            told = self.site.ask(self.client, self.key, "chat.completions", {**CHAT, "stream": streamed}, model_server.plain(None))
            self.assertEqual((told["status"], len(told["attempts"]), told["seen"].requests), (503, 1, []), told)
            self.assertEqual(told["attempts"][0]["headers"]["x-should-retry"], "false")
        self.site.start_ledgerd()
        lt.eventually(lambda: self.finish(self.begin(1))[0][0]["status"] == 200, 30)
        self.site.check_books(self)

    def test_nginx_is_reloaded_while_streams_run(self):
        begun = self.begin(20, pause=0.1)
        lt.eventually(lambda: all(self.site.seen(request).requests for request, _ in begun), 30)
        self.site.nginx.reload()
        more = self.begin(10, retries=2)  # nginx closes idle connections, which the client may have been about to use
        told, served = self.finish(begun + more)
        self.assertEqual(len(served), 30, [report["error"] or report["status"] for report in told])
        self.assertEqual(set(self.site.settled(60)), served)
        self.site.check_books(self)

    def test_nginx_is_restarted_right_behind_the_last_answer(self):
        """The queue may die with it; the journal has all."""
        _, served = self.finish(self.begin(20))
        self.site.nginx.stop(patient=False)
        self.site.nginx.start()
        _, more = self.finish(self.begin(5))
        self.assertEqual(len(served | more), 25)
        self.assertEqual(set(self.site.settled(60)), served | more)
        self.site.check_books(self)

    def test_nginx_is_killed_right_behind_the_last_answer(self):
        _, served = self.finish(self.begin(20))
        lt.eventually(lambda: served <= set(self.site.journal()), 10)  # each line is written when its answer has ended
        self.site.nginx.kill()
        self.site.nginx.start()
        self.assertEqual(set(self.site.settled(60)), served)
        self.site.check_books(self)

    def test_nginx_is_killed_while_streams_run(self):
        """What had not ended leaves no line: its hold runs out by itself, what had ended is booked."""
        _, served = self.finish(self.begin(6))
        begun = self.begin(10, pause=0.3)
        lt.eventually(lambda: all(self.site.seen(request).events > 2 for request, _ in begun
                                  if self.site.seen(request).requests and request["body"]["stream"]), 30)
        self.site.nginx.kill()
        told, more = self.finish(begun)
        self.assertTrue(any(report["error"] for report in told))
        self.site.nginx.start()
        lt.eventually(lambda: set(self.site.journal()) <= set(self.site.book()), 60)
        self.assertEqual(set(self.site.book()), set(self.site.journal()))
        self.assertLessEqual(served | more, set(self.site.book()))
        # Whoever was cut off holds what it asked for until the deadline that it gave, and not longer.
        for key, project, held, parts in self.site.holds():
            self.assertTrue(key.startswith("gw/") and project == "rich" and parts == 1 and held > 0, (key, held))
        lt.eventually(lambda: self.site.balance("rich")["held"] == 0, 5 * 60)
        self.site.ctl("verify")

    def test_the_journal_is_rotated_while_requests_run(self):
        begun = self.begin(20, pause=0.1)
        for turn in range(3):
            time.sleep(0.3)
            os.rename(self.site.journal_path, f"{self.site.journal_path}.{3 - turn}")
            self.site.nginx.reopen()
            lt.eventually(lambda: os.path.exists(self.site.journal_path), 30)
        _, served = self.finish(begun)
        self.assertEqual(set(self.site.settled(60)), served)
        self.site.check_books(self)

    def test_the_journal_alone_is_enough_also_when_it_is_cut_in_mid_line(self):
        """Without the queue: nginx is gone before ledgerd comes back; a line stands in two pieces across two rounds."""
        self.site.ledgerd.stop()
        self.site.start_ledgerd()
        _, served = self.finish(self.begin(10))
        self.site.settled(60)
        self.site.ledgerd.kill()
        self.site.nginx.stop(patient=False)
        with open(self.site.journal_path, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        more = []
        for n in range(6):
            record = json.loads(lines[n])
            record["id"] = f"replayed-{n}"
            record.pop("hold", None)
            more.append(json.dumps(record).encode() + b"\n")
        half = len(more[2]) // 2
        with open(self.site.journal_path, "ab") as file:
            file.write(b"".join(more[:2]) + more[2][:half])
        self.site.start_ledgerd()
        lt.eventually(lambda: {"replayed-0", "replayed-1"} <= set(self.site.book()), 60)
        with open(self.site.journal_path, "ab") as file:
            file.write(more[2][half:] + b"".join(more[3:5]))
        lt.eventually(lambda: "replayed-4" in self.site.book(), 60)
        with open(self.site.journal_path, "ab") as file:  # the rest of this one follows behind the rename
            file.write(more[5][:half])
        os.rename(self.site.journal_path, self.site.journal_path + ".1")
        with open(self.site.journal_path + ".1", "ab") as file:
            file.write(more[5][half:])
        with open(self.site.journal_path, "wb"):
            pass
        self.assertEqual(set(self.site.settled(60)), served | {f"replayed-{n}" for n in range(6)})
        self.site.check_books(self)

    def test_delivered_twice_and_out_of_order_it_is_booked_once(self):
        _, served = self.finish(self.begin(20))
        self.assertEqual(set(self.site.settled(60)), served)
        before = (self.site.book(), self.site.balance("rich"))
        with open(self.site.journal_path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        with open(os.path.join(self.site.folder, "token"), encoding="ascii") as file:
            own = file.read()
        chance = random.Random(20270601)
        for _ in range(3):
            chance.shuffle(lines)
            reply = self.site.ledgerd.post("/v1/usage", "\n".join(lines), {"Authorization": f"Bearer {own}",
                                                                          "Content-Type": "application/x-ndjson"})
            told = reply.json()
            self.assertEqual((reply.status, told["duplicate"], told["booked"], told["quarantined"]), (200, 20, 0, 0), told)
        again = lt.write_file("\n".join(lines) + "\n", "usage.jsonl")
        told = self.site.ctl_json("import", "usage", again, "--source", SOURCE)
        self.assertEqual((told["duplicate"], told["booked"]), (20, 0))
        self.assertEqual((self.site.book(), self.site.balance("rich")), before)
        self.site.check_books(self)


if __name__ == "__main__":
    unittest.main()
