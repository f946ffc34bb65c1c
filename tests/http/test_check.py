"""GET /v1/check, POST /v1/checks, /v1/authz and decisions, against a running ledgerd."""

import http.client
import json
import os
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt

NOW = "2027-06-15T12:00:00+09:00"
DECISION_FIELDS = {"allowed", "reason", "detail", "project", "share", "user", "requested", "available", "posted", "held",
                   "accrued", "overdraft", "violated", "suggest", "as_of", "policy", "rate_card", "decision_id"}
POLICY = {"policy": "t", "timezone": "Asia/Tokyo", "effective_from": "2027-06-01T00:00:00+09:00",
          "shares": [{"share": "hpci", "fraction": "0.8"}, {"share": "general", "fraction": "0.2"}],
          "supply": [{"id": "s", "fiscal_year": 2027, "from": "2027-06-01T00:00:00+09:00",
                      "to": "2028-04-01T00:00:00+09:00", "resource": "gpu", "count": 10, "hours": "100",
                      "points_per_hour": "1"}]}
CARD = {"card": "c", "effective_from": "2027-06-01T00:00:00+09:00",
        "rules": [{"source": "slurm:x", "class": "gpu", "require": ["gpu"], "per_hour": {"gpu": "1"},
                   "factors": {"qos": {"normal": "1", "urgent": "2"}}},
                  {"source": "gateway:*", "class": "m", "per_million": {"output_tokens": "1000"}}]}


def make_book(prefix):
    db = lt.create_db(prefix)
    for verb, document in (("policy", POLICY), ("rates", CARD)):
        lt.ctl([verb, "apply", lt.write_file(json.dumps(document))], db=db, now=NOW)
    for project, share in (("hp1", "hpci"), ("gen1", "general"), ("empty", "hpci"), ("gone", "hpci")):
        lt.ctl(["project", "add", project, "--share", share], db=db, now=NOW)
    lt.ctl(["project", "alias", "hp1", "slurm:x", "acct1"], db=db, now=NOW)
    lt.ctl(["grant", "hp1", "100"], db=db, now=NOW)
    lt.ctl(["grant", "gen1", "50", "--to", "2027-07-01T00:00:00+09:00"], db=db, now=NOW)
    lt.ctl(["project", "close", "gone"], db=db, now=NOW)
    return db


