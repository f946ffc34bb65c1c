"""Clients that leave, and engines that die: what was produced is booked, marked as what it is, and no hold is left."""

import json
import os
import socket
import sys
import unittest

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"), os.path.dirname(os.path.abspath(__file__))]
import ledger_test as lt  # noqa: E402
import model_server  # noqa: E402
from gateway_site import CHAT, Site  # noqa: E402
from openai_client import OpenAiClient  # noqa: E402

TOKENS = 100
PAUSE = 0.01
STREAM = {**CHAT, "stream": True, "max_tokens": TOKENS}
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


class HangUp(unittest.TestCase):
    def tearDown(self):
        site.check_books(self)
        self.assertEqual(site.holds(), [])

    def hang_up_at_every_tenth_chunk(self, call, body, answer, tokens_in):
        """Each at once. tokens_in(chunks): output tokens in so many chunks that the client has seen; the records of those cut off."""
        with OpenAiClient() as client:
            asked = [site.prepare(key, call, body, answer(), hang_up_after=chunks) for chunks in range(10, TOKENS + 1, 10)]
            told = site.ask_all(client, asked)
        for report in told:
            self.assertTrue(report["hung_up"], report)
            report["seen"].ended.wait(30 * lt.SLOWDOWN)
        book = site.settled()
        records = []
        for report in told:
            record, produced = book[report["record"]], report["seen"].tokens
            with self.subTest(chunks=report["chunks"], produced=produced):
                self.assertGreaterEqual(record["meters"]["output_tokens"], tokens_in(report["chunks"]), record)
                self.assertLessEqual(record["meters"]["output_tokens"], produced, record)
                if report["seen"].hung_up:  # else the engine was at its end before the gateway knew
                    self.assertEqual(record["outcome"], "cancelled")
                    records.append(record)
        self.assertGreater(len(records), len(told) // 2, "the engines were not left alone")
        return records

    def test_counted_chunks_are_booked_as_an_estimate(self):
        for record in self.hang_up_at_every_tenth_chunk("chat.completions", STREAM, lambda: model_server.stream(TOKENS, pause=PAUSE),
                                                        lambda chunks: chunks - 1):
            self.assertEqual(record["basis"], "estimated")
            self.assertGreater(record["meters"]["input_tokens"], 0)

    def test_an_engine_that_tells_its_counts_is_booked_by_them(self):
        """Three tokens a chunk, which nobody could count."""
        for record in self.hang_up_at_every_tenth_chunk(
                "chat.completions", {**STREAM, "model": "timed", "max_tokens": 3 * TOKENS},
                lambda: model_server.stream(3 * TOKENS, tokens_per_chunk=3, timings=True, pause=PAUSE),
                lambda chunks: 3 * (chunks - 1)):
            self.assertEqual(record["basis"], "partial")
            self.assertEqual((record["meters"]["input_tokens"], record["meters"]["cached_input_tokens"]), (11, 7))

    def test_a_stream_of_responses(self):
        body = {"model": "llm", "input": "Say yes.", "stream": True, "max_output_tokens": TOKENS}
        self.hang_up_at_every_tenth_chunk("responses", body, lambda: model_server.responses_stream(TOKENS, pause=PAUSE),
                                          lambda chunks: chunks - 1)

    def raw(self, body, answer, path="/v1/chat/completions"):
        """An open connection on which the request has been sent, and its case."""
        case = f"case-{next(site.cases)}"
        site.engine.plan(case, answer)
        text = json.dumps(body).encode()
        link = socket.create_connection(("127.0.0.1", site.nginx.port), timeout=30 * lt.SLOWDOWN)
        link.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nX-Case: {case}\r\n"
                     f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
        return link, case

    def record_of(self, before):
        """The one record that was booked since."""
        lt.eventually(lambda: set(site.journal()) - before, 30)
        new = set(site.settled()) - before
        self.assertEqual(len(new), 1)
        return site.book()[new.pop()]

    def test_messages_are_booked_by_what_their_first_event_said_of_the_prompt(self):
        before = set(site.journal())
        link, case = self.raw({"model": "llm", "messages": [], "max_tokens": TOKENS, "stream": True},
                              model_server.messages_stream(TOKENS, pause=PAUSE), "/v1/messages")
        read = b""
        while read.count(b"content_block_delta\"") < 20:
            read += link.recv(4096)
        seen = read.count(b"content_block_delta\"")
        link.close()
        site.engine.seen(case).ended.wait(30 * lt.SLOWDOWN)
        record = self.record_of(before)
        self.assertEqual((record["meters"]["input_tokens"], record["meters"]["cached_input_tokens"], record["outcome"]),
                         (11, 7, "cancelled"))
        self.assertTrue(seen <= record["meters"]["output_tokens"] <= site.engine.seen(case).tokens, record)

    def test_a_whole_answer_that_nobody_waited_for_is_booked_as_reported(self):
        before = set(site.journal())
        link, case = self.raw(CHAT, model_server.plain(model_server.usage_document(20, 30, cached=4), delay=1))
        lt.eventually(lambda: site.engine.seen(case).requests, 10)
        link.close()
        record = self.record_of(before)
        self.assertEqual((record["meters"], record["basis"]),
                         ({"input_tokens": 20, "cached_input_tokens": 4, "output_tokens": 30}, "reported"))

    def test_who_leaves_before_the_first_chunk_pays_no_more_than_was_produced(self):
        before = set(site.journal())
        link, case = self.raw(STREAM, model_server.stream(TOKENS, delay=1, pause=PAUSE))
        lt.eventually(lambda: site.engine.seen(case).requests, 10)
        link.close()
        site.engine.seen(case).ended.wait(30 * lt.SLOWDOWN)
        lt.eventually(lambda: site.holds() == [], 30)
        new = set(site.settled()) - before
        for number in new:
            self.assertLessEqual(site.book()[number]["meters"].get("output_tokens", 0), site.engine.seen(case).tokens)

    def test_an_engine_that_dies_in_a_stream_is_paid_for_what_it_sent(self):
        with OpenAiClient() as client:
            told = site.ask(client, key, "chat.completions", STREAM, model_server.stream(TOKENS, pause=PAUSE, cut_after=31))
            self.assertIsNotNone(told["error"])
            record = site.settled()[told["record"]]
            self.assertEqual(record["outcome"], "failed")
            self.assertTrue(told["chunks"] - 1 <= record["meters"]["output_tokens"] <= 30, (told["chunks"], record))

    def test_an_engine_that_fails_costs_nothing(self):
        with OpenAiClient() as client:
            before = site.balance("rich")["spent"]
            for answer in (model_server.recorded("openai-bodies/chat-bad-request_0.400.json"),
                           model_server.recorded("openai-bodies/chat-unknown-model_0.404.json"),
                           model_server.Answer(status=500, body=b'{"error":{"message":"out of memory"}}'),
                           model_server.Answer(status=503, body=b"busy", content_type="text/plain")):
                told = site.ask(client, key, "chat.completions", CHAT, answer, retries=0)
                self.assertEqual(told["status"], answer.status)
            lt.eventually(lambda: site.holds() == [], 30)
            site.settled()
            self.assertEqual(site.balance("rich")["spent"], before)

    def test_an_engine_that_is_not_there_costs_nothing(self):
        before = site.balance("rich")["spent"]
        with OpenAiClient() as client:
            told = site.ask(client, key, "chat.completions", CHAT, model_server.Answer(dropped=True), retries=0)
        self.assertEqual(told["status"], 502)
        lt.eventually(lambda: site.holds() == [], 30)
        site.settled()
        self.assertEqual(site.balance("rich")["spent"], before)


if __name__ == "__main__":
    unittest.main()
