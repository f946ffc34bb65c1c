#!/usr/bin/env python3
"""The C rating agrees with an independent exact oracle, to the last micro-point.

Three parts: the oracle against amounts worked out by hand (no driver needed),
the generator against the list of things it must cover, and the driver against
the oracle on thousands of random cases. LEDGER_SEED draws other cases; a failure
prints the seed and the smallest case that still fails.
"""

import collections
import functools
import json
import os
import unittest

import generators
import rate_driver
import rate_oracle
import shrink

SEED = int(os.environ.get("LEDGER_SEED", generators.DEFAULT_SEED))
CASES_MIN = 2500
FAILURES_SHOWN = 5


@functools.lru_cache(maxsize=None)
def drawn():
    """[(family, case, the oracle's answer)], made once."""
    return [(f, case, rate_oracle.rate(case)) for f, case in generators.cases(SEED)]


# ---- the oracle by hand ------------------------------------------------------


def rule(**changes):
    return {"source": "*", "class": "*", "per_hour": {"gpu": "1"}, **changes}


def card(*rules, places=6, mode="half_even", start="2027-04-01T00:00:00+09:00", name="c"):
    rounding = {"places": places, "mode": mode}
    return {"card": name, "effective_from": start, "rounding": rounding, "rules": list(rules or [rule()])}


def case(start, end, *cards, zone="Asia/Tokyo", month_rule="split", **fields):
    record = {
        "source": "slurm:sdli",
        "class": "gpu",
        "start": start,
        "end": end,
        "state": "final",
        "meters": {"gpu": 1},
        **fields,
    }
    return {
        "timezone": zone,
        "fiscal_year_start": "04-01",
        "month_rule": month_rule,
        "cards": list(cards or [card()]),
        "record": record,
    }


def june(start_time, end_time, *cards, **fields):
    return case(f"2027-06-10T{start_time}+09:00", f"2027-06-10T{end_time}+09:00", *cards, **fields)


