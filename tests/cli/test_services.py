"""Persistent jobs are paid once: by those who use the tokens, and the services' report says how well.

Jobs come as Slurm's accounting tells them (sacct's text), tokens as usage records.  What the report must show is
computed here from the two lists alone, with Python's fractions and the rules of report_service.h.
"""

import csv
import io
import json
import os
import random
import re
import sys
import unittest
from collections import defaultdict
from fractions import Fraction

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt  # noqa: E402

MICRO = 1_000_000
SEED = int(os.environ.get("LEDGER_SEED", "20270601"))
JST = "+09:00"
DAY, HOUR = 86400, 3600
JUNE_DAYS = 30
AUGUST = "2027-08-20T09:00:00+09:00"
SHARES = {"h1": "hpci", "h2": "hpci", "g1": "general", "i1": "industry"}
FRACTIONS = {"hpci": Fraction(4, 5), "general": Fraction(1, 10), "industry": Fraction(1, 10)}
PRICES = {  # points per million, before discount
    "big": {"input_tokens": "0.5", "cached_input_tokens": "0.125", "output_tokens": "2"},
    "small": {"input_tokens": "0.05", "output_tokens": "0.2"},
    "gift": {"input_tokens": "1", "output_tokens": "4"},
}
DISCOUNTS = {"big": Fraction(0), "small": Fraction(1, 4), "gift": Fraction(1)}
POLICY = {
    "policy": "p", "timezone": "Asia/Tokyo", "effective_from": "2027-06-01T00:00:00+09:00",
    "shares": [{"share": share, "fraction": str(float(fraction))} for share, fraction in FRACTIONS.items()],
    "supply": [{"id": "gpu", "fiscal_year": 2027, "from": "2027-06-01T00:00:00+09:00",
                "to": "2028-04-01T00:00:00+09:00", "resource": "gpu", "count": 720, "hours": "7200",
                "points_per_hour": "1"}],
}
CARD = {
    "card": "c", "effective_from": "2027-06-01T00:00:00+09:00",
    "rules": [{"source": "slurm:*", "class": "gpu", "per_hour": {"gpu": "1"}, "require": ["gpu"]}] + [
        {"source": "gateway:*", "class": model, "discount": str(float(DISCOUNTS[model])), "per_million": prices}
        for model, prices in PRICES.items()],
    "refund": {"node_fail": {"fraction": "1", "max_seconds": 36000}},
}
HEADER = "JobIDRaw|Cluster|Account|User|QOS|Partition|State|Submit|Start|End|ElapsedRaw|TimelimitRaw|AllocTRES"
COLUMNS = ("granted", "received", "refunded", "adjusted")


def micro(text):
    sign = -1 if text.startswith("-") else 1
    whole, fraction = text.lstrip("-").split(".")
    assert len(fraction) == 6, text
    return sign * (int(whole) * MICRO + int(fraction))


def rounded(value):
    return round(value * MICRO)  # half to even


def clock(second):
    """The site's clock, seconds after the start of 1 June 2027."""
    day, month = 1 + second // DAY, 6
    while day > (30, 31, 31)[month - 6]:
        day -= (30, 31, 31)[month - 6]
        month += 1
    return f"2027-{month:02d}-{day:02d}T{second // HOUR % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def month_of(second):
    return "2027-06" if second < JUNE_DAYS * DAY else "2027-07"


