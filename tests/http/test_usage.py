"""POST /v1/usage and what the portal then reads: records, balances, usage, transfers, shares, statements."""

import concurrent.futures
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt
from test_check import CARD, POLICY

NOW = "2027-07-15T12:00:00+09:00"


def token(record_id, **changes):
    record = {"source": "gateway:a", "id": record_id, "project": "hp1", "user": "u1", "class": "m",
              "start": "2027-07-10T09:00:00+09:00", "end": "2027-07-10T09:00:00+09:00", "state": "final",
              "meters": {"output_tokens": "1000"}}
    record.update(changes)
    return record


def job(record_id, **changes):
    record = {"source": "slurm:x", "id": record_id, "project": "hp1", "user": "u2", "class": "gpu", "qos": "normal",
              "start": "2027-06-30T20:00:00+09:00", "end": "2027-07-01T06:00:00+09:00", "state": "final",
              "outcome": "completed", "meters": {"gpu": "2"}}
    record.update(changes)
    return record


class Usage(unittest.TestCase):
    def setUp(self):
        self.db = lt.create_db("usage")
        for verb, document in (("policy", POLICY), ("rates", CARD)):
            lt.ctl([verb, "apply", lt.write_file(json.dumps(document))], db=self.db, now=NOW)
        for project in ("hp1", "hp2"):
            lt.ctl(["project", "add", project, "--share", "hpci"], db=self.db, now=NOW)
            lt.ctl(["grant", project, "100", "--from", "2027-06-01T00:00:00+09:00"], db=self.db, now=NOW)
        self.ledgerd = lt.start_ledgerd(self.db, now=NOW)

    def tearDown(self):
        code = self.ledgerd.stop()
        self.assertEqual(code, 0, self.ledgerd.log())
        checked = lt.ctl_json(["verify"], db=self.db)
        self.assertTrue(checked["ok"], checked)

    def counts(self, reply):
        return [reply[k] for k in ("read", "booked", "amended", "duplicate", "quarantined", "skipped")]

    def test_posts_at_once_share_a_transaction_and_have_answers_of_their_own(self):
        """Forty senders: records of their own, one that all send, and bodies that cannot be booked."""
        def post(n):
            if n % 8 == 7:
                return self.ledgerd.post("/v1/usage", "[{", {"Content-Type": "application/json"})
            body = "".join(json.dumps(one) + "\n" for one in (token(f"many{n}"), token("shared"), token(f"no{n}", project="nobody")))
            return self.ledgerd.post("/v1/usage", body, {"Content-Type": "application/x-ndjson"})

        before = lt.scalar(self.db, "SELECT count(*) FROM ledger.entry")
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            replies = list(pool.map(post, range(40)))
        self.assertEqual([reply.status for reply in replies], [400 if n % 8 == 7 else 200 for n in range(40)])
        counts = [self.counts(reply.json()) for reply in replies if reply.status == 200]
        self.assertEqual({tuple(one) for one in counts}, {(3, 2, 0, 0, 1, 0), (3, 1, 0, 1, 1, 0)})
        self.assertEqual(sum(one[1] for one in counts), 35 + 1)
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.record_identity WHERE id = 'shared'"), "1")
        self.assertLess(int(lt.scalar(self.db, "SELECT count(*) FROM ledger.entry")) - int(before), 35)

    def test_one_record_is_booked_once_and_moves_the_balance(self):
        reply = self.ledgerd.post_json("/v1/usage", token("r1"))
        self.assertEqual(self.counts(reply), [1, 1, 0, 0, 0, 0])
        self.assertEqual(reply["points"], "1.000000")
        reply = self.ledgerd.post_json("/v1/usage", token("r1"))
        self.assertEqual(self.counts(reply), [1, 0, 0, 1, 0, 0])
        balance = self.ledgerd.get_json("/v1/projects/hp1/balance")
        self.assertEqual((balance["available"], balance["spent"]), ("99.000000", "1.000000"))
        lt.eventually(lambda: self.ledgerd.get_json("/v1/check?project=hp1&points=99.000001")["allowed"] is False)

    def test_other_content_under_the_same_id_is_a_conflict(self):
        self.ledgerd.post_json("/v1/usage", token("r1"))
        reply = self.ledgerd.post("/v1/usage", token("r1", meters={"output_tokens": "5"}))
        self.assertEqual((reply.status, reply.json()["code"]), (409, "conflict"))
        both = self.ledgerd.post_json("/v1/usage", [token("r1", meters={"output_tokens": "5"}), token("r2")])
        self.assertEqual(self.counts(both), [2, 1, 0, 0, 1, 0])
        self.assertEqual([(r["id"], r["fate"], r["reason"]) for r in both["records"]],
                         [("r1", "quarantined", "conflict")])
        lt.ctl(["quarantine", "dismiss", str(lt.ctl_json(["quarantine", "list"], db=self.db)[0]["n"])], db=self.db,
               now=NOW)

    def test_arrays_ndjson_and_cloudevents(self):
        self.assertEqual(self.counts(self.ledgerd.post_json("/v1/usage", [token("a1"), job("1@1")])), [2, 2, 0, 0, 0, 0])
        lines = "\n".join(json.dumps(token(f"n{i}")) for i in range(10)) + "\n"
        reply = self.ledgerd.post("/v1/usage", lines, {"Content-Type": "application/x-ndjson"})
        self.assertEqual(self.counts(reply.json()), [10, 10, 0, 0, 0, 0])
        data = token("ignored")
        del data["source"], data["id"]
        event = {"specversion": "1.0", "type": "ledger.usage", "source": "gateway:a", "id": "ce1", "data": data}
        reply = self.ledgerd.post("/v1/usage", json.dumps(event), {"Content-Type": "application/cloudevents+json"})
        self.assertEqual(self.counts(reply.json()), [1, 1, 0, 0, 0, 0], reply.text)
        self.assertEqual(self.ledgerd.get_json("/v1/records?source=gateway:a&id=ce1")["record"]["id"], "ce1")

    def test_a_bad_record_does_not_stop_the_others(self):
        reply = self.ledgerd.post_json("/v1/usage", [token("g1"), token("g2", project="nobody"),
                                                     token("g3", meters={"output_tokens": 1.5}), {"x": 1},
                                                     token("g4", meters={"unheard_of": "1"})])
        self.assertEqual(self.counts(reply), [5, 1, 0, 0, 4, 0])
        reasons = {r["id"]: r["reason"] for r in reply["records"]}
        self.assertEqual(reasons["g2"], "unknown_project")
        self.assertEqual(reasons["g4"], "count_unpriced")
        lt.ctl(["project", "alias", "hp1", "gateway:a", "nobody"], db=self.db, now=NOW)
        lt.run_ctl(["quarantine", "retry"], db=self.db, now=NOW)
        self.assertEqual(self.ledgerd.get_json("/v1/projects/hp1/balance")["spent"], "2.000000")

    def test_bodies_that_are_no_records(self):
        for body in ("", "[", '{"a":', "null", "5", "nonsense"):
            reply = self.ledgerd.post("/v1/usage", body, {"Content-Type": "application/json"})
            self.assertEqual(reply.status, 400, f"{body}: {reply.text}")
        self.assertEqual(lt.ctl_json(["quarantine", "list"], db=self.db), [])
        self.assertEqual(self.ledgerd.post("/v1/usage", "x", {"Content-Type": "text/html"}).status, 415)

    def test_the_portal_reads_what_was_posted(self):
        self.ledgerd.post_json("/v1/usage", [job("1@1"), token("t1"), token("t2", user="u3"), job("2@1", user="u3")])
        base = "/v1/projects/hp1"
        projects = self.ledgerd.get_json("/v1/projects?limit=1")
        self.assertEqual(([p["project"] for p in projects["projects"]], projects["next"]), (["hp1"], "hp1"))
        projects = self.ledgerd.get_json("/v1/projects?limit=1&cursor=hp1")
        self.assertEqual(([p["project"] for p in projects["projects"]], projects["next"]), (["hp2"], None))
        self.assertEqual(self.ledgerd.get_json(base)["share"], "hpci")

        usage = self.ledgerd.get_json(f"{base}/usage?from=2027-06&to=2027-08&by=month")
        self.assertEqual({u["month"]: u["points"] for u in usage["usage"]},
                         {"2027-06": "16.000000", "2027-07": "26.000000"})
        usage = self.ledgerd.get_json(f"{base}/usage?from=2027-06&to=2027-08&by=user,source")
        self.assertEqual({(u["user"], u["source"]): u["points"] for u in usage["usage"]},
                         {("u2", "slurm:x"): "20.000000", ("u3", "slurm:x"): "20.000000",
                          ("u1", "gateway:a"): "1.000000", ("u3", "gateway:a"): "1.000000"})
        usage = self.ledgerd.get_json(f"{base}/usage?from=2027-06-30&to=2027-07-02&by=day,class")
        self.assertEqual({(u["day"], u["class"]): u["points"] for u in usage["usage"]},
                         {("2027-06-30", "gpu"): "16.000000", ("2027-07-01", "gpu"): "24.000000"})

        seen, cursor = [], ""
        while True:
            page = self.ledgerd.get_json(f"{base}/transfers?from=2027-06&to=2027-08&limit=2{cursor}")
            seen += page["transfers"]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        self.assertEqual(len({t["transfer"] for t in seen}), len(seen))
        moved = sum((1 if t["credit"] == "project/hp1" else -1) * int(t["points"].replace(".", "")) for t in seen)
        self.assertEqual(moved, 58_000_000)

        statement = self.ledgerd.get_json(f"{base}/statement?month=2027-07")
        self.assertEqual(statement["project"], "hp1")
        self.assertEqual(statement["closing"], "58.000000")
        shares = {s["share"]: s for s in self.ledgerd.get_json("/v1/shares?fiscal_year=2027")["shares"]}
        self.assertEqual((shares["hpci"]["supply"], shares["hpci"]["spent"]), ("800.000000", "42.000000"))
        self.assertEqual(shares["general"]["supply"], "200.000000")
        record = self.ledgerd.get_json("/v1/records?source=slurm:x&id=1@1")
        self.assertEqual([(c["month"], c["points"], c["debit"]) for c in record["charges"]],
                         [("2027-06", "8.000000", "project/hp1"), ("2027-07", "12.000000", "project/hp1")])
        self.assertLessEqual({c["transfer"] for c in record["charges"]}, {t["transfer"] for t in seen})

    def test_unknown_things_and_bad_arguments(self):
        for path, status in (("/v1/projects/nobody", 404), ("/v1/projects/nobody/balance", 404),
                             ("/v1/projects/hp1/usage?by=colour", 400), ("/v1/projects/hp1/usage?from=yesterday", 400),
                             ("/v1/projects/hp1/usage?from=2027-08&to=2027-07", 400),
                             ("/v1/projects/hp1/statement?month=2027-13", 400),
                             ("/v1/projects/hp1/transfers?cursor=x", 400), ("/v1/projects?limit=0", 400),
                             ("/v1/records?source=a", 400), ("/v1/records?source=a&id=b", 404),
                             ("/v1/shares?fiscal_year=x", 400), ("/v1/projects/%2e%2e%2f/balance", 404)):
            self.assertEqual(self.ledgerd.get(path).status, status, path)