class OracleByHand(unittest.TestCase):
    """Each expected amount is worked out in the comment or is evident."""

    def amounts(self, one):
        got = rate_oracle.rate(one)
        self.assertNotIn("error", got)
        return got["points"], got["list_points"]

    def slices(self, one):
        return [(s["month"], s["points"]) for s in rate_oracle.rate(one)["slices"]]

    def reasons(self, one):
        return rate_oracle.rate(one).get("any_of")

    def test_hours_times_quantity(self):
        one = june("00:00:00", "23:00:00", meters={"gpu": "4"})
        self.assertEqual(self.amounts(one), ("92.000000", "92.000000"))
        got = rate_oracle.rate(one)
        self.assertEqual((got["card"], got["rule"]), ("c", 0))
        self.assertEqual(got["slices"][0]["month"], "2027-06")

    def test_sum_and_max(self):
        prices = {"gpu": "1", "cpu": "0.0138", "mem_gib": "0.002"}
        meters = {"gpu": 4, "cpu": 72, "mem_gib": 480}
        # 4 + 0.9936 + 0.96
        one = june("00:00:00", "01:00:00", card(rule(per_hour=prices)), meters=meters)
        self.assertEqual(self.amounts(one)[0], "5.953600")
        one = june("00:00:00", "01:00:00", card(rule(per_hour=prices, combine="max")), meters=meters)
        self.assertEqual(self.amounts(one)[0], "4.000000")

    def test_elapsed_seconds_replaces_the_width(self):
        one = june("00:00:00", "02:00:00", elapsed_seconds=1800)
        self.assertEqual(self.amounts(one)[0], "0.500000")
        one = june("00:00:00", "01:00:00", elapsed_seconds="7200.36")
        self.assertEqual(self.amounts(one)[0], "2.000100")

    def test_minimum_fills_up(self):
        # 0.5 x (60 + 240) / 3600 = 0.0416666…
        priced = rule(basis={"elapsed": "0.5", "requested": "0", "min_seconds": 300})
        self.assertEqual(self.amounts(june("00:00:00", "00:01:00", card(priced)))[0], "0.041667")
        self.assertEqual(self.amounts(june("00:00:00", "01:00:00", card(priced)))[0], "0.500000")

    def test_requested_part(self):
        # (0.7 x 3600 + 0.1 x 7200) / 3600
        priced = rule(basis={"elapsed": "0.7", "requested": "0.1", "min_seconds": 0})
        one = june("00:00:00", "01:00:00", card(priced), requested_seconds=7200)
        self.assertEqual(self.amounts(one)[0], "0.900000")
        one = june("00:00:00", "01:00:00", card(priced))
        self.assertEqual(self.amounts(one)[0], "0.700000")

    def test_a_card_that_changes_in_mid_record(self):
        old, new = card(), card(rule(per_hour={"gpu": "0.5"}), start="2027-06-10T01:00:00+09:00", name="n")
        self.assertEqual(self.amounts(june("00:00:00", "03:00:00", new, old))[0], "2.000000")
        # the suspended half counts evenly over both
        one = june("00:00:00", "03:00:00", new, old, elapsed_seconds=5400)
        self.assertEqual(self.amounts(one)[0], "1.000000")
        self.assertEqual(rate_oracle.rate(one)["card"], "c")

    def test_requested_minimum_and_rounding_follow_the_card_at_start(self):
        weights = {"elapsed": "1", "requested": "1", "min_seconds": 0}
        old = card(rule(basis=weights), places=0, mode="ceil")
        new = card(rule(per_hour={"gpu": "9"}), start="2027-06-10T00:30:00+09:00", name="n")
        # 0.5 + 4.5 + 2.3 -> 8
        one = june("00:00:00", "01:00:00", old, new, requested_seconds=8280)
        self.assertEqual(self.amounts(one)[0], "8.000000")

    def test_counts_follow_the_card_at_end(self):
        prices = {"per_hour": {}, "per_million": {"input_tokens": "2"}}
        old, new = card(rule(**prices)), card(
            rule(per_hour={}, per_million={"input_tokens": "3"}, factors={"qos": {"low": "0.5", "*": "1"}}),
            start="2027-06-10T01:00:00+09:00",
            name="n",
        )
        fields = {"meters": {"input_tokens": 1_000_000}, "qos": "low"}
        self.assertEqual(self.amounts(june("00:00:00", "01:00:00", old, new, **fields))[0], "1.500000")
        self.assertEqual(self.amounts(june("00:00:00", "00:59:59", old, new, **fields))[0], "2.000000")
        self.assertEqual(self.amounts(june("01:00:00", "01:00:00", old, new, **fields))[0], "1.500000")

    def test_no_width(self):
        one = june("00:00:00", "00:00:00", elapsed_seconds=30)
        self.assertEqual(self.amounts(one)[0], "0.008333")
        self.assertEqual(self.amounts(june("00:00:00", "00:00:00"))[0], "0.000000")

    def test_slices_are_differences_of_the_rounded_whole(self):
        # C: 0.5 at the edge, 1.5 at the end; half_even at 0 places: 0, then 2
        half = card(rule(per_hour={"gpu": "0.5"}), places=0)
        one = case("2027-06-30T23:00:00+09:00", "2027-07-01T02:00:00+09:00", half)
        self.assertEqual(self.slices(one), [("2027-07", "2.000000")])
        half["rounding"]["mode"] = "half_up"
        self.assertEqual(self.slices(one), [("2027-06", "1.000000"), ("2027-07", "1.000000")])

    def test_months_are_the_sites(self):
        span = ("2027-06-30T14:00:00Z", "2027-06-30T16:00:00Z")
        self.assertEqual(self.slices(case(*span)), [("2027-06", "1.000000"), ("2027-07", "1.000000")])
        self.assertEqual(self.slices(case(*span, zone="UTC")), [("2027-06", "2.000000")])
        # Berlin is two hours ahead in June: 22:00 UTC is its midnight
        span = ("2027-06-30T21:30:00Z", "2027-06-30T22:30:00Z")
        berlin = case(*span, zone="Europe/Berlin")
        self.assertEqual(self.slices(berlin), [("2027-06", "0.500000"), ("2027-07", "0.500000")])

    def test_month_of_the_end_part(self):
        priced = card(rule(basis={"elapsed": "1", "requested": "1", "min_seconds": 0}))
        fields = {"requested_seconds": 7200, "submitted": "2027-04-30T23:59:59.999999+09:00"}
        span = ("2027-06-30T23:00:00+09:00", "2027-07-01T00:00:00+09:00")
        for month_rule, month in (("split", 6), ("start", 6), ("end", 6), ("submit", 4)):
            one = case(*span, priced, month_rule=month_rule, **fields)
            self.assertEqual(self.slices(one), [(f"2027-{month:02d}", "3.000000")], month_rule)
        span = ("2027-06-30T23:00:00+09:00", "2027-07-01T00:00:00.000001+09:00")
        one = case(*span, priced, **fields)
        self.assertEqual(self.slices(one), [("2027-06", "1.000000"), ("2027-07", "2.000000")])
        self.assertEqual(self.slices(case(*span, month_rule="end"))[0][0], "2027-07")
        self.assertEqual(self.slices(case(*span, month_rule="submit"))[0][0], "2027-06")

    def test_a_month_that_begins_inside_a_gap(self):
        # Paraguay went from 00:00 to 01:00 on 1 October 2023: 04:00 UTC
        span = ("2023-10-01T03:00:00Z", "2023-10-01T05:00:00Z")
        old = card(start="2020-01-01T00:00:00Z")
        got = self.slices(case(*span, old, zone="America/Asuncion"))
        self.assertEqual(got, [("2023-09", "1.000000"), ("2023-10", "1.000000")])

    def test_running_accrues_the_elapsed_part_alone(self):
        priced = rule(per_million={"shots": "1"}, basis={"elapsed": "1", "requested": "1", "min_seconds": 9999})
        one = june("00:00:00", "01:00:00", card(priced), state="running", requested_seconds=3600)
        one["record"]["meters"]["shots"] = 10**6
        self.assertEqual(self.amounts(one)[0], "1.000000")
        self.assertEqual(self.slices(june("00:00:00", "00:00:00", state="running")), [])

    def test_discount_and_its_rounding(self):
        def booked(mode, discount):
            return self.amounts(june("00:00:00", "01:00:00", card(rule(discount=discount), mode=mode)))

        self.assertEqual(booked("half_even", "0.333333333"), ("0.666667", "1.000000"))
        self.assertEqual(booked("truncate", "0.333333333"), ("0.666666", "1.000000"))
        self.assertEqual(booked("half_even", "1"), ("0.000000", "1.000000"))

    def test_rounding_modes_at_a_tie(self):
        expected = {
            "half_even": ("0.000000", "2.000000", "2.000000"),
            "half_up": ("1.000000", "2.000000", "3.000000"),
            "truncate": ("0.000000", "1.000000", "2.000000"),
            "ceil": ("1.000000", "2.000000", "3.000000"),
        }
        for mode, amounts in expected.items():
            for price, amount in zip(("0.5", "1.5", "2.5"), amounts):
                one = june("00:00:00", "01:00:00", card(rule(per_hour={"gpu": price}), places=0, mode=mode))
                self.assertEqual(self.amounts(one)[0], amount, (mode, price))

    def test_the_last_micro_point(self):
        def at(price, mode):
            one = june("00:00:00", "01:00:00", card(rule(per_hour={"gpu": price}), mode=mode), meters={"gpu": 10})
            return rate_oracle.rate(one)

        self.assertEqual(at("922337203685.477580700", "half_up")["points"], "9223372036854.775807")
        self.assertEqual(at("922337203685.477580750", "truncate")["points"], "9223372036854.775807")
        self.assertEqual(at("922337203685.477580750", "half_up")["error"], "overflow")

    def test_globs(self):
        for pattern, matches in (
            ("gpu", True),
            ("g*", True),
            ("*g*p*u*", True),
            ("**", True),
            ("GPU", False),
            ("g?u", False),
            ("gpu*x", False),
            ("", False),
            ("pu", False),
        ):
            self.assertEqual(rate_oracle.glob_matches(pattern, "gpu"), matches, pattern)
        one = june("00:00:00", "01:00:00", card(rule(**{"class": "cpu*"}), rule(per_hour={"gpu": "3"}), rule()))
        self.assertEqual((self.amounts(one)[0], rate_oracle.rate(one)["rule"]), ("3.000000", 1))

    def test_factor_tables(self):
        tables = {"qos": {"urgent": "2", "*": "5"}, "attributes.part": {"a": "0.5"}}
        one = june("00:00:00", "01:00:00", card(rule(factors=tables)), qos="urgent", attributes={"part": "a"})
        self.assertEqual(self.amounts(one)[0], "1.000000")
        del one["record"]["qos"]
        self.assertEqual(self.amounts(one)[0], "2.500000")
        del one["record"]["attributes"]
        self.assertEqual(self.reasons(one), ["factor_unknown"])

    def test_every_refusal(self):
        span = ("00:00:00", "01:00:00")
        later = card(start="2027-06-10T00:00:01+09:00")
        self.assertEqual(self.reasons(june(*span, later)), ["no_rate"])
        self.assertEqual(self.reasons(june(*span, card(rule(source="x*")))), ["no_rate"])
        self.assertEqual(self.reasons(june(*span, card(), card(rule(source="x"), **vars_of(later)))), ["no_rate"])
        needs = card(rule(require=["cpu"]))
        self.assertEqual(self.reasons(june(*span, needs)), ["meter_required"])
        self.assertEqual(self.reasons(june(*span, needs, meters={"gpu": 1, "cpu": 0})), ["meter_required"])
        self.assertEqual(self.reasons(june(*span, meters={"cpu": 9})), ["meter_unpriced"])
        self.assertEqual(self.amounts(june(*span, meters={"cpu": 9, "gpu": 0}))[0], "0.000000")
        self.assertEqual(self.reasons(june(*span, meters={"gpu": 1, "shots": 1})), ["count_unpriced"])
        self.assertEqual(self.amounts(june(*span, meters={"gpu": 1, "shots": 0}))[0], "1.000000")
        self.assertEqual(self.reasons(june("01:00:00", "00:59:59.999999")), ["bad_interval"])
        both = card(rule(per_million={"gpu": "1"}))
        self.assertEqual(self.reasons(june(*span, both)), ["malformed_card"])
        self.assertEqual(self.reasons(june(*span, meters={"gpu": 1.5})), ["malformed"])


