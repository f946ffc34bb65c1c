#!/usr/bin/env python3
"""Rates usage records exactly, from the written contract alone.

This is the second opinion on every charge. It was written from the published
formulas of the contract (sections 1, 4, 5 and 6), never from the C sources, and
uses nothing but rational numbers, so what it says is the exact amount:

    hourly(k) = factors(k) x combine over per-hour meters (quantity x price)
    C(t)      = elapsed part due by t, and at the end of a final record
                minimum + requested + counts as well
    list      = R(C(end)), points = R(list x (1 - discount))

A slice of a month is a difference of the cumulative amounts at its two edges.

rate(case) takes one document as the C driver does and returns what the driver
must answer. Where a case has several faults the contract does not say which one
is named; then "any_of" lists all that may be. As a program it is a drop-in for
the driver: one JSON document a line in, one answer a line out.
"""

import json
import re
import sys
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

MICRO = 1_000_000
POINTS_MAX_MICRO = 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
STANDARD_HELD = frozenset(["gpu", "cpu", "mem_gib", "node"])
DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
FACTOR_TABLE = re.compile(r"qos|attributes\..+", re.DOTALL)
ROUNDING_MODES = ("half_even", "half_up", "truncate", "ceil")


class Refused(Exception):
    """The case cannot be rated; reasons holds every reason code that may be given."""

    def __init__(self, *reasons):
        super().__init__(", ".join(sorted(reasons)))
        self.reasons = frozenset(reasons)


# ---- numbers and times -------------------------------------------------------


def decimal_parse(value, fault):
    """A quantity: decimal string of at most 12 + 9 digits, or a JSON integer."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12:
        return Fraction(value)
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        return Fraction(value)
    raise Refused(fault)


def instant_parse(value, fault):
    """RFC 3339 with offset -> microseconds since the epoch."""
    if not isinstance(value, str) or not TIME.fullmatch(value):
        raise Refused(fault)
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        raise Refused(fault) from None
    return (when - EPOCH) // timedelta(microseconds=1)


def round_micro(amount, places, mode):
    """A non-negative exact amount -> micro-points, in a named mode."""
    scaled = amount * 10**places
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    rest = Fraction(rest, scaled.denominator)
    half = Fraction(1, 2)
    if mode == "ceil":
        up = rest > 0
    elif mode == "half_up":
        up = rest >= half
    elif mode == "half_even":
        up = rest > half or (rest == half and whole % 2 == 1)
    else:
        up = False
    return (whole + up) * 10 ** (6 - places)


def points_text(micro):
    sign = "-" if micro < 0 else ""
    return f"{sign}{abs(micro) // MICRO}.{abs(micro) % MICRO:06d}"


# ---- months in the site's zone -----------------------------------------------


def month_of(us, zone):
    """The site's (year, month) at an instant."""
    local = (EPOCH + timedelta(microseconds=us)).astimezone(ZoneInfo(zone))
    return local.year, local.month


@lru_cache(maxsize=None)
def month_start(year, month, zone):
    """The first instant of a month: bisected, so that no rule about gaps and folds is assumed."""
    guess = datetime(year, month, 1, tzinfo=timezone.utc)
    middle_seconds = (guess - EPOCH) // timedelta(seconds=1)
    low, high = middle_seconds - 2 * 86400, middle_seconds + 2 * 86400
    while high - low > 1:
        mid = (low + high) // 2
        if month_of(mid * MICRO, zone) >= (year, month):
            high = mid
        else:
            low = mid
    return high * MICRO


def month_next(year, month):
    return (year + 1, 1) if month == 12 else (year, month + 1)


def month_edges(start, end, zone):
    """The instants strictly inside (start, end) at which a month begins."""
    edges = []
    month = month_next(*month_of(start, zone))
    while month_start(*month, zone) < end:
        edges.append(month_start(*month, zone))
        month = month_next(*month)
    return edges


# ---- rate cards --------------------------------------------------------------


