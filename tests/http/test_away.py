"""PostgreSQL away under load: checks go on from memory, what needs the database is refused at once, nothing hangs.

The server is the test's own. It is shut down at once (its connections break, new ones are refused) or stopped
with SIGSTOP (it takes connections and never answers, as behind a cut cable). LEDGER_AWAY_SECONDS (8) is how long
it stays shut down in the longest test.
"""

import contextlib
import http.client
import itertools
import json
import os
import signal
import statistics
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, os.path.join(HERE, "..", "torture"))
import ledger_test as lt
import servers

NOW = "2027-06-15T12:00:00+09:00"
AWAY_SECONDS = float(os.environ.get("LEDGER_AWAY_SECONDS", "8"))
STALE_SECONDS = 2
SILENCE_SECONDS = 2  # after which a silent database counts as away
AT_ONCE_SECONDS = 0.5 * lt.SLOWDOWN  # five times what is promised
HANGS_SECONDS = 5 * 2 * SILENCE_SECONDS * lt.SLOWDOWN
CONF = "[database]\nconnections = 2\n[http]\nmax_staleness = {}s\n[log]\nlevel = info\n"
POLICY = {"policy": "t", "timezone": "Asia/Tokyo", "effective_from": "2027-06-01T00:00:00+09:00",
          "shares": [{"share": "hpci", "fraction": "1"}],
          "supply": [{"id": "s", "fiscal_year": 2027, "from": "2027-06-01T00:00:00+09:00",
                      "to": "2028-04-01T00:00:00+09:00", "resource": "gpu", "count": 1000, "hours": "1000",
                      "points_per_hour": "1"}]}
CARD = {"card": "c", "effective_from": "2027-06-01T00:00:00+09:00",
        "rules": [{"source": "slurm:x", "class": "gpu", "per_hour": {"gpu": "1"}}]}


class Answer:
    """What one request of the load got, and when (of the monotonic clock)."""

    def __init__(self, begun, status, headers, body):
        self.begun, self.ended = begun, time.monotonic()
        self.seconds = self.ended - begun
        self.status, self.headers, self.text = status, headers, body.decode()
        self.document = json.loads(body) if body else None

    def __repr__(self):
        return f"<{self.status} after {self.seconds:.3f} s: {self.text}>"


class Ticker(threading.Thread):
    """When this process itself did not get to run: that is not the time of whoever was asked."""

    STEP_SECONDS = 0.005

    def __init__(self, over):
        super().__init__(daemon=True)
        self.over, self.stalls = over, []

    def run(self):
        last = time.monotonic()
        while not self.over.is_set():
            time.sleep(self.STEP_SECONDS)
            now = time.monotonic()
            if now - last > 10 * self.STEP_SECONDS:
                self.stalls.append((last + self.STEP_SECONDS, now))
            last = now

    def seconds_of(self, answer):
        """How long an answer took without these stalls."""
        stalled = sum(max(0, min(answer.ended, end) - max(answer.begun, begin)) for begin, end in self.stalls)
        return answer.seconds - stalled


class Asker(threading.Thread):
    """Asks the same kind of question again and again on one connection that is kept."""

    def __init__(self, load, question, by_socket=False):
        super().__init__(daemon=True)
        self.load, self.question, self.answers, self.problem = load, question, [], None
        self.by_socket = by_socket  # the Unix socket, where holds that come alone are made by the thread that serves it

    def run(self):
        connection = (lt.UnixConnection(self.load.socket_path, HANGS_SECONDS) if self.by_socket else
                      self.load.ledgerd.connect(timeout=HANGS_SECONDS / lt.SLOWDOWN))
        try:
            while not self.load.over.is_set():
                self.answers.append(self.ask(connection, *self.question()))
                time.sleep(0.005)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            self.problem = f"{type(problem).__name__}: {problem}"
        finally:
            connection.close()

    @staticmethod
    def ask(connection, method, path, body=None, headers=None):
        begun = time.monotonic()
        connection.request(method, path, body=json.dumps(body) if body is not None else None, headers=headers or {})
        reply = connection.getresponse()
        return Answer(begun, reply.status, reply.headers, reply.read())


class Retrier(Asker):
    """Asks each question until it is answered other than 503, then the next; keeps what was acknowledged."""

    def __init__(self, load, make, by_socket=False):
        super().__init__(load, self.ask_next, by_socket)
        self.make, self.keys, self.acknowledged = make, (f"k{n}" for n in itertools.count()), []
        self.key = next(self.keys)

    def ask_next(self):
        if self.answers and self.answers[-1].status != 503:
            self.acknowledged.append((self.key, self.answers[-1]))
            self.key = next(self.keys)
        return self.make(self.key)

    def settled(self):
        """All acknowledged, the last answer included."""
        self.ask_next()
        return self.acknowledged


