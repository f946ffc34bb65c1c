"""What the book oracle is made of: the calendar, policies, pools, projects, booked slices, quarantine entries.

Amounts are micro-points, times are microseconds since 1970.
"""

import json
from fractions import Fraction
from functools import lru_cache

import rate_oracle as rating
from grants_oracle import Purse

MICRO = 1_000_000
PERIODS = ("day", "month", "fiscal_year", "total")


def instant(text):
    return rating.instant_parse(text, "time")


def points(text):
    return int(Fraction(text) * MICRO)


class Said:
    """What ledgerctl must answer. `reasons` holds every reason that may be given; () leaves it open."""

    def __init__(self, status=0, *reasons, **figures):
        self.status, self.reasons, self.figures = status, reasons, figures


def refused(*reasons):
    return Said(1, *reasons)


WRONG = Said(2)


class Calendar:
    def __init__(self, zone, first_month):
        self.zone, self.first_month = zone, first_month

    def month(self, t):
        return rating.month_of(t, self.zone)

    def year(self, t):
        return self.year_of_month(self.month(t))

    def year_of_month(self, month):
        return month[0] - (month[1] < self.first_month)

    @lru_cache(maxsize=None)
    def year_edges(self, year):
        return (rating.month_start(year, self.first_month, self.zone),
                rating.month_start(year + 1, self.first_month, self.zone))

    @lru_cache(maxsize=None)
    def day(self, t):
        local = (rating.EPOCH + rating.timedelta(microseconds=t)).astimezone(rating.ZoneInfo(self.zone))
        return local.year, local.month, local.day

    def period(self, name, month, last):
        """The period in which a charge of this month and last instant counts."""
        return {"day": self.day(last), "month": month, "fiscal_year": self.year_of_month(month),
                "total": 0}[name]

    def period_at(self, name, t):
        return self.period(name, self.month(t), t)


class Policy:
    def __init__(self, document):
        self.document = document
        self.name = document["policy"]
        self.begin = instant(document["effective_from"])
        self.fractions = [(s["share"], Fraction(s["fraction"])) for s in document["shares"]]
        self.month_rule = document.get("month_rule", "split")
        self.on_expiry = document.get("on_expiry", "void")
        self.needs_members = document.get("require_membership", False)

    def factor(self, share):
        return Fraction(self.document.get("overgrant", {}).get(share, "1"))

    def split(self, micro):
        """By the fractions, cut towards zero; the first of the largest shares takes the rest."""
        parts = {share: int(micro * fraction) for share, fraction in self.fractions}
        largest = max(self.fractions, key=lambda pair: pair[1])[0]
        parts[largest] += micro - sum(parts.values())
        return parts


class Pool:
    def __init__(self):
        self.supply = self.net = self.lapsed = 0

    def left(self, factor, lent=0):
        return int((self.supply + lent) * factor // 1) - self.net - self.lapsed


class Project:
    def __init__(self, share):
        self.share = share  # None: a service
        self.is_closed = False
        self.overdraft = 0
        self.members = {}
        self.limits = {}  # (user or "", period): micro
        self.purse = Purse()

    @property
    def is_service(self):
        return self.share is None


class Slice:
    """A part of a record's charge, where it was booked."""

    def __init__(self, project, user, source, klass, month, last, micro, sink):
        self.project, self.user, self.source, self.klass = project, user, source, klass
        self.month, self.last, self.micro, self.sink = month, last, micro, sink

    @property
    def place(self):
        return self.project, self.user, self.source, self.klass, self.month, self.last


class Record:
    def __init__(self):
        self.slices = []
        self.returned = []  # the card's own refund, slice by slice
        self.by_hand = {}  # by project: a record may have been another's
        self.is_running = False  # it runs, and closes have posted its first months
        self.seen = None
        self.content = None
        self.contents = set()


class Entry:
    """A record in quarantine."""

    def __init__(self, document, reasons):
        self.document, self.reasons = document, reasons
        self.raw = json.dumps(document)
        self.state = "open"
