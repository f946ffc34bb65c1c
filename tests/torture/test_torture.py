"""The short form of the torture (see torture.py): a few rounds, which between them lose nothing and repeat nothing."""

import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import torture

ROUNDS = 2
SECONDS = 8


class Torture(unittest.TestCase):
    def test_what_was_acknowledged_is_there_once_and_what_was_refused_is_not(self):
        seed = os.environ.get("LEDGER_SEED") or str(random.SystemRandom().randrange(10**9))
        totals = torture.run(ROUNDS, seed, SECONDS)
        for what in torture.OF_EACH:
            self.assertGreater(sum(counts.get(what, 0) for counts in totals), 0, f"no {what}: nothing was tested")
        faults = sum(n for counts in totals for what, n in counts.items() if what.startswith("fault "))
        self.assertGreater(faults, ROUNDS)


if __name__ == "__main__":
    unittest.main()
