"""Clients that are slow, silent or too many: they are cut or turned away, and hold nobody else up."""

import contextlib
import json
import os
import resource
import select
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt
from test_check import NOW, make_book

IDLE = 1  # seconds; everything slow is cut within a small multiple of it
CUT_SECONDS = 5 * 4 * IDLE  # five times the longest deadline, that of a body
ROOM = 40
CROWD = 10000
DESCRIPTORS_ASIDE = 200  # of this process, for all else


def settings(room=2000):
    return f"[http]\nidle_timeout = {IDLE}s\nmax_connections = {room}\n"


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmRSS:")).split()[1])


def is_readable(sock, seconds=0):
    poll = select.poll()  # select() knows no descriptors beyond 1023
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def is_cut(sock):
    """True if the other side has closed; what it wrote before is read and dropped."""
    try:
        while is_readable(sock):
            if sock.recv(65536) == b"":
                return True
    except ConnectionError:
        return True
    return False


def trickle(sock, text):
    """Sends a byte every quarter of the idle timeout, round and round; the seconds until it was cut."""
    begun = time.monotonic()
    while time.monotonic() - begun < CUT_SECONDS * lt.SLOWDOWN:
        for byte in text[:8]:
            text = text[1:] + text[:1]
            if is_readable(sock, IDLE / 4) and is_cut(sock):
                return time.monotonic() - begun
            try:
                sock.sendall(bytes([byte]))
            except OSError:
                return time.monotonic() - begun
    return None


class Others:
    """Somebody who goes on asking; the context fails if an answer was bad or late."""

    def __init__(self, ledgerd, late_seconds=5):
        self.ledgerd, self.late, self.stop, self.faults, self.count = ledgerd, late_seconds * lt.SLOWDOWN, False, [], 0

    def run(self):
        connection = self.ledgerd.connect()
        try:
            while not self.stop:
                begun = time.monotonic()
                connection.request("GET", "/v1/check?project=hp1&points=1" if self.count % 2 else "/v1/projects/hp1/balance")
                answer = connection.getresponse()
                if answer.status != 200 or not json.loads(answer.read()) or time.monotonic() - begun > self.late:
                    self.faults.append((answer.status, time.monotonic() - begun))
                self.count += 1
                time.sleep(IDLE / 20)  # a client's own pace
        except Exception as fault:  # whatever it is, it is a finding
            self.faults.append(fault)
        finally:
            connection.close()

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        lt.eventually(lambda: self.count > 0 or self.faults, seconds=30)
        return self

    def __exit__(self, kind, _value, _traceback):
        self.stop = True
        self.thread.join()
        if kind is None and (self.faults or self.count < 1):
            raise AssertionError(f"others were held up after {self.count} answers: {self.faults}")