class Book:
    """A book with services, and beside it the list of all that was put into it."""

    def __init__(self, **services):
        self.db = lt.create_db("services")
        self.jobs, self.tokens, self.number = [], [], 0
        for words, document in ((["policy", "apply"], POLICY), (["rates", "apply"], CARD)):
            lt.ctl([*words, lt.write_file(json.dumps(document), "document.json")], db=self.db, now=AUGUST)
        for project, share in SHARES.items():
            self.act("project", "add", project, "--share", share)
        self.serves = services or {"svc": ["big", "small", "gift"]}
        for service, models in self.serves.items():
            self.act("project", "add", service, "--service", *[f"gateway:*/{model}" for model in models])

    def act(self, *words, now=AUGUST, expect=0):
        return lt.ctl_json(list(words), db=self.db, now=now, expect=expect)

    def job(self, begin, seconds, gpus, service="svc", state="COMPLETED", number=None, now=AUGUST):
        """A persistent job, as sacct tells it; the same number again is the same job later."""
        self.number += 1
        number = number or self.number
        end = "Unknown" if state == "RUNNING" else clock(begin + seconds)
        row = "|".join(map(str, (number, "t", service, "svcadm", "normal", "gpu", state, clock(begin), clock(begin),
                                 end, seconds, "UNLIMITED", f"cpu=8,gres/gpu={gpus},mem=64G,node=1")))
        path = lt.write_file(f"{HEADER}\n{row}\n", "jobs.txt")
        counts = lt.ctl_json(["import", "slurm", path, "--cluster", "t"], db=self.db, now=now)
        assert counts["quarantined"] == 0, counts
        self.jobs = [job for job in self.jobs if job[0] != number]
        self.jobs.append((number, begin, seconds, gpus, service))
        return f"{number}@" + lt.scalar(self.db, f"SELECT extract(epoch FROM timestamptz '{clock(begin)}{JST}')"
                                                 "::bigint::text")

    def serve(self, second, project, model, now=AUGUST, **counts):
        """One request; the points that it costs, in micro-points."""
        self.number += 1
        meters = {f"{kind}_tokens": str(count) for kind, count in counts.items()}
        record = {"source": "gateway:t", "id": f"r{self.number}", "project": project, "user": "u", "class": model,
                  "start": clock(second) + JST, "end": clock(second) + JST, "state": "final", "meters": meters}
        path = lt.write_file(json.dumps(record) + "\n", "usage.ndjson")
        lt.ctl_json(["import", "usage", path, "--source", "gateway:t"], db=self.db, now=now)
        worth = sum(Fraction(PRICES[model][kind]) * int(count) / MICRO for kind, count in meters.items())
        list_micro = rounded(worth)
        paid = rounded(Fraction(list_micro, MICRO) * (1 - DISCOUNTS[model]))
        self.tokens.append({"id": record["id"], "at": second, "project": project, "model": model, "meters": meters,
                            "list": list_micro, "points": paid})
        return paid

    def report(self, month="2027-06", now=AUGUST):
        return lt.report_json(["services", month], db=self.db, now=now)

    def service(self, month="2027-06", name="svc", now=AUGUST):
        return next(s for s in self.report(month, now)["services"] if s["project"] == name)

    def monthly(self, month="2027-06", now=AUGUST):
        return lt.report_json(["monthly", month], db=self.db, now=now)

    def gpu_seconds(self, month, service):
        edge = JUNE_DAYS * DAY
        total = 0
        for _, begin, seconds, gpus, owner in self.jobs:
            if owner == service:
                june = max(0, min(begin + seconds, edge) - min(begin, edge))
                total += gpus * (june if month == "2027-06" else seconds - june)
        return total

    def served(self, month, service):
        return [t for t in self.tokens if month_of(t["at"]) == month and t["model"] in self.serves[service]]


