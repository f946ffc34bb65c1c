"""HTTP over kept connections for many callers at once: no library, so that two cores carry the load.

A reply that never comes back whole is Lost: the caller does not know what became of its request. A reply
that takes longer than PATIENCE is Overdue, which no server may ever be.
"""

import asyncio
import json
import os
import re

SLOWDOWN = float(os.environ.get("LEDGER_TEST_SLOWDOWN", "1"))
PATIENCE_SECONDS = 60 * SLOWDOWN

_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)\r\n", re.I)


class Lost(Exception):
    """The connection ended before the whole reply was read."""


class Overdue(AssertionError):
    """A server that neither answered nor hung up."""


class Answer:
    def __init__(self, status, body):
        self.status, self.body = status, body

    def json(self):
        return json.loads(self.body)

    def code(self):
        """The problem's code; empty if it is none."""
        return self.json().get("code", "") if self.body.startswith(b"{") else ""

    def __repr__(self):
        return f"{self.status} {self.body[:300].decode('utf-8', 'replace')}"


def message(method, path, document=None, key=None):
    """A request's bytes; document: what goes as JSON."""
    body = b"" if document is None else json.dumps(document).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: ledger\r\nContent-Length: {len(body)}\r\n"
    if document is not None:
        head += "Content-Type: application/json\r\n"
    if key is not None:
        head += f"Idempotency-Key: {key}\r\n"
    return head.encode() + b"\r\n" + body


class _Reader(asyncio.Protocol):
    """Puts one reply together at a time."""

    def __init__(self):
        self.buffer, self.waiting, self.cut_at, self.transport = b"", None, None, None

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, _problem):
        self.give(Lost("the server hung up"))

    def data_received(self, data):
        self.buffer += data
        if self.cut_at is not None and len(self.buffer) >= self.cut_at:
            self.transport.abort()
            self.give(Lost("cut"))
            return
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self.buffer, 0, end + 2)
        whole = end + 4 + (int(length.group(1)) if length else 0)
        if len(self.buffer) >= whole:
            answer = Answer(int(self.buffer[9:12]), self.buffer[end + 4:whole])
            self.buffer = self.buffer[whole:]
            self.give(answer)

    def give(self, outcome):
        waiting, self.waiting = self.waiting, None
        if waiting is None or waiting.done():
            return
        if isinstance(outcome, Answer):
            waiting.set_result(outcome)
        else:
            waiting.set_exception(outcome)


class Connection:
    """One caller's connection to one server; opened when needed, again after it was lost."""

    def __init__(self, port):
        self.port, self.reader = port, None

    async def open(self):
        if self.reader is not None and not self.reader.transport.is_closing():
            return
        try:
            _, self.reader = await asyncio.get_running_loop().create_connection(_Reader, "127.0.0.1", self.port)
        except OSError as problem:
            raise Lost(f"cannot connect: {problem}") from None

    async def ask(self, data, cut_at=None):
        """The answer to a message. cut_at: hang up once that many bytes of the reply are there (0: at once)."""
        await self.open()
        reader = self.reader
        loop = asyncio.get_running_loop()
        reader.waiting, reader.cut_at, reader.buffer = loop.create_future(), cut_at, b""
        waiting = reader.waiting
        reader.transport.write(data)
        if cut_at == 0:
            reader.transport.close()  # what was written still goes out
        late = loop.call_later(PATIENCE_SECONDS, reader.give, Overdue(f"no reply within {PATIENCE_SECONDS} s"))
        try:
            return await waiting
        finally:
            late.cancel()

    def close(self):
        if self.reader is not None:
            self.reader.transport.close()
            self.reader = None
