"""Edges of days, months and fiscal years, by the site's clock: the book against the oracle at each of them.

Every scene is played move by move; after each move balances, grants and limits are compared with the
oracle's, at its end all accounts and months too. The oracle knows of time zones what Python's zoneinfo says.
A few figures that one can work out on paper are written down as well.
"""

import datetime
import os
import sys
import unittest
from zoneinfo import ZoneInfo

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import ledger_test as lt  # noqa: E402
from book_moves import card, policy, stamp  # noqa: E402
from book_parts import MICRO, instant  # noqa: E402
from book_player import Difference, Driver, Player  # noqa: E402

RULES = ("split", "start", "end", "submit")
HOUR = 3600 * MICRO
SHARES = ("0.80", "0.10", "0.10")


def near(t):
    """An instant with the ones before and after it."""
    return [stamp(instant(t) + shift) for shift in (-1, 0, 1)]


def job(number, start, end, project="h1", **more):
    return {"source": "slurm:a", "id": number, "project": project, "class": "gpu", "user": "ann", "qos": "normal",
            "start": start, "end": end, "state": "final", "outcome": "completed", "meters": {"gpu": "1"}, **more}


def tokens(number, at, project="h1"):
    return {"source": "gateway:b", "id": number, "project": project, "class": "chat", "user": "ann", "start": at,
            "end": at, "state": "final", "outcome": "completed", "meters": {"input_tokens": "1000000"}}


class Scene(unittest.TestCase):
    """A book of its own for each scene; what is played is compared at once."""

    def setUp(self):
        self.driver = Driver()
        self.addCleanup(lambda: self.driver.close())
        self.player = None

    def open(self, zone="Asia/Tokyo", rule="split", begin="2027-04-01T00:00:00", supply_from=None, expiry="void",
             now=None):
        self.end_scene()
        self.player = Player(self.driver, lt.create_db("calendar"), zone)
        self.zone = zone
        start = self.local(begin)
        entries = [{"id": f"fy{year}", "fiscal_year": year,
                    "from": supply_from if year == 2027 and supply_from else self.local(f"{year}-04-01T00:00:00"),
                    "to": self.local(f"{year + 1}-04-01T00:00:00"), "resource": "gpu", "count": 1,
                    "hours": "10000", "points_per_hour": "1"} for year in (2027, 2028)]
        document = policy("first", start, SHARES, month_rule=rule, supply=entries, on_expiry=expiry)
        document["timezone"] = zone
        now = now or start
        self.play(now, "policy", policy=document)
        self.play(now, "rates", card=card("first", start))
        for name, share in (("h1", "hpci"), ("g1", "general")):
            self.play(now, "project", project=name, share=share)

    def end_scene(self):
        if self.player is not None:
            self.player.compare_all()
            self.player.verify()

    def tearDown(self):
        self.end_scene()

    def local(self, text):
        """A wall clock's time, with its offset then."""
        return datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(self.zone)).isoformat()

    def play(self, now, verb, **move):
        move = {"now": now, "verb": verb, **move}
        try:
            self.player.play(move)
            for name, project in self.player.book.projects.items():
                self.player.compare_balance(name)
                if project.limits:
                    self.player.compare_limits(name)
        except Difference as difference:
            raise AssertionError(f"{move}\n{difference}") from difference

    def read(self, now, *records):
        self.play(now, "import", records=list(records))

    def look(self, *times):
        """Only the passing of time."""
        for now in times:
            self.play(now, "check", project="h1", points="5", user="ann")

    def months(self, project="h1"):
        return {month: micro / MICRO for (name, _, month), (micro, _) in self.player.book.months().items()
                if name == project}

    def posted(self, name="h1"):
        return self.player.book.posted(name) / MICRO