class Paid(unittest.TestCase):
    def check(self, book, month="2027-06", now=AUGUST, refunds=False):
        """Everything that the report says of the month, against the lists; and that the book proves itself."""
        report, monthly = book.report(month, now), book.monthly(month, now)
        self.assertEqual(monthly["services"], report["services"])
        self.assertEqual((monthly["digest"], {"report": "services"}), (report["digest"], report["excerpt"]))
        self.assertTrue({"shares", "projects"}.isdisjoint(report))
        for service in report["services"]:
            self.check_service(book, month, service, refunds)
        divided = defaultdict(int)
        for service in report["services"]:
            for share in service["shares"]:
                divided[share["share"]] += micro(share["gpu_hours"])
        self.assertEqual(dict(divided), {s["share"]: micro(s["gpu_hours"]["service"]) for s in monthly["shares"]})
        self.assertEqual({"0.000000"}, {s["gpu_hours"]["used"] for s in monthly["shares"]})
        self.check_book(book, now)
        return {s["project"]: s for s in report["services"]}

    def check_service(self, book, month, service, refunds):
        name = service["project"]
        served = book.served(month, name)
        hours = self.hours_of(book, month, name)
        self.assertEqual(rounded(hours), micro(service["gpu_hours"]))
        self.assertEqual(rounded(hours), sum(micro(s["gpu_hours"]) for s in service["shares"]))
        columns = {column: micro(service[column]) for column in COLUMNS}
        self.assertEqual(micro(service["closing"]), micro(service["opening"]) + sum(columns.values())
                         - micro(service["charged_total"]))
        if refunds:
            return
        listed = sum(t["list"] for t in served)
        recovered = sum(t["points"] for t in served)
        cost = micro(service["cost"])
        self.assertEqual((listed, recovered), (micro(service["list_points"]), micro(service["recovered"])))
        self.assertEqual(micro(service["charged_total"]), cost)
        self.assertEqual(recovered, columns["received"])
        self.assertEqual(f"{rounded(Fraction(recovered, cost)) / MICRO:.6f}" if cost else None, service["recovery"])
        self.check_idle(service, hours, listed, cost)
        self.check_models(service, served, cost)
        self.check_shares(service, served, hours)

    @staticmethod
    def hours_of(book, month, service):
        """What the month adds to the rounded hours of the year."""
        june = Fraction(book.gpu_seconds("2027-06", service), HOUR)
        if month == "2027-06":
            return Fraction(rounded(june), MICRO)
        both = june + Fraction(book.gpu_seconds(month, service), HOUR)
        return Fraction(rounded(both) - rounded(june), MICRO)

    def check_idle(self, service, hours, listed, cost):
        if hours == 0:
            self.assertEqual(("0.000000", None), (service["idle_hours"], service["idle_share"]))
            return
        idle = max(Fraction(0), 1 - Fraction(listed, cost))
        self.assertEqual((rounded(hours * idle), rounded(idle)),
                         (micro(service["idle_hours"]), micro(service["idle_share"])))

    def check_models(self, service, served, cost):
        classes, counts = defaultdict(lambda: [0, 0]), defaultdict(int)
        for token in served:
            classes[token["model"]][0] += token["points"]
            classes[token["model"]][1] += token["list"]
            for kind, count in token["meters"].items():
                counts[token["model"], kind] += int(count)
        self.assertEqual({model: tuple(sums) for model, sums in classes.items()},
                         {c["class"]: (micro(c["points"]), micro(c["list_points"])) for c in service["served"]})
        self.assertEqual({key: count for key, count in counts.items() if count},
                         {(t["class"], t["kind"]): int(t["count"]) for t in service["tokens"]})
        worth = sum(Fraction(PRICES[model][kind]) * count / MICRO for (model, kind), count in counts.items())
        for token in service["tokens"]:
            price = Fraction(PRICES[token["class"]][token["kind"]])
            self.assertEqual(price, Fraction(token["price"]))
            self.assertEqual(rounded(price * Fraction(cost, MICRO) / worth), micro(token["break_even"]))
        whole = sum(counts.values())
        self.assertEqual(f"{rounded(Fraction(cost, whole)) / MICRO:.6f}" if whole else None,
                         service["break_even_per_million"])

    def check_shares(self, service, served, hours):
        paid, listed = defaultdict(int), defaultdict(int)
        for token in served:
            paid[SHARES[token["project"]]] += token["points"]
            listed[SHARES[token["project"]]] += token["list"]
        whole = sum(listed.values())
        until, before = Fraction(0), 0
        for share in service["shares"]:
            name = share["share"]
            until += Fraction(listed[name], whole) if whole else FRACTIONS[name]
            part, before = rounded(hours * until) - before, rounded(hours * until)
            self.assertEqual((paid[name], listed[name], part),
                             (micro(share["points"]), micro(share["list_points"]), micro(share["gpu_hours"])), name)

    def check_book(self, book, now=AUGUST):
        """Every point that left an account arrived at another one, no service's job is in a share's spent, and the
        book's own proof holds."""
        self.assertEqual("0", lt.scalar(book.db, """
            SELECT sum(micro)::text FROM (
              SELECT debit_account AS account_no, -amount_micro AS micro FROM ledger.transfer
              UNION ALL SELECT credit_account, amount_micro FROM ledger.transfer) t
            JOIN ledger.account USING (account_no)"""))
        self.assertEqual([], lt.query(book.db, """
            SELECT t.transfer_id FROM ledger.transfer t
              JOIN ledger.account d ON d.account_no = t.debit_account
              JOIN ledger.account c ON c.account_no = t.credit_account
             WHERE (d.kind = 'service' AND c.kind = 'spent' AND c.name <> 'spent/service')
                OR (d.kind = 'project' AND c.name = 'spent/service')"""))
        document = lt.ctl_json(["verify"], db=book.db, now=now)
        self.assertTrue(document["ok"], document)


