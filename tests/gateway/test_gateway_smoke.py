"""The gateway's library in nginx, before ledgerd and a model server: a request is held, metered and booked once."""

import datetime
import http.client
import json
import os
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt
import model_server
from model_server import ModelServer
from nginx_process import Nginx

GATEWAY = os.path.join(lt.ROOT, "contrib", "gateway")
ZONE = datetime.timezone(datetime.timedelta(hours=9))
BEGIN = datetime.datetime.now(ZONE).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
YEAR = BEGIN.year if BEGIN.month >= 4 else BEGIN.year - 1
POLICY = {"policy": "t", "timezone": "Asia/Tokyo", "effective_from": BEGIN.isoformat(),
          "shares": [{"share": "hpci", "fraction": "1"}],
          "supply": [{"id": "s", "fiscal_year": YEAR, "from": BEGIN.isoformat(), "to": f"{YEAR + 1}-04-01T00:00:00+09:00",
                      "resource": "gpu", "count": 100, "hours": "100", "points_per_hour": "1"}]}
# A point for a thousand input tokens, four for a thousand of output.
CARD = {"card": "c", "effective_from": BEGIN.isoformat(),
        "rules": [{"source": "gateway:smoke", "class": "llm",
                   "per_million": {"input_tokens": "1000", "cached_input_tokens": "250", "output_tokens": "4000"}}]}
CHAT = {"model": "llm", "max_tokens": 100, "messages": [{"role": "user", "content": "Say yes."}]}


def gateway_http(settings, journal, upstream):
    """The http block of the installed files."""
    def installed(name):
        with open(os.path.join(GATEWAY, name), encoding="utf-8") as file:
            return file.read().replace("@luadir@", os.path.join(GATEWAY, "lua")).replace("@settings@", settings) \
                .replace("@journal@", journal)
    return installed("ledger-http.conf") + f"""
        upstream engine {{ server {upstream}; keepalive 16; }}
        server {{
            listen 127.0.0.1:{{port}};
            location /v1/ {{
                {installed("ledger-location.conf")}
                proxy_pass http://engine;
                proxy_http_version 1.1;
                proxy_set_header Connection "";
            }}
        }}"""


