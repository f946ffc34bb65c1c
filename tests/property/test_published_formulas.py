#!/usr/bin/env python3
"""Rate cards for published rules of real centres give the amounts of those rules.

Each test writes a centre's formula down as the centre publishes it, computes the
amount from it with plain fractions (never through the oracle), and compares it with what
the C rating makes of the card in cards/. Where a centre's coefficients could not be
had, a card carries the shape of its rule with plausible numbers:
priorities of TSUBAME4 are TSUBAME3's, ABCI's dates of change and SQUID's season and
fuel are examples.

    TSUBAME3   ceil(nodes x type x priority x (0.7 x max(actual s, 300) + 0.1 x requested s))
    TSUBAME4   coefficient x n x (0.7 x actual + 0.1 x requested) / 3600, cut below 1/10,000
    ABCI       service x type x priority x count x max(elapsed, minimum) / 3600, cut likewise;
               a job belongs to the month of its submission
    U Tokyo    elapsed x (nodes, GPUs or MIG instances) x coefficient
    SQUID      node-hours x consumption x season x fuel
"""

import itertools
import json
import unittest
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

import rate_driver

CARDS = Path(__file__).resolve().parent / "cards"
JST = timezone(timedelta(hours=9))
DURATIONS_SECONDS = (0, 1, 59, 60, 299, 300, 301, 3599, 3600, 3601, 5 * 3600 + 7, 86400, 259199)
QUANTITIES = (1, 2, 7, 64)


def setUpModule():
    rate_driver.build()


def floor_to(amount, places):
    return Fraction(int(amount * 10**places), 10**places)


def nearest_even(amount, places):
    scaled = amount * 10**places
    return Fraction(round(scaled), 10**places)  # Fraction's round is half to even, and exact


def points(text):
    return Fraction(text)


def cards(*names):
    return [json.loads((CARDS / f"{name}.json").read_text(encoding="utf-8")) for name in names]


def job(source, cls, start, seconds, meters, **fields):
    """A finished job of so many seconds."""
    return {
        "source": source,
        "id": "1@1780000000",
        "project": "p",
        "user": "u",
        "class": cls,
        "start": start.isoformat(),
        "end": (start + timedelta(seconds=seconds)).isoformat(),
        "state": "final",
        "outcome": "completed",
        "elapsed_seconds": seconds,
        "meters": meters,
        "attributes": {},
        **fields,
    }


class Published(unittest.TestCase):
    """Collects (job, expected points) pairs and asks the driver about all of them at once."""

    month_rule = "split"

    def cases(self, card_list, records):
        return [
            {
                "timezone": "Asia/Tokyo",
                "fiscal_year_start": "04-01",
                "month_rule": self.month_rule,
                "cards": card_list,
                "record": record,
            }
            for record in records
        ]

    def compare(self, card_list, pairs):
        self.assertGreater(len(pairs), 0)
        answers = rate_driver.answers(self.cases(card_list, [record for record, _ in pairs]))
        for (record, expected), got in zip(pairs, answers):
            self.assertNotIn("error", got, record)
            self.assertEqual(points(got["points"]), expected, (record, got))
            self.assertEqual(got["points"], got["list_points"])
        return answers


class Tsubame4(Published):
    TYPES = {"node_f": "1", "node_h": "0.5", "node_q": "0.25", "node_o": "0.125"}
    PRIORITIES = {"-5": 1, "-4": 2, "-3": 4}

    def test_formula_and_truncation(self):
        pairs, cut = [], 0
        grid = itertools.product(self.TYPES, self.PRIORITIES, QUANTITIES, DURATIONS_SECONDS, (0, 600, 86400))
        for kind, priority, nodes, actual, requested in grid:
            coefficient = Fraction(self.TYPES[kind]) * self.PRIORITIES[priority]
            exact = coefficient * nodes * (Fraction("0.7") * actual + Fraction("0.1") * requested) / 3600
            expected = floor_to(exact, 4)
            cut += expected != exact
            start = datetime(2026, 6, 10, 9, tzinfo=JST)
            record = job("slurm:tsubame4", kind, start, actual, {"node": nodes}, qos=priority)
            pairs.append(({**record, "requested_seconds": requested}, expected))
        self.assertGreater(cut, 50)
        self.compare(cards("tsubame4"), pairs)

    def test_a_job_of_one_second_is_cut_to_its_four_digits(self):
        # 0.125 x (0.7 x 1 + 0.1 x 60) / 3600 = 0.00023263…
        record = job("slurm:tsubame4", "node_o", datetime(2026, 6, 10, tzinfo=JST), 1, {"node": 1}, qos="-5")
        self.compare(cards("tsubame4"), [({**record, "requested_seconds": 60}, Fraction("0.0002"))])


