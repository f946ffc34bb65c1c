"""Holds over HTTP, against one and two running ledgerds: who gets the points, what is answered, what checks see."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt

NOW = "2027-06-15T12:00:00+09:00"
POLICY = {"policy": "t", "timezone": "Asia/Tokyo", "effective_from": "2027-06-01T00:00:00+09:00",
          "shares": [{"share": "hpci", "fraction": "0.9"}, {"share": "general", "fraction": "0.1"}],
          "supply": [{"id": "s", "fiscal_year": 2027, "from": "2027-06-01T00:00:00+09:00",
                      "to": "2028-04-01T00:00:00+09:00", "resource": "gpu", "count": 10, "hours": "100",
                      "points_per_hour": "1"}]}
CARD = {"card": "c", "effective_from": "2027-06-01T00:00:00+09:00",
        "rules": [{"source": "slurm:x", "class": "gpu", "require": ["gpu"], "per_hour": {"gpu": "1"}}]}
HOLD_FIELDS = {"hold", "project", "user", "key", "points", "held", "freed", "charged", "parts", "ended_parts", "state",
               "made_at", "expires_at", "ended_at", "ref"}


def make_book(prefix):
    db = lt.create_db(prefix)
    for verb, document in (("policy", POLICY), ("rates", CARD)):
        lt.ctl([verb, "apply", lt.write_file(json.dumps(document))], db=db, now=NOW)
    for project in ("p", "other", "empty", "gone"):
        lt.ctl(["project", "add", project, "--share", "hpci"], db=db, now=NOW)
    lt.ctl(["project", "add", "g", "--share", "general"], db=db, now=NOW)
    lt.ctl(["project", "add", "svc", "--service", "gateway:x/m"], db=db, now=NOW)
    for project in ("p", "other", "g"):
        lt.ctl(["grant", project, "100"], db=db, now=NOW)
    lt.ctl(["project", "close", "gone"], db=db, now=NOW)
    return db


def hold(ledgerd, key=None, **body):
    body.setdefault("project", "p")
    return ledgerd.post("/v1/holds", body, {"Idempotency-Key": key} if key else None)


def held(ledgerd, project="p"):
    return ledgerd.get_json(f"/v1/check?project={project}&points=0")["held"]


def raw_hold(project, points, key):
    body = json.dumps({"project": project, "points": points})
    return (f"POST /v1/holds HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
            f"{body}").encode()


def all_at_once(ledgerds, requests):
    """Every request on a connection of its own, all sent before the first answer is read; the answers."""
    sockets = []
    for i, request in enumerate(requests):
        sock = socket.create_connection(("127.0.0.1", ledgerds[i % len(ledgerds)].port), 60 * lt.SLOWDOWN)
        sockets.append(sock)
    for sock, request in zip(sockets, requests):
        sock.sendall(request)
    replies = []
    for sock in sockets:
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        replies.append(lt.Reply(answer.status, answer.headers, answer.read()))
        sock.close()
    return replies


class PositionLock:
    """Holds the lock of a project's position in a transaction of its own, so that groups wait."""

    def __init__(self, db, project="p"):
        self.db, self.project = db, project

    def __enter__(self):
        self.psql = subprocess.Popen(["psql", "-XqAt", "-d", self.db], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     text=True)
        self.psql.stdin.write("BEGIN; SELECT project_id FROM ledger.project_position "
                              f"WHERE project_id = '{self.project}' FOR UPDATE;\n")
        self.psql.stdin.flush()
        if self.psql.stdout.readline().strip() != self.project:
            raise AssertionError("the position is not locked")
        return self

    def waiters(self):
        return int(lt.scalar(self.db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                                      "AND datname = current_database()"))

    def __exit__(self, *_):
        self.psql.stdin.write("ROLLBACK;\n")
        self.psql.stdin.close()
        self.psql.wait()
        self.psql.stdout.close()


