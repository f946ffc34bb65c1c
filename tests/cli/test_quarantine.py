"""Quarantine: one entry a record, replaced by newer content, resolved by booking, given up by hand."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ingest_site as site  # noqa: E402
import ledger_test as lt  # noqa: E402


class Quarantine(unittest.TestCase):
    def setUp(self):
        self.db = site.new_book("quarantine")

    def tearDown(self):
        self.assertTrue(lt.ctl_json(["verify"], db=self.db)["ok"])
        lt.drop_db(self.db)

    def entries(self):
        return lt.ctl_json(["quarantine", "list"], db=self.db)

    def retry(self, n=None, expect=0):
        return lt.ctl_json(["quarantine", "retry", *([n] if n else [])], db=self.db, now=site.NOW, expect=expect)

    def test_the_reason_is_true_and_the_text_is_kept(self):
        lines = [
            site.token_record(1, 0, project="nobody"),
            {**site.token_record(2, 0), "project": ""},
            site.token_record(3, 0, model="unknown-model"),
            {**site.token_record(4, 0), "meters": {"input_tokens": "1", "images": "2"}},
            {**site.token_record(5, 0), "end": "2027-05-31T00:00:00Z"},
            '{"id":"req-6","project":"h1","class":"llm","start":1}',
            "not json",
            {**site.token_record(8, 0), "start": "2300-01-01T00:00:00Z", "end": "2300-01-01T00:00:00Z"},
        ]
        counts = site.import_usage(self.db, lines, expect=3)
        self.assertEqual((counts["read"], counts["quarantined"]), (8, 8))
        reasons = {entry["id"]: entry["reason"] for entry in self.entries()}
        self.assertEqual(reasons["req-000001"], "unknown_project")
        self.assertEqual(reasons["req-000002"], "no_project")
        self.assertEqual(reasons["req-000003"], "no_rate")
        self.assertEqual(reasons["req-000004"], "count_unpriced")
        self.assertEqual(reasons["req-000005"], "bad_interval")
        self.assertEqual(reasons["req-000008"], "bad_interval")
        entry = next(e for e in self.entries() if e["reason"] == "unknown_project")
        self.assertIn("nobody", entry["detail"])
        shown = lt.ctl_json(["quarantine", "show", entry["n"]], db=self.db)
        self.assertIn('"project": "nobody"', shown["raw"])

    def test_the_same_bad_record_again_is_quarantined_again_in_one_entry(self):
        bad = [site.token_record(1, 0, project="nobody"), "not json"]
        for _ in range(2):
            counts = site.import_usage(self.db, bad * 2, expect=3)
            self.assertEqual((counts["read"], counts["quarantined"]), (4, 4))
            self.assertEqual(len(self.entries()), 2)

    def test_newer_content_replaces_an_entry(self):
        site.import_usage(self.db, [site.token_record(1, 0, project="nobody")], expect=3)
        site.import_usage(self.db, [site.token_record(1, 0, model="unknown-model")], expect=3)
        self.assertEqual([entry["reason"] for entry in self.entries()], ["no_rate"])

    def test_booking_resolves_an_entry_and_a_replay_of_the_bad_text_is_a_duplicate(self):
        bad = "{\"id\":\"req-000001\",\"project\":\"h1\",\"class\":\"llm\",\"start\":1}"
        site.import_usage(self.db, [bad], expect=3)
        self.assertEqual(len(self.entries()), 1)
        self.assertEqual(site.import_usage(self.db, [site.token_record(1, 0)])["booked"], 1)
        self.assertEqual(self.entries(), [])
        self.assertEqual(site.import_usage(self.db, [bad])["duplicate"], 1)
        self.assertEqual(self.entries(), [])

    def test_a_bad_version_in_the_same_input_never_outlives_the_good_one(self):
        bad = site.job_row(1, 86400, 60, state="NODE_FAIL").replace(site.clock(86460), "Unknown")
        for rows in ([bad, site.job_row(1, 86400, 60, state="NODE_FAIL")],
                     [site.job_row(2, 86400, 60), bad.replace("1|", "2|", 1).replace("job1", "job2")]):
            site.import_slurm(self.db, rows, expect=3 if rows[0] is bad else 0)
            self.assertEqual(self.entries(), [])

    def test_retry_books_once_the_cause_is_mended(self):
        site.import_usage(self.db, [site.token_record(n, 0, project="late") for n in range(5)], expect=3)
        site.import_slurm(self.db, [site.job_row(9, 0, 3600, project="late")], expect=3)
        self.assertEqual(self.retry(expect=3)["quarantined"], 6)
        lt.ctl(["project", "add", "late", "--share", "general"], db=self.db, now=site.NOW)
        first = self.entries()[0]
        self.assertEqual(self.retry(first["n"])["booked"], 1)
        counts = self.retry()
        self.assertEqual((counts["read"], counts["booked"]), (5, 5))
        self.assertEqual(self.entries(), [])
        again = site.import_slurm(self.db, [site.job_row(9, 0, 3600, project="late")])
        self.assertEqual(again["duplicate"], 1)
        verbs = [row["verb"] for row in lt.ctl_json(["audit", "list"], db=self.db)]
        self.assertEqual(verbs.count("quarantine retry"), 3)

    def test_every_format_is_retried_as_it_was_read(self):
        formats = [("csv", "id,project,class,start,end,meters.output_tokens\n"
                           "c1,late,llm,2027-06-02T00:00:00Z,2027-06-02T00:00:00Z,5\n"),
                   ("ledger", '[{"id":"l1","project":"late","class":"llm","start":"2027-06-02T00:00:00Z",'
                              '"end":"2027-06-02T00:00:00Z","state":"final","meters":{"output_tokens":"1"}}]'),
                   ("openai", '{"id":"o1","object":"chat.completion","created":1813000000,"model":"llm",'
                              '"usage":{"prompt_tokens":3,"completion_tokens":2}}\n')]
        for name, text in formats:
            lt.ctl(["import", "usage", lt.write_file(text), "--source", site.GATEWAY, "--format", name,
                    "--project", "late"], db=self.db, now=site.NOW, expect=3)
        lt.ctl(["project", "add", "late", "--share", "general"], db=self.db, now=site.NOW)
        self.assertEqual(self.retry()["booked"], len(formats))
        self.assertEqual(self.entries(), [])

    def test_slurm_json_is_retried_element_by_element(self):
        path = os.path.join(lt.ROOT, "tests", "data", "slurm-json", "24.05", "0.0.41", "slurmdb-job-completed.json")
        lt.ctl(["import", "slurm", path, "--format", "json", "--cluster", "other"], db=self.db, now=site.NOW)
        with open(path, encoding="utf-8") as file:
            cluster = file.read().split('"cluster": "')[1].split('"')[0]
        counts = lt.ctl_json(["import", "slurm", path, "--format", "json", "--cluster", cluster], db=self.db,
                             now=site.NOW, expect=3)
        self.assertEqual(counts["quarantined"], counts["read"])
        reasons = [entry["reason"] for entry in self.entries()]
        self.assertEqual(set(reasons), {"unknown_project"})
        self.assertEqual(self.retry(expect=3)["quarantined"], counts["read"])
        self.assertEqual([entry["reason"] for entry in self.entries()], reasons)

    def test_a_dismissed_entry_counts_as_duplicate_until_its_content_changes(self):
        bad = site.token_record(1, 0, project="nobody")
        site.import_usage(self.db, [bad], expect=3)
        n = self.entries()[0]["n"]
        lt.ctl(["quarantine", "dismiss", n, "--note", "a test"], db=self.db, now=site.NOW)
        self.assertEqual(self.entries(), [])
        self.assertEqual(site.import_usage(self.db, [bad])["duplicate"], 1)
        lt.ctl(["quarantine", "dismiss", n], db=self.db, now=site.NOW, expect=1)
        lt.ctl(["quarantine", "retry", n], db=self.db, now=site.NOW, expect=1)
        lt.ctl(["quarantine", "show", 999999], db=self.db, expect=1)
        site.import_usage(self.db, [{**bad, "user": "other"}], expect=3)
        self.assertEqual([entry["n"] for entry in self.entries()], [n])

    def test_a_text_that_was_cut_cannot_be_retried(self):
        site.import_usage(self.db, ['{"id":"long","attributes":{"x":"' + "y" * 100000 + '"},"project":1}'], expect=3)
        n = self.entries()[0]["n"]
        rc, _, err = lt.run_ctl(["quarantine", "retry", n], db=self.db, now=site.NOW)
        self.assertEqual(rc, 1)
        self.assertIn("cut", err)
        self.assertEqual(self.retry()["read"], 0)


if __name__ == "__main__":
    unittest.main()
