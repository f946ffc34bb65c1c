"""A model server for the tests: answers as it was told to, and remembers what it produced.

    engine = ModelServer()                               on a free loopback port, in threads of this process
    engine.plan("case-1", recorded("openai-bodies/chat-basic_0.200.json"))
    engine.plan("case-2", stream(tokens=100, pause=0.01, timings=True))
    …a request with the header `X-Case: case-1`…
    engine.seen("case-1")                                how often it was asked, for what, how far it got

It is an engine as engines are: it sends a usage chunk only where the request asks for it, and `timings` in its chunks likewise.
"""

import dataclasses
import gzip
import http.server
import json
import os
import select
import socket
import threading
import time

import ledger_test as lt

DATA = os.path.join(lt.ROOT, "tests", "data", "tokens")
BODY_LIMIT_BYTES = 64 << 20


@dataclasses.dataclass
class Event:
    """A piece of a stream, and how many output tokens there are once it has been made."""
    text: bytes
    tokens: int = 0
    is_usage: bool = False  # the chunk that only comes where it is asked for


@dataclasses.dataclass
class Answer:
    """What to do with a request. events: of a stream, made for the request's document."""
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    events: object = None
    usage: dict = None        # what a client that sees all of it can count
    delay: float = 0          # seconds before the first byte
    pause: float = 0          # seconds between two events
    gate: object = None       # a threading.Event that must be set before the last event
    cut_after: int = None     # events (of a plain answer: bytes) after which the connection breaks
    dropped: bool = False     # it breaks before a byte was said
    piece_bytes: int = None   # how much is written at a time, whatever an event is
    compressed: bool = False  # gzip, though nobody asked for it
    headers: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Seen:
    """What there was of a case."""
    requests: list = dataclasses.field(default_factory=list)   # (path, headers, document or bytes)
    tokens: int = 0                                            # output tokens that were made
    events: int = 0
    hung_up: bool = False                                      # somebody left before the end
    ended: threading.Event = dataclasses.field(default_factory=threading.Event)


def usage_document(input_tokens, output_tokens, cached=0, reasoning=None):
    """As OpenAI's chat completions count: the prompt includes what came from the cache."""
    usage = {"prompt_tokens": input_tokens + cached, "completion_tokens": output_tokens,
             "total_tokens": input_tokens + cached + output_tokens}
    if cached:
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    if reasoning is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return usage


# --- answers ---------------------------------------------------------------------------------------

def sse(document):
    return b"data: " + json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def recorded(path, **faults):
    """A body of tests/data/tokens as it was recorded; its status is in its name, a `.sse` is a stream."""
    with open(os.path.join(DATA, path), "rb") as file:
        text = file.read()
    parts = path.split(".")
    status = int(parts[-2]) if parts[-2].isdigit() and len(parts[-2]) == 3 else 200
    if not path.endswith(".sse"):
        return Answer(status=status, body=text, usage=json.loads(text).get("usage"), **faults)
    events = [_recorded_event(piece) for piece in text.split(b"\n\n") if piece.strip()]
    usages = [json.loads(e.text[6:])["usage"] for e in events if e.is_usage]
    return Answer(content_type="text/event-stream", events=lambda _: events, usage=usages[-1] if usages else None, **faults)


def _recorded_event(piece):
    text = piece.strip(b"\n") + b"\n\n"
    if b"[DONE]" in piece:
        return Event(text)
    document = json.loads(piece.strip()[len(b"data: "):])
    return Event(text, is_usage=bool(document.get("usage")) and document.get("choices") == [])


