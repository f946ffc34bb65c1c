"""The book beside Slurm's accounting: every job that differs is named, with the reason.

sacct, sreport and sacctmgr are scripts that print what a test gives them: differences are planted in what they say,
or in the book."""

import os
import stat
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt  # noqa: E402
import small_site  # noqa: E402

COLUMNS = ("JobID,JobIDRaw,Cluster,Submit,Start,End,State,ElapsedRaw,Suspended,TimelimitRaw,Account,User,Partition,"
           "QOS,AllocTRES").split(",")
JUNE = 1811775600  # 2027-06-01T00:00:00+09:00
HOUR = 3600
NOW = "2027-06-10T09:00:00+09:00"
NOW_EPOCH = JUNE + 9 * 24 * HOUR + 9 * HOUR


def job(number, start, hours=1, **changes):
    """A row of sacct as a dict; start and hours count from the beginning of June."""
    begin = JUNE + int(start * HOUR)
    row = {"JobID": number, "JobIDRaw": number, "Cluster": "sdli", "Submit": begin - 60, "Start": begin,
           "End": begin + int(hours * HOUR), "State": "COMPLETED", "ElapsedRaw": int(hours * HOUR),
           "Suspended": "00:00:00", "TimelimitRaw": 1440, "Account": "h1", "User": "alice", "Partition": "gpu",
           "QOS": "normal", "AllocTRES": "billing=8,cpu=8,gres/gpu=2,mem=16G,node=1"}
    row.update(changes)
    return row


def listing(rows, delimiter="\x1f"):
    lines = [delimiter.join(COLUMNS)] + [delimiter.join(str(r[c]) for c in COLUMNS) for r in rows]
    return "".join(line + "\n" for line in lines)


def identity(row):
    return f"{row['JobIDRaw']}@{row['Submit']}"


