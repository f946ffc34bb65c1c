"""The real OpenAI client from npm, for the tests: what its user sees of a request.

    with OpenAiClient("openai6") as client:              a node process; the packages are installed into the build's folder
        seen = client.ask("http://127.0.0.1:1/v1", key, "chat.completions", {"model": …}, case="x")
        seen["status"], seen["error"], len(seen["attempts"]), seen["usages"]
        several = client.ask_all([request(...), …])      at the same time

openai_client/client.mjs says what a request and a report hold.
"""

import fcntl
import json
import os
import queue
import shutil
import subprocess
import threading

import ledger_test as lt

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "openai_client")
FOLDER = os.path.join(lt.BUILD, "npm")
VERSIONS = ("openai4", "openai6", "openai7")
ANSWER_SECONDS = 120


def wanted_versions():
    with open(os.path.join(HERE, "package.json"), encoding="utf-8") as file:
        named = json.load(file)["dependencies"]
    return {name: spec.rsplit("@", 1)[1] for name, spec in named.items()}


def installed(name):
    """The version of a package that is there, or None."""
    try:
        with open(os.path.join(FOLDER, "node_modules", name, "package.json"), encoding="utf-8") as file:
            return json.load(file)["version"]
    except (OSError, ValueError, KeyError):
        return None


def install():
    """Sees to it that the packages are there; the network is asked only where they are not."""
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several tests may begin at once
        wanted = wanted_versions()
        if all(installed(name) == version for name, version in wanted.items()):
            return
        for file in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(HERE, file), FOLDER)
        try:
            done = subprocess.run(["npm", "ci", "--prefix", FOLDER, "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FOLDER,
                                  capture_output=True, text=True, timeout=600, check=False)
            said, code = done.stderr, done.returncode
        except (OSError, subprocess.TimeoutExpired) as problem:
            said, code = str(problem), 1
        if code != 0:
            raise AssertionError("npm cannot install the OpenAI clients ("
                                 + ", ".join(f"openai {v}" for v in wanted.values())
                                 + f") into {FOLDER}: it needs npm and, once, a way to its registry\n{said.strip()}")


def request(base_url, key, call, body, case=None, **more):
    """A request for ask_all: headers, hang_up_after, retries as client.mjs has them. The method is create unless call
    names one (models.list)."""
    headers = {**({"X-Case": case} if case else {}), **more.pop("headers", {})}
    return {"base_url": base_url, "key": key, "call": call if call.endswith(".list") else f"{call}.create", "body": body,
            "headers": headers, **more}


class OpenAiClient:
    """A node process with one version of the client; use as a context manager."""

    def __init__(self, name="openai6"):
        install()
        self._process = subprocess.Popen(["node", os.path.join(HERE, "client.mjs"), FOLDER, name], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        self._lock, self._count, self._waiting = threading.Lock(), 0, {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._process.stdin.close()
        try:
            self._process.wait(10 * lt.SLOWDOWN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def _read(self):
        for line in self._process.stdout:
            report = json.loads(line)
            with self._lock:
                waiting = self._waiting.pop(report["n"])
            waiting.put(report)
        with self._lock:
            for waiting in self._waiting.values():
                waiting.put(None)  # it ended early

    def finished(self):
        """How many requests have been answered to the end."""
        with self._lock:
            return self._count - len(self._waiting)

    def begin(self, asked):
        """Sends a request; a function that waits for its report."""
        waiting = queue.Queue()
        with self._lock:
            self._count += 1
            number = self._count
            self._waiting[number] = waiting
            self._process.stdin.write(json.dumps({"n": number, **asked}) + "\n")
            self._process.stdin.flush()

        def wait():
            try:
                report = waiting.get(timeout=ANSWER_SECONDS * lt.SLOWDOWN)
            except queue.Empty:
                report = None
            if report is None:
                raise AssertionError(f"the client has no answer to {asked}")
            return report
        return wait

    def ask_all(self, requests):
        return [wait() for wait in [self.begin(asked) for asked in requests]]

    def ask(self, *args, **options):
        return self.begin(request(*args, **options))()
