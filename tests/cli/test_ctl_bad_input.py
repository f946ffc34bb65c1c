"""Bad input: a clear sentence, the right exit code, and nothing booked half.

Each case says what is read, the exit code, and words that the sentence must hold. Where the code is not 3
by quarantine, the digest over every row of the book must be what it was.
"""

import json
import os
import resource
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402

NOW = site.NOW
LATE = "2027-06-20T00:00:00+09:00"


def shares(*parts):
    return [{"share": name, "fraction": fraction} for name, fraction in parts]


def supply(**changes):
    return [dict(site.policy()["supply"][0], **changes)]


def second_policy(**changes):
    """A policy that could follow the first, but for the changes."""
    return site.policy(**{"policy": "second", "effective_from": "2027-09-01T00:00:00+09:00", "supply": [],
                          **changes})


def rules(**changes):
    return [dict(site.card()["rules"][0], **changes)]


def card(**changes):
    return site.card(**{"card": "second", "effective_from": "2027-09-01T00:00:00+09:00", **changes})


THIRDS = (("hpci", "0.8"), ("general", "0.1"), ("industry", "0.2"))
DUPLICATE_KEY = json.dumps(second_policy()).replace('"timezone":', '"policy":"other","timezone":', 1)

# name, document, exit code, words of the sentence
BAD_POLICIES = [
    ("fractions that add up to 1.1", second_policy(shares=shares(*THIRDS)), 3, ["more than 1"]),
    ("fractions that add up to 0.9", second_policy(shares=shares(("hpci", "0.8"), ("general", "0.1"))), 3,
     ["less than 1"]),
    ("a negative fraction", second_policy(shares=shares(("hpci", "1.1"), ("general", "-0.1"))), 3,
     ["fraction"]),
    ("a JSON real as a fraction", second_policy(shares=[{"share": "hpci", "fraction": 0.8},
                                                       {"share": "general", "fraction": 0.2}]), 3,
     ["fraction"]),
    ("a share twice", second_policy(shares=shares(("hpci", "0.5"), ("hpci", "0.5"))), 3, ["hpci"]),
    ("no shares", second_policy(shares=[]), 3, ["share"]),
    ("overgrant of a share that is not there", second_policy(overgrant={"lottery": "1.00"}), 3, ["lottery"]),
    ("a negative supply", second_policy(supply=supply(id="x", hours="-1")), 3, ["hours"]),
    ("a JSON real as hours", second_policy(supply=supply(id="x", hours=7200.5)), 3, ["hours"]),
    ("a supply over two fiscal years", second_policy(supply=supply(id="x", to="2028-04-02T00:00:00+09:00")), 3,
     ["fiscal year"]),
    ("a supply that ends before it begins", second_policy(supply=supply(id="x", to="2027-05-01T00:00:00+09:00")),
     3, ["x"]),
    ("a supply that was minted otherwise", second_policy(supply=supply(hours="7201")), 1, ["fy2027-gpu"]),
    ("another zone", second_policy(timezone="Europe/Berlin"), 1, ["Asia/Tokyo"]),
    ("a zone that is not there", second_policy(timezone="Mars/Olympus"), 3, ["Mars/Olympus"]),
    ("a zone outside the zone folder", second_policy(timezone="../../etc/passwd"), 3, ["passwd"]),
    ("another fiscal year start", second_policy(fiscal_year_start="01-01"), 1, ["04-01"]),
    ("an unknown member", second_policy(surprise=1), 3, ["surprise"]),
    ("a member twice", DUPLICATE_KEY, 3, ["policy"]),
    ("no name", {k: v for k, v in second_policy().items() if k != "policy"}, 3, ["policy"]),
    ("a wrong time", second_policy(effective_from="2027-09-31T00:00:00+09:00"), 3, ["effective_from"]),
    ("a time without offset", second_policy(effective_from="2027-09-01T00:00:00"), 3, ["effective_from"]),
    ("a month rule that is none", second_policy(month_rule="weekly"), 3, ["month_rule"]),
    ("the same name and date with other content", site.policy(on_expiry="pool"), 1, ["test-2027"]),
    ("a date before what is booked", second_policy(effective_from="2027-06-05T00:00:00+09:00"), 1,
     ["retroactive"]),
    ("a file of zero length", "", 3, ["document.json", "empty"]),
    ("a truncated document", json.dumps(second_policy())[:-20], 3, ["document.json"]),
    ("text behind the document", json.dumps(second_policy()) + "x", 3, ["document.json"]),
    ("an array", "[]", 3, ["object"]),
    ("no JSON", "policy: second\n", 3, ["document.json"]),
    ("bytes that are no text", b"\xff\xfe\x00{}", 3, ["document.json"]),
    ("nested without end", "[" * 100000, 3, ["document.json"]),
]

