"""Who may call ledgerd: tokens, roles, peers of the Unix socket, and what nobody else may know."""

import http.client
import json
import os
import pwd
import re
import socket
import subprocess
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


# --- who may ------------------------------------------------------------------------------------------

REQUIRED = "[auth]\nmode = required\n"
ROLES = {"submit": "submit", "ingest": "ingest", "user": "gateway-user", "read": "read:h1", "report": "report",
         "admin": "admin"}
READERS = {"report", "admin"}
PROJECT_READERS = {"read", *READERS}
PROJECT_USERS = {"user", *PROJECT_READERS}
HOLDERS = {"submit", "admin"}
HOLD_READERS = {"submit", *PROJECT_READERS}
DECISION_READERS = {"submit", *READERS}
ASKERS = {"submit", *PROJECT_USERS}
EVERYBODY = {*ROLES, "nobody"}
HOLD = {"project": "h1", "user": "u1", "points": "1"}

# method, path of the route table, path asked for, body, who may
TABLE = [
    ("GET", "/healthz", None, None, EVERYBODY),
    ("GET", "/readyz", None, None, EVERYBODY),
    ("GET", "/metrics", None, None, READERS),
    ("GET", "/v1/check", "/v1/check?project=h1&points=1", None, ASKERS),
    ("POST", "/v1/checks", None, [{"project": "h1", "points": "1"}], ASKERS),
    ("GET", "/v1/authz", None, None, ASKERS),
    ("GET", "/v1/decisions/{id}", "/v1/decisions/d_0", None, DECISION_READERS),
    ("POST", "/v1/holds", None, HOLD, HOLDERS),
    ("GET", "/v1/holds/{hold}", "/v1/holds/h_0", None, HOLD_READERS),
    ("POST", "/v1/holds/{hold}/settle", "/v1/holds/h_0/settle", {"points": "1"}, HOLDERS),
    ("POST", "/v1/holds/{hold}/release", "/v1/holds/h_0/release", {}, HOLDERS),
    ("POST", "/v1/holds/{hold}/extend", "/v1/holds/h_0/extend", {"ttl": "1m"}, HOLDERS),
    ("POST", "/v1/usage", None, [], {"ingest", "admin"}),
    ("GET", "/v1/projects", None, None, PROJECT_READERS),
    ("GET", "/v1/projects/{project}", "/v1/projects/h1", None, PROJECT_READERS),
    ("GET", "/v1/projects/{project}/balance", "/v1/projects/h1/balance", None, PROJECT_USERS),
    ("GET", "/v1/projects/{project}/usage", "/v1/projects/h1/usage", None, PROJECT_USERS),
    ("GET", "/v1/projects/{project}/statement", "/v1/projects/h1/statement", None, PROJECT_READERS),
    ("GET", "/v1/projects/{project}/transfers", "/v1/projects/h1/transfers", None, PROJECT_READERS),
    ("GET", "/v1/projects/{project}/holds", "/v1/projects/h1/holds", None, PROJECT_READERS),
    ("GET", "/v1/shares", None, None, READERS),
    ("GET", "/v1/reports/monthly", None, None, READERS),
    ("GET", "/v1/records", "/v1/records?source=slurm:x&id=1@1", None, PROJECT_READERS),
    ("POST", "/v1/tokens/introspect", None, {"token": "x"}, HOLDERS),
]
REFUSALS = {401: "unauthorized", 403: "forbidden", 429: "too_many_failures"}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Site:
    """A book with projects of two shares, tokens of every role, and a ledgerd that asks who calls."""

    def __init__(self, prefix, conf=REQUIRED, extra=()):
        self.db = site.new_book(prefix)
        for project in ("h1", "h2", "i1"):
            lt.ctl(["grant", project, "1000"], db=self.db, now=NOW)
        self.tokens = {name: create_token(self.db, name, role, *(["--project", "h1"] if name == "user" else []))
                       for name, role in ROLES.items()}
        self.ledgerd = lt.start_ledgerd(self.db, extra, now=NOW, conf=conf)

    def ask(self, caller, method, path, body=None, peer="127.0.0.1", headers=None):
        """One request from a loopback address of its own choice; the caller's name, a token, or None."""
        headers = {**(bearer(self.tokens.get(caller, caller)) if caller else {}), **(headers or {})}
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.ledgerd.port, timeout=30 * lt.SLOWDOWN,
                                                source_address=(peer, 0))
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return lt.Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, caller, path):
        return self.ask(caller, "GET", path)

    def stop(self):
        self.ledgerd.stop()