class OnceTest(Paid):
    def test_users_pay_for_tokens_and_nobody_for_the_machine(self):
        book = Book()
        book.job(DAY, 10 * DAY, 8)
        paid = book.serve(2 * DAY, "h1", "big", input=90_000_000, cached_input=40_000_000, output=31_000_007)
        paid += book.serve(3 * DAY, "g1", "small", input=7_000_001, output=900_000)
        service = self.check(book)["svc"]
        self.assertEqual({"slurm:t": "1920.000000"}, service["charged"])
        balances = {p: lt.ctl_json(["balance", p], db=book.db, now=AUGUST)["posted"] for p in SHARES}
        self.assertEqual(-paid, sum(micro(points) for points in balances.values()))
        self.assertEqual(micro(service["closing"]), paid - 1920 * MICRO)
        spent = sum(micro(s["spent"]) for s in book.monthly()["shares"])
        self.assertEqual(paid, spent)  # and not a point of the machine's 1920

    def test_rows_of_sacct_that_come_twice_change_nothing(self):
        book = Book()
        for _ in range(2):
            book.job(DAY, DAY, 8, number=77)
        book.serve(DAY, "i1", "big", output=1_000_000)
        self.check(book)

    def test_tokens_discounted_to_nothing_still_divide_the_hours(self):
        book = Book()
        book.job(0, 10 * HOUR, 4)
        book.serve(HOUR, "h1", "gift", input=3_000_000)
        book.serve(HOUR, "i1", "gift", output=250_000)
        service = self.check(book)["svc"]
        self.assertEqual(("0.000000", "4.000000", "0.900000"),
                         (service["recovered"], service["list_points"], service["idle_share"]))
        self.assertEqual({"hpci": "30.000000", "general": "0.000000", "industry": "10.000000"},
                         {s["share"]: s["gpu_hours"] for s in service["shares"]})

    def test_hours_that_nobody_used_go_by_the_fractions(self):
        book = Book()
        book.job(0, 10 * HOUR, 7)
        service = self.check(book)["svc"]
        self.assertEqual(("70.000000", "1.000000", None, []),
                         (service["idle_hours"], service["idle_share"], service["break_even_per_million"],
                          service["tokens"]))
        self.assertEqual(["56.000000", "7.000000", "7.000000"], [s["gpu_hours"] for s in service["shares"]])

    def test_tokens_without_a_machine_recover_all(self):
        book = Book()
        book.serve(HOUR, "h1", "big", output=5_000_000)
        service = self.check(book)["svc"]
        self.assertEqual(("10.000000", "0.000000", None), (service["recovered"], service["cost"], service["recovery"]))
        self.assertEqual({"0.000000"}, {t["break_even"] for t in service["tokens"]})

    def test_tokens_that_are_worth_more_than_the_machine_leave_nothing_idle(self):
        book = Book()
        book.job(0, HOUR, 1)
        book.serve(HOUR, "h1", "big", output=5_000_000)
        service = self.check(book)["svc"]
        self.assertEqual(("0.000000", "10.000000"), (service["idle_hours"], service["recovery"]))

    def test_two_services_keep_their_own_hours_and_prices(self):
        book = Book(one=["big", "small"], two=["gift"])
        book.job(0, 3 * DAY + 7, 3, service="one")
        book.job(0, 2 * DAY + 1, 8, service="two")
        book.serve(5, "h1", "big", input=12_345_678, output=1_234_567)
        book.serve(6, "h2", "small", input=777_777, output=3)
        book.serve(7, "g1", "gift", output=31)
        services = self.check(book)
        self.assertEqual({"one", "two"}, set(services))
        self.assertEqual({"big", "small"}, {c["class"] for c in services["one"]["served"]})

    def test_a_service_may_use_another_ones_models(self):
        book = Book(one=["big"], two=["small"])
        book.job(0, DAY, 2, service="one")
        book.serve(5, "two", "big", output=1_500_000)
        book.serve(5, "one", "big", output=1_000_000)  # its own: no one else's hours
        report = {s["project"]: s for s in book.report()["services"]}
        self.assertEqual(("3.000000", "3.000000"), (report["one"]["recovered"], report["one"]["list_points"]))
        self.assertEqual(("3.000000", "0.000000"), (report["two"]["cost"], report["two"]["recovered"]))
        self.assertEqual("50.000000", report["one"]["cost"])
        book.act("refund", "gateway:t", book.tokens[0]["id"], "--points", "1", now="2027-06-25T00:00:00+09:00")
        report = {s["project"]: s for s in book.report()["services"]}
        self.assertEqual(("2.000000", "50.000000"), (report["one"]["recovered"], report["one"]["cost"]))
        self.assertEqual(("0.000000", "2.000000"), (report["two"]["recovered"], report["two"]["cost"]))
        self.check_book(book)

    def test_whatever_was_run_and_served_adds_up(self):
        rng = random.Random(SEED)
        for _ in range(3):
            book = Book(one=["big", "small"], two=["gift"], three=["none"])
            for _ in range(rng.randrange(1, 7)):
                book.job(rng.randrange(50 * DAY), rng.choice((0, 1, HOUR, rng.randrange(1, 10 * DAY))), rng.randrange(1, 9),
                         service=rng.choice(("one", "two", "three")), state=rng.choice(("COMPLETED", "TIMEOUT", "FAILED")))
            for _ in range(rng.randrange(20)):
                model = rng.choice(sorted(PRICES))
                book.serve(rng.randrange(60 * DAY), rng.choice(sorted(SHARES)), model,
                           **{kind[:-len("_tokens")]: rng.randrange(10 ** rng.randrange(9)) for kind in PRICES[model]})
            for month in ("2027-06", "2027-07"):
                with self.subTest(seed=SEED, month=month):
                    self.check(book, month)


