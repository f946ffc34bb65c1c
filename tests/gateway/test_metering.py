"""Tokens booked are the tokens that the client saw, for every recorded body: cached and reasoning tokens priced once."""

import glob
import json
import os
import sys
import unittest

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"), os.path.dirname(os.path.abspath(__file__))]
import model_server  # noqa: E402
from gateway_site import CHAT, Site, meters_of  # noqa: E402
from openai_client import VERSIONS, OpenAiClient  # noqa: E402

BODIES = {"chat": ("chat.completions", CHAT), "azure-chat": ("chat.completions", CHAT),
          "completion": ("completions", {"model": "llm", "prompt": "Say yes."}),
          "embeddings": ("embeddings", {"model": "llm", "input": "Say yes."})}
STREAM = {**CHAT, "stream": True}
ASKED = {"stream_options": {"include_usage": True}}
site = key = None


def setUpModule():
    global site, key
    site = Site()
    try:
        site.start()
        key = site.key("alice", "rich")
    except BaseException:
        site.stop()
        raise


def tearDownModule():
    site.stop()


def recorded_bodies(ending):
    """[(path, call, body)] of the answers that were recorded at these endpoints."""
    found = []
    for folder in ("openai-bodies", "llama-server"):
        for path in sorted(glob.glob(os.path.join(model_server.DATA, folder, "*" + ending))):
            name = os.path.relpath(path, model_server.DATA)
            kind = next((kind for kind in sorted(BODIES, key=len, reverse=True) if os.path.basename(name).startswith(kind)), None)
            if kind is not None:
                found.append((name, *BODIES[kind]))
    return found


