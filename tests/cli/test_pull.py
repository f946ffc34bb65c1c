"""The puller by sacct: what it reads is booked once, whatever breaks off, and faults are told with their reason."""

import json
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fake_slurm  # noqa: E402
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402
from fake_slurm import job, live_job  # noqa: E402

NOW = "2027-06-10T12:00:00+09:00"
T = 1812596400  # 2027-06-10 12:00 in Tokyo
HOUR = 3600
DAY = 86400
TIMEOUT = f"{int(3 * lt.SLOWDOWN)}s"


class Pull(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.db = site.new_book("pull")
        for project in ("h1", "h2"):
            lt.ctl(["grant", project, "100000", "--from", "2027-06-01T00:00:00+09:00"], db=self.db, now=NOW)
        self.slurm = fake_slurm.FakeSlurm()
        self.addCleanup(lt.drop_db, self.db)

    def conf_path(self, **settings):
        return lt.write_file(self.slurm.conf(timeout=TIMEOUT, **settings), "ledgerd.conf")

    def run_pull(self, *extra, now=NOW, **settings):
        self.slurm.save()
        return lt.run_ctl(["pull", "sdli", "-c", self.conf_path(**settings), "--json", *extra], db=self.db, now=now)

    def pull(self, expect=0, now=NOW, **settings):
        """The document of a round that must end with this exit code."""
        rc, out, err = self.run_pull(now=now, **settings)
        self.assertEqual(rc, expect, out + err)
        return json.loads(out)

    def fails(self, *words, expect=4, **settings):
        rc, out, err = self.run_pull(**settings)
        self.assertEqual(rc, expect, out + err)
        for word in words:
            self.assertIn(word, err)
        return json.loads(out) if out else None

    def standing(self):
        row = lt.query(self.db, "SELECT extract(epoch FROM read_through)::bigint, rounds, failures, failing_since"
                                " IS NOT NULL, error FROM ledger.pull")[0]
        return {"through": int(row[0]) if row[0] else None, "rounds": int(row[1]), "failures": int(row[2]),
                "failing": row[3] == "true", "error": row[4]}

    def booked(self):
        """Record ids and their points."""
        return {row[0]: row[1] for row in lt.query(self.db, """
            SELECT i.id, sum(c.points_micro)::bigint FROM ledger.record_identity i
              JOIN ledger.charge c ON c.record_no = i.record_no GROUP BY 1""")}

    def assert_near(self, value, wanted, margin=0.02 * lt.SLOWDOWN):
        """Time goes on while a round is made: at two points an hour, seconds are thousandths."""
        self.assertLessEqual(wanted, float(value))
        self.assertLessEqual(float(value), wanted + margin)

    def verify(self):
        self.assertTrue(lt.ctl_json(["verify"], db=self.db, now=NOW)["ok"])

    # --- what is read ---------------------------------------------------------------------------

    def test_ended_jobs_are_booked_and_running_ones_accrue_until_now(self):
        self.slurm.jobs = [job(1, T - 3 * HOUR, T - 2 * HOUR, T - HOUR),
                           job(2, T - HOUR, T - HOUR, None),
                           job(3, T - HOUR, T - HOUR, None, State="SUSPENDED", Suspended="00:30:00"),
                           job(4, T - HOUR, "None", T - HOUR, State="CANCELLED by 0", ElapsedRaw="0")]
        self.slurm.live = [live_job(2, T - HOUR, T - HOUR), live_job(3, T - HOUR, T - HOUR, job_state="SUSPENDED"),
                           live_job(5, T - HOUR, None, array_job_id=5, array_task_string="1-10%3", array_max_tasks=3)]
        first = self.pull()
        self.assertEqual([first[k] for k in ("read", "booked", "skipped", "quarantined")], [3, 3, 1, 0])
        self.assertEqual(first["points"], "2.000000")
        self.assertEqual([first["pending_jobs"], first["running_jobs"]], [10, 2])
        balance = lt.ctl_json(["balance", "h1"], db=self.db, now=NOW)
        self.assert_near(balance["accrued"], 3)  # an hour, and half of one: suspended time is free
        again = self.pull()
        self.assertEqual([again["booked"], again["points"]], [0, "0.000000"])
        later = self.pull(now="2027-06-10T13:00:00+09:00")
        self.assertEqual(later["amended"], 2)
        self.assert_near(lt.ctl_json(["balance", "h1"], db=self.db, now=NOW)["accrued"], 7)
        standing = self.standing()
        self.assertEqual([standing["rounds"], standing["failing"], standing["error"]], [3, False, ""])
        self.assert_near(standing["through"], T + HOUR, 20 * lt.SLOWDOWN)
        self.verify()

    def test_what_ended_while_it_ran_before_takes_the_accruals_place(self):
        self.slurm.jobs = [job(1, T - HOUR, T - HOUR, None)]
        self.pull()
        self.slurm.jobs = [job(1, T - HOUR, T - HOUR, T + 60)]
        self.pull(now="2027-06-10T12:05:00+09:00")
        self.assertEqual(self.booked(), {f"1@{T - HOUR}": "2033333"})
        self.assertEqual(lt.ctl_json(["balance", "h1"], db=self.db, now=NOW)["accrued"], "0.000000")

    def test_users_partitions_and_changes_of_them_are_known(self):
        self.pull()
        self.assertEqual(lt.query(self.db, "SELECT user_name, default_account FROM ledger.slurm_user"), [["alice", "h1"]])
        self.assertEqual(lt.query(self.db, """
            SELECT partition, is_default, default_seconds, max_seconds, node_cpus, node_gpus, node_mem
              FROM ledger.slurm_partition ORDER BY 1"""),
            [["cpu", "false", "3600", "604800", "16", "4", "64000"],
             ["gpu", "true", "3600", "604800", "16", "4", "64000"]])
        version = lt.scalar(self.db, "SELECT version FROM ledger.catalog_version")
        self.assertFalse(self.pull()["associations_changed"])
        self.assertEqual(lt.scalar(self.db, "SELECT version FROM ledger.catalog_version"), version)
        self.slurm.texts["associations"] += "bob|h2|gpu|low\n|h2||low\n"
        self.slurm.texts["config"] += "DefMemPerCPU            = 2048\n"
        self.assertTrue(self.pull()["associations_changed"])
        self.assertEqual(lt.query(self.db, "SELECT * FROM ledger.slurm_association WHERE user_name = 'bob'"),
                         [["sdli", "bob", "h2", "gpu", "low"]])
        self.assertEqual(lt.query(self.db, "SELECT default_account FROM ledger.slurm_user WHERE user_name = 'bob'"), [[""]])
        self.assertEqual(lt.query(self.db, "SELECT DISTINCT mem_per_cpu FROM ledger.slurm_partition"), [["2048"]])

    def test_an_unknown_account_is_quarantined_and_not_lost(self):
        self.slurm.jobs = [job(1, T - HOUR, T - HOUR, T - 60, Account="geophys"), job(2, T - HOUR, T - HOUR, T - 60)]
        self.assertEqual(self.pull(expect=3)["quarantined"], 1)
        self.assertEqual(self.standing()["failures"], 0, "a bad record is no bad round")
        lt.ctl(["project", "alias", "h2", "slurm:sdli", "geophys"], db=self.db, now=NOW)
        lt.ctl(["quarantine", "retry"], db=self.db, now=NOW)
        self.assertEqual(len(self.booked()), 2)

    def test_recycled_ids_requeues_and_late_amendments(self):
        self.slurm.jobs = [job(7, T - 9 * HOUR, T - 9 * HOUR, T - 8 * HOUR),
                           job(7, T - 2 * HOUR, T - 2 * HOUR, T - HOUR, State="REQUEUED"),
                           job(7, T - HOUR, T - HOUR + 60, T - 600, Account="h2"),
                           job(8, T - 2 * HOUR, T - 2 * HOUR, T - HOUR, State="TIMEOUT"),
                           job(9, T - 2 * HOUR, T - 2 * HOUR, None, State="NODE_FAIL", End="Unknown")]
        first = self.pull(expect=3)
        self.assertEqual([first["booked"], first["quarantined"]], [4, 1])
        self.slurm.jobs[3].update(End=str(T - HOUR + 163), ElapsedRaw=str(HOUR + 163))
        self.slurm.jobs[4].update(End=str(T - HOUR), ElapsedRaw=str(HOUR))
        second = self.pull(now="2027-06-10T12:10:00+09:00")
        self.assertEqual([second["booked"], second["amended"]], [1, 1])
        booked = self.booked()
        self.assertEqual(len(booked), 5)
        self.assertEqual(booked[f"8@{T - 2 * HOUR}"], str(round((HOUR + 163) * 2 * 1000000 / HOUR)))
        self.assertEqual(booked[f"7@{T - HOUR}"], str(round((HOUR - 660) * 2 * 1000000 / HOUR)))
        self.verify()

    def test_names_cannot_pretend_to_be_a_comment_or_a_row(self):
        forged = job(99, T - HOUR, T - HOUR, T - 60, Account="h2")
        self.slurm.jobs = [job(1, T - HOUR, T - HOUR, T - 60, JobName="a|b\nc\"d"),
                           job(2, T - HOUR, T - HOUR, T - 60, JobName="x\x1fledger:hold=stolen"),
                           job(4, T - HOUR, T - HOUR, T - 60, AdminComment="see 5;ledger:hold=mine")]
        self.pull()
        # Whoever knows the columns writes a row of somebody else's into his job's name.
        columns = fake_slurm.option(self.slurm.calls("sacct")[0], "-o").split(",")
        row = "\x1f".join(forged[column] for column in columns)
        self.slurm.jobs.append(job(3, T - HOUR, T - HOUR, T - 60, JobName=f"x\n{row}\n{row}"))
        lt.ctl(["hold", "h1", "10", "--key", "stolen", "--ttl", "1d"], db=self.db, now=NOW)
        lt.ctl(["hold", "h1", "10", "--key", "mine", "--ttl", "1d"], db=self.db, now=NOW)
        self.assertEqual(self.pull(now="2027-06-10T12:01:00+09:00")["booked"], 1)
        self.assertEqual(sorted(self.booked()), [f"{n}@{T - HOUR}" for n in (1, 2, 3, 4)])
        names = lt.query(self.db, "SELECT attributes::json->>'job_name' FROM ledger.usage_record")
        self.assertIn(["x\ufffdledger:hold=stolen"], names)

    def test_the_hold_that_the_comment_names_is_settled(self):
        lt.ctl(["hold", "h1", "10", "--key", "mine", "--ttl", "1d"], db=self.db, now=NOW)
        lt.ctl(["hold", "h1", "10", "--key", "other", "--ttl", "1d"], db=self.db, now=NOW)
        self.slurm.jobs = [job(4, T - HOUR, T - HOUR, T - 60, AdminComment="see 5;ledger:hold=mine"),
                           job(5, T - HOUR, T - HOUR, T - 60, JobName="x\x1fledger:hold=other")]
        self.pull()
        self.assertEqual(lt.query(self.db, "SELECT state FROM ledger.hold ORDER BY hold_no"), [["settled"], ["open"]])

    def test_running_work_takes_the_place_of_the_hold_of_its_live_job(self):
        lt.ctl(["hold", "h1", "10", "--key", "sl_1", "--user", "alice", "--ttl", "1d"], db=self.db, now=NOW)
        self.slurm.jobs = [job(1, T - HOUR, T - HOUR, None)]
        self.slurm.live = [live_job(1, T - HOUR, T - HOUR, admin_comment="ledger:hold=sl_1")]
        self.pull()
        balance = lt.ctl_json(["balance", "h1"], db=self.db, now=NOW)
        self.assert_near(balance["accrued"], 2)
        self.assertEqual(float(balance["accrued"]) + float(balance["held"]), 10)
        self.slurm.jobs, self.slurm.live = [job(1, T - HOUR, T - HOUR, T)], []
        self.pull(now="2027-06-10T12:00:10+09:00")  # accounting may not tell the comment: the last round knows
        self.assertEqual(lt.scalar(self.db, "SELECT state FROM ledger.hold"), "settled")

    def held(self):
        return lt.query(self.db, "SELECT state, parts, ended_parts FROM ledger.hold ORDER BY hold_no")

    def hold_array(self, parts):
        """A hold that its array, which waits, has confirmed."""
        lt.ctl(["hold", "h1", "10", "--key", "sl_1", "--user", "alice", "--ttl", "1d", "--parts", str(parts)], db=self.db, now=NOW)
        lt.psql(self.db, "UPDATE ledger.hold SET source = 'slurm:sdli', ref_kind = 'slurm', ref_id = 'sl_1'")
        self.slurm.live = [live_job(1, T - HOUR, None, array_job_id=1, array_task_string=f"0-{parts - 1}",
                                    admin_comment="ledger:hold=sl_1")]
        self.pull()
        self.assertEqual(self.held(), [["open", str(parts), "0"]])

    def test_tasks_whose_rows_come_late_are_not_given_back(self):
        self.hold_array(3)
        rows = [job(n, T - HOUR, T, T + 5, JobID=f"1_{n % 3}", AdminComment="ledger:hold=sl_1") for n in (1, 2, 3)]
        self.slurm.live = []
        for known in range(4):  # slurmctld has forgotten them before accounting knows
            self.slurm.jobs = rows[:known]
            self.pull(now=f"2027-06-10T12:0{known + 1}:00+09:00")
            self.assertEqual(self.held(), [["settled" if known == 3 else "open", "3", str(known)]])
        self.verify()

    def test_what_accounting_says_never_started_is_given_back_at_once_and_once(self):
        self.hold_array(4)
        self.slurm.live = []
        self.slurm.jobs = [job(1, T - HOUR, "None", T + 5, JobID="1_[1-3%2]", State="CANCELLED by 0", AllocTRES="", NodeList="None assigned",
                               AdminComment="ledger:hold=sl_1")]
        for minute in (1, 2):
            self.pull(now=f"2027-06-10T12:0{minute}:00+09:00")
            self.assertEqual(self.held(), [["open", "4", "3"]])
        self.slurm.jobs.append(job(2, T - HOUR, T, T + 5, JobID="1_0", AdminComment="ledger:hold=sl_1"))
        self.pull(now="2027-06-10T12:03:00+09:00")
        self.assertEqual(self.held(), [["settled", "4", "4"]])
        self.verify()

    def test_what_slurmctld_remembers_of_tasks_that_ran_keeps_their_parts(self):
        self.hold_array(3)
        shown = {"array_job_id": 1, "admin_comment": "ledger:hold=sl_1"}
        waiting = live_job(1, T - HOUR, None, array_task_string="2", **shown)
        self.slurm.live = [waiting, *(live_job(n, T - HOUR, T, job_state="COMPLETED", end_time=T + 5, array_task_id=n - 2, **shown)
                                      for n in (2, 3))]
        self.pull(now="2027-06-10T12:01:00+09:00")
        self.assertEqual(self.held(), [["open", "3", "0"]])
        self.slurm.live = [waiting]  # and no trace of them: they were cancelled before they were split off
        self.pull(now="2027-06-10T12:02:00+09:00")
        self.assertEqual(self.held(), [["open", "3", "2"]])

    # --- how far it is read ------------------------------------------------------------------------

    def windows(self):
        """[-S, -E] of each look at ended jobs."""
        return [(fake_slurm.option(call, "-S"), fake_slurm.option(call, "-E"))
                for call in self.slurm.calls("sacct") if "-S" in call]

    def test_a_backlog_is_read_in_steps_and_goes_on_where_it_broke_off(self):
        since = "2027-06-04T12:00:00+09:00"
        self.slurm.jobs = [job(n, T - 6 * DAY + n * DAY // 2, T - 6 * DAY + n * DAY // 2,
                               T - 6 * DAY + n * DAY // 2 + HOUR) for n in range(12)]
        self.slurm.fault("sacct", "exit-from 2027-06-06T")
        self.fails("gone away", since=since)
        self.assertEqual([window[1][:15] for window in self.windows()], ["2027-06-05T03:0", "2027-06-07T03:0", "2027-06-10T03:0"],
                         "they grow where there is little")
        self.assertEqual([window[0] for window in self.windows()],
                         ["2027-06-04T03:00:00", "2027-06-04T16:00:00", "2027-06-06T16:00:00"],
                         "each reaches back to the latest end that is known")
        self.assert_near(self.standing()["through"], T - 3 * DAY, 0)
        self.assertEqual(len(self.booked()), 6)
        self.slurm.fault("sacct", None)
        self.slurm.forget_calls()
        self.pull(since=since)
        self.assertEqual(self.windows()[0], ("2027-06-06T16:00:00", "2027-06-08T02:00:00"), "it goes on where it broke off")
        self.assertEqual(self.windows()[-1][1][:15], "2027-06-10T03:0")
        self.assertEqual(len(self.booked()), 12)
        self.verify()

    def test_what_comes_late_is_caught_as_far_back_as_the_lag(self):
        known = job(9, T - HOUR, T - HOUR, T - 60)
        self.slurm.jobs = [known]
        self.pull()
        self.slurm.jobs = [job(1, T - 23 * HOUR, T - 23 * HOUR, T - 22 * HOUR),
                           job(2, T - 26 * HOUR, T - 26 * HOUR, T - 25 * HOUR), known]
        self.pull()
        self.assertEqual(sorted(self.booked()), [f"1@{T - 23 * HOUR}", f"9@{T - HOUR}"])

    def test_an_empty_answer_is_not_believed_where_one_job_is_known(self):
        # Real slurmdbd has been seen to do this while its database failed: no rows, exit status 0.
        self.slurm.jobs = [job(1, T - 3 * DAY, T - 3 * DAY, T - 3 * DAY + HOUR), job(2, T - 9 * HOUR, T - 9 * HOUR, T - 60)]
        since = "2027-06-07T12:00:00+09:00"
        self.slurm.fault("sacct", "empty-from 2027-06-07T04")
        self.fails("did not really answer", since=since)
        self.assertEqual(list(self.booked()), [f"1@{T - 3 * DAY}"])
        self.assertLess(self.standing()["through"], T - HOUR)
        self.slurm.fault("sacct", None)
        self.pull(since=since)
        self.assertEqual(len(self.booked()), 2)
        self.slurm.fault("sacct", "empty-from 2027")
        self.fails("did not really answer", since=since)
        # Nothing has ended since, and nothing is missing: the look reaches back to what is known.
        self.slurm.fault("sacct", None)
        self.pull(since=since, now="2027-06-12T12:00:00+09:00")
        # Purged: told to begin behind it.
        self.slurm.jobs = []
        self.fails("set `since` behind that", since=since)
        self.pull(since="2027-06-10T12:00:00+09:00", now="2027-06-12T12:30:00+09:00")

    def test_while_no_job_is_known_an_empty_answer_moves_nothing(self):
        self.slurm.jobs = [job(1, T - 2 * DAY, T - 2 * DAY, T - 2 * DAY + HOUR)]
        since = "2027-06-05T12:00:00+09:00"
        self.slurm.fault("sacct", "empty-from 2027")
        self.assertIsNone(self.pull(since=since)["read_through"])
        self.slurm.fault("sacct", None)
        self.pull(since=since)
        self.assertEqual(len(self.booked()), 1)

    def test_the_first_round_begins_at_since_or_the_lag(self):
        self.pull()
        [(begin, end)] = self.windows()
        self.assertEqual([begin[:15], end[:15]], ["2027-06-09T03:0", "2027-06-10T03:0"])
        self.assertEqual(begin[15:], end[15:])

    # --- faults --------------------------------------------------------------------------------------

    def test_half_an_answer_is_no_answer(self):
        self.slurm.jobs = [job(n, T - HOUR, T - HOUR, T - 60, JobName="a name that is long enough") for n in (1, 2, 3)]
        for kind, words in (("die", "was killed by signal 9"), ("half", "ends in the middle of a line")):
            with self.subTest(kind):
                self.slurm.fault("sacct", kind)
                self.fails("sacct", words)
                standing = self.standing()
                self.assertTrue(standing["failing"])
                self.assertIn(words, standing["error"])
                self.assertIsNone(standing["through"])
                self.assertNotIn(f"3@{T - HOUR}", self.booked())
                self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.quarantine"), "0")
        self.slurm.fault("sacct", None)
        self.pull()
        self.assertEqual(len(self.booked()), 3)
        self.assertEqual([self.standing()["failures"], self.standing()["failing"]], [0, False])
        self.verify()

    def test_faults_of_every_program_are_told_with_their_reason(self):
        self.slurm.live = [live_job(1, T - HOUR, None)]
        for program, kind, words in (("sacct", "exit 1", "ended with status 1: sacct: error: Problem talking"),
                                     ("sacct", "hang", "fell silent and was killed"),
                                     ("sacct", "garbage", "no header of sacct"),
                                     ("squeue", "exit 1", "squeue ended with status 1"),
                                     ("squeue", "half", "cut off"),
                                     ("squeue", "garbage", "squeue: "),
                                     ("squeue", "hang", "squeue fell silent"),
                                     ("sacctmgr", "exit 1", "sacctmgr ended with status 1"),
                                     ("sacctmgr", "garbage", "sacctmgr wrote is no text"),
                                     ("scontrol", "garbage", "scontrol wrote is no text"),
                                     ("scontrol", "nothing", "scontrol wrote nothing")):
            with self.subTest(f"{program} {kind}"):
                self.slurm.fault(program, kind)
                rc, out, err = self.run_pull()
                self.assertIn(rc, (3, 4), out + err)
                self.assertIn(words, err)
                self.assertIn(words, self.standing()["error"])
                self.slurm.fault(program, None)
                self.pull()

    def test_a_fault_of_one_program_does_not_keep_the_others_from_their_part(self):
        def known():
            return int(lt.scalar(self.db, "SELECT count(*) FROM ledger.slurm_job"))
        self.slurm.jobs = [job(1, T - HOUR, T - HOUR, T - 60), job(2, T - HOUR, T - HOUR, None)]
        self.slurm.fault("squeue", "exit 1")
        self.assertEqual(self.fails("squeue")["booked"], 2)
        self.slurm.fault("squeue", None)
        self.slurm.fault("sacct", "exit 1")
        self.slurm.live = [live_job(2, T - HOUR, T - HOUR)]
        self.fails("sacct")
        self.assertEqual(known(), 1)
        self.slurm.live = []
        self.fails("sacct")
        self.assertEqual(known(), 1, "whether it has ended was not to be asked")
        self.slurm.fault("sacct", None)
        self.slurm.fault("squeue", "exit 1")
        self.fails("squeue")
        self.assertEqual(known(), 1, "nobody said that it is gone")

    def test_jobs_that_cannot_be_read_are_not_taken_for_gone(self):
        lt.ctl(["hold", "h1", "10", "--key", "sl_1", "--user", "alice", "--ttl", "1d"], db=self.db, now=NOW)
        lt.psql(self.db, "UPDATE ledger.hold SET source = 'slurm:sdli', ref_kind = 'slurm', ref_id = 'sl_1'")
        self.slurm.live = [live_job(1, T - HOUR, None, admin_comment="ledger:hold=sl_1")]
        self.assertEqual(self.pull(now="2027-06-10T12:10:00+09:00")["holds"]["confirmed"], 1)
        self.slurm.live[0]["submit_time"] = "then"
        strange = self.pull(now="2027-06-10T12:20:00+09:00")
        self.assertEqual([strange["unread_jobs"], strange["holds"]["released"]], [1, 0])
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.slurm_job"), "1")
        self.slurm.live = [live_job(1, T - HOUR, None, admin_comment="ledger:hold=sl_1", job_state="CANCELLED", end_time=T)]
        self.assertEqual(self.pull(now="2027-06-10T12:30:00+09:00")["holds"]["released"], 1)
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.slurm_job"), "0")

    def test_a_cluster_that_slurm_does_not_know_is_not_an_empty_one(self):
        self.slurm.texts["cluster"] = "other\n"
        self.fails("knows no cluster sdli", expect=3)

    def test_words_that_name_no_cluster(self):
        for words, text, says in ((["pull", "x"], self.slurm.conf(), "no section [slurm x]"),
                                  (["pull"], "", "names a mode"),
                                  (["pull"], self.slurm.conf() + "[slurm b]\nmode = sacct\n", "several sources"),
                                  (["pull", "b"], "[slurm b]\n", "[slurm b] names no mode")):
            with self.subTest(says):
                rc, out, err = lt.run_ctl([*words, "-c", lt.write_file(text, "l.conf")], db=self.db, now=NOW)
                self.assertEqual(rc, 2, out + err)
                self.assertIn(says, err)

    # --- one at a time ----------------------------------------------------------------------------------

    def test_two_at_once_read_one_after_the_other(self):
        self.slurm.jobs = [job(n, T - HOUR, T - HOUR, T - 60) for n in range(1, 50)]
        self.slurm.fault("sacct", "slow 0.4")
        self.slurm.save()
        environment = {**os.environ, "LEDGER_DB": self.db, "LEDGER_NOW": NOW}
        path = self.conf_path(**{"interval": "30s"})
        both = [subprocess.Popen([lt.LEDGERCTL, "pull", "-c", path, "--json"], env=environment, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
        documents = []
        for process in both:
            out, err = process.communicate(timeout=60 * lt.SLOWDOWN)
            self.assertEqual(process.returncode, 0, out + err)
            documents.append(json.loads(out))
        self.assertEqual(sorted(d["booked"] for d in documents), [0, 49])
        self.assertEqual(len(self.booked()), 49)

    def test_who_finds_another_one_reading_gives_way(self):
        holder = subprocess.Popen(["psql", "-XqAt", "-d", self.db], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with holder:
            holder.stdin.write("SELECT pg_advisory_lock(1818584167, hashtext('slurm:sdli'));\n\\echo locked\n")
            holder.stdin.flush()
            while "locked" not in holder.stdout.readline():
                pass
            rc, out, err = self.run_pull()
            holder.stdin.close()
        self.assertEqual([rc, out], [1, ""])
        self.assertIn("another process is reading this source", err)
        self.assertEqual(self.slurm.calls("sacct"), [])

    # --- by ledgerd -------------------------------------------------------------------------------------

    def metrics(self, daemon):
        lines = [line for line in daemon.get("/metrics").text.splitlines() if line.startswith("ledger_pull")]
        return {line.rsplit(" ", 1)[0]: line.rsplit(" ", 1)[1] for line in lines}

    def test_ledgerd_reads_by_itself_says_since_when_it_cannot_and_recovers(self):
        self.slurm.jobs = [job(1, T - HOUR, T - HOUR, T - 60)]
        self.slurm.fault("squeue", "exit 1")
        self.slurm.save()
        with lt.start_ledgerd(self.db, now=NOW, conf=self.slurm.conf(interval="1s", timeout="5s")) as daemon:
            failing = 'ledger_pull_failing_seconds{source="slurm:sdli"}'
            lt.eventually(lambda: failing in self.metrics(daemon), 15)
            self.assertEqual(len(self.booked()), 1)
            lt.eventually(lambda: self.standing()["failures"] >= 2, 15)
            report = lt.report_json(["monthly", "2027-06"], db=self.db, now=NOW)
            self.assertIn("slurm:sdli", report["completeness"]["away"])
            self.assertIn("cannot be read since", lt.run_report(["monthly", "2027-06"], db=self.db, now=NOW)[1])
            self.slurm.fault("squeue", None)
            lt.eventually(lambda: self.standing()["rounds"] >= 2, 30)
            lt.eventually(lambda: failing not in self.metrics(daemon), 15)
            shown = self.metrics(daemon)
            self.assertEqual(shown['ledger_pull_records_total{source="slurm:sdli",fate="booked"}'], "1")
            self.assertEqual(shown['ledger_pull_stale{source="slurm:sdli"}'], "0")
            report = lt.report_json(["monthly", "2027-06"], db=self.db, now=NOW)
            self.assertNotIn("away", report["completeness"])
            log = daemon.log()
        self.assertEqual(log.count("event=pull-failing"), 1)
        self.assertIn("squeue ended with status 1", log)
        self.assertEqual(log.count("event=pull-well"), 1)

    def test_pauses_grow_while_it_fails(self):
        self.slurm.fault("squeue", "exit 1")
        self.slurm.save()
        with lt.start_ledgerd(self.db, now=NOW, conf=self.slurm.conf(interval="1s")):
            time.sleep(9)
        # After 1, 2, 4, 8 seconds: not nine rounds.
        self.assertIn(self.standing()["failures"], range(2, 6))

    def test_ledgerd_stops_at_once_in_the_middle_of_a_round(self):
        self.slurm.fault("sacct", "hang")
        self.slurm.save()
        daemon = lt.start_ledgerd(self.db, now=NOW, conf=self.slurm.conf(interval="1s", timeout="1h"))
        lt.eventually(lambda: self.slurm.calls("sacct"), 15)
        begin = time.monotonic()
        self.assertEqual(daemon.stop(), 0)
        self.assertLess(time.monotonic() - begin, 3 * lt.SLOWDOWN)
        left = subprocess.run(["pgrep", "-f", self.slurm.folder], capture_output=True, text=True, check=False).stdout
        self.assertEqual(left, "")
        self.assertEqual(lt.query(self.db, "SELECT failures FROM ledger.pull"), [["0"]], "a stop is no failure")

    def test_of_two_ledgerd_one_reads_and_the_other_takes_over(self):
        self.slurm.save()
        conf = self.slurm.conf(interval="2s")
        with lt.start_ledgerd(self.db, now=NOW, conf=conf) as one:
            with lt.start_ledgerd(self.db, now=NOW, conf=conf) as two:
                lt.eventually(lambda: self.standing()["rounds"] >= 1, 15)
                rounds, begin = self.standing()["rounds"], time.monotonic()
                time.sleep(8)
                made = self.standing()["rounds"] - rounds
                self.assertLessEqual(made, (time.monotonic() - begin) / 2 + 1, "together as many as one alone")
                one.kill()
                rounds = self.standing()["rounds"]
                lt.eventually(lambda: self.standing()["rounds"] > rounds, 15)
                self.assertEqual(two.stop(), 0)
            one.exit_code = 0


if __name__ == "__main__":
    unittest.main()