class GrantEdgeTest(Scene):
    MIDNIGHT = "2027-06-20T00:00:00+09:00"

    def grants(self):
        self.play("2027-06-01T00:00:00+09:00", "grant", project="h1", points="100",
                  **{"from": "2027-06-01T00:00:00+09:00", "to": self.MIDNIGHT})
        self.play("2027-06-01T00:00:00+09:00", "grant", project="h1", points="7",
                  **{"from": self.MIDNIGHT, "to": "2027-06-21T00:00:00+09:00"})

    def test_a_grant_pays_until_the_last_instant_before_its_midnight(self):
        before, midnight, after = near(self.MIDNIGHT)
        hour = stamp(instant(self.MIDNIGHT) - HOUR)
        for read_at in (before, midnight, after, "2027-06-23T12:00:00+09:00"):
            self.open()
            self.grants()
            self.look(before)
            self.read(read_at, tokens("t1", before), tokens("t2", midnight), tokens("t3", after))
            self.read(read_at, job("j1", hour, midnight), job("j2", hour, after), job("j3", hour, before))
            if read_at < "2027-06-21":
                self.look(*near("2027-06-21T00:00:00+09:00"))
            # the first grant pays t1, j1, j3; the second t2, t3 and j2 (3600.000001 s, rounded to 1 point)
            purse = self.player.book.projects["h1"].purse
            left, _ = purse.walk(self.player.book.now)
            self.assertEqual([100 - 1 - 1 - 1, 7 - 1 - 1 - 1], [round(m / MICRO) for m in left.values()])

    def test_an_expiry_is_taken_back_by_what_ran_before_it(self):
        for expiry in ("void", "pool"):
            self.open(expiry=expiry)
            self.grants()
            self.look(*near(self.MIDNIGHT))
            self.read("2027-08-01T00:00:00+09:00", job("j1", "2027-06-19T00:00:00+09:00", self.MIDNIGHT))
            self.read("2027-08-02T00:00:00+09:00", job("j2", "2027-06-14T00:00:00+09:00", "2027-06-19T00:00:00+09:00"))
            self.assertEqual(-37, self.posted())  # 144 hours ran; the second grant paid 7 of what was owed
            self.play("2027-08-03T00:00:00+09:00", "refund", source="slurm:a", id="j2", points="60")
            self.play("2027-08-04T00:00:00+09:00", "grant", project="h1", points="9",
                      **{"from": "2027-08-04T00:00:00+09:00"})

    def test_nothing_outlives_the_fiscal_year(self):
        year_end = "2028-04-01T00:00:00+09:00"
        for expiry in ("void", "pool"):
            self.open(expiry=expiry)
            self.play("2027-06-01T00:00:00+09:00", "grant", project="h1", points="100")
            self.play("2028-03-01T00:00:00+09:00", "grant", project="h1", points="50",
                      **{"from": year_end, "to": "2028-04-02T00:00:00+09:00"})
            self.play("2028-03-01T00:00:00+09:00", "grant", project="h1", points="1",
                      **{"from": "2028-03-31T00:00:00+09:00", "to": stamp(instant(year_end) + 1)})  # spans two
            self.play("2028-03-01T00:00:00+09:00", "extend", project="h1", nth=0, to=stamp(instant(year_end) + 1))
            self.look(*near(year_end))
            book = self.player.book
            self.assertEqual(100 * MICRO + (8000 - 100) * MICRO, book.accounts["expired/hpci"])
            self.play(near(year_end)[2], "grant", project="h1", points="1", **{"from": "2028-03-31T00:00:00+09:00"})
            self.play(near(year_end)[2], "grant", project="h1", points="1")
            self.read(stamp(instant(year_end) + HOUR),
                      job("j1", "2028-03-31T20:00:00+09:00", "2028-04-01T01:00:00+09:00"))
            self.assertEqual({"2028-03-01": 4.0, "2028-04-01": 1.0}, self.months())
            self.assertEqual((100 - 4 + 7900) * MICRO, book.accounts["expired/hpci"])
            self.play(stamp(instant(year_end) + 2 * HOUR), "adjust", supply="fy2027", points="-100")


