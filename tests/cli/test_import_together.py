"""Importers side by side: the same records, in other versions and orders, by several processes at once."""

import json
import os
import random
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("../lib", "."):
    sys.path.insert(0, os.path.join(HERE, folder))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402

RECORDS = 2000
PROJECTS = ("h1", "h2", "g1")


def job(number, hours, seen_day, project):
    return {"source": "slurm:a", "id": f"{number}@1", "project": project, "user": f"u{number % 9}", "class": "cpu",
            "start": "2027-06-30T12:00:00+09:00", "end": f"2027-07-01T{hours:02d}:00:00+09:00", "state": "final",
            "meters": {"cpu": "1"}, "seen": f"2027-07-{seen_day:02d}T00:00:00+09:00"}


def versions(chance, version):
    """Every record once in this version, some in an older one as well, shuffled."""
    rows = [job(i, (version * 3 + i) % 20, version + 5, PROJECTS[(i + version) % 3]) for i in range(RECORDS)]
    rows += [job(chance.randrange(RECORDS), 7, 4, "h1") for _ in range(RECORDS // 5)]
    chance.shuffle(rows)
    return lt.write_file("".join(json.dumps(row) + "\n" for row in rows))


def start(db, file):
    environment = dict(os.environ, LEDGER_DB=db, LEDGER_NOW=site.LATER)
    return subprocess.Popen([lt.LEDGERCTL, "import", "usage", file, "--source", "x", "--batch", "200", "--json"],
                            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def balances(db):
    return [lt.ctl_json(["balance", project], db=db)["posted"] for project in PROJECTS]


class Together(unittest.TestCase):
    def test_importers_at_once_leave_the_book_of_one_after_the_other(self):
        chance = random.Random(5)
        files = [versions(chance, version) for version in range(3)]
        alone, together = site.new_book("alone"), site.new_book("together")
        for file in files:
            lt.ctl(["import", "usage", file, "--source", "x"], db=alone, now=site.LATER)
        importers = [start(together, file) for file in [*files, files[0]]]
        for importer in importers:
            out, err = importer.communicate(timeout=120 * lt.SLOWDOWN)
            self.assertEqual((0, ""), (importer.returncode, err))
            counts = json.loads(out)
            self.assertEqual(RECORDS * 6 // 5, counts["read"])
            self.assertEqual(counts["read"], counts["booked"] + counts["amended"] + counts["duplicate"])
        self.assertEqual(balances(alone), balances(together))
        self.assertTrue(lt.ctl_json(["verify"], db=together)["ok"])


if __name__ == "__main__":
    unittest.main()