class SlowWire:
    """Stands between the gateway and ledgerd: what is asked goes on at once, answers wait for `delay` seconds."""

    def __init__(self, port):
        self.delay, self.port_behind = 0, port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                front, _ = self.listener.accept()
            except OSError:
                return
            try:
                behind = socket.create_connection(("127.0.0.1", self.port_behind))
            except OSError:
                front.close()
                continue
            for one, other, is_answer in ((front, behind, False), (behind, front, True)):
                threading.Thread(target=self._pass_on, args=(one, other, is_answer), daemon=True).start()

    def _pass_on(self, one, other, is_answer):
        try:
            while piece := one.recv(65536):
                if is_answer:
                    time.sleep(self.delay)
                other.sendall(piece)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        finally:
            if is_answer:
                one.close()
                other.close()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Site:
    """A book, ledgerd, an engine and nginx."""

    def __init__(self, workers=1, **settings):
        self.folder = lt.temp_dir()
        self.journal_path = os.path.join(self.folder, "usage.jsonl")
        self.db = lt.create_db("smoke")
        for verb, document in (("policy", POLICY), ("rates", CARD)):
            self.ctl(verb, "apply", lt.write_file(json.dumps(document)))
        for project, points in (("p", "1000"), ("mid", "60"), ("poor", "0.1")):
            self.ctl("project", "add", project, "--share", "hpci")
            self.ctl("grant", project, points)
        self.keys = {p: self.make_key(p) for p in ("p", "mid", "poor")}
        self.ledgerd = lt.start_ledgerd(self.db)
        self.engine = ModelServer()
        self.wire = SlowWire(self.ledgerd.port)
        settings = {"name": "smoke", "ledger": f"127.0.0.1:{self.wire.port}", "deadline": "5s", **settings}
        http_block = gateway_http(lt.write_file(json.dumps(settings)), self.journal_path, f"127.0.0.1:{self.engine.port}")
        self.nginx = Nginx(http_block, workers=workers)
        self.nginx.start()
        self.cases = 0

    def ctl(self, *args):
        return lt.ctl(list(args), db=self.db)

    def make_key(self, project):
        return lt.ctl_json(["token", "create", f"key-{project}", "--role", "gateway-user", "--project", project, "--user", "u"],
                           db=self.db)["token"]

    def stop(self):
        self.nginx.stop(patient=False)
        self.engine.stop()
        self.wire.stop()
        self.ledgerd.stop()

    def post(self, answer, body=None, key="p", path="/v1/chat/completions", read=None, headers=None):
        """(status, headers, body, what the engine saw); read: bytes after which the client hangs up."""
        self.cases += 1
        case = f"case-{self.cases}"
        self.engine.plan(case, answer)
        connection = http.client.HTTPConnection("127.0.0.1", self.nginx.port, timeout=60 * lt.SLOWDOWN)
        body = CHAT if body is None else body
        try:
            connection.request("POST", path, body=json.dumps(body) if isinstance(body, dict) else body,
                               headers={"Authorization": f"Bearer {self.keys.get(key, key)}", "X-Case": case, **(headers or {})})
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read(read) if read else reply.read(), self.engine.seen(case)
        finally:
            connection.close()

    def journal(self):
        if not os.path.exists(self.journal_path):
            return []
        with open(self.journal_path, encoding="utf-8") as file:
            return [json.loads(line) for line in file.read().splitlines()]

    def booked(self, count):
        """The book's (id, points) once it has so many records and no hold but leases is left."""
        def settled():
            rows = lt.query(self.db, """SELECT u.id, (SELECT sum(c.points_micro) FROM ledger.charge c WHERE c.record_no = u.record_no)
                                          FROM ledger.usage_record u""")
            held = lt.scalar(self.db, "SELECT count(*) FROM ledger.hold WHERE state = 'open' AND parts > 0")
            return rows if len(rows) >= count and held == "0" else None
        return {number: int(points) for number, points in lt.eventually(settled, 25)}