def post_record(key):
    return ("POST", "/v1/usage", {"source": "slurm:x", "id": key, "project": "p", "user": "u", "class": "gpu",
                                  "start": "2027-06-14T00:00:00+09:00", "end": "2027-06-14T01:00:00+09:00",
                                  "state": "final", "meters": {"gpu": "1"}}, {"Content-Type": "application/json"})


def post_hold(key):
    return ("POST", "/v1/holds", {"project": "p", "user": "u", "points": "0.001"},
            {"Content-Type": "application/json", "Idempotency-Key": f"away-{key}"})


class Load:
    """Checks, reads, records and holds from several connections at once."""

    def __init__(self, ledgerd, socket_path):
        self.ledgerd, self.socket_path, self.over = ledgerd, socket_path, threading.Event()
        self.ticker = Ticker(self.over)
        self.checkers = [Asker(self, lambda: ("GET", "/v1/check?project=p&points=1"), i % 2 == 0) for i in range(4)]
        self.readers = [Asker(self, lambda: ("GET", "/v1/projects/p/balance"), i % 2 == 0) for i in range(4)]
        self.record_writer = Retrier(self, post_record)
        self.hold_writer = Retrier(self, post_hold, True)
        self.askers = [*self.checkers, *self.readers, self.record_writer, self.hold_writer]

    def __enter__(self):
        self.ticker.start()
        for asker in self.askers:
            asker.start()
        lt.eventually(lambda: all(len(asker.answers) > 3 for asker in self.askers), 20)
        return self

    def __exit__(self, *_):
        self.over.set()
        for asker in self.askers:
            asker.join(2 * HANGS_SECONDS)

    def problems(self):
        """Requests that were not answered, or not in time."""
        alive = [asker.question() for asker in self.askers if asker.is_alive()]
        return alive + [asker.problem for asker in self.askers if asker.problem]

    def checks(self):
        return [answer for asker in self.checkers for answer in list(asker.answers)]

    def of_database(self):
        return [answer for asker in self.askers if asker not in self.checkers for answer in list(asker.answers)]

    def until_all_work(self):
        """Every kind of question is answered well, asked from here on."""
        began = time.monotonic()
        lt.eventually(lambda: all(a.answers[-1].begun > began and a.answers[-1].status in (200, 201) and
                                  a.answers[-1].document.get("allowed", True) for a in self.askers), 30)


