"""Bad input on every route: a problem document of the right class, never a 5xx, and the server lives on.

Every route of ledgerd/http/route.c stands in ROUTES with a good request; the attacks are made from that.
"""

import json
import os
import re
import socket
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt
from test_check import NOW, make_book

PROBLEM = {"type", "title", "status", "detail", "code", "error"}
ERROR = {"message", "type", "param", "code"}
HOLD = {"project": "hp1", "user": "u1", "points": "0.000001", "parts": 1, "ttl": "15m", "ref": {"kind": "other", "id": "7"}}
SHAPE = {"project": "hp1", "source": "slurm:x", "class": "gpu", "qos": "normal", "seconds": 60, "meters": {"gpu": 1},
         "attributes": {"a": "b"}}
ASK = {"cluster": "x", "uid": 20001, "account": "acct1", "qos": "normal", "partition": "gpu,gpu", "seconds": "1", "nodes": "1",
       "exclusive": False, "mem_default": True, "mem_whole": False, "mem_per_cpu": False, "unlimited": False,
       "meters": {"gpu": "1"}, "parts": 2, "at_once": 1}
ASK_AMOUNTS = ("uid", "seconds", "nodes", "parts", "at_once")
ASKING = """
INSERT INTO ledger.slurm_user VALUES ('x', 'alice', 20001, 'acct1');
INSERT INTO ledger.slurm_association VALUES ('x', 'alice', 'acct1', '', 'normal');
INSERT INTO ledger.slurm_partition VALUES ('x', 'gpu', true, 60, 60, false, NULL, NULL, 4, 4, 1024);
"""
RECORD = {"source": "gateway:a", "id": "bad-input", "project": "hp1", "user": "u1", "class": "m",
          "start": "2027-06-10T09:00:00+09:00", "end": "2027-06-10T09:00:00+09:00", "state": "final",
          "meters": {"output_tokens": "1000"}}


class Route:
    """A good request: target, headers, body; which arguments and members it has, which are amounts."""

    def __init__(self, target, status=200, body=None, headers=None, arguments=(), amounts=(), in_list=False,
                 ignores_query=True, may_be_empty=False, nullable=()):
        self.target, self.status, self.body, self.headers = target, status, body, dict(headers or {})
        self.arguments, self.amounts, self.in_list = arguments, amounts, in_list
        self.ignores_query, self.may_be_empty, self.nullable = ignores_query, may_be_empty, nullable

    def document(self, members):
        """The good body with other members, as JSON text; raw JSON stands for a value that is bytes."""
        parts = [json.dumps(k).encode() + b":" + (v if isinstance(v, bytes) else json.dumps(v).encode())
                 for k, v in members]
        text = b"{" + b",".join(parts) + b"}"
        return b"[" + text + b"]" if self.in_list else text