class Slurm:
    """A folder with the three commands; each prints its file."""

    def __init__(self):
        self.folder = lt.temp_dir()
        for name in ("sacct", "sreport", "sacctmgr"):
            self.script(name, f'echo "$0 $*" >>{self.folder}/calls\nexec cat {self.folder}/{name}.out\n')
            self.say(name, "")
        self.rolled_up(NOW_EPOCH // HOUR * HOUR)

    def script(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    def say(self, name, text):
        with open(os.path.join(self.folder, name + ".out"), "w", encoding="utf-8") as file:
            file.write(text)

    def calls(self):
        with open(os.path.join(self.folder, "calls"), encoding="utf-8") as file:
            return file.read()

    def rolled_up(self, epoch, cluster="sdli"):
        self.say("sacctmgr", f"Internal DBD rollup last ran Mon (1)\n\tLast cycle: 1\n\n"
                 f"Cluster 'other' rollup statistics\nHour  last ran Sun (5)\n"
                 f"Cluster '{cluster}' rollup statistics\nHour  last ran Sun Nov 22 ({epoch})\n\tLast cycle: 0\n"
                 f"Day   last ran Sun (7)\n")

    def used(self, rows, begin=JUNE, end=NOW_EPOCH):
        """What sreport says of these jobs in the time, from their rows alone."""
        sums = {}
        for row in rows:
            seconds = max(0, min(row["End"], end) - max(row["Start"], begin))
            for name, count in (e.split("=") for e in row["AllocTRES"].split(",")):
                if name in ("cpu", "gres/gpu"):
                    key = (row["Account"], name)
                    sums[key] = sums.get(key, 0) + seconds * int(count)
        self.say("sreport", "".join(f"{a}|{t}|{s}\n" for (a, t), s in sorted(sums.items())))


class Reconcile(unittest.TestCase):

    def setUp(self):
        self.db = small_site.new_book("recon")
        self.slurm = Slurm()

    def read(self, rows, through=NOW, expect=0):
        return lt.ctl_json(["import", "slurm", "-", "--cluster", "sdli", "--through", through], db=self.db,
                           stdin=listing(rows), now=NOW, expect=expect)

    def reconcile(self, rows, expect, *options, used=None):
        self.slurm.say("sacct", listing(rows))
        self.slurm.used(rows if used is None else used)
        return lt.ctl_json(["reconcile", "slurm", "sdli", "--from", "2027-06", "--command",
                            os.path.join(self.slurm.folder, "sacct"), *options], db=self.db, now=NOW, expect=expect)

    def only(self, document):
        self.assertEqual(len(document["differences"]), 1, document["differences"])
        return document["differences"][0]

    def test_what_agrees_is_said_to_agree_with_its_hours(self):
        rows = [job(1, 0, 2), job(2, 5, 0.5, Account="g1", Partition="cpu", AllocTRES="cpu=4,mem=1G,node=1"),
                job(3, 30, 1, State="FAILED"), job(4, 8, 3, Account="g1")]
        self.read(rows)
        document = self.reconcile(rows, 0)
        self.assertTrue(document["agrees"])
        self.assertEqual(document["differences"], [])
        self.assertEqual(document["jobs"], {"slurm": 4, "book": 4, "running": 0, "never_started": 0})
        ended = {(r["account"], r["meter"]): r["book"] for r in document["ended"]}
        self.assertEqual(ended, {("g1", "gpu"): "6.000000", ("g1", "cpu"): "26.000000", ("h1", "gpu"): "6.000000",
                                 ("h1", "cpu"): "24.000000", (None, "gpu"): "12.000000", (None, "cpu"): "50.000000"})
        used = {(r["account"], r["meter"]): r["sreport"] for r in document["used"]["hours"]}
        self.assertEqual(used[("g1", "cpu")], "26.000000")
        self.assertEqual(used[(None, "gpu")], "12.000000")
        self.assertIn("--starttime=2027-05-31T15:00:00 --endtime=2027-06-10T00:00:00", self.slurm.calls())
        self.assertIn("start=2027-05-31T15:00:00 end=2027-06-10T00:00:00", self.slurm.calls())

    def test_text_says_the_same(self):
        rows = [job(1, 0)]
        self.read(rows)
        self.slurm.say("sacct", listing(rows + [job(2, 3)]))
        self.slurm.used(rows + [job(2, 3)])
        out = lt.ctl(["reconcile", "slurm", "sdli", "--from", "2027-06", "--command",
                      os.path.join(self.slurm.folder, "sacct")], db=self.db, now=NOW, expect=5)
        self.assertIn("missing      1", out)
        self.assertIn(identity(job(2, 3)), out)
        self.assertIn("the book and Slurm differ", out)

    def test_a_job_that_was_not_read_is_named_with_how_far_the_source_was_read(self):
        rows = [job(1, 0), job(2, 100)]
        self.read(rows[:1], through="2027-06-02T00:00:00+09:00")
        entry = self.only(self.reconcile(rows, 5))
        self.assertEqual((entry["id"], entry["kind"], entry["account"]), (identity(rows[1]), "missing", "h1"))
        self.assertIn("not read yet: it ended at 2027-06-05T05:00:00+09:00, and the source has been read to "
                      "2027-06-02T00:00:00+09:00", entry["why"])

    def test_a_job_that_was_passed_over_is_told_from_one_that_was_not_read_yet(self):
        rows = [job(1, 0), job(2, 100)]
        self.read(rows[:1])
        entry = self.only(self.reconcile(rows, 5))
        self.assertIn("was not among what was read", entry["why"])

    def test_the_pull_tells_how_far_the_source_was_read_too(self):
        rows = [job(1, 0), job(2, 100)]
        self.read(rows[:1], through="2027-06-02T00:00:00+09:00")
        lt.psql(self.db, "INSERT INTO ledger.pull (source, read_through) VALUES ('slurm:sdli', '2027-06-03T00:00Z')")
        self.assertIn("read to 2027-06-03T09:00:00+09:00", self.only(self.reconcile(rows, 5))["why"])

    def test_a_job_in_quarantine_is_named_with_its_entry(self):
        rows = [job(1, 0), job(2, 1, Account="nobody"), job(3, 2, Account="nobody2")]
        self.read(rows, expect=3)
        lt.ctl(["quarantine", "dismiss", "2"], db=self.db, now=NOW)
        document = self.reconcile(rows, 5)
        whys = {d["id"]: d["why"] for d in document["differences"]}
        self.assertEqual(document["differing"]["missing"], 2)
        self.assertRegex(whys[identity(rows[1])], r"in quarantine, entry 1 \(unknown_project\): .*nobody")
        self.assertRegex(whys[identity(rows[2])], r"dismissed by hand from quarantine, entry 2 \(unknown_project\)")

    def test_a_job_that_slurm_does_not_have_is_named(self):
        rows = [job(1, 0), job(2, 1)]
        self.read(rows)
        document = self.reconcile(rows[:1], 5)
        entry = self.only(document)
        self.assertEqual((entry["id"], entry["kind"], entry["project"]), (identity(rows[1]), "extra", "h1"))
        self.assertIn("Slurm lists no such job", entry["why"])
        self.assertFalse([r for r in document["ended"] if r["account"] is None][0]["agrees"])

    def test_jobs_outside_the_time_are_nothing_extra(self):
        self.read([job(1, 0), job(2, 30), job(3, 200)])
        self.slurm.say("sacct", listing([job(2, 30)]))
        self.slurm.used([job(2, 30)])
        document = lt.ctl_json(["reconcile", "slurm", "sdli", "--from", "2027-06-02", "--to", "2027-06-03",
                                "--command", os.path.join(self.slurm.folder, "sacct")], db=self.db, now=NOW)
        self.assertTrue(document["agrees"])

    def test_each_field_that_slurm_has_changed_is_named(self):
        rows = [job(n, n) for n in range(1, 10)]
        self.read(rows)
        changes = [("account", {"Account": "g1"}), ("user", {"User": "bob"}), ("partition", {"Partition": "cpu"}),
                   ("qos", {"QOS": "urgent"}), ("outcome", {"State": "TIMEOUT"}),
                   ("elapsed_seconds", {"ElapsedRaw": 3599}), ("requested_seconds", {"TimelimitRaw": 60}),
                   ("meters", {"AllocTRES": "billing=8,cpu=8,gres/gpu=3,mem=16G,node=1"})]
        now = [dict(row, **changes[i][1]) if i < len(changes) else row for i, row in enumerate(rows)]
        document = self.reconcile(now, 5)
        self.assertEqual([d["id"] for d in document["differences"]], [identity(r) for r in rows[:len(changes)]])
        for entry, (field, _) in zip(document["differences"], changes):
            self.assertEqual([f["field"] for f in entry["fields"]], [field])
            self.assertEqual(entry["kind"], "different")
        self.assertEqual(document["differences"][7]["fields"][0],
                         {"field": "meters", "slurm": "cpu=8 gpu=3 mem_gib=16 node=1",
                          "book": "cpu=8 gpu=2 mem_gib=16 node=1"})

    def test_times_that_differ_are_shown_in_the_sites_zone(self):
        rows = [job(1, 0)]
        self.read(rows)
        entry = self.only(self.reconcile([dict(rows[0], End=rows[0]["End"] + 5, ElapsedRaw=3605)], 5))
        self.assertEqual([f["field"] for f in entry["fields"]], ["elapsed_seconds", "end"])
        self.assertEqual(entry["fields"][1]["slurm"], "2027-06-01T01:00:05+09:00")

    def test_what_was_changed_in_the_book_is_found(self):
        rows = [job(1, 0), job(2, 1)]
        self.read(rows)
        lt.psql(self.db, "ALTER TABLE ledger.usage_record DISABLE TRIGGER USER;"
                f"UPDATE ledger.usage_record SET meters = replace(meters, 'gpu=2', 'gpu=1')"
                f" WHERE id = '{identity(rows[1])}'")
        document = self.reconcile(rows, 5)
        self.assertEqual([f["field"] for f in self.only(document)["fields"]], ["meters"])
        totals = {(r["account"], r["meter"]): r for r in document["ended"]}
        self.assertEqual((totals[("h1", "gpu")]["book"], totals[("h1", "gpu")]["sacct"]), ("3.000000", "4.000000"))
        self.assertTrue(totals[("h1", "cpu")]["agrees"])

    def test_running_jobs_agree_until_their_end(self):
        running = job(1, 0, 200, State="RUNNING", End="Unknown")
        self.read([running], through="2027-06-08T00:00:00+09:00")
        used = [dict(running, End=JUNE + 192 * HOUR)]
        document = self.reconcile([running], 0, "--to", "2027-06-09", used=used)
        self.assertEqual(document["jobs"]["running"], 1)
        entry = self.only(self.reconcile([job(1, 0, 201)], 5, "--no-sreport"))
        self.assertEqual(entry["kind"], "unsettled")
        self.assertIn("still running in the book, which saw it last at 2027-06-09T08:00:00+09:00: not read yet",
                      entry["why"])

    def test_running_jobs_whose_month_was_closed_are_compared_once(self):
        july = JUNE + 30 * 24 * HOUR
        running = job(1, 29 * 24, 30, State="RUNNING", End="Unknown")
        now = "2027-07-01T06:00:00+09:00"
        lt.ctl_json(["import", "slurm", "-", "--cluster", "sdli", "--through", now], db=self.db,
                    stdin=listing([running]), now=now)
        lt.ctl(["close", "2027-06"], db=self.db, now="2027-07-03T06:00:00+09:00")
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.usage_record"), "1")
        self.slurm.rolled_up(july + 6 * HOUR)
        self.slurm.say("sacct", listing([running]))
        self.slurm.used([dict(running, End=july + 6 * HOUR)], end=july + 6 * HOUR)
        document = lt.ctl_json(["reconcile", "slurm", "sdli", "--from", "2027-06-30T00:00:00+09:00", "--to",
                                "2027-07-01T06:00:00+09:00", "--command", os.path.join(self.slurm.folder, "sacct")],
                               db=self.db, now="2027-07-03T06:00:00+09:00")
        self.assertEqual(document["jobs"]["running"], 1)
        self.assertEqual(document["used"]["hours"][0]["book"], "60.000000")

    def test_running_jobs_that_the_book_saw_too_long_ago_are_named(self):
        self.read([job(1, 0, 100, State="RUNNING", End="Unknown")])
        later = job(1, 0, 200, State="RUNNING", End="Unknown")
        entry = self.only(self.reconcile([later], 5, used=[dict(later, End=JUNE + 200 * HOUR)]))
        self.assertEqual(entry["kind"], "behind")
        self.assertIn("saw it last at 2027-06-05T04:00:00+09:00", entry["why"])
        unseen = job(2, 0, 100, State="RUNNING", End="Unknown")
        document = self.reconcile([later, unseen], 5, "--no-sreport", used=[])
        self.assertIn("was not seen running yet", self.only(document)["why"])

    def test_suspended_time_is_no_difference(self):
        rows = [job(1, 0, 3, ElapsedRaw=2 * HOUR, Suspended="01:00:00")]
        self.read(rows)
        document = self.reconcile(rows, 0, "--no-sreport")
        self.assertEqual(document["ended"][0]["book"], "4.000000")
        self.assertIsNone(document["used"])

    def test_hours_are_cut_at_the_edges_of_the_time(self):
        rows = [job(1, 22, 4), job(2, 44, 8)]
        self.read(rows)
        self.slurm.say("sacct", listing(rows))
        self.slurm.used(rows, JUNE + 24 * HOUR, JUNE + 48 * HOUR)
        document = lt.ctl_json(["reconcile", "slurm", "sdli", "--from", "2027-06-02", "--command",
                                os.path.join(self.slurm.folder, "sacct")], db=self.db, now=NOW)
        used = {(r["account"], r["meter"]): r["sreport"] for r in document["used"]["hours"]}
        self.assertEqual(used[("h1", "gpu")], "12.000000")
        self.assertEqual(document["jobs"]["slurm"], 1)

    def test_a_total_of_sreport_that_differs_is_a_difference(self):
        rows = [job(1, 0), job(2, 1, Account="g1")]
        self.read(rows)
        document = self.reconcile(rows, 5, used=[rows[0], dict(rows[1], End=rows[1]["End"] - 1)])
        self.assertEqual(document["differences"], [])
        self.assertEqual([r["account"] for r in document["used"]["hours"] if not r["agrees"]], ["g1"] * 2 + [None] * 2)

    def test_an_account_that_only_sreport_has_is_a_difference(self):
        rows = [job(1, 0)]
        self.read(rows)
        document = self.reconcile(rows, 5, used=rows + [job(2, 1, Account="ghost")])
        self.assertEqual([(r["book"], r["sreport"]) for r in document["used"]["hours"]
                          if r["account"] == "ghost" and r["meter"] == "gpu"], [("0.000000", "2.000000")])

    def test_hours_that_are_not_rolled_up_are_said_and_not_compared(self):
        rows = [job(1, 0), job(2, 150)]
        self.read(rows)
        self.slurm.rolled_up(JUNE + 100 * HOUR)
        document = self.reconcile(rows, 0, used=rows[:1])
        self.assertEqual(document["used"]["to"], "2027-06-05T04:00:00+09:00")
        self.assertIn("rolled up", document["used"]["note"])
        self.slurm.rolled_up(JUNE)
        document = self.reconcile(rows, 0, used=rows[:1])
        self.assertEqual(document["used"]["hours"], [])
        self.assertIn("no whole hour", document["used"]["note"])

    def test_rows_that_cannot_be_booked_are_named(self):
        rows = [job(1, 0), job(2, 1, State="NODE_FAIL", End="Unknown"), job(3, 2, State="MELTED")]
        self.read(rows, expect=3)
        document = self.reconcile(rows, 5, used=rows[:1])
        self.assertEqual(document["differing"]["unreadable"], 2)
        self.assertIn("MELTED", " ".join(d["why"] for d in document["differences"]))
        self.assertIn("in quarantine, entry", document["differences"][0]["why"])

    def test_pending_jobs_and_jobs_that_never_started_are_counted_alone(self):
        rows = [job(1, 0), job(2, 1, State="PENDING", Start="Unknown", End="Unknown", ElapsedRaw=0),
                job(3, 1, State="CANCELLED by 0", Start="None", ElapsedRaw=0)]
        self.read(rows)
        self.assertEqual(self.reconcile(rows, 0, used=rows[:1])["jobs"]["never_started"], 2)

    def test_an_earlier_row_of_a_job_that_was_listed_twice_does_not_count(self):
        rows = [job(1, 0)]
        self.read(rows)
        self.assertTrue(self.reconcile([dict(rows[0], ElapsedRaw=7)] + rows, 0, used=rows)["agrees"])

    def test_more_differences_than_are_named_are_counted(self):
        rows = [job(n, n % 100) for n in range(1, 31)]
        document = self.reconcile(rows, 5, "--limit", "7")
        self.assertEqual((len(document["differences"]), document["differing"]["missing"]), (7, 30))
        self.assertIn("never read to a known time", document["differences"][0]["why"])

    def test_many_jobs_fit(self):
        rows = [job(n, n % 200, 0.5, Account="h1" if n % 2 else "g1") for n in range(1, 12001)]
        self.read(rows)
        self.assertEqual(self.reconcile(rows, 0)["jobs"]["slurm"], 12000)
        del rows[5000]
        self.assertEqual(self.only(self.reconcile(rows, 5))["kind"], "extra")

    def test_nothing_of_the_book_changes(self):
        rows = [job(1, 0), job(2, 1)]
        self.read(rows[:1])
        before = small_site.book_digest(self.db)
        self.reconcile(rows, 5)
        self.assertEqual(small_site.book_digest(self.db), before)

    def test_slurm_away_is_no_agreement(self):
        path = os.path.join(self.slurm.folder, "sacct")
        for name, text, said in (
                ("sacct", "echo sacct: error: slurmdbd is away >&2\nexit 1\n", "slurmdbd is away"),
                ("sacct", f"cat {self.slurm.folder}/sacct.out\nkill -9 $$\n", "sacct"),
                ("sreport", "echo no report >&2\nexit 1\n", "no report"),
                ("sreport", "echo nonsense\n", "nonsense")):
            with self.subTest(name=name, said=said):
                slurm = self.slurm = Slurm()
                slurm.say("sacct", listing([job(1, 0)]))
                slurm.script(name, text.replace(path, os.path.join(slurm.folder, "sacct")))
                rc, out, err = lt.run_ctl(["reconcile", "slurm", "sdli", "--from", "2027-06", "--command",
                                           os.path.join(slurm.folder, "sacct"), "--json"], db=self.db, now=NOW)
                self.assertIn(rc, (3, 4), out)
                self.assertIn(said, err)
        rc, _, err = lt.run_ctl(["reconcile", "slurm", "sdli", "--from", "2027-06", "--command", "/nonexistent/sacct"],
                                db=self.db, now=NOW)
        self.assertEqual(rc, 4, err)

    def test_words_that_are_no_time_are_refused(self):
        for words in (["--from", "june"], ["--from", "2027-13"], ["--from", "2027-06-31"], [],
                      ["--from", "2027-06", "--to", "2027-05"], ["--from", "2028-01"]):
            rc, _, err = lt.run_ctl(["reconcile", "slurm", "sdli", *words], db=self.db, now=NOW)
            self.assertEqual(rc, 2, (words, err))

    def test_the_configuration_names_the_command(self):
        rows = [job(1, 0)]
        self.read(rows)
        self.slurm.say("sacct", listing(rows))
        self.slurm.used(rows)
        conf = lt.write_file(f"[slurm sdli]\nmode = sacct\ncommand = {self.slurm.folder}/sacct\n", "ledgerd.conf")
        lt.ctl(["reconcile", "slurm", "sdli", "--from", "2027-06", "-c", conf], db=self.db, now=NOW)


if __name__ == "__main__":
    unittest.main()