class MonthEdgeTest(Scene):
    def test_a_leap_february_has_29_days(self):
        self.open()
        self.play("2028-02-01T00:00:00+09:00", "grant", project="h1", points="500")
        self.play("2028-02-01T00:00:00+09:00", "limit", project="h1", user=None, period="day", points="24")
        self.play("2028-02-01T00:00:00+09:00", "limit", project="h1", user=None, period="month", points="48")
        self.read("2028-02-29T12:00:00+09:00",
                  job("j1", "2028-02-28T00:00:00+09:00", "2028-02-29T00:00:00+09:00"),
                  job("j2", "2028-02-29T00:00:00+09:00", "2028-02-29T12:00:00+09:00"))
        self.look("2028-02-29T12:00:01+09:00")
        self.read("2028-03-01T12:00:00+09:00",
                  job("j3", "2028-02-28T00:00:00+09:00", "2028-03-01T12:00:00+09:00"),
                  job("j4", "2028-02-29T23:00:00+09:00", "2028-03-01T00:00:00+09:00"),
                  tokens("t1", "2028-02-29T23:59:59.999999+09:00"), tokens("t2", "2028-03-01T00:00:00+09:00"))
        self.look("2028-03-01T12:00:01+09:00")
        self.assertEqual({"2028-02-01": 24 + 12 + 48 + 1 + 1, "2028-03-01": 12 + 1}, self.add_up())

    def add_up(self, project="h1"):
        sums = {}
        for (name, _, month), (micro, _) in self.player.book.months().items():
            if name == project:
                sums[month] = sums.get(month, 0) + micro / MICRO
        return sums

    def test_a_job_across_three_months_and_a_new_card(self):
        start, end = "2027-06-29T12:00:00+09:00", "2027-08-02T06:00:00+09:00"
        wanted = {"split": {"2027-06-01": 36, "2027-07-01": 24 * 14.5 + 2 * 24 * 16.5, "2027-08-01": 2 * 30},
                  "start": {"2027-06-01": 1236}, "end": {"2027-08-01": 1236}, "submit": {"2027-05-01": 1236}}
        for rule in RULES:
            with self.subTest(rule=rule):
                self.open(rule=rule)
                self.play("2027-06-01T00:00:00+09:00", "grant", project="h1", points="1000")
                self.play("2027-06-01T00:00:00+09:00", "limit", project="h1", user="ann", period="month", points="900")
                self.play("2027-06-01T00:00:00+09:00", "rates", card=card("second", "2027-07-15T12:00:00+09:00", "2"))
                submitted = "2027-05-31T23:59:59+09:00"
                for seen in ("2027-06-30T23:59:59.999999+09:00", "2027-07-01T00:00:00+09:00",
                             "2027-07-01T00:00:00.000001+09:00", "2027-07-20T00:00:00+09:00"):
                    self.read(seen, job("j1", start, seen, state="running", submitted=submitted))
                    self.look(seen)
                self.read("2027-08-03T00:00:00+09:00", job("j1", start, end, submitted=submitted))
                self.assertEqual(wanted[rule], self.add_up())
                self.read("2027-08-04T00:00:00+09:00",
                          job("j1", start, end, submitted=submitted, outcome="node_fail"))
                self.read("2027-08-05T00:00:00+09:00",
                          job("j1", start, "2027-07-31T00:00:00+09:00", submitted=submitted))

    def test_the_first_service_day_is_the_first_of_june(self):
        first = "2027-06-01T00:00:00+09:00"
        before = near(first)[0]
        self.open(begin="2027-06-01T00:00:00", supply_from=first, now="2027-05-20T09:00:00+09:00")
        self.play(before, "grant", project="h1", points="8000")
        self.play(before, "grant", project="h1", points="0.000001")
        self.play(before, "grant", project="g1", points="40", **{"from": first, "to": "2027-06-02T00:00:00+09:00"})
        self.look(*near(first))
        self.read("2027-06-01T03:00:00+09:00", job("j1", stamp(instant(first) - HOUR), "2027-06-01T01:00:00+09:00"),
                  job("j2", before, "2027-06-01T01:00:00+09:00"), job("j3", first, "2027-06-01T01:00:00+09:00"),
                  tokens("t1", before), tokens("t2", first))
        self.assertEqual({"2027-06-01": 2.0}, self.add_up())  # what ran before has no price
        self.look(*near("2027-06-02T00:00:00+09:00"))

    def test_a_year_in_a_limit_begins_in_april(self):
        edge = "2028-04-01T00:00:00+09:00"
        for rule in RULES:
            with self.subTest(rule=rule):
                self.open(rule=rule)
                now = "2028-03-01T00:00:00+09:00"
                self.play(now, "overdraft", project="h1", points="100")
                for period in ("day", "month", "fiscal_year", "total"):
                    self.play(now, "limit", project="h1", user=None, period=period, points="10")
                self.read(near(edge)[0], job("j0", "2028-03-31T18:00:00+09:00", near(edge)[0], state="running"))
                self.look(*near(edge))
                self.read("2028-04-01T09:00:00+09:00",
                          job("j1", "2028-03-31T22:00:00+09:00", edge, submitted="2028-03-01T00:00:00+09:00"),
                          job("j2", "2028-03-31T22:00:00+09:00", near(edge)[2], submitted=edge),
                          job("j3", edge, "2028-04-01T02:00:00+09:00", submitted="2028-03-31T00:00:00+09:00"),
                          tokens("t1", near(edge)[0]), tokens("t2", edge))
                self.look("2028-04-01T09:00:01+09:00")