BAD_CARDS = [
    ("no rules", card(rules=[]), 3, ["rule"]),
    ("a JSON real as a price", card(rules=rules(per_hour={"gpu": 1.5})), 3, ["gpu"]),
    ("a negative price", card(rules=rules(per_hour={"gpu": "-1"})), 3, ["gpu"]),
    ("a price with an exponent", card(rules=rules(per_hour={"gpu": "1e3"})), 3, ["gpu"]),
    ("a price with ten decimals", card(rules=rules(per_hour={"gpu": "0.0000000001"})), 3, ["gpu"]),
    ("a meter both per hour and per million", card(rules=rules(per_million={"gpu": "1"})), 3, ["gpu"]),
    ("a discount above 1", card(rules=rules(discount="1.1")), 3, ["discount"]),
    ("a rounding mode that is none", card(rounding={"places": 6, "mode": "bankers"}), 3, ["rounding.mode"]),
    ("seven places", card(rounding={"places": 7, "mode": "half_even"}), 3, ["places"]),
    ("a factor table that is none", card(rules=rules(factors={"weather": {"*": "1"}})), 3, ["weather"]),
    ("combine that is none", card(rules=rules(combine="product")), 3, ["combine"]),
    ("an unknown member", card(rules=rules(surprise=1)), 3, ["surprise"]),
    ("a rule without class", card(rules=[{"source": "*", "per_hour": {"gpu": "1"}}]), 3, ["class"]),
    ("the same name and date with other content", site.card(rules=rules()), 1, ["test-2027"]),
    ("a date before what is booked", card(effective_from="2027-06-05T00:00:00+09:00"), 1, ["retroactive"]),
    ("a file of zero length", "", 3, ["document.json", "empty"]),
    ("a truncated document", json.dumps(card())[:-20], 3, ["document.json"]),
]

HEADER = "JobIDRaw|Account|User|Partition|State|Submit|Start|End|ElapsedRaw|AllocTRES\n"

