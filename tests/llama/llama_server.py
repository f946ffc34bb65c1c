"""A real llama-server with the tiny model, on a free port: counts tokens by itself, as any engine does.

    with LlamaServer() as engine:
        engine.post("/v1/chat/completions", {…})        the body, as bytes
        engine.url + "/metrics"
"""

import http.client
import json
import os
import subprocess
import sys

import ledger_test as lt

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(lt.BUILD, "llama")
MODEL = "tiny"
START_SECONDS = 60


def program():
    """The path of llama-server, built if it is not there."""
    done = subprocess.run([os.path.join(HERE, "build-llama.sh"), FOLDER], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def model():
    """The path of the model's file."""
    path = os.path.join(FOLDER, "tiny.gguf")
    if not os.path.exists(path):
        subprocess.run([sys.executable, os.path.join(HERE, "tiny_model.py"), path + ".new"], check=True)
        os.rename(path + ".new", path)
    return path


class LlamaServer:
    """name: of its model, in its answers."""

    def __init__(self, name=MODEL):
        self.name = name
        self.port = lt.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        with open(os.path.join(lt.temp_dir(), "llama.log"), "wb") as log:
            self.log_path = log.name
            self.process = subprocess.Popen(
                [program(), "--model", model(), "--alias", self.name, "--host", "127.0.0.1", "--port", str(self.port), "--metrics",
                 "--ctx-size", "8192", "--parallel", "2", "--threads", "1", "--no-ui", "--seed", "1"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        lt.eventually(self._is_ready, START_SECONDS)
        return self

    def _is_ready(self):
        if self.process.poll() is not None:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                raise AssertionError(f"llama-server ended with {self.process.returncode}\n{log.read()[-3000:]}")
        try:
            return self.ask("GET", "/health")[0] == 200
        except OSError:
            return False

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(START_SECONDS)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60 * lt.SLOWDOWN)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body),
                               headers={"Content-Type": "application/json"})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def post(self, path, body):
        status, answer = self.ask("POST", path, {"model": self.name, **body})
        if status != 200:
            raise AssertionError(f"POST {path}: {status}\n{answer.decode('utf-8', 'replace')}")
        return answer