def prices_read(table):
    if not isinstance(table, dict):
        raise Refused("malformed_card")
    return {name: decimal_parse(price, "malformed_card") for name, price in table.items()}


def text_read(value):
    if not isinstance(value, str) or value == "":
        raise Refused("malformed_card")
    return value


def rule_read(doc):
    if not isinstance(doc, dict):
        raise Refused("malformed_card")
    basis = doc.get("basis", {})
    rule = {
        "source": text_read(doc.get("source")),
        "class": text_read(doc.get("class")),
        "combine": doc.get("combine", "sum"),
        "require": doc.get("require", []),
        "per_hour": prices_read(doc.get("per_hour", {})),
        "per_million": prices_read(doc.get("per_million", {})),
        "elapsed": decimal_parse(basis.get("elapsed", 1), "malformed_card"),
        "requested": decimal_parse(basis.get("requested", 0), "malformed_card"),
        "min_seconds": decimal_parse(basis.get("min_seconds", 0), "malformed_card"),
        "factors": {},
        "discount": decimal_parse(doc.get("discount", 0), "malformed_card"),
    }
    if not isinstance(doc.get("factors", {}), dict):
        raise Refused("malformed_card")
    for key, table in doc.get("factors", {}).items():
        if not FACTOR_TABLE.fullmatch(key):
            raise Refused("malformed_card")
        rule["factors"][key] = prices_read(table)
        if not table:  # no record could ever be priced by it
            raise Refused("malformed_card")
    if (
        rule["combine"] not in ("sum", "max")
        or not isinstance(rule["require"], list)
        or not all(isinstance(name, str) for name in rule["require"])
        or rule["discount"] > 1
        or set(rule["per_hour"]) & set(rule["per_million"])
        or not (rule["per_hour"] or rule["per_million"])  # free is said with a price of "0"
    ):
        raise Refused("malformed_card")
    return rule


def card_read(doc):
    if not isinstance(doc, dict) or not isinstance(doc.get("rules"), list):
        raise Refused("malformed_card")
    rounding = doc.get("rounding", {"places": 6, "mode": "half_even"})
    places, mode = rounding.get("places"), rounding.get("mode")
    if isinstance(places, bool) or not isinstance(places, int) or not 0 <= places <= 6:
        raise Refused("malformed_card")
    if mode not in ROUNDING_MODES:
        raise Refused("malformed_card")
    return {
        "card": text_read(doc.get("card")),
        "from": instant_parse(doc.get("effective_from"), "malformed_card"),
        "places": places,
        "mode": mode,
        "rules": [rule_read(rule) for rule in doc["rules"]],
    }


def card_at(cards, instant):
    """The card in force: greatest effective_from <= instant, or None."""
    in_force = [card for card in cards if card["from"] <= instant]
    return max(in_force, key=lambda card: card["from"]) if in_force else None


def glob_matches(pattern, text):
    """`*` stands for any run of characters, everything else for itself."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def rule_find(card, record):
    """(index, rule) of the first rule that matches; no_rate where there is no card or none does."""
    for index, rule in enumerate(card["rules"] if card else []):
        if glob_matches(rule["source"], record["source"]) and glob_matches(
            rule["class"], record["class"]
        ):
            return index, rule
    raise Refused("no_rate")


# ---- usage records -----------------------------------------------------------


def record_read(doc):
    if not isinstance(doc, dict) or doc.get("state") not in ("running", "final"):
        raise Refused("malformed")
    if "start" not in doc or "end" not in doc:
        raise Refused("malformed", "bad_interval")  # the contract has no name for no interval
    optional = ("elapsed_seconds", "requested_seconds")
    meters, attributes = doc.get("meters", {}), doc.get("attributes", {})
    if not isinstance(meters, dict) or not isinstance(attributes, dict):
        raise Refused("malformed")
    record = {
        "source": doc["source"],
        "class": doc["class"],
        "start": instant_parse(doc.get("start"), "malformed"),
        "end": instant_parse(doc.get("end"), "malformed"),
        "final": doc["state"] == "final",
        "submitted": None,
        "qos": doc.get("qos"),
        "attributes": attributes,
        "meters": {name: decimal_parse(n, "malformed") for name, n in meters.items()},
    }
    for name in optional:
        record[name] = decimal_parse(doc[name], "malformed") if name in doc else None
    if "submitted" in doc:
        record["submitted"] = instant_parse(doc["submitted"], "malformed")
    if record["end"] < record["start"]:
        raise Refused("bad_interval")
    return record


def factor_key_value(record, key):
    if key == "qos":
        return record["qos"]
    return record["attributes"].get(key[len("attributes.") :])


def factors_of(rule, record):
    """The product over the rule's tables; a value that no table entry covers is an error."""
    product = Fraction(1)
    for key, table in rule["factors"].items():
        value = factor_key_value(record, key)
        if value is not None and value in table:
            product *= table[value]
        elif "*" in table:
            product *= table["*"]
        else:
            raise Refused("factor_unknown")
    return product