# name, words behind import, input, exit code, words of the sentence
BAD_FILES = [
    ("sacct of zero length", ["slurm", "--cluster", "a"], "", ["empty|header|length"]),
    ("sacct with a wrong header", ["slurm", "--cluster", "a"], "a|b|c\n1|2|3\n", ["header|column"]),
    ("JSON jobs of zero length", ["slurm", "--cluster", "a", "--format", "json"], "", ["empty|length|document"]),
    ("JSON jobs without jobs", ["slurm", "--cluster", "a", "--format", "json"], '{"meta":{}}', ["jobs"]),
    ("JSON jobs that are no JSON", ["slurm", "--cluster", "a", "--format", "json"], "hello", ["JSON|json"]),
    ("csv with a wrong header", ["usage", "--source", "s", "--format", "csv"], "a,b\n1,2\n", ["header|column"]),
    ("csv of zero length", ["usage", "--source", "s", "--format", "csv"], "", ["empty|header|length"]),
]


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = site.new_book("bad")
        site.import_records(cls.db, [{
            "source": "slurm:a", "id": "1@1", "project": "h1", "user": "u", "class": "gpu",
            "start": "2027-06-09T00:00:00+09:00", "end": "2027-06-09T10:00:00+09:00", "state": "final",
            "meters": {"gpu": "1", "cpu": "1", "mem_gib": "1"}}], now=NOW)
        cls.before = site.book_digest(cls.db)

    def refused(self, words, want, sentence):
        code, out, err = lt.run_ctl(words, db=self.db, now=LATE)
        self.assertEqual((want, ""), (code, out), err)
        self.assertTrue(err.startswith("ledgerctl: "), err)
        self.assertEqual(1, err.count("\n"), err)
        for word in sentence:
            self.assertTrue(any(choice in err for choice in word.split("|")), f"{word} in: {err}")
        self.assertEqual(self.before, site.book_digest(self.db))

    def test_bad_policies(self):
        for name, document, code, sentence in BAD_POLICIES:
            with self.subTest(name):
                self.refused(["policy", "apply", site.file_of(document)], code, sentence)

    def test_bad_cards(self):
        for name, document, code, sentence in BAD_CARDS:
            with self.subTest(name):
                self.refused(["rates", "apply", site.file_of(document)], code, sentence)

    def test_files_that_cannot_be_read(self):
        for words in (["policy", "apply"], ["rates", "apply"], ["rates", "quote"],
                      ["import", "slurm", "--cluster", "a"], ["import", "usage", "--source", "s"]):
            with self.subTest(words=words):
                code, _, err = lt.run_ctl([*words, "/nonexistent/file"], db=self.db, now=LATE)
                self.assertEqual(3, code, err)
                self.assertIn("/nonexistent/file", err)

    def test_inputs_that_cannot_be_used(self):
        for name, words, content, sentence in BAD_FILES:
            with self.subTest(name):
                code, _, err = lt.run_ctl(["import", *words, lt.write_file(content)], db=self.db, now=LATE)
                self.assertEqual(3, code, err)
                for word in sentence:
                    self.assertTrue(any(choice in err for choice in word.split("|")), f"{word} in: {err}")
                self.assertEqual(self.before, site.book_digest(self.db))

    def test_line_formats_may_be_empty(self):
        counts = lt.ctl_json(["import", "usage", lt.write_file(""), "--source", "s"], db=self.db, now=LATE)
        self.assertEqual(0, counts["read"])

    def test_formats_that_are_none(self):
        for words in (["slurm", "--cluster", "a", "--format", "csv"],
                      ["usage", "--source", "s", "--format", "sacct"]):
            self.refused(["import", *words, lt.write_file("")], 2, ["--format"])

    def test_a_later_policy_and_card_are_fine(self):
        db = site.new_book("bad")
        lt.ctl(["policy", "apply", site.file_of(second_policy())], db=db, now=LATE)
        lt.ctl(["rates", "apply", site.file_of(card())], db=db, now=LATE)
        names = [lt.ctl_json(["policy", "show", "--at", at], db=db)["policy"]
                 for at in ("2027-08-31T23:59:59+09:00", "2027-09-01T00:00:00+09:00")]
        self.assertEqual(["test-2027", "second"], names)

    def test_retroactive_is_possible_when_it_is_meant(self):
        db = site.new_book("bad")
        site.import_records(db, [{
            "source": "slurm:a", "id": "1@1", "project": "h1", "user": "u", "class": "gpu",
            "start": "2027-06-09T00:00:00+09:00", "end": "2027-06-09T10:00:00+09:00", "state": "final",
            "meters": {"gpu": "1", "cpu": "1", "mem_gib": "1"}}], now=NOW)
        posted = lt.ctl_json(["balance", "h1"], db=db)["posted"]
        dearer = [{"source": "slurm:*", "class": "gpu", "per_hour": {"gpu": "7"}}]
        lt.ctl(["rates", "apply", "--retroactive",
                site.file_of(card(effective_from="2027-06-05T00:00:00+09:00", rules=dearer))], db=db, now=LATE)
        self.assertEqual(posted, lt.ctl_json(["balance", "h1"], db=db)["posted"])
        self.assertTrue(lt.ctl_json(["verify"], db=db)["ok"])

    def test_verify_follows_a_retroactive_policy(self):
        db = site.new_book("bad")
        site.import_records(db, [{
            "source": "slurm:a", "id": "1@1", "project": "h1", "user": "u", "class": "gpu",
            "start": "2027-06-30T20:00:00+09:00", "end": "2027-07-01T10:00:00+09:00", "state": "final",
            "meters": {"gpu": "1"}}], now=LATE)
        policy = dict(second_policy(), effective_from="2027-06-05T00:00:00+09:00", month_rule="end")
        lt.ctl(["policy", "apply", "--retroactive", site.file_of(policy)], db=db, now=LATE)
        self.assertTrue(lt.ctl_json(["verify"], db=db)["ok"])


