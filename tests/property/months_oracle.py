"""Months that close, and what each one's report says of every project.

A part of the book oracle. A transfer belongs to a month; it counts there, or in the earliest open month if
that one is closed. Months are pairs (year, month), amounts are micro-points.
"""

import collections

import rate_oracle as rating
from book_parts import Said, Slice, instant, refused

COLUMNS = {"grant": ("granted", 1), "revoke": ("granted", 1), "charge": ("charged", -1),
           "refund": ("refunded", 1), "expire": ("expired", -1), "transfer": ("adjusted", 1)}


def month_after(month):
    return (month[0] + 1, 1) if month[1] == 12 else (month[0], month[1] + 1)


def month_text(month):
    return f"{month[0]}-{month[1]:02}"


class Months:
    """What the book knows of months."""

    def __init__(self):
        self.closed = None  # the latest one that is closed
        self.shut = []  # those that have a report
        self.moves = collections.Counter()  # (project, month counted in, column, source): signed for the project

    # --- what counts where ------------------------------------------------------------------------

    def counted_in(self, month):
        return month if self.closed is None or month > self.closed else month_after(self.closed)

    def note(self, account, kind, month, source, micro):
        """A project's side of a transfer that belongs to the month."""
        owner, _, name = account.partition("/")
        if owner != "project":
            return
        counted = self.counted_in(month)
        column = COLUMNS[kind][0] if counted == month else "adjusted"
        self.moves[name, counted, column, source if column == "charged" else ""] += micro

    def report(self, month):
        """The columns of each project in which anything was ever counted, up to the month."""
        lines = {}
        signs = dict(COLUMNS.values())
        for (name, counted, column, source), micro in self.moves.items():
            if counted > month:
                continue
            line = lines.setdefault(name, {"opening": 0, "charged": {}, "granted": 0, "refunded": 0,
                                           "adjusted": 0, "expired": 0, "closing": 0})
            line["closing"] += micro
            if counted < month:
                line["opening"] += micro
            elif column == "charged":
                line["charged"][source] = line["charged"].get(source, 0) - micro
            else:
                line[column] += micro * signs[column]
        for line in lines.values():
            line["charged"] = {source: micro for source, micro in line["charged"].items() if micro}
        return {name: line for name, line in lines.items() if any(line.values())}

    # --- closing ----------------------------------------------------------------------------------

    def month_end(self, month):
        return rating.month_start(*month_after(month), self.calendar.zone)

    def holds_back(self, entry, month):
        """True if a record in quarantine may be the month's."""
        document = entry.document
        start, end = instant(document["start"]), instant(document["end"])
        first, policy = start, self.policy_at(start)
        if policy is not None and policy.month_rule == "submit" and "submitted" in document:
            first = min(first, instant(document["submitted"]))
        return self.calendar.month(first) <= month <= self.calendar.month(end - (end > start))

    def gates(self, month, accept_quarantine):
        """The gates that the book alone decides; the order of months is open to the first that closes."""
        gates = {"month_over": self.now >= self.month_end(month), "verified": True}
        if self.closed is not None:
            gates["order"] = month <= month_after(self.closed)
        gates["quarantine"] = accept_quarantine or not any(
            entry.state == "open" and self.holds_back(entry, month) for entry in self.quarantine.values())
        return gates

    def asked_again(self, month):
        """The answer for a month that is closed already; None for one that is not."""
        if month in self.shut:
            return Said(0, state="closed", already=True)
        if self.closed is not None and month <= self.closed:
            return refused("unknown_report")
        return None

    def close(self, month):
        """Posts what running work has cost up to the month's end; how many records that were."""
        posted = 0
        for key, running in sorted(self.running.items()):
            policy = self.policy_at(instant(running.document["start"]))
            if policy is None or policy.month_rule != "end":
                posted += self.post_running(key, running, month)
        self.closed = month
        self.shut.append(month)
        return posted

    def post_running(self, key, running, month):
        name, rated = self.rate(running.document)
        parts = self.slices(running.document, name, rated)[0]
        charged = [part for part in parts if part.month <= month and rated.end > rated.start]
        if not charged:  # what was seen the moment it began has no slice yet
            return False
        record = self.records.get(key) or self.new_record(*key)
        self.rebook(record, charged, [Slice(*part.place, 0, part.sink) for part in charged])
        record.is_running = True
        running.project, running.slices, running.booked = name, parts, charged
        self.latest = max(self.latest, *(part.last + 1 for part in charged))
        return True
