"""A slurmrestd for what the real one cannot be made to show: every release's shapes, and every fault.

    with FakeRest() as rest:
        rest.jobs = [job(1, submit, start, end)]      what accounting holds; rest.live: what slurmctld holds
        rest.fault = "cut off"                        from now on, for what asks for jobs of accounting
        rest.asked                                    paths, in order
"""

import http.server
import json
import threading
import time
import urllib.parse

TOKEN = "x.eyJzdW4iOiJyb290In0.secretsecret"  # its claim: {"sun":"root"}
USER = "root"
HUGE = 10 ** 9


def job(number, submit, start, end, **changes):
    """A job of accounting; times are seconds since 1970, end None while it runs."""
    row = {"id": number, "submit": submit, "start": start, "end": end, "account": "h1", "user": "alice",
           "partition": "gpu", "qos": "normal", "state": "COMPLETED" if end else "RUNNING", "cpu": 4, "gpu": 2,
           "limit": 60, "elapsed": (end or start or 0) - (start or 0)}
    row.update(changes)
    return row


def number(version, value, infinite=False):
    """A number as the release has it."""
    if version < 39:
        return value
    return {"set": value is not None, "infinite": infinite, "number": value or 0}


def accounting(version, row):
    """A job of /slurmdb/…/jobs."""
    return {"account": row["account"], "cluster": "sdli", "user": row["user"], "partition": row["partition"],
            "association": {"account": row["account"], "cluster": "sdli", "partition": None, "user": row["user"]},
            "job_id": row["id"], "name": "wrap|\n", "nodes": "gn1", "qos": row["qos"],
            "state": {"current": row["state"] if version < 40 else [row["state"]], "reason": "None"},
            "time": {"elapsed": row["elapsed"], "eligible": row["submit"], "submission": row["submit"],
                     "start": row["start"], "end": row["end"] or 0, "suspended": 0,
                     "limit": number(version, row["limit"])},
            "exit_code": {"status": "SUCCESS", "return_code": number(version, 0)},
            "array": {"job_id": 0, "task_id": number(version, None)}, "het": {"job_id": 0, "job_offset": None},
            "comment": {"administrator": None}, "reservation": {"id": 0, "name": 0}, "steps": [],
            "tres": {"allocated": [{"type": "cpu", "name": None, "id": 1, "count": row["cpu"]},
                                   {"type": "gres", "name": "gpu", "id": 1001, "count": row["gpu"]}]}}


def live(version, row):
    """A job of /slurm/…/jobs, pending where start is None."""
    state = "RUNNING" if row["start"] else "PENDING"
    return {"job_id": row["id"], "job_state": state if version < 40 else [state], "state_reason": "None",
            "array_job_id": number(version, 0), "array_task_id": number(version, None), "array_task_string": "",
            "array_max_tasks": number(version, 0), "het_job_id": number(version, 0), "user_id": 20001,
            "user_name": row["user"], "account": row["account"], "partition": row["partition"], "qos": row["qos"],
            "start_time": number(version, row["start"] or 0), "submit_time": number(version, row["submit"]),
            "time_limit": number(version, row["limit"]), "admin_comment": "", "cluster": "sdli",
            "tres_req_str": f"cpu={row['cpu']},node=1,billing=1,gres/gpu={row['gpu']}",
            "tres_alloc_str": f"cpu={row['cpu']},node=1,billing=1,gres/gpu={row['gpu']}" if row["start"] else ""}


def partition(version, name, default):
    """A partition of 4 h at most, an hour by default; v0.0.39 and later do not tell which is the default one."""
    if version < 39:
        return {"name": name, "flags": ["default"] if default else [], "default_time_limit": 60,
                "max_time_limit": 240, "default_memory_per_cpu": 2048, "default_memory_per_node": None}
    return {"name": name, "defaults": {"time": number(version, 60), "memory_per_cpu": 0,
                                       "partition_memory_per_cpu": number(version, 2048),
                                       "partition_memory_per_node": number(version, 0)},
            "maximums": {"time": number(version, 240), "oversubscribe": {"jobs": 0 if name == "gpu" else 1}}}


