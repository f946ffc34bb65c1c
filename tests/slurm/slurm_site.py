"""A ledger beside a real cluster, and a second opinion on what each job must cost.

    site = Site(cluster, {"ml": 1000, "bio": 50})       a sandbox with policy, card, projects and grants
    site.serve(cluster)                                 ledgerd that reads the cluster by itself, and the hook asks
    site.wait_round()                                   everything that Slurm knows by now has been read
    site.check_booked(test, rows)                       the book has what the oracle makes of these rows of sacct

The oracle (tests/property/rate_oracle.py) works from the contract's formulas with rational numbers; a row of sacct becomes its
record here, by the contract's words, and not by the importer.
"""

import datetime
import json
import os
import re
import sys
import time
from fractions import Fraction

import ledger_test as lt
from slurm_cluster import state_of

sys.path.insert(0, os.path.join(lt.ROOT, "tests", "property"))
import rate_oracle  # noqa: E402

SOURCE = "slurm:sdli"
ZONE = datetime.timezone(datetime.timedelta(hours=9))  # Asia/Tokyo
CLASSES = {"gpu": "gpu", "cpu": "cpu", "whole": "whole", "mem": "cpu", "endless": "cpu"}


def year_of(day):
    return day.year - (day.month < 4)


def first_of_month(when, months_before):
    month = when.year * 12 + when.month - 1 - months_before
    return datetime.datetime(month // 12, month % 12 + 1, 1, tzinfo=ZONE)


def policy(begin, now, **changes):
    """From that day on, with supply for every fiscal year until now."""
    def supply(year):
        start, end = (datetime.datetime(y, 4, 1, tzinfo=ZONE) for y in (year, year + 1))
        return {"id": f"fy{year}", "fiscal_year": year, "from": max(begin, start).isoformat(), "to": end.isoformat(),
                "resource": "gpu", "count": 1000, "hours": "8760", "points_per_hour": "1"}
    return {"policy": "slurm", "timezone": "Asia/Tokyo", "fiscal_year_start": "04-01", "effective_from": begin.isoformat(),
            "shares": [{"share": "hpci", "fraction": "0.9"}, {"share": "industry", "fraction": "0.1"}],
            "supply": [supply(year) for year in range(year_of(begin), year_of(now) + 1)], **changes}


def card(begin):
    """Every kind of price: the dearest meter, a sum, whole nodes; what was asked for, a minimum, factors, a refund."""
    qos = {"qos": {"normal": "1", "urgent": "2", "low": "0.5"}}
    return {"card": "slurm", "effective_from": begin.isoformat(),
            "rules": [
                {"source": SOURCE, "class": "gpu", "combine": "max", "require": ["gpu"], "factors": qos,
                 "per_hour": {"gpu": "1", "cpu": "0.0138", "mem_gib": "0.002"}},
                {"source": SOURCE, "class": "cpu", "factors": qos, "per_hour": {"cpu": "0.0137", "mem_gib": "0.0021"},
                 "basis": {"elapsed": "0.7", "requested": "0.1", "min_seconds": 5}},
                {"source": SOURCE, "class": "whole", "factors": qos, "per_hour": {"node": "4.1", "mem_gib": "0.0001"}}],
            "refund": {"node_fail": {"fraction": "1", "max_seconds": 14400}}}


# --- a row of sacct, as the contract reads it ------------------------------------------------------

def tres(text):
    """Meters of an AllocTRES: memory in GiB, GPUs by the untyped entry."""
    found = dict(entry.split("=") for entry in text.split(",") if entry)
    meters = {name: found[key] for name, key in (("cpu", "cpu"), ("gpu", "gres/gpu"), ("node", "node")) if key in found}
    if "mem" in found:
        number, unit = re.fullmatch(r"([0-9.]+)([KMGT])", found["mem"]).groups()
        gib = Fraction(number) * {"K": Fraction(1, 1 << 20), "M": Fraction(1, 1 << 10), "G": 1, "T": 1 << 10}[unit]
        meters["mem_gib"] = f"{float(gib):.9f}".rstrip("0").rstrip(".")
        if Fraction(meters["mem_gib"]) != gib:
            raise AssertionError(f"memory {text} is no decimal of nine places")
    return meters


def instant(epoch):
    return datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc).isoformat()


def started(row):
    """Whether the job ever ran: others have no record."""
    return row["Start"].isdigit() and row["AllocTRES"] != ""


def identity(row):
    return f"{row['JobIDRaw']}@{row['Submit']}"


