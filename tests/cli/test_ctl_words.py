"""Words of ledgerctl and ledger-report: help, exit code 2 with a sentence, nothing silent."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt  # noqa: E402

NOWHERE = "host=/nonexistent port=1 dbname=none connect_timeout=2"

VERBS = """migrate
policy apply|policy show|rates apply|rates show|rates quote
project add|project list|project show|project close|project alias
member add|member remove|member list
grant|grant list|grant revoke|grant extend|overdraft
supply adjust|transfer|refund
import slurm|import usage
balance|check|explain|quarantine list|quarantine show|quarantine retry|quarantine dismiss
close|verify|token create|token list|token revoke|audit list""".replace("\n", "|").split("|")

# words after ledgerctl, and a part of the sentence that must come
BAD_WORDS = [
    ([], "a verb is missing"),
    (["frobnicate"], "'frobnicate' is no verb"),
    (["policy"], "needs one of its verbs"),
    (["policy", "frob", "x"], "not frob"),
    (["grant", "p1"], "POINTS is missing"),
    (["grant", "p1", "-5"], "negative"),
    (["grant", "p1", "1.2345678"], "not a decimal number"),
    (["grant", "p1", "1e3"], "not a decimal number"),
    (["grant", "p1", "ten"], "not a decimal number"),
    (["grant", "p1", "99999999999999"], "too large"),
    (["grant", "p1", "5", "6"], "one word too many"),
    (["grant", "p1", "5", "--from", "2027-06-01"], "not a time with offset"),
    (["grant", "p1", "5", "--from", "2027-06-01T00:00:00"], "not a time with offset"),
    (["grant", "p1", "5", "--from", "2027-02-30T00:00:00Z"], "not a time with offset"),
    (["grant", "p1", "5", "--to", "2027-13-01T00:00:00+09:00"], "not a time with offset"),
    (["grant", "p1", "5", "--key"], "--key needs a value"),
    (["grant", "p1", "5", "--key", "a", "--key", "b"], "given twice"),
    (["grant", "p1", "5", "--frobnicate"], "unknown option --frobnicate"),
    (["grant", "p1", "5", "-x"], "unknown option -x"),
    (["grant", "p1", "5", "--json=yes"], "takes no value"),
    (["grant", "extend", "7"], "--to is missing"),
    (["grant", "revoke", "0"], "not a whole number above zero"),
    (["grant", "revoke", "seven"], "not a whole number above zero"),
    (["check", "p1", "-1"], "negative"),
    (["balance", ""], "PROJECT: the text is empty"),
    (["balance", "p1", "--now", "yesterday"], "not a time with offset"),
    (["import", "slurm", "x"], "--cluster is missing"),
    (["import", "usage", "x"], "--source is missing"),
    (["quarantine", "show", "x"], "not a whole number"),
    (["audit", "list", "--from", "2027-06"], "not a time with offset"),
    (["token", "create", "t"], "--role is missing"),
    (["token", "create", "--role", "submit"], "NAME is missing"),
    (["close"], "YYYY-MM is missing"),
    (["close", "2027-13"], "not a month"),
]

BAD_REPORTS = [
    ([], "a report is missing"),
    (["weekly"], "'weekly' is no report"),
    (["monthly"], "YYYY-MM is missing"),
    (["monthly", "2027-13"], "'2027-13' is not a month"),
    (["monthly", "2027-00"], "is not a month"),
    (["monthly", "2027-6"], "is not a month"),
    (["monthly", "27-06"], "is not a month"),
    (["monthly", "2027-06-01"], "is not a month"),
    (["monthly", "2027-06", "--format", "xml"], "'xml' is not text, csv or json"),
    (["monthly", "2027-06", "--format", "pdf"], "not yet"),
    (["monthly", "2027-06", "--format", "html"], "not yet"),
    (["monthly", "2027-06", "--lang", "ja"], "not yet"),
    (["monthly", "2027-06", "--share", "a", "--project", "b"], "exclude each other"),
    (["statement", "p1"], "YYYY-MM is missing"),
    (["statement", "p1", "2027-13"], "is not a month"),
    (["shares", "twenty"], "is not a fiscal year"),
    (["shares", "27"], "is not a fiscal year"),
]


class Words(unittest.TestCase):
    def refused(self, run, words, sentence, name):
        code, out, err = run(words, db=NOWHERE)
        self.assertEqual((2, ""), (code, out), f"{words}: {err}")
        self.assertTrue(err.startswith(name + ": "), err)
        self.assertIn(sentence, err)
        self.assertEqual(1, err.count("\n"), err)

    def test_wrong_words_are_a_sentence_and_exit_code_2(self):
        for words, sentence in BAD_WORDS:
            with self.subTest(words=words):
                self.refused(lt.run_ctl, words, sentence, "ledgerctl")

    def test_wrong_reports_are_a_sentence_and_exit_code_2(self):
        for words, sentence in BAD_REPORTS:
            with self.subTest(words=words):
                self.refused(lt.run_report, words, sentence, "ledger-report")

    def test_help_names_every_verb_and_needs_no_database(self):
        code, out, err = lt.run_ctl(["--help"], db=NOWHERE)
        self.assertEqual((0, ""), (code, err))
        for verb in VERBS:
            with self.subTest(verb=verb):
                self.assertIn(f"\n  {verb}", out)
                code, own, err = lt.run_ctl([*verb.split(), "--help"], db=NOWHERE)
                self.assertEqual((0, ""), (code, err))
                self.assertTrue(own.startswith(f"usage: ledgerctl {verb}"), own)
                for option in ("--json", "--actor", "--note", "--ref", "--now", "-c"):
                    self.assertIn(option, own)

    def test_help_of_a_noun_lists_its_verbs(self):
        code, out, _ = lt.run_ctl(["quarantine", "--help"], db=NOWHERE)
        self.assertEqual(0, code)
        self.assertIn("quarantine dismiss N", out)
        self.assertNotIn("policy", out)

    def test_report_help_needs_no_database(self):
        code, out, _ = lt.run_report(["--help"], db=NOWHERE)
        self.assertEqual(0, code)
        for report in ("monthly", "statement", "shares"):
            self.assertIn(f"\n  {report}", out)

    def test_a_database_that_is_away_is_exit_code_4(self):
        for run, words in ((lt.run_ctl, ["project", "list"]), (lt.run_ctl, ["migrate"]),
                           (lt.run_report, ["monthly", "2027-06"])):
            code, out, err = run(words, db=NOWHERE)
            self.assertEqual((4, ""), (code, out), err)
            self.assertIn("nonexistent", err)

    def test_what_the_server_remarks_is_not_printed(self):
        db = lt.create_db("words")
        name = db.rsplit("=", 1)[1]
        lt.psql(lt.server(), f"ALTER DATABASE {name} SET client_min_messages = log;"
                             f"ALTER DATABASE {name} SET log_statement = 'all';")
        self.assertEqual((0, ""), lt.run_ctl(["project", "list"], db=db)[::2])

    def test_a_password_never_shows(self):
        _, out, err = lt.run_ctl(["project", "list"], db=NOWHERE + " password=hunter2")
        self.assertNotIn("hunter2", out + err)

    def test_a_configuration_that_is_wrong_names_file_and_line(self):
        path = lt.write_file("[database]\nurl = x\n[http]\nfrob = 1\n", "ledgerd.conf")
        code, _, err = lt.run_ctl(["project", "list", "-c", path], db=NOWHERE)
        self.assertEqual(3, code, err)
        self.assertIn("ledgerd.conf", err)
        self.assertIn("4", err)
        code, _, err = lt.run_ctl(["project", "list", "-c", "/nonexistent/conf"], db=NOWHERE)
        self.assertEqual(3, code, err)


class Schema(unittest.TestCase):
    def test_a_database_without_schema_asks_for_migrate(self):
        db = lt.create_db("words", schema=False)
        for run, words in ((lt.run_ctl, ["project", "list"]), (lt.run_report, ["monthly", "2027-06"])):
            code, _, err = run(words, db=db)
            self.assertEqual(4, code)
            self.assertIn("ledgerctl migrate", err)

    def test_a_newer_schema_is_refused(self):
        db = lt.create_db("words")
        lt.psql(db, "INSERT INTO ledger.schema_migration (number, name) VALUES (9999, 'future');")
        for words in (["project", "list"], ["migrate"]):
            code, _, err = lt.run_ctl(words, db=db)
            self.assertEqual(4, code, err)
            self.assertIn("newer", err)

    def test_migrate_again_does_nothing(self):
        db = lt.create_db("words")
        self.assertEqual(0, lt.ctl_json(["migrate"], db=db)["applied"])
        self.assertEqual(0, lt.ctl_json(["migrate", "--sandbox"], db=db)["applied"])

    def test_time_is_pretended_in_a_sandbox_only(self):
        db = lt.create_db("words", schema=False)
        lt.ctl(["migrate"], db=db)
        for options, env in ((["--now", "2027-06-01T00:00:00Z"], None),
                             ([], {"LEDGER_NOW": "2027-06-01T00:00:00Z"})):
            code, out, err = lt.run_ctl(["project", "list", *options], db=db, env=env)
            self.assertEqual((1, ""), (code, out), err)
            self.assertIn("sandbox", err)
        code, _, err = lt.run_report(["monthly", "2027-06"], db=db, now="2027-06-01T00:00:00Z")
        self.assertEqual(1, code, err)
        code, _, err = lt.run_ctl(["migrate", "--sandbox"], db=db)
        self.assertEqual(1, code, err)
        self.assertEqual("[]\n", lt.ctl(["project", "list", "--json"], db=db))

    def test_a_pretended_time_that_cannot_be_read_is_exit_code_2(self):
        db = lt.create_db("words")
        code, _, err = lt.run_ctl(["project", "list"], db=db, now="noon")
        self.assertEqual(2, code, err)
        self.assertIn("LEDGER_NOW", err)


if __name__ == "__main__":
    unittest.main()