PERIOD = ("from", "to")
ROUTES = {
    "GET /healthz": Route("/healthz"),
    "GET /readyz": Route("/readyz"),
    "GET /metrics": Route("/metrics"),
    "GET /v1/check": Route("/v1/check?project=hp1&points=1", ignores_query=False, amounts=("points",),
                           arguments=("project", "user", "points", "source", "class", "qos", "seconds", "meter.gpu",
                                      "attributes.a", "colour", "uid", "cluster", "meter.", "attributes.", "", "account",
                                      "partition", "nodes", "parts", "at_once", "exclusive", "mem_default", "mem_whole",
                                      "mem_per_cpu", "unlimited", "modifies")),
    "POST /v1/checks": Route("/v1/checks", body=dict(SHAPE), in_list=True, amounts=("seconds", "points")),
    "GET /v1/authz": Route("/v1/authz", status=204, headers={"X-Ledger-Project": "hp1", "X-Ledger-Points": "1"}),
    "GET /v1/decisions/{id}": Route("/v1/decisions/{refused}"),
    "POST /v1/holds": Route("/v1/holds", body=HOLD, headers={"Idempotency-Key": "posted"},
                            amounts=("points", "parts", "ttl", "seconds"), nullable=("parts", "ttl", "seconds")),
    "GET /v1/check of Slurm": Route("/v1/check?" + urllib.parse.urlencode(
        {k: str(v).lower() for k, v in ASK.items() if k != "meters"}) + "&meter.gpu=1", ignores_query=False, amounts=ASK_AMOUNTS,
                                    arguments=tuple(ASK) + ("user", "project", "points", "modifies", "class", "source", "meter.gpu")),
    "POST /v1/checks of Slurm": Route("/v1/checks", body=ASK, in_list=True, amounts=ASK_AMOUNTS),
    "POST /v1/holds of Slurm": Route("/v1/holds", body=dict(ASK, ttl="15m", ref={"kind": "slurm", "id": "sl_1"}), amounts=ASK_AMOUNTS,
                                     headers={"Idempotency-Key": "asked"}, nullable=ASK_AMOUNTS),
    "POST /v1/holds to modify": Route("/v1/holds", status=404, body={"cluster": "x", "uid": 0, "modifies": "1_2", "seconds": "60"},
                                      amounts=("seconds", "uid"), nullable=("seconds", "uid")),
    "GET /v1/holds/{hold}": Route("/v1/holds/{read}"),
    "POST /v1/holds/{hold}/settle": Route("/v1/holds/{settled}/settle", body={"points": "0.000001", "final": True},
                                          amounts=("points",)),
    "POST /v1/holds/{hold}/release": Route("/v1/holds/{released}/release", body={}, may_be_empty=True),
    "POST /v1/holds/{hold}/extend": Route("/v1/holds/{extended}/extend", body={"ttl": "15m"}, amounts=("ttl",)),
    "POST /v1/usage": Route("/v1/usage", body=RECORD),
    "GET /v1/projects": Route("/v1/projects", arguments=("limit", "cursor"), amounts=("limit",)),
    "GET /v1/projects/{project}": Route("/v1/projects/hp1"),
    "GET /v1/projects/{project}/balance": Route("/v1/projects/hp1/balance"),
    "GET /v1/projects/{project}/usage": Route("/v1/projects/hp1/usage", arguments=PERIOD + ("by",), amounts=PERIOD),
    "GET /v1/projects/{project}/statement": Route("/v1/projects/hp1/statement", arguments=("month",),
                                                  amounts=("month",)),
    "GET /v1/projects/{project}/transfers": Route("/v1/projects/hp1/transfers",
                                                  arguments=PERIOD + ("cursor", "limit"),
                                                  amounts=PERIOD + ("cursor", "limit")),
    "GET /v1/projects/{project}/holds": Route("/v1/projects/hp1/holds", arguments=("cursor", "limit"),
                                              amounts=("cursor", "limit")),
    "GET /v1/shares": Route("/v1/shares", arguments=("fiscal_year",), amounts=("fiscal_year",)),
    "GET /v1/reports/monthly": Route("/v1/reports/monthly", arguments=("month", "format"), amounts=("month",)),
    "GET /v1/records": Route("/v1/records?source=gateway:a&id=booked", arguments=("source", "id")),
    "POST /v1/tokens/introspect": Route("/v1/tokens/introspect", body={"token": "ldg_" + "A" * 43}),
}

# Amounts that are none: as arguments, and as members of a JSON body.
NOT_AMOUNTS = ["", "-1", "-0.5", "+1", "1e400", "1e3", "NaN", "nan", "Infinity", "-inf", "0x10", "1,5", " 1", "1 ", "1.", "1..0",
               "9" * 30, "9" * 5000, "0." + "1" * 30, "\u0661", "1\n", "null", "[]", "'; DROP TABLE account; --"]
NOT_JSON_AMOUNTS = [b"null", b"true", b"[]", b"{}", b"-1", b"1.5", b"1e400", b"-1e400", b"1e-400", b"9" * 30, b"NaN",
                    b"Infinity", b"+1", b"01", b"0x1", b"[[[]]]", b'"\\ud800"', b'"1\\u0000"', b'"\xff"']
# Values that some members may have and others not.
ODD_JSON = [b"null", b"true", b"[]", b"{}", b"-1", b"1e400", b"9" * 30, b'""', b'"\\u0000"', b'"\\ud800"', b'"\xff\xfe"',
            b'"' + b"x" * 100000 + b'"', b'{"a":{"b":[1,2,{"c":null}]}}', b'"\\u202e\\u0007\\n"', b'"%00%ff%2f"', b"[" * 3000]
