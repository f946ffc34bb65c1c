"""Limits on spending as a running ledgerd answers them: checks, authz, and how soon."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt

NOW = "2027-06-15T12:00:00+09:00"
POLICY = {"policy": "t", "timezone": "Asia/Tokyo", "effective_from": "2027-06-01T00:00:00+09:00",
          "shares": [{"share": "hpci", "fraction": "1"}],
          "supply": [{"id": "s", "fiscal_year": 2027, "from": "2027-06-01T00:00:00+09:00",
                      "to": "2028-04-01T00:00:00+09:00", "resource": "gpu", "count": 10, "hours": "100",
                      "points_per_hour": "1"}]}
CARD = {"card": "c", "effective_from": "2027-06-01T00:00:00+09:00",
        "rules": [{"source": "slurm:x", "class": "gpu", "per_hour": {"gpu": "1"}}]}


def job(number, user, hours, seen=1, state="final"):
    return json.dumps({"source": "slurm:x", "id": f"{number}@1", "project": "p", "user": user, "class": "gpu",
                       "start": "2027-06-15T00:00:00+09:00", "end": f"2027-06-15T{hours:02}:00:00+09:00",
                       "state": state, "meters": {"gpu": "1"}, "seen": f"2027-06-16T00:00:{seen:02}+09:00"})


class Limits(unittest.TestCase):
    def setUp(self):
        self.db = lt.create_db("hlimits")
        for verb, document in (("policy", POLICY), ("rates", CARD)):
            self.ctl(verb, "apply", lt.write_file(json.dumps(document)))
        for project in ("p", "other"):
            self.ctl("project", "add", project, "--share", "hpci")
            self.ctl("grant", project, "100")

    def ctl(self, *words, now=NOW):
        lt.ctl(words, db=self.db, now=now)

    def book(self, *jobs, now=NOW):
        lt.ctl(["import", "usage", "--source", "slurm:x", "--format", "ledger"], db=self.db, now=now,
               stdin="\n".join(jobs))

    def test_limits_and_what_counts_against_them_show_within_a_second(self):
        with lt.start_ledgerd(self.db, now=NOW) as ledgerd:
            def check(points, user="u1"):
                return ledgerd.get_json(f"/v1/check?project=p&user={user}&points={points}")

            def left(user="u1"):
                violated = check(99, user)["violated"]
                return [(v["limit"], v["period"], v["available"]) for v in violated if "period" in v]

            self.assertTrue(check(99)["allowed"])
            self.ctl("limit", "set", "p", "--user", "u1", "--points", "10", "--period", "day")
            lt.eventually(lambda: left() == [("user", "day", "10.000000")], seconds=1)
            self.assertEqual(check("10.000001")["reason"], "user_limit")
            self.assertTrue(check("10")["allowed"])
            self.assertTrue(check(99, "u2")["allowed"])
            self.assertTrue(ledgerd.get_json("/v1/check?project=other&user=u1&points=99")["allowed"])
            self.book(job(1, "u1", 4))
            lt.eventually(lambda: left() == [("user", "day", "6.000000")], seconds=1)
            # To another user: the project's position does not move at all.
            self.book(job(1, "u2", 4, seen=2))
            lt.eventually(lambda: left() == [("user", "day", "10.000000")], seconds=1)
            self.book(job(2, "u1", 3, state="running"))
            lt.eventually(lambda: left() == [("user", "day", "7.000000")], seconds=1)
            self.ctl("limit", "set", "p", "--points", "8", "--period", "month")
            lt.eventually(lambda: left("") == [("project", "month", "1.000000")], seconds=1)
            decision = check(8)
            self.assertEqual(decision["reason"], "project_limit")
            self.assertEqual([(v["limit"], v["name"], v["points"], v["charged"], v["accrued"], v["held"])
                              for v in decision["violated"]],
                             [("project", "p", "8.000000", "4.000000", "3.000000", "0.000000"),
                              ("user", "u1", "10.000000", "0.000000", "3.000000", "0.000000")])
            self.assertEqual(ledgerd.get_json(f"/v1/decisions/{decision['decision_id']}"), decision)
            answers = ledgerd.post_json("/v1/checks", [{"project": "p", "user": "u2", "points": "2"},
                                                       {"project": "p", "user": "u2", "points": "1"}])
            self.assertEqual([a["reason"] for a in answers], ["project_limit", None])
            reply = ledgerd.get("/v1/authz", {"X-Ledger-Project": "p", "X-Ledger-User": "u1", "X-Ledger-Points": "2"})
            self.assertEqual((reply.status, reply.headers["X-Ledger-Reason"]), (403, "project_limit"))
            self.assertIn("8.000000 points this month", reply.headers["X-Ledger-Detail"])
            self.ctl("limit", "clear", "p")
            self.ctl("limit", "clear", "p", "--user", "u1")
            lt.eventually(lambda: check(90)["allowed"], seconds=1)
            self.assertIn('ledger_decisions_total{reason="project_limit"}', ledgerd.get("/metrics").text)

    def test_a_new_day_begins_without_any_commit(self):
        self.ctl("limit", "set", "p", "--points", "4", "--period", "day")
        self.book(job(1, "u1", 4))
        with lt.start_ledgerd(self.db, now="2027-06-15T23:59:57+09:00") as ledgerd:
            def check():
                return ledgerd.get_json("/v1/check?project=p&points=4")
            self.assertEqual(check()["reason"], "project_limit")
            lt.eventually(lambda: check()["allowed"], seconds=10)


if __name__ == "__main__":
    unittest.main()
