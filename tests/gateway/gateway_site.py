"""A gateway as a site has it: ledgerd, nginx with the ledger's library, a model server, and a second opinion on what is booked.

    site = Site(); site.start()                          ledgerd follows the journal that nginx writes
    key = site.key("alice", "rich")                      what she gives to the OpenAI client
    with OpenAiClient() as client:
        told = site.ask(client, key, "chat.completions", {"model": "llm", …}, answer=model_server.stream(20))
    told["record"]                                       the id under which it is booked
    site.settled()                                       everything in the journal is booked, no hold is left
    site.check_books(test)                               book equals journal, each line priced by rate_oracle

The oracle of the counts is meters_of(): from a usage as the client saw it, by the contract's words.
"""

import datetime
import glob
import http.client
import itertools
import json
import os
import sys
from fractions import Fraction

import ledger_test as lt

ROOT = lt.ROOT
for folder in ("slurm", "property"):
    sys.path.append(os.path.join(ROOT, "tests", folder))
import rate_oracle  # noqa: E402
from slurm_site import ZONE, first_of_month, policy  # noqa: E402

from model_server import ModelServer  # noqa: E402
from nginx_process import Nginx  # noqa: E402
from openai_client import request  # noqa: E402

SOURCE = "gateway:test"
MICRO = rate_oracle.MICRO
QUIET_SECONDS = 30
DEADLINE_SECONDS = 5  # of a call of ledgerd: these tests run on machines that are busy with others
METERS = ("input_tokens", "cached_input_tokens", "cache_write_input_tokens", "output_tokens")
# llm, timed (whose engine tells its counts in every chunk): prices that do not come out even. dear: a point for each token
# that it writes. short: by an alias, llm.
EVEN = ("0.051", "0.0127", "0.0633", "0.2003")
PRICES = {"llm": EVEN, "timed": EVEN, "dear": ("0", "0", "0", "1000000")}
PROJECTS = {"rich": "100000", "poor": None, "small": "50"}
MEMBERS = (("rich", "alice"), ("rich", "bob"), ("poor", "alice"), ("small", "alice"))
MODELS = {"llm": {"max_output_tokens": 4096, "usual_output_tokens": 500},
          "dear": {"max_output_tokens": 100, "usual_output_tokens": 20},
          "timed": {"max_output_tokens": 4096, "usual_output_tokens": 500, "progress": "timings"},
          "short": {"max_output_tokens": 100, "usual_output_tokens": 20}}
# nginx before an engine, as it stands without the ledger.
PLAIN_HTTP = """
    access_log off;
    upstream engine { server {upstream}; keepalive 64; }
    server {
        listen 127.0.0.1:{port} backlog=1024;
        location / {
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
    }
"""
# The same with the ledger, as contrib/gateway/README.md lays it out.
LEDGER_HTTP = """
    include {folder}/ledger-http.conf;
    upstream engine { server {upstream}; keepalive 64; }
    server {
        listen 127.0.0.1:{port} backlog=1024;
        location / {
            include {folder}/ledger-location.conf;
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
    }
"""
GATEWAY = os.path.join(ROOT, "contrib", "gateway")
CHAT = {"model": "llm", "messages": [{"role": "user", "content": "Say yes."}]}


def card(begin):
    return {"card": "gateway", "effective_from": begin.isoformat(),
            "rules": [{"source": "gateway:*", "class": name, "per_million": dict(zip(METERS, prices))}
                      for name, prices in PRICES.items()]}


def micro(points):
    return int(Fraction(points) * MICRO)


def meters_of(usage):
    """{meter: tokens} of a usage in the words of any endpoint; nothing that is zero. Each token once."""
    if "prompt_tokens" in usage:  # chat, completions, embeddings: the prompt includes what was cached
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        counts = {"input_tokens": usage["prompt_tokens"] - cached, "cached_input_tokens": cached,
                  "output_tokens": usage.get("completion_tokens") or 0}
    elif "input_tokens_details" in usage:  # responses: as above, in other words
        cached = usage["input_tokens_details"].get("cached_tokens") or 0
        counts = {"input_tokens": usage["input_tokens"] - cached, "cached_input_tokens": cached,
                  "output_tokens": usage["output_tokens"]}
    else:  # messages: what was read from the cache, or written to it, stands beside
        counts = {"input_tokens": usage["input_tokens"], "cached_input_tokens": usage.get("cache_read_input_tokens") or 0,
                  "cache_write_input_tokens": usage.get("cache_creation_input_tokens") or 0,
                  "output_tokens": usage["output_tokens"]}
    return {name: count for name, count in counts.items() if count}


