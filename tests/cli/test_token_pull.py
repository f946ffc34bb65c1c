"""The follower of a gateway's journal: however it is rotated, cut, copied or killed, the book equals the journal, once."""

import gzip
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402

NOW = "2027-06-10T12:00:00+09:00"
LATER = "2027-06-10T14:00:00+09:00"  # more than `lag` after that
SOURCE = "gateway:sdli"


def record(number, **changes):
    row = {"source": SOURCE, "id": f"r{number}", "project": "h1", "user": "alice", "class": "llm",
           "start": "2027-06-10T11:00:00+09:00", "end": "2027-06-10T11:00:02+09:00", "state": "final",
           "outcome": "completed", "meters": {"input_tokens": "1000", "output_tokens": str(1000 + number)},
           "basis": "reported", "attributes": {"stream": "true"}}
    row.update(changes)
    return row


def line(number, **changes):
    return json.dumps(record(number, **changes)) + "\n"


def lines(*numbers):
    return "".join(line(number) for number in numbers)


class Journal(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.db = site.new_book("tokens")
        self.addCleanup(lt.drop_db, self.db)
        lt.ctl(["grant", "h1", "100000", "--from", "2027-06-01T00:00:00+09:00"], db=self.db, now=NOW)
        self.folder = lt.temp_dir()
        self.path = os.path.join(self.folder, "usage.jsonl")

    def at(self, suffix):
        return self.path + suffix

    def append(self, text, path=None):
        with open(path or self.path, "ab") as file:
            file.write(text.encode() if isinstance(text, str) else text)

    def conf(self, **settings):
        settings = {"mode": "file", "path": self.path, "model.local": "llm", **settings}
        return f"[tokens {SOURCE}]\n" + "".join(f"{k} = {v}\n" for k, v in settings.items())

    def run_pull(self, *extra, now=NOW, **settings):
        conf = lt.write_file(self.conf(**settings), "ledgerd.conf")
        return lt.run_ctl(["pull", SOURCE, "-c", conf, "--json", *extra], db=self.db, now=now)

    def pull(self, expect=0, now=NOW, **settings):
        rc, out, err = self.run_pull(now=now, **settings)
        self.assertEqual(rc, expect, out + err)
        return json.loads(out)

    def counts(self, **options):
        document = self.pull(**options)
        return [document[key] for key in ("booked", "duplicate", "quarantined")]

    def fails(self, *words, expect=3, **settings):
        rc, out, err = self.run_pull(**settings)
        self.assertEqual(rc, expect, out + err)
        for word in words:
            self.assertIn(word, err)
        return json.loads(out) if out else None

    def booked(self):
        return {row[0] for row in lt.query(self.db, "SELECT id FROM ledger.record_identity")}

    def assert_booked(self, *numbers):
        self.assertEqual(self.booked(), {f"r{number}" for number in numbers})

    def read_through(self):
        return lt.scalar(self.db, "SELECT read_through FROM ledger.pull")

    def verify(self):
        self.assertTrue(lt.ctl_json(["verify"], db=self.db, now=NOW)["ok"])


class Following(Journal):
    def test_lines_are_booked_once_and_read_on_from_where_it_was(self):
        self.append(lines(1, 2, 3))
        self.assertEqual(self.counts(), [3, 0, 0])
        self.assertEqual(self.counts(), [0, 0, 0])
        self.append(lines(4) + line(5, **{"class": "local"}))
        self.assertEqual(self.counts(), [2, 0, 0])
        self.assert_booked(1, 2, 3, 4, 5)
        self.assertIsNotNone(self.read_through())
        self.verify()

    def test_an_unfinished_line_waits_and_a_month_cannot_close_on_it(self):
        whole = line(2)
        self.append(lines(1) + whole[:60])
        self.assertEqual(self.counts(), [1, 0, 0])
        self.assertIsNone(self.read_through())
        self.append(whole[60:])
        self.assertEqual(self.counts(), [1, 0, 0])
        self.assertIsNotNone(self.read_through())
        self.assert_booked(1, 2)

    def test_a_line_that_never_ends_is_quarantined_once_and_continued_if_it_goes_on(self):
        whole = line(2)
        self.append(lines(1) + whole[:60])
        self.counts()
        self.assertEqual(self.counts(now=LATER, expect=3), [0, 0, 1])
        self.assertIsNotNone(self.read_through())
        self.assertEqual(self.counts(now=LATER), [0, 0, 0])
        self.append(whole[60:])
        self.assertEqual(self.counts(now=LATER), [1, 0, 0])
        self.assert_booked(1, 2)

    def test_a_last_line_without_a_newline_is_booked_in_the_end(self):
        self.append(lines(1) + line(2).rstrip("\n"))
        self.assertEqual(self.counts(), [1, 0, 0])
        self.assertEqual(self.counts(now=LATER), [1, 0, 0])
        self.assertEqual(self.counts(now=LATER), [0, 0, 0])

    def test_bad_lines_cost_no_others(self):
        torn = line(9)[:70]
        self.append(lines(1) + "{\n[\n\"\n\xff\xfe\n" + torn + line(2) + '{"meters":\n' + lines(3) + torn + "\n"
                    + "\0" * 70000 + lines(4) + "\n  \n" + line(5).replace("\n", "\r\n") + '{"a":{\n')
        document = self.pull(expect=3)
        self.assertEqual(document["booked"], 5)
        self.assertEqual(document["quarantined"], 8)
        self.assert_booked(1, 2, 3, 4, 5)

    def test_a_line_that_is_too_long_is_passed_over(self):
        self.append(lines(1) + "x" * (9 * 1024 * 1024) + "\n" + lines(2))
        self.assertEqual(self.counts(expect=3), [2, 0, 1])

    def test_csv_goes_on_with_its_header(self):
        header = "id,project,class,start,end,meters.output_tokens\n"
        row = "{},h1,llm,2027-06-10T02:00:00Z,2027-06-10T02:00:01Z,1000\n"
        self.append(header + row.format("r1"))
        self.assertEqual(self.counts(format="csv"), [1, 0, 0])
        self.append(row.format("r2"))
        self.assertEqual(self.counts(format="csv"), [1, 0, 0])
        os.rename(self.path, self.at(".1"))
        self.append(row.format("r3"), self.at(".1"))
        self.append(header + row.format("r4"))
        self.assertEqual(self.counts(format="csv"), [2, 0, 0])
        self.assert_booked(1, 2, 3, 4)


    def test_a_gateway_that_nobody_knew_needs_a_mapping_file(self):
        mapping = {"mapping": "ours", "id": ["call"], "model": ["m"], "project": ["tags/project"],
                   "start": [{"at": "at", "form": "seconds"}], "constants": {"user": "alice"},
                   "counts": {"input": ["in"], "cached": ["hit"], "output": ["out"]}, "input_includes": ["cached"]}
        path = lt.write_file(json.dumps(mapping), "ours.json")
        row = {"call": "r1", "m": "local", "tags": [{"key": "project", "value": "h1"}], "at": 1812596400, "in": 10, "out": 2}
        self.append(json.dumps(row) + "\n" + json.dumps({**row, "call": "r2", "hit": 11}) + "\n")
        self.assertEqual(self.counts(format=f"mapping:{path}", expect=3), [1, 0, 1])
        self.assertEqual(lt.scalar(self.db, "SELECT format FROM ledger.quarantine"), f"mapping:{path}")
        imported = lt.ctl_json(["import", "usage", self.path, "--source", SOURCE, "--format", f"mapping:{path}"],
                               db=self.db, now=NOW, expect=3)
        self.assertEqual([imported[key] for key in ("booked", "duplicate", "quarantined")], [0, 1, 1])
        self.fails("absolute path", expect=2, format="mapping:ours.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"mapping":"ours","idd":[]}')
        self.fails("idd: a mapping has no such member", expect=3, format=f"mapping:{path}")


class Rotation(Journal):
    def test_renamed_files_are_read_to_their_ends(self):
        self.append(lines(1, 2))
        self.counts()
        self.append(lines(3))
        os.rename(self.path, self.at(".1"))
        self.append(lines(4), self.at(".1"))  # the writer has not noticed yet
        self.append(lines(5))
        self.assertEqual(self.counts(), [3, 0, 0])
        self.append(lines(6), self.at(".1"))
        self.assertEqual(self.counts(), [1, 0, 0])
        self.assert_booked(1, 2, 3, 4, 5, 6)
        self.verify()

    def test_several_rotations_while_nobody_looked(self):
        self.append(lines(1))
        self.counts()
        self.append(lines(2))
        for number in (3, 5, 7):
            for old in (3, 2, 1):
                if os.path.exists(self.at(f".{old}")):
                    os.rename(self.at(f".{old}"), self.at(f".{old + 1}"))
            os.rename(self.path, self.at(".1"))
            self.append(lines(number, number + 1))
        self.assertEqual(self.counts(), [7, 0, 0])
        self.assertEqual(self.counts(), [0, 0, 0])
        self.assert_booked(*range(1, 9))

    def test_dated_names_and_those_of_others(self):
        self.append(lines(1))
        self.append(lines(2), self.at("-20270609"))
        self.append(lines(3), os.path.join(self.folder, "usage-20270608.jsonl"))
        self.append(lines(4), self.at(".2027-06-07_00:00:00"))
        self.append(lines(90), os.path.join(self.folder, "usage-2.jsonl"))
        self.append(lines(91), self.at(".bak"))
        self.append(lines(92), os.path.join(self.folder, "usage.json"))
        os.mkdir(self.at(".7"))
        os.mkfifo(self.at(".8"))
        self.assertEqual(self.counts(), [4, 0, 0])
        self.assert_booked(1, 2, 3, 4)

    def test_copytruncate(self):
        self.append(lines(1, 2))
        self.counts()
        self.append(lines(3))
        shutil.copy(self.path, self.at(".1"))
        os.truncate(self.path, 0)
        self.append(lines(4))
        self.assertEqual(self.counts(), [2, 0, 0], "the copy goes on where the original was")
        self.assert_booked(1, 2, 3, 4)

    def test_truncated_and_grown_past_where_it_was_read(self):
        self.append(lines(1))
        self.counts()
        os.truncate(self.path, 0)
        self.append(lines(2, 3, 4))
        self.assertEqual(self.counts(), [3, 0, 0])
        self.assert_booked(1, 2, 3, 4)

    def test_truncated_under_a_writer_that_goes_on_behind_the_hole(self):
        self.append(lines(1, 2, 3))
        self.counts()
        size = os.path.getsize(self.path)
        os.truncate(self.path, 0)
        with open(self.path, "r+b") as file:
            file.seek(size)
            file.write(lines(4).encode())
        self.assertEqual(self.counts(), [1, 0, 0])

    def test_cut_in_mid_line_by_a_rotation_nothing_is_lost_or_merged(self):
        first, second = line(2), line(3)
        self.append(lines(1) + first[:80])
        self.counts()
        os.rename(self.path, self.at(".1"))
        self.append(lines(4))
        self.assertEqual(self.counts(), [1, 0, 0])
        self.append(first[80:] + second, self.at(".1"))
        self.assertEqual(self.counts(), [2, 0, 0])
        self.assert_booked(1, 2, 3, 4)
        os.rename(self.at(".1"), self.at(".2"))  # and one that is cut for good
        shutil.copy(self.path, self.at(".1"))
        self.append(line(5)[:50], self.at(".1"))
        with open(self.path, "wb") as file:
            file.write((line(5)[50:] + line(6)).encode())
        self.assertEqual(self.counts(expect=3), [1, 0, 1])
        self.assertEqual(self.counts(now=LATER, expect=3), [0, 0, 1])
        self.assert_booked(1, 2, 3, 4, 6)

    def test_the_same_inode_with_other_content(self):
        self.append(lines(1, 2))
        self.counts()
        with open(self.path, "r+b") as file:  # the same size, too
            file.write(lines(3, 4).encode())
        self.assertEqual(self.counts(), [2, 0, 0])

    def test_deleted_and_made_anew(self):
        self.append(lines(1))
        self.counts()
        os.unlink(self.path)
        self.fails("usage.jsonl: there is no such file")
        self.assertIn("no such file", lt.scalar(self.db, "SELECT error FROM ledger.pull"))
        self.append(lines(2))
        self.assertEqual(self.counts(), [1, 0, 0])
        self.assertEqual(lt.scalar(self.db, "SELECT error FROM ledger.pull"), "")

    def test_files_that_are_gone_are_forgotten_in_the_end(self):
        self.append(lines(1))
        self.counts()
        os.rename(self.path, self.path + ".away")
        self.append(lines(2))
        self.counts()
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.token_journal"), "2")
        self.counts(now="2027-08-10T12:00:00+09:00")
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.token_journal"), "1")

    def test_a_file_that_cannot_be_opened_keeps_no_other_from_being_read(self):
        if os.geteuid() == 0:
            os.symlink(self.at(".1"), self.at(".1"))  # a loop: ELOOP, for root too
        else:
            self.append(lines(9), self.at(".1"))
            os.chmod(self.at(".1"), 0)
        self.append(lines(1))
        self.assertEqual(self.fails("usage.jsonl.1: cannot be read")["booked"], 1)
        self.assertIsNone(self.read_through())


class Compressed(Journal):
    def compress(self, suffix, keep=False):
        with open(self.at(suffix), "rb") as file, gzip.open(self.at(suffix) + ".gz", "wb") as out:
            out.write(file.read())
        if not keep:
            os.unlink(self.at(suffix))

    def test_what_was_read_before_it_was_compressed_is_no_concern(self):
        self.append(lines(1, 2))
        self.counts()
        os.rename(self.path, self.at(".1"))
        self.append(lines(3))
        self.counts()
        self.compress(".1", keep=True)
        self.assertEqual(self.counts(), [0, 0, 0])
        os.unlink(self.at(".1"))
        self.assertEqual(self.counts(), [0, 0, 0])
        os.rename(self.at(".1.gz"), self.at(".2.gz"))
        self.assertEqual(self.counts(), [0, 0, 0])

    def test_unread_lines_in_it_are_an_error_until_it_is_unpacked(self):
        self.append(lines(1))
        self.counts()
        self.append(lines(2))
        os.rename(self.path, self.at(".1"))
        self.compress(".1")
        self.append(lines(3))
        self.assertEqual(self.fails("usage.jsonl.1.gz: is compressed", "gunzip --keep")["booked"], 1)
        self.assertIsNotNone(lt.scalar(self.db, "SELECT failing_since FROM ledger.pull"))
        with gzip.open(self.at(".1.gz")) as packed:
            self.append(packed.read(), self.at(".1"))
        self.assertEqual(self.counts()[0], 1, "what was not read of it is")
        os.unlink(self.at(".1"))
        self.assertEqual(self.counts(), [0, 0, 0])
        self.assert_booked(1, 2, 3)

    def test_what_lay_there_before_is_passed_over(self):
        self.append(lines(1), self.at(".1"))
        self.compress(".1")
        self.append(lines(2))
        self.assertEqual(self.counts(), [1, 0, 0])
        self.assertEqual(self.counts(), [0, 0, 0])


class Faults(Journal):
    def test_killed_at_any_place_the_book_is_the_same(self):
        numbers = range(1, 20001)
        self.append(lines(*numbers))
        conf = lt.write_file(self.conf(), "ledgerd.conf")
        killed = 0
        for place, delay in enumerate((0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3, 0.5)):
            process = subprocess.Popen([lt.LEDGERCTL, "pull", SOURCE, "-c", conf], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL,
                                       env={**os.environ, "LEDGER_DB": self.db, "LEDGER_NOW": NOW})
            time.sleep(delay * lt.SLOWDOWN)
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
            if place == 4:
                os.rename(self.path, self.at(".1"))
                self.append(lines(20001))
        self.assertGreater(killed, 0)
        deadline = time.monotonic() + 60 * lt.SLOWDOWN
        while self.run_pull()[0] != 0 and time.monotonic() < deadline:
            time.sleep(0.1)  # a killed one's lock lives until the server notices
        self.assertEqual(self.counts()[0], 0)
        self.assertEqual(len(self.booked()), 20001)
        points = sum((1000 * 5 + (1000 + n) * 20) // 100 for n in range(1, 20002))
        spent = lt.ctl_json(["balance", "h1"], db=self.db, now=NOW)["spent"]
        self.assertGreater(float(spent), 0)
        self.assertAlmostEqual(float(spent), points * 0.75 / 1e6, delta=0.03)
        self.verify()

    def test_twice_and_out_of_order(self):
        self.append(lines(5, 3, 1, 3))
        self.append(lines(4, 2, 1), self.at(".1"))
        self.assertEqual(self.counts(), [5, 2, 0])
        lt.psql(self.db, "DELETE FROM ledger.token_journal;")
        self.assertEqual(self.counts(), [0, 7, 0])
        self.verify()

    def test_other_content_under_the_same_id_is_a_conflict(self):
        self.append(lines(1))
        self.counts()
        self.append(line(1, user="bob"))
        self.assertEqual(self.counts(expect=3), [0, 0, 1])

    def test_two_processes_do_not_read_at_a_time(self):
        self.append(lines(1))
        holder = subprocess.Popen(["psql", "-XqAt", "-d", self.db], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(holder.stdout.close)
        with holder:
            holder.stdin.write(f"SELECT pg_advisory_lock(1818584167, hashtext('{SOURCE}'));\n\\echo locked\n")
            holder.stdin.flush()
            while "locked" not in holder.stdout.readline():
                pass
            self.fails("another process is reading", expect=1)
            holder.stdin.close()
        self.assertEqual(self.counts(), [1, 0, 0])

    def test_records_are_not_put_together_yet(self):
        self.append(lines(1))
        self.fails("aggregate minute is not yet possible", expect=3, aggregate="minute")
        self.assertEqual(self.counts(aggregate="none"), [1, 0, 0])
        words = ["import", "usage", self.path, "--source", SOURCE, "--aggregate"]
        self.assertIn("only none is possible yet", lt.run_ctl([*words, "minute"], db=self.db, now=NOW)[2])
        self.assertEqual(lt.ctl_json([*words, "none"], db=self.db, now=NOW)["duplicate"], 1)

    def test_settings_that_cannot_be_are_told(self):
        self.fails("wants an absolute path", expect=2, path="usage.jsonl")
        self.fails("is no format of token records", expect=2, format="sacct")
        self.fails("cannot be read", path="/nowhere/at/all.jsonl")


TOKEN = "ldg_sEcReT-token"


class Gateway(http.server.BaseHTTPRequestHandler):
    """A gateway that is asked for its records: a cursor is how many of them were told."""

    def do_GET(self):
        gateway = self.server
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        gateway.asked.append(query)
        gateway.authorized.append(self.headers.get("Authorization"))
        start = int(query.get("cursor", "n+0").split("+")[1])
        records = gateway.records[start:start + gateway.page]
        end = {"cursor": f"n+{start + len(records)}", "more": start + len(records) < len(gateway.records)}
        if gateway.lines:
            body = "".join(json.dumps(row) + "\n" for row in [*records, end])
        else:
            body = json.dumps({"records": records, **end})
        body = gateway.spoil(body)
        self.send_response(gateway.status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_arguments):
        pass


class Asking(Journal):
    def setUp(self):
        super().setUp()
        self.gateway = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
        self.gateway.records, self.gateway.page, self.gateway.lines, self.gateway.status = [], 3, False, 200
        self.gateway.asked, self.gateway.authorized, self.gateway.spoil = [], [], lambda body: body
        threading.Thread(target=self.gateway.serve_forever, daemon=True).start()
        self.addCleanup(self.gateway.server_close)
        self.addCleanup(self.gateway.shutdown)
        self.token = lt.write_file(TOKEN + "\n", "token")

    def conf(self, **settings):
        settings = {"mode": "http", "url": f"http://127.0.0.1:{self.gateway.server_port}/usage?of=all",
                    "token_file": self.token, "timeout": "5s", **settings}
        return f"[tokens {SOURCE}]\n" + "".join(f"{k} = {v}\n" for k, v in settings.items())

    def test_pages_are_booked_and_the_cursor_moves_with_them(self):
        for lines_wanted in (False, True):
            with self.subTest(lines=lines_wanted):
                self.gateway.lines = lines_wanted
                before = len(self.gateway.records)
                self.gateway.records += [record(before + number) for number in range(7)]
                self.assertEqual(self.counts(), [7, 0, 0])
                self.assertEqual(self.counts(), [0, 0, 0])
        self.assertEqual(lt.scalar(self.db, "SELECT cursor FROM ledger.token_cursor"), "n+14")
        self.assertEqual(set(self.gateway.authorized), {f"Bearer {TOKEN}"})
        self.assertEqual(self.gateway.asked[0], {"of": "all", "limit": "1000"})
        self.assertEqual(self.gateway.asked[1], {"of": "all", "limit": "1000", "cursor": "n+3"})
        self.assertIsNotNone(self.read_through())
        lt.psql(self.db, "DELETE FROM ledger.token_cursor;")
        self.assertEqual(self.counts(), [0, 14, 0], "told twice, booked once")
        self.verify()

    def test_answers_that_are_none_move_nothing(self):
        self.gateway.records = [record(1)]
        for lines_wanted in (False, True):
            self.gateway.lines = lines_wanted
            for spoil, words in ((lambda body: body[:-20], "cut off"), (lambda body: "", "empty"),
                                 (lambda body: "<html>", "cut off"),
                                 (lambda body: body.replace('"more": false', '"more": 1'), "whether there is more"),
                                 (lambda body: body.replace('"n+1"', "7"), "no cursor"),
                                 (lambda body: body.replace('"n+1"', '"' + "x" * 5000 + '"'), "cannot be kept")):
                with self.subTest(words, lines=lines_wanted):
                    self.gateway.spoil = spoil
                    self.fails(words, expect=4)
        self.gateway.spoil = lambda body: body
        self.gateway.status = 500
        error = self.fails("HTTP status 500", expect=4)
        self.assertNotIn(TOKEN, json.dumps(error) + lt.scalar(self.db, "SELECT error FROM ledger.pull"))
        self.gateway.status = 200
        self.assertEqual(lt.query(self.db, "SELECT * FROM ledger.token_cursor"), [])
        self.assertIsNone(self.read_through())
        self.assertEqual(self.booked(), set())
        self.assertEqual(self.counts(), [1, 0, 0])

    def test_a_cursor_that_stands_still_ends_the_round(self):
        self.gateway.records = [record(number) for number in range(9)]
        self.gateway.spoil = lambda body: body.replace('"n+6"', '"n+3"')
        self.fails("its cursor stands still", expect=4)

    def test_settings_that_cannot_be_are_told(self):
        self.fails("wants an url", expect=2, url="")
        self.fails("is no address", expect=2, url="ftp://x/")
        self.fails("not csv", expect=2, format="csv")
        self.fails("cannot be read", expect=3, token_file="/nowhere/token")
        self.gateway.records = [record(1)]
        self.gateway.spoil = lambda body: body.replace('"id"', '"idd"')
        self.assertEqual(self.counts(expect=3), [0, 0, 1])


class Daemon(Journal):
    def test_ledgerd_follows_by_itself_and_tells_how_it_fares(self):
        self.append(lines(1, 2))
        with lt.start_ledgerd(self.db, conf=self.conf(interval="1s"), now=NOW) as daemon:
            lt.eventually(lambda: self.booked() == {"r1", "r2"}, 10)
            os.rename(self.path, self.at(".1"))
            self.append(lines(3))
            lt.eventually(lambda: self.booked() == {"r1", "r2", "r3"}, 10)
            told = f'ledger_pull_records_total{{source="{SOURCE}",fate="booked"}} 3'
            lt.eventually(lambda: told in daemon.get("/metrics").text, 10)
            self.assertNotIn(f'ledger_pull_stale{{source="{SOURCE}"', daemon.get("/metrics").text)
            os.rename(self.path, self.at(".away"))
            lt.eventually(lambda: "pull-failing" in daemon.log(), 10)
            lt.eventually(lambda: "cannot be read since"
                          in lt.run_report(["monthly", "2027-06"], db=self.db, now=NOW)[1], 10)
            self.append(lines(4))
            lt.eventually(lambda: "r4" in self.booked(), 20)
        self.verify()


if __name__ == "__main__":
    unittest.main()