class SummerTimeTest(Scene):
    """Tokyo has none; a site in Berlin has a day of 23 hours in March and one of 25 in October."""

    def day(self, date, hours):
        """One job of the whole day and one token record at each of its edges and an instant beside them."""
        begin = self.local(f"{date}T00:00:00")
        end = self.local(f"{datetime.date.fromisoformat(date) + datetime.timedelta(days=1)}T00:00:00")
        self.assertEqual(hours * HOUR, instant(end) - instant(begin))
        middle = stamp(instant(begin) + 5 * HOUR, self.zone)
        now = stamp(instant(end) + HOUR, self.zone)
        self.play(middle, "limit", project="h1", user=None, period="day", points="27")
        self.play(middle, "grant", project="h1", points="5", **{"from": begin, "to": end})
        self.look(middle)
        self.read(now, job(f"j{date}", begin, end),
                  *(tokens(f"t{i}{date}", t) for i, t in enumerate([*near(begin), *near(end)])))
        self.look(now)
        charged, *_ = self.player.book.limit_use("h1", "", "day")
        self.assertEqual(2 * MICRO, charged)  # of the next day: at its midnight and an instant later

    def test_days_of_23_and_25_hours(self):
        self.open("Europe/Berlin")
        self.play(self.local("2027-10-01T00:00:00"), "grant", project="h1", points="400")
        for date, hours in (("2027-10-30", 24), ("2027-10-31", 25), ("2028-03-25", 24), ("2028-03-26", 23)):
            with self.subTest(date=date):
                self.day(date, hours)

    def test_a_month_ends_at_its_own_offset(self):
        """October 2027 begins at +02:00 and ends, on its day of 25 hours, at +01:00."""
        self.open("Europe/Berlin")
        self.play(self.local("2027-10-01T00:00:00"), "grant", project="h1", points="2000")
        self.read("2027-11-02T00:00:00+01:00",
                  job("j1", "2027-09-30T23:00:00+02:00", "2027-11-01T01:00:00+01:00"))
        self.assertEqual({"2027-09-01": 1.0, "2027-10-01": 31 * 24 + 1.0, "2027-11-01": 1.0}, self.months())
        self.play("2028-03-01T00:00:00+01:00", "grant", project="g1", points="3")
        self.look(*near("2028-04-01T00:00:00+02:00"))
        self.assertEqual(0, self.posted("g1"))

    def test_the_hour_that_comes_twice_is_two_hours(self):
        self.open("Europe/Berlin")
        begin, end = "2027-10-31T02:00:00+02:00", "2027-10-31T02:00:00+01:00"
        self.play("2027-10-01T00:00:00+02:00", "grant", project="h1", points="10", **{"from": begin, "to": end})
        self.look(*near(begin), *near(end))
        self.read("2027-10-31T04:00:00+01:00", job("j1", begin, end), job("j2", end, "2027-10-31T03:00:00+01:00"))
        self.assertEqual(-1.0, self.posted())  # the grant paid the first of them, and what was left expired


del Scene  # it has no tests of its own

if __name__ == "__main__":
    unittest.main()
