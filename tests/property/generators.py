"""Random rate cards and usage records, reproducible from a seed.

Every case is one document for the rating driver and the oracle: a zone, a month
rule, one or more cards and a record. Cases come in families, each aimed at one
way in which an exact rating goes wrong (month edges, ties at half a unit, cards
that change in mid-record, quantities beyond 64 bits, ...). A family decides what
matters to it and leaves the rest to chance. Within a family most cases can be
rated; the fault families break one thing on purpose.
"""

import random
from datetime import datetime, timedelta, timezone

from rate_oracle import EPOCH, MICRO, ROUNDING_MODES, month_next, month_start

DEFAULT_SEED = 20270601

HOUR_US = 3600 * MICRO
DAY_US = 24 * HOUR_US
MONTH_RULES = ("split", "start", "end", "submit")

# Tokyo is the site's; the others bring daylight saving, half-hour and quarter-hour offsets, a
# month that begins inside a gap (Asuncion, October 2023) and a first hour that comes twice (Havana).
ZONES = (
    "Asia/Tokyo",
    "Europe/Berlin",
    "America/New_York",
    "UTC",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "America/Asuncion",
    "America/Havana",
)
SOURCES = ("slurm:sdli", "slurm:abci", "gateway:web", "gateway:api", "import[1]")
CLASSES = ("gpu", "cpu-large", "openai/gpt-oss-20b", "Qwen/Qwen3-VL-8B", "rt_HF", "a?b", "a.b+c")
HELD = ("gpu", "cpu", "mem_gib", "node", "qpu", "disk_tib")
COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens", "shots")
QOS = ("normal", "urgent", "low", "p-4")
ATTRIBUTES = {"partition": ("a", "b", "large mem"), "service": ("spot", "reserved"), "年": ("季", "夏")}
OFFSETS_MINUTES = (0, 540, -300, 330, 60, 765, -210)


# ---- texts -------------------------------------------------------------------


def time_text(us, rng):
    """An instant as RFC 3339, at an arbitrary offset, with no more fraction digits than needed."""
    minutes = rng.choice(OFFSETS_MINUTES)
    local = (EPOCH + timedelta(microseconds=us)).astimezone(timezone(timedelta(minutes=minutes)))
    text = local.strftime("%Y-%m-%dT%H:%M:%S")
    if local.microsecond:
        text += f".{local.microsecond:06d}".rstrip("0")
    if minutes == 0:
        return text + rng.choice(("Z", "+00:00"))
    return text + f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def decimal_text(rng, whole_digits=3, fraction_digits=9):
    """A decimal string, sometimes a round one, sometimes the JSON integer that stands for it."""
    whole = rng.randrange(10 ** rng.randint(0, whole_digits))
    digits = rng.choice((0, 0, 1, 2, 4, fraction_digits))
    if digits == 0:
        return whole if rng.random() < 0.3 else str(whole)
    return f"{whole}.{rng.randrange(10**digits):0{digits}d}"


def price_text(rng):
    return rng.choice(("0", "1", "0.0138", "0.002", "2.2934", "0.5", decimal_text(rng, 2, 9)))


def seconds_text(rng, limit):
    if rng.random() < 0.6:
        return rng.randrange(limit)
    return f"{rng.randrange(limit)}.{rng.randrange(10**9):09d}"


def pattern_for(rng, text):
    """A glob that matches a text."""
    if rng.random() < 0.4:
        return text
    cut = sorted(rng.randint(0, len(text)) for _ in range(2))
    return rng.choice(
        (
            "*",
            "**",
            text[: cut[0]] + "*",
            "*" + text[cut[0] :],
            text[: cut[0]] + "*" + text[cut[1] :],
            text + "*",
        )
    )


def pattern_against(rng, text):
    """A glob that looks alike and does not match."""
    candidates = (text + "x", "x" + text, text.swapcase(), text[:-1] + "?", text[:-1], "*x" + text + "*")
    return rng.choice(candidates) or "-"


# ---- cards -------------------------------------------------------------------


def rounding(rng):
    return {"places": rng.choice((6, 6, 6, 4, 4, 3, 2, 1, 0, 5)), "mode": rng.choice(ROUNDING_MODES)}