class Outage(unittest.TestCase):
    def test_checks_go_on_without_the_database_and_then_say_stale(self):
        db = lt.create_db("outage")
        lt.ctl(["policy", "apply", lt.write_file(json.dumps(POLICY))], db=db, now=NOW)
        lt.ctl(["project", "add", "hp1", "--share", "hpci"], db=db, now=NOW)
        lt.ctl(["grant", "hp1", "100"], db=db, now=NOW)
        name = db.rsplit("=", 1)[1]
        with lt.start_ledgerd(db, now=NOW, conf="[http]\nmax_staleness = 3s\n") as ledgerd:
            lt.psql(lt.server(), f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false;"
                                 f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}';")
            self.assertTrue(ledgerd.get_json("/v1/check?project=hp1&points=1")["allowed"])
            reply = ledgerd.post("/v1/usage", token("x"))
            self.assertEqual(reply.status, 503)
            self.assertEqual(reply.headers["x-should-retry"], "false")
            lt.eventually(lambda: ledgerd.get_json("/v1/check?project=hp1&points=1")["reason"] == "stale", seconds=15)
            self.assertEqual(ledgerd.get("/readyz").status, 503)
            self.assertEqual(ledgerd.get("/healthz").status, 200)
            lt.psql(lt.server(), f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true;")
            lt.eventually(lambda: ledgerd.get_json("/v1/check?project=hp1&points=1")["allowed"], seconds=15)
            lt.eventually(lambda: ledgerd.get("/v1/projects/hp1/balance").status == 200, seconds=15)
            self.assertEqual(ledgerd.get_json("/v1/projects/hp1/balance")["available"], "100.000000")


if __name__ == "__main__":
    unittest.main()