class Records(unittest.TestCase):
    def setUp(self):
        self.db = site.new_book("bad")
        self.good = {
            "source": "slurm:a", "id": "1@1", "project": "h1", "user": "u", "class": "gpu",
            "start": "2027-06-09T00:00:00+09:00", "end": "2027-06-09T10:00:00+09:00", "state": "final",
            "meters": {"gpu": "1", "cpu": "1", "mem_gib": "1"}}

    def reasons(self):
        return {entry["id"]: entry["reason"] for entry in lt.ctl_json(["quarantine", "list"], db=self.db)}

    def test_a_bad_record_does_not_stop_the_good_ones(self):
        bad = [dict(self.good, id="real", meters={"gpu": 1.5}), dict(self.good, id="negative", meters={"gpu": "-1"}),
               dict(self.good, id="backwards", end="2027-06-08T00:00:00+09:00"),
               dict(self.good, id="nobody", project="nobody"), dict(self.good, id="noclass", **{"class": "none"}),
               dict(self.good, id="nogpu", meters={"cpu": "1", "mem_gib": "1"}),
               dict(self.good, id="time", start="2027-06-31T00:00:00+09:00")]
        counts = site.import_records(self.db, [bad[0], self.good, *bad[1:]], expect=3)
        self.assertEqual((8, 1, 7), (counts["read"], counts["booked"], counts["quarantined"]))
        reasons = self.reasons()
        self.assertEqual(7, len(reasons), reasons)
        self.assertEqual(("unknown_project", "no_rate", "meter_required", "bad_interval"),
                         tuple(reasons[i] for i in ("nobody", "noclass", "nogpu", "backwards")))
        self.assertEqual("-10.000000", lt.ctl_json(["balance", "h1"], db=self.db)["posted"])

    def test_a_source_that_no_list_could_show_is_refused(self):
        for words in (["usage", "--source", "a\tb"], ["usage", "--source", "s" * 65], ["slurm", "--cluster", "a\nb"],
                      ["slurm", "--cluster", "c" * 59]):
            code, _, err = lt.run_ctl(["import", *words], db=self.db, now=LATE, stdin="")
            self.assertEqual((2, True), (code, "64 bytes" in err), err)

    def test_the_time_an_import_took_is_printed_in_few_digits(self):
        for _ in range(5):
            out = lt.ctl(["import", "usage", "-", "--source", "test", "--json"], db=self.db, stdin="",
                         now=site.LATER)
            self.assertRegex(out, r'"seconds": [0-9]+\.[0-9]{1,6}\n')

    def test_a_truncated_document_books_what_came_before_and_says_so(self):
        text = json.dumps([self.good, dict(self.good, id="2@1")])
        path = lt.write_file(text[:-30])
        code, out, err = lt.run_ctl(["import", "usage", path, "--source", "s", "--json"], db=self.db, now=LATE)
        self.assertEqual(3, code, err)
        counts = json.loads(out)
        self.assertEqual(counts["read"], counts["booked"] + counts["amended"] + counts["duplicate"]
                         + counts["quarantined"])
        self.assertEqual(1, counts["booked"])
        again = lt.ctl_json(["import", "usage", lt.write_file(text), "--source", "s"], db=self.db, now=LATE)
        self.assertEqual((1, 1), (again["booked"], again["duplicate"]))

    def test_a_line_of_100_megabytes_is_one_bad_record(self):
        folder = lt.temp_dir()
        path = os.path.join(folder, "long.ndjson")
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(self.good) + "\n")
            file.write('{"source":"slurm:a","id":"long","user":"')
            for _ in range(100):
                file.write("x" * 1_000_000)
            file.write('"}\n' + json.dumps(dict(self.good, id="2@1")) + "\n")
        counts = lt.ctl_json(["import", "usage", path, "--source", "s"], db=self.db, now=LATE, expect=3)
        self.assertEqual((3, 2, 1), (counts["read"], counts["booked"], counts["quarantined"]))
        entry = lt.ctl_json(["quarantine", "list"], db=self.db)[0]
        self.assertEqual("line_too_long", entry["reason"])
        shown = lt.ctl_json(["quarantine", "show", str(entry["n"])], db=self.db)
        self.assertLessEqual(len(shown["raw"]), 64 * 1024)
        self.assertFalse(shown["is_whole"])
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        self.assertLess(peak, 256 * 1024)

    def test_quarantine_is_left_when_its_cause_is_mended(self):
        site.import_records(self.db, [dict(self.good, project="late")], expect=3)
        number = str(lt.ctl_json(["quarantine", "list"], db=self.db)[0]["n"])
        self.assertIn("late", lt.ctl(["quarantine", "show", number], db=self.db))
        lt.ctl(["project", "add", "late", "--share", "hpci"], db=self.db, now=LATE)
        self.assertEqual(1, lt.ctl_json(["quarantine", "retry", number], db=self.db, now=LATE)["booked"])
        self.assertEqual([], lt.ctl_json(["quarantine", "list"], db=self.db))
        self.assertEqual("-10.000000", lt.ctl_json(["balance", "late"], db=self.db)["posted"])

    def test_quarantine_dismissed_or_unknown(self):
        site.import_records(self.db, [dict(self.good, project="nobody")], expect=3)
        number = str(lt.ctl_json(["quarantine", "list"], db=self.db)[0]["n"])
        lt.ctl(["quarantine", "dismiss", number], db=self.db, now=LATE)
        self.assertEqual([], lt.ctl_json(["quarantine", "list"], db=self.db))
        for words in (["show", "99"], ["retry", "99"], ["dismiss", "99"], ["dismiss", number]):
            code, _, err = lt.run_ctl(["quarantine", *words], db=self.db)
            self.assertEqual(1, code, err)

    def test_explain_follows_a_record_and_knows_what_it_does_not_know(self):
        site.import_records(self.db, [self.good])
        document = lt.ctl_json(["explain", "slurm:a", "1@1"], db=self.db)
        self.assertTrue(document)
        text = lt.ctl(["explain", "slurm:a", "1@1"], db=self.db)
        for word in ("h1", "10.000000", "test-2027", "2027-06"):
            self.assertIn(word, text)
        code, out, err = lt.run_ctl(["explain", "slurm:a", "2@1"], db=self.db)
        self.assertEqual((1, ""), (code, out), err)


    def test_explain_shows_the_arithmetic_of_what_is_booked(self):
        site.import_records(self.db, [self.good])
        dearer = [{"source": "slurm:*", "class": "gpu", "per_hour": {"gpu": "7"}}]
        lt.ctl(["rates", "apply", "--retroactive",
                site.file_of(card(effective_from="2027-06-05T00:00:00+09:00", rules=dearer))], db=self.db, now=LATE)
        document = lt.ctl_json(["explain", "slurm:a", "1@1"], db=self.db)
        self.assertEqual(("test-2027", "10.000000", "10.000000"),
                         (document["card"]["name"], document["points"], document["arithmetic"]["elapsed"]))


