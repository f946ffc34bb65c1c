"""A real model server's answers, imported, beside what it counted itself: the book lacks no token and has none too many."""

import http.client
import json
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("../lib", "../cli", "../gateway"):
    sys.path.insert(0, os.path.join(HERE, folder))
import ledger_test as lt  # noqa: E402
import gateway_site  # noqa: E402
import small_site as site  # noqa: E402
from llama_server import MODEL, LlamaServer  # noqa: E402

SOURCE = "gateway:llama"
PROMPT = "Tell me, in a few words, what a usage point is."


def messages(text):
    return {"messages": [{"role": "user", "content": text}]}


class Llama(unittest.TestCase):
    def setUp(self):
        self.engine = LlamaServer().start()
        self.addCleanup(self.engine.stop)
        self.db = lt.create_db("llama")
        begin = "2026-04-01T00:00:00+09:00"  # the engine's own time is the present
        card = site.card(effective_from=begin)
        card["rules"].append({"source": "gateway:*", "class": MODEL,
                              "per_million": {"input_tokens": "0.5", "cached_input_tokens": "0.1", "output_tokens": "2"}})
        lt.ctl(["policy", "apply", site.file_of(site.policy(effective_from=begin, supply=[]))], db=self.db)
        lt.ctl(["rates", "apply", site.file_of(card)], db=self.db)
        lt.ctl(["project", "add", "h1", "--share", "hpci"], db=self.db)
        self.folder = lt.temp_dir()

    def keep(self, body):
        """Import an answer; how many records it became."""
        path = lt.write_file(body, "answer")
        counts = lt.ctl_json(["import", "usage", path, "--source", SOURCE, "--format", "openai", "--project", "h1", "--user",
                              "u"], db=self.db)
        self.assertEqual(0, counts["quarantined"], body)
        return counts["booked"]

    def compare(self, *words, expect=0):
        return lt.ctl_json(["reconcile", "tokens", SOURCE, *words, "--metrics", self.engine.url + "/metrics"], db=self.db,
                           expect=expect)

    def counters(self, document):
        return {c["kind"]: (c["engine"], c["book"]) for c in document["counters"]}

    def ask_everything(self):
        """Answers that say when they were made, plain and streamed; the same prompt twice comes from its cache."""
        yield self.engine.post("/v1/chat/completions", {**messages(PROMPT), "max_tokens": 40})
        yield self.engine.post("/v1/chat/completions", {**messages(PROMPT), "max_tokens": 40})
        yield self.engine.post("/v1/chat/completions", {**messages("And a job?"), "max_tokens": 33, "stream": True,
                                                        "stream_options": {"include_usage": True}})
        yield self.engine.post("/v1/completions", {"prompt": PROMPT, "max_tokens": 17})
        yield self.engine.post("/v1/responses", {"input": PROMPT, "max_output_tokens": 9})

    def test_everything_that_it_answered_is_in_the_book(self):
        for answer in self.ask_everything():
            self.assertEqual(1, self.keep(answer))
        document = self.compare()
        counted = self.counters(document)
        self.assertTrue(document["agrees"])
        self.assertEqual({"input_tokens", "cached_input_tokens", "output_tokens"}, set(counted))
        for kind, (engine, book) in counted.items():
            self.assertGreater(engine, 0, kind)
            self.assertEqual(engine, book, kind)
        self.assertTrue(lt.ctl_json(["verify"], db=self.db)["ok"])

    def test_an_answer_that_was_not_booked_is_drift(self):
        answers = list(self.ask_everything())
        for answer in answers[1:]:
            self.keep(answer)
        usage = json.loads(answers[0])["usage"]
        document = self.compare(expect=5)
        self.assertEqual({"input_tokens": -usage["prompt_tokens"], "cached_input_tokens": 0,
                          "output_tokens": -usage["completion_tokens"]},
                         {c["kind"]: c["drift"] for c in document["counters"]})

    def test_a_server_that_was_started_anew_is_noticed(self):
        path = os.path.join(self.folder, "kept.prom")
        self.compare("--save", path)
        time.sleep(1.1)  # an answer's time is a whole second, the baseline's is not
        self.keep(self.engine.post("/v1/chat/completions", {**messages(PROMPT), "max_tokens": 40}))
        middle = os.path.join(self.folder, "middle.prom")
        self.assertEqual({0}, {c["resets"] for c in self.compare(path, "--save", middle)["counters"]})
        self.engine.stop()
        self.engine.start()
        self.keep(self.engine.post("/v1/chat/completions", {**messages("No."), "max_tokens": 5}))
        document = self.compare(path, middle)
        self.assertTrue(document["agrees"])
        self.assertEqual({"input_tokens": 1, "output_tokens": 1, "cached_input_tokens": 0},
                         {c["kind"]: c["resets"] for c in document["counters"]})


class Gateway(unittest.TestCase):
    """The same through nginx: what clients were answered is booked by the gateway's records."""

    def setUp(self):
        self.engine = LlamaServer("timed").start()
        self.addCleanup(self.engine.stop)
        self.site = gateway_site.Site(upstream=f"127.0.0.1:{self.engine.port}")
        self.addCleanup(self.site.stop)
        self.site.start()
        self.key = self.site.key("alice", "rich")

    def ask(self, path, body, read=None):
        """The answer; read: bytes after which the client hangs up."""
        connection = http.client.HTTPConnection("127.0.0.1", self.site.nginx.port, timeout=60 * lt.SLOWDOWN)
        try:
            connection.request("POST", path, body=json.dumps({"model": "timed", **body}),
                               headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"})
            reply = connection.getresponse()
            answer = reply.read(read) if read else reply.read()
            self.assertEqual(200, reply.status, answer)
            self.site.served.add(reply.headers["X-Request-Id"])
            return answer
        finally:
            connection.close()

    def compare(self, expect=0):
        return lt.ctl_json(["reconcile", "tokens", gateway_site.SOURCE, "--class", "timed", "--metrics",
                            self.engine.url + "/metrics"], db=self.site.db, expect=expect)

    def test_what_clients_were_answered_is_what_the_engine_counted(self):
        for stream in (False, True):
            for path, body in (("/v1/chat/completions", {**messages(PROMPT), "max_tokens": 40}),
                               ("/v1/completions", {"prompt": PROMPT, "max_tokens": 17}),
                               ("/v1/responses", {"input": PROMPT, "max_output_tokens": 9}),
                               ("/v1/messages", {**messages(PROMPT), "max_tokens": 11})):
                self.ask(path, {**body, "stream": stream})
        self.assertEqual(8, len(self.site.settled()))
        document = self.compare()
        counted = {c["kind"]: c["engine"] for c in document["counters"]}
        self.assertEqual(2 * (40 + 17 + 9 + 11), counted["output_tokens"])
        self.assertGreater(counted["cached_input_tokens"], 0)

    def test_who_hangs_up_pays_no_more_than_the_engine_made(self):
        self.ask("/v1/chat/completions", {**messages(PROMPT), "max_tokens": 2000, "stream": True}, read=2000)
        record = next(iter(self.site.settled().values()))
        document = lt.ctl_json(["reconcile", "tokens", gateway_site.SOURCE, "--metrics", self.engine.url + "/metrics",
                                "--tolerance", "1"], db=self.site.db)
        output = next(c for c in document["counters"] if c["kind"] == "output_tokens")
        self.assertGreater(output["book"], 0, record)
        self.assertLessEqual(output["book"], output["engine"], record)


if __name__ == "__main__":
    unittest.main()