def factor_tables(rng, record):
    """Tables that know the record's values, directly or by `*`."""
    tables = {}
    for key in ("qos", *(f"attributes.{name}" for name in ATTRIBUTES)):
        if rng.random() < 0.6:
            continue
        value = record.get("qos") if key == "qos" else record["attributes"].get(key[11:])
        values = QOS if key == "qos" else ATTRIBUTES[key[11:]]
        table = {v: decimal_text(rng, 1, 4) for v in values if rng.random() < 0.5}
        if value is None or rng.random() < 0.3:
            table["*"] = decimal_text(rng, 1, 4)
        elif value not in table:
            table[value] = decimal_text(rng, 1, 4)
        tables[key] = table
    return tables


def rule_body(rng, record):
    """What a rule charges, so that it prices the record."""
    meters = list(record["meters"])
    held = [name for name in meters if name in HELD]
    counted = [name for name in meters if name in COUNTS]
    rule = {}
    if held:
        priced = rng.sample(held, rng.randint(1, len(held)))
        # a meter of no standard kind that no rule prices by the hour would be an unpriced count
        priced += [n for n in ("qpu", "disk_tib") if n in held and n not in priced and rng.random() < 0.9]
        # a priced meter that the record lacks contributes nothing
        priced += [name for name in HELD if name not in held and rng.random() < 0.15]
        rng.shuffle(priced)
        rule["per_hour"] = {name: price_text(rng) for name in priced}
        present = [n for n in held if float(record["meters"][n]) > 0]
        if present and rng.random() < 0.3:
            rule["require"] = rng.sample(present, 1)
    if counted or rng.random() < 0.3:
        extra = [name for name in COUNTS if name not in counted and rng.random() < 0.3]
        rule["per_million"] = {name: price_text(rng) for name in counted + extra}
    if rng.random() < 0.6:
        rule["combine"] = rng.choice(("sum", "max"))
    if rng.random() < 0.7:
        rule["basis"] = basis(rng)
    if rng.random() < 0.6:
        rule["factors"] = factor_tables(rng, record)
    if rng.random() < 0.5:
        rule["discount"] = rng.choice(("0", "1", "0.5", "0.333333333", "0.1", "0.999999999", "0.25"))
    return rule


def basis(rng):
    whole = {
        "elapsed": rng.choice(("1", "0.7", "0", decimal_text(rng, 1, 9))),
        "requested": rng.choice(("0", "0.1", "0", decimal_text(rng, 1, 9))),
        "min_seconds": rng.choice((0, 0, 300, "1.8", 3600, 86400)),
    }
    return {key: value for key, value in whole.items() if rng.random() < 0.9}


def decoy(rng, record):
    """A rule in front that must not match: its source or its class is another."""
    rule = {"source": "*", "class": "*", "per_hour": {"gpu": "77"}}
    field = rng.choice(("source", "class"))
    rule[field] = pattern_against(rng, record[field])
    return rule


def card(rng, record, name, effective_us):
    rules = [decoy(rng, record) for _ in range(rng.choice((0, 0, 1, 2)))]
    fitting = {
        "source": pattern_for(rng, record["source"]),
        "class": pattern_for(rng, record["class"]),
    }
    rules.append({**fitting, **rule_body(rng, record)})
    if rng.random() < 0.3:
        rules.append({"source": "*", "class": "*", "per_hour": {"gpu": "99"}})
    made = {
        "card": name,
        "effective_from": time_text(effective_us, rng),
        "rounding": rounding(rng),
        "rules": rules,
    }
    if rng.random() < 0.03:
        del made["rounding"]
    return made


def card_instants(rng, start, end, extra):
    """When cards come into force: one before the record, others around and inside it."""
    first = start - rng.choice((0, 1, MICRO, HOUR_US, 40 * DAY_US, 400 * DAY_US))
    instants = {first}
    for _ in range(extra):
        inside = start + rng.randrange(max(1, end - start))
        inside -= inside % rng.choice((1, MICRO, 60 * MICRO))
        instants.add(
            rng.choice((inside, inside, inside, start, end, end - 1, end + 1, start + 1, first - DAY_US))
        )
    return sorted(instants)


def cards(rng, record, span, count=None):
    extra = rng.choice((0, 0, 1, 1, 2, 3, 5)) if count is None else count - 1
    instants = card_instants(rng, *span, extra)
    made = [card(rng, record, f"card-{n}", us) for n, us in enumerate(instants)]
    rng.shuffle(made)
    return made


# ---- records -----------------------------------------------------------------