class Tsubame3(Published):
    """Both times are weighted by nodes, type and priority here.

    A reading of the rule that leaves 0.1 x requested seconds outside of the product is the same where
    that weight is 1 (one full node, lowest priority), and is otherwise no formula of a card.
    """

    TYPES = {"f_node": "1", "h_node": "0.5", "q_node": "0.25"}
    PRIORITIES = {"-5": 1, "-4": 2, "-3": 4}

    def test_formula_minimum_and_ceiling(self):
        pairs = []
        grid = itertools.product(self.TYPES, self.PRIORITIES, QUANTITIES, DURATIONS_SECONDS, (0, 601, 86400))
        for kind, priority, nodes, actual, requested in grid:
            weight = nodes * Fraction(self.TYPES[kind]) * self.PRIORITIES[priority]
            exact = weight * (Fraction("0.7") * max(actual, 300) + Fraction("0.1") * requested)
            expected = Fraction(-(-exact.numerator // exact.denominator))
            start = datetime(2022, 6, 10, 9, tzinfo=JST)
            record = job("slurm:tsubame3", kind, start, actual, {"node": nodes}, qos=priority)
            pairs.append(({**record, "requested_seconds": requested}, expected))
        self.compare(cards("tsubame3"), pairs)


class Abci(Published):
    """Rates of 1.00, 0.50 and 1.00 in one fiscal year: three dated cards."""

    month_rule = "submit"
    CARDS = ("abci-2026-1", "abci-2026-2", "abci-2026-3")
    RATES = (
        (datetime(2026, 4, 1, tzinfo=JST), Fraction(1)),
        (datetime(2026, 10, 1, tzinfo=JST), Fraction(1, 2)),
        (datetime(2027, 1, 1, tzinfo=JST), Fraction(1)),
    )
    TYPES = {"rt_HF": 15, "rt_HG": 3, "rt_HC": 1}
    SERVICES = {"spot": Fraction(1), "on-demand": Fraction(1), "reserved": Fraction("1.5")}
    PRIORITIES = {"normal": Fraction(1), "high": Fraction("1.5")}
    MINIMUM_SECONDS = Fraction("1.8")

    def rate_at(self, instant):
        return [rate for start, rate in self.RATES if start <= instant][-1]

    def rated_seconds(self, start, seconds):
        """Seconds times the rate in force at each of them."""
        edges = [edge for edge, _ in self.RATES if start < edge < start + timedelta(seconds=seconds)]
        ends = [*edges, start + timedelta(seconds=seconds)]
        return sum(
            self.rate_at(low) * Fraction((high - low) // timedelta(seconds=1))
            for low, high in zip([start, *edges], ends)
        )

    def record(self, start, seconds, kind="rt_HF", service="spot", priority="normal", count=1):
        fields = {"qos": priority, "attributes": {"service": service}}
        return job("slurm:abci", kind, start, seconds, {"node": count}, **fields)

    def expected(self, start, seconds, kind="rt_HF", service="spot", priority="normal", count=1):
        factor = self.SERVICES[service] * self.TYPES[kind] * self.PRIORITIES[priority] * count
        short = max(Fraction(0), self.MINIMUM_SECONDS - seconds)
        rated = self.rated_seconds(start, seconds) + self.rate_at(start) * short
        return floor_to(factor * rated / 3600, 4)

    def test_formula_within_each_rate(self):
        pairs = []
        starts = [edge + timedelta(days=20, seconds=3) for edge, _ in self.RATES]
        grid = itertools.product(
            starts, self.TYPES, self.SERVICES, self.PRIORITIES, QUANTITIES, DURATIONS_SECONDS
        )
        for start, kind, service, priority, count, seconds in grid:
            one = (start, seconds, kind, service, priority, count)
            pairs.append((self.record(*one), self.expected(*one)))
        self.compare(cards(*self.CARDS), pairs)

    def test_a_job_below_the_minimum_pays_the_minimum(self):
        # 64 x 15 x 1.8 / 3600
        start = datetime(2026, 6, 10, tzinfo=JST)
        for seconds in (0, 1):
            pairs = [(self.record(start, seconds, count=64), Fraction("0.48"))]
            self.compare(cards(*self.CARDS), pairs)

    def test_the_rate_changes_in_mid_year(self):
        amounts = []
        for edge, _ in self.RATES:
            record = self.record(edge + timedelta(days=3), 3600)
            amounts.append(rate_driver.answer(self.cases(cards(*self.CARDS), [record])[0])["points"])
        self.assertEqual(amounts, ["15.000000", "7.500000", "15.000000"])

    def test_a_job_over_the_change_pays_each_part_at_its_rate(self):
        pairs = []
        for edge, _ in self.RATES[1:]:
            for before, after in ((3600, 3600), (1, 86400), (86399, 1), (7, 13)):
                one = (edge - timedelta(seconds=before), before + after, "rt_HG", "reserved", "high", 3)
                pairs.append((self.record(*one), self.expected(*one)))
        whole_year = (datetime(2026, 9, 30, 23, tzinfo=JST), 100 * 86400)
        pairs.append((self.record(*whole_year), self.expected(*whole_year)))
        self.compare(cards(*self.CARDS), pairs)

    def test_a_job_belongs_to_its_submission_month(self):
        start = datetime(2026, 6, 30, 23, tzinfo=JST)
        record = {**self.record(start, 7200), "submitted": "2026-05-31T23:59:59+09:00"}
        got = self.compare(cards(*self.CARDS), [(record, Fraction(30))])[0]
        self.assertEqual([s["month"] for s in got["slices"]], ["2026-05"])
        self.assertEqual(got["slices"][0]["points"], "30.000000")


class UTokyo(Published):
    def test_formula(self):
        kinds = (
            ("slurm:wisteria", "odyssey-regular", "node", "1.00"),
            ("slurm:wisteria", "odyssey-priority", "node", "1.50"),
            ("slurm:wisteria", "aquarius-regular", "gpu", "3.00"),
            ("slurm:miyabi", "regular-mig", "mig", "0.25"),
            ("slurm:miyabi", "debug-mig", "mig", "0.25"),
        )
        pairs = []
        for (source, cls, meter, coefficient), count, seconds in itertools.product(
            kinds, QUANTITIES, DURATIONS_SECONDS
        ):
            exact = Fraction(seconds, 3600) * count * Fraction(coefficient)
            start = datetime(2026, 6, 29, 12, tzinfo=JST)
            pairs.append((job(source, cls, start, seconds, {meter: count}), nearest_even(exact, 6)))
        self.compare(cards("utokyo"), pairs)

    def test_interactive_work_is_free_because_the_card_says_so(self):
        start = datetime(2026, 6, 10, tzinfo=JST)
        pairs = [
            (job("slurm:wisteria", "interactive-o", start, 3600, {"node": 12}), Fraction(0)),
            (job("slurm:wisteria", "interactive-a", start, 3600, {"gpu": 8}), Fraction(0)),
            (job("slurm:miyabi", "interact-mig", start, 3600, {"mig": 1}), Fraction(0)),
        ]
        self.compare(cards("utokyo"), pairs)

    def test_a_queue_that_no_rule_knows_is_not_free(self):
        start = datetime(2026, 6, 10, tzinfo=JST)
        record = job("slurm:miyabi", "regular-g", start, 3600, {"node": 1})
        got = rate_driver.answer(self.cases(cards("utokyo"), [record])[0])
        self.assertEqual(got, {"error": "no_rate"} | got)
        self.assertNotIn("points", got)

    def test_gpu_job_without_gpus_is_not_free(self):
        start = datetime(2026, 6, 10, tzinfo=JST)
        record = job("slurm:wisteria", "aquarius-regular", start, 3600, {"gpu": 0, "node": 1})
        got = rate_driver.answer(self.cases(cards("utokyo"), [record])[0])
        self.assertEqual(got["error"], "meter_required")


class Squid(Published):
    """Season and fuel are named constants of a dated card: tables that know nothing but `*`."""

    CARDS = ("squid-2026-1", "squid-2026-2")
    CONSUMPTION = {
        "cpu": {"high": "0.3746", "normal": "0.2998", "shared": "0.2248"},
        "gpu": {"high": "2.2934", "normal": "1.8348", "shared": "1.3762"},
        "vector": {"high": "1.4140", "normal": "1.1312", "shared": "0.8484"},
    }
    CHANGE = datetime(2026, 10, 1, tzinfo=JST)
    SEASON_FUEL = (Fraction(1) * 1, Fraction("0.8") * Fraction("1.1"))

    def coefficients(self):
        return [(k, p, Fraction(v)) for k, t in self.CONSUMPTION.items() for p, v in t.items()]

    def test_formula_in_both_seasons(self):
        pairs = []
        starts = ((datetime(2026, 6, 10, tzinfo=JST), 0), (datetime(2026, 11, 10, tzinfo=JST), 1))
        grid = itertools.product(starts, self.coefficients(), QUANTITIES, DURATIONS_SECONDS)
        for (start, season), (kind, priority, consumption), nodes, seconds in grid:
            exact = Fraction(seconds * nodes, 3600) * consumption * self.SEASON_FUEL[season]
            record = job("slurm:squid", kind, start, seconds, {"node": nodes}, qos=priority)
            pairs.append((record, nearest_even(exact, 6)))
        self.compare(cards(*self.CARDS), pairs)

    def test_a_job_over_the_change_of_season(self):
        pairs = []
        for (kind, priority, consumption), before, after in itertools.product(
            self.coefficients(), (1, 3600, 100000), (1, 1800, 99999)
        ):
            weighted = before * self.SEASON_FUEL[0] + after * self.SEASON_FUEL[1]
            start = self.CHANGE - timedelta(seconds=before)
            record = job("slurm:squid", kind, start, before + after, {"node": 3}, qos=priority)
            pairs.append((record, nearest_even(3 * consumption * weighted / 3600, 6)))
        for got in self.compare(cards(*self.CARDS), pairs):
            self.assertEqual([s["month"] for s in got["slices"]], ["2026-09", "2026-10"])


if __name__ == "__main__":
    unittest.main()
