"""Who may call, and how the real OpenAI client reads that it may not: status, code, message, attempts."""

import json
import os
import sys
import unittest

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"), os.path.dirname(os.path.abspath(__file__))]
import ledger_test as lt  # noqa: E402
import model_server  # noqa: E402
from gateway_site import CHAT, MEMBERS, PROJECTS, Site  # noqa: E402
from openai_client import VERSIONS, OpenAiClient  # noqa: E402

CACHE_SECONDS = 1
site = None
keys = {}
USAGE = model_server.usage_document(11, 5)
DEAR = {**CHAT, "model": "dear", "max_tokens": 100}


def setUpModule():
    global site
    site = Site(projects={**PROJECTS, "closed": "10"}, members=[*MEMBERS, ("closed", "alice"), ("rich", "carol")],
                caller={"cache": f"{CACHE_SECONDS}s"})
    try:
        site.start()
        keys.update({(user, project): site.key(user, project) for user, project in
                     [("alice", "rich"), ("bob", "rich"), ("carol", "rich"), ("alice", "small"), ("alice", "poor"),
                      ("alice", "closed")]})
        site.ctl("member", "remove", "rich", "carol")
        site.ctl("project", "close", "closed")
        site.ctl("limit", "set", "rich", "--user", "bob", "--points", "30", "--period", "total")
    except BaseException:
        site.stop()
        raise


def tearDownModule():
    site.stop()


# what is wrong: (whose key, the request, status, code, what the message must say)
REFUSED = {
    "the points do not reach": (("alice", "small"), DEAR, 402, "insufficient_points", r"small.*\b50\.000000\b.*\b100\.000000\b"),
    "the project has no grant": (("alice", "poor"), DEAR, 402, "no_active_grant", "poor"),
    "the user is over a limit": (("bob", "rich"), DEAR, 402, "user_limit", r"bob.*\b30\.000000\b"),
    "the user is no member": (("carol", "rich"), CHAT, 403, "not_a_member", "carol"),
    "the project is closed": (("alice", "closed"), CHAT, 403, "project_closed", "closed"),
    "the model has no price": (("alice", "rich"), {**CHAT, "model": "unpriced"}, 403, "no_rate", "unpriced"),
    "the key is nobody's": ("ldg_" + "A" * 43, CHAT, 401, "invalid_api_key", "key"),
    "the key is of another kind": ("sk-proj-0123456789", CHAT, 401, "invalid_api_key", "key"),
}


class Answers(unittest.TestCase):
    def test_the_allowed_are_served_at_once_and_told_what_is_left(self):
        for version in VERSIONS:
            with OpenAiClient(version) as client:
                for streamed in (False, True):
                    with self.subTest(version=version, streamed=streamed):
                        answer = model_server.stream(5) if streamed else model_server.plain(USAGE)
                        told = site.ask(client, keys["alice", "rich"], "chat.completions", {**CHAT, "stream": streamed}, answer)
                        self.assertEqual((told["status"], told["error"], len(told["attempts"])), (200, None, 1))
                        left = told["attempts"][0]["headers"]["x-ratelimit-remaining-points"]
                        self.assertRegex(left, r"^\d+\.\d{6}$")
                        self.assertLess(float(left), float(PROJECTS["rich"]))
        site.check_books(self)

    def test_the_refused_read_why_in_one_attempt_and_the_model_is_not_asked(self):
        before = site.journal(), site.settled()
        for version in VERSIONS:
            with OpenAiClient(version) as client:
                for streamed in (False, True):
                    self._refused(client, version, streamed)
        self.assertEqual((site.journal(), site.check_books(self)), before)

    def _refused(self, client, version, streamed):
        for why, (who, body, status, code, message) in REFUSED.items():
            with self.subTest(version=version, streamed=streamed, why=why):
                told = site.ask(client, keys.get(who, who), "chat.completions", {**body, "stream": streamed},
                                model_server.plain(USAGE))
                self.assertEqual((told["status"], told["error"]["status"], told["error"]["code"], len(told["attempts"])),
                                 (status, status, code, 1), told)
                self.assertRegex(told["error"]["message"], message)
                self.assertNotIn("(no body)", told["error"]["message"])
                self.assertEqual(told["seen"].requests, [], "the model was asked")
                if status == 402:
                    self.assertRegex(told["attempts"][0]["headers"]["x-ratelimit-remaining-points"], r"^\d+\.\d{6}$")
                    self.assertEqual(told["attempts"][0]["headers"]["x-should-retry"], "false")

    def test_a_limit_lets_pass_what_it_has_room_for(self):
        with OpenAiClient() as client:
            for wanted, status in ((29, 200), (29, 402)):
                told = site.ask(client, keys["bob", "rich"], "chat.completions", {**DEAR, "max_tokens": wanted},
                                model_server.plain(model_server.usage_document(1, 7)))
                self.assertEqual(told["status"], status, told["error"])
                site.settled()

    def test_a_revoked_key_is_refused_once_the_cache_has_forgotten_it(self):
        key = site.key("alice", "rich", name="lost")
        with OpenAiClient() as client:
            def ask():
                return site.ask(client, key, "chat.completions", CHAT, model_server.plain(USAGE))
            self.assertEqual(ask()["status"], 200)
            site.ctl("token", "revoke", "lost")
            # A second until ledgerd knows, the cache's seconds; five times that.
            told = lt.eventually(lambda: (lambda seen: seen if seen["status"] != 200 else None)(ask()), 5 * (CACHE_SECONDS + 1))
            self.assertEqual((told["status"], told["error"]["code"], len(told["attempts"])), (401, "invalid_api_key", 1), told)
            self.assertEqual(told["seen"].requests, [])
        site.check_books(self)

    def test_the_list_of_models_costs_nothing(self):
        with OpenAiClient() as client:
            before = site.journal()
            asked = site.prepare(keys["alice", "poor"], "models.list", None, model_server.plain(USAGE))
            told = client.begin(asked)()
            self.assertEqual((told["status"], told["error"]), (200, None))
            self.assertEqual(site.journal(), before)

    def test_no_engine_sees_a_key(self):
        status, _, _, seen = site.post(keys["alice", "rich"], "/v1/chat/completions", CHAT, model_server.plain(USAGE))
        self.assertEqual(status, 200)
        self.assertNotIn(keys["alice", "rich"], repr(seen.requests))
        said = site.nginx.log() + site.ledgerd.log() + json.dumps(site.journal())
        self.assertNotIn("ldg_", said)


if __name__ == "__main__":
    unittest.main()