class Metering(unittest.TestCase):
    def tearDown(self):
        site.check_books(self)

    def ask_all(self, client, wanted):
        """[(what was wanted, the client's report, what is booked)] of [(call, body, answer, …)], all at once."""
        asked = [site.prepare(key, *one[:3]) for one in wanted]
        told = site.ask_all(client, asked)
        book = site.settled()
        return [(one, report, book.get(report["record"])) for one, report in zip(wanted, told)]

    def test_every_recorded_answer(self):
        wanted = [(call, body, model_server.recorded(name), name) for name, call, body in recorded_bodies(".200.json")]
        wanted += [(call, body, model_server.recorded(name), name) for name, call, body in recorded_bodies("/chat*.json")
                   if name.startswith("llama")]
        self.assertGreater(len(wanted), 25)
        for version in VERSIONS:
            with OpenAiClient(version) as client:
                for (_, _, answer, name), report, booked in self.ask_all(client, wanted):
                    with self.subTest(name=name, version=version):
                        self.assertEqual(report["usages"], [answer.usage])
                        self.assertEqual((booked["meters"], booked["basis"], booked["outcome"]),
                                         (meters_of(answer.usage), "reported", "completed"))
                        self.assertEqual(booked["attributes"]["model"], json.loads(answer.body)["model"])

    def test_every_recorded_stream(self):
        wanted = []
        for name, call, body in recorded_bodies(".sse"):
            wanted += [(call, {**body, "stream": True, **more}, model_server.recorded(name, piece_bytes=piece), name, bool(more))
                       for more in ({}, ASKED) for piece in (None, 7, 1000)]
        self.assertGreaterEqual(len(wanted), 36)
        with OpenAiClient() as client:
            for (_, _, answer, name, asked), report, booked in self.ask_all(client, wanted):
                with self.subTest(name=name, asked=asked):
                    self.assertIsNone(report["error"])
                    self.assertEqual(report["usages"], [answer.usage] if asked and answer.usage else [])
                    if "timings" in name:  # the engine never sent usage, but told its counts in every chunk
                        self.assertEqual(booked["meters"], {"input_tokens": 11, "cached_input_tokens": 7, "output_tokens": 4})
                    elif answer.usage:
                        self.assertEqual((booked["meters"], booked["basis"]), (meters_of(answer.usage), "reported"))
                    else:
                        events = sum(b"[DONE]" not in event.text for event in answer.events({}))
                        self.assertEqual(booked["basis"], "estimated")
                        self.assertTrue(0 < booked["meters"]["output_tokens"] <= events, booked)

    def test_a_stream_passes_byte_for_byte_but_for_the_usage_nobody_asked_for(self):
        for piece in (None, 1, 13):
            for asked, timings in ((False, False), (True, False), (False, True), (True, True)):
                answer = model_server.stream(30, timings=timings, piece_bytes=piece)
                body = {**STREAM, "model": "timed" if timings else "llm", **(ASKED if asked else {})}
                with self.subTest(piece=piece, asked=asked, timings=timings):
                    status, _, text, seen = site.post(key, "/v1/chat/completions", body, answer)
                    sent = list(answer.events(seen.requests[0][2]))
                    self.assertEqual(status, 200)
                    self.assertEqual(text, b"".join(e.text for e in sent if asked or not e.is_usage))

    def test_the_engine_gets_the_request_as_the_client_wrote_it(self):
        """But for the wish for usage: large numbers, empty lists, and words that look like ours stay what they are."""
        texts = ('{"model":"llm","stream":true,"messages":[],"seed":12345678901234567890,"tools":[],"x":1.10}',
                 '{"model":"llm","stream":true,"messages":[],"stream_options":null}',
                 '{"model":"llm","stream":true,"messages":[],"stream_options":{"include_usage":false,"other":[]}}',
                 '{"model":"llm","stream":true,"messages":[],"stream_options":{}}',
                 '{ "stream_options" : { "include_usage" : null } , "model" : "llm", "stream" : true , "messages":[]}',
                 '{"model":"llm","stream":true,"messages":[{"role":"user","content":"{\\"stream_options\\":null} \\u00e9"}]}',
                 '{"model":"llm","stream":true,"messages":[{"stream_options":{"include_usage":false}}],"x":"\\"stream\\":true"}')
        for text in texts:
            with self.subTest(text=text):
                status, _, _, seen = site.post(key, "/v1/chat/completions", text.encode(), model_server.stream(3))
                self.assertEqual(status, 200)
                wanted, got = json.loads(text), seen.requests[0][2]
                self.assertIs(got["stream_options"].pop("include_usage"), True)
                options = wanted.pop("stream_options", None) or {}
                options.pop("include_usage", None)
                self.assertEqual(got.pop("stream_options"), options)
                self.assertEqual(repr(got), repr(wanted))

    def test_a_plain_answer_passes_byte_for_byte(self):
        for name in ("openai-bodies/chat-basic_0.200.json", "openai-bodies/embeddings-basic_0.200.json"):
            answer = model_server.recorded(name)
            call = "/v1/embeddings" if "embeddings" in name else "/v1/chat/completions"
            status, headers, text, _ = site.post(key, call, {**CHAT, "input": "x"}, answer)
            self.assertEqual((status, headers["Content-Type"], text), (200, "application/json", answer.body))

    def test_engines_that_tell_in_other_ways(self):
        """Usage null on every chunk; several usage chunks, whose prompt is one; an engine that packs nonetheless."""
        shared = model_server.usage_document(11, 40, cached=7)
        wanted = [("chat.completions", {**STREAM, **ASKED}, model_server.stream(40, null_usage=True), shared),
                  ("chat.completions", STREAM, model_server.stream(40, null_usage=True), shared),
                  ("chat.completions", STREAM, model_server.stream(40, usage_chunks=3), shared),
                  ("chat.completions", {**STREAM, "model": "timed"}, model_server.stream(40, timings=True, tokens_per_chunk=4), shared),
                  ("chat.completions", CHAT, model_server.plain(model_server.usage_document(5, 6, cached=1, reasoning=6)),
                   model_server.usage_document(5, 6, cached=1)),
                  ("responses", {"model": "llm", "input": "x"},
                   model_server.plain({"input_tokens": 12, "input_tokens_details": {"cached_tokens": 10}, "output_tokens": 9,
                                       "output_tokens_details": {"reasoning_tokens": 9}, "total_tokens": 21}, kind="responses"), None),
                  ("responses", {"model": "llm", "input": "x", "stream": True}, model_server.responses_stream(40), None)]
        with OpenAiClient() as client:
            for (_, body, answer, usage), report, booked in self.ask_all(client, wanted):
                with self.subTest(body=body, answer=answer):
                    self.assertIsNone(report["error"])
                    self.assertEqual((booked["meters"], booked["basis"]), (meters_of(usage or answer.usage), "reported"))

    def test_messages_in_anthropics_words(self):
        """What is read from the cache stands beside the input there, and what is written to it is paid too."""
        usages = [{"input_tokens": 11, "output_tokens": 5},
                  {"input_tokens": 11, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 0},
                  {"input_tokens": 3, "output_tokens": 5, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 70}]
        body = {"model": "llm", "max_tokens": 100, "messages": [{"role": "user", "content": "Say yes."}]}
        answers = [model_server.plain(usage, kind="messages") for usage in usages] + \
                  [model_server.messages_stream(25), model_server.messages_stream(25, piece_bytes=5)]
        for answer in answers:
            status, headers, text, _ = site.post(key, "/v1/messages", {**body, "stream": answer.events is not None}, answer)
            self.assertEqual(status, 200)
            if answer.events:
                self.assertEqual(text, b"".join(event.text for event in answer.events({})))
            booked = site.settled()[headers["X-Request-Id"]]
            self.assertEqual((sum(booked["meters"].values()), booked["basis"]), (sum(meters_of(answer.usage).values()), "reported"))
            for name in ("cached_input_tokens", "output_tokens"):
                self.assertEqual(booked["meters"].get(name, 0), meters_of(answer.usage).get(name, 0), answer.usage)

    def test_what_cannot_be_read_is_estimated_and_never_free(self):
        unread = [(CHAT, model_server.plain(None)),
                  (CHAT, model_server.plain({"prompt_tokens": "many"})),
                  (CHAT, model_server.plain({"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}, compressed=True)),
                  (CHAT, model_server.Answer(body=b"it is not JSON at all", content_type="text/plain")),
                  (STREAM, model_server.stream(40, usage_chunks=0)),
                  (STREAM, model_server.stream(40, usage_chunks=0, null_usage=True, piece_bytes=3))]
        for body, answer in unread:
            with self.subTest(answer=answer):
                status, headers, _, _ = site.post(key, "/v1/chat/completions", body, answer)
                self.assertEqual(status, 200)
                booked = site.settled()[headers["X-Request-Id"]]
                self.assertIn(booked["basis"], ("estimated", "reported") if answer.compressed else ("estimated",))
                self.assertGreater(booked["points"], 0)
                if answer.events:
                    self.assertEqual(booked["meters"]["output_tokens"], 40)

    def test_a_large_request_is_read_from_its_file(self):
        """A body beyond nginx's buffer goes to a file; it is held and forwarded all the same."""
        body = {**STREAM, "messages": [{"role": "user", "content": "é" * 300000}]}
        answer = model_server.stream(10)
        status, headers, _, seen = site.post(key, "/v1/chat/completions", body, answer)
        self.assertEqual(status, 200)
        self.assertEqual(seen.requests[0][2]["messages"], body["messages"])
        self.assertEqual(site.settled()[headers["X-Request-Id"]]["meters"], meters_of(answer.usage))

    def test_an_alias_is_priced_as_what_it_stands_for(self):
        with OpenAiClient() as client:
            usage = model_server.usage_document(1000, 500, cached=100)
            short = site.ask(client, key, "chat.completions", {**CHAT, "model": "short"}, model_server.plain(usage))
            long = site.ask(client, key, "chat.completions", CHAT, model_server.plain(usage))
            book = site.settled()
            self.assertEqual(book[short["record"]]["points"], book[long["record"]]["points"])
            self.assertEqual(book[short["record"]]["class"], "llm")


class Providers(unittest.TestCase):
    """Recorded usages of all providers whose words the endpoints speak, in answers of these endpoints."""

    def test_no_more_is_booked_than_the_provider_counted(self):
        with open(os.path.join(model_server.DATA, "provider_usages.jsonl"), encoding="utf-8") as file:
            usages = [json.loads(line)["body"].get("usage") for line in file]
        different = {json.dumps(usage, sort_keys=True): usage for usage in usages if isinstance(usage, dict)}
        wanted = []
        for usage in different.values():
            kind = "chat" if "prompt_tokens" in usage and "completion_tokens" in usage else \
                "responses" if "input_tokens_details" in usage else "messages" if "input_tokens" in usage else None
            if kind:
                wanted.append((kind, usage))
        self.assertGreater(len(wanted), 150)
        asked = []
        for kind, usage in wanted:
            path = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}[kind]
            status, headers, _, _ = site.post(key, path, {**CHAT, "input": "x", "max_tokens": 50}, model_server.plain(usage, kind=kind))
            self.assertEqual(status, 200)
            asked.append((headers["X-Request-Id"], usage))
        book = site.check_books(self)
        for number, usage in asked:
            with self.subTest(usage=usage):
                counted = sum(meters_of(usage).values())
                self.assertEqual((sum(book[number]["meters"].values()), book[number]["basis"]), (counted, "reported"))


if __name__ == "__main__":
    unittest.main()