def record(row):
    """The usage record of a finished job."""
    document = {"source": SOURCE, "id": identity(row), "project": row["Account"], "user": row["User"],
                "class": CLASSES[row["Partition"]], "qos": row["QOS"], "state": "final", "outcome": state_of(row).lower(),
                "start": instant(row["Start"]), "end": instant(row["End"]), "submitted": instant(row["Submit"]),
                "elapsed_seconds": int(row["ElapsedRaw"]), "meters": tres(row["AllocTRES"]),
                "attributes": {"account": row["Account"], "partition": row["Partition"]}}
    if row["TimelimitRaw"].isdigit():
        document["requested_seconds"] = int(row["TimelimitRaw"]) * 60
    return document


def micro(points):
    return int(Fraction(points) * rate_oracle.MICRO)


class Oracle:
    """What rows must cost by a card."""

    def __init__(self, card_document, month_rule="split"):
        self.card, self.month_rule = card_document, month_rule

    def charge(self, row):
        """{month: micro-points} and what the card gives back of it."""
        document = record(row)
        answer = rate_oracle.rate({"cards": [self.card], "record": document, "timezone": "Asia/Tokyo",
                                   "month_rule": self.month_rule})
        if "error" in answer:
            raise AssertionError(f"the oracle cannot price {row}: {answer}")
        months = {piece["month"]: micro(piece["points"]) for piece in answer["slices"]}
        return months, self._given_back(document, sum(months.values()))

    def _given_back(self, document, charged):
        rule = self.card["refund"].get(document["outcome"])
        if rule is None:
            return 0
        elapsed = document["elapsed_seconds"]
        share = Fraction(rule["fraction"]) * (Fraction(rule["max_seconds"], elapsed) if elapsed > rule["max_seconds"] else 1)
        return rate_oracle.round_micro(Fraction(charged, rate_oracle.MICRO) * share, 6, "half_even")


# --- the ledger -----------------------------------------------------------------------------------