def hourly_of(rule, record):
    """Points an hour by one rule."""
    parts = [
        record["meters"][name] * price
        for name, price in rule["per_hour"].items()
        if name in record["meters"]
    ]
    combined = max(parts, default=Fraction(0)) if rule["combine"] == "max" else sum(parts)
    return factors_of(rule, record) * combined


def rule_faults(rule, record):
    """Every reason why a consulted rule cannot price the record."""
    meters, faults = record["meters"], set()
    if any(meters.get(name, 0) <= 0 for name in rule["require"]):
        faults.add("meter_required")
    if rule["per_hour"] and not any(name in meters for name in rule["per_hour"]):
        faults.add("meter_unpriced")
    try:
        factors_of(rule, record)
    except Refused as refused:
        faults |= refused.reasons
    return faults


# ---- the rating --------------------------------------------------------------


class Rating:
    """One record under the cards that price it: the cumulative cost and its two roundings."""

    def __init__(self, cards, record):
        self.record = record
        self.start, self.end = record["start"], record["end"]
        self.width = self.end - self.start
        self.elapsed = record["elapsed_seconds"]
        if self.elapsed is None:
            self.elapsed = Fraction(self.width, MICRO)
        self.consult(cards)

    def consult(self, cards):
        """Finds card and rule for start, for every overlap, and for the counts at end."""
        faults = set()
        self.card = card_at(cards, self.start)
        try:
            self.rule_index, self.rule = rule_find(self.card, self.record)
        except Refused as refused:
            if self.card is None:
                raise
            self.rule_index = self.rule = None
            faults |= refused.reasons
        self.pieces = []
        edges = sorted(c["from"] for c in cards if self.start < c["from"] < self.end)
        for low, high in zip([self.start, *edges], [*edges, self.end]):
            if low < high:
                self.pieces.append((low, high, self.find(cards, low, faults)))
        rules = [r for r in [self.rule, *(p[2] for p in self.pieces)] if r is not None]
        self.count_rule = None
        if self.counts(rules):
            self.count_rule = self.find(cards, self.end, faults)
            rules.append(self.count_rule)
        rules = [r for r in rules if r is not None]
        for rule in rules:
            faults |= rule_faults(rule, self.record)
        if self.count_rule is not None:
            unpriced = set(self.counts(rules)) - set(self.count_rule["per_million"])
            faults |= {"count_unpriced"} if unpriced else set()
        if faults:
            raise Refused(*faults)
        self.count_names = self.counts(rules)

    def find(self, cards, instant, faults):
        try:
            return rule_find(card_at(cards, instant), self.record)[1]
        except Refused as refused:
            faults |= refused.reasons
            return None

    def counts(self, rules):
        """Meters above zero that are no quantity held over the interval."""
        held = STANDARD_HELD.union(*(rule["per_hour"] for rule in rules))
        return [name for name, n in self.record["meters"].items() if n > 0 and name not in held]

    def elapsed_cost(self, instant):
        """The elapsed part that is due by an instant of [start, end]."""
        if self.width == 0:
            weight = hourly_of(self.rule, self.record) * self.rule["elapsed"]
            return weight * self.elapsed / 3600
        total = Fraction(0)
        for low, high, rule in self.pieces:
            seconds = Fraction(max(0, min(high, instant) - low), MICRO)
            total += hourly_of(rule, self.record) * rule["elapsed"] * seconds
        return total * self.elapsed / Fraction(self.width, MICRO) / 3600

    def end_cost(self):
        """What falls due at the end of a final record: minimum, requested, counts."""
        rule, record = self.rule, self.record
        hourly = hourly_of(rule, record)
        missing_seconds = max(Fraction(0), rule["min_seconds"] - self.elapsed)
        requested_seconds = record["requested_seconds"] or Fraction(0)
        cost = hourly * rule["elapsed"] * missing_seconds / 3600
        cost += hourly * rule["requested"] * requested_seconds / 3600
        if self.count_names:
            prices = self.count_rule["per_million"]
            counted = sum(record["meters"][name] * prices[name] for name in self.count_names)
            cost += factors_of(self.count_rule, record) * counted / 1_000_000
        return cost

    def cost(self, instant):
        """C(t), exact."""
        cost = self.elapsed_cost(instant)
        if instant >= self.end and self.record["final"]:
            cost += self.end_cost()
        return cost

    def booked(self, instant):
        """(points, list points) booked by an instant, in micro-points."""
        places, mode = self.card["places"], self.card["mode"]
        listed = round_micro(self.cost(instant), places, mode)
        kept = Fraction(listed, MICRO) * (1 - self.rule["discount"])
        return round_micro(kept, places, mode), listed


