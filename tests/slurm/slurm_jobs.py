"""What tests of jobs on a real cluster have in common: what jobs must hold, and that nothing is left of them.

    class Mine(RealJobs): ...              with RealJobs.cluster and RealJobs.site set by setUpModule
    job = self.submit("alice", "-A", "ml", "-p", "gpu", "--gres=gpu:2", "-t", "30")
    self.assert_held(job, "ml", gpu_price(2, 30 * 60))
    self.finish()                          over, read, booked as the oracle says, and nothing held any more
"""

import unittest
from fractions import Fraction

from slurm_site import micro

HOUR = 3600


def gpu_price(gpus, seconds, factor=1):
    """Micro-points of GPU jobs whose GPUs are their dearest meter."""
    return micro(round(Fraction(gpus) * seconds * factor / HOUR, 6))


def cpu_price(cpus, mem_gib, seconds):
    """Micro-points of CPU jobs by the card's three parts."""
    hourly = cpus * Fraction("0.0137") + Fraction(mem_gib) * Fraction("0.0021")
    weighted = Fraction(7, 10) * max(seconds, 5) + Fraction(1, 10) * seconds
    return micro(round(hourly * weighted / HOUR, 6))


def whole_price(nodes, seconds):
    hourly = nodes * (Fraction("4.1") + Fraction(64000, 1024) * Fraction("0.0001"))
    return micro(round(hourly * seconds / HOUR, 6))


class RealJobs(unittest.TestCase):
    cluster = site = None
    projects = ("ml", "bio")  # that hold nothing when a test is over

    def setUp(self):
        self.jobs = []

    def tearDown(self):
        self.cluster.cancel(self.jobs)

    def submit(self, user, *args, **options):
        job = self.cluster.sbatch(user, *args, **options)
        self.jobs.append(job)
        return job

    def assert_held(self, job, project, points, parts=1):
        self.assertEqual(self.site.hold_of(self.cluster, job), (project, points, parts, "open"))

    def finish(self, cancel=False, count=None):
        """All jobs of the test are over, read, and booked as the oracle says; no hold is left. Their rows (so many)."""
        if cancel:
            self.cluster.cancel(self.jobs)
        rows = self.cluster.wait_recorded(self.jobs, count)
        self.site.wait_round()
        self.site.check_booked(self, rows)
        self.assert_nothing_is_held()
        return rows

    def assert_nothing_is_held(self):
        self.assertEqual([hold for hold in self.site.holds() if hold[1] in self.projects], [])
        for project in self.projects:
            self.assertEqual([self.site.balance(project)[part] for part in ("held", "accrued")], [0, 0], project)

    def give_up(self):
        """The jobs, which wait, are cancelled: all is back with the next round that has seen them."""
        self.site.wait_round()
        self.cluster.cancel(self.jobs)
        self.site.wait_round()
        self.assert_nothing_is_held()
