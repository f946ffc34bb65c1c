"""The demo, as a new user sees it, and what `make install` puts where."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from ledger_test import BUILD, ROOT, temp_dir


def clean_environment():
    return {k: v for k, v in os.environ.items()
            if not k.startswith("LEDGER_") and k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.mkdtemp(prefix="demo-test-", dir=BUILD)
        os.chmod(cls.place, 0o755)
        env = clean_environment() | {"BUILD": BUILD, "LEDGER_DEMO_DIR": cls.place}
        cls.done = subprocess.run([os.path.join(ROOT, "contrib/dev/demo.sh"), "demo"], cwd="/", env=env,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=600, check=False)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.place, ignore_errors=True)

    def setUp(self):
        self.out = self.done.stdout

    def test_it_ends_well(self):
        self.assertEqual(self.done.returncode, 0, self.out + self.done.stderr)

    def test_one_check_is_allowed_and_one_refused_with_its_numbers(self):
        self.assertEqual(re.findall(r'"allowed": (true|false)', self.out), ["true", "false"])
        refused = self.out[self.out.index('"allowed": false'):]
        self.assertIn('"reason": "insufficient_points"', refused)
        for number in ("requested", "available", "posted"):
            self.assertRegex(refused, rf'"{number}": "-?\d+\.\d{{6}}"')

    def test_the_report_follows_with_all_shares_and_projects(self):
        report = self.out[self.out.index("The month's report"):]
        for name in ("2027-06", "hpci", "general", "industry", "hp270001", "gen27001", "ind27002"):
            self.assertIn(name, report)

    def test_it_leaves_no_server_behind(self):
        self.assertFalse(os.path.exists(os.path.join(self.place, "data")))
        self.assertFalse(os.path.exists(os.path.join(self.place, "socket-place")))


class Install(unittest.TestCase):
    def test_everything_lands_under_destdir_and_prefix(self):
        target = temp_dir()
        done = subprocess.run(["make", "-C", ROOT, "install", f"BUILD={BUILD}", f"DESTDIR={target}",
                               "prefix=/opt/ledger"], env=clean_environment(), capture_output=True,
                              text=True, timeout=600, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        top = os.path.join(target, "opt/ledger")
        self.assertEqual(os.listdir(target), ["opt"])
        for path in ("sbin/ledgerd", "bin/ledgerctl", "bin/ledger-report",
                     "share/man/man8/ledgerd.8", "share/man/man1/ledgerctl.1",
                     "share/man/man1/ledger-report.1", "share/doc/ledgerd/ledgerd.conf.example",
                     "lib/sysusers.d/ledger.conf"):
            self.assertTrue(os.path.exists(os.path.join(top, path)), path)
        with open(os.path.join(top, "lib/systemd/system/ledgerd.service"), encoding="utf-8") as unit:
            self.assertIn("ExecStart=/opt/ledger/sbin/ledgerd ", unit.read())


if __name__ == "__main__":
    unittest.main()