class FakeRest:
    def __init__(self, versions=(38,)):
        self.versions = versions
        self.token, self.user = TOKEN, USER
        self.jobs, self.live = [], []
        self.body = None        # sent for jobs of accounting in place of self.jobs
        self.fault = None
        self.longest = None     # seconds of a window that is answered; others get self.excess
        self.excess = "too large"
        self.asked = []
        self.stopping = threading.Event()
        rest = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                rest.answer(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    def windows(self):
        """(start, end) of each asking for jobs of accounting that has one and names no state."""
        result = []
        for path in self.asked:
            words = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
            if "/slurmdb/" in path and "start_time" in words and "state" not in words:
                result.append(tuple(int(words[key][0].removeprefix("uts")) for key in ("start_time", "end_time")))
        return result

    # --- answers --------------------------------------------------------------------------------

    def send(self, handler, body, status=200, kind="application/json", length=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if not isinstance(body, str) \
            else body.encode()
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(data) if length is None else length))
        handler.end_headers()
        handler.wfile.write(data)
        if length is not None and length != len(data):
            handler.close_connection = True

    def answer(self, handler):
        self.asked.append(handler.path)
        split = urllib.parse.urlsplit(handler.path)
        parts = split.path.strip("/").split("/")
        try:
            if handler.headers["X-SLURM-USER-TOKEN"] != self.token or handler.headers["X-SLURM-USER-NAME"] != self.user:
                self.send(handler, "Authentication failure", 401, "text/plain")
            elif parts == ["openapi"]:
                self.send(handler, {"openapi": "3.0.2", "paths": {
                    f"/{daemon}/v0.0.{v}/{what}{'/' if v >= 40 else ''}": {}
                    for v in self.versions for daemon in ("slurm", "slurmdb") for what in ("jobs", "diag")}})
            elif len(parts) != 3 or parts[1] not in [f"v0.0.{v}" for v in self.versions]:
                self.send(handler, "Unable find requested URL.", 404, "text/plain")
            else:
                self.answer_part(handler, parts, urllib.parse.parse_qs(split.query))
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True

    def answer_part(self, handler, parts, words):
        version = int(parts[1].rsplit(".", 1)[1])
        if parts[0] == "slurm":
            lists = {"jobs": [live(version, row) for row in self.live],
                     "partitions": [partition(version, "cpu", True), partition(version, "gpu", False)],
                     "nodes": [{"name": "gn1", "cpus": 16, "partitions": ["gpu", "cpu"],
                                "real_memory": 64000, "tres": "cpu=16,mem=62.50G,billing=16,gres/gpu=4"}]}
            self.send(handler, {"meta": {}, "errors": [], parts[2]: lists[parts[2]]})
        elif parts[2] == "associations":
            rows = [{"user": None, "account": "h1"}, {"user": "alice", "account": "h1", "is_default": True},
                    {"user": "alice", "account": "h2"}, {"user": "bob", "account": "h2", "cluster": "other"}]
            self.send(handler, {"associations": [
                {"cluster": "sdli", "partition": None, "default": {"qos": "normal"}, "is_default": 0, **row}
                for row in rows], "errors": [], "warnings": []})
        else:
            self.answer_jobs(handler, version, words)

    def chosen(self, words):
        since, until = (int(words[key][0].removeprefix("uts")) for key in ("start_time", "end_time"))
        assert words["start_time"][0].startswith("uts")
        runs = words.get("state") == ["RUNNING,SUSPENDED"]
        return [row for row in self.jobs if (row["start"] or row["submit"]) <= until
                and (row["end"] is None or row["end"] >= since) and (not runs or row["end"] is None)], until - since

    def answer_jobs(self, handler, version, words):
        rows, seconds = self.chosen(words)
        fault = self.fault
        if self.longest is not None and "state" not in words and seconds > self.longest:
            fault = self.excess
        body = self.body if self.body is not None else {"meta": {}, "errors": [], "jobs": [
            accounting(version, row) for row in rows]}
        if fault is None and not rows and self.body is None:
            fault = "nothing"
        if fault is None:
            self.send(handler, body)
        else:
            FAULTS[fault](self, handler, json.dumps(body) if not isinstance(body, (bytes, str)) else body)

    def hang(self, handler, _body):
        self.stopping.wait(60)
        handler.close_connection = True

    def endless(self, handler, _body):
        """More than any limit, and no length said before."""
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        end = time.monotonic() + 60
        while not self.stopping.is_set() and time.monotonic() < end:
            handler.wfile.write(b" " * 65536)

    def redirect(self, handler, _body):
        handler.send_response(302)
        handler.send_header("Location", self.url + "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()


def errors(*entries):
    return {"meta": {}, "errors": [{"error_number": n, "description": text, "error": text} for n, text in entries],
            "jobs": []}


NOTHING = errors((9003, "Nothing found"))
FAULTS = {
    "nothing": lambda rest, handler, body: rest.send(handler, NOTHING),
    "nothing 404": lambda rest, handler, body: rest.send(handler, NOTHING, 404),
    "nothing 500": lambda rest, handler, body: rest.send(handler, NOTHING, 500),
    "refused": lambda rest, handler, body: rest.send(handler, errors((1007, "Protocol authentication error"))),
    "500": lambda rest, handler, body: rest.send(handler, errors((9003, "Nothing found"), (9001, "slurmdbd is away")),
                                                 500),
    "502": lambda rest, handler, body: rest.send(handler, "<html>\x1b[31mBad\nGateway</html>", 502, "text/html"),
    "garbage": lambda rest, handler, body: rest.send(handler, "{]"),
    "no jobs": lambda rest, handler, body: rest.send(handler, "{}"),
    "empty": lambda rest, handler, body: rest.send(handler, ""),
    "cut off": lambda rest, handler, body: rest.send(handler, body[:len(body) // 2], length=len(body)),
    "half said to be whole": lambda rest, handler, body: rest.send(handler, body[:len(body) // 2]),
    "too large": lambda rest, handler, body: rest.send(handler, "{", length=HUGE),
    "hang": FakeRest.hang,
    "endless": FakeRest.endless,
    "redirect": FakeRest.redirect,
}