class Smoke(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()

    @classmethod
    def tearDownClass(cls):
        cls.site.stop()

    def last(self):
        """The last line of the journal, once there is one more than before; it must be booked as the card says."""
        record = lt.eventually(lambda: len(self.site.journal()) > self.before and self.site.journal()[-1], 25)
        meters = {name: int(count) for name, count in record["meters"].items()}
        price = 1000 * meters["input_tokens"] + 250 * meters["cached_input_tokens"] + 4000 * meters["output_tokens"]
        self.assertEqual(self.site.booked(len(self.site.journal()))[record["id"]], price)
        return record, (meters["input_tokens"], meters["cached_input_tokens"], meters["output_tokens"])

    def setUp(self):
        self.before = len(self.site.journal())

    def test_a_plain_answer_is_held_metered_and_booked(self):
        status, headers, body, seen = self.site.post(model_server.plain(model_server.usage_document(20, 5, cached=10)))
        self.assertEqual((status, json.loads(body)["usage"]["completion_tokens"]), (200, 5))
        record, meters = self.last()
        self.assertEqual(meters, (20, 10, 5))
        self.assertEqual((record["outcome"], record["basis"], record["class"], record["project"], record["user"]),
                         ("completed", "reported", "llm", "p", "u"))
        self.assertEqual(headers["x-request-id"], record["id"])
        self.assertRegex(headers["x-ratelimit-remaining-points"], r"^\d+\.\d{6}$")
        path, sent, _ = seen.requests[0]
        self.assertEqual(path, "/v1/chat/completions")
        self.assertNotIn("authorization", {name.lower() for name in sent})
        self.assertNotIn("accept-encoding", {name.lower() for name in sent})

    def test_the_usage_chunk_is_asked_for_and_hidden_from_who_did_not_ask(self):
        for options, shown in ((None, False), ({"include_usage": False}, False), ({"include_usage": None}, False),
                               ({"include_usage": True}, True), ({}, False)):
            with self.subTest(options=options):
                self.before = len(self.site.journal())
                body = {**CHAT, "stream": True, "tools": [], "seed": 9007199254740993}
                if options is not None:
                    body["stream_options"] = options
                status, _, text, seen = self.site.post(model_server.stream(30), body)
                self.assertEqual((status, b'"usage"' in text, text.endswith(b"data: [DONE]\n\n")), (200, shown, True))
                self.assertEqual(self.last()[1], (11, 7, 30))
                sent = seen.requests[0][2]
                self.assertEqual((sent["tools"], sent["seed"], sent["stream_options"]["include_usage"]),
                                 ([], 9007199254740993, True))

    def test_a_stream_in_pieces_of_any_size_is_read(self):
        for size in (1, 7, 100, 4096):
            self.before = len(self.site.journal())
            _, _, text, _ = self.site.post(model_server.stream(20, piece_bytes=size), {**CHAT, "stream": True})
            self.assertNotIn(b'"usage"', text)
            self.assertEqual(text.count(b"data: "), 23)
            self.assertEqual(self.last()[1], (11, 7, 20))

    def test_other_words_for_usage(self):
        cases = (("/v1/messages", model_server.messages_stream(9), (11, 7, 9)),
                 ("/v1/responses", model_server.responses_stream(9), (11, 7, 9)))
        for path, answer, meters in cases:
            with self.subTest(path=path):
                self.before = len(self.site.journal())
                status, _, _, _ = self.site.post(answer, {**CHAT, "stream": True}, path=path)
                self.assertEqual(status, 200)
                self.assertEqual(self.last()[1], meters)

    def test_a_compressed_answer_is_read_and_passed_on_plain(self):
        status, headers, body, _ = self.site.post(
            model_server.plain(model_server.usage_document(20, 5), compressed=True))
        self.assertEqual((status, json.loads(body)["model"], headers.get("Content-Encoding")), (200, "engine-model", None))
        self.assertEqual(self.last()[1], (20, 0, 5))
        self.before = len(self.site.journal())
        _, _, text, _ = self.site.post(model_server.stream(20, compressed=True), {**CHAT, "stream": True})
        self.assertTrue(text.endswith(b"data: [DONE]\n\n"))
        self.assertEqual(self.last()[1], (11, 7, 20))

    def test_an_answer_without_usage_is_estimated_and_never_free(self):
        self.site.post(model_server.plain(None))
        record, meters = self.last()
        self.assertEqual(record["basis"], "estimated")
        self.assertGreater(meters[0] * meters[2], 0)
        self.before = len(self.site.journal())
        self.site.post(model_server.stream(25, usage_chunks=0), {**CHAT, "stream": True})
        record, meters = self.last()
        self.assertEqual((record["basis"], record["outcome"], meters[2]), ("estimated", "completed", 25))

    def test_numbers_that_are_none_end_no_stream(self):
        chunk = b'data: {"model":"m","choices":[{"index":%s,"delta":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":%s}}\n\n'
        events = [model_server.Event(chunk % (b"NaN", b"4")), model_server.Event(chunk % (b"0", b"NaN")),
                  model_server.Event(chunk % (b'"x"', b"-1")), model_server.Event(b"data: [[[\n\n"), model_server.Event(b"data: [DONE]\n\n")]
        answer = model_server.Answer(content_type="text/event-stream", events=lambda _: events)
        _, _, text, _ = self.site.post(answer, {**CHAT, "stream": True})
        self.assertTrue(text.endswith(b"data: [DONE]\n\n"))
        record, meters = self.last()
        self.assertEqual((record["outcome"], record["basis"], meters[2]), ("completed", "estimated", 3))

    def test_a_client_that_hangs_up_is_billed_for_what_was_produced(self):
        _, _, text, seen = self.site.post(model_server.stream(400, pause=0.01), {**CHAT, "stream": True}, read=30000)
        record, meters = self.last()
        self.assertEqual((record["outcome"], record["basis"]), ("cancelled", "estimated"))
        lt.eventually(seen.ended.is_set, 25)
        self.assertTrue(text.count(b'"content":"') - 1 <= meters[2] <= seen.tokens, (meters, seen.tokens))
        self.assertLess(seen.tokens, 400)

    def test_an_engine_that_breaks_off_is_told_from_a_client_that_does(self):
        with self.assertRaises((http.client.HTTPException, OSError)):
            self.site.post(model_server.stream(50, cut_after=20), {**CHAT, "stream": True})
        record, meters = self.last()
        self.assertEqual((record["outcome"], record["basis"], meters[2]), ("failed", "estimated", 19))

    def test_an_error_of_the_engine_costs_nothing_and_leaves_no_hold(self):
        status, _, _, _ = self.site.post(model_server.recorded("openai-bodies/chat-bad-request_0.400.json"))
        self.assertEqual(status, 400)
        self.assertEqual(self.last()[1], (0, 0, 0))

    def test_who_may_not_is_told_why_and_the_model_is_not_asked(self):
        cases = (("poor", CHAT, 402, "insufficient_points"), ("ldg_" + "x" * 43, CHAT, 401, "invalid_api_key"),
                 ("p", {**CHAT, "model": "none"}, 403, "no_rate"), ("p", {"messages": []}, 400, "invalid_request"),
                 ("p", '{"model":"llm","model":"none"}', 400, "invalid_request"), ("p", "[", 400, "invalid_request"),
                 ("p", {**CHAT, "stream": 1}, 400, "invalid_request"))
        for key, body, status, code in cases:
            with self.subTest(code=code, body=body):
                told, headers, text, seen = self.site.post(model_server.plain(None), body, key=key)
                self.assertEqual((told, json.loads(text)["error"]["code"]), (status, code))
                self.assertEqual((headers["x-should-retry"], seen.requests), ("false", []))
        self.assertEqual(len(self.site.journal()), self.before)

    def test_paths_that_are_not_metered(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.site.nginx.port, timeout=60)
        told = []
        for method, path, key in (("GET", "/v1/models", "p"), ("GET", "/v1/models", None), ("POST", "/v1/models", "p"),
                                  ("GET", "/v1/files", "p"), ("POST", "/v1/audio/speech", "p")):
            connection.request(method, path, headers={"Authorization": f"Bearer {self.site.keys[key]}"} if key else {})
            reply = connection.getresponse()
            reply.read()
            told.append(reply.status)
        connection.close()
        self.assertEqual(told, [200, 401, 404, 404, 404])

    def test_a_body_that_was_put_into_a_file_is_read(self):
        body = {**CHAT, "messages": [{"role": "user", "content": "x" * 600000}]}
        status, _, _, seen = self.site.post(model_server.plain(model_server.usage_document(200000, 5)), body)
        self.assertEqual((status, seen.requests[0][2]), (200, body))
        self.assertEqual(self.last()[1], (200000, 0, 5))


class Leases(unittest.TestCase):
    LEASE = {"points": "50", "refill_below": "10", "ttl": "6s", "idle": "2s", "comfortable": 2}

    @classmethod
    def setUpClass(cls):
        cls.site = Site(workers=2, lease=cls.LEASE)

    @classmethod
    def tearDownClass(cls):
        cls.site.stop()

    def leases(self, state="open"):
        return lt.query(self.site.db, f"""SELECT hold_no, held_micro FROM ledger.hold
                                           WHERE key LIKE 'gw/lease/%' AND state = '{state}' AND expires_at > now()""")

    def take_lease(self):
        """Asks until a lease is there and used."""
        def on_lease():
            self.site.post(model_server.plain(model_server.usage_document(10, 5)))
            return self.site.journal()[-1]["hold"] if self.leases() and self.holds_named(1) else None
        return lt.eventually(on_lease, 25)

    def holds_named(self, count):
        leases = {f"h_{number}" for number, _ in self.leases()}
        return len([r for r in self.site.journal() if r["hold"] in leases]) >= count

    def test_many_requests_share_a_hold_and_it_goes_back(self):
        self.take_lease()
        before = len(self.site.journal())
        for _ in range(20):
            status, headers, _, _ = self.site.post(model_server.plain(model_server.usage_document(1000, 5)))
            self.assertEqual(status, 200)
            self.assertLess(float(headers["x-ratelimit-remaining-points"]), 1000)
        lt.eventually(lambda: len(self.site.journal()) == before + 20, 25)
        records = self.site.journal()[before:]
        self.assertLess(len({r["hold"] for r in records}), 10)
        self.site.booked(before + 20)
        lt.eventually(lambda: not self.leases(), 60)
        used = ",".join({r["hold"][2:] for r in records})
        self.assertEqual(lt.query(self.site.db, f"SELECT DISTINCT state FROM ledger.hold WHERE hold_no IN ({used})"), [["released"]])

    def test_a_lease_that_is_used_outlives_its_ttl(self):
        self.take_lease()
        body = {**CHAT, "stream": True}
        status, _, text, _ = self.site.post(model_server.stream(100, pause=0.1), body)
        self.assertEqual((status, text.endswith(b"data: [DONE]\n\n")), (200, True))
        record = lt.eventually(lambda: [r for r in self.site.journal() if r["attributes"]["stream"] == "true"], 25)[-1]
        self.site.booked(len(self.site.journal()))
        self.assertIn(record["hold"], {f"h_{number}" for number, in lt.query(
            self.site.db, "SELECT hold_no FROM ledger.hold WHERE key LIKE 'gw/lease/%' AND made_at + interval '6 s' < expires_at")})

    def test_near_the_end_each_request_is_held_by_itself(self):
        """60 points are enough for a lease of 50, but not comfortable."""
        before = len(self.site.journal())
        for _ in range(5):
            self.assertEqual(self.site.post(model_server.plain(model_server.usage_document(1, 1)), key="mid")[0], 200)
            time.sleep(0.2)  # a lease is taken in the background
        lt.eventually(lambda: len(self.site.journal()) == before + 5, 25)
        self.assertEqual(len({r["hold"] for r in self.site.journal()[before:]}), 5)
        self.assertEqual(lt.scalar(self.site.db, "SELECT count(*) FROM ledger.hold WHERE project_id = 'mid' AND parts = 0"), "0")


class Guessing(unittest.TestCase):
    def test_who_guesses_keys_is_slowed_down_and_his_neighbours_are_not(self):
        site = Site(caller={"cache": "1s", "failures": 5, "failures_within": "60s"})
        self.addCleanup(site.stop)
        self.assertEqual(site.post(model_server.plain(None))[0], 200)
        answers = [site.post(model_server.plain(None), key=f"ldg_{n}" + "x" * 42) for n in range(7)]
        self.assertEqual([status for status, _, _, _ in answers], [401] * 5 + [429] * 2)
        self.assertEqual(answers[-1][1]["retry-after-ms"], "2000")
        self.assertEqual(site.post(model_server.plain(None), key="mid")[0], 429)  # not seen before
        time.sleep(1.1)
        self.assertEqual(site.post(model_server.plain(None))[0], 200)


class Away(unittest.TestCase):
    def setUp(self):
        self.site = Site(open_budget_points="2", deadline="200ms", caller={"cache": "1s"},
                         models={"llm": {"posture": "open"}, "*": {}})

    def tearDown(self):
        self.site.stop()

    def test_open_within_a_counted_budget_and_booked_afterwards(self):
        """Each request is estimated at 4 x 100 output tokens of 0.004 points: four fit into 2 points at once, and more as they end."""
        self.assertEqual(self.site.post(model_server.plain(model_server.usage_document(10, 5)))[0], 200)
        lt.eventually(lambda: len(self.site.journal()) == 1, 25)
        self.site.booked(1)
        port = self.site.ledgerd.port
        self.site.ledgerd.stop()
        answers = [self.site.post(model_server.plain(model_server.usage_document(10, 100))) for _ in range(8)]
        statuses = [status for status, _, _, _ in answers]
        self.assertEqual(statuses, [200] * 4 + [503] * 4)
        self.assertEqual(json.loads(answers[-1][2])["error"]["code"], "cannot_decide")
        self.assertEqual(self.site.post(model_server.plain(None), {**CHAT, "model": "other"})[0], 503)
        self.assertEqual({r["attributes"].get("admitted") for r in self.site.journal()[1:]}, {"open"})
        self.site.ledgerd = lt.start_ledgerd(self.site.db, port=port)
        self.site.booked(5)
        lt.eventually(lambda: self.site.post(model_server.plain(None))[0] == 200, 25)

    def test_requests_that_never_pause_do_not_keep_a_ledgerd_away_that_is_back(self):
        body = {**CHAT, "model": "other"}  # closed, and without a price: 403 is ledgerd's word
        self.assertEqual(self.site.post(model_server.plain(None), body)[0], 403)
        port = self.site.ledgerd.port
        self.site.ledgerd.stop()
        time.sleep(1.1)  # whose key it is has been forgotten
        self.assertEqual({self.site.post(model_server.plain(None), body)[0] for _ in range(20)}, {503})
        self.site.ledgerd = lt.start_ledgerd(self.site.db, port=port)
        lt.eventually(lambda: self.site.post(model_server.plain(None), body)[0] == 403, 25)

    def test_a_hold_whose_answer_came_too_late_is_given_back(self):
        body = {**CHAT, "model": "llm"}
        self.assertEqual(self.site.post(model_server.plain(model_server.usage_document(10, 5)), body)[0], 200)
        self.site.booked(1)
        self.site.wire.delay = 1
        started = time.monotonic()
        status, _, _, _ = self.site.post(model_server.plain(model_server.usage_document(10, 100)), body)
        self.assertEqual(status, 200)  # by the open budget
        self.assertLess(time.monotonic() - started, 5 * 0.2 * lt.SLOWDOWN)
        self.site.wire.delay = 0
        self.site.booked(2)
        states = lt.query(self.site.db, "SELECT state FROM ledger.hold ORDER BY hold_no")
        self.assertEqual(states, [["settled"], ["released"]])
        self.assertNotIn("hold", self.site.journal()[-1])

    def test_a_key_that_ledgerd_never_saw_is_not_let_in(self):
        self.site.ledgerd.stop()
        self.assertEqual(self.site.post(model_server.plain(None))[0], 503)


class Counts(unittest.TestCase):
    """What the library makes of a usage object is what ledgerd's importer makes of it."""

    @classmethod
    def setUpClass(cls):
        """An nginx that answers the counts of each usage that is sent, a line each."""
        settings = lt.write_file(json.dumps({"name": "x", "ledger": "127.0.0.1:1"}))
        cls.nginx = Nginx(gateway_http(settings, "{folder}/usage.jsonl", "127.0.0.1:1") + """
            server {
                listen unix:{folder}/counts;
                location / {
                    client_body_buffer_size 8m;
                    client_max_body_size 8m;
                    content_by_lua_block {
                        local counts, decode = require("ledger.counts"), require("cjson.safe").decode
                        ngx.req.read_body()
                        for line in ngx.req.get_body_data():gmatch("[^\\n]+") do
                            local read = counts.of(decode(line).usage)
                            ngx.say(read and table.concat({ read.input, read.cached, read.written, read.output }, " ") or "")
                        end
                    }
                }
            }""")
        cls.nginx.start()

    @classmethod
    def tearDownClass(cls):
        cls.nginx.stop(patient=False)

    def read(self, bodies):
        connection = lt.UnixConnection(os.path.join(self.nginx.folder, "counts"), timeout=60)
        connection.request("POST", "/", body="\n".join(map(json.dumps, bodies)))
        reply = connection.getresponse()
        lines = reply.read().decode().split("\n")[:-1]
        connection.close()
        self.assertEqual((reply.status, len(lines)), (200, len(bodies)))
        return [tuple(map(int, line.split())) or None for line in lines]

    def imported(self, bodies):
        """The counts by which ledgerctl books each body, or None where it does not."""
        db = lt.create_db("counts")
        card = json.loads(json.dumps(CARD).replace('"cached_input_tokens"', '"cache_write_input_tokens": "1", "cached_input_tokens"'))
        card["rules"][0]["class"] = "*"
        for verb, document in (("policy", POLICY), ("rates", card)):
            lt.ctl([verb, "apply", lt.write_file(json.dumps(document))], db=db)
        lt.ctl(["project", "add", "p", "--share", "hpci"], db=db)
        now = int(datetime.datetime.now().timestamp())
        lines = [json.dumps({"id": f"b{i}", "created": now, "model": "m", "usage": body["usage"]}) for i, body in enumerate(bodies)]
        lt.run_ctl(["import", "usage", lt.write_file("\n".join(lines)), "--source", "gateway:smoke", "--format", "openai",
                    "--project", "p"], db=db)
        found = dict(lt.query(db, "SELECT id, meters FROM ledger.usage_record"))
        def counts(text):
            meters = {name: int(count) for name, count in (pair.split("=") for pair in text.split())}
            return tuple(meters.get(name, 0) for name in ("input_tokens", "cached_input_tokens", "cache_write_input_tokens",
                                                          "output_tokens"))
        return [counts(found[f"b{i}"]) if f"b{i}" in found else None for i in range(len(bodies))]

    def test_recorded_usages_and_odd_ones(self):
        with open(os.path.join(model_server.DATA, "provider_usages.jsonl"), encoding="utf-8") as file:
            bodies = [line["body"] for line in map(json.loads, file) if isinstance(line["body"].get("usage"), dict)]
        for value in (0, 7, -1, 1.5, "12", "x", True, None, 10 ** 12, [], {}):
            bodies += [{"usage": {"prompt_tokens": value, "completion_tokens": 3}},
                       {"usage": {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": value}}},
                       {"usage": {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": value}}]
        known = 0
        for body, mine, theirs in zip(bodies, self.read(bodies), self.imported(bodies)):
            with self.subTest(usage=body["usage"]):
                if mine is not None or set(body["usage"]) & {"prompt_tokens", "input_tokens"}:
                    self.assertEqual(mine, theirs)
                    known += mine is not None
        self.assertGreater(known, 300)


class Settings(unittest.TestCase):
    def test_what_is_not_understood_keeps_nginx_from_starting(self):
        good = {"name": "x", "ledger": "127.0.0.1:1"}
        for change, sentence in (({"lease": {"points": "1", "refill_below": "1"}}, "lease.refill_below must be less"),
                                 ({"deadline": "50"}, "deadline must be a duration"),
                                 ({"ledger": "localhost:1"}, "ledger must be"), ({"name": "a/b"}, "name must be"),
                                 ({"nothing": 1}, "there is no setting nothing"),
                                 ({"models": {"m": {"progress": "x"}}}, "models.m.progress must be"),
                                 ({"token_file": "/nowhere/token"}, "/nowhere/token")):
            with self.subTest(change=change):
                path = lt.write_file(json.dumps({**good, **change}))
                nginx = Nginx(gateway_http(path, "{folder}/usage.jsonl", "127.0.0.1:1"))
                with self.assertRaisesRegex(AssertionError, sentence):
                    nginx.start()


if __name__ == "__main__":
    unittest.main()