def any_instant(rng, zone):
    """An instant in the years of service, often at or beside the edge of a month."""
    year, month = rng.randint(2026, 2029), rng.randint(1, 12)
    if zone == "America/Asuncion" and rng.random() < 0.3:
        year, month = 2023, 10
    if zone == "America/Havana" and rng.random() < 0.3:
        year, month = 2026, 11
    edge = month_start(year, month, zone)
    near = rng.choice((0, 1, -1, MICRO, -MICRO, rng.randrange(-HOUR_US, HOUR_US)))
    if rng.random() < 0.5:
        return edge + near
    us = edge + rng.randrange(28 * DAY_US)
    return us - us % rng.choice((1, MICRO, MICRO, HOUR_US))


def interval(rng, zone, crossing=False):
    """(start, end): moments, hours, days or months long, some of no length at all."""
    start = any_instant(rng, zone)
    lengths = [0, 1, MICRO, rng.randrange(HOUR_US), rng.randrange(3 * DAY_US), 3600 * MICRO]
    longer = [rng.randrange(100 * DAY_US), rng.randrange(400 * DAY_US), 31 * DAY_US]
    length = rng.choice(longer if crossing else lengths + lengths + longer)
    if rng.random() < 0.7:
        length -= length % MICRO
    if crossing and rng.random() < 0.4:
        year, month = month_next(rng.randint(2027, 2028), rng.randint(1, 12))
        end = month_start(year, month, zone)
        return end - length, end
    return start, start + length


def meters(rng, held=True, counted=None):
    names = rng.sample(HELD, rng.randint(1, 4)) if held else []
    result = {name: decimal_text(rng, 3, 9) for name in names}
    if names and rng.random() < 0.8:
        result[names[0]] = rng.randint(1, 64)
    if counted if counted is not None else rng.random() < 0.25:
        for name in rng.sample(COUNTS, rng.randint(1, 3)):
            result[name] = rng.choice((0, rng.randrange(10**4), rng.randrange(10**9)))
    return result