class Quote(unittest.TestCase):
    def test_a_quote_prices_records_and_books_nothing(self):
        db = site.new_book("quote")
        good = {"source": "slurm:a", "id": "1@1", "project": "nobody", "user": "u", "class": "gpu",
                "start": "2027-06-30T20:00:00+09:00", "end": "2027-07-01T02:00:00+09:00", "state": "final",
                "qos": "urgent", "meters": {"gpu": "2", "cpu": "1", "mem_gib": "1"}}
        records = [good, dict(good, id="2@1", **{"class": "none"}),
                   {"source": "gateway:b", "id": "r", "class": "llm", "start": "2027-06-09T00:00:00Z",
                    "end": "2027-06-09T00:00:00Z", "state": "final", "meters": {"output_tokens": "1000000"}}]
        before = site.book_digest(db)
        path = lt.write_file("".join(json.dumps(r) + "\n" for r in records))
        quotes = lt.ctl_json(["rates", "quote", path], db=db, now=NOW)
        self.assertEqual({"source": "slurm:a", "id": "1@1", "points": "24.000000", "list_points": "24.000000",
                          "card": "test-2027", "rule": 0},
                         {k: quotes[0][k] for k in ("source", "id", "points", "list_points", "card", "rule")})
        self.assertEqual([("2027-06", "16.000000"), ("2027-07", "8.000000")],
                         [(s["month"], s["points"]) for s in quotes[0]["slices"]])
        self.assertEqual("no_rate", quotes[1]["error"])
        self.assertNotIn("points", quotes[1])
        self.assertEqual(("0.150000", "0.200000"), (quotes[2]["points"], quotes[2]["list_points"]))
        self.assertIn("24.000000", lt.ctl(["rates", "quote", path], db=db, now=NOW))
        self.assertEqual(before, site.book_digest(db))

    def test_a_line_that_is_no_record_is_named_and_exit_code_3(self):
        db = site.new_book("quote")
        code, out, err = lt.run_ctl(["rates", "quote", lt.write_file('nonsense\n{"id":"x"}\n'), "--json"], db=db, now=NOW)
        self.assertEqual(3, code, err)
        quotes = json.loads(out)
        self.assertEqual([True, True], ["error" in quote for quote in quotes])


if __name__ == "__main__":
    unittest.main()
