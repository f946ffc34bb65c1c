"""Random moves for the model check: what operators, schedulers and gateways might do to a book next.

Moves are drawn with an eye on the oracle, so that most of them have something to work on and amounts lie
near the limits that matter: just what is left, and a micro-point more.
"""

import datetime
import random
from zoneinfo import ZoneInfo

from book_parts import MICRO, PERIODS, instant
from months_oracle import month_after, month_text
from rate_oracle import EPOCH, points_text

SHARES = ("hpci", "general", "industry")
PROJECTS = ("h1", "h2", "g1", "i1")
LATE_PROJECTS = ("h3", "g2")
USERS = ("ann", "ben", "")
PULLED = "slurm:m"  # the source that confirms holds
QOS = ("normal",) * 5 + ("urgent", "low") * 2 + ("bogus",)
OUTCOMES = ("completed", "completed", "failed", "node_fail", "requeued", "cancelled")
ENDS = ("COMPLETED", "COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "REQUEUED")
SERVICES = {"svc": ["gateway:*/llm"], "svd": ["gateway:b/chat", "gateway:c/chat"]}
PROLOGUE_MOVES = 2 + 2 * len(PROJECTS)
BEGIN = "2027-05-25T09:00:00+09:00"


def share_of(project):
    return {"h": "hpci", "g": "general", "i": "industry"}[project[0]]


def stamp(micro, zone="Asia/Tokyo"):
    when = (EPOCH + datetime.timedelta(microseconds=micro)).astimezone(ZoneInfo(zone))
    return when.isoformat(timespec="microseconds" if when.microsecond else "seconds")


def seconds(count):
    return int(count) * MICRO


def hours(count):
    return seconds(count * 3600)


def supply(identity, begin, end, year, count, per_hour="1"):
    return {"id": identity, "fiscal_year": year, "from": begin, "to": end, "resource": "gpu",
            "count": count, "hours": "100", "points_per_hour": per_hour}


def policy(name, begin, fractions, **more):
    return {"policy": name, "timezone": "Asia/Tokyo", "fiscal_year_start": "04-01", "effective_from": begin,
            "shares": [{"share": s, "fraction": f} for s, f in zip(SHARES, fractions)], **more}


def card(name, begin, gpu="1", cpu="0.0138", tokens="0.05", **more):
    return {"card": name, "effective_from": begin, "rules": [
        {"source": "slurm:*", "class": "gpu", "combine": "max", "require": ["gpu"],
         "per_hour": {"gpu": gpu, "cpu": cpu}, "factors": {"qos": {"normal": "1", "urgent": "2", "low": "0.5"}}},
        {"source": "slurm:*", "class": "cpu", "per_hour": {"cpu": cpu},
         "basis": {"elapsed": "0.7", "requested": "0.1", "min_seconds": 300}},
        {"source": "gateway:*", "class": "llm", "discount": "0.25",
         "per_million": {"input_tokens": tokens, "output_tokens": "0.2"}},
        {"source": "gateway:*", "class": "chat", "per_million": {"input_tokens": "1", "output_tokens": "2"}}],
        "refund": {"node_fail": {"fraction": "1", "max_seconds": 14400},
                   "requeued": {"fraction": "0.5", "max_seconds": 86400}}, **more}


def prologue(rng):
    """What every book begins with."""
    rule = rng.choice(("split", "split", "start", "end", "submit"))
    expiry = rng.choice(("void", "pool"))
    first = policy("first", "2027-04-01T00:00:00+09:00", ("0.80", "0.10", "0.10"), month_rule=rule,
                   on_expiry=expiry, supply=[
                       supply("fy27", "2027-06-01T00:00:00+09:00", "2028-04-01T00:00:00+09:00", 2027, 7),
                       supply("fy28", "2028-04-01T00:00:00+09:00", "2029-04-01T00:00:00+09:00", 2028, 3)])
    if rng.random() < 0.5:
        first["overgrant"] = {"hpci": "1.25", "general": "0.9"}
    yield {"verb": "policy", "now": BEGIN, "policy": first}
    yield {"verb": "rates", "now": BEGIN, "card": card("first", "2027-04-01T00:00:00+09:00")}
    for project in PROJECTS:
        share = share_of(project)
        yield {"verb": "project", "now": BEGIN, "project": project, "share": share}
        yield {"verb": "grant", "now": BEGIN, "project": project, "points": "30",
               "from": "2027-05-01T00:00:00+09:00"}


class Moves:
    """Draws the next move; looks at the book that has been played so far."""

    def __init__(self, seed, book):
        self.rng = random.Random(seed)
        self.book = book
        self.now = instant(BEGIN)
        self.rows = []  # of sacct
        self.jobs = []  # documents of records that were imported
        self.count = 0

    # --- drawing ----------------------------------------------------------------------------------

    def next(self):
        self.pass_time()
        move = self.rng.choices(KINDS, WEIGHTS)[0](self)
        while move is None:
            move = self.rng.choices(KINDS, WEIGHTS)[0](self)
        return {"now": stamp(self.now), **move}

    def pass_time(self):
        """Mostly a moment; sometimes to an instant at which something ends, or some days on."""
        self.now += seconds(self.rng.randint(1, 900))
        if self.rng.random() < 0.2:
            edges = [e for p in self.book.projects.values() for e in p.purse.edges
                     if self.now < e < self.now + hours(30 * 24)]
            if edges and self.rng.random() < 0.5:
                self.now = max(self.now, min(edges) + self.rng.choice((0, -1, 1, seconds(1))))
            else:
                self.now += hours(self.rng.choice((3, 24, 60, 200)))

    def some_time(self, low, high):
        """A midnight, mostly: edges that meet are where things go wrong."""
        day = instant(stamp(self.now)[:10] + "T00:00:00+09:00") + hours(24 * self.rng.randint(low, high))
        return day + hours(self.rng.choice((0, 0, 0, 12)))

    def project(self):
        names = [n for n, p in self.book.projects.items()]
        return self.rng.choice(names if self.rng.random() < 0.1 else [*PROJECTS, *PROJECTS, *names])

    def amount(self, exactly=None):
        """Some points; often just what there is, or the least bit more."""
        if exactly is not None and exactly > 0 and self.rng.random() < 0.4:
            return points_text(max(1, exactly + self.rng.choice((0, 0, 1, -1))))
        return self.rng.choice((points_text(self.rng.randint(1, 60 * MICRO)), str(self.rng.randint(1, 90))))

    # --- the site ---------------------------------------------------------------------------------

    def policy(self):
        self.count += 1
        begin = instant(stamp(self.now)[:10] + "T00:00:00+09:00") + hours(24 * self.rng.choice((40, 70)))
        if self.rng.random() < 0.2:
            begin = instant("2027-05-01T00:00:00+09:00")
        if self.book.latest > begin - hours(24) and self.book.latest < begin + hours(24):
            return None
        fractions = self.rng.choice((("0.90", "0.05", "0.05"), ("0.80", "0.10", "0.10"),
                                     ("0.333333", "0.333333", "0.333334")))
        more = {"month_rule": self.rng.choice(("split", "start", "end", "submit")),
                "on_expiry": self.rng.choice(("void", "pool")),
                "require_membership": self.rng.random() < 0.3}
        if self.rng.random() < 0.5:
            year = self.book.calendar.year(begin)
            more["supply"] = [supply(f"s{self.count}", stamp(begin), f"{year + 1}-04-01T00:00:00+09:00", year, 1,
                                     self.rng.choice(("0.000007", "0.123457")))]
        move = {"verb": "policy", "policy": policy(f"p{self.count}", stamp(begin), fractions, **more)}
        if self.rng.random() < 0.2 and len(self.book.policies) > 1:
            move["policy"] = self.rng.choice(self.book.policies).document
        return move

    def card(self):
        self.count += 1
        begin = instant(stamp(self.now)[:13] + ":00:00+09:00") + hours(self.rng.choice((30, 100, 300)))
        if self.rng.random() < 0.15:
            begin = instant("2027-05-01T00:00:00+09:00")
        if self.book.latest > begin - hours(24) and self.book.latest < begin + hours(24):
            return None
        more = {"rounding": {"places": 4, "mode": "truncate"}} if self.rng.random() < 0.3 else {}
        document = card(f"c{self.count}", stamp(begin), self.rng.choice(("1", "1.1", "0.37")), "0.0138",
                        self.rng.choice(("0.05", "0.07")), **more)
        if self.rng.random() < 0.2:
            document = self.rng.choice(self.book.card_documents)
        return {"verb": "rates", "card": document}

    def adjust(self):
        micro = self.rng.choice((1, -1)) * self.rng.randint(1, 200 * MICRO)
        known = self.rng.choice([*self.book.supply, "nothing"])
        return {"verb": "adjust", "supply": known, "points": points_text(micro)}

    def add(self):
        if self.rng.random() < 0.3:
            name = self.rng.choice(tuple(SERVICES))
            return {"verb": "project", "project": name, "services": SERVICES[name]}
        name = self.rng.choice((*PROJECTS, *LATE_PROJECTS, *LATE_PROJECTS))
        share = share_of(name)
        return {"verb": "project", "project": name,
                "share": self.rng.choice((share, share, share, "general", "nobody"))}

    def close(self):
        return {"verb": "close", "project": self.project()} if self.rng.random() < 0.15 else None

    def alias(self):
        return {"verb": "alias", "project": self.project(), "source": self.rng.choice(("slurm:a", "gateway:b")),
                "name": self.rng.choice(("other", "older", "h1"))}

    def member(self):
        return {"verb": "member", "project": self.project(), "user": self.rng.choice(USERS[:2]),
                "remove": self.rng.random() < 0.3, "role": self.rng.choice(("member", "pi"))}

    def overdraft(self):
        return {"verb": "overdraft", "project": self.project(), "points": str(self.rng.choice((0, 0, 5, 30, 800)))}

    def limit(self):
        move = {"verb": "limit", "project": self.project(), "user": self.rng.choice(USERS) or None,
                "period": self.rng.choice(PERIODS), "points": self.rng.choice(("0", "5", "40", "150"))}
        if self.rng.random() < 0.25:
            del move["points"]
            if self.rng.random() < 0.3:
                del move["period"]
        return move

    # --- grants -----------------------------------------------------------------------------------

    def grant(self):
        name = self.project()
        move = {"verb": "grant", "project": name}
        project = self.book.projects[name]
        begin = self.now
        if self.rng.random() < 0.8:
            begin = self.some_time(-15, 8)
            move["from"] = stamp(begin)
        if self.rng.random() < 0.85:
            end = begin + hours(self.rng.choice((12, 24, 240, 600, 1200)))
            if self.rng.random() < 0.97:
                end = min(end, self.book.calendar.year_edges(self.book.calendar.year(begin))[1])
            move["to"] = stamp(end)
        left = None
        if project.share is not None:
            pool = self.book.pool(project.share, self.book.calendar.year(begin))
            left = pool.left(self.book.policy_at(self.now).factor(project.share))
            left = left if self.rng.random() < 0.1 else None
        move["points"] = self.amount(left)
        if self.rng.random() < 0.1:
            move["lender"] = self.rng.choice((*SHARES, "nobody"))
        if self.rng.random() < 0.15:
            move["key"] = f"k{self.rng.randint(1, 4)}"
        if self.rng.random() < 0.05 and self.book.grant_keys:
            key = self.rng.choice(tuple(self.book.grant_keys))
            name, micro, begin, end, lender = self.book.grant_keys[key][0]
            move = {"verb": "grant", "project": name, "points": points_text(micro), "key": key,
                    "from": begin and stamp(begin), "to": end and stamp(end), "lender": lender}
        return move

    def old_grant(self):
        """(project, place of one of its grants by number, the grant)."""
        name = self.project()
        grants = sorted(self.book.projects[name].purse.grants, key=lambda g: g.number)
        if not grants:
            return name, 0, None
        able = [g for g in grants if g.end > self.now and not g.is_revoked
                and g.end < self.book.calendar.year_edges(g.year)[1]]
        chosen = self.rng.choice(able if able and self.rng.random() < 0.85 else grants)
        return name, grants.index(chosen), chosen

    def revoke(self):
        name, nth, grant = self.old_grant()
        move = {"verb": "revoke", "project": name, "nth": nth}
        if self.rng.random() < 0.7:
            left = self.book.projects[name].purse.walk(self.now)[0]
            move["points"] = self.amount(left[grant.number] if grant else None)
        return move

    def extend(self):
        name, nth, grant = self.old_grant()
        end = (grant.end if grant else self.now) + hours(self.rng.choice((24, 72, 200, -24)))
        return {"verb": "extend", "project": name, "nth": nth, "to": stamp(end)}

    def transfer(self):
        giver, receiver = self.project(), self.project()
        if giver == receiver and self.rng.random() < 0.9:
            receiver = self.rng.choice([name for name in PROJECTS if name != giver])
        purse = self.book.projects[giver].purse
        move = {"verb": "transfer", "giver": giver, "receiver": receiver,
                "points": self.amount(purse.available(self.now) - self.book.accrued(giver)),
                "across": self.rng.random() < 0.6}
        if self.rng.random() < 0.1:
            move["key"] = f"m{self.rng.randint(1, 3)}"
        return move

    # --- records ----------------------------------------------------------------------------------

    def fresh(self):
        self.count += 1
        start = self.some_time(*self.rng.choice(((-30, 1), (-1, 0)))) + hours(self.rng.choice((0, 3, 22))) + \
            seconds(self.rng.choice((0, 0, 1, 1800)))
        end = start + self.rng.choice((0, seconds(7), hours(1), hours(2), hours(20), hours(50), hours(800), 333333))
        record = {"id": f"r{self.count}", "user": self.rng.choice(USERS), "start": stamp(start),
                  "end": stamp(end), "state": "final", "outcome": self.rng.choice(OUTCOMES),
                  "project": self.rng.choice((*(self.project() for _ in range(8)), "h3", "other"))}
        if self.rng.random() < 0.35:
            record.update(source=self.rng.choice(("gateway:b", "gateway:c")),
                          outcome="completed",
                          meters={"input_tokens": str(self.rng.randint(0, 9 * MICRO)),
                                  "output_tokens": str(self.rng.randint(1, 9 * MICRO))})
            record["class"] = self.rng.choice(("llm", "llm", "chat", "llm", "chat", "unpriced"))
        else:
            record.update(source=self.rng.choice(("slurm:a", "slurm:b")), qos=self.rng.choice(QOS),
                          meters={"gpu": str(self.rng.randint(1, 4)), "cpu": str(self.rng.randint(1, 300))})
            record["class"] = self.rng.choice(("gpu", "gpu", "cpu"))
            if self.rng.random() < 0.4:
                record["requested_seconds"] = 86400
            if self.rng.random() < 0.3:
                record["submitted"] = stamp(start - hours(self.rng.choice((1, 30, 700))))
            if end > self.now:
                record.update(state="running", end=stamp(max(start, self.now)))
        if self.rng.random() < 0.5:
            self.name_hold(record)
        return record

    def later(self, record):
        """Another version of a record that was read before."""
        record = {name: value for name, value in record.items() if name != "seen"}
        if record["source"].startswith("slurm:") or self.rng.random() < 0.2:
            start = instant(record["start"])
            end = max(start, instant(record["end"]) + self.rng.choice((hours(1), hours(5), -hours(1), seconds(77))))
            change = self.rng.randrange(6)
            if record["state"] == "running" or change == 0:
                record["end"] = stamp(end)
                record["state"] = self.rng.choice((record["state"], "final"))
            elif change == 1:
                record["outcome"] = self.rng.choice(OUTCOMES)
            elif change == 2:
                record["project"] = self.project()
            elif change == 3:
                record["qos"] = self.rng.choice(QOS)
            elif change == 4:
                record["meters"] = {"gpu": str(self.rng.randint(0, 4)), "cpu": "8"}
            else:
                record["user"] = self.rng.choice(USERS)
            if self.rng.random() < 0.2:
                record["seen"] = stamp(self.now - seconds(self.rng.randint(1, 40 * 86400)) - self.rng.randint(1, 999999))
        return record

    def records(self):
        drawn = {}
        for _ in range(self.rng.choice((1, 1, 2, 4))):
            if self.jobs and self.rng.random() < 0.4:
                old = self.rng.choice(self.jobs[-40:])
                record = old if self.rng.random() < 0.3 else self.later(old)
            else:
                record = self.fresh()
            drawn[record["source"], record["id"]] = record
        self.jobs += drawn.values()
        return {"verb": "import", "records": list(drawn.values())}

    def slurm(self):
        """Rows of sacct: jobs that are submitted, run, end, fail with their node and are queued again."""
        rows = {}
        for _ in range(self.rng.choice((1, 2, 3))):
            old = self.rng.choice(self.rows[-15:]) if self.rows and self.rng.random() < 0.6 else None
            row = self.row_later(old) if old else self.row_fresh()
            if row is not None:
                rows[row["raw"], row["submit"]] = row
        self.rows += rows.values()
        return {"verb": "slurm", "rows": list(rows.values())} if rows else None

    def row_fresh(self):
        self.count += 1
        submit = self.now // MICRO - self.rng.randint(0, 20 * 86400)
        start = submit + self.rng.choice((0, 60, 40000))
        elapsed = self.rng.choice((0, 1, 299, 3600, 90000, 900000))
        row = {"raw": self.count, "submit": submit, "start": start, "elapsed": elapsed, "suspended": 0,
               "account": self.rng.choice((*PROJECTS * 2, "other")), "user": self.rng.choice(USERS),
               "partition": self.rng.choice(("gpu", "gpu", "cpu")), "qos": self.rng.choice(QOS),
               "limit": self.rng.choice((None, 60, 1440)), "gpu": self.rng.randint(1, 4),
               "cpu": self.rng.randint(1, 200), "state": self.rng.choice(ENDS)}
        return self.row_running(row) if start + elapsed > self.now // MICRO else row

    def row_running(self, row):
        """As it stands: it runs until now, or has not begun."""
        elapsed = self.now // MICRO - row["start"]
        return {**row, "state": "RUNNING" if elapsed >= 0 else "PENDING", "elapsed": max(0, elapsed)}

    def row_later(self, row):
        if row["state"] in ("RUNNING", "PENDING"):
            if self.rng.random() < 0.5:
                return self.row_running(row)
            if row["start"] > self.now // MICRO:
                return None
            most = self.now // MICRO - row["start"]
            ended = {**row, "state": self.rng.choice(ENDS), "elapsed": self.rng.randint(row["elapsed"], most)}
            if self.rng.random() < 0.3:
                ended.update(suspended=ended["elapsed"] // 3, elapsed=ended["elapsed"] - ended["elapsed"] // 3)
            return ended
        if row["state"] in ("NODE_FAIL", "REQUEUED") and self.rng.random() < 0.5:
            submit = row["submit"] + self.rng.randint(1, 5000)  # queued again: the same job, submitted anew
            return self.row_running({**row, "submit": submit, "start": max(row["start"] + row["elapsed"], submit)})
        if self.rng.random() < 0.5:
            return row
        return {**row, "elapsed": row["elapsed"] + self.rng.randint(1, 300)}  # amended, as after a crash

    def entry(self):
        held = [key for key, e in self.book.quarantine.items() if e.state == "open"]
        return dict(zip(("source", "id"), self.rng.choice(held))) if held else None

    def retry(self):
        entry = self.entry()
        return entry and {"verb": "retry", **(entry if self.rng.random() < 0.5 else {})}

    def dismiss(self):
        entry = self.entry()
        return entry and {"verb": "dismiss", **entry}

    def refund(self):
        if not self.jobs:
            return None
        booked = [job for job in self.jobs if (job["source"], job["id"]) in self.book.records]
        late = [job for job in booked if self.paid_by_what_ended(job)]
        able = late if late and self.rng.random() < 0.6 else booked if booked else self.jobs
        record = self.rng.choice(able if self.rng.random() < 0.95 else self.jobs)
        known = self.book.records.get((record["source"], record["id"]))
        move = {"verb": "refund", "source": record["source"], "id": record["id"]}
        if self.rng.random() < 0.6:
            charged = sum(part.micro for part in known.slices) if known else None
            move["points"] = self.amount(charged if self.rng.random() < 0.3 else None)
        return move

    def paid_by_what_ended(self, document):
        """True if grants that have ended paid the record, and there are others by now."""
        part = self.book.records[document["source"], document["id"]].slices[-1]
        grants = self.book.projects[part.project].purse.grants
        return part.micro > 0 and any(g.holds(part.last) and g.end <= self.now for g in grants) and \
            any(g.end > self.now for g in grants)

    # --- holds ------------------------------------------------------------------------------------

    def hold(self):
        name = self.rng.choice((*PROJECTS * 4, "svc", "h3"))
        project = self.book.projects.get(name)
        exactly = None
        if project is not None and not project.is_service:
            exactly = self.rng.choice((self.book.balance(name)["available"],
                                       *(self.book.bound(name, *key) for key in project.limits)))
        move = {"verb": "hold", "project": name, "user": self.rng.choice(USERS) or None,
                "points": self.rng.choice((str(self.rng.randint(0, 12)), self.amount(exactly))),
                "ttl": self.rng.choice((1, 900, 86400, 864000, 8640000)), "parts": self.rng.choice((1, 1, 1, 0, 2, 5))}
        if self.rng.random() < 0.7:
            self.count += 1
            move["key"] = f"q{self.count}"
        if self.rng.random() < 0.4:
            move |= {"source": self.rng.choice(("", PULLED)), "at_once": self.rng.choice((0, 1, 2, 4))}
        if self.rng.random() < 0.1 and self.book.hold_keys:
            key = self.rng.choice(tuple(self.book.hold_keys))
            name, micro, user, ttl, parts, source, at_once = self.book.hold_keys[key][0]
            move = {"verb": "hold", "project": name, "user": user or None, "points": points_text(micro),
                    "ttl": ttl // MICRO, "parts": self.rng.choice((parts, parts, 3)), "key": key, "source": source,
                    "at_once": self.rng.choice((at_once, at_once, 1))}
        return move

    def begin(self):
        """A round of the puller of the source that confirms holds."""
        return {"verb": "begin", "source": PULLED, "interval": self.rng.choice((60, 3600, 86400))}

    def some_hold(self):
        """A hold by key or by place, mostly one that is open; None while there is none."""
        places = range(len(self.book.holds))
        live = [n for n in places if self.book.holds[n].is_live(self.now)]
        if not places:
            return None
        nth = self.rng.choice(live if live and self.rng.random() < 0.8 else places)
        key = self.book.holds[nth].key
        return {"key": key} if key and self.rng.random() < 0.5 else {"nth": nth}

    def settle(self):
        name = self.some_hold()
        if name is None:
            return None
        move = {"verb": "settle", **name, "points": self.rng.choice(("0", "3", self.amount()))}
        if self.rng.random() < 0.5:
            move["part"] = f"s{self.rng.randint(1, 60)}"
        return move

    def release(self):
        name = self.some_hold()
        return name and {"verb": "release", **name}

    def prolong(self):
        name = self.some_hold()
        return name and {"verb": "prolong", **name, "ttl": self.rng.choice((1, 900, 864000))}

    def name_hold(self, record):
        """Mostly a hold of the record's own project."""
        name = self.some_hold()
        own = [n for n, h in enumerate(self.book.holds) if h.project == record["project"] and h.is_live(self.now)]
        if own and self.rng.random() < 0.8:
            name = {"nth": self.rng.choice(own)}
        if name is not None:
            record["hold"] = name["key"] if "key" in name else f"nth:{name['nth']}"

    def sweep(self):
        return {"verb": "sweep"}

    # --- months -----------------------------------------------------------------------------------

    def shut(self):
        """Mostly the month that closes next, often at the instant of its end."""
        closed = self.book.closed
        month = month_after(closed) if closed else self.rng.choice(((2027, 4), (2027, 5)))
        if self.rng.random() < 0.2:
            month = self.rng.choice(((2027, 3), (2027, 5), (2027, 6), month_after(month), self.book.calendar.month(self.now)))
        end = self.book.month_end(month)
        if self.now < end < self.now + hours(25 * 24) and self.rng.random() < 0.6:
            self.now = end + self.rng.choice((0, 0, -1, hours(30)))
        return {"verb": "shut", "month": month_text(month), "check": self.rng.random() < 0.2,
                "quarantine": self.rng.random() < 0.8, "quiet": self.rng.random() < 0.8}

    # --- questions --------------------------------------------------------------------------------

    def check(self):
        name = self.rng.choice((*PROJECTS * 3, *LATE_PROJECTS, "svc"))
        known = self.book.projects.get(name)
        exactly = None
        if known is not None and not known.is_service:
            bounds = [self.book.balance(name)["available"], *(self.book.bound(name, *key) for key in known.limits)]
            exactly = self.rng.choice(bounds)
        return {"verb": "check", "project": name, "points": self.amount(exactly),
                "user": self.rng.choice(USERS) or None}

    def quote(self):
        return {"verb": "quote", "record": self.fresh()}

    def look(self):
        record = self.rng.choice(self.jobs) if self.jobs else self.fresh()
        return {"verb": "look", "source": record["source"], "id": record["id"]}


WEIGHED = (
    (Moves.records, 30), (Moves.slurm, 8), (Moves.hold, 20), (Moves.settle, 6),
    (Moves.release, 3), (Moves.prolong, 3), (Moves.grant, 16), (Moves.check, 10), (Moves.refund, 9), (Moves.transfer, 6),
    (Moves.revoke, 5), (Moves.extend, 5), (Moves.limit, 5), (Moves.retry, 2), (Moves.dismiss, 1),
    (Moves.overdraft, 2), (Moves.member, 2), (Moves.add, 2), (Moves.close, 1), (Moves.alias, 1),
    (Moves.adjust, 2), (Moves.begin, 4), (Moves.sweep, 2), (Moves.shut, 5), (Moves.policy, 2), (Moves.card, 2), (Moves.quote, 1), (Moves.look, 1),
)
KINDS, WEIGHTS = zip(*WEIGHED)