class Checks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = make_book("check")
        cls.ledgerd = lt.start_ledgerd(cls.db, now=NOW)

    @classmethod
    def tearDownClass(cls):
        if cls.ledgerd.stop() != 0:
            raise AssertionError(cls.ledgerd.log())

    def check(self, **arguments):
        query = "&".join(f"{name.replace('__', '.')}={value}" for name, value in arguments.items())
        return self.ledgerd.get_json(f"/v1/check?{query}")

    def test_allowed_by_points_with_every_field_of_a_decision(self):
        decision = self.check(project="hp1", user="u1", points="12.5")
        self.assertTrue(decision["allowed"])
        self.assertLessEqual(DECISION_FIELDS, set(decision))
        self.assertIsNone(decision["reason"])
        self.assertEqual([decision[k] for k in ("requested", "available", "posted", "accrued", "share", "policy")],
                         ["12.500000", "100.000000", "100.000000", "0.000000", "hpci", "t"])

    def test_refused_to_the_micro_point_and_kept_to_be_looked_up(self):
        self.assertTrue(self.check(project="hp1", points="100")["allowed"])
        decision = self.check(project="hp1", points="100.000001")
        self.assertEqual((decision["allowed"], decision["reason"]), (False, "insufficient_points"))
        self.assertEqual(decision["violated"],
                         [{"limit": "project", "name": "hp1", "available": "100.000000"}])
        self.assertIn("100.000000", decision["detail"])
        self.assertEqual(self.ledgerd.get_json(f"/v1/decisions/{decision['decision_id']}"), decision)

    def test_a_decision_that_was_never_made_is_404(self):
        for unknown in ("d_0", "d_00000000000000001", "x", "d_" + "f" * 60):
            reply = self.ledgerd.get(f"/v1/decisions/{unknown}")
            self.assertEqual((reply.status, reply.json()["code"]), (404, "unknown_decision"))

    def test_reasons(self):
        self.assertEqual(self.check(project="nobody", points="1")["reason"], "unknown_project")
        self.assertEqual(self.check(project="gone", points="1")["reason"], "project_closed")
        self.assertEqual(self.check(project="empty", points="1")["reason"], "no_active_grant")

    def test_a_shape_is_rated_by_the_card(self):
        decision = self.check(project="hp1", source="slurm:x", **{"class": "gpu"}, qos="urgent", seconds="36000",
                              meter__gpu="4")
        self.assertEqual((decision["requested"], decision["allowed"]), ("80.000000", True))
        decision = self.check(project="acct1", source="slurm:x", **{"class": "gpu"}, qos="urgent", seconds="36001",
                              meter__gpu="5")
        self.assertEqual((decision["requested"], decision["reason"]), ("100.002778", "insufficient_points"))

    def test_tokens_are_rated_at_the_instant(self):
        decision = self.check(project="hp1", source="gateway:a", **{"class": "m"}, meter__output_tokens="50000")
        self.assertEqual((decision["requested"], decision["allowed"]), ("50.000000", True))

    def test_a_shape_without_a_price_is_no_rate_never_free(self):
        for shape in ({"class": "cpu", "meter__gpu": 1}, {"class": "gpu", "meter__cpu": 1, "qos": "normal"},
                      {"class": "gpu", "meter__gpu": 1, "qos": "other"},
                      {"class": "gpu", "meter__gpu": 1, "qos": "normal", "meter__widgets": 1}):
            decision = self.check(project="hp1", source="slurm:x", seconds="60", **shape)
            self.assertEqual((decision["allowed"], decision["reason"]), (False, "no_rate"), shape)
            self.assertRegex(decision["detail"], "^record to come of slurm:x: ")

    def test_bad_questions_are_400_with_a_sentence(self):
        for query in ("", "project=hp1", "points=1", "project=hp1&points=-1", "project=hp1&points=1e3",
                      "project=hp1&points=NaN", "project=hp1&points=1&points=2", "project=hp1&points=1&seconds=5",
                      "project=hp1&points=99999999999999999999", "project=hp1&points=1&colour=red",
                      "project=hp1&points=%zz", "project=%00&points=1", "project=hp1&source=slurm:x&seconds=1",
                      "project=hp1&source=slurm:x&class=gpu&seconds=-4", "project=hp1&points=1&uid=1000"):
            reply = self.ledgerd.get(f"/v1/check?{query}")
            self.assertEqual(reply.status, 400, query)
            problem = reply.json()
            self.assertTrue(reply.headers["Content-Type"].startswith("application/problem+json"))
            self.assertTrue(problem["type"].startswith("urn:ledger:problem:"))
            self.assertEqual(problem["error"]["message"], problem["detail"])
            self.assertTrue(problem["detail"])

    def test_many_checks_in_one_call_are_answered_in_order(self):
        questions = [{"project": "hp1", "points": str(p)} for p in (1, 1000)]
        questions += [{"project": "hp1", "source": "slurm:x", "class": "gpu", "qos": "normal", "seconds": 3600,
                       "meters": {"gpu": 3}, "attributes": {"a": "b"}}]
        answers = self.ledgerd.post_json("/v1/checks", questions)
        self.assertEqual([a["allowed"] for a in answers], [True, False, True])
        self.assertEqual(answers[2]["requested"], "3.000000")
        self.assertEqual(self.ledgerd.post_json("/v1/checks", []), [])
        full = self.ledgerd.post_json("/v1/checks", [{"project": "hp1", "points": "1"}] * 1000)
        self.assertEqual(len(full), 1000)

    def test_bad_bodies_of_checks(self):
        good = {"project": "hp1", "points": "1"}
        for body in ("", "[", "{}", "[1]", json.dumps([good] * 1001), '[{"project":"hp1","points":1.5}]',
                     '[{"project":"hp1","points":"1","points":"2"}]', '[{"project":1,"points":"1"}]', "[" * 100000):
            reply = self.ledgerd.post("/v1/checks", body)
            self.assertEqual((reply.status, reply.json()["status"]), (400, 400), body[:60])

    def test_authz_answers_by_status_and_headers_alone(self):
        reply = self.ledgerd.get("/v1/authz", {"X-Ledger-Project": "hp1", "X-Ledger-Points": "100"})
        self.assertEqual((reply.status, reply.body), (204, b""))
        for headers, reason in (({"X-Ledger-Project": "hp1", "X-Ledger-Points": "101"}, "insufficient_points"),
                                ({"X-Ledger-Project": "no\tone", "X-Ledger-Points": "1"}, "unknown_project"),
                                ({"X-Ledger-Project": "hp1", "X-Ledger-Points": "x"}, "bad_argument"),
                                ({"X-Ledger-Points": "1"}, "bad_argument"),
                                ({"X-Ledger-Project": "empty"}, "no_active_grant")):
            reply = self.ledgerd.get("/v1/authz", headers)
            self.assertEqual((reply.status, reply.body, reply.headers["X-Ledger-Reason"]), (403, b"", reason))

    def test_a_denial_keeps_the_connection(self):
        connection = self.ledgerd.connect()
        for _ in range(3):
            connection.request("GET", "/v1/authz", headers={"X-Ledger-Project": "hp1", "X-Ledger-Points": "101"})
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, 403)
            local = connection.sock.getsockname()
        connection.request("GET", "/healthz")
        self.assertEqual(connection.getresponse().status, 200)
        self.assertEqual(connection.sock.getsockname(), local)
        connection.close()

    def test_unknown_paths_and_methods(self):
        self.assertEqual(self.ledgerd.get("/nowhere").status, 404)
        self.assertEqual(self.ledgerd.get("/v1/check/").status, 404)
        self.assertEqual(self.ledgerd.get("/v1%2Fcheck?project=hp1&points=1").status, 404)
        self.assertEqual(self.ledgerd.post("/v1/check", "").status, 405)
        self.assertEqual(self.ledgerd.request("DELETE", "/v1/usage").status, 405)
        self.assertEqual(self.ledgerd.get("/v1/%zz").status, 400)
        self.assertEqual(self.ledgerd.request("HEAD", "/healthz").status, 200)

    def test_a_body_beyond_the_limit_is_413(self):
        self.assertEqual(self.ledgerd.post("/v1/usage", b"x" * (9 << 20)).status, 413)
        connection = self.ledgerd.connect()
        connection.request("POST", "/v1/usage", body=iter([b"x" * (1 << 20)] * 10), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})
        self.assertEqual(connection.getresponse().status, 413)
        connection.close()

    def test_metrics_count_decisions_and_requests(self):
        def counted():
            text = self.ledgerd.get("/metrics").text
            return int([line for line in text.splitlines()
                        if line.startswith('ledger_decisions_total{reason="allowed"}')][0].split()[1])
        before = counted()
        self.check(project="hp1", points="1")
        self.assertEqual(counted(), before + 1)
        self.assertIn('ledger_http_requests_total{route="/v1/check",status="2xx"}', self.ledgerd.get("/metrics").text)

    def test_health(self):
        self.assertEqual(self.ledgerd.get("/healthz").status, 200)
        self.assertEqual(self.ledgerd.get("/readyz").status, 200)