class Slow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ledgerd = lt.start_ledgerd(make_book("slow"), now=NOW, conf=settings())

    @classmethod
    def tearDownClass(cls):
        if cls.ledgerd.stop() != 0:
            raise AssertionError(cls.ledgerd.log())

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.ledgerd.port), timeout=30 * lt.SLOWDOWN)
        self.addCleanup(sock.close)
        return sock

    def test_silence_is_cut(self):
        starts = [b"", b"G", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ",
                  b"POST /v1/checks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[",
                  b"POST /v1/usage HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[",
                  b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 10]
        with Others(self.ledgerd):
            socks = [self.connect() for _ in starts]
            for sock, start in zip(socks, starts):
                sock.sendall(start)
            lt.eventually(lambda: all([is_cut(s) for s in socks]), seconds=CUT_SECONDS)

    def test_a_head_that_trickles_is_cut(self):
        with Others(self.ledgerd):
            for text in (b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 1000, b"GET /" + b"x" * 1000, b"\r\n" * 500):
                self.assertIsNotNone(trickle(self.connect(), text), text[:30])

    def test_a_body_that_trickles_is_cut_and_never_acted_on(self):
        with Others(self.ledgerd):
            sock = self.connect()
            sock.sendall(b"POST /v1/usage HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
            self.assertIsNotNone(trickle(sock, b"[" + b" " * 99999))

    def test_a_request_that_takes_a_while_but_comes_is_answered(self):
        sock = self.connect()
        body = b'[{"project":"hp1","points":"1"}]'
        sock.sendall(b"POST /v1/checks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        for i in range(0, len(body), 8):
            time.sleep(IDLE / 5)
            sock.sendall(body[i:i + 8])
        self.assertTrue(sock.recv(100).startswith(b"HTTP/1.1 200"))

    def test_a_connection_that_is_used_again_in_time_lives_on(self):
        sock = self.connect()
        for _ in range(3 * 2 * IDLE * 2):  # well beyond the deadline of one head
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 200"))
            time.sleep(IDLE / 4)

    def test_who_never_reads_the_answers_is_cut(self):
        sock = socket.socket()
        self.addCleanup(sock.close)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", self.ledgerd.port))
        sock.setblocking(False)
        questions = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200
        deadline = time.monotonic() + CUT_SECONDS * lt.SLOWDOWN
        with Others(self.ledgerd):
            while time.monotonic() < deadline:
                select.select([], [sock], [], 0.2)
                try:
                    sock.send(questions)
                except BlockingIOError:
                    pass
                except ConnectionError:
                    return
        self.fail("still connected")

    def test_who_asks_and_leaves_costs_nothing(self):
        with Others(self.ledgerd):
            before = descriptors(self.ledgerd.process.pid)
            for i in range(300):
                sock = self.connect()
                sock.sendall((b"GET /v1/projects/hp1/balance HTTP/1.1\r\nHost: x\r\n\r\n",
                              b"POST /v1/usage HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n[",
                              b"GET /v1/shares HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/")[i % 3])
                if i % 2:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closed by reset
                sock.close()
            lt.eventually(lambda: descriptors(self.ledgerd.process.pid) <= before + 4, seconds=CUT_SECONDS)


class Crowd(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def connect(self, ledgerd):
        sock = self.stack.enter_context(socket.socket())
        sock.settimeout(30 * lt.SLOWDOWN)
        sock.connect(("127.0.0.1", ledgerd.port))
        return sock

    @staticmethod
    def words(sock):
        """What is said to one who comes and says nothing, until the end."""
        text = b""
        try:
            while more := sock.recv(4096):
                text += more
        except ConnectionError:
            pass
        return text

    def assert_turned_away(self, text):
        head, _, body = text.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 503 "), text)
        for line in (b"Content-Type: application/problem+json", b"x-should-retry: false", b"Connection: close"):
            self.assertIn(line, head)
        self.assertIn(b"Content-Length: %d" % len(body), head)
        problem = json.loads(body)
        self.assertEqual((problem["status"], problem["code"], problem["error"]["code"]), (503, "busy", "busy"))

    def test_ten_thousand_beyond_the_limit_are_turned_away_and_leave_nothing_behind(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < CROWD + DESCRIPTORS_ASIDE:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CROWD + DESCRIPTORS_ASIDE), hard))
        crowd = min(CROWD, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - DESCRIPTORS_ASIDE)
        if crowd < 10 * ROOM:
            self.skipTest(f"only {crowd} connections may be opened here")
        with lt.start_ledgerd(make_book("crowd"), now=NOW, conf=settings(ROOM)) as ledgerd:
            pid = ledgerd.process.pid
            with Others(ledgerd, late_seconds=5):
                descriptors_before, kib_before = descriptors(pid), resident_kib(pid)
                socks = [self.connect(ledgerd) for _ in range(crowd)]
                lt.eventually(lambda: descriptors(pid) <= descriptors_before + ROOM + 8, seconds=30)
                away = [text for text in map(self.words, socks) if text]
                self.assertGreaterEqual(len(away), crowd // 2)
                for text in set(away):
                    self.assert_turned_away(text)
                lt.eventually(lambda: all([is_cut(s) for s in socks]), seconds=CUT_SECONDS)
                lt.eventually(lambda: descriptors(pid) <= descriptors_before + 4, seconds=CUT_SECONDS)
                if lt.SLOWDOWN == 1:  # sanitizers keep what was freed
                    self.assertLess(resident_kib(pid) - kib_before, 32 * 1024)
            self.assertEqual(ledgerd.get("/healthz").status, 200)
        print(f"{crowd} connections, {len(away)} turned away", file=sys.stderr)

    def test_there_is_room_for_exactly_max_connections_and_again_when_they_leave(self):
        with lt.start_ledgerd(make_book("room"), now=NOW, conf=settings(ROOM).replace(f"{IDLE}s", "1h")) as ledgerd:
            lt.eventually(lambda: ledgerd.get("/healthz").status == 200)
            for _ in range(2):
                inside = []
                while len(inside) < ROOM:
                    # A connection that was closed a moment ago may still be counted.
                    sock = self.connect(ledgerd)
                    sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    if sock.recv(1000).startswith(b"HTTP/1.1 200"):
                        inside.append(sock)
                    self.assertLessEqual(len(inside), ROOM)
                for _ in range(100):
                    self.assert_turned_away(self.words(self.connect(ledgerd)))
                for sock in inside:
                    sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 200"))
                    sock.close()

    def test_what_one_who_is_turned_away_has_sent_is_never_acted_on(self):
        db = make_book("away")
        record = {"source": "gateway:a", "id": "x", "project": "hp1", "user": "u", "class": "m", "state": "final",
                  "start": "2027-06-10T09:00:00+09:00", "end": "2027-06-10T09:00:00+09:00",
                  "meters": {"output_tokens": "1000"}}
        with lt.start_ledgerd(db, now=NOW, conf=settings(1).replace(f"{IDLE}s", "1h")) as ledgerd:
            inside = self.connect(ledgerd)

            def is_inside():
                nonlocal inside
                inside.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                if inside.recv(1000).startswith(b"HTTP/1.1 200"):
                    return True
                inside = self.connect(ledgerd)
                return False
            lt.eventually(is_inside, seconds=10)
            for _ in range(10):
                # While the server thinks, others come and have said everything before it sees them.
                questions = json.dumps([{"project": "hp1", "points": "1"}] * 1000).encode()
                ask = b"POST /v1/checks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(questions), questions)
                inside.sendall(ask * 4)
                away = [self.connect(ledgerd) for _ in range(30)]
                for sock in away:
                    body = json.dumps(dict(record, id=str(id(sock)))).encode()
                    with contextlib.suppress(ConnectionError):
                        sock.sendall(b"POST /v1/usage HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                with inside.makefile("rb") as answers:
                    for _ in range(4):
                        length = [line for line in iter(answers.readline, b"\r\n") if line.startswith(b"Content-Length")][0]
                        answers.read(int(length.split()[1]))
                for sock in away:
                    self.words(sock)
            inside.sendall(b"GET /v1/projects/hp1/balance HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = inside.recv(65536)
            self.assertTrue(answer.startswith(b"HTTP/1.1 200"))
        self.assertEqual(lt.ctl_json(["balance", "hp1"], db=db, now=NOW)["spent"], "0.000000")

    def test_a_crowd_at_one_door_locks_nobody_out_at_another(self):
        path = os.path.join(lt.temp_dir(), "ledger.sock")
        with lt.start_ledgerd(make_book("doors"), ["--unix", path], now=NOW, conf=settings(ROOM)) as ledgerd:
            with Others(ledgerd):
                for _ in range(3 * ROOM):
                    self.connect(ledgerd)
                for _ in range(20):
                    connection = lt.UnixConnection(path)
                    connection.request("GET", "/v1/check?project=hp1&points=1")
                    self.assertTrue(json.loads(connection.getresponse().read())["allowed"])
                    connection.close()

    def test_it_ends_in_time_with_a_crowd_inside(self):
        with lt.start_ledgerd(make_book("ends"), now=NOW, conf=settings(500).replace(f"{IDLE}s", "1h")) as ledgerd:
            for i in range(400):
                self.connect(ledgerd).sendall((b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")[i % 3])
            self.assertEqual(ledgerd.stop(), 0)

    def test_a_limit_that_the_system_does_not_allow_is_refused_at_the_start(self):
        path = lt.write_file("[http]\nmax_connections = 1000000\n")
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard == resource.RLIM_INFINITY or hard > 1000000:
            self.skipTest("everything is allowed here")
        rc, _, err = lt.run_program(lt.LEDGERD, ["-c", path, "--listen", "127.0.0.1:0"], db=lt.create_db("manyfd"))
        self.assertEqual(rc, 4)
        self.assertIn("max_connections", err)


if __name__ == "__main__":
    unittest.main()
