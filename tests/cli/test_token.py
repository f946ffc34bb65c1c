"""Access tokens from the shell: made, listed, revoked, and on the audit list."""

import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402

NOW = site.NOW


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = site.new_book("token")

    def create(self, name, *words, expect=0):
        return lt.ctl(["token", "create", name, *words], db=self.db, now=NOW, expect=expect)

    def test_a_token_is_printed_once_and_alone(self):
        out = self.create("gateway", "--role", "submit+ingest")
        self.assertRegex(out, r"\Aldg_[A-Za-z0-9_-]{43}\n\Z")
        listed = lt.ctl(["token", "list"], db=self.db)
        self.assertIn("gateway", listed)
        self.assertIn("submit+ingest", listed)
        self.assertNotIn(out.strip()[4:], listed + lt.ctl(["audit", "list"], db=self.db))

    def test_json_of_each_verb(self):
        made = json.loads(self.create("alice", "--role", "gateway-user", "--project", "i1", "--user", "u1", "--json"))
        self.assertTrue(re.fullmatch(r"ldg_[A-Za-z0-9_-]{43}", made.pop("token")))
        self.assertEqual(made, {"name": "alice", "roles": "gateway-user", "project": "i1", "user": "u1"})
        self.assertEqual(lt.ctl_json(["token", "revoke", "alice"], db=self.db, now=NOW),
                         {"name": "alice", "unchanged": False})
        self.assertEqual(lt.ctl_json(["token", "revoke", "alice"], db=self.db, now=NOW),
                         {"name": "alice", "unchanged": True})
        row = next(row for row in lt.ctl_json(["token", "list"], db=self.db) if row["name"] == "alice")
        self.assertEqual(row["state"], "revoked")
        self.assertEqual((row["project"], row["user"], row["created_at"]), ("i1", "u1", NOW))
        self.assertTrue(row["revoked_by"])
        self.assertNotIn("sha256", row)

    def test_manual_acts_leave_their_rows(self):
        self.create("acts", "--role", "report", "--actor", "carol", "--note", "for the board", "--ref", "D-7")
        lt.ctl(["token", "revoke", "acts", "--actor", "dave"], db=self.db, now=NOW)
        acts = [row for row in lt.ctl_json(["audit", "list"], db=self.db) if row["subject"] == "acts"]
        self.assertEqual([(a["verb"], a["actor"], a["note"], a["ref"]) for a in acts],
                         [("token create", "carol", "for the board", "D-7"), ("token revoke", "dave", "", "")])
        self.assertEqual(acts[0]["detail"], "roles report")

    def test_refusals_are_sentences_and_exit_codes(self):
        self.create("twice", "--role", "submit")
        for code, words, sentence in (
                (1, ["create", "twice", "--role", "submit"], "a name of its own"),
                (1, ["create", "x", "--role", "gateway-user", "--project", "nobody"], "no project 'nobody'"),
                (1, ["create", "x", "--role", "read:nobody"], "no project 'nobody'"),
                (1, ["revoke", "nothing"], "no token 'nothing'"),
                (2, ["create", "x", "--role", "root"], "roles are submit"),
                (2, ["create", "x", "--role", "submit+submit"], "each once"),
                (2, ["create", "x", "--role", "gateway-user"], "--project is missing"),
                (2, ["create", "x", "--role", "submit", "--project", "h1"], "gateway-user alone"),
                (2, ["create", "x", "--role", "submit", "--user", "u"], "gateway-user alone"),
                (2, ["create", "n" * 129, "--role", "submit"], "at most 128")):
            with self.subTest(words=words):
                rc, out, err = lt.run_ctl(["token", *words], db=self.db, now=NOW)
                self.assertEqual((rc, out), (code, ""), err)
                self.assertIn(sentence, err)
                self.assertEqual(err.count("\n"), 1)
        self.assertNotIn("x", [row["name"] for row in lt.ctl_json(["token", "list"], db=self.db)])


if __name__ == "__main__":
    unittest.main()