def record(rng, zone, span=None, **meter_choice):
    start, end = span or interval(rng, zone)
    seconds = max(1, (end - start) // MICRO)
    doc = {
        "source": rng.choice(SOURCES),
        "id": f"{rng.randrange(10**6)}@1780000000",
        "project": "hp270001",
        "user": "u00042",
        "class": rng.choice(CLASSES),
        "start": time_text(start, rng),
        "end": time_text(end, rng),
        "state": "final",
        "outcome": "completed",
        "meters": meters(rng, **meter_choice),
        "attributes": {n: rng.choice(v) for n, v in ATTRIBUTES.items() if rng.random() < 0.6},
    }
    if rng.random() < 0.6:
        doc["qos"] = rng.choice(QOS)
    if rng.random() < 0.5:
        doc["elapsed_seconds"] = rng.choice(
            (seconds, 0, seconds_text(rng, seconds + 1), seconds_text(rng, 2 * seconds + 60))
        )
    if rng.random() < 0.6:
        doc["requested_seconds"] = rng.choice((seconds_text(rng, 2 * seconds + 60), 86400))
    if rng.random() < 0.6:
        doc["submitted"] = time_text(start - rng.choice((0, 1, MICRO, HOUR_US, 45 * DAY_US)), rng)
    return doc, (start, end)


def case(rng, zone, doc, card_list, month_rule=None):
    return {
        "timezone": zone,
        "fiscal_year_start": "04-01",
        "month_rule": month_rule or rng.choice(MONTH_RULES),
        "cards": card_list,
        "record": doc,
    }


# ---- families ----------------------------------------------------------------


def any_zone(rng):
    return rng.choice(("Asia/Tokyo", "Asia/Tokyo", "Asia/Tokyo") + ZONES)


def family_general(rng):
    zone = any_zone(rng)
    doc, span = record(rng, zone)
    return case(rng, zone, doc, cards(rng, doc, span))


def family_months(rng):
    """Records across month edges, mostly split by month."""
    zone = any_zone(rng)
    doc, span = record(rng, zone, interval(rng, zone, crossing=True))
    rule = "split" if rng.random() < 0.7 else None
    return case(rng, zone, doc, cards(rng, doc, span), rule)


def family_changes(rng):
    """Several cards in one record, each with its own rounding, factors and rules."""
    zone = any_zone(rng)
    start = any_instant(rng, zone)
    doc, span = record(rng, zone, (start, start + rng.randrange(1, 60 * DAY_US)))
    return case(rng, zone, doc, cards(rng, doc, span, rng.randint(2, 6)))


def family_running(rng):
    drawn = rng.choice((family_general, family_months, family_changes, family_tokens))(rng)
    drawn["record"]["state"] = "running"
    drawn["record"].pop("outcome")
    return drawn


def family_tokens(rng):
    """Token records: an instant, or a request of some seconds, with counts and nothing held."""
    zone = any_zone(rng)
    start = any_instant(rng, zone)
    end = start + rng.choice((0, 0, 0, rng.randrange(60 * MICRO)))
    doc, span = record(rng, zone, (start, end), held=rng.random() < 0.2, counted=True)
    return case(rng, zone, doc, cards(rng, doc, span))


def kinds_rule(rng):
    """A rule that prices some meters by the hour, some by the million and some not at all."""
    rule = {"source": "*", "class": "*", "per_hour": {}, "per_million": {}}
    for name, odds in (("gpu", (0.7, 0)), ("qpu", (0.35, 0.35)), ("shots", (0.35, 0.35))):
        kind = rng.random()
        if kind < odds[0]:
            rule["per_hour"][name] = price_text(rng)
        elif kind < sum(odds):
            rule["per_million"][name] = price_text(rng)
    if not rule["per_hour"] and not rule["per_million"]:
        rule["per_million"]["images"] = "1"
    if rng.random() < 0.2:
        rule["require"] = ["gpu"]
    if rng.random() < 0.2:
        rule["factors"] = {"qos": {"normal": "2"}}
    return rule


def family_kinds(rng):
    """Cards that disagree on what is held and what is counted, one of them in force at the very end."""
    zone = any_zone(rng)
    start = any_instant(rng, zone)
    end = start + rng.choice((0, HOUR_US, 2 * HOUR_US))
    doc, span = record(rng, zone, (start, end))
    doc["state"] = rng.choice(("final", "final", "running"))
    names = [name for name in ("gpu", "qpu", "shots") if rng.random() < 0.7]
    doc["meters"] = {name: rng.choice((0, 1, 10**6)) for name in names}
    instants = {start - MICRO, *rng.sample((start, start + HOUR_US // 2, end, end + 1), rng.randint(0, 3))}
    made = [card(rng, doc, f"card-{n}", us) for n, us in enumerate(sorted(instants))]
    for one in made:
        one["rules"] = [kinds_rule(rng)]
    return case(rng, zone, doc, made)


def plain_rule(doc, **body):
    return {"source": doc["source"], "class": doc["class"], **body}


def plain_card(rng, doc, start, rounding_rule, **body):
    made = card(rng, doc, "plain", start - rng.randrange(10 * DAY_US))
    made["rules"] = [plain_rule(doc, **body)]
    made["rounding"] = rounding_rule
    return made


def family_ties(rng):
    """Costs that lie exactly half-way between two roundable amounts, or the least bit beside."""
    zone = any_zone(rng)
    start = any_instant(rng, zone)
    hours = rng.choice((1, 1, 2, 3, 720, 1500))
    doc, span = record(rng, zone, (start, start + hours * HOUR_US))
    for name in ("elapsed_seconds", "requested_seconds"):
        doc.pop(name, None)
    rule = {"places": rng.randint(0, 6), "mode": rng.choice(ROUNDING_MODES)}
    odd = 10 * rng.randrange(1000) + 5
    nudge = rng.choice((0, 0, 0, 1, -1))
    nano = odd * 10 ** (8 - rule["places"]) + nudge * (rule["places"] < 6)
    if rng.random() < 0.25:
        doc["meters"] = {"input_tokens": 5, "gpu": 0}
        body = {"per_million": {"input_tokens": rng.choice(("0.1", "0.3", "0.7"))}, "per_hour": {"gpu": 1}}
        rule["places"] = 6
    else:
        doc["meters"] = {"gpu": 1}
        body = {"per_hour": {"gpu": f"{nano // 10**9}.{nano % 10**9:09d}"}}
    body["discount"] = rng.choice(("0", "0", "0.5", "0.75", "1"))
    return case(rng, zone, doc, [plain_card(rng, doc, start, rule, **body)])


def family_huge(rng):
    """Twelve and nine digits everywhere: products beyond 128 bits, most of which still fit in the end."""
    zone = any_zone(rng)
    start = any_instant(rng, zone)
    doc, span = record(rng, zone, (start, start + rng.randrange(1, 90 * DAY_US)))
    tiny = rng.choice(("0.000000001", "0.000000009", "0.000012345", f"{rng.random():.9f}"))
    quantity = f"{rng.randrange(10**11, 10**12)}.{rng.randrange(10**9):09d}"
    rule = rounding(rng)
    body = {"per_hour": {"gpu": tiny, "cpu": "0.000000001"}, "combine": rng.choice(("sum", "max"))}
    doc["meters"] = {"gpu": quantity, "cpu": decimal_text(rng, 12, 9)}
    if rng.random() < 0.5:
        doc["meters"]["output_tokens"] = quantity
        body["per_million"] = {"output_tokens": rng.choice((tiny, "999.999999999"))}
    if rng.random() < 0.3:
        body["factors"] = {"qos": {"*": rng.choice(("0.000000001", "123456789.123456789"))}}
    body["discount"] = rng.choice(("0", "0.333333333", "1"))
    doc["requested_seconds"] = rng.choice((0, 86400, "999999999999.999999999"))
    if rng.random() < 0.5:
        body["basis"] = {"elapsed": "1", "requested": rng.choice(("0", "0.000000001")), "min_seconds": 0}
    return case(rng, zone, doc, [plain_card(rng, doc, start, rule, **body)])


def family_limit(rng):
    """Charges around the last micro-point that 64 bits hold: 9223372036854.775807 points."""
    zone = any_zone(rng)
    start = any_instant(rng, zone)
    doc, span = record(rng, zone, (start, start + HOUR_US))
    for name in ("elapsed_seconds", "requested_seconds"):
        doc.pop(name, None)
    # ten units at this price for an hour; the last digit of the price is a hundredth of a micro-point
    nano = 922337203685477580700 + rng.choice((0, 10, 40, 49, 50, 51, 99, 100, -10, -60, 500))
    doc["meters"] = {"gpu": 10}
    body = {"per_hour": {"gpu": f"{nano // 10**9}.{nano % 10**9:09d}"}}
    body["discount"] = rng.choice(("0", "0.5", "1"))
    rule = {"places": rng.choice((6, 6, 6, 5, 0)), "mode": rng.choice(ROUNDING_MODES)}
    return case(rng, zone, doc, [plain_card(rng, doc, start, rule, **body)])


def family_far(rng):
    """Years beyond the transitions that a zone file lists one by one, and leap Februaries."""
    zone = rng.choice(("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"))
    year, month = rng.choice((2032, 2036, 2038, 2044, 2060)), rng.choice((2, 3, 4, 11, 12))
    start = month_start(year, month, zone) - rng.randrange(2 * DAY_US)
    doc, span = record(rng, zone, (start, start + rng.randrange(1, 70 * DAY_US)))
    return case(rng, zone, doc, cards(rng, doc, span), "split")


# ---- faults ------------------------------------------------------------------


def fitting_rules(drawn):
    """The rules of every card that were made to price the record: per card, the first non-decoy."""
    found = []
    for one in drawn["cards"]:
        found.append(next(r for r in one["rules"] if r.get("per_hour") != {"gpu": "77"}))
    return found


def break_no_card(rng, drawn):
    late = card(rng, drawn["record"], "late", rng.randrange(DAY_US))
    late["effective_from"] = "2099-01-01T00:00:00+09:00"
    drawn["cards"] = [late]


def break_no_rule(rng, drawn):
    victim = rng.choice(drawn["cards"])
    victim["rules"] = [decoy(rng, drawn["record"])] if rng.random() < 0.7 else victim["rules"][:0]
    if not victim["rules"]:
        victim["rules"] = [{"source": "-", "class": "*", "per_hour": {"gpu": "1"}}]


def break_factor(rng, drawn):
    rng.choice(fitting_rules(drawn))["factors"] = rng.choice(
        (
            {"qos": {"nosuch": "1"}},
            {"attributes.nosuch": {"a": "1"}},
            {"qos": {"*": "1"}, "attributes.partition": {"zz": "2", "yy": "0"}},
            {"attributes.service": {"nosuch": "1"}, "qos": {"*": "1"}},
        )
    )


def break_require(rng, drawn):
    rule = rng.choice(fitting_rules(drawn))
    name = rng.choice(("gpu", "node", "qpu", "shots"))
    rule["require"] = [name]
    if rng.random() < 0.5:
        drawn["record"]["meters"].pop(name, None)
    else:
        drawn["record"]["meters"][name] = rng.choice((0, "0", "0.000000000", "0.000000001"))


def break_unpriced(rng, drawn):
    rule = rng.choice(fitting_rules(drawn))
    missing = [name for name in HELD if name not in drawn["record"]["meters"]]
    rule["per_hour"] = {rng.choice(missing): "1"}
    rule.pop("require", None)


def break_count(rng, drawn):
    drawn["record"]["meters"][rng.choice(("images", "seconds", "input_tokens"))] = rng.choice((0, 1, 7))
    for rule in fitting_rules(drawn):
        if rng.random() < 0.8:
            rule.pop("per_million", None)


def break_interval(rng, drawn):
    doc = drawn["record"]
    doc["start"], doc["end"] = "2027-06-02T00:00:00+09:00", rng.choice(
        ("2027-06-01T23:59:59.999999+09:00", "2027-06-02T00:00:00+10:00", "2026-06-02T00:00:00Z")
    )


FAULTS = (
    break_no_card,
    break_no_rule,
    break_factor,
    break_require,
    break_unpriced,
    break_count,
    break_interval,
)


def family_faults(rng):
    drawn = rng.choice((family_general, family_changes, family_tokens))(rng)
    rng.choice(FAULTS)(rng, drawn)
    return drawn


BAD_DECIMALS = ("-1", 1.5, "1e3", "", " 1", "1 ", "0x10", "1,5", "1234567890123", "0.0123456789", -1, None, True)


def bad_card_change(rng, one):
    rule = rng.choice(one["rules"])
    bad = rng.choice(BAD_DECIMALS)
    change = rng.randrange(12)
    if change == 0:
        one["rounding"] = rounding(rng) | {"places": rng.choice((7, -1, "six", 2.5, None))}
    elif change == 1:
        one["rounding"] = rounding(rng) | {"mode": rng.choice(("bankers", "", "HALF_UP", 4, None))}
    elif change == 2:
        rule["per_hour"], rule["per_million"] = {"gpu": "1"}, {"shots": "1", "gpu": "1"}
    elif change == 3:
        rule["discount"] = rng.choice((bad, "1.000000001", "2"))
    elif change == 4:
        rule["per_hour"] = {"gpu": bad}
    elif change == 5:
        rule["per_million"] = {"shots": bad}
    elif change == 6:
        rule["combine"] = rng.choice(("min", "SUM", "", 3))
    elif change == 7:
        one["rules"] = rng.choice(({}, None, "rules"))
    elif change == 8:
        one["effective_from"] = rng.choice(("2027-06-01", "yesterday", "2027-13-01T00:00:00Z", 1780000000))
    elif change == 9:
        rule["factors"] = {"qos": {"*": bad}}
    elif change == 10:
        rule["factors"] = rng.choice(({"user": {"*": "1"}}, {"attributes.": {"*": "1"}}, {"qos": {}}, []))
    else:
        rule["basis"] = {rng.choice(("elapsed", "requested", "min_seconds")): bad}


def family_bad_cards(rng):
    drawn = family_general(rng)
    bad_card_change(rng, rng.choice(drawn["cards"]))
    return drawn


def family_bad_records(rng):
    drawn = family_general(rng)
    doc, bad = drawn["record"], rng.choice(BAD_DECIMALS)
    change = rng.randrange(5)
    if change == 0:
        doc["meters"][rng.choice(("gpu", "shots"))] = bad
    elif change == 1:
        doc[rng.choice(("elapsed_seconds", "requested_seconds"))] = rng.choice(("-1", 1.5, "1e3", "", -1, "x"))
    elif change == 2:
        doc[rng.choice(("start", "end"))] = rng.choice(("2027-13-01T00:00:00Z", "now", "", 1780000000))
    elif change == 3:
        doc.pop(rng.choice(("start", "end")))
    else:
        doc["state"] = rng.choice(("paused", "", 1, "FINAL"))
    return drawn


FAMILIES = (
    (family_general, 800),
    (family_months, 600),
    (family_changes, 500),
    (family_running, 250),
    (family_tokens, 250),
    (family_kinds, 250),
    (family_ties, 300),
    (family_huge, 250),
    (family_limit, 100),
    (family_far, 100),
    (family_faults, 350),
    (family_bad_cards, 120),
    (family_bad_records, 80),
)


def cases(seed=DEFAULT_SEED, families=FAMILIES):
    """Yields (family name, case). The n-th case of a family depends on seed, family and n alone."""
    for family, count in families:
        for n in range(count):
            rng = random.Random(f"{seed}/{family.__name__}/{n}")
            yield family.__name__[len("family_") :], family(rng)
