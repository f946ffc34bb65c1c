"""An nginx of the test's own: a folder, a free port, and every way in which one starts and ends.

    nginx = Nginx("worker_processes 2; …", main text; {port}, {folder} and {modules} are filled in)
    nginx.start(); nginx.reload(); nginx.kill(); nginx.stop()
"""

import atexit
import glob
import os
import signal
import socket
import subprocess
import time

import ledger_test as lt

START_SECONDS = 20
STOP_SECONDS = 30
MODULES = "/usr/lib/nginx/modules"
# Everything that nginx writes stays in the folder; {modules} loads Lua.
MAIN = """{modules}
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes {workers};
events {{ worker_connections 4096; }}
http {{
    default_type application/json;
    client_body_temp_path {folder}/client_body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
}}
"""


def lua_modules():
    names = ("ndk_http_module.so", "ngx_http_lua_module.so")
    return "\n".join(f"load_module {MODULES}/{name};" for name in names)


def children(pid):
    """Of a process that may be gone."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path, encoding="ascii") as file:
                found += map(int, file.read().split())
        except OSError:
            pass
    return found


class Nginx:
    """One nginx; http is the text of its http block, in which {port} and {folder} are filled in."""

    def __init__(self, http, workers=2, folder=None):
        self.folder = folder or lt.temp_dir()
        self.port = lt.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        user = "user root;" if os.geteuid() == 0 else ""  # the folder is closed to others
        text = MAIN.format(modules=lua_modules(), user=user, folder=self.folder, workers=workers,
                           http=http.replace("{port}", str(self.port)).replace("{folder}", self.folder))
        self.conf = os.path.join(self.folder, "nginx.conf")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(text)
        atexit.register(self.kill)

    def _arguments(self):
        return ["/usr/sbin/nginx", "-p", self.folder, "-e", os.path.join(self.folder, "error.log"), "-c", self.conf]

    def log(self):
        with open(os.path.join(self.folder, "error.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def start(self):
        """Until it accepts. It stays in the test's process group, so that whoever kills the test kills it too."""
        self.process = subprocess.Popen([*self._arguments(), "-g", "daemon off;"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        lt.eventually(self._accepts, START_SECONDS)
        return self

    def _accepts(self):
        if self.process.poll() is not None:
            raise AssertionError(f"nginx ended with {self.process.returncode}\n{self.process.stderr.read()}{self.log()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def workers(self):
        return children(self.process.pid)

    def reload(self):
        """New workers with the configuration as it stands now; the old ones go once their requests have ended."""
        before = set(self.workers())
        self.process.send_signal(signal.SIGHUP)
        lt.eventually(lambda: set(self.workers()) - before, START_SECONDS)
        lt.eventually(self._accepts, START_SECONDS)

    def reopen(self):
        """As logrotate asks for it: new files by the names of the logs."""
        self.process.send_signal(signal.SIGUSR1)

    def stop(self, patient=True):
        """patient: requests under way may end first."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGQUIT if patient else signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS * lt.SLOWDOWN)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"nginx did not end\n{self.log()}") from None
        finally:
            self.process.stderr.close()

    def kill(self):
        """SIGKILL to the master and to its workers, which would live on without it."""
        if self.process is None or self.process.poll() is not None:
            return
        os.kill(self.process.pid, signal.SIGSTOP)  # it would replace a worker that died
        for pid in self.workers():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        # A worker gives up the port as it dies, a moment later.
        deadline = time.monotonic() + START_SECONDS
        while self._still_listening() and time.monotonic() < deadline:
            time.sleep(0.02)

    def _still_listening(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