def plain(usage, model="engine-model", kind="chat", **faults):
    """A whole answer with this usage, in the words of the endpoint."""
    documents = {
        "chat": {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
                 "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}]},
        "messages": {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "stop_reason": "end_turn",
                     "content": [{"type": "text", "text": "yes"}]},
        "responses": {"id": "resp_1", "object": "response", "created_at": 1, "model": model, "status": "completed",
                      "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                                  "content": [{"type": "output_text", "text": "yes", "annotations": []}]}]}}
    document = dict(documents[kind])
    if usage is not None:
        document["usage"] = usage
    return Answer(body=json.dumps(document).encode(), usage=usage, **faults)


def stream(tokens, input_tokens=11, cached=7, tokens_per_chunk=1, timings=False, usage_chunks=1, null_usage=False,
           content="é ", **faults):
    """A chat stream of so many output tokens. usage_chunks: how many chunks share the usage out (0: an engine that knows
    none); timings: the engine can tell its counts in every chunk, as llama-server does where it is asked to."""
    usage = usage_document(input_tokens, tokens, cached)

    def events(request):
        told = timings and request.get("timings_per_token") is True
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "engine-model"}
        if null_usage:
            base["usage"] = None
        yield Event(sse({**base, "choices": [{"index": 0, "delta": {"role": "assistant", "content": None},
                                              "finish_reason": None}]}))
        made = 0
        while made < tokens:
            step = min(tokens_per_chunk, tokens - made)
            made += step
            chunk = {**base, "choices": [{"index": 0, "delta": {"content": content * step}, "finish_reason": None}]}
            if told:
                chunk["timings"] = {"cache_n": cached, "prompt_n": input_tokens, "predicted_n": made}
            yield Event(sse(chunk), made)
        yield Event(sse({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}), made)
        for n in range(usage_chunks):
            first = tokens * n // usage_chunks
            mine = tokens * (n + 1) // usage_chunks - first
            yield Event(sse({**base, "choices": [], "usage": usage_document(input_tokens, mine, cached)}), made, is_usage=True)
        yield Event(b"data: [DONE]\n\n", made)
    return Answer(content_type="text/event-stream", events=events, usage=usage if usage_chunks else None, **faults)


def messages_stream(tokens, input_tokens=11, cached=7, **faults):
    """A stream in Anthropic's words: the prompt's count comes first, without what was cached; the output's at the end."""
    def named(document):
        return b"event: " + document["type"].encode() + b"\n" + sse(document)

    def events(_):
        yield Event(named({"type": "message_start", "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "engine-model", "content": [],
            "usage": {"input_tokens": input_tokens, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0,
                      "output_tokens": 1}}}))
        yield Event(named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}))
        for made in range(1, tokens + 1):
            yield Event(named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "é "}}), made)
        yield Event(named({"type": "content_block_stop", "index": 0}), tokens)
        yield Event(named({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": tokens}}),
                    tokens)
        yield Event(named({"type": "message_stop"}), tokens)
    usage = {"input_tokens": input_tokens, "cache_read_input_tokens": cached, "output_tokens": tokens}
    return Answer(content_type="text/event-stream", events=events, usage=usage, **faults)


def responses_stream(tokens, input_tokens=11, cached=7, **faults):
    """A stream of /v1/responses: the usage comes in the last event, whoever asks."""
    usage = {"input_tokens": input_tokens + cached, "input_tokens_details": {"cached_tokens": cached},
             "output_tokens": tokens, "output_tokens_details": {"reasoning_tokens": 0},
             "total_tokens": input_tokens + cached + tokens}

    def named(number, document):
        return b"event: " + document["type"].encode() + b"\n" + sse({**document, "sequence_number": number})

    def events(_):
        response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "engine-model", "output": []}
        yield Event(named(0, {"type": "response.created", "response": {**response, "status": "in_progress", "usage": None}}))
        for made in range(1, tokens + 1):
            yield Event(named(made, {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
                                     "content_index": 0, "delta": "é "}), made)
        yield Event(named(tokens + 1, {"type": "response.completed",
                                       "response": {**response, "status": "completed", "usage": usage}}), tokens)
    return Answer(content_type="text/event-stream", events=events, usage=usage, **faults)


# --- the server ------------------------------------------------------------------------------------

class _Left(Exception):
    """Whoever asked is gone."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        text = json.dumps({"object": "list", "data": [{"id": "llm", "object": "model", "created": 1, "owned_by": "site"}]}).encode()
        self._send_head(Answer(), len(text))
        self.wfile.write(text)

    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        if size > BODY_LIMIT_BYTES:
            raise ValueError(f"a body of {size} bytes")
        text = self.rfile.read(size)
        try:
            document = json.loads(text)
        except ValueError:
            document = text
        answer, seen = self.server.engine.take(self.headers.get("X-Case", ""))
        seen.requests.append((self.path, dict(self.headers.items()), document))
        time.sleep(answer.delay)
        try:
            if answer.dropped:
                self._break_off()
            elif answer.events is not None:
                self._stream(answer, seen, document if isinstance(document, dict) else {})
            else:
                self._whole(answer, seen)
        except (_Left, OSError):
            seen.hung_up = True
            self.close_connection = True
        finally:
            seen.ended.set()

    def _whole(self, answer, seen):
        body = gzip.compress(answer.body) if answer.compressed else answer.body
        self._send_head(answer, len(body))
        self.wfile.write(body[:answer.cut_after])
        if answer.cut_after is not None:
            self._break_off()
        seen.events = 1

    def _stream(self, answer, seen, document):
        asked = isinstance(document.get("stream_options"), dict) and document["stream_options"].get("include_usage") is True
        self._send_head(answer, None)
        events = [e for e in answer.events(document) if asked or not e.is_usage]
        waiting = b""
        for number, event in enumerate(events):
            if number == answer.cut_after:
                self._break_off()
                return
            if number == len(events) - 1 and answer.gate is not None:
                answer.gate.wait(60 * lt.SLOWDOWN)
            self._check_still_there()
            seen.tokens = max(seen.tokens, event.tokens)
            seen.events += 1
            waiting = self._send(waiting + (gzip.compress(event.text) if answer.compressed else event.text), answer.piece_bytes)
            time.sleep(answer.pause)
        self._send(waiting, None)
        self.wfile.write(b"0\r\n\r\n")

    def _send(self, text, piece_bytes):
        """Sends what makes whole pieces; the rest."""
        while text and (piece_bytes is None or len(text) >= piece_bytes):
            piece = text[:piece_bytes]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            text = text[len(piece):]
        return text

    def _check_still_there(self):
        readable, _, _ = select.select([self.connection], [], [], 0)
        if readable and self.connection.recv(1, socket.MSG_PEEK) == b"":
            raise _Left()

    def _break_off(self):
        """As a process that was killed does: a reset, in the middle of the answer."""
        self.wfile.flush()
        time.sleep(0.05)  # what was written has left before the reset overtakes it
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.close_connection = True

    def _send_head(self, answer, size):
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        if answer.compressed:
            self.send_header("Content-Encoding", "gzip")
        if size is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(size))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, _request, _address):
        """Connections end in every way here."""

    def shutdown_request(self, request):
        """Closes without the polite half-close, so that a connection with a linger of zero is reset."""
        self.close_request(request)


class ModelServer:
    """Runs from its making until stop()."""

    def __init__(self):
        self._lock = threading.Lock()
        self._plans, self._seen = {}, {}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.engine = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def plan(self, case, answer):
        """What to answer to this case from now on."""
        with self._lock:
            self._plans[case] = answer
            self._seen[case] = Seen()
        return answer

    def seen(self, case):
        with self._lock:
            return self._seen[case]

    def take(self, case):
        """(the answer, where to remember) for a request; one without a plan is told so."""
        unplanned = Answer(status=500, body=b'{"error":{"message":"the test planned no answer","code":"unplanned"}}')
        with self._lock:
            return self._plans.get(case, unplanned), self._seen.setdefault(case, Seen())