class SiteCase(unittest.TestCase):
    conf = REQUIRED

    @classmethod
    def setUpClass(cls):
        cls.site = Site(cls.__name__.lower(), cls.conf)

    @classmethod
    def tearDownClass(cls):
        cls.site.stop()


class Roles(SiteCase):
    def test_the_table_has_every_route(self):
        with open(os.path.join(lt.ROOT, "ledgerd", "http", "route.c"), encoding="utf-8") as file:
            routes = re.findall(r'^ +\{"([A-Z]+)", "([^"]+)",', file.read(), re.MULTILINE)
        self.assertEqual(routes, [row[:2] for row in TABLE])

    def test_every_route_is_for_those_it_is_for(self):
        for method, route, path, body, may in TABLE:
            for caller in ROLES:
                with self.subTest(route=route, caller=caller):
                    reply = self.site.ask(caller, method, path or route, body, headers={"Idempotency-Key": caller})
                    if caller not in may:
                        self.assertEqual(reply.status, 403)
                        self.assertEqual(reply.headers["X-Ledger-Reason"] if route == "/v1/authz" else
                                         reply.json()["code"], "forbidden")
                    elif route == "/v1/authz":
                        self.assertNotEqual(reply.headers["X-Ledger-Reason"], "forbidden")
                    else:
                        self.assertNotIn(reply.status, (401, 403, 500), reply.text)

    def test_nobody_reaches_what_asks_who_calls(self):
        for n, (method, route, path, body, may) in enumerate(TABLE):
            for kind, caller in enumerate((None, "ldg_" + "A" * 43, "garbage")):
                with self.subTest(route=route, caller=caller):
                    reply = self.site.ask(caller, method, path or route, body, peer=f"127.0.1.{n + 1}")
                    if "nobody" in may:
                        self.assertEqual(reply.status, 200)
                        continue
                    self.assertEqual(reply.status, 401)
                    self.assertIn("Bearer", reply.headers["WWW-Authenticate"])
                    self.assertEqual("invalid_token" in reply.headers["WWW-Authenticate"], kind > 0)
                    if route == "/v1/authz":
                        self.assertEqual((reply.body, reply.headers["X-Ledger-Reason"]), (b"", "unauthorized"))
                    else:
                        self.assertEqual(reply.json()["code"], "unauthorized")

    def test_roles_that_are_joined_may_both(self):
        token = create_token(self.site.db, "both", "submit+ingest")
        lt.eventually(lambda: self.site.ask(token, "POST", "/v1/usage", [], peer="127.0.4.1").status == 200)
        self.assertEqual(self.site.get(token, "/v1/check?project=i1&points=1").json()["allowed"], True)
        self.assertEqual(self.site.get(token, "/v1/projects").status, 403)

    def test_the_header_is_read_strictly(self):
        good = self.site.tokens["report"]
        for n, value in enumerate(("", "Bearer", "Bearer ", f"bearer{good}", f"Basic {good}", f"Bearer {good} x",
                                   f"Bearer {good},{good}", f"Bearer {good[:-1]}", f"Bearer {good}=", f"Bearer\t{good}")):
            with self.subTest(value=value):
                reply = self.site.ask(None, "GET", "/v1/projects", peer="127.0.2.1" if n < 5 else "127.0.2.2",
                                      headers={"Authorization": value})
                self.assertEqual(reply.status, 401)
        for value in (f"Bearer {good}", f"bEARER   {good}", f"Bearer {good}  "):
            with self.subTest(value=value):
                reply = self.site.ask(None, "GET", "/v1/projects", headers={"Authorization": value})
                self.assertEqual(reply.status, 200)

    def test_two_tokens_are_none(self):
        good = self.site.tokens["report"]
        with socket.create_connection(("127.0.0.1", self.site.ledgerd.port), source_address=("127.0.2.3", 0)) as plain:
            plain.sendall(f"GET /v1/projects HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {good}\r\n"
                          f"Authorization: Bearer {good}\r\nConnection: close\r\n\r\n".encode())
            self.assertIn(b" 401 ", plain.makefile("rb").readline())

    def test_a_revoked_token_counts_no_more_within_a_second(self):
        token = create_token(self.site.db, "brief", "report")
        lt.eventually(lambda: self.site.ask(token, "GET", "/v1/projects", peer="127.0.4.2").status == 200)
        lt.ctl(["token", "revoke", "brief"], db=self.site.db, now=NOW)
        lt.eventually(lambda: self.site.ask(token, "GET", "/v1/projects", peer="127.0.4.3").status == 401, seconds=5)

    def test_a_body_that_nobody_may_send_is_not_waited_for(self):
        reply = self.site.ask(None, "POST", "/v1/usage", b"x" * (9 << 20), peer="127.0.4.4")
        self.assertEqual(reply.status, 401)
        with socket.create_connection(("127.0.0.1", self.site.ledgerd.port), source_address=("127.0.4.4", 0)) as plain:
            plain.sendall(b"POST /v1/usage HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
            self.assertIn(b" 401 ", plain.makefile("rb").readline())

    def test_the_counts_of_refusals_are_metrics(self):
        self.site.ask("ingest", "GET", "/v1/projects")
        text = self.site.get("report", "/metrics").text
        self.assertRegex(text, r'ledger_callers_refused_total\{status="403"\} [1-9]')
        self.assertIn('ledger_callers_refused_total{status="401"}', text)

    def test_tokens_stay_out_of_the_log(self):
        log = self.site.ledgerd.log()
        for token in self.site.tokens.values():
            self.assertNotIn(token[4:], log)


class Failures(SiteCase):
    """Too many of them are slowed down, and nobody else with them."""

    def statuses(self, peer, count, caller="ldg_" + "B" * 43):
        return [self.site.ask(caller, "GET", "/v1/projects", peer=peer).status for _ in range(count)]

    def test_failures_are_limited_by_peer_and_in_all(self):
        self.assertEqual(self.statuses("127.0.0.9", 25), [401] * 20 + [429] * 5)
        reply = self.site.ask("wrong", "GET", "/v1/projects", peer="127.0.0.9")
        self.assertEqual(reply.json()["code"], "too_many_failures")
        self.assertTrue(0 < int(reply.headers["Retry-After"]) <= 60)
        self.assertEqual(self.site.ask("wrong", "GET", "/v1/authz", peer="127.0.0.9").status, 401)
        self.assertEqual(self.site.ask("report", "GET", "/v1/projects", peer="127.0.0.9").status, 200)
        self.assertEqual(self.statuses("127.0.0.10", 1), [401])
        for n in range(50):
            self.statuses(f"127.0.3.{n + 1}", 20)
        self.assertEqual(self.statuses("127.0.0.11", 1), [429])
        self.assertEqual(self.site.ask("report", "GET", "/v1/projects", peer="127.0.0.11").status, 200)
        log = self.site.ledgerd.log()
        self.assertIn(log.count("caller-unknown"), (1, 2), log)  # 2: another window began meanwhile
        self.assertIn("127.0.0.9", log)
        self.assertNotIn("B" * 43, log)


class UnixPeers(unittest.TestCase):
    """On the Unix socket the kernel tells who calls."""

    def peer(self, uids):
        path = os.path.join(lt.temp_dir(), "ledger.sock")
        served = Site("peers", REQUIRED + f"unix_uids = {uids}\n", ["--unix", path])
        self.addCleanup(served.stop)

        def ask(method, url, body=None, headers=None):
            connection = lt.UnixConnection(path)
            try:
                connection.request(method, url, body=body, headers=headers or {})
                answer = connection.getresponse()
                return lt.Reply(answer.status, answer.headers, answer.read())
            finally:
                connection.close()
        return served, ask

    def test_a_peer_has_the_roles_of_its_uid(self):
        for uids in (f"{os.getuid()}:submit", f"{pwd.getpwuid(os.getuid()).pw_name}:submit, 65534:admin"):
            served, ask = self.peer(uids)
            self.assertTrue(ask("GET", "/v1/check?project=i1&points=1").json()["allowed"])
            made = ask("POST", "/v1/holds", json.dumps(HOLD), {"Idempotency-Key": "k", "Content-Type": "application/json"})
            self.assertEqual(made.status, 201, made.text)
            self.assertEqual(ask("GET", "/v1/projects").status, 403)
            self.assertEqual(served.get(None, "/v1/check?project=i1&points=1").status, 401)
            # What it shows counts alone.
            self.assertEqual(ask("GET", "/v1/projects", headers=bearer(served.tokens["report"])).status, 200)
            self.assertEqual(ask("GET", "/v1/check?project=i1&points=1", headers=bearer("x")).status, 401)

    def test_a_peer_may_read_one_project(self):
        _, ask = self.peer(f"{os.getuid()}:read:h1+ingest")
        self.assertEqual([p["project"] for p in ask("GET", "/v1/projects").json()["projects"]], ["h1"])
        self.assertEqual(ask("GET", "/v1/projects/i1").status, 404)
        self.assertEqual(ask("POST", "/v1/usage", "[]").status, 200)

    def test_a_peer_that_is_not_named_is_nobody(self):
        served, ask = self.peer(f"{os.getuid() + 1}:admin")
        self.assertEqual(ask("GET", "/v1/projects").status, 401)
        self.assertEqual(ask("GET", "/readyz").status, 200)
        self.assertIn(f"uid:{os.getuid()}", served.ledgerd.log())

    def test_uids_that_mean_nothing_end_ledgerd_with_a_sentence(self):
        db = lt.create_db("uids")
        for uids, sentence in (("nobody-of-that-name:submit", "knows no user"), ("slurm", "no NAME:ROLES"),
                               (":submit", "no NAME:ROLES"), ("0:", "no NAME:ROLES"), ("0:root", "roles are"),
                               ("0:gateway-user", "roles are"), ("0:submit,0:ingest", "named twice"),
                               ("4294967295:submit", "knows no user")):
            with self.subTest(uids=uids):
                conf = lt.write_file(f"[auth]\nunix_uids = {uids}\n", "ledgerd.conf")
                rc, _, err = lt.run_program(lt.LEDGERD, ["-c", conf, "--listen", "127.0.0.1:0"], db=db)
                self.assertEqual(rc, 2, err)
                self.assertIn(sentence, err)
                self.assertIn("unix_uids", err)

    def test_with_mode_none_everybody_may_everything(self):
        served = Site("none", "[auth]\nmode = none\n")
        self.addCleanup(served.stop)
        self.assertEqual(served.get(None, "/v1/projects/i1").status, 200)
        self.assertEqual(served.get("garbage", "/metrics").status, 200)

    def test_beyond_loopback_it_is_asked_who_calls(self):
        # An address that no machine has: it gets as far as the kernel's refusal.
        rc, _, err = lt.run_program(lt.LEDGERD, ["--listen", "192.0.2.1:0"], db=lt.create_db("beyond"))
        self.assertEqual(rc, 4, err)
        self.assertIn("192.0.2.1", err)


def curl(*words):
    """Exit code and output of a curl call that follows no settings of the user's."""
    done = subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", "--max-time", str(int(20 * lt.SLOWDOWN)), *words],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


class Tls(unittest.TestCase):
    """TCP under TLS, as curl speaks it; the Unix socket stays plain."""

    @classmethod
    def setUpClass(cls):
        cls.folder = lt.temp_dir()
        for name in ("one", "two"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                            "-keyout", cls.file(f"{name}.key"), "-out", cls.file(f"{name}.crt")],
                           check=True, capture_output=True)

    @classmethod
    def file(cls, name):
        return os.path.join(cls.folder, name)

    def conf(self, certificate, key):
        return f"[http]\ntls_certificate = {certificate}\ntls_key = {key}\n{REQUIRED}"

    def test_curl_speaks_tls_to_it_and_nothing_older_or_plain(self):
        db = site.new_book("tls")
        token = create_token(db, "report", "report")
        path = self.file("ledger.sock")
        conf = self.conf(self.file("one.crt"), self.file("one.key")) + f"unix_uids = {os.getuid()}:report\n"
        daemon = lt.start_ledgerd(db, ["--unix", path], now=NOW, conf=conf, ready=False)
        self.addCleanup(daemon.stop)
        url = f"https://127.0.0.1:{daemon.port}"
        trust = ["--cacert", self.file("one.crt")]
        lt.eventually(lambda: curl(*trust, f"{url}/readyz")[0] == 0, seconds=lt.READY_SECONDS)
        code, out = curl(*trust, "-H", f"Authorization: Bearer {token}", f"{url}/v1/projects/h1")
        self.assertEqual((code, json.loads(out)["project"]), (0, "h1"))
        code, out = curl(*trust, f"{url}/v1/projects/h1")
        self.assertEqual((code, json.loads(out)["code"]), (0, "unauthorized"))
        code, out = curl(*trust, "-H", f"Authorization: Bearer {token}", "--data-binary", "@" + self.big_file(),
                         f"{url}/v1/usage")
        self.assertEqual((code, json.loads(out)["code"]), (0, "forbidden"))
        for version in ("1.2", "1.3"):
            self.assertEqual(curl(*trust, f"--tlsv{version}", "--tls-max", version, f"{url}/healthz")[0], 0)
        self.assertNotEqual(curl(*trust, "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", f"{url}/healthz")[0], 0)
        self.assertNotEqual(curl("--cacert", self.file("two.crt"), f"{url}/healthz")[0], 0)
        self.assertNotEqual(curl(f"http://127.0.0.1:{daemon.port}/healthz")[0], 0)
        code, out = curl("--unix-socket", path, "http://localhost/v1/projects/h1")
        self.assertEqual((code, json.loads(out)["project"]), (0, "h1"))

    def big_file(self):
        with open(self.file("big"), "w", encoding="utf-8") as file:
            file.write("[" + " " * (1 << 20) + "]")
        return self.file("big")

    def test_files_that_are_none_end_ledgerd_with_a_sentence(self):
        empty = lt.write_file("", "empty.pem")
        db = lt.create_db("tlsbad")
        for certificate, key, code, sentence in (
                ("one.crt", "two.key", 3, "is not the key of"), ("one.key", "one.key", 3, "holds no certificate"),
                ("one.crt", "one.crt", 3, "holds no private key"), ("one.crt", empty, 3, "holds no private key"),
                ("none.crt", "one.key", 3, "cannot be read"), ("one.crt", "none.key", 3, "cannot be read"),
                ("one.crt", "", 2, "need each other"), ("", "one.key", 2, "need each other")):
            with self.subTest(certificate=certificate, key=key):
                conf = self.conf(certificate and self.file(certificate), key and self.file(key))
                rc, _, err = lt.run_program(lt.LEDGERD, ["-c", lt.write_file(conf), "--listen", "127.0.0.1:0"], db=db)
                self.assertEqual(rc, code, err)
                self.assertIn(sentence, err)
                self.assertNotIn("PRIVATE", err)

    def test_a_key_that_everybody_can_read_is_warned_of(self):
        db = lt.create_db("tlskey")
        for mode, count in ((0o600, 0), (0o644, 1)):
            os.chmod(self.file("two.key"), mode)
            conf = lt.write_file(self.conf(self.file("two.crt"), self.file("two.key")))
            rc, _, err = lt.run_program(lt.LEDGERD, ["-c", conf, "--listen", "192.0.2.1:0"], db=db)
            self.assertEqual((rc, err.count("tls-key-exposed")), (4, count), err)

    def test_who_listens_beyond_loopback_without_tls_is_warned_once(self):
        db = lt.create_db("plain")
        for conf, count in ((REQUIRED, 1), (self.conf(self.file("one.crt"), self.file("one.key")), 0)):
            rc, _, err = lt.run_program(lt.LEDGERD, ["-c", lt.write_file(conf), "--listen", "192.0.2.1:0", "--listen",
                                                     "192.0.2.2:0"], db=db)
            self.assertEqual((rc, err.count("listening-without-tls")), (4, count), err)