class Site:
    """now and then everything that a test may take away and give back: ledgerd, nginx, engine."""

    def __init__(self, projects=None, members=MEMBERS, workers=2, conf="", upstream=None, **settings):
        """settings: of gateway.json, beside or instead of the usual ones; conf: more for ledgerd.conf; upstream: HOST:PORT of
        another engine than the test's own."""
        self.begin = first_of_month(datetime.datetime.now(ZONE), 1)
        self.card = card(self.begin)
        self.folder = lt.temp_dir()
        self.socket = os.path.join(self.folder, "ledgerd.sock")
        self.journal_path = os.path.join(self.folder, "usage.jsonl")
        self.db = lt.create_db("gateway")
        self.settings = settings
        self.conf_text = conf
        self.ledgerd = None
        self.cases = itertools.count(1)
        self.served = set()  # ids of answers that were given, whose lines may still be on their way
        self._make_book(projects or PROJECTS, members)
        self.engine = ModelServer()
        self.nginx = Nginx(self._http(upstream or f"127.0.0.1:{self.engine.port}"), workers=workers, folder=self.folder)

    # --- the book ----------------------------------------------------------------------------------

    def ctl(self, *args, **options):
        return lt.ctl(list(args), db=self.db, **options)

    def ctl_json(self, *args, **options):
        return lt.ctl_json(list(args), db=self.db, **options)

    def _make_book(self, projects, members):
        rules = policy(self.begin, datetime.datetime.now(ZONE), require_membership=True)
        self.ctl("policy", "apply", lt.write_file(json.dumps(rules)))
        self.ctl("rates", "apply", lt.write_file(json.dumps(self.card)))
        for project, points in projects.items():
            self.ctl("project", "add", project, "--share", "hpci")
            if points:
                self.ctl("grant", project, points)
        for project, user in members:
            self.ctl("member", "add", project, user)

    def key(self, user, project, name=None):
        """A new key of this user for this project."""
        name = name or f"{user}-{project}-{next(self.cases)}"
        key = self.token(name, "gateway-user", "--project", project, "--user", user)
        if self.ledgerd:
            lt.eventually(lambda: self.asks("/v1/tokens/introspect", {"token": key}).json()["active"], 5)
        return key

    def token(self, name, role, *options):
        return self.ctl_json("token", "create", name, "--role", role, *options)["token"]

    def asks(self, path, body):
        """What ledgerd answers to the gateway."""
        with open(os.path.join(self.folder, "token"), encoding="ascii") as file:
            return self.ledgerd.post(path, body, {"Authorization": f"Bearer {file.read()}"})

    # --- settings ----------------------------------------------------------------------------------

    def _http(self, upstream):
        """The http block, with the library as `make install` would lay it out; the token is the gateway's own."""
        token = os.path.join(self.folder, "token")
        with open(token, "w", encoding="ascii") as file:
            file.write(self.token("gateway", "submit+ingest"))
        settings = {"name": "test", "ledger": f"unix:{self.socket}", "token_file": token, "deadline": f"{DEADLINE_SECONDS}s",
                    "models": MODELS, **self.settings}
        places = {"@luadir@": os.path.join(GATEWAY, "lua"), "@settings@": os.path.join(self.folder, "gateway.json"),
                  "@journal@": self.journal_path}
        with open(places["@settings@"], "w", encoding="utf-8") as file:
            json.dump(settings, file)
        for name in ("ledger-http.conf", "ledger-location.conf"):
            with open(os.path.join(GATEWAY, name), encoding="utf-8") as file:
                text = file.read()
            for place, value in places.items():
                text = text.replace(place, value)
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        return LEDGER_HTTP.replace("{upstream}", upstream)

    # --- start and stop ----------------------------------------------------------------------------

    def start(self):
        self.start_ledgerd()
        self.nginx.start()
        return self

    def start_ledgerd(self):
        conf = (f"[http]\nunix = {self.socket}\n[auth]\nmode = required\n[tokens {SOURCE}]\nmode = file\npath = {self.journal_path}\nformat = ledger\n"
                f"interval = 1s\nmodel.short = llm\n{self.conf_text}")
        self.ledgerd = lt.start_ledgerd(self.db, conf=conf)

    def stop_ledgerd(self):
        if self.ledgerd is not None:
            daemon, self.ledgerd = self.ledgerd, None
            daemon.stop()

    def stop(self):
        """All of it, whatever state it is in."""
        try:
            self.nginx.stop(patient=False)
        finally:
            try:
                self.stop_ledgerd()
            finally:
                self.engine.stop()

    # --- asking ------------------------------------------------------------------------------------

    def prepare(self, key, call, body, answer, **more):
        """A request for client.ask_all, with its answer planned; its case is in its headers."""
        case = f"case-{next(self.cases)}"
        self.engine.plan(case, answer)
        return request(self.nginx.url + "/v1", key, call, body, case=case, **more)

    def seen(self, asked):
        """What the model server saw of a prepared request."""
        return self.engine.seen(asked["headers"]["X-Case"])

    def ask(self, client, key, call, body, answer, **more):
        """The client's report of one request, with `record` (the id of its record) and `seen` (by the model server)."""
        asked = self.prepare(key, call, body, answer, **more)
        return self.wait_all([(asked, client.begin(asked))])[0]

    def ask_all(self, client, asked):
        """The same of prepared requests, all at once."""
        return self.wait_all([(one, client.begin(one)) for one in asked])

    def wait_all(self, begun):
        """Reports as ask() has them, of [(prepared request, what client.begin gave)]."""
        told = []
        for asked, wait in begun:
            report = wait()
            report["seen"] = self.seen(asked)
            report["record"] = report["attempts"][-1]["headers"].get("x-request-id")
            self._note(report["status"], report["record"])
            told.append(report)
        return told

    def _note(self, status, number):
        if status == 200 and number:
            self.served.add(number)

    def post(self, key, path, body, answer, read=None, headers=None):
        """A request without the OpenAI client: (status, headers, body, what the model server saw)."""
        case = f"case-{next(self.cases)}"
        self.engine.plan(case, answer)
        connection = http.client.HTTPConnection("127.0.0.1", self.nginx.port, timeout=60 * lt.SLOWDOWN)
        try:
            connection.request("POST", path, body=json.dumps(body) if isinstance(body, dict) else body,
                               headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json", "X-Case": case,
                                        **(headers or {})})
            reply = connection.getresponse()
            self._note(reply.status, reply.headers["X-Request-Id"])
            return reply.status, reply.headers, reply.read(read) if read else reply.read(), self.engine.seen(case)
        finally:
            connection.close()

    # --- what the journal says, and what the book says ---------------------------------------------

    def journal_files(self):
        return sorted(glob.glob(glob.escape(self.journal_path) + "*"))

    def journal(self):
        """{id: record} of all journal files; fails on a line that is no record, or an id with two contents."""
        found = {}
        for path in self.journal_files():
            with open(path, "rb") as file:
                for line in file.read().splitlines():
                    record = json.loads(line)
                    if found.setdefault(record["id"], record) != record:
                        raise AssertionError(f"two contents of {record['id']}")
        return found

    def book(self):
        """{id: what is booked of it}."""
        rows = lt.query(self.db, f"""
            SELECT u.id, u.project_id, u.user_name, u.class, u.outcome, u.basis, u.meters, u.attributes, u.hold,
                   (SELECT sum(c.points_micro) FROM ledger.charge c WHERE c.record_no = u.record_no) AS points
              FROM ledger.usage_record u JOIN ledger.source s USING (source_no) WHERE s.name = '{SOURCE}'""")
        return {row[0]: {"project": row[1], "user": row[2], "class": row[3], "outcome": row[4], "basis": row[5],
                         "meters": meters_text(row[6]), "attributes": json.loads(row[7] or "{}"), "hold": row[8],
                         "points": int(row[9])} for row in rows}

    def holds(self):
        """Open holds, leases too: [(key, project, micro-points, parts)]."""
        rows = lt.query(self.db, "SELECT key, project_id, held_micro, parts FROM ledger.hold WHERE state = 'open' ORDER BY 1")
        return [(key, project, int(held), int(parts)) for key, project, held, parts in rows]

    def quarantine(self):
        return self.ctl_json("quarantine", "list")

    def balance(self, project):
        return {name: micro(value) for name, value in self.ctl_json("balance", project).items()
                if name in ("posted", "held", "accrued", "available", "spent")}

    def settled(self, seconds=QUIET_SECONDS, leases=False):
        """Waits until all that was served is in the journal, all of that is booked, and no request's hold is left; the book."""
        def quiet():
            wanted = set(self.journal())
            return self.served <= wanted <= set(self.book()) and not [h for h in self.holds() if h[3] or not leases]
        try:
            lt.eventually(quiet, seconds)
        except AssertionError:
            missing = sorted(set(self.journal()) - set(self.book()))
            raise AssertionError(f"not settled: not in the journal {sorted(self.served - set(self.journal()))[:5]}, in the journal alone {missing[:5]} ({len(missing)}), holds {self.holds()[:5]}, "
                                 f"quarantine {self.quarantine()[:3]}\n{self.nginx.log()[-2000:]}\n{self.ledgerd.log()[-2000:]}") \
                from None
        return self.book()

    def price(self, record):
        """Micro-points of a record by the card, in rational numbers."""
        document = {**record, "class": {"short": "llm"}.get(record["class"], record["class"])}
        answer = rate_oracle.rate({"cards": [self.card], "record": document, "timezone": "Asia/Tokyo", "month_rule": "split"})
        if "error" in answer:
            raise AssertionError(f"the oracle cannot price {record}: {answer}")
        return micro(answer["points"])

    def check_books(self, test):
        """The book is the journal, once: the same records, each at its price, and balances that are their sums."""
        book = self.settled()
        journal = self.journal()
        test.assertEqual(set(book), set(journal))
        spent = {}
        for number, record in journal.items():
            booked = book[number]
            counts = {name: int(count) for name, count in record["meters"].items() if int(count)}
            test.assertEqual((booked["meters"], booked["project"], booked["user"]),
                             (counts, record["project"], record["user"]), record)
            test.assertEqual(booked["points"], self.price(record), record)
            spent[record["project"]] = spent.get(record["project"], 0) + booked["points"]
        for project, points in spent.items():
            test.assertEqual(self.balance(project)["spent"], points, project)
        test.assertEqual(self.quarantine(), [])
        return book


def meters_text(text):
    """`name=decimal` pairs as numbers, without zeros."""
    return {name: int(count) for name, count in (pair.split("=") for pair in text.split()) if int(count)}
