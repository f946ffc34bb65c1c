"""The private PostgreSQL of demo and tests: it comes, is reachable, and leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from ledger_test import BUILD, PRIVATE_PG, eventually


class PrivateServer(unittest.TestCase):
    def setUp(self):
        os.makedirs(BUILD, exist_ok=True)
        self.dir = tempfile.mkdtemp(prefix="pg-test-", dir=BUILD)
        os.chmod(self.dir, 0o755)
        self.env = {k: v for k, v in os.environ.items() if k != "LEDGER_TEST_PG"}

    def tearDown(self):
        subprocess.run([PRIVATE_PG, "stop", self.dir], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, *command):
        # A session of its own, as a terminal's job would be: signals reach this script alone.
        return subprocess.Popen([PRIVATE_PG, "--fast", "run", self.dir, "--", *command],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=self.env,
                                start_new_session=True)

    def place(self, name):
        path = os.path.join(self.dir, name)
        if not os.path.exists(path):
            return None
        with open(path, encoding="ascii") as file:
            return file.read().strip() or None

    def started(self, *command):
        """A running server with its command: (process, socket folder, server's process id)."""
        ready = os.path.join(self.dir, "ready")
        process = self.start("sh", "-c", f'touch "{ready}"; exec "$@"', "sh", *command)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        eventually(lambda: os.path.exists(ready), 60)
        os.unlink(ready)
        with open(os.path.join(self.place("data-place"), "postmaster.pid"), encoding="ascii") as file:
            return process, self.place("socket-place"), int(file.readline())

    def alive(self, pid):
        return os.path.exists(f"/proc/{pid}")

    def assert_gone(self, socket, pid):
        eventually(lambda: not self.alive(pid), 30)
        self.assertFalse(os.path.exists(socket))
        self.assertFalse(os.path.exists(os.path.join(self.dir, "data")))

    def test_exit_code_and_output_of_the_command_come_through(self):
        process = self.start("sh", "-c", 'psql -XAtd "$LEDGER_TEST_PG" -c "SELECT 6 * 7"; exit 9')
        out, err = process.communicate(timeout=120)
        self.assertEqual((process.returncode, out.strip()), (9, "42"), err)

    def test_it_listens_on_no_network_address(self):
        process = self.start("sh", "-c", 'psql -XAtd "$LEDGER_TEST_PG" -c "SHOW listen_addresses"')
        out, err = process.communicate(timeout=120)
        self.assertEqual((process.returncode, out), (0, "\n"), err)

    def test_a_signal_stops_command_and_server(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number.name):
                process, socket, pid = self.started("sleep", "600")
                process.send_signal(number)
                process.communicate(timeout=60)
                self.assertNotEqual(process.returncode, 0)
                self.assert_gone(socket, pid)

    def test_a_second_run_in_the_same_place_is_refused_and_harms_nothing(self):
        process, _, pid = self.started("sleep", "600")
        second = self.start("true")
        _, err = second.communicate(timeout=60)
        self.assertEqual(second.returncode, 1)
        self.assertIn("in use", err)
        self.assertTrue(self.alive(pid))
        process.terminate()
        process.communicate(timeout=60)

    def test_what_a_killed_run_left_is_cleared_by_the_next(self):
        process, socket, pid = self.started("sleep", "8")
        process.kill()
        process.wait(timeout=60)
        time.sleep(0.1)
        self.assertTrue(self.alive(pid), "a server that dies with its script needs no clearing")
        again = self.start("sh", "-c", 'psql -XAtd "$LEDGER_TEST_PG" -c "SELECT 1"')
        out, err = again.communicate(timeout=120)
        self.assertEqual((again.returncode, out), (0, "1\n"), err)
        self.assert_gone(socket, pid)

    def test_a_killed_server_resumes_with_what_was_committed(self):
        process, _, pid = self.started("sleep", "600")
        conninfo = f"host={self.place('socket-place')} port=5432 user=postgres dbname=postgres"
        self.psql(conninfo, "CREATE TABLE kept AS SELECT 7 AS n")
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not self.alive(pid), 30)
        subprocess.run([PRIVATE_PG, "resume", self.dir], check=True, env=self.env, stdin=subprocess.DEVNULL,
                       timeout=120)
        self.assertEqual(self.psql(conninfo, "SELECT n FROM kept"), "7")
        process.terminate()
        process.communicate(timeout=60)

    def psql(self, conninfo, sql):
        return subprocess.run(["psql", "-XqAtd", conninfo, "-c", sql], check=True, env=self.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    unittest.main()