def vars_of(one):
    return {"start": one["effective_from"]}


# ---- what the generator covers -----------------------------------------------


class GeneratorCovers(unittest.TestCase):
    """A generator that silently stopped drawing something would make the comparison worthless."""

    def at_least(self, found, wanted, times):
        for name in wanted:
            self.assertGreaterEqual(found[name], times, f"{name} drawn too seldom: {dict(found)}")

    def test_enough_cases(self):
        self.assertGreaterEqual(len(drawn()), CASES_MIN)
        rated = sum("error" not in expected for _, _, expected in drawn())
        self.assertGreaterEqual(rated, CASES_MIN)

    def test_every_reason(self):
        found = collections.Counter(e["error"] for _, _, e in drawn() if len(e.get("any_of", ())) == 1)
        reasons = (
            "no_rate factor_unknown meter_required meter_unpriced count_unpriced "
            "bad_interval overflow malformed malformed_card"
        )
        self.at_least(found, reasons.split(), 15)

    def test_every_rounding(self):
        found = collections.Counter()
        for _, one, expected in drawn():
            if "error" not in expected:
                start = next(c for c in one["cards"] if c["card"] == expected["card"])
                rounding = start.get("rounding", {"places": None, "mode": "absent"})
                found[(rounding["places"], rounding["mode"])] += 1
        wanted = [(places, mode) for places in range(7) for mode in rate_oracle.ROUNDING_MODES]
        wanted.append((None, "absent"))
        self.at_least(found, wanted, 15)

    def test_every_shape(self):
        found = collections.Counter()
        for _, one, expected in drawn():
            record = one["record"]
            if "error" in expected:
                continue
            found[one["month_rule"]] += 1
            found[record["state"]] += 1
            found[f"{min(3, len(expected['slices']))} slices"] += 1
            found[f"{min(4, len(one['cards']))} cards"] += 1
            found["instant"] += record["start"] == record["end"]
            found["elapsed"] += "elapsed_seconds" in record
            found["points below list"] += expected["points"] != expected["list_points"]
            found["nothing"] += expected["list_points"] == "0.000000"
            found["beyond 10^9"] += len(expected["list_points"]) > 16
        wanted = "split start end submit running final instant elapsed nothing".split()
        wanted += ["1 slices", "2 slices", "3 slices", "1 cards", "2 cards", "3 cards", "4 cards"]
        self.at_least(found, wanted + ["points below list", "beyond 10^9"], 40)

    def test_ties(self):
        ties = 0
        for _, one, expected in drawn():
            if "error" in expected:
                continue
            cards = [rate_oracle.card_read(c) for c in one["cards"]]
            rating = rate_oracle.Rating(cards, rate_oracle.record_read(one["record"]))
            scaled = rating.cost(rating.end) * 10 ** rating.card["places"]
            ties += scaled % 1 == rate_oracle.Fraction(1, 2)
        self.assertGreaterEqual(ties, 100)

    def test_same_seed_same_cases(self):
        self.assertEqual([c for _, c in generators.cases(SEED)], [c for _, c, _ in drawn()])
        other = next(generators.cases(SEED + 1))[1]
        self.assertNotEqual(other, drawn()[0][1])