ODD_TEXT = ["", "x" * 3000, "\n", "\x07", "\u202e", "a/b", "..", "%", "'", '"', "\\", "${x}", "\U0001f4a9", "*", "-1",
            "9" * 40, "NaN", "null", "2027-06-31", "2027-13", "0000-00", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z",
            "2027-06-01T00:00:00+99:99", "day,day,day", "month,day", ",", "colour"]
NOT_JSON = [b"", b" ", b"[", b"]", b"{", b"{}}", b"nonsense", b"\x00", b"[]\x00", b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"a":}',
            b"{'a':1}", b'{"a":1,"a":2}', b"[" * 100000, b'{"a":' * 100000, b"[" * 100000 + b"]" * 100000,
            b'"' + b"\\u0000" * 10 + b'"', b"1", b"null", b'"text"', b"\x1f\x8b\x08\x00\x00\x00"]
NOT_TEXT = ["%", "%4", "%zz", "%00", "%ff", "%c0%80", "%ed%a0%80", "%f4%90%80%80", "%e3%81", "a%00b"]
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "FOO", "A" * 3000]
LARGE_BYTES = 10 * 1000 * 1000


def source_routes():
    """(method, path) of every line of the table in route.c."""
    with open(os.path.join(lt.ROOT, "ledgerd", "http", "route.c"), encoding="utf-8") as file:
        table = file.read().split("const struct route routes[] = {", 1)[1].split("};", 1)[0]
    return re.findall(r'\{\s*"([A-Z]+)",\s*"([^"]+)"', table)


