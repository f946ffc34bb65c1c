"""The proof: seals, signed checkpoints, and verify over a book that somebody meddled with."""

import json
import os
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402
import verify as bench  # noqa: E402

NOW = site.NOW
FIRST = "(SELECT min(transfer_id) FROM ledger.transfer WHERE kind = 'charge')"
COLUMNS = ("month, entry_id, debit_account, credit_account, amount_micro, kind, source_no, charges, grant_id,"
           " booked_at")


def record(n, **changes):
    fields = {"source": "slurm:x", "id": str(n), "project": "h1" if n % 2 else "g1", "user": "u1", "class": "gpu",
              "start": "2027-06-05T00:00:00+09:00", "end": f"2027-06-05T{n % 20 + 1:02}:00:00+09:00",
              "meters": {"gpu": "1"}}
    fields.update(changes)
    return fields


def new_key(name="key.pem"):
    path = os.path.join(lt.temp_dir(), name)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True, capture_output=True)
    return path


def booked(prefix="proof"):
    """A book with grants and some charges; the database."""
    db = site.new_book(prefix)
    for project in ("h1", "g1"):
        lt.ctl(["grant", project, "1000"], db=db, now=NOW)
    for n in range(4):
        site.import_records(db, [record(n)])
    seal_all(db)
    return db


def unsealed(db):
    return int(lt.scalar(db, "SELECT ((SELECT count(*) FROM ledger.transfer) - coalesce(max(total), 0))::text"
                             " FROM ledger.seal"))


def seal_all(db):
    """Verifies until all is sealed: transactions of other tests on the same server keep the chain back."""
    deadline = time.monotonic() + 60 * lt.SLOWDOWN
    while unsealed(db) > 0:
        lt.ctl(["verify"], db=db, now=site.LATER)
        if time.monotonic() > deadline:
            raise AssertionError("not sealed within a minute")


def verify(db, *words, expect=0):
    """What verify says, as (document, failed checks by name)."""
    code, out, err = lt.run_ctl(["verify", "--json", *words], db=db, now=site.LATER)
    if code != expect:
        raise AssertionError(f"verify: {code}, not {expect}: {out}{err}")
    document = json.loads(out)
    return document, {check["name"]: check["detail"] for check in document["checks"] if not check["ok"]}


def damage(db, sql):
    lt.psql(db, f"SET session_replication_role = replica; {sql}")