# ---- the driver against the oracle -------------------------------------------


class DriverAgrees(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        rate_driver.build()

    def report(self, failures):
        """Which families fail, and the smallest case that does."""
        by_family = dict(collections.Counter(family for family, *_ in failures))
        lines = [f"{len(failures)} of {len(drawn())} cases differ (LEDGER_SEED={SEED}): {by_family}"]
        smallest = sorted(failures, key=lambda f: shrink.size(f[1]))[:FAILURES_SHOWN]
        for family, one, expected, got in smallest[1:]:
            lines.append(f"{family}: oracle {expected}\n  driver {got}\n  case {json.dumps(one)}")
        one = shrink.shrink(smallest[0][1], rate_oracle.rate, rate_driver.answers, rate_oracle.agrees)
        lines.append("smallest failing case:\n" + json.dumps(one, ensure_ascii=False))
        lines.append(f"oracle: {rate_oracle.rate(one)}\ndriver: {rate_driver.answer(one)}")
        return "\n".join(lines)

    def test_random_cases(self):
        print(f"LEDGER_SEED={SEED}: {len(drawn())} cases")
        answers = rate_driver.answers([one for _, one, _ in drawn()])
        failures = [
            (family, one, expected, got)
            for (family, one, expected), got in zip(drawn(), answers)
            if not rate_oracle.agrees(expected, got)
        ]
        if failures:
            self.fail(self.report(failures))

    def test_slices_add_up(self):
        """Holds for the driver's answers by themselves, whatever the oracle thinks."""
        for (_, one, _), got in zip(drawn(), rate_driver.answers([one for _, one, _ in drawn()])):
            if "error" not in got:
                for amount in ("points", "list_points"):
                    total = sum(micro(s[amount]) for s in got["slices"])
                    self.assertEqual(total, micro(got[amount]), (SEED, json.dumps(one)))


def micro(text):
    whole, fraction = text.lstrip("-").split(".")
    value = int(whole) * rate_oracle.MICRO + int(fraction)
    return -value if text.startswith("-") else value


if __name__ == "__main__":
    unittest.main()