class EdgeTest(Paid):
    """A persistent job runs for months: each month has its own hours, however often it was seen."""

    BEGIN = (JUNE_DAYS - 2) * DAY + 7

    def test_a_job_over_a_months_edge_is_divided_by_each_months_tokens(self):
        book = Book()
        book.job(self.BEGIN, 5 * DAY + 13, 3)
        book.serve(self.BEGIN + 9, "h1", "big", output=1_000_003)
        book.serve(JUNE_DAYS * DAY, "g1", "big", output=2_000_000)
        book.serve(JUNE_DAYS * DAY, "i1", "small", input=1_000_000)
        june, july = self.check(book)["svc"], self.check(book, "2027-07")["svc"]
        whole = rounded(Fraction(3 * (5 * DAY + 13), HOUR))
        self.assertEqual(whole, micro(june["gpu_hours"]) + micro(july["gpu_hours"]))
        self.assertEqual(whole, sum(micro(s["gpu_hours"]) for m in (june, july) for s in m["shares"]))
        self.assertEqual(["hpci"], [s["share"] for s in june["shares"] if micro(s["gpu_hours"])])
        self.assertEqual(["general", "industry"], [s["share"] for s in july["shares"] if micro(s["gpu_hours"])])
        year = sum(micro(s["fiscal_year_to_date"]["gpu_hours"]["service"]) for s in book.monthly("2027-07")["shares"])
        self.assertEqual(whole, year)

    def test_a_running_job_is_posted_by_the_close_and_its_end_by_the_next_month(self):
        book = Book()
        edge, close_day = JUNE_DAYS * DAY, "2027-07-04T09:00:00+09:00"
        book.job(self.BEGIN, 2 * DAY, 4, state="RUNNING", number=5, now=close_day)
        book.serve(self.BEGIN + DAY, "h1", "big", output=2_000_000, now=close_day)
        open_june = book.service(now=close_day)
        self.assertEqual(("0.000000", "0.000000"), (open_june["cost"], open_june["gpu_hours"]))  # accrued, not booked
        for source in ("slurm:t", "gateway:t"):
            lt.ctl(["import", "usage", "--source", source, "--through", close_day], db=book.db, now=close_day,
                   stdin="")
        book.job(self.BEGIN, 4 * DAY, 4, state="RUNNING", number=5, now=close_day)
        book.act("close", "2027-06", now=close_day)
        book.jobs = [(5, self.BEGIN, edge - self.BEGIN, 4, "svc")]
        closed = book.report(now=close_day)
        self.assertEqual("closed", closed["state"])
        self.check(book, now=close_day)
        before = self.forms(book, close_day)
        book.job(self.BEGIN, 6 * DAY, 4, number=5)
        book.serve(edge + 3, "i1", "big", output=1_000_000)
        book.serve(self.BEGIN + 9, "g1", "big", output=9_000_000)  # late: of a month that is closed
        self.assertEqual(before, self.forms(book, AUGUST))
        self.assertEqual(closed, book.report())
        july = book.service("2027-07")
        self.assertEqual(rounded(Fraction(4 * 6 * DAY, HOUR)),
                         micro(closed["services"][0]["gpu_hours"]) + micro(july["gpu_hours"]))
        self.assertEqual(("2.000000", "18.000000"), (july["recovered"], july["adjusted"]))
        self.assertEqual({"hpci": "0.000000", "general": "0.000000", "industry": "2.000000"},
                         {s["share"]: s["points"] for s in july["shares"]})
        self.assertEqual(micro(july["gpu_hours"]), sum(micro(s["gpu_hours"]) for s in july["shares"]))
        self.check_book(book)

    def forms(self, book, now):
        shown = []
        for form in ("text", "csv", "json"):
            code, out, err = lt.run_report(["services", "2027-06", "--format", form], db=book.db, now=now)
            self.assertEqual((0, ""), (code, err))
            shown.append(out)
        return shown