class Checkpoints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.key = new_key()

    def export(self, db, *words, name="checkpoint.json"):
        path = os.path.join(lt.temp_dir(), name)
        did = lt.ctl_json(["checkpoint", "export", path, "--key", self.key, *words], db=db, now=NOW)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(did, json.load(file))
        return path, did

    def test_a_sealed_book_matches_its_checkpoints_as_it_grows(self):
        db = booked()
        first, did = self.export(db)
        self.assertGreater(did["transfers"], 0)
        self.assertEqual(lt.scalar(db, "SELECT max(n)::text FROM ledger.seal"), str(did["seal"]))
        site.import_records(db, [record(9)])
        seal_all(db)
        second, grown = self.export(db, name="second.json")
        self.assertGreater(grown["transfers"], did["transfers"])
        for path in (first, second):
            document, failed = verify(db, "--since", path, "--key", self.key)
            self.assertEqual({}, failed)
            self.assertTrue(document["ok"])
        self.assertEqual((0, grown["transfers"]), (document["unsealed"], document["transfers"]))
        self.assertIsNotNone(document["sealed_through"])
        acts = [(act["subject"], act["detail"]) for act in lt.ctl_json(["audit", "list"], db=db)
                if act["verb"] == "checkpoint export"]
        self.assertEqual([(f"seal {d['seal']}", d["head"]) for d in (did, grown)], acts)

    def test_an_empty_book_has_a_checkpoint_too(self):
        db = lt.create_db("proof")
        path, did = self.export(db)
        self.assertEqual((0, 0), (did["seal"], did["transfers"]))
        document, failed = verify(db, "--since", path)
        self.assertEqual(({}, None), (failed, document["sealed_through"]))

    def test_a_chain_that_was_made_anew_over_a_changed_book_is_found_by_the_checkpoint_alone(self):
        db = booked()
        path, _ = self.export(db)
        # Grants, totals, positions and the chain itself: all of it agrees again.
        damage(db, f"""DELETE FROM ledger.seal;
                       UPDATE ledger.transfer SET booked_at = booked_at - interval '1 second' WHERE entry_id =
                           (SELECT entry_id FROM ledger.transfer WHERE transfer_id = {FIRST});
                       UPDATE ledger.entry SET booked_at = booked_at - interval '1 second' WHERE entry_id =
                           (SELECT entry_id FROM ledger.transfer WHERE transfer_id = {FIRST});""")
        document, failed = verify(db)
        self.assertTrue(document["ok"], failed)
        _, failed = verify(db, "--since", path, expect=5)
        self.assertEqual(["checkpoint_matches"], list(failed))
        self.assertIn("seal 1", failed["checkpoint_matches"])

    def test_a_chain_that_was_cut_off_is_found_by_the_checkpoint(self):
        db = booked()
        self.export(db)
        site.import_records(db, [record(9)])
        seal_all(db)
        path, did = self.export(db)
        damage(db, f"""DELETE FROM ledger.seal WHERE n = {did['seal']};
                       DELETE FROM ledger.transfer WHERE transfer_id = (SELECT max(transfer_id) FROM ledger.transfer)""")
        _, failed = verify(db, "--since", path, expect=5)
        self.assertIn(f"seal {did['seal']} of the checkpoint is gone", failed["checkpoint_matches"])

    def test_a_chain_that_was_cut_short_and_sealed_again_is_found_by_the_checkpoint_alone(self):
        db = booked()
        path, did = self.export(db)
        damage(db, f"DELETE FROM ledger.seal WHERE n = {did['seal']}")
        seal_all(db)
        verify(db)
        _, failed = verify(db, "--since", path, expect=5)
        self.assertEqual(["checkpoint_matches"], list(failed))
        self.assertIn(f"seal {did['seal']}: its head", failed["checkpoint_matches"])

    def test_a_checkpoint_that_was_changed_or_signed_by_another_is_refused(self):
        db = booked()
        path, did = self.export(db)
        other = new_key("other.pem")
        for words, changes, want in ((["--key", other], {}, 5), ([], {"transfers": did["transfers"] + 1}, 5),
                                     ([], {"head": "0" * 64}, 5), ([], {"note": "x"}, 5),
                                     ([], {"head": "zz"}, 3), ([], {"checkpoint": "ledger-2"}, 3),
                                     ([], {"signature": 7}, 3), ([], {"seal": "1"}, 3)):
            with self.subTest(words=words, changes=changes):
                file = site.file_of({**did, **changes})
                code, out, err = lt.run_ctl(["verify", "--since", file, *words], db=db, now=NOW)
                self.assertEqual((want, ""), (code, out), err)
                self.assertNotEqual("", err)
        for text in ("", "[]", "{", "null", "[" * 5000):
            code, out, err = lt.run_ctl(["verify", "--since", site.file_of(text)], db=db, now=NOW)
            self.assertEqual((3, ""), (code, out), err)
        self.assertEqual(3, lt.run_ctl(["verify", "--since", path + ".no"], db=db, now=NOW)[0])

    def test_openssl_agrees_with_the_signature(self):
        _, did = self.export(booked())
        folder = lt.temp_dir()
        text = {k: v for k, v in did.items() if k != "signature"}
        message, signature = os.path.join(folder, "message"), os.path.join(folder, "signature")
        with open(message, "w", encoding="utf-8") as file:
            file.write(json.dumps(text, sort_keys=True, separators=(",", ":")))
        with open(signature, "wb") as file:
            file.write(bytes.fromhex(did["signature"]))
        subprocess.run(["openssl", "pkeyutl", "-verify", "-inkey", self.key, "-rawin", "-in", message,
                        "-sigfile", signature], check=True, capture_output=True)

    def test_keys_that_cannot_sign_are_refused(self):
        db = booked()
        rsa = os.path.join(lt.temp_dir(), "rsa.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "rsa", "-out", rsa], check=True, capture_output=True)
        for words, want in ((["--key", rsa], 3), (["--key", site.file_of("no key")], 3),
                            (["--key", "/nowhere/key"], 3), ([], 2)):
            target = os.path.join(lt.temp_dir(), "out")
            code, out, err = lt.run_ctl(["checkpoint", "export", target, *words], db=db, now=NOW)
            self.assertEqual((want, "", False), (code, out, os.path.exists(target)), err)

    def test_the_configured_keys_are_used(self):
        db = booked()
        public = os.path.join(lt.temp_dir(), "key.pub")
        subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-out", public], check=True)
        conf = site.file_of(f"[checkpoint]\nkey = {self.key}\npublic_key = {public}\n", "ledgerd.conf")
        path = os.path.join(lt.temp_dir(), "checkpoint")
        lt.ctl(["checkpoint", "export", path, "-c", conf], db=db, now=NOW)
        verify(db, "--since", path, "-c", conf)
        lt.ctl(["checkpoint", "export", path, "--key", new_key("x.pem")], db=db, now=NOW)
        self.assertEqual(5, lt.run_ctl(["verify", "--since", path, "-c", conf], db=db, now=NOW)[0])


class Tampering(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.key = new_key()

    KINDS = (
        ("a changed amount", f"UPDATE ledger.transfer SET amount_micro = amount_micro + 1 WHERE transfer_id = {FIRST}",
         "changed since it was sealed"),
        ("a deleted row", f"DELETE FROM ledger.transfer WHERE transfer_id = {FIRST}", "is gone"),
        ("an added row", f"INSERT INTO ledger.transfer (transfer_id, {COLUMNS}, xid) SELECT 99999999, {COLUMNS}, xid"
                         f" FROM ledger.transfer WHERE transfer_id = {FIRST}", "transfer 99999999"),
        ("a swapped order", """UPDATE ledger.transfer t SET xid = o.xid, booked_at = o.booked_at, entry_id = o.entry_id
                                 FROM ledger.transfer o WHERE t.kind = 'charge' AND o.kind = 'charge'
                                  AND t.transfer_id <> o.transfer_id AND t.amount_micro <> o.amount_micro
                                  AND o.transfer_id IN (SELECT transfer_id FROM ledger.transfer WHERE kind = 'charge'
                                                         ORDER BY transfer_id LIMIT 2)
                                  AND t.transfer_id IN (SELECT transfer_id FROM ledger.transfer WHERE kind = 'charge'
                                                         ORDER BY transfer_id LIMIT 2)""", "2 changed"),
    )

    def test_each_kind_is_found_and_the_first_bad_row_named(self):
        for name, sql, says in self.KINDS:
            with self.subTest(name):
                db = booked()
                path = os.path.join(lt.temp_dir(), "checkpoint")
                lt.ctl(["checkpoint", "export", path, "--key", self.key], db=db, now=NOW)
                since = ["--since", path, "--key", self.key]
                verify(db, *since)
                first = lt.scalar(db, f"SELECT {FIRST}::text")
                damage(db, sql)
                for words in ([], since):
                    _, failed = verify(db, *words, expect=5)
                    self.assertIn(says, failed["transfers_as_sealed"])
                    if name != "an added row":
                        self.assertIn(f"transfer {first} ", failed["transfers_as_sealed"])
                    self.assertNotIn("checkpoint_matches", failed)  # the chain itself is untouched

    def test_a_row_added_today_under_an_old_entry_is_named(self):
        db = booked()
        verify(db)
        damage(db, f"INSERT INTO ledger.transfer (transfer_id, {COLUMNS}) SELECT 99999999, {COLUMNS}"
                   f" FROM ledger.transfer WHERE transfer_id = {FIRST}")
        _, failed = verify(db, expect=5)
        self.assertIn("transfer 99999999", failed["transfers_have_their_entry"])


class BigBook(unittest.TestCase):
    """A book of several windows of links, which several connections read: the first fault is that of the chain."""

    def at(self, leaf):
        """The number of the transfer behind so many of the bench's."""
        return 1000000000 + leaf

    def test_the_first_of_several_faults_is_named_whoever_reads_it(self):
        db = site.new_book("proof")
        bench.TRANSFERS = 250000
        bench.fill(db)
        document, _ = verify(db)
        self.assertGreaterEqual(document["seals"], 5)
        amount = "UPDATE ledger.transfer SET amount_micro = amount_micro {} WHERE transfer_id IN ({}, {})"
        sealed = "UPDATE ledger.seal SET sealed_at = sealed_at {} interval '1 second' WHERE n IN (3, 5)"
        booked_at = """UPDATE ledger.entry SET booked_at = booked_at {} interval '1 second' WHERE entry_id IN
                          (SELECT entry_id FROM ledger.transfer WHERE transfer_id IN ({}, {}))"""
        early, late = self.at(120000), self.at(220000)
        for change, undo, check, says in (
                (amount.format("+ 1", early, late), amount.format("- 1", early, late), "transfers_as_sealed",
                 (f"transfer {early} ", "2 changed, 0 gone, 0 added")),
                (sealed.format("+"), sealed.format("-"), "seals_are_a_chain", ("seal 3: its head",)),
                ("CREATE TABLE public.gone AS SELECT * FROM ledger.seal WHERE n = 3; DELETE FROM ledger.seal WHERE n = 3",
                 "INSERT INTO ledger.seal TABLE public.gone", "seals_are_a_chain", ("seal 3: it is gone",)),
                (booked_at.format("+", early, late), booked_at.format("-", early, late),
                 "transfers_have_their_entry", (f"transfer {early}, ", "was booked at another time"))):
            with self.subTest(change):
                damage(db, change)
                _, failed = verify(db, expect=5)
                for word in says:
                    self.assertIn(word, failed[check])
                damage(db, undo)
        verify(db)


class Refunds(unittest.TestCase):
    """What the card gives back by itself is computed again from the records."""

    BOOKED = "(SELECT record_no FROM ledger.record_identity WHERE id = '5')"
    OTHER = "(SELECT record_no FROM ledger.record_identity WHERE id = '2')"
    COLUMNS = "version, is_manual, month, source_no, transfer_id, last_at, points_micro, project_id, class"
    KINDS = (
        ("less than is due", f"UPDATE ledger.refund SET points_micro = points_micro - 1 WHERE record_no = {BOOKED}",
         "records_rate_the_same", "a refund of 3.999999 to h1 is booked, it comes to 4.000000"),
        ("none", f"DELETE FROM ledger.refund WHERE record_no = {BOOKED}",
         "records_rate_the_same", "a refund of 0.000000 to h1 is booked, it comes to 4.000000"),
        ("to another project", f"UPDATE ledger.refund SET project_id = 'g1' WHERE record_no = {BOOKED}",
         "records_rate_the_same", "a refund of 4.000000 to g1 is booked, it comes to 0.000000"),
        ("to another time", f"UPDATE ledger.refund SET last_at = last_at - interval '1 second' WHERE record_no = {BOOKED}",
         "records_rate_the_same", "a refund of 4.000000 to h1 is booked, it comes to 0.000000"),
        ("for work that did not fail", f"INSERT INTO ledger.refund (record_no, {COLUMNS}) SELECT {OTHER}, {COLUMNS}"
                                       f" FROM ledger.refund WHERE record_no = {BOOKED}",
         "records_rate_the_same", "record 2 of slurm:x: a refund of 4.000000 to h1"),
        ("for nothing", f"UPDATE ledger.refund SET record_no = 4711 WHERE record_no = {BOOKED}",
         "refunds_have_their_record", "record number 4711, which it names, is not there"),
        ("of a version that never was", f"UPDATE ledger.refund SET version = 7 WHERE record_no = {BOOKED}",
         "refunds_have_their_record", "no such version"),
    )

    def test_each_damage_is_found_by_its_check(self):
        db = lt.create_db("proof")
        lt.ctl(["policy", "apply", site.file_of(site.policy())], db=db, now=NOW)
        refunds = {"node_fail": {"fraction": "1", "max_seconds": 14400}}
        lt.ctl(["rates", "apply", site.file_of(site.card(refund=refunds))], db=db, now=NOW)
        for project in ("h1", "g1"):
            lt.ctl(["project", "add", project, "--share", "hpci"], db=db, now=NOW)
        site.import_records(db, [record(n, **({"outcome": "node_fail"} if n == 5 else {})) for n in (2, 5)])
        verify(db)
        lt.psql(db, "CREATE TABLE public.aside AS TABLE ledger.refund")
        for name, sql, check, says in self.KINDS:
            with self.subTest(name):
                damage(db, sql)
                _, failed = verify(db, expect=5)
                self.assertIn(says, failed[check])
                damage(db, "DELETE FROM ledger.refund; INSERT INTO ledger.refund OVERRIDING SYSTEM VALUE"
                           " TABLE public.aside")
        verify(db)


class Sealer(unittest.TestCase):
    def test_ledgerd_seals_within_a_second(self):
        db = site.new_book("proof")
        waited = []
        with lt.start_ledgerd(db):
            for _ in range(5):
                lt.ctl(["grant", "h1", "1"], db=db, now=NOW)
                begin = time.monotonic()
                while unsealed(db) > 0:
                    self.assertLess(time.monotonic() - begin, 60 * lt.SLOWDOWN, "not sealed within a minute")
                    time.sleep(0.02)
                waited.append(time.monotonic() - begin)
        # Other tests' transactions on the same server may hold one up, not all.
        self.assertLess(min(waited), lt.SLOWDOWN)

    def test_a_sealer_that_is_killed_leaves_a_chain(self):
        db = site.new_book("proof")
        stop = threading.Event()
        failures = []

        def book():
            while not stop.is_set():
                code, _, err = lt.run_ctl(["grant", "h1", "0.1"], db=db, now=NOW)
                if code != 0:
                    failures.append(err)

        writers = [threading.Thread(target=book) for _ in range(2)]
        for writer in writers:
            writer.start()
        for _ in range(4):
            daemons = [lt.start_ledgerd(db) for _ in range(2)]
            time.sleep(0.4)
            for daemon in daemons:
                daemon.kill()
        stop.set()
        for writer in writers:
            writer.join()
        self.assertEqual([], failures)
        seal_all(db)
        document, failed = verify(db)
        self.assertEqual(({}, 0), (failed, document["unsealed"]))
        self.assertGreater(document["seals"], 4)


if __name__ == "__main__":
    unittest.main()
