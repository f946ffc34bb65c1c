"""A killed importer loses nothing and doubles nothing: SIGKILL at random points, then the import again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ingest_site as site  # noqa: E402
import ledger_test as lt  # noqa: E402

SEED = int(os.environ.get("LEDGER_TEST_SEED", "20270601"))
KILLS = 20
BATCH = 60
MIXED = 700
PLAIN = 4000


def start_import(db, path):
    environment = {**os.environ, "LEDGER_DB": db, "LEDGER_NOW": site.NOW}
    return subprocess.Popen([lt.LEDGERCTL, "import", "usage", path, "--source", site.GATEWAY, "--batch", str(BATCH)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)


def sessions(db):
    name = db.rsplit("=", 1)[1]
    return int(lt.scalar(lt.server(), f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"))


class KilledImport(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        # Plain batches go in side by side, over two connections; mixed ones alone, in their turn.
        plain = [json.dumps(site.token_record(100000 + n, n * 60)) for n in range(PLAIN)]
        cls.lines = plain[:PLAIN // 2] + site.mixed_lines(SEED, MIXED) + plain[PLAIN // 2:]
        cls.path = lt.write_file("\n".join([*cls.lines, ""]), "mixed.ndjson")
        db = site.new_book("whole")
        begin = time.monotonic()
        with start_import(db, cls.path) as process:
            cls.exit_code = process.wait()
        cls.seconds = time.monotonic() - begin
        cls.digest = site.digest(db)
        lt.drop_db(db)

    def test_killed_imports_leave_the_book_of_an_undisturbed_one(self):
        self.assertEqual(self.exit_code, 3, "some are quarantined")
        chance = random.Random(SEED)
        kills = 0
        while kills < KILLS:
            db = site.new_book("killed")
            # Several kills a book, each somewhere in what is left to do, so that replays are killed too.
            for _ in range(4):
                process = start_import(db, self.path)
                time.sleep(chance.random() * self.seconds)
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                process.wait()
            lt.eventually(lambda book=db: sessions(book) == 0, 30)
            with start_import(db, self.path) as process:
                self.assertEqual(process.wait(), 3)
            self.assertEqual(site.digest(db), self.digest)
            self.assertTrue(lt.ctl_json(["verify"], db=db)["ok"])
            lt.drop_db(db)

    def test_a_session_that_the_server_ends_is_told_and_made_good(self):
        db = site.new_book("ended")
        name = db.rsplit("=", 1)[1]
        process = start_import(db, self.path)
        time.sleep(self.seconds / 2)
        lt.psql(lt.server(), f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}';")
        self.assertIn(process.wait(), (3, 4), "it went on over a new connection, or said that the database is away")
        with start_import(db, self.path) as process:
            self.assertEqual(process.wait(), 3)
        self.assertEqual(site.digest(db), self.digest)
        lt.drop_db(db)


if __name__ == "__main__":
    unittest.main()