class GivenBackTest(Paid):
    def test_a_cancelled_job_costs_what_it_ran(self):
        book = Book()
        book.job(0, 3 * HOUR, 8, state="CANCELLED by 0")
        book.serve(5, "h1", "big", output=1_000_000)
        self.assertEqual("24.000000", self.check(book)["svc"]["cost"])

    def test_a_node_that_fails_is_the_machines_loss(self):
        book = Book()
        book.job(0, 20 * HOUR, 2, state="NODE_FAIL")
        book.serve(5, "h1", "big", output=1_000_000)
        service = self.check(book, refunds=True)["svc"]
        self.assertEqual(("40.000000", "20.000000", "20.000000", "0.100000"),
                         (service["charged_total"], service["refunded"], service["cost"], service["recovery"]))

    def test_a_refund_to_a_user_is_no_recovery_and_one_to_the_service_no_cost(self):
        book = Book()
        job = book.job(0, 10 * HOUR, 4)
        book.serve(5, "h1", "big", output=4_000_000)
        book.serve(5, "g1", "big", output=2_000_000)
        book.act("refund", "gateway:t", book.tokens[0]["id"], "--points", "3", now="2027-06-25T00:00:00+09:00")
        book.act("refund", "slurm:t", job, "--points", "15", now="2027-06-25T00:00:00+09:00")
        service = self.check(book, refunds=True)["svc"]
        self.assertEqual(("12.000000", "9.000000", "25.000000", "0.360000", "12.000000"),
                         (service["received"], service["recovered"], service["cost"], service["recovery"],
                          service["refunded"]))
        self.assertEqual({"hpci": "5.000000", "general": "4.000000", "industry": "0.000000"},
                         {s["share"]: s["points"] for s in service["shares"]})
        # break-even: 25 points for 6 million tokens of output, the price of which is 2
        self.assertEqual([("2", "4.166667")], [(t["price"], t["break_even"]) for t in service["tokens"]])
        self.assertEqual("-16.000000", service["closing"])


class FormsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.book = Book(one=["big", "small"], two=["gift"])
        cls.book.job(0, 10 * HOUR, 4, service="one")
        cls.book.serve(5, "h1", "big", input=4_000_000, output=1_000_000)
        cls.book.serve(5, "i1", "small", input=1_000_000)

    def show(self, form):
        code, out, err = lt.run_report(["services", "2027-06", "--format", form], db=self.book.db, now=AUGUST)
        self.assertEqual((0, ""), (code, err))
        return out

    def test_csv_says_what_json_says(self):
        rows = list(csv.DictReader(io.StringIO(self.show("csv"))))
        services = self.book.report()["services"]

        def cells(section, *names):
            return [tuple(row[name] for name in names) for row in rows if row["section"] == section]
        self.assertEqual([(s["project"], s["gpu_hours"], s["idle_hours"], s["cost"], s["recovered"],
                           s["recovery"] or "", s["break_even_per_million"] or "") for s in services],
                         cells("service", "project", "gpu_hours", "idle_hours", "cost", "recovered", "recovery",
                               "break_even_per_million"))
        self.assertEqual([(s["project"], t["class"], t["kind"], t["count"], t["price"], t["break_even"])
                          for s in services for t in s["tokens"]],
                         cells("tokens", "project", "class", "kind", "count", "price", "break_even"))
        self.assertEqual([(s["project"], d["share"], d["points"], d["list_points"], d["gpu_hours"])
                          for s in services for d in s["shares"]],
                         cells("share", "project", "share", "points", "list_points", "gpu_hours"))
        self.assertEqual([(s["project"], c["class"], c["points"], c["list_points"])
                          for s in services for c in s["served"]],
                         cells("served", "project", "class", "points", "list_points"))

    def test_text_has_the_figures(self):
        lines = [re.split(r"\s{2,}", line.strip()) for line in self.show("text").splitlines()]
        one = self.book.service(name="one")
        self.assertIn(["one", "40.000000", one["idle_hours"], "89.8750 %", "40.000000", "4.050000", "4.037500",
                       "10.0938 %", one["break_even_per_million"]], lines)
        for token in one["tokens"]:
            self.assertIn([token["source"], token["class"], token["kind"], token["count"], token["price"],
                           token["break_even"]], lines)
        self.assertIn(["nothing was served"], lines)

    def test_the_months_own_report_shows_recovery_beside_the_account(self):
        code, out, err = lt.run_report(["monthly", "2027-06"], db=self.book.db, now=AUGUST)
        self.assertEqual((0, ""), (code, err))
        lines = [line.split() for line in out.splitlines()]
        self.assertIn(["one", "0.000000", "4.037500", "40.000000", "0.000000", "0.000000", "-35.962500", "40.000000",
                       "10.0938", "%", "89.8750", "%"], lines)

    def test_a_model_without_a_price_has_no_break_even(self):
        book = Book()
        book.job(0, HOUR, 1)
        book.serve(5, "h1", "small", input=1_000_000, output=1_000_000)
        card = {**CARD, "card": "later", "effective_from": "2027-06-20T00:00:00+09:00", "rules": CARD["rules"][:2]}
        book.act("rates", "apply", lt.write_file(json.dumps(card), "card.json"))
        service = book.service()
        self.assertEqual({(None, None)}, {(t["price"], t["break_even"]) for t in service["tokens"]})
        self.assertEqual(("0.250000", "0.500000"), (service["list_points"], service["break_even_per_million"]))

    def test_a_month_closed_by_an_earlier_version_says_so(self):
        book = Book()
        book.job(0, HOUR, 1)
        lt.ctl(["import", "usage", "--source", "slurm:t", "--through", AUGUST], db=book.db, now=AUGUST, stdin="")
        book.act("close", "2027-06")
        document = json.loads(lt.scalar(book.db, "SELECT report FROM ledger.month_close"))
        for member in ("served", "tokens", "shares", "cost", "recovered", "recovery", "idle_hours", "idle_share",
                       "list_points", "break_even_per_million"):
            del document["services"][0][member]
        lt.psql(book.db, f"UPDATE ledger.month_close SET report = $doc${json.dumps(document)}$doc$;")
        for words in (["services", "2027-06"], ["monthly", "2027-06"], ["services", "2027-06", "--format", "csv"]):
            code, out, err = lt.run_report(words, db=book.db, now=AUGUST)
            self.assertEqual((0, ""), (code, err))
            self.assertEqual(words == ["services", "2027-06"], "not told" in out, out)

    def test_a_book_without_services_says_so(self):
        db = lt.create_db("services")
        for words, document in ((["policy", "apply"], POLICY), (["rates", "apply"], CARD)):
            lt.ctl([*words, lt.write_file(json.dumps(document), "document.json")], db=db, now=AUGUST)
        code, out, err = lt.run_report(["services", "2027-06"], db=db, now=AUGUST)
        self.assertEqual((0, ""), (code, err))
        self.assertIn("there are no services", out)


if __name__ == "__main__":
    unittest.main()