class Freshness(unittest.TestCase):
    def test_commits_of_another_process_show_within_a_second(self):
        db = make_book("fresh")
        with lt.start_ledgerd(db, now=NOW) as ledgerd:
            def available(project):
                return ledgerd.get_json(f"/v1/check?project={project}&points=0")["available"]
            lt.ctl(["grant", "hp1", "7"], db=db, now=NOW)
            lt.eventually(lambda: available("hp1") == "107.000000", seconds=5)
            job = {"source": "slurm:x", "id": "1@1", "project": "acct1", "user": "u", "class": "gpu", "qos": "normal",
                   "start": "2027-06-14T00:00:00+09:00", "end": "2027-06-14T10:00:00+09:00", "state": "final",
                   "meters": {"gpu": "2"}}
            lt.ctl(["import", "usage", "--source", "slurm:x", "--format", "ledger"], db=db, now=NOW, stdin=json.dumps(job))
            lt.eventually(lambda: available("hp1") == "87.000000", seconds=5)
            running = dict(job, id="2@1", state="running", end="2027-06-14T01:00:00+09:00")
            lt.ctl(["import", "usage", "--source", "slurm:x", "--format", "ledger"], db=db, now=NOW,
                   stdin=json.dumps(running))
            lt.eventually(lambda: available("hp1") == "85.000000", seconds=5)
            lt.ctl(["project", "add", "late", "--share", "hpci"], db=db, now=NOW)
            lt.eventually(lambda: ledgerd.get_json("/v1/check?project=late&points=1")["reason"] == "no_active_grant",
                          seconds=5)

    def test_a_grant_that_ends_stops_counting_without_any_commit(self):
        db = make_book("edge")
        with lt.start_ledgerd(db, now="2027-06-30T23:59:57+09:00") as ledgerd:
            lt.eventually(lambda: ledgerd.get_json("/v1/check?project=gen1&points=1")["reason"] == "no_active_grant",
                          seconds=10)


