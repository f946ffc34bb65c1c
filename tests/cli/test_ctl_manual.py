"""Manual acts through ledgerctl: supply and its split, grants and pools, projects, the audit list."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402

NOW = site.NOW


def run(db, *words, now=NOW):
    return lt.run_ctl(words, db=db, now=now)


def act(db, *words, now=NOW):
    return lt.ctl_json(words, db=db, now=now)


class Supply(unittest.TestCase):
    def test_supply_is_split_80_10_10_to_the_point(self):
        for hours, want in (("7200", ("4147200", "518400", "518400")),
                            ("8640", ("4976640", "622080", "622080"))):
            with self.subTest(hours=hours):
                db = lt.create_db("manual")
                entry = dict(site.policy()["supply"][0], hours=hours)
                did = act(db, "policy", "apply", site.file_of(site.policy(supply=[entry])))
                shares = {part["share"]: part["points"] for part in did["minted"][0]["shares"]}
                self.assertEqual({s: f"{p}.000000" for s, p in zip(("hpci", "general", "industry"), want)},
                                 shares)
                rows = lt.query(db, """
                    SELECT a.name, sum(t.amount_micro)::text FROM ledger.transfer t
                      JOIN ledger.account a ON a.account_no = t.credit_account GROUP BY 1""")
                self.assertEqual({f"pool/{s}/2027": f"{p}000000"
                                  for s, p in zip(("hpci", "general", "industry"), want)}, dict(rows))

    def test_the_same_policy_again_changes_nothing(self):
        db = site.new_book("manual", projects=False)
        before = site.book_digest(db)
        self.assertTrue(act(db, "policy", "apply", site.file_of(site.policy()))["unchanged"])
        self.assertTrue(act(db, "rates", "apply", site.file_of(site.card()))["unchanged"])
        self.assertEqual(before, site.book_digest(db))

    def test_show_gives_the_document_back_as_it_was_applied(self):
        db = site.new_book("manual", projects=False)
        self.assertEqual(site.policy(), act(db, "policy", "show"))
        self.assertEqual(site.policy(), json.loads(lt.ctl(["policy", "show"], db=db, now=NOW)))
        self.assertEqual(site.card(), act(db, "rates", "show", "--at", "2027-06-01T00:00:00+09:00"))
        code, _, err = run(db, "rates", "show", "--at", "2027-05-31T23:59:59+09:00")
        self.assertEqual(1, code, err)

    def test_an_empty_book_says_what_is_missing(self):
        db = lt.create_db("manual")
        for words in (("policy", "show"), ("rates", "show"), ("project", "add", "p1", "--share", "hpci"),
                      ("grant", "p1", "5")):
            code, out, err = run(db, *words)
            self.assertEqual((1, ""), (code, out), err)
        for words in (("project", "list"), ("grant", "list"), ("quarantine", "list"), ("audit", "list")):
            self.assertEqual([], act(db, *words))


class Grants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = site.new_book("grants")

    def test_a_grant_beyond_the_pool_is_refused_with_the_numbers(self):
        db = site.new_book("grants")
        act(db, "grant", "i1", "500000")
        before = site.book_digest(db)
        code, out, err = run(db, "grant", "i1", "18400.000001")
        self.assertEqual((1, ""), (code, out))
        for number in ("18400.000000", "518400.000000", "18400.000001"):
            self.assertIn(number, err)
        self.assertIn("industry/2027", err)
        self.assertEqual(before, site.book_digest(db))
        left = act(db, "grant", "i1", "18400")
        self.assertEqual("0.000000", left["pool_left"])

    def test_a_grant_over_two_fiscal_years_is_a_wrong_argument(self):
        before = site.book_digest(self.db)
        code, _, err = run(self.db, "grant", "h1", "5", "--from", "2028-03-01T00:00:00+09:00", "--to",
                           "2028-04-01T00:00:01+09:00")
        self.assertEqual(2, code, err)
        self.assertIn("fiscal year", err)
        code, _, err = run(self.db, "grant", "h1", "5", "--from", "2027-09-01T00:00:00+09:00", "--to",
                           "2027-09-01T00:00:00+09:00")
        self.assertEqual(2, code, err)
        self.assertEqual(before, site.book_digest(self.db))

    def test_the_default_validity_is_from_now_to_the_end_of_the_fiscal_year(self):
        grant = act(self.db, "grant", "g1", "12.5")
        self.assertEqual("2028-04-01T00:00:00+09:00", grant["to"])
        self.assertTrue(grant["from"].startswith("2027-06-10T09:00:00"), grant["from"])
        self.assertEqual(("12.500000", "active"), (grant["remaining"], grant["state"]))

    def test_a_key_makes_a_grant_once(self):
        # --from is given: two calls differ in what "now" is
        words = ("grant", "h1", "100", "--from", "2027-06-01T00:00:00+09:00", "--key", "letter-17")
        first = act(self.db, *words)
        before = site.book_digest(self.db)
        again = act(self.db, *words, now="2027-06-11T00:00:00+09:00")
        self.assertEqual((first["id"], True), (again["id"], again["repeated"]))
        for other in (("grant", "h1", "101") + words[3:], ("grant", "h2", "100") + words[3:]):
            code, _, err = run(self.db, *other)
            self.assertEqual(1, code, err)
        self.assertEqual(before, site.book_digest(self.db))

    def test_a_key_without_from_answers_the_first_result_too(self):
        words = ("grant", "h2", "7", "--key", "letter-18")
        first = act(self.db, *words)
        again = act(self.db, *words, now="2027-06-11T00:00:00+09:00")
        self.assertEqual((first["id"], first["from"], True), (again["id"], again["from"], again["repeated"]))

    def test_revoke_and_extend(self):
        db = site.new_book("grants")
        grant = act(db, "grant", "h1", "100", "--to", "2027-07-01T00:00:00+09:00")
        number = str(grant["id"])
        code, _, err = run(db, "grant", "revoke", number, "--points", "100.000001")
        self.assertEqual(1, code, err)
        self.assertIn("100.000000", err)
        self.assertEqual("60.000000", act(db, "grant", "revoke", number, "--points", "40")["remaining"])
        extended = act(db, "grant", "extend", number, "--to", "2027-08-01T00:00:00+09:00")
        self.assertEqual("2027-08-01T00:00:00+09:00", extended["to"])
        code, _, err = run(db, "grant", "extend", number, "--to", "2028-05-01T00:00:00+09:00")
        self.assertEqual(2, code, err)
        balance = act(db, "balance", "h1")
        self.assertEqual(("60.000000", "60.000000"), (balance["posted"], balance["granted"]))
        act(db, "grant", "revoke", number)
        balance = act(db, "balance", "h1")
        self.assertEqual(("0.000000", "0.000000", "revoked"),
                         (balance["posted"], balance["available"], balance["grants"][0]["state"]))
        code, _, err = run(db, "grant", "revoke", "999")
        self.assertEqual(1, code, err)

    def test_grants_of_the_future_and_the_past_are_not_available(self):
        db = site.new_book("grants")
        act(db, "grant", "h1", "5", "--from", "2027-10-01T00:00:00+09:00")
        act(db, "grant", "h1", "7", "--from", "2027-06-01T00:00:00+09:00", "--to", "2027-07-01T00:00:00+09:00")
        for now, available in ((NOW, "7.000000"), ("2027-07-01T00:00:00+09:00", "0.000000"),
                               ("2027-10-01T00:00:00+09:00", "5.000000")):
            self.assertEqual(available, act(db, "balance", "h1", now=now)["available"], now)

    def test_points_are_lent_between_pools(self):
        db = site.new_book("grants")
        act(db, "grant", "i1", "518400")
        code, _, _ = run(db, "grant", "i1", "10")
        self.assertEqual(1, code)
        act(db, "grant", "i1", "10", "--lend-from", "hpci")
        code, _, err = run(db, "grant", "h1", "4147200")
        self.assertEqual(1, code, err)
        act(db, "grant", "h1", "4147190")
        self.assertTrue(lt.ctl_json(["verify"], db=db)["ok"])


class Check(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = site.new_book("check")
        act(cls.db, "grant", "h1", "10")

    def test_exit_codes_and_numbers(self):
        self.assertEqual(0, run(self.db, "check", "h1", "10")[0])
        code, out, err = run(self.db, "check", "h1", "10.000001")
        self.assertEqual((1, ""), (code, err))
        self.assertIn("10.000001", out)
        self.assertIn("10.000000", out)
        self.assertIn("insufficient_points", out)
        code, out, _ = run(self.db, "check", "nobody", "1", "--json")
        self.assertEqual((1, "unknown_project"), (code, json.loads(out)["reason"]))

    def test_the_document_has_every_member_of_the_contract(self):
        document = act(self.db, "check", "h1", "1", "--user", "u1")
        for name in ("allowed", "reason", "detail", "project", "share", "user", "requested", "available",
                     "posted", "held", "accrued", "overdraft", "violated", "suggest", "as_of", "policy",
                     "rate_card", "decision_id"):
            self.assertIn(name, document)
        self.assertEqual((True, None, "hpci", "u1", "test-2027", "test-2027"),
                         tuple(document[n] for n in ("allowed", "reason", "share", "user", "policy",
                                                     "rate_card")))

    def test_overdraft_counts_and_closed_projects_are_refused(self):
        db = site.new_book("check")
        act(db, "grant", "h1", "10")
        code, out, _ = run(db, "check", "g1", "1", "--json")
        self.assertEqual((1, "no_active_grant"), (code, json.loads(out)["reason"]))
        act(db, "overdraft", "h1", "5")
        self.assertEqual(0, run(db, "check", "h1", "15")[0])
        self.assertEqual(1, run(db, "check", "h1", "15.000001")[0])
        act(db, "project", "close", "h1")
        code, out, _ = run(db, "check", "h1", "1", "--json")
        self.assertEqual((1, "project_closed"), (code, json.loads(out)["reason"]))

    def test_members_are_asked_for_where_the_policy_says_so(self):
        db = lt.create_db("check")
        act(db, "policy", "apply", site.file_of(site.policy(require_membership=True)))
        act(db, "project", "add", "h1", "--share", "hpci")
        act(db, "grant", "h1", "10")
        act(db, "member", "add", "h1", "alice", "--role", "pi")
        self.assertEqual([{"user": "alice", "role": "pi"}], act(db, "member", "list", "h1"))
        self.assertEqual(0, run(db, "check", "h1", "1", "--user", "alice")[0])
        for words in (("--user", "bob"), ()):
            code, out, _ = run(db, "check", "h1", "1", "--json", *words)
            self.assertEqual((1, "not_a_member"), (code, json.loads(out)["reason"]))
        act(db, "member", "remove", "h1", "alice")
        self.assertEqual(1, run(db, "check", "h1", "1", "--user", "alice")[0])


class Projects(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = site.new_book("projects")

    def test_adding_again_is_fine_and_another_share_is_refused(self):
        self.assertTrue(act(self.db, "project", "add", "h1", "--share", "hpci")["unchanged"])
        code, _, err = run(self.db, "project", "add", "h1", "--share", "general")
        self.assertEqual(1, code, err)
        code, _, err = run(self.db, "project", "add", "x1", "--share", "lottery")
        self.assertEqual(1, code, err)
        self.assertIn("lottery", err)

    def test_ids_that_cannot_be_are_refused(self):
        for name in ("../x", "a b", "-x", "x" * 129, "a/b", "é"):
            code, _, err = run(self.db, "project", "add", "--share", "hpci", "--", name)
            self.assertEqual(2, code, f"{name}: {err}")

    def test_one_of_share_and_service_is_needed(self):
        for words in ((), ("--share", "hpci", "--service", "gateway:*/llm")):
            code, _, err = run(self.db, "project", "add", "s1", *words)
            self.assertEqual(2, code, err)

    def test_a_service_with_patterns(self):
        act(self.db, "project", "add", "llm-service", "--service", "gateway:*/llm", "gateway:a/b/c")
        shown = act(self.db, "project", "show", "llm-service")
        self.assertEqual("service", shown["kind"])
        self.assertEqual([{"source": "gateway:*", "class": "llm"}, {"source": "gateway:a", "class": "b/c"}],
                         shown["services"])
        self.assertIn("allowed", lt.ctl(["check", "llm-service", "5"], db=self.db, now=NOW))

    def test_aliases(self):
        act(self.db, "project", "alias", "h1", "slurm:a", "acct")
        self.assertTrue(act(self.db, "project", "alias", "h1", "slurm:a", "acct")["unchanged"])
        self.assertFalse(act(self.db, "project", "alias", "h2", "slurm:a", "acct")["unchanged"])
        self.assertEqual([], act(self.db, "project", "show", "h1")["aliases"])
        self.assertEqual([{"source": "slurm:a", "name": "acct"}],
                         act(self.db, "project", "show", "h2")["aliases"])
        code, _, err = run(self.db, "project", "alias", "nobody", "slurm:a", "acct2")
        self.assertEqual(1, code, err)

    def test_unknown_projects_are_refused(self):
        for words in (("balance", "nobody"), ("project", "show", "nobody"), ("project", "close", "nobody"),
                      ("member", "list", "nobody"), ("member", "add", "nobody", "u"),
                      ("overdraft", "nobody", "5"), ("grant", "nobody", "5"), ("grant", "list", "nobody")):
            code, out, err = run(self.db, *words)
            self.assertEqual((1, ""), (code, out), err)
            self.assertIn("nobody", err)


class Audit(unittest.TestCase):
    def test_every_act_says_who_when_what_and_why(self):
        db = site.new_book("audit", projects=False)
        act(db, "project", "add", "h1", "--share", "hpci", "--actor", "alice", "--note", "new call",
            "--ref", "D-17")
        act(db, "grant", "h1", "5", "--actor", "bob", now="2027-06-11T09:00:00+09:00")
        acts = act(db, "audit", "list")
        self.assertEqual(["policy apply", "rates apply", "project add", "grant"], [a["verb"] for a in acts])
        self.assertEqual(("alice", "h1", "new call", "D-17"),
                         tuple(acts[2][n] for n in ("actor", "subject", "note", "ref")))
        self.assertTrue(acts[0]["actor"])
        late = act(db, "audit", "list", "--from", "2027-06-11T00:00:00+09:00")
        self.assertEqual(["bob"], [a["actor"] for a in late])
        early = act(db, "audit", "list", "--to", "2027-06-11T00:00:00+09:00")
        self.assertEqual(3, len(early))

    def test_a_refused_act_leaves_no_trace(self):
        db = site.new_book("audit")
        before = site.book_digest(db)
        for words in (("grant", "h1", "999999999"), ("project", "add", "h1", "--share", "general"),
                      ("grant", "revoke", "77")):
            self.assertEqual(1, run(db, *words)[0])
        self.assertEqual(before, site.book_digest(db))


if __name__ == "__main__":
    unittest.main()