class Client:
    """One raw connection; answers are read one by one."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=60 * lt.SLOWDOWN)
        self.file = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass  # refused before all was sent: the answer is what counts

    def read(self, head=False):
        """The next answer, or None at the end of the connection."""
        try:
            line = self.file.readline()
            if not line:
                return None
            status, headers = int(line.split()[1]), {}
            while (line := self.file.readline()) not in (b"\r\n", b""):
                name, value = line.decode("latin-1").split(":", 1)
                headers[name.lower()] = value.strip()
            length = 0 if head or status in (100, 204) else int(headers["content-length"])
            return lt.Reply(status, headers, self.file.read(length))
        except ConnectionError:
            return None

    def read_all(self):
        """Everything until the end of the connection."""
        data = b""
        try:
            while more := self.sock.recv(65536):
                data += more
        except ConnectionError:
            pass
        return data


def message(method, target, body=None, headers=None, version="HTTP/1.1"):
    lines = [f"{method} {target} {version}", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + (body or b"")


def chunked(target, chunks, method="POST"):
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = make_book("badinput")
        lt.psql(cls.db, ASKING)
        cls.ledgerd = lt.start_ledgerd(cls.db, now=NOW, conf=f"[http]\nidle_timeout = {max(3, round(lt.SLOWDOWN))}s\n")
        cls.ledgerd.post_json("/v1/usage", dict(RECORD, id="booked"))
        refused = cls.ledgerd.get_json("/v1/check?project=hp1&points=999999")["decision_id"]
        cls.names = {"refused": refused}
        if ("POST", "/v1/holds") in source_routes():
            for name in ("posted", "read", "settled", "released", "extended"):
                made = cls.ledgerd.post_json("/v1/holds", HOLD, 201, {"Idempotency-Key": name})
                cls.names[name] = made["hold"]
            asked = ROUTES["POST /v1/holds of Slurm"]
            cls.ledgerd.post_json("/v1/holds", asked.body, 201, asked.headers)
        cls.routes = {name: route for name, route in ROUTES.items() if tuple(name.split()[:2]) in source_routes()}

    @classmethod
    def tearDownClass(cls):
        if cls.ledgerd.stop() != 0:
            raise AssertionError(cls.ledgerd.log())

    def each(self):
        """(name, method, good target, route) of every route."""
        for name, route in self.routes.items():
            yield name, name.split()[0], route.target.format(**self.names), route

    def good_body(self, route):
        if route.body is None:
            return None
        return json.dumps([route.body] if route.in_list else route.body).encode()

    def good(self, method, target, route):
        return message(method, target, self.good_body(route), route.headers)

    def ask(self, data):
        """The answer to this on a connection of its own; where that stays open, a good request follows on it."""
        with Client(self.ledgerd.port) as client:
            client.send(data)
            reply = client.read(head=data.startswith(b"HEAD "))
            if reply is not None and reply.headers.get("connection", "").lower() != "close":
                client.send(message("GET", "/healthz"))
                after = client.read()
                self.assertIsNotNone(after, "the connection ended without a word")
                self.assertEqual((after.status, after.json()["status"]), (200, "ok"))
            return reply

    def assert_problem(self, reply, statuses, what):
        """A problem document (or, of authz, an empty refusal) with one of these statuses."""
        self.assertIsNotNone(reply, what)
        self.assertIn(reply.status, statuses, f"{what}\n{reply.text[:500]}")
        self.assertEqual(reply.headers.get("content-type"), "application/problem+json", what)
        problem = reply.json()
        self.assertLessEqual(PROBLEM, set(problem), what)
        self.assertLessEqual(ERROR, set(problem["error"]), what)
        self.assertEqual(problem["status"], reply.status, what)
        self.assertEqual(problem["type"], "urn:ledger:problem:" + problem["code"], what)
        self.assertRegex(problem["code"], "^[a-z][a-z0-9_]*$")
        self.assertEqual((problem["error"]["message"], problem["error"]["code"]), (problem["detail"], problem["code"]))
        self.assertTrue(problem["detail"] and problem["title"], what)

    def assert_sane(self, reply, what):
        """Taken, or refused as the client's fault."""
        self.assertIsNotNone(reply, what)
        self.assertTrue(200 <= reply.status < 500, f"{what}: {reply.status}\n{reply.text[:500]}")
        if reply.status >= 400:
            self.assert_problem(reply, {reply.status}, what)

    def assert_unharmed(self):
        """Good requests of every route are answered as ever."""
        for name, method, target, route in self.each():
            reply = self.ask(self.good(method, target, route))
            self.assertIsNotNone(reply, name)
            self.assertEqual(reply.status, route.status, f"{name}\n{reply.text[:500]}")

    def tearDown(self):
        self.assert_unharmed()

    # --- the table ---------------------------------------------------------------------------

    def test_every_route_is_in_the_table(self):
        found = {f"{method} {path}" for method, path in source_routes()}
        self.assertTrue(found)
        self.assertEqual(found - set(ROUTES), set(), "routes that this file does not attack")

    # --- methods and versions ----------------------------------------------------------------

    def test_other_methods_are_405_and_say_which_are_allowed(self):
        for name, _, target, _ in self.each():
            path = name.split()[1]
            allowed = {m for m, p in source_routes() if p == path}
            allowed |= {"HEAD"} if "GET" in allowed else set()
            for method in METHODS:
                if method in allowed:
                    continue
                for body in (None, b"{}"):
                    reply = self.ask(message(method, target, body))
                    self.assert_problem(reply, {405}, f"{method[:20]} {name}")
                    self.assertEqual({m.strip() for m in reply.headers["allow"].split(",")}, allowed)

    def test_head_has_no_body(self):
        for name, method, target, route in self.each():
            if method == "GET":
                reply = self.ask(message("HEAD", target, headers=route.headers))
                self.assertEqual((reply.status, reply.body), (route.status, b""), name)

    def test_http_1_0_is_answered_and_closed(self):
        for name, method, target, route in self.each():
            with Client(self.ledgerd.port) as client:
                client.send(message(method, target, self.good_body(route), route.headers, version="HTTP/1.0"))
                self.assertEqual(client.read().status, route.status, name)
                self.assertIsNone(client.read(), name)

    def test_what_is_no_http_is_refused_and_closed(self):
        for data in (b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
                     b"GET /healthz FOO\r\nHost: x\r\n\r\n", b"GET /healthz\r\n\r\n", b"\r\n\r\nnonsense\r\n\r\n",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET /healthz HTTP/1.1\r\nnonsense\r\n\r\n",
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with Client(self.ledgerd.port) as client:
                client.send(data)
                reply = client.read()
                if reply is not None:
                    self.assertIn(reply.status, (400, 505), data)
                    self.assertEqual(reply.headers["connection"].lower(), "close", data)

    # --- the URL -----------------------------------------------------------------------------

    def test_unknown_paths_are_404(self):
        for path in ("/", "//", "/v1", "/v1/", "/v1/nothing", "/v1//check", "/v1%2Fcheck", "/V1/check", "/v1/../healthz",
                     "/v1/projects//balance", "/v1/projects/hp1/", "/healthz/", "/healthz;x", "/*"):
            self.assert_problem(self.ask(message("GET", path)), {404}, path)
        for target in ("*", "http://localhost/healthz", "healthz", "/a/b/c/d/e/f/g/h/i/j/k"):
            self.assert_problem(self.ask(message("GET", target)), {400, 404}, target)

    def test_bad_escapes_nuls_and_bytes_that_are_no_text_are_400(self):
        for name, method, target, route in self.each():
            path, _, query = target.partition("?")
            start = f"{path}?{query}&" if query else f"{path}?"
            for bad in NOT_TEXT:
                for tried in (f"{path}/{bad}", f"{start}x={bad}", f"{start}{bad}=x", f"{start}{bad}",
                              re.sub("(hp1|[dh]_[0-9a-z]+)", bad, target)):
                    if tried != target:
                        reply = self.ask(message(method, tried, self.good_body(route), route.headers))
                        self.assert_problem(reply, {400}, f"{method} {tried}")

    def test_arguments_named_twice_or_too_many_are_400(self):
        for name, method, target, route in self.each():
            start = target + ("&" if "?" in target else "?")
            for query in ("zz=1&zz=1", "zz=1&z%7A=2", "&".join(f"a{i}=1" for i in range(65)), "zz&zz"):
                reply = self.ask(message(method, start + query, self.good_body(route), route.headers))
                self.assert_problem(reply, {400}, f"{name} {query[:40]}")

    def test_urls_and_headers_that_are_too_long_are_refused(self):
        for name, method, target, route in self.each():
            start = target + ("&" if "?" in target else "?")
            for long in (start + "zz=" + "x" * 17000, start + "x" * 17000 + "=1", target.split("?")[0] + "/" + "x" * 17000):
                reply = self.ask(message(method, long, self.good_body(route), route.headers))
                self.assert_problem(reply, {414}, f"{name} {long[:60]}")
            for data, status in ((message(method, start + "x" * 200000), 414),
                                 (message(method, target, headers={"X-Long": "x" * 200000}), 431),
                                 (message(method, target, headers={f"X-{i}": "x" for i in range(20000)}), 431)):
                with Client(self.ledgerd.port) as client:
                    client.send(data)
                    reply = client.read()
                    if reply is not None:  # else reset, as what was sent after the limit was never read
                        self.assertEqual((reply.status, reply.headers["connection"].lower()), (status, "close"), name)

    # --- arguments and headers ---------------------------------------------------------------

    def test_arguments_that_are_no_amount_are_400(self):
        for name, method, target, route in self.each():
            if method != "GET":
                continue
            path, _, query = target.partition("?")
            for argument in route.amounts:
                for value in NOT_AMOUNTS:
                    arguments = dict(urllib.parse.parse_qsl(query))
                    arguments[argument] = value
                    tried = path + "?" + urllib.parse.urlencode(arguments)
                    if argument == "cursor" and value == "":
                        continue
                    self.assert_problem(self.ask(message(method, tried)), {400}, f"{name} {argument}={value[:50]!r}")

    def test_odd_arguments_are_taken_or_refused_in_good_order(self):
        for name, method, target, route in self.each():
            path, _, query = target.partition("?")
            for argument in route.arguments + ("zz",):
                for value in ODD_TEXT + NOT_AMOUNTS:
                    arguments = dict(urllib.parse.parse_qsl(query))
                    arguments[argument] = value
                    tried = path + "?" + urllib.parse.urlencode(arguments)
                    reply = self.ask(message(method, tried, self.good_body(route), route.headers))
                    self.assert_sane(reply, f"{name} {argument}={value[:50]!r}")
                    if argument == "zz":
                        self.assertEqual(reply.status, route.status if route.ignores_query else 400, name)

    def test_odd_names_in_the_path_are_404(self):
        for name, method, target, route in self.each():
            for part in ("hp1", *self.names.values()):
                for value in ODD_TEXT:
                    tried = re.sub(rf"(?<=/){part}(?=/|$)", lambda _, v=value: urllib.parse.quote(v, safe=""), target)
                    if tried != target:
                        reply = self.ask(message(method, tried, self.good_body(route), route.headers))
                        self.assert_problem(reply, {404}, tried)

    def test_authz_refuses_odd_headers_with_a_reason(self):
        for header in ("X-Ledger-Project", "X-Ledger-User", "X-Ledger-Points"):
            for value in ODD_TEXT + NOT_AMOUNTS + ["\udcff\udcfe"]:
                if "\n" in value:
                    continue
                headers = {"X-Ledger-Project": "hp1", "X-Ledger-Points": "1", header: value}
                reply = self.ask(message("GET", "/v1/authz", headers=headers))
                self.assertIn(reply.status, (204, 403), value[:50])
                self.assertEqual(reply.body, b"")
                if reply.status == 403:
                    self.assertRegex(reply.headers["x-ledger-reason"], "^[a-z_]+$", value[:50])
                if header != "X-Ledger-User" and value.strip(" ") != "1":
                    self.assertEqual(reply.status, 403, (header, value[:50]))

    def test_odd_keys_of_holds_are_taken_or_refused_in_good_order(self):
        no_text = ["\udcff", "\udced\udca0\udc80", "\udcc0\udc80"]
        part = b'{"points":"0.000001","final":false}'
        for name, method, target, route in self.each():
            for key in ODD_TEXT + ["h_1", "key:1", "x" * 20000] + no_text:
                if "/holds" in name and method == "POST" and "\n" not in key:
                    for body in (self.good_body(route), part):
                        reply = self.ask(message(method, target, body, {"Idempotency-Key": key}))
                        self.assert_sane(reply, f"{name} {key[:40]!r}")
        for key in no_text if "read" in self.names else ():
            for target, body in (("/v1/holds", json.dumps(HOLD).encode()), (f"/v1/holds/{self.names['read']}/settle", part)):
                reply = self.ask(message("POST", target, body, {"Idempotency-Key": key}))
                self.assert_problem(reply, {400}, f"{target} {key!r}")

    # --- bodies ------------------------------------------------------------------------------

    def test_bodies_that_are_no_document_are_400(self):
        for name, method, target, route in self.each():
            for body in NOT_JSON if route.body is not None else ():
                if body == b"" and route.may_be_empty:
                    continue
                for data in (message(method, target, body, route.headers),
                             chunked(target, [body[i:i + 4096] for i in range(0, len(body), 4096)], method)):
                    self.assert_problem(self.ask(data), {400}, f"{name} {body[:40]!r}")

    def test_members_of_the_wrong_type_are_refused(self):
        for name, method, target, route in self.each():
            for member in list(route.body or ()) + ["points", "", "colour", "__proto__"]:
                for value in ODD_JSON if route.body is not None else ():
                    members = [(k, v) for k, v in route.body.items() if k != member] + [(member, value)]
                    if member == "points":
                        members = [("project", "hp1"), ("points", value)]
                    body = route.document(members)
                    self.assert_sane(self.ask(message(method, target, body, route.headers)),
                                     f"{name} {member!r}: {value[:40]!r}")

    def test_members_that_are_no_amount_are_400(self):
        for name, method, target, route in self.each():
            for member in route.amounts if method == "POST" else ():
                for value in NOT_JSON_AMOUNTS + [json.dumps(v).encode() for v in NOT_AMOUNTS]:
                    members = [(k, v) for k, v in route.body.items() if k != member] + [(member, value)]
                    if value == b"null" and member in route.nullable:
                        continue
                    if member == "points":
                        members = [m for m in members if m[0] not in ("source", "class", "qos", "seconds", "meters",
                                                                      "attributes")]
                    body = route.document(members)
                    self.assert_problem(self.ask(message(method, target, body, route.headers)), {400},
                                        f"{name} {member!r}: {value[:40]!r}")

    def test_members_named_twice_are_400(self):
        for name, method, target, route in self.each():
            for member, value in (route.body or {}).items():
                body = route.document(list(route.body.items()) + [(member, value)])
                self.assert_problem(self.ask(message(method, target, body, route.headers)), {400}, f"{name} {member}")

    def test_what_is_posted_and_is_no_record_is_not_booked(self):
        before = self.ledgerd.get_json("/v1/projects/hp1/balance")
        bodies = [RECORD | {"meters": {"output_tokens": v}} for v in NOT_AMOUNTS + [-1, 1.5, None, True, [], {}, 10 ** 30]]
        bodies += [RECORD | {field: value} for field in ("start", "end", "state", "seen", "elapsed_seconds")
                   for value in (1e300, -1, [], {}, True, "x", "NaN", "9" * 40, "2027-02-30T00:00:00Z", "\u0000", "\ud800")]
        for i, body in enumerate(bodies):
            text = json.dumps(dict(body, id=f"no-{i}"))
            for content, kind in ((text, "application/json"), (text + "\n" + text, "application/x-ndjson")):
                reply = self.ask(message("POST", "/v1/usage", content.encode(), {"Content-Type": kind}))
                self.assert_sane(reply, content[:200])
                if reply.status == 200:
                    self.assertEqual(reply.json()["booked"], 0, content[:300])
        self.assertEqual(self.ledgerd.get_json("/v1/projects/hp1/balance")["posted"], before["posted"])

    def test_lines_that_are_no_records_are_quarantined_and_the_others_booked(self):
        bad = [b"nonsense", b"\xff\xfe", b'{"a":' * 100000, b'{"source":"a"', b"null", b"[1]", b'"' + b"x" * 200000, b"\x00\x01"]
        good = [json.dumps(dict(RECORD, id=f"among-bad-{i}")).encode() for i in range(len(bad))]
        lines = b"\n".join(line for pair in zip(bad, good) for line in pair)
        reply = self.ask(message("POST", "/v1/usage", lines, {"Content-Type": "application/x-ndjson"}))
        self.assertEqual(reply.status, 200, reply.text[:300])
        self.assertEqual((reply.json()["booked"], reply.json()["quarantined"]), (len(good), len(bad)))
        # An array may span lines, so one without an end is a fault of the whole.
        reply = self.ask(message("POST", "/v1/usage", b"[" * 100000, {"Content-Type": "application/x-ndjson"}))
        self.assert_problem(reply, {400}, "an array without end")

    def test_other_media_types_are_taken_or_415(self):
        for name, method, target, route in self.each():
            if route.body is None:
                continue
            for kind in ("text/plain", "application/xml", "application/jsonx", "application/json/x", "", "\x01", "x" * 5000,
                         "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json, text/xml"):
                reply = self.ask(message(method, target, self.good_body(route), dict(route.headers, **{"Content-Type": kind})))
                if reply.status != route.status:
                    self.assert_problem(reply, {415}, f"{name} {kind[:40]}")
            if name == "POST /v1/usage":
                reply = self.ask(message(method, target, self.good_body(route), {"Content-Type": "text/plain"}))
                self.assert_problem(reply, {415}, name)
            for kind in ("application/json", "Application/JSON; charset=utf-8", "application/json;x=\"y\""):
                reply = self.ask(message(method, target, self.good_body(route), dict(route.headers, **{"Content-Type": kind})))
                self.assertEqual(reply.status, route.status, f"{name} {kind}")

    def test_bodies_that_are_too_large_are_413(self):
        large = b"x" * LARGE_BYTES
        for name, method, target, route in self.each():
            self.assert_problem(self.ask(message(method, target, large, route.headers)), {413}, name)
        chunks = [large[i:i + 65536] for i in range(0, len(large), 65536)]
        for target in ("/v1/checks", "/v1/usage"):
            self.assert_problem(self.ask(chunked(target, chunks)), {413}, target)
            self.assert_problem(self.ask(message("POST", target, None, {"Content-Length": str(10 ** 15)})), {413}, target)
            self.assert_problem(self.ask(message("POST", target, None, {"Content-Length": str(LARGE_BYTES),
                                                                         "Expect": "100-continue"})), {413}, target)

    def test_a_body_without_end_is_cut(self):
        with Client(self.ledgerd.port) as client:
            client.sock.sendall(b"POST /v1/usage HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
            with self.assertRaises(OSError):
                for _ in range((200 << 20) // len(chunk)):
                    client.sock.sendall(chunk)

    def test_bodies_where_none_is_wanted_are_read_over(self):
        inner = message("GET", "/v1/projects")
        for name, method, target, route in self.each():
            if method == "GET":
                reply = self.ask(message(method, target, inner, route.headers))
                self.assertEqual(reply.status, route.status, name)

    # --- framing -----------------------------------------------------------------------------

    def test_two_ways_to_read_a_request_are_none(self):
        hidden = message("GET", "/v1/projects")
        for target, method in (("/v1/checks", "POST"), ("/v1/usage", "POST"), ("/healthz", "GET")):
            for headers, body in (("Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
                                  ("Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n"),
                                  ("Content-Length: 2\r\nContent-Length: 2", b"[]"),
                                  ("Content-Length: 2\r\nContent-Length: 50", b"[]"),
                                  ("Content-Length: 2, 2", b"[]"), ("Content-Length: +2", b"[]"),
                                  ("Content-Length: -2", b"[]"), ("Content-Length: 0x2", b"[]"),
                                  ("Content-Length: 2 2", b"[]"), ("Content-Length: ", b"[]"),
                                  ("Content-Length:\r\n 2", b"[]"), ("Content-Length: 2\r\n 2", b"[]"),
                                  ("Content-Length : 2", b"[]"), ("Content-Length: 2\x0b", b"[]"),
                                  ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"0\r\n\r\n"),
                                  ("Transfer-Encoding: identity", b"[]"), ("Transfer-Encoding: xchunked", b"0\r\n\r\n"),
                                  ("Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
                                  ("Transfer-Encoding: chunked, identity", b"0\r\n\r\n"),
                                  ("Transfer-Encoding:\x0bchunked", b"0\r\n\r\n"),
                                  ("Transfer-Encoding : chunked", b"0\r\n\r\n"),
                                  ("Transfer-Encoding\t: chunked", b"0\r\n\r\n"),
                                  ("Transfer-Encoding:\r\n chunked", b"0\r\n\r\n")):
                with self.subTest(target=target, headers=headers), Client(self.ledgerd.port) as client:
                    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n".encode("latin-1")
                    client.send(head + body + hidden)
                    answers = client.read_all()
                    # libmicrohttpd writes the head of its own refusals twice.
                    self.assertEqual(set(re.findall(rb"HTTP/1.1 (\d+)", answers)), {b"400"})
                    self.assertIn(b"Connection: close", answers)

    def test_chunks_that_are_none_are_refused_and_closed(self):
        head = b"POST /v1/checks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        for body in (b"zz\r\n[]\r\n0\r\n\r\n", b"-2\r\n[]\r\n0\r\n\r\n", b"f" * 40 + b"\r\n[]\r\n0\r\n\r\n", b"2\r\n[]xx0\r\n\r\n",
                     b"0x2\r\n[]\r\n0\r\n\r\n", b"\r\n\r\n", b"2 2\r\n[]\r\n0\r\n\r\n"):
            with Client(self.ledgerd.port) as client:
                client.send(head + body + message("GET", "/v1/projects"))
                reply = client.read()
                if reply is not None:
                    self.assertIn(reply.status, (400, 413), body)
                    self.assertEqual(reply.headers["connection"].lower(), "close", body)
                    self.assertIsNone(client.read())

    def test_chunked_bodies_are_read_whole(self):
        for name, method, target, route in self.each():
            body = self.good_body(route)
            if body is not None and not route.headers:
                reply = self.ask(chunked(target, [body[i:i + 1] for i in range(len(body))], method))
                self.assertEqual(reply.status, route.status, f"{name}\n{reply.text[:300]}")

    def test_requests_in_a_row_are_answered_in_order(self):
        with Client(self.ledgerd.port) as client:
            targets = [(m, t, r) for _, m, t, r in self.each()] * 3
            client.send(b"".join(self.good(method, target, route) for method, target, route in targets))
            for method, target, route in targets:
                self.assertEqual(client.read().status, route.status, target)


if __name__ == "__main__":
    unittest.main()