class Asking(threading.Thread):
    """Asks in a thread of its own; result() waits for the answer."""

    def __init__(self, ask):
        super().__init__()
        self.ask, self.reply = ask, None
        self.start()

    def run(self):
        self.reply = self.ask()

    def result(self):
        self.join()
        return self.reply


class Holds(unittest.TestCase):
    def setUp(self):
        self.db = make_book("holds")
        self.ledgerd = lt.start_ledgerd(self.db, now=NOW)

    def tearDown(self):
        if self.ledgerd.stop() != 0:
            self.fail(self.ledgerd.log())
        self.assertTrue(lt.ctl_json(["verify"], db=self.db, now=NOW)["ok"])

    # --- making ---------------------------------------------------------------------------------

    def test_a_hold_is_answered_with_its_decision_and_seen_by_the_next_check(self):
        reply = hold(self.ledgerd, "k", user="u1", points="12.5", ref={"kind": "slurm", "id": "4711"})
        answer = reply.json()
        self.assertEqual(reply.status, 201, reply.text)
        self.assertLessEqual(HOLD_FIELDS | {"decision"}, set(answer))
        self.assertEqual([answer[k] for k in ("project", "user", "key", "points", "held", "parts", "state", "ended_at")],
                         ["p", "u1", "k", "12.500000", "12.500000", 1, "open", None])
        self.assertEqual(answer["ref"], {"kind": "slurm", "id": "4711"})
        decision = answer["decision"]
        self.assertEqual([decision[k] for k in ("allowed", "available", "requested", "held")],
                         [True, "100.000000", "12.500000", "0.000000"])
        check = self.ledgerd.get_json("/v1/check?project=p&points=87.5")
        self.assertEqual([check[k] for k in ("allowed", "available", "held")], [True, "87.500000", "12.500000"])
        self.assertFalse(self.ledgerd.get_json("/v1/check?project=p&points=87.500001")["allowed"])
        self.assertEqual(self.ledgerd.get_json(f"/v1/decisions/{decision['decision_id']}"), decision)

    def test_what_a_check_sees_is_exact_after_every_hold(self):
        for i in range(1, 81):
            self.assertEqual(hold(self.ledgerd, points="1").status, 201)
            self.assertEqual(held(self.ledgerd), f"{i}.000000")

    def test_the_same_key_and_body_answers_the_first_hold_and_another_body_none(self):
        first = hold(self.ledgerd, "k", points="10")
        for body in ({"points": "10.0"}, {"points": 10, "parts": 1, "ttl": "15m"}, {"points": "10", "user": None},
                     {"points": "10", "colour": "red", "deep": {"x": [1.5]}}):
            again = hold(self.ledgerd, "k", **body)
            self.assertEqual((again.status, again.json()), (200, first.json()), body)
        for body in ({"points": "10.1"}, {"points": "10", "user": "u"}, {"points": "10", "parts": 2},
                     {"points": "10", "ttl": "16m"}, {"points": "10", "project": "other"},
                     {"points": "10", "ref": {"kind": "other", "id": "x"}}):
            other = hold(self.ledgerd, "k", **body)
            self.assertEqual((other.status, other.json()["code"]), (422, "key_differs"), body)
        self.assertEqual(held(self.ledgerd), "10.000000")

    def test_a_refusal_binds_nothing(self):
        refused = hold(self.ledgerd, "k", points="100.000001")
        self.assertEqual((refused.status, refused.headers["x-should-retry"]), (402, "false"))
        problem = refused.json()
        self.assertEqual((problem["code"], problem["error"]["message"]), ("insufficient_points", problem["detail"]))
        self.assertEqual(problem["decision"]["violated"],
                         [{"limit": "project", "name": "p", "available": "100.000000"}])
        number = problem["decision"]["decision_id"]
        self.assertEqual(self.ledgerd.get_json(f"/v1/decisions/{number}"), problem["decision"])
        self.assertEqual(hold(self.ledgerd, "k", points="100").status, 201)

    def test_statuses_follow_the_reason(self):
        for body, status, reason in (({"project": "nobody"}, 404, "unknown_project"),
                                     ({"project": "gone"}, 403, "project_closed"),
                                     ({"project": "empty"}, 402, "no_active_grant"),
                                     ({"points": None, "source": "slurm:x", "class": "gpu", "seconds": 60}, 403,
                                      "no_rate")):
            reply = hold(self.ledgerd, **{"points": "1", **body})
            self.assertEqual((reply.status, reply.json()["code"]), (status, reason))
            self.assertEqual(reply.headers.get("x-should-retry"), "false" if status == 402 else None)
            self.assertTrue(reply.headers["Content-Type"].startswith("application/problem+json"))
        for unknown in ("d_h0", "d_h999999", "d_hx", "d_h", "d_h99999999999999999999"):
            self.assertEqual(self.ledgerd.get(f"/v1/decisions/{unknown}").status, 404)

    def test_a_shape_is_rated_for_each_part(self):
        answer = hold(self.ledgerd, source="slurm:x", parts=3, seconds=3600, meters={"gpu": 4},
                      **{"class": "gpu"}).json()
        self.assertEqual((answer["points"], answer["parts"]), ("12.000000", 3))

    def test_nothing_leases_and_services_are_held_too(self):
        self.assertEqual(hold(self.ledgerd, points="0").status, 201)
        self.assertEqual(hold(self.ledgerd, points=5, parts=0, ttl="1d").json()["parts"], 0)
        self.assertEqual(hold(self.ledgerd, project="svc", points="1000000").json()["points"], "0.000000")

    def test_bad_questions_are_400_with_a_sentence(self):
        good = {"project": "p", "points": "1"}
        for change in ({"project": ""}, {"project": 1}, {"points": "-1"}, {"points": 1.5}, {"points": -1},
                       {"points": "NaN"}, {"points": "99999999999999999999"}, {"points": 10 ** 30}, {"points": True},
                       {"points": {}}, {"parts": -1}, {"parts": 1.5}, {"parts": "1"}, {"parts": 10 ** 12},
                       {"ttl": "0s"}, {"ttl": 15}, {"ttl": "soon"}, {"ttl": "500d"}, {"ttl": "-5m"},
                       {"ref": "x"}, {"ref": {"kind": "slurm"}}, {"ref": {"kind": "moon", "id": "1"}},
                       {"ref": {"kind": "slurm", "id": ""}}, {"source": "slurm:x", "class": "gpu"},
                       {"points": None}, {"user": ["u"]}, {"user": "u" * 300}, {"project": "p" * 70000}):
            reply = self.ledgerd.post("/v1/holds", {**good, **change})
            self.assertEqual(reply.status, 400, change)
            self.assertTrue(reply.json()["detail"])
        for body in ("", "[", "[]", "1", '"x"', '{"project":"p","points":"1","points":"2"}', "[" * 5000, "{" * 70000,
                     '{"project":"p\\u0000","points":"1"}', b'{"project":"\xff","points":"1"}'):
            self.assertEqual(self.ledgerd.post("/v1/holds", body).status, 400, body[:40])
        for key in ("h_17", "k" * 200, "\u00e9".encode().decode("latin-1") + "\x01", ""):
            reply = self.ledgerd.post("/v1/holds", good, {"Idempotency-Key": key})
            self.assertEqual(reply.status, 400, key)
        self.assertEqual(held(self.ledgerd), "0.000000")

    # --- many at once ---------------------------------------------------------------------------

    def test_of_1000_simultaneous_holds_the_100_that_fit_are_made(self):
        replies = all_at_once([self.ledgerd], [raw_hold("p", "1", f"k{i}") for i in range(1000)])
        made = [r.json()["hold"] for r in replies if r.status == 201]
        self.assertEqual((len(made), len(set(made)), sum(r.status == 402 for r in replies)), (100, 100, 900))
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.hold"), "100")
        self.assertEqual(held(self.ledgerd), "100.000000")
        again = all_at_once([self.ledgerd], [raw_hold("p", "1", f"k{i}") for i in range(1000)])
        self.assertEqual([r.json()["hold"] for r in again if r.status == 200], made)
        self.assertEqual(sum(r.status == 402 for r in again), 900)

    def test_two_ledgerds_do_not_spend_a_point_twice(self):
        with lt.start_ledgerd(self.db, now=NOW) as second:
            both = [self.ledgerd, second]
            requests = [raw_hold(("p", "other")[i % 4 == 0], "1.5", f"k{i}") for i in range(600)]
            replies = all_at_once(both, requests)
            made = [("p", "other")[i % 4 == 0] for i, r in enumerate(replies) if r.status == 201]
            self.assertEqual((made.count("p"), made.count("other")), (66, 66))
            self.assertEqual({r.status for r in replies}, {201, 402})
            for ledgerd in both:
                lt.eventually(lambda d=ledgerd: held(d) == "99.000000" == held(d, "other"), seconds=1 * 5)
            # Answered by one of them, repeated by the other.
            self.assertEqual([r.status for r in all_at_once(both[::-1], requests[:50])],
                             [200 if r.status == 201 else 402 for r in replies[:50]])

    def test_one_key_sent_many_times_at_once_makes_one_hold(self):
        with lt.start_ledgerd(self.db, now=NOW) as second:
            replies = all_at_once([self.ledgerd, second], [raw_hold("p", "1", "same")] * 100)
            self.assertEqual(sum(r.status == 201 for r in replies), 1)
            self.assertLessEqual({r.status for r in replies}, {200, 201, 409})
            self.assertEqual(len({r.json()["hold"] for r in replies if r.status != 409}), 1)
            self.assertEqual({r.json()["code"] for r in replies if r.status == 409} - {"key_in_flight"}, set())
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.hold"), "1")

    def test_a_key_in_flight_is_409_until_its_hold_is_there(self):
        with PositionLock(self.db) as lock:
            first = Asking(lambda: hold(self.ledgerd, "k", points="1"))
            lt.eventually(lock.waiters)
            second = hold(self.ledgerd, "k", points="1")
            self.assertEqual((second.status, second.json()["code"]), (409, "key_in_flight"))
            self.assertTrue(self.ledgerd.get_json("/v1/check?project=p&points=1")["allowed"], "checks wait for nobody")
        self.assertEqual(first.result().status, 201)
        self.assertEqual(hold(self.ledgerd, "k", points="1").json()["hold"], first.result().json()["hold"])

    def test_one_request_that_cannot_be_booked_leaves_its_group_alone(self):
        lt.psql(self.db, "CREATE FUNCTION public.poison() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
                         "IF NEW.user_name = 'poison' THEN RAISE 'poisoned'; END IF; RETURN NEW; END$$; "
                         "CREATE TRIGGER poison BEFORE INSERT ON ledger.hold FOR EACH ROW "
                         "EXECUTE FUNCTION public.poison();")
        with PositionLock(self.db) as lock:
            first = Asking(lambda: hold(self.ledgerd, points="1"))
            lt.eventually(lock.waiters)
            users = ["a", "b", "poison", "c", "d"]
            group = [Asking(lambda u=user: hold(self.ledgerd, user=u, points="1")) for user in users]
            lt.eventually(lambda: self.ledgerd.get("/metrics").status == 200)
        replies = [asking.result() for asking in group]
        self.assertEqual(first.result().status, 201)
        self.assertEqual([r.status for r in replies], [201, 201, 500, 201, 201])
        self.assertEqual(held(self.ledgerd), "5.000000")

    # --- ends -------------------------------------------------------------------------------------

    def act(self, name, act, body=None, key=None, status=200):
        reply = self.ledgerd.post(f"/v1/holds/{name}/{act}", body if body is not None else "",
                                  {"Idempotency-Key": key} if key else None)
        self.assertEqual(reply.status, status, reply.text)
        return reply.json()

    def test_settling_books_and_gives_the_rest_back_once(self):
        number = hold(self.ledgerd, "a/b c%", points="10").json()["hold"]
        settled = self.act("key:a%2Fb%20c%25", "settle", {"points": "4"})
        self.assertEqual((settled["hold"], settled["state"], settled["held"]), (number, "settled", "0.000000"))
        self.assertEqual([settled["result"][k] for k in ("charged", "freed", "overspent", "repeated")],
                         ["4.000000", "6.000000", "0.000000", False])
        self.assertTrue(self.act(number, "settle", {"points": "4.0"})["result"]["repeated"])
        for act, body in (("settle", {"points": "5"}), ("release", None), ("extend", {"ttl": "1h"})):
            self.assertEqual(self.act(number, act, body, status=409)["code"], "hold_resolved")
        lt.eventually(lambda: self.ledgerd.get_json("/v1/check?project=p&points=96")["allowed"])
        check = self.ledgerd.get_json("/v1/check?project=p&points=0")
        self.assertEqual([check[k] for k in ("available", "held", "posted")], ["96.000000", "0.000000", "96.000000"])

    def test_settling_more_books_the_whole_and_says_so(self):
        number = hold(self.ledgerd, points="10").json()["hold"]
        result = self.act(number, "settle", {"points": "120"})["result"]
        self.assertEqual((result["charged"], result["overspent"]), ("120.000000", "110.000000"))

    def test_parts_are_settled_by_key(self):
        number = hold(self.ledgerd, points="10", parts=2).json()["hold"]
        self.act(number, "settle", {"points": "3", "final": False}, status=400)
        self.assertEqual(self.act(number, "settle", {"points": "3", "final": False}, "p1")["held"], "5.000000")
        self.assertTrue(self.act(number, "settle", {"points": "3", "final": False}, "p1")["result"]["repeated"])
        self.assertEqual(self.act(number, "settle", {"points": "4", "final": False}, "p1", status=422)["code"],
                         "key_differs")
        self.assertEqual(self.act(number, "settle", {"points": "5", "final": False}, "p2")["state"], "settled")

    def test_release_and_extension(self):
        first = hold(self.ledgerd, "k", points="10").json()
        extended = self.act(first["hold"], "extend", {"ttl": "2h"})
        self.assertGreater(extended["expires_at"], first["expires_at"])
        self.assertEqual(self.act("key:k", "release")["state"], "released")
        self.assertTrue(self.act(first["hold"], "release", {})["result"]["repeated"])
        self.assertEqual(self.act(first["hold"], "settle", {"points": "1"}, status=409)["code"], "hold_resolved")
        lt.eventually(lambda: held(self.ledgerd) == "0.000000")
        again = hold(self.ledgerd, "k", points="10")
        self.assertEqual((again.status, again.json()["hold"], again.json()["state"]), (200, first["hold"], "released"))

    def test_unknown_holds_and_bad_acts(self):
        number = hold(self.ledgerd, points="10").json()["hold"]
        for name in ("h_1", "h_999999", "key:nobody", "nobody", "h_", "h_x", "key:", "h_99999999999999999999"):
            self.assertEqual(self.ledgerd.get(f"/v1/holds/{name}").status, 404, name)
            self.assertEqual(self.act(name, "release", status=404)["code"], "unknown_hold")
        for act, body in (("settle", {}), ("settle", {"points": "-1"}), ("settle", {"points": 1.5}), ("settle", "x"),
                          ("settle", {"points": "1", "final": "yes"}), ("extend", {}), ("extend", {"ttl": "0s"}),
                          ("extend", {"ttl": "900d"}), ("release", "["), ("settle", "")):
            self.act(number, act, body, status=400)
        self.assertEqual(self.ledgerd.get_json(f"/v1/holds/{number}")["held"], "10.000000")
        self.assertEqual(self.ledgerd.get(f"/v1/holds/{number}/settle").status, 405)

    def test_an_expired_hold_is_ignored_at_once_and_may_still_be_settled(self):
        number = hold(self.ledgerd, points="10", ttl="1s").json()["hold"]
        kept = hold(self.ledgerd, points="3").json()["hold"]
        self.assertEqual(held(self.ledgerd), "13.000000")
        with PositionLock(self.db):  # which the sweep waits for
            lt.eventually(lambda: held(self.ledgerd) == "3.000000")
            self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.hold WHERE state = 'open'"), "2")
        self.assertEqual(self.ledgerd.get_json(f"/v1/holds/{number}")["state"], "expired")
        self.assertEqual([h["hold"] for h in self.ledgerd.get_json("/v1/projects/p/holds")["holds"]], [kept])
        self.assertEqual(hold(self.ledgerd, points="97").status, 201)
        self.assertEqual(self.act(number, "settle", {"points": "2"})["result"]["charged"], "2.000000")

    # --- what counts ------------------------------------------------------------------------------

    def test_limits_and_the_share_cap_count_holds_at_once(self):
        for words in (["--user", "u1", "--points", "10"], ["--points", "20"]):
            lt.ctl(["limit", "set", "p", *words, "--period", "month"], db=self.db, now=NOW)
        for user, points, limit in (("u1", "10.5", "user_limit"), ("u2", "20.5", "project_limit")):
            lt.eventually(lambda: self.ledgerd.get_json(
                f"/v1/check?project=p&user={user}&points={points}")["reason"] == limit)
        self.assertEqual(hold(self.ledgerd, user="u1", points="7").status, 201)
        reply = hold(self.ledgerd, user="u1", points="3.5")
        self.assertEqual((reply.status, reply.json()["code"]), (402, "user_limit"))
        lt.eventually(lambda: self.ledgerd.get_json("/v1/check?project=p&user=u1&points=3.5")["reason"] == "user_limit")
        self.assertEqual(hold(self.ledgerd, user="u1", points="1").status, 201)
        check = self.ledgerd.get_json("/v1/check?project=p&user=u1&points=2.5")
        self.assertEqual((check["reason"], check["violated"][0]["held"]), ("user_limit", "8.000000"))
        self.assertEqual(hold(self.ledgerd, user="u2", points="10").status, 201)
        check = self.ledgerd.get_json("/v1/check?project=p&user=u2&points=2.5")
        self.assertEqual((check["reason"], check["violated"][0]["held"]), ("project_limit", "18.000000"))
        self.assertEqual(hold(self.ledgerd, user="u2", points="2.5").json()["code"], "project_limit")
        self.assertEqual(hold(self.ledgerd, project="g", points="60").status, 201)
        lt.ctl(["overdraft", "g", "500"], db=self.db, now=NOW)
        reply = hold(self.ledgerd, project="g", points="40.5")
        self.assertEqual((reply.status, reply.json()["code"]), (402, "share_cap"))
        lt.eventually(lambda: self.ledgerd.get_json("/v1/check?project=g&points=40.5")["reason"] == "share_cap")

    def test_lists_page_by_cursor(self):
        made = [hold(self.ledgerd, points="1").json()["hold"] for _ in range(5)]
        hold(self.ledgerd, project="other", points="1")
        page = self.ledgerd.get_json("/v1/projects/p/holds?limit=2")
        seen = page["holds"]
        while page["next"] is not None:
            page = self.ledgerd.get_json(f"/v1/projects/p/holds?limit=2&cursor={page['next']}")
            seen += page["holds"]
        self.assertEqual([h["hold"] for h in seen], made)
        self.assertEqual(set(seen[0]), HOLD_FIELDS)
        self.assertEqual(self.ledgerd.get("/v1/projects/nobody/holds").status, 404)
        self.assertEqual(self.ledgerd.get("/v1/projects/p/holds?cursor=x").status, 400)

    def test_balance_project_and_metrics_show_what_is_held(self):
        hold(self.ledgerd, points="10")
        hold(self.ledgerd, points="1000")
        balance = self.ledgerd.get_json("/v1/projects/p/balance")
        self.assertEqual((balance["held"], balance["available"]), ("10.000000", "90.000000"))
        self.assertEqual(self.ledgerd.get_json("/v1/projects/p")["held"], "10.000000")
        text = self.ledgerd.get("/metrics").text
        self.assertIn('ledger_holds_total{result="made"} 1\n', text)
        self.assertIn('ledger_holds_total{result="insufficient_points"} 1\n', text)
        self.assertIn("ledger_hold_group_requests_total 2\n", text)
        self.assertIn("ledger_held_points 10.000000\n", text)
        lt.eventually(lambda: "ledger_open_holds 1\n" in self.ledgerd.get("/metrics").text, seconds=50)

    # --- the database away --------------------------------------------------------------------------

    def test_a_lost_connection_is_mended_and_a_closed_database_refused_at_once(self):
        name = self.db.rsplit("=", 1)[1]
        cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        self.assertEqual(hold(self.ledgerd, "k1", points="1").status, 201)
        lt.psql(lt.server(), cut)
        lt.eventually(lambda: hold(self.ledgerd, "k2", points="1").status in (200, 201))
        lt.psql(lt.server(), f"ALTER DATABASE {name} ALLOW_CONNECTIONS false; {cut}")
        lt.eventually(lambda: hold(self.ledgerd, "k3", points="1").status == 503)
        started = time.monotonic()
        replies = [hold(self.ledgerd, f"away{i}", points="1") for i in range(20)]
        self.assertLess((time.monotonic() - started) / 20, 0.5 * lt.SLOWDOWN)
        for reply in replies:
            self.assertEqual((reply.status, reply.json()["code"], reply.headers["x-should-retry"]),
                             (503, "unavailable", "false"))
        self.assertTrue(self.ledgerd.get_json("/v1/check?project=p&points=1")["allowed"])
        lt.psql(lt.server(), f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        lt.eventually(lambda: hold(self.ledgerd, "k3", points="1").status == 201)
        lt.eventually(lambda: held(self.ledgerd) == "3.000000")


class UnixSocket(unittest.TestCase):
    """Where holds that come alone are made by the thread that serves the socket."""

    def setUp(self):
        self.db = make_book("uholds")
        self.path = os.path.join(lt.temp_dir(), "s")
        self.ledgerd = lt.start_ledgerd(self.db, now=NOW, extra=["--unix", self.path])
        self.addCleanup(self.ledgerd.stop)

    def ask(self, method, path, body=None, key=None):
        connection = lt.UnixConnection(self.path, 60 * lt.SLOWDOWN)
        connection.request(method, path, json.dumps(body) if body else None, {"Idempotency-Key": key} if key else {})
        answer = connection.getresponse()
        reply = lt.Reply(answer.status, answer.headers, answer.read())
        connection.close()
        return reply

    def hold(self, points, key=None, project="p"):
        return self.ask("POST", "/v1/holds", {"project": project, "points": points}, key)

    def alone(self):
        return {result: int(re.search(f'alone_total{{result="{result}"}} (.*)', self.ledgerd.get("/metrics").text)[1])
                for result in ("made", "missed")}

    def test_holds_one_after_the_other_are_made_once_each_and_durable(self):
        statuses = [self.hold("1", f"k{n}").status for n in range(20)]
        self.assertEqual(statuses, [201] * 20)
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.hold WHERE state = 'open'"), "20")
        self.assertEqual(self.alone(), {"made": 19, "missed": 0})
        self.assertEqual(held(self.ledgerd), "20.000000")
        self.assertEqual(self.hold("1", "k7").status, 200)
        self.assertEqual(self.hold("2", "k7").status, 422)
        self.assertEqual(self.hold("80.000001").status, 402)
        self.assertEqual(self.hold("80").status, 201)
        self.assertEqual(self.hold("0.000001").json()["code"], "insufficient_points")

    def test_what_another_process_holds_in_between_is_seen(self):
        with lt.start_ledgerd(self.db, now=NOW) as other:
            self.assertEqual([self.hold("1").status for _ in range(3)], [201] * 3)
            self.assertEqual(hold(other, points="90").status, 201)
            self.assertEqual(self.hold("8").status, 402)
            self.assertEqual(self.alone(), {"made": 2, "missed": 1})
            self.assertEqual(self.hold("7").status, 201)

    def test_a_hold_that_waits_for_the_database_keeps_nobody_else_waiting(self):
        self.assertEqual([self.hold("1").status for _ in range(2)], [201] * 2)
        with PositionLock(self.db) as lock:
            waiting = Asking(lambda: self.hold("1", "waits"))
            lt.eventually(lock.waiters)
            started = time.monotonic()
            self.assertTrue(all(self.ask("GET", "/v1/check?project=p&points=1").json()["allowed"] for _ in range(20)))
            self.assertLess(time.monotonic() - started, 20 * 0.05 * lt.SLOWDOWN)
            self.assertEqual(self.hold("1", "waits").json()["code"], "key_in_flight")
            behind = [Asking(lambda i=i: self.hold("1", f"behind{i}", ("p", "other")[i % 2])) for i in range(6)]
        self.assertEqual(waiting.result().status, 201)
        self.assertEqual([asking.result().status for asking in behind], [201] * 6)
        self.assertEqual((held(self.ledgerd), held(self.ledgerd, "other")), ("6.000000", "3.000000"))

    def test_the_last_points_go_to_one_whichever_way_they_ask(self):
        self.assertEqual([self.hold("1").status for _ in range(5)], [201] * 5)
        asking = [Asking(lambda i=i: self.hold("5") if i % 2 else hold(self.ledgerd, points="5")) for i in range(40)]
        statuses = [a.result().status for a in asking]
        self.assertEqual((statuses.count(201), statuses.count(402)), (19, 21))
        self.assertEqual(held(self.ledgerd), "100.000000")

    def test_a_hold_under_way_is_answered_before_the_end(self):
        self.assertEqual([self.hold("1").status for _ in range(2)], [201] * 2)
        with PositionLock(self.db) as lock:
            waiting = Asking(lambda: self.hold("1"))
            lt.eventually(lock.waiters)
            stopping = Asking(self.ledgerd.stop)
            lt.eventually(lambda: "stopping" in self.ledgerd.log())
        self.assertEqual((waiting.result().status, stopping.result()), (201, 0))


class Stopping(unittest.TestCase):
    def test_holds_that_wait_are_answered_before_the_end(self):
        db = make_book("stopholds")
        with lt.start_ledgerd(db, now=NOW) as ledgerd:
            with PositionLock(db) as lock:
                asking = [Asking(lambda i=i: hold(ledgerd, f"k{i}", points="1")) for i in range(8)]
                lt.eventually(lock.waiters)
                stopping = Asking(ledgerd.stop)
                lt.eventually(lambda: "stopping" in ledgerd.log())
            self.assertEqual(stopping.result(), 0)
            answered = [a.result().json()["hold"] for a in asking if a.result().status == 201]
        self.assertEqual(str(len(answered)), lt.scalar(db, "SELECT count(*) FROM ledger.hold"))
        self.assertTrue(answered)


if __name__ == "__main__":
    unittest.main()