# --- who may see --------------------------------------------------------------------------------------

def anonymous(reply, name):
    """A reply without what differs from one question to the next: its name, id and time."""
    text = reply.text.replace(name, "PROJECT")
    text = re.sub(r'"(decision_id|as_of)":"[^"]*"', "", text)
    headers = sorted((key, value.replace(name, "PROJECT")) for key, value in reply.headers.items()
                     if key not in ("Date", "Content-Length"))
    return reply.status, headers, text


class Sight(SiteCase):
    """Industry's projects do not exist for who may not see them, nor does any other for readers of one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.tokens["industry"] = create_token(cls.site.db, "industry", "read:i1")
        db = cls.site.db
        lt.ctl(["project", "alias", "i1", "slurm:x", "acme"], db=db, now=NOW)
        lt.ctl(["project", "alias", "h1", "slurm:x", "geo"], db=db, now=NOW)
        lt.ctl(["transfer", "i1", "h1", "5", "--across"], db=db, now=NOW)
        lt.ctl(["project", "add", "svc", "--service", "gateway:*/llm"], db=db, now=NOW)
        cls.site.tokens["service"] = create_token(db, "service", "read:svc")
        path = "/v1/check?project=geo&source=slurm:x&class=gpu&seconds=60&meter.gpu=1"
        lt.eventually(lambda: cls.site.get("submit", path).json()["allowed"])

    def test_lists_leave_out_what_is_not_seen(self):
        for caller, seen in (("read", ["h1"]), ("industry", ["i1"]), ("report", ["g1", "h1", "h2", "i1", "svc"]),
                             ("admin", ["g1", "h1", "h2", "i1", "svc"]), ("service", ["svc"])):
            with self.subTest(caller=caller):
                for path in ("/v1/projects", "/v1/projects?limit=1000"):
                    page = self.site.get(caller, path).json()
                    self.assertEqual([p["project"] for p in page["projects"]], seen)
                    self.assertIsNone(page["next"])
        for caller, next_id in (("read", None), ("industry", None), ("report", "g1")):
            with self.subTest(caller=caller):
                self.assertEqual(self.site.get(caller, "/v1/projects?limit=1").json()["next"], next_id)

    def test_a_project_that_is_not_seen_is_unknown_byte_for_byte(self):
        paths = ["/v1/projects/{}", "/v1/projects/{}/balance", "/v1/projects/{}/usage?by=day",
                 "/v1/projects/{}/usage?by=nonsense", "/v1/projects/{}/statement", "/v1/projects/{}/transfers",
                 "/v1/projects/{}/holds", "/v1/check?project={}&points=1", "/v1/check?project={}&points=999999999",
                 "/v1/check?project={}&source=slurm:x&class=gpu&seconds=60&meter.gpu=1&user=u",
                 "/v1/check?project={}&source=slurm:x&class=nonsense&seconds=60&meter.gpu=1"]
        for caller in ("read", "user", "industry"):
            for hidden, unknown in (("i1", "i9"), ("h2", "h9")) if caller != "industry" else (("h1", "h9"), ("g1", "g9")):
                for path in paths:
                    with self.subTest(caller=caller, path=path, hidden=hidden):
                        there = self.site.get(caller, path.format(hidden))
                        nowhere = self.site.get(caller, path.format(unknown))
                        self.assertEqual(anonymous(there, hidden), anonymous(nowhere, unknown))

    def test_nor_in_checks_of_many_and_of_proxies(self):
        def ask(name):
            many = self.site.ask("read", "POST", "/v1/checks", [{"project": name, "points": "1"},
                                                                {"project": "h1", "points": "1"}])
            proxy = self.site.ask("user", "GET", "/v1/authz", headers={"X-Ledger-Project": name})
            return anonymous(many, name), anonymous(proxy, name)
        self.assertEqual(ask("i1"), ask("i9"))
        self.assertEqual(ask("i1")[0][0], 200)
        self.assertEqual(ask("h1")[1][0], 204)

    def test_an_alias_of_another_project_is_none(self):
        def ask(caller, name):
            return self.site.get(caller, f"/v1/check?project={name}&source=slurm:x&class=gpu&seconds=60&meter.gpu=1")
        self.assertEqual(anonymous(ask("read", "acme"), "acme"), anonymous(ask("read", "nope"), "nope"))
        self.assertEqual(ask("read", "geo").json()["share"], "hpci")
        self.assertEqual(ask("industry", "acme").json()["share"], "industry")

    def test_a_question_by_cluster_is_not_for_who_sees_one_project(self):
        for caller, status in (("read", 403), ("user", 403), ("submit", 200)):
            with self.subTest(caller=caller):
                reply = self.site.get(caller, "/v1/check?cluster=x&user=u1&account=acme&seconds=60&meter.gpu=1")
                self.assertEqual(reply.status, status, reply.text)
                self.assertNotIn("i1", reply.text if status == 403 else "")

    def test_holds_of_others_are_unknown(self):
        for project in ("i1", "h1"):
            hold = self.site.ask("submit", "POST", "/v1/holds", {**HOLD, "project": project},
                                 headers={"Idempotency-Key": f"sight/{project}"}).json()["hold"]
            for name in (hold, f"key:sight%2F{project}"):
                with self.subTest(name=name):
                    self.assertEqual(self.site.get("submit", f"/v1/holds/{name}").status, 200)
                    reply = self.site.get("read", f"/v1/holds/{name}")
                    nowhere = self.site.get("read", "/v1/holds/h_999999999")
                    if project == "h1":
                        self.assertEqual(reply.json()["hold"], hold)
                    else:
                        self.assertEqual(anonymous(reply, name.replace("%2F", "/")), anonymous(nowhere, "h_999999999"))

    def test_records_of_others_are_unknown(self):
        def record(name, project, cpus="1"):
            return {"source": "slurm:x", "id": f"{name}@1", "project": project, "user": "u1", "class": "cpu",
                    "start": "2027-06-09T00:00:00+09:00", "end": "2027-06-09T01:00:00+09:00", "state": "final",
                    "outcome": "completed", "meters": {"cpu": cpus}}
        posted = [record("mine", "h1"), record("theirs", "i1"), record("moved", "i1"), record("nobody", "i9")]
        self.assertEqual(self.site.ask("ingest", "POST", "/v1/usage", posted).status, 200)
        moved = record("moved", "h1", "2")
        counts = self.site.ask("ingest", "POST", "/v1/usage", [moved]).json()
        self.assertEqual(counts["amended"], 1, counts)
        for name, project in (("ours-runs", "h1"), ("theirs-runs", "i1")):
            running = {**record(name, project), "state": "running"}
            self.assertEqual(self.site.ask("ingest", "POST", "/v1/usage", [running]).json()["booked"], 1)
        for name in ("mine", "ours-runs"):
            self.assertEqual(self.site.get("read", f"/v1/records?source=slurm:x&id={name}@1").json()["project"], "h1")
        for name in ("theirs", "moved", "nobody", "theirs-runs"):
            with self.subTest(name=name):
                self.assertEqual(self.site.get("report", f"/v1/records?source=slurm:x&id={name}@1").status, 200)
                reply = self.site.get("read", f"/v1/records?source=slurm:x&id={name}@1")
                nowhere = self.site.get("read", "/v1/records?source=slurm:x&id=none@1")
                self.assertEqual(anonymous(reply, name), anonymous(nowhere, "none"))
        self.assertEqual(self.site.get("industry", "/v1/records?source=slurm:x&id=theirs@1").status, 200)

    def test_what_a_service_served_is_seen_by_who_paid_for_it(self):
        record = {"source": "gateway:a", "id": "served", "project": "h1", "user": "u1", "class": "llm", "state": "final",
                  "start": "2027-06-09T00:00:00+09:00", "end": "2027-06-09T00:00:01+09:00", "outcome": "completed",
                  "meters": {"input_tokens": "1000000", "output_tokens": "1000000"}}
        self.assertEqual(self.site.ask("ingest", "POST", "/v1/usage", [record]).json()["booked"], 1)
        path = "/v1/records?source=gateway:a&id=served"
        self.assertEqual(self.site.get("read", path).json()["project"], "h1")
        self.assertEqual([self.site.get(caller, path).status for caller in ("service", "industry")], [404, 404])
        self.assertEqual(self.site.get("service", "/v1/projects/svc/balance").status, 200)

    def test_nothing_that_a_reader_gets_names_another_project(self):
        for rest in ("", "/balance", "/usage?by=month,user,class,source", "/statement", "/transfers", "/holds"):
            with self.subTest(rest=rest):
                reply = self.site.get("read", f"/v1/projects/h1{rest}")
                self.assertEqual(reply.status, 200)
                for other in ("i1", "h2", "g1", "acme"):
                    self.assertNotRegex(reply.text, rf"\b{other}\b")
        self.assertIn("project/i1", self.site.get("report", "/v1/projects/h1/transfers").text)
        self.assertIn("project/h1", self.site.get("read", "/v1/projects/h1/transfers").text)


if __name__ == "__main__":
    unittest.main()