def slice_months(rating, month_rule, zone):
    """[(month, instant by which it is all due)], in order, the last one at `end`."""
    start, end = rating.start, rating.end
    last = end - 1 if end > start else end
    if month_rule == "start":
        return [(month_of(start, zone), end)]
    if month_rule == "end":
        return [(month_of(last, zone), end)]
    if month_rule == "submit":
        submitted = rating.record["submitted"]
        return [(month_of(start if submitted is None else submitted, zone), end)]
    edges = month_edges(start, end, zone)
    return [(month_of(edge - 1, zone), edge) for edge in edges] + [(month_of(last, zone), end)]


def slices_of(rating, month_rule, zone):
    """The slices that are not nothing; a final record keeps its last one whatever it holds."""
    slices, before = [], (0, 0)
    for month, due in slice_months(rating, month_rule, zone):
        now = rating.booked(due)
        slices.append((month, now[0] - before[0], now[1] - before[1]))
        before = now
    kept = [s for s in slices if s[1] or s[2]]
    if not kept and rating.record["final"]:
        kept = slices[-1:]
    return [
        {
            "month": f"{month[0]:04d}-{month[1]:02d}",
            "points": points_text(points),
            "list_points": points_text(listed),
        }
        for month, points, listed in kept
    ]


def rate_or_refuse(case):
    cards = [card_read(doc) for doc in case["cards"]]
    record = record_read(case["record"])
    rating = Rating(cards, record)
    points, listed = rating.booked(rating.end)
    if listed > POINTS_MAX_MICRO:
        raise Refused("overflow")
    return {
        "points": points_text(points),
        "list_points": points_text(listed),
        "card": rating.card["card"],
        "rule": rating.rule_index,
        "slices": slices_of(rating, case["month_rule"], case["timezone"]),
    }


def rate(case):
    """The answer that the driver must give; for a refused case "any_of" holds the allowed reasons."""
    try:
        return rate_or_refuse(case)
    except Refused as refused:
        reasons = sorted(refused.reasons)
        return {"error": reasons[0], "any_of": reasons}


def agrees(expected, answer):
    """Whether an answer of the driver is the oracle's, field for field."""
    if "error" in expected:
        return answer.get("error") in expected["any_of"]
    return all(answer.get(key) == value for key, value in expected.items())


def main():
    for line in sys.stdin:
        answer = rate(json.loads(line))
        answer.pop("any_of", None)
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