class Site:
    """A book for the cluster, and its ledgerd while it runs. now: where it pretends another time (policy before it)."""

    def __init__(self, grants, now=None, months_before=2, db=None, **policy_changes):
        self.now = now
        today = now or datetime.datetime.now(ZONE)
        begin = first_of_month(today, months_before)
        self.card, self.begin = card(begin), begin
        self.oracle = Oracle(self.card, policy_changes.get("month_rule", "split"))
        self.db = db or lt.create_db("slurm")
        self.ledgerd = None
        self.folder = lt.temp_dir()
        self.socket = os.path.join(self.folder, "socket")
        self.conf_text = ""
        self.ctl("policy", "apply", lt.write_file(json.dumps(policy(begin, today, **policy_changes))))
        self.ctl("rates", "apply", lt.write_file(json.dumps(self.card)))
        for project, points in grants.items():
            self.ctl("project", "add", project, "--share", "hpci")
            if points:
                self.ctl("grant", project, points)

    def _pretended(self):
        return self.now.isoformat() if self.now else None

    def ctl(self, *args, **options):
        return lt.ctl(list(args), db=self.db, now=self._pretended(), **options)

    def ctl_json(self, *args, **options):
        return lt.ctl_json(list(args), db=self.db, now=self._pretended(), **options)

    def configure(self, cluster, interval="1s", more=""):
        """Writes the configuration that reads this cluster; its path."""
        classes = "".join(f"partition.{name} = {klass}\n" for name, klass in CLASSES.items() if name != klass)
        self.conf_text = (f"[http]\nunix = {self.socket}\n[slurm sdli]\nmode = sacct\ninterval = {interval}\n"
                          f"command = {cluster.bin('sacct')}\nsince = {self.begin.isoformat()}\n{classes}{more}")
        path = os.path.join(self.folder, "ledgerd.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.conf_text)
        return path

    def serve(self, cluster, hook=None, **options):
        """Starts ledgerd, waits until it has read the cluster once; hook: settings of the plugin beside its socket."""
        self.configure(cluster, **options)
        self.ledgerd = lt.start_ledgerd(self.db, conf=self.conf_text, now=self._pretended(), env=cluster.names())
        self.wait_round()
        if hook is not None:
            self.write_hook(cluster, hook)

    def write_hook(self, cluster, settings, socket=None):
        """The plugin looks for a changed file at most once a second."""
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        with open(cluster.hook_conf + ".new", "w", encoding="utf-8") as file:
            file.write(f"cluster = sdli\nsocket = {socket or self.socket}\n{text}")
        os.replace(cluster.hook_conf + ".new", cluster.hook_conf)
        time.sleep(1.2)

    def reconfigure(self, cluster, more, **options):
        """The same ledgerd with other settings of the cluster's section."""
        self.stop()
        self.serve(cluster, more=more, **options)

    def change_policy(self, **changes):
        """Another policy governs from now on."""
        begin = datetime.datetime.now(ZONE) + datetime.timedelta(seconds=1)
        document = policy(begin, begin, policy=f"slurm-{begin.timestamp()}", supply=[], **changes)
        self.ctl("policy", "apply", lt.write_file(json.dumps(document)))
        time.sleep(max(0, begin.timestamp() - time.time()))

    def stop(self):
        if self.ledgerd is not None:
            daemon, self.ledgerd = self.ledgerd, None
            with daemon:
                pass

    def rounds(self):
        """How many have ended well."""
        return int(lt.scalar(self.db, f"SELECT rounds FROM ledger.pull WHERE source = '{SOURCE}'") or 0)

    def wait_round(self, seconds=60):
        """Until a round of the puller has begun and ended well from now on: the second that ends is one."""
        wanted = self.rounds() + 2
        lt.eventually(lambda: self.rounds() >= wanted, seconds)

    def pull(self, cluster, now=None):
        """One round by hand, at a pretended time if one is given; its counts."""
        return lt.ctl_json(["pull", "sdli", "-c", self.configure(cluster)], db=self.db, env=cluster.names(),
                           now=now.isoformat() if now else None)

    # --- what the book says ------------------------------------------------------------------------

    def booked(self):
        """{record id: ({month: micro}, micro given back, project)}."""
        charges = lt.query(self.db, f"""
            SELECT r.id, to_char(c.month, 'YYYY-MM'), sum(c.points_micro), min(c.project_id)
              FROM ledger.charge c JOIN ledger.record_identity r USING (record_no) JOIN ledger.source s ON s.source_no = r.source_no
             WHERE s.name = '{SOURCE}' GROUP BY 1, 2""")
        refunds = lt.query(self.db, """
            SELECT r.id, sum(f.points_micro) FROM ledger.refund f JOIN ledger.record_identity r USING (record_no) GROUP BY 1""")
        given = {number: int(back) for number, back in refunds}
        book = {}
        for number, month, points, project in charges:
            months = book.setdefault(number, ({}, given.get(number, 0), project))[0]
            months[month] = int(points)
        return book

    def check_booked(self, test, rows, whole=False):
        """Each of these jobs costs what the oracle says, to the micro-point; whole: and nothing else was booked."""
        book = self.booked()
        expected = {identity(row): row for row in rows if started(row)}
        for number, row in expected.items():
            months, back = self.oracle.charge(row)
            test.assertIn(number, book, f"not booked: {row}")
            have = {month: points for month, points in book[number][0].items() if points}
            test.assertEqual(({m: p for m, p in months.items() if p}, back, row["Account"]),
                             (have, *book[number][1:]), f"{row}")
        for row in rows:
            if not started(row):
                test.assertNotIn(identity(row), book, f"booked, though it never ran: {row}")
        if whole:
            test.assertEqual(set(book), set(expected))

    def holds(self, state="open"):
        """Open holds: (key, project, micro-points, parts, parts that have ended)."""
        rows = lt.query(self.db, f"""SELECT key, project_id, points_micro, parts, ended_parts FROM ledger.hold
                                      WHERE state = '{state}' ORDER BY hold_no""")
        return [(key, project, *map(int, rest)) for key, project, *rest in rows]

    def hold_of(self, cluster, job):
        """The hold that this job's submission took; None without one."""
        comment = re.search(r"AdminComment=(\S+)", cluster.command("scontrol", "show", "job", job))
        key = comment and re.search(r"ledger:hold=([^;]+)", comment.group(1))
        if not key:
            return None
        row = lt.query(self.db, f"SELECT project_id, points_micro, parts, state FROM ledger.hold WHERE key = '{key.group(1)}'")
        return (row[0][0], int(row[0][1]), int(row[0][2]), row[0][3]) if row else None

    def events(self, job):
        """What was done to a job through Slurm's own commands: [kind, why]."""
        return lt.query(self.db, f"SELECT kind, detail FROM ledger.slurm_event WHERE job_id = {int(job)} ORDER BY n")

    def balance(self, project):
        return {name: micro(value) for name, value in self.ctl_json("balance", project).items()
                if name in ("posted", "held", "accrued", "available")}