class Ends(unittest.TestCase):
    def test_without_authentication_listens_on_loopback_and_unix_sockets_alone(self):
        db = lt.create_db("listen")
        conf = lt.write_file("[auth]\nmode = none\n", "ledgerd.conf")
        for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
            rc, _, err = lt.run_program(lt.LEDGERD, ["-c", conf, "--listen", address], db=db)
            self.assertEqual(rc, 2, address)
            self.assertIn("loopback", err)
        rc, _, err = lt.run_program(lt.LEDGERD, ["--listen", "nonsense"], db=db)
        self.assertEqual(rc, 2)

    def test_answers_on_a_unix_socket_and_removes_it(self):
        db = make_book("unix")
        path = os.path.join(lt.temp_dir(), "ledger.sock")
        with lt.start_ledgerd(db, ["--unix", path], now=NOW):
            connection = lt.UnixConnection(path)
            connection.request("GET", "/v1/check?project=hp1&points=1")
            self.assertTrue(json.loads(connection.getresponse().read())["allowed"])
            connection.close()
        self.assertFalse(os.path.exists(path))

    def test_a_pretended_time_is_refused_outside_a_sandbox(self):
        db = lt.create_db("real", schema=False)
        lt.ctl(["migrate"], db=db)
        rc, _, err = lt.run_program(lt.LEDGERD, ["--listen", "127.0.0.1:0"], db=db, now=NOW)
        self.assertEqual(rc, 1)
        self.assertIn("sandbox", err)

    def test_without_a_database_it_ends_with_4(self):
        rc, _, err = lt.run_program(lt.LEDGERD, ["--listen", "127.0.0.1:0"], db="host=/nonexistent dbname=x")
        self.assertEqual(rc, 4)
        self.assertTrue(err.startswith("ledgerd: "))

    def test_tells_systemd_and_stops_cleanly_with_connections_open(self):
        db = make_book("notify")
        path = os.path.join(lt.temp_dir(), "notify")
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(path)
        notify.settimeout(30)
        ledgerd = lt.start_ledgerd(db, now=NOW, env={"NOTIFY_SOCKET": path})
        self.assertEqual(notify.recv(100), b"READY=1")
        idle = ledgerd.connect()
        idle.request("GET", "/healthz")
        idle.getresponse().read()
        failures = []

        def ask():
            try:
                connection = ledgerd.connect()
                while True:
                    connection.request("GET", "/v1/projects/hp1/balance")
                    if connection.getresponse().read() == b"":
                        return
            except (OSError, http.client.HTTPException):
                return
            except Exception as failure:  # anything else is a finding
                failures.append(failure)
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        self.assertEqual(ledgerd.stop(), 0)
        self.assertEqual(notify.recv(100), b"STOPPING=1")
        for thread in threads:
            thread.join(30)
        self.assertEqual(failures, [])
        notify.close()
        idle.close()


if __name__ == "__main__":
    unittest.main()
