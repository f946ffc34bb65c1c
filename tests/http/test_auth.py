"""Who may call ledgerd: tokens, roles, peers of the Unix socket, and what nobody else may know."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402

NOW = site.NOW


def create_token(db, name, role, *more):
    return lt.ctl(["token", "create", name, "--role", role, *more], db=db, now=NOW).strip()


class Introspection(unittest.TestCase):
    """A gateway asks whose token it was shown."""

    @classmethod
    def setUpClass(cls):
        cls.db = site.new_book("introspect")
        cls.ledgerd = lt.start_ledgerd(cls.db, now=NOW)

    @classmethod
    def tearDownClass(cls):
        cls.ledgerd.stop()

    def introspect(self, token):
        return self.ledgerd.post_json("/v1/tokens/introspect", {"token": token})

    def known(self, token, wanted=True):
        lt.eventually(lambda: self.introspect(token)["active"] == wanted, seconds=5)

    def test_a_users_token_is_active_until_it_is_revoked(self):
        token = create_token(self.db, "u1", "gateway-user", "--project", "i1", "--user", "u00001")
        self.known(token)
        self.assertEqual(self.introspect(token), {"active": True, "project": "i1", "user": "u00001",
                                                  "role": "gateway-user", "name": "u1"})
        lt.ctl(["token", "revoke", "u1"], db=self.db, now=NOW)
        self.known(token, False)
        self.assertEqual(self.introspect(token), {"active": False})

    def test_nobodys_own_token_names_no_user(self):
        token = create_token(self.db, "app", "gateway-user", "--project", "h1")
        self.known(token)
        self.assertEqual(self.introspect(token)["user"], "")

    def test_no_other_role_is_active(self):
        last = create_token(self.db, "last", "gateway-user", "--project", "h1")
        others = [create_token(self.db, f"o{n}", role) for n, role in
                  enumerate(("submit", "submit+ingest", "read:h1", "report", "admin"))]
        self.known(last)
        self.known(create_token(self.db, "later", "gateway-user", "--project", "h1"))
        for token in [*others, last[:-1], last + "A", last.upper(), "", "ldg_" + "A" * 43, "\u00e9" * 20]:
            with self.subTest(token=token):
                self.assertEqual(self.introspect(token), {"active": False})

    def test_what_is_no_question_is_refused(self):
        for body in ("", "{", "[]", "{}", '{"token":null}', '{"token":7}', '{"token":"a","token":"b"}',
                     '{"token":"' + "x" * 70000 + '"}', '{"token":"\\u0000"}'):
            with self.subTest(body=body[:40]):
                reply = self.ledgerd.post("/v1/tokens/introspect", body, {"Content-Type": "application/json"})
                self.assertEqual(reply.status, 400, reply.text)


if __name__ == "__main__":
    unittest.main()
