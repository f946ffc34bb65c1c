"""ledgerctl hold, settle, release and hold list: points are reserved before work runs, and come back."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt

POLICY = {"policy": "t", "timezone": "Asia/Tokyo", "effective_from": "2027-06-01T00:00:00+09:00",
          "shares": [{"share": "hpci", "fraction": "1"}],
          "supply": [{"id": "fy2027", "fiscal_year": 2027, "from": "2027-06-01T00:00:00+09:00",
                      "to": "2028-04-01T00:00:00+09:00", "resource": "gpu", "count": 10, "hours": "100",
                      "points_per_hour": "1"}]}
CARD = {"card": "c", "effective_from": "2027-06-01T00:00:00+09:00",
        "rules": [{"source": "slurm:x", "class": "gpu", "per_hour": {"gpu": "1"}}]}
NOW = "2027-06-15T12:00:00+09:00"


class Holds(unittest.TestCase):
    def setUp(self):
        self.db = lt.create_db("holds")
        for verb, document in (("policy", POLICY), ("rates", CARD)):
            self.ctl(verb, "apply", lt.write_file(json.dumps(document)))
        for project in ("p", "q"):
            self.ctl("project", "add", project, "--share", "hpci")
            self.ctl("grant", project, "100", "--from", "2027-06-01T00:00:00+09:00")

    def tearDown(self):
        self.ctl("verify", now="2027-06-16T12:00:00+09:00")

    def ctl(self, *words, now=NOW, expect=0):
        return lt.ctl_json(words, db=self.db, now=now, expect=expect)

    def refused(self, *words, now=NOW):
        rc, out, err = lt.run_ctl([*words, "--json"], db=self.db, now=now)
        self.assertEqual(rc, 1, out + err)
        return err

    def available(self, project="p", now=NOW):
        balance = self.ctl("balance", project, now=now)
        return balance["held"], balance["available"]

    def test_a_hold_reserves_and_says_so_everywhere(self):
        hold = self.ctl("hold", "p", "60.5", "--user", "u1", "--key", "job", "--ref", "4711")
        self.assertRegex(hold["hold"], "^h_[1-9][0-9]*$")
        self.assertEqual({name: hold[name] for name in ("project", "user", "key", "points", "held", "freed", "charged",
                                                        "parts", "ended_parts", "state", "expires_at", "ended_at",
                                                        "ref", "repeated")},
                         {"project": "p", "user": "u1", "key": "job", "points": "60.500000", "held": "60.500000",
                          "freed": "0.000000", "charged": "0.000000", "parts": 1, "ended_parts": 0, "state": "open",
                          "expires_at": "2027-06-15T12:15:00+09:00", "ended_at": None,
                          "ref": {"kind": "other", "id": "4711"}, "repeated": False})
        self.assertEqual((hold["decision"]["available"], hold["decision"]["decision_id"]),
                         ("100.000000", "d_" + hold["hold"].replace("_", "")))
        self.assertEqual(self.available(), ("60.500000", "39.500000"))
        check = self.ctl("check", "p", "40", expect=1)
        self.assertEqual((check["reason"], check["held"], check["available"]),
                         ("insufficient_points", "60.500000", "39.500000"))
        refused = self.ctl("hold", "p", "40", expect=1)
        self.assertEqual((refused["allowed"], refused["reason"], refused["held"]),
                         (False, "insufficient_points", "60.500000"))
        self.assertEqual([row["hold"] for row in self.ctl("hold", "list")], [hold["hold"]])
        self.assertEqual(self.ctl("hold", "list", "q"), [])
        for name in (hold["hold"], "key:job"):
            self.assertEqual(self.ctl("hold", "show", name)["points"], "60.500000")
        late = "2027-06-15T12:15:00+09:00"
        self.assertEqual(self.available(now=late), ("0.000000", "100.000000"))
        self.assertEqual(self.ctl("hold", "list", now=late), [])
        self.assertEqual(self.ctl("hold", "show", "key:job", now=late)["state"], "expired")
        self.assertTrue(self.ctl("check", "p", "100", now=late)["allowed"])

    def test_a_key_answers_the_first_hold_and_refuses_another(self):
        first = self.ctl("hold", "p", "10", "--key", "k")
        again = self.ctl("hold", "p", "10.0", "--key", "k", "--ttl", "15m", "--parts", "1")
        self.assertEqual((again["hold"], again["repeated"], again["decision"]), (first["hold"], True, first["decision"]))
        for words in (["p", "11"], ["q", "10"], ["p", "10", "--ttl", "16m"], ["p", "10", "--parts", "0"],
                      ["p", "10", "--user", "u"]):
            self.assertIn("was used for another hold", self.refused("hold", *words, "--key", "k"))
        self.assertEqual(self.available(), ("10.000000", "90.000000"))

    def test_settling_less_gives_the_rest_back_and_settling_more_books_it_all(self):
        less, more = (self.ctl("hold", "p", "30", "--key", key)["hold"] for key in ("less", "more"))
        settled = self.ctl("settle", less, "10")
        self.assertEqual((settled["state"], settled["charged"], settled["held"]), ("settled", "10.000000", "0.000000"))
        self.assertEqual(settled["result"], {"charged": "10.000000", "freed": "20.000000", "overspent": "0.000000",
                                             "repeated": False})
        again = self.ctl("settle", less, "10")
        self.assertEqual(again["result"], {**settled["result"], "repeated": True})
        self.assertIn("is settled already", self.refused("settle", less, "11"))
        self.assertIn("is settled already", self.refused("release", less))
        settled = self.ctl("settle", "key:more", "45")
        self.assertEqual(settled["result"], {"charged": "45.000000", "freed": "0.000000", "overspent": "15.000000",
                                             "repeated": False})
        self.assertEqual(self.available(), ("0.000000", "45.000000"))
        self.assertEqual(self.ctl("balance", "p")["spent"], "55.000000")

    def test_a_release_gives_back_once(self):
        hold = self.ctl("hold", "p", "30")["hold"]
        self.assertEqual(self.ctl("release", hold)["result"]["freed"], "30.000000")
        again = self.ctl("release", hold)
        self.assertEqual((again["state"], again["result"]["freed"], again["result"]["repeated"]),
                         ("released", "30.000000", True))
        self.assertIn("is released already", self.refused("settle", hold, "1"))
        self.assertEqual(self.available(), ("0.000000", "100.000000"))

    def test_an_extension_moves_the_deadline(self):
        hold = self.ctl("hold", "p", "30", "--ttl", "1m")["hold"]
        extended = self.ctl("hold", "extend", hold, "--ttl", "2h", now="2027-06-15T12:00:30+09:00")
        self.assertEqual(extended["expires_at"], "2027-06-15T14:00:30+09:00")
        self.assertEqual(self.available(now="2027-06-15T14:00:29+09:00")[0], "30.000000")
        self.assertIn("past its deadline", self.refused("hold", "extend", hold, now="2027-06-15T14:00:30+09:00"))

    def test_a_transfer_leaves_what_is_held(self):
        self.ctl("hold", "p", "30")
        self.assertIn("has 70.000000 that can be", self.refused("transfer", "p", "q", "71"))
        self.ctl("transfer", "p", "q", "70")
        self.assertEqual(self.available(), ("30.000000", "0.000000"))

    def test_bad_words_are_refused(self):
        for words in (["hold", "p", "-1"], ["hold", "p", "1", "--ttl", "0s"], ["hold", "p", "1", "--ttl", "soon"],
                      ["hold", "p", "1", "--ttl", "367d"], ["hold", "p", "1", "--parts", "-1"],
                      ["hold", "p", "1", "--key", "h_1"], ["hold", "p", "1", "--parts", "10000001"],
                      ["settle", "h_1", "1", "--part"], ["settle", "h_1", "1", "--key", "k"], ["release"]):
            with self.subTest(words=words):
                rc, out, err = lt.run_ctl(words, db=self.db, now=NOW)
                self.assertEqual(rc, 2, out + err)
        for words in (["settle", "h_1", "1"], ["release", "key:none"], ["hold", "show", "h_1"],
                      ["hold", "extend", "h_1"]):
            self.assertIn("there is no hold", self.refused(*words))
        self.assertEqual(self.ctl("hold", "nope", "1", expect=1)["reason"], "unknown_project")
        self.assertIn("nope", self.refused("hold", "list", "nope"))

    def test_reports_show_what_is_held_in_the_current_month_alone(self):
        self.ctl("hold", "p", "30", "--ttl", "1h")
        self.ctl("hold", "q", "5", "--ttl", "1m")

        def held(now, month="2027-06"):
            share = lt.report_json(["monthly", month], db=self.db, now=now)["shares"][0]
            shares = lt.report_json(["shares", "2027"], db=self.db, now=now)["shares"][0]
            months = {row["month"]: row["held"] for row in shares["months"]}
            return share["held"], share["fiscal_year_to_date"]["held"], shares["held"], months[month]

        self.assertEqual(held(NOW), ("35.000000",) * 4)
        self.assertEqual(held("2027-06-15T12:01:00+09:00"), ("30.000000",) * 4)
        self.ctl("hold", "p", "7", "--ttl", "30d")
        july = "2027-07-01T00:00:00+09:00"
        self.assertEqual(held(july), ("0.000000", "0.000000", "7.000000", "0.000000"))
        self.assertEqual(held(july, "2027-07"), ("7.000000",) * 4)

    def test_people_read_text(self):
        self.ctl("hold", "p", "30", "--user", "u1")
        rc, out, err = lt.run_ctl(["hold", "list"], db=self.db, now=NOW)
        self.assertEqual(rc, 0, err)
        self.assertIn("30.000000", out)
        rc, out, err = lt.run_ctl(["hold", "p", "71"], db=self.db, now=NOW)
        self.assertEqual(rc, 1, err)
        self.assertIn("refused, insufficient_points", out)


if __name__ == "__main__":
    unittest.main()
