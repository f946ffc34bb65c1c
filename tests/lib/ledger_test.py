"""Support for the script tests: databases, the three programs, a running ledgerd.

Run by hand, one test file needs nothing else: where LEDGER_TEST_PG is unset, a private server is
started for the process and stopped at its end. LEDGER_BUILD names the build (default: build/).

    db = create_db()                                     conninfo of a migrated, empty sandbox
    rc, out, err = run_ctl(["balance", "p1"], db=db, now="2027-06-10T00:00:00+09:00")
    doc = ctl_json(["balance", "p1"], db=db)             fails unless exit code 0
    with start_ledgerd(db) as d: d.get_json("/v1/check?project=p1&points=1")
    query(db, "SELECT 1")                                rows as lists of text (None for null)

By hand: `python3 tests/lib/ledger_test.py create-db NAME` prints the conninfo of a new database.
"""

import atexit
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("LEDGER_BUILD", os.path.join(ROOT, "build")))
LEDGERD = os.path.join(BUILD, "ledgerd")
LEDGERCTL = os.path.join(BUILD, "ledgerctl")
LEDGER_REPORT = os.path.join(BUILD, "ledger-report")
PRIVATE_PG = os.path.join(ROOT, "contrib", "dev", "private-pg.sh")

SLOWDOWN = float(os.environ.get("LEDGER_TEST_SLOWDOWN", "1"))
READY_SECONDS = 20 * SLOWDOWN
STOP_SECONDS = 20 * SLOWDOWN

_counter = 0
_own_server_dir = None
_server_conninfo = None


# --- the server and its databases ---------------------------------------------------------------

def server():
    """Conninfo of the private server's superuser database; starts one if the runner did not."""
    global _own_server_dir, _server_conninfo
    if os.environ.get("LEDGER_TEST_PG"):
        return os.environ["LEDGER_TEST_PG"]
    if _server_conninfo is None:
        os.makedirs(BUILD, exist_ok=True)
        _own_server_dir = tempfile.mkdtemp(prefix="pg-", dir=BUILD)
        os.chmod(_own_server_dir, 0o755)
        atexit.register(_stop_server)
        done = subprocess.run([PRIVATE_PG, "--fast", "start", _own_server_dir], check=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        _server_conninfo = done.stdout.strip()
    return _server_conninfo


def _stop_server():
    subprocess.run([PRIVATE_PG, "stop", _own_server_dir], check=False)
    shutil.rmtree(_own_server_dir, ignore_errors=True)


def _schema_hash():
    """FNV-1a over the migrations' text, in order: the same as in testdb.c."""
    folder = os.path.join(ROOT, "schema")
    value = 0xCBF29CE484222325
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".sql") and n[0].isdigit()):
        with open(os.path.join(folder, name), "rb") as file:
            for byte in file.read():
                value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def psql(conninfo, sql, check=True):
    """Runs SQL (any number of statements) as superuser; the completed process, output unaligned."""
    return subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", conninfo, "-f", "-"],
                          input=sql, capture_output=True, text=True, check=check)


