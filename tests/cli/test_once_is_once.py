"""Once is once: any order, duplication and batch size of the same records leaves the same book."""

import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ingest_site as site  # noqa: E402
import ledger_test as lt  # noqa: E402

SEED = int(os.environ.get("LEDGER_TEST_SEED", "20270601"))


def imported(lines, batches, now=site.NOW):
    """A new book with these lines, read in one import a batch size; its counts add up."""
    db = site.new_book("once")
    for batch in batches:
        counts = site.import_usage(db, lines, expect=3, now=now, batch=batch)
        total = sum(counts[name] for name in ("booked", "amended", "duplicate", "quarantined"))
        assert counts["read"] == total == len(lines), counts
    return db


class OnceIsOnce(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lines = site.mixed_lines(SEED, 400)
        cls.book = imported(cls.lines, [None])
        cls.digest = site.digest(cls.book)

    def assert_same_book(self, db):
        self.assertEqual(site.digest(db), self.digest)
        self.assertTrue(lt.ctl_json(["verify"], db=db)["ok"])
        lt.drop_db(db)

    def test_the_book_has_something_of_everything(self):
        parts = ("balance", "record", "content", "charge", "usage total", "meter total", "position", "draw",
                 "accrual", "quarantine", "source")
        for part in parts:
            self.assertIn(part, self.digest)
        self.assertTrue(lt.ctl_json(["verify"], db=self.book)["ok"])

    def test_read_again_changes_nothing(self):
        before = site.digest(self.book)
        counts = site.import_usage(self.book, self.lines, expect=3)
        self.assertEqual((counts["booked"], counts["amended"], counts["points"]), (0, 0, "0.000000"))
        self.assertEqual(site.digest(self.book), before)

    def test_any_order_leaves_the_same_book(self):
        for turn in range(3):
            lines = self.lines[:]
            random.Random(f"{SEED}-{turn}").shuffle(lines)
            self.assert_same_book(imported(lines, [None]))

    def test_any_batch_size_leaves_the_same_book(self):
        for batch in (1, 7, 100):
            self.assert_same_book(imported(self.lines, [batch]))

    def test_duplicates_in_any_order_and_batch_leave_the_same_book(self):
        lines = self.lines * 3
        random.Random(SEED).shuffle(lines)
        self.assert_same_book(imported(lines, [50]))

    def test_parts_in_any_order_leave_the_same_book(self):
        lines = self.lines[:]
        random.Random(SEED + 1).shuffle(lines)
        db = site.new_book("parts")
        for part in (lines[200:], lines[:250], lines[100:]):
            site.import_usage(db, part, expect=3)
        self.assert_same_book(db)


class Versions(unittest.TestCase):
    """Versions of a job that tell nothing of when they were seen: the one read last is the latest."""

    def setUp(self):
        self.db = site.new_book("versions")

    def tearDown(self):
        self.assertTrue(lt.ctl_json(["verify"], db=self.db)["ok"])
        lt.drop_db(self.db)

    def spent(self, project="h1"):
        return lt.ctl_json(["balance", project], db=self.db, now=site.NOW)["spent"]

    def test_an_amendment_books_the_difference_both_ways_and_over_months(self):
        last_day = 29 * 86400 + 12 * 3600  # 30 June, noon
        first = site.import_slurm(self.db, [site.job_row(1, last_day, 6 * 3600)])
        longer = site.import_slurm(self.db, [site.job_row(1, last_day, 24 * 3600)])
        self.assertEqual((longer["read"], longer["amended"]), (1, 1))
        july = lt.scalar(self.db, "SELECT sum(points_micro) FROM ledger.charge WHERE month = '2027-07-01'")
        self.assertGreater(int(july), 0)
        shorter = site.import_slurm(self.db, [site.job_row(1, last_day, 3600)], now="2027-08-21T00:00:00Z")
        self.assertEqual(shorter["amended"], 1)
        self.assertLess(float(shorter["points"]), 0)
        july = lt.scalar(self.db, "SELECT sum(points_micro) FROM ledger.charge WHERE month = '2027-07-01'")
        self.assertEqual(int(july), 0)
        again = site.import_slurm(self.db, [site.job_row(1, last_day, 24 * 3600)], now="2027-08-22T00:00:00Z")
        self.assertEqual((again["duplicate"], again["points"]), (1, "0.000000"), "an old file is no amendment")
        total = sum(round(float(counts["points"]) * 1000000) for counts in (first, longer, shorter))
        self.assertEqual(f"{total / 1000000:.6f}", self.spent())

    def test_an_amendment_moves_a_job_to_another_project(self):
        site.import_slurm(self.db, [site.job_row(1, 86400, 7200, project="h1")])
        was = self.spent()
        site.import_slurm(self.db, [site.job_row(1, 86400, 7200, project="i1")], now="2027-08-21T00:00:00Z")
        self.assertEqual(self.spent("i1"), was)
        self.assertEqual(self.spent("h1"), "0.000000")
        self.assertEqual(lt.query(self.db, "SELECT project_id FROM ledger.meter_total WHERE amount <> 0 "
                                           "GROUP BY project_id"), [["i1"]])

    def test_running_work_accrues_until_it_ends(self):
        rows = [site.job_row(1, 0, seconds, state="RUNNING") for seconds in (3600, 7200)]
        self.assertEqual(site.import_slurm(self.db, rows[:1])["booked"], 1)
        first = lt.ctl_json(["balance", "h1"], db=self.db, now=site.NOW)["accrued"]
        moved = site.import_slurm(self.db, rows[1:])
        self.assertEqual((moved["amended"], moved["points"]), (1, "0.000000"))
        self.assertEqual(site.import_slurm(self.db, rows)["duplicate"], 2)
        second = lt.ctl_json(["balance", "h1"], db=self.db, now=site.NOW)["accrued"]
        self.assertGreater(float(second), float(first))
        done = site.import_slurm(self.db, [site.job_row(1, 0, 9000)])
        self.assertEqual(done["booked"], 1)
        balance = lt.ctl_json(["balance", "h1"], db=self.db, now=site.NOW)
        self.assertEqual((balance["accrued"], balance["spent"]), ("0.000000", done["points"]))
        self.assertEqual(site.import_slurm(self.db, rows)["duplicate"], 2, "it has ended")

    def test_a_later_sighting_of_an_older_version_wins_back(self):
        jobs = {name: site.ledger_job(1, 0, seconds) for name, seconds in (("a", 3600), ("b", 7200))}
        order = [("a", "01"), ("b", "02"), ("a", "03")]
        digests = []
        for turn in ([0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 2, 0]):
            db = site.new_book("turn")
            for i in turn:
                name, day = order[i]
                site.import_usage(db, [{**jobs[name], "seen": f"2027-08-{day}T00:00:00Z"}])
            digests.append(site.digest(db)["charge"])
            lt.drop_db(db)
        self.assertEqual(len(set(digests)), 1)
        site.import_usage(self.db, [{**jobs["a"], "seen": "2027-08-03T00:00:00Z"}])
        self.assertEqual(site.digest(self.db)["charge"], digests[0])

    def test_other_sources_conflict(self):
        site.import_usage(self.db, [site.token_record(1, 0)])
        before = site.digest(self.db)["balance"]
        counts = site.import_usage(self.db, [site.token_record(1, 0, tokens=(1, 1))], expect=3)
        self.assertEqual(counts["quarantined"], 1)
        entry = lt.ctl_json(["quarantine", "list"], db=self.db)[0]
        self.assertEqual((entry["reason"], entry["id"]), ("conflict", "req-000001"))
        self.assertIn('"input_tokens":"1000"', entry["detail"])
        self.assertEqual(site.digest(self.db)["balance"], before)
        self.assertEqual(site.import_usage(self.db, [site.token_record(1, 0)])["duplicate"], 1)


if __name__ == "__main__":
    unittest.main()