class Away(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = servers.Postgres()
        os.environ["LEDGER_TEST_PG"] = cls.postgres.conninfo

    @classmethod
    def tearDownClass(cls):
        cls.postgres.remove()

    def setUp(self):
        self.db = lt.create_db("away")
        self.socket_path = os.path.join(lt.temp_dir(), "s")
        for verb, document in (("policy", POLICY), ("rates", CARD)):
            self.ctl(verb, "apply", lt.write_file(json.dumps(document)))
        self.ctl("project", "add", "p", "--share", "hpci")
        self.ctl("grant", "p", "100000")

    def ctl(self, *words):
        return lt.ctl(words, db=self.db, now=NOW)

    def start(self, stale_seconds=STALE_SECONDS):
        return lt.start_ledgerd(self.db, ["--unix", self.socket_path], now=NOW, conf=CONF.format(stale_seconds))

    def freeze(self):
        """The whole server stops, the postmaster first so that it starts nothing more; what undoes it."""
        everyone = [self.postgres.postmaster()]
        os.kill(everyone[0], signal.SIGSTOP)
        everyone += [pid for pid, _ in self.postgres.children()]
        for pid in everyone[1:]:
            os.kill(pid, signal.SIGSTOP)

        def thaw():
            while everyone:
                os.kill(everyone.pop(), signal.SIGCONT)
        self.addCleanup(thaw)
        return thaw

    def shut_down(self):
        self.postgres.crash(signal.SIGQUIT)
        resumed = []

        def resume():
            if not resumed:
                resumed.append(True)
                self.postgres.resume()
        self.addCleanup(resume)
        return resume

    def until_away(self, ledgerd):
        lt.eventually(lambda: '"database":"away"' in ledgerd.get("/readyz").text or
                      ledgerd.get("/readyz").status == 503, 5 * SILENCE_SECONDS)
        return time.monotonic()

    def assert_refused_at_once(self, answers, ticker):
        self.assertTrue(answers)
        self.assertLess(statistics.median(answer.seconds for answer in answers), AT_ONCE_SECONDS / 5)
        for answer in answers:
            self.assertEqual((answer.status, answer.document["code"], answer.headers["x-should-retry"]),
                             (503, "unavailable", "false"), answer)
            self.assertLess(ticker.seconds_of(answer), AT_ONCE_SECONDS, answer)

    def assert_checks_went_on(self, checks, went, away, back):
        """200 throughout; from memory while that is young enough, then stale, with the age of what is known."""
        self.assertEqual({answer.status for answer in checks}, {200})
        self.assertLess(max(answer.seconds for answer in checks), HANGS_SECONDS / 4)
        meanwhile = sorted((a for a in checks if a.begun > away and a.ended < back), key=lambda a: a.begun)
        self.assertEqual(len({answer.document["as_of"] for answer in meanwhile}), 1)
        fresh = [a for a in checks if went < a.begun < went + STALE_SECONDS / 4 and a.ended < went + STALE_SECONDS / 2]
        self.assertTrue(fresh)
        self.assertTrue(all(answer.document["allowed"] for answer in fresh), fresh)
        old = [a for a in meanwhile if a.begun > went + STALE_SECONDS + 1]
        self.assertTrue(old)
        self.assertEqual({(a.document["allowed"], a.document["reason"]) for a in old}, {(False, "stale")})

    def assert_nothing_lost(self, load):
        """What was acknowledged is there once, what was asked twice is not there twice."""
        records = load.record_writer.settled()
        booked = dict(lt.query(self.db, "SELECT id, count(*) FROM ledger.usage_record GROUP BY id"))
        self.assertTrue(records)
        for key, answer in records:
            self.assertEqual((key, answer.status, booked.get(key)), (key, 200, "1"), answer)
        holds = load.hold_writer.settled()
        self.assertTrue(holds)
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.hold"), str(len(holds)))
        with contextlib.closing(load.ledgerd.connect()) as connection:
            for key, answer in holds:
                self.assertIn(answer.status, (200, 201), answer)
                again = Asker.ask(connection, *post_hold(key))
                self.assertEqual((again.status, again.document["hold"]), (200, answer.document["hold"]), again)
        self.assertTrue(json.loads(self.ctl("verify", "--json"))["ok"])

    def run_away(self, leave, seconds):
        """The database leaves under load and comes back; everything that must hold of that."""
        with self.start() as ledgerd:
            with Load(ledgerd, self.socket_path) as load:
                went = time.monotonic()
                come_back = leave()
                away = self.until_away(ledgerd)
                time.sleep(max(0, max(seconds * lt.SLOWDOWN, STALE_SECONDS + 2) - (time.monotonic() - went)))
                self.assertEqual((ledgerd.get("/readyz").status, ledgerd.get("/healthz").status), (503, 200))
                back = time.monotonic()
                come_back()
                load.until_all_work()
                lt.eventually(lambda: '"database":"up"' in ledgerd.get("/readyz").text, 5)
            self.assertEqual(load.problems(), [])
            self.assert_checks_went_on(load.checks(), went, away, back)
            self.assert_refused_at_once([a for a in load.of_database() if a.begun > away and a.ended < back],
                                        load.ticker)
            self.assert_nothing_lost(load)
            for event in ("database-away", "database-back"):
                self.assertEqual(ledgerd.log().count(event), 1, ledgerd.log())

    def test_shut_down_for_a_while(self):
        self.run_away(self.shut_down, AWAY_SECONDS)

    def test_frozen_for_a_while(self):
        self.run_away(self.freeze, 7)

    def test_what_waits_is_answered_when_the_silence_is_noticed(self):
        """Two workers, eight who ask: six wait in the queue when it comes out that nobody will answer them."""
        with self.start(60) as ledgerd, Load(ledgerd, self.socket_path) as load:
            thaw = self.freeze()
            began = time.monotonic()
            counts = [len(asker.answers) for asker in load.askers]
            self.until_away(ledgerd)
            lt.eventually(lambda: all(len(a.answers) > n + 1 for a, n in zip(load.askers, counts)),
                          5 * 2 * SILENCE_SECONDS)
            self.assertEqual({a.document["allowed"] for a in load.checks() if a.begun > began}, {True})
            thaw()
            load.until_all_work()
        self.assertEqual(load.problems(), [])

    def test_a_hiccup_refuses_nothing(self):
        with self.start() as ledgerd, Load(ledgerd, self.socket_path) as load:
            thaw = self.freeze()
            time.sleep(SILENCE_SECONDS / 5)
            thaw()
            load.until_all_work()
            self.assertNotIn("database-away", ledgerd.log())
        self.assertEqual(load.problems(), [])
        self.assertEqual({a.status for a in load.of_database()} - {200, 201}, set())

    def test_ledgerd_ends_while_the_database_is_silent(self):
        with self.start() as ledgerd:
            with Load(ledgerd, self.socket_path):
                pass  # every thread has had to do with the database
            lt.eventually(lambda: lt.scalar(self.db, "SELECT max(total) = (SELECT count(*) FROM ledger.transfer) "
                                                     "FROM ledger.seal") == "true", 20)
            thaw = self.freeze()
            with Load(ledgerd, self.socket_path) as load:
                pass
            self.assertEqual(load.problems(), [])
            self.assertEqual(ledgerd.stop(), 0)
            thaw()


if __name__ == "__main__":
    unittest.main()