def query(conninfo, sql):
    """Rows of one SELECT, each a list of texts, None for null."""
    body = sql.strip().rstrip(";")
    wrapped = ("SELECT coalesce(json_agg((SELECT json_agg(v.value) FROM json_each_text(row_to_json(q)) v)),"
               f" '[]') FROM ({body}) q")
    done = psql(conninfo, wrapped, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{done.stderr}\n  in: {sql}")
    return json.loads(done.stdout)


def scalar(conninfo, sql):
    """The first column of the first row of one SELECT, as text; None where there is none."""
    rows = query(conninfo, sql)
    return rows[0][0] if rows else None


def _template():
    """The name of the server's migrated template, made once per server and schema."""
    name = f"ledger_template_{_schema_hash():016x}"
    # The lock is the C tests' own (an advisory lock held by this psql while the migration runs).
    exists = f"SELECT 1 FROM pg_database WHERE datname = '{name}'"
    if scalar(server(), exists):
        return name
    holder = subprocess.Popen(["psql", "-XqAt", "-d", server()], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    with holder:
        holder.stdin.write("SELECT pg_advisory_lock(7203471);\n\\echo locked\n")
        holder.stdin.flush()
        while "locked" not in holder.stdout.readline():
            pass
        if not scalar(server(), exists):
            psql(server(), "DROP DATABASE IF EXISTS ledger_template_new WITH (FORCE);")
            psql(server(), "CREATE DATABASE ledger_template_new;")
            migrate(database("ledger_template_new"))
            psql(server(), f"ALTER DATABASE ledger_template_new RENAME TO {name};")
        holder.stdin.close()
    return name


def database(name):
    """The conninfo of another database of the same server."""
    return f"{server()} dbname={name}"


def migrate(conninfo, *options):
    rc, out, err = run_ctl(["migrate", "--sandbox", *options], db=conninfo)
    if rc != 0:
        raise AssertionError(f"ledgerctl migrate --sandbox: {rc}\n{out}{err}")


def create_db(prefix="py", schema=True):
    """A new database, migrated (a sandbox) unless schema is False; dropped at the program's end."""
    global _counter
    _counter += 1
    name = f"t_{prefix}_{os.getpid()}_{_counter}"
    template = _template() if schema else "template1"
    psql(server(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")
    psql(server(), f"CREATE DATABASE {name} TEMPLATE {template};")
    return database(name)


def drop_db(conninfo):
    name = conninfo.rsplit("=", 1)[1]
    psql(server(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")


# --- programs -------------------------------------------------------------------------------------

def _environment(db, now, env):
    result = {k: v for k, v in os.environ.items() if not k.startswith("LEDGER_")}
    result["TZ"] = "UTC"
    if db is not None:
        result["LEDGER_DB"] = db
    if now is not None:
        result["LEDGER_NOW"] = now
    result.update(env or {})
    return result


def run_program(program, args, db=None, stdin=None, now=None, env=None, timeout=300):
    """(exit code, stdout, stderr); stdin is text or bytes, outputs are text (bad UTF-8 replaced)."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run([program, *map(str, args)], input=data if data is not None else b"",
                          capture_output=True, env=_environment(db, now, env), cwd=ROOT,
                          timeout=timeout * SLOWDOWN, check=False)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def run_ctl(args, db=None, stdin=None, now=None, env=None, timeout=300):
    return run_program(LEDGERCTL, args, db, stdin, now, env, timeout)


def run_report(args, db=None, stdin=None, now=None, env=None, timeout=300):
    return run_program(LEDGER_REPORT, args, db, stdin, now, env, timeout)


def ctl(args, db=None, expect=0, **options):
    """Standard output of a ledgerctl call that must end with the expected exit code."""
    rc, out, err = run_ctl(args, db=db, **options)
    if rc != expect:
        raise AssertionError(f"ledgerctl {' '.join(map(str, args))}: exit {rc}, not {expect}\n{out}{err}")
    return out


def ctl_json(args, db=None, expect=0, **options):
    """The JSON document of a ledgerctl call with --json."""
    return json.loads(ctl([*args, "--json"], db=db, expect=expect, **options))


def report_json(args, db=None, **options):
    rc, out, err = run_report([*args, "--format", "json"], db=db, **options)
    if rc != 0:
        raise AssertionError(f"ledger-report {' '.join(map(str, args))}: exit {rc}\n{out}{err}")
    return json.loads(out)


# --- a running daemon -----------------------------------------------------------------------------

def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Reply:
    """An HTTP answer: status, headers (case does not matter), text, json()."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.text = body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.text)


class Ledgerd:
    """A running ledgerd; use as a context manager or call stop()."""

    def __init__(self, process, port, log):
        self.process, self.port, self.log_path = process, port, log
        self.url = f"http://127.0.0.1:{port}"
        self.exit_code = None

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _traceback):
        self.stop()
        if kind is None and self.exit_code != 0:
            raise AssertionError(f"ledgerd ended with {self.exit_code}\n{self.log()}")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def connect(self, timeout=30):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * SLOWDOWN)

    def request(self, method, path, body=None, headers=None):
        """One request on a connection of its own; a dict or list goes as JSON."""
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = self.connect()
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, body, headers=None):
        return self.request("POST", path, body=body, headers=headers)

    def get_json(self, path, status=200, headers=None):
        reply = self.get(path, headers)
        if reply.status != status:
            raise AssertionError(f"GET {path}: {reply.status}, not {status}\n{reply.text}")
        return reply.json()

    def post_json(self, path, body, status=200, headers=None):
        reply = self.post(path, body, headers)
        if reply.status != status:
            raise AssertionError(f"POST {path}: {reply.status}, not {status}\n{reply.text}")
        return reply.json()

    def stop(self, signal_number=signal.SIGTERM):
        """Asks it to end and waits; the exit code."""
        if self.exit_code is None:
            self.process.send_signal(signal_number)
            try:
                self.exit_code = self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                self.exit_code = -signal.SIGKILL
                raise AssertionError(f"ledgerd did not end after signal {signal_number}\n{self.log()}") \
                    from None
        return self.exit_code

    def kill(self):
        """SIGKILL: a crash."""
        self.process.kill()
        self.exit_code = self.process.wait()

    def wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"ledgerd ended with {self.process.returncode}\n{self.log()}")
            try:
                if self.get("/readyz").status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"ledgerd was not ready within {READY_SECONDS} s\n{self.log()}")


def start_ledgerd(db, extra=(), now=None, env=None, conf=None, ready=True, port=None):
    """Starts ledgerd on a free loopback port and waits until it is ready. conf: a configuration's text."""
    folder = temp_dir()
    port = port or free_port()
    args = [LEDGERD, "--listen", f"127.0.0.1:{port}"]
    if conf is not None:
        path = os.path.join(folder, "ledgerd.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(conf)
        args += ["-c", path]
    log = os.path.join(folder, "log")
    with open(log, "wb") as output:
        process = subprocess.Popen([*args, *map(str, extra)], stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, cwd=ROOT, env=_environment(db, now, env))
    daemon = Ledgerd(process, port, log)
    atexit.register(lambda: process.poll() is None and process.kill())
    return daemon.wait_ready() if ready else daemon


# --- odds and ends --------------------------------------------------------------------------------

def temp_dir():
    """A folder that is removed at the program's end."""
    path = tempfile.mkdtemp(prefix="ledger-test-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def write_file(text, name="input"):
    """A temporary file with this text (or bytes); its path."""
    path = os.path.join(temp_dir(), name)
    with open(path, "wb") as file:
        file.write(text.encode() if isinstance(text, str) else text)
    return path


def eventually(check, seconds=5):
    """Calls check until it returns something true, and returns that; fails when time is up."""
    deadline = time.monotonic() + seconds * SLOWDOWN
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds} s: {check}")
        time.sleep(0.02)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "create-db" and os.environ.get("LEDGER_TEST_PG"):
        print(create_db(sys.argv[2]))
    else:
        sys.exit("usage: LEDGER_TEST_PG=CONNINFO ledger_test.py create-db NAME")
