"""The mapping files that come along read every body that is kept here as the parsers did that they took the place of.

tests/golden/mappings/NAME.json holds what those made of each file: written once, by them.
"""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt  # noqa: E402

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mappings")
DRIVER = os.path.join(lt.BUILD, "tests", "property", "import_driver")
WITHOUT = (None, "", {}, "0")


def told(item):
    """What of an item counts: its raw text aside, and of what was skipped only why."""
    if item.get("kind") == "skipped":
        return {"kind": "skipped", "reason": item["reason"]}
    return {key: value for key, value in item.items() if key != "raw" and value not in WITHOUT}


class Mappings(unittest.TestCase):
    maxDiff = None

    def compare(self, form, read_as):
        with open(os.path.join(FOLDER, f"{form}.json"), encoding="utf-8") as file:
            golden = json.load(file)
        self.assertGreater(len(golden), 20)
        records = 0
        for path, items in golden.items():
            with self.subTest(path):
                done = subprocess.run([DRIVER, read_as, path], cwd=lt.ROOT, capture_output=True, check=True)
                self.assertEqual([told(json.loads(row)) for row in done.stdout.splitlines()], items)
                records += sum(item.get("kind") == "record" for item in items)
        self.assertGreater(records, 2)

    def test_as_they_are_built_in(self):
        for form in ("litellm", "envoy"):
            with self.subTest(form):
                self.compare(form, form)

    def test_as_files(self):
        for form in ("litellm", "envoy"):
            with self.subTest(form):
                self.compare(form, f"mapping:{os.path.join(lt.ROOT, 'contrib', 'mappings', form)}.json")


if __name__ == "__main__":
    unittest.main()
