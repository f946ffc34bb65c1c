"""What must hold for the importers on every input, checked on all of tests/data and on files made here.

    - what is read does not depend on how the bytes arrive: a file, or a pipe in pieces of any size
    - an item's own text, alone under the header, is the same item: quarantine reads it so
    - a file that is cut off gives the items before the cut, and nothing that was not there
    - memory is bounded, whatever the size of a line, an element or the file
    - text and JSON of the same jobs are the same records

LEDGER_TEST_SEED changes the pieces and the cuts.
"""

import glob
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("LEDGER_BUILD", os.path.join(ROOT, "build")))
DRIVER = os.path.join(BUILD, "tests", "property", "import_driver")
DATA = os.path.join(ROOT, "tests", "data")
SEED = int(os.environ.get("LEDGER_TEST_SEED", "20270601"))
MIB = 1024 * 1024

# Reasons that depend on the place in the file, not on the item.
PLACE_FIELDS = ("line", "detail", "raw")


def cases():
    """Every data file with its format and the options of its table."""
    for table, folder in (("nasty/slurm/expected.json", "nasty/slurm"),
                          ("nasty/tokens/expected.json", "nasty/tokens"), ("counts.json", "")):
        with open(os.path.join(DATA, table), encoding="utf-8") as file:
            content = json.load(file)
        for case in content["cases"]:
            options = [f"{name}={value}" for name, value in
                       (("cluster", case.get("cluster")), ("project", content.get("project")),
                        ("user", content.get("user")), ("zone", content.get("zone"))) if value]
            yield os.path.join(DATA, folder, case["file"]), case["format"], options


def parse(output):
    lines = [json.loads(line) for line in output.decode("utf-8").splitlines()]
    return lines[:-1], lines[-1]


def read_file(form, path, options=(), memory_bytes=None):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    done = subprocess.run([DRIVER, form, path, *options], stdout=subprocess.PIPE, check=True,
                          stdin=subprocess.DEVNULL, timeout=300,
                          preexec_fn=limit if memory_bytes else None)
    return parse(done.stdout)


def read_pipe(form, data, options=(), pieces=None):
    """Through standard input, in pieces of the sizes given."""
    process = subprocess.Popen([DRIVER, form, "-", *options], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)

    def feed():
        at = 0
        try:
            while at < len(data):
                size = next(pieces) if pieces else len(data)
                process.stdin.write(data[at:at + size])
                process.stdin.flush()
                at += size
            process.stdin.close()
        except BrokenPipeError:
            pass
    thread = threading.Thread(target=feed)
    thread.start()
    output = process.stdout.read()
    thread.join()
    process.stdout.close()
    if process.wait() != 0:
        raise AssertionError(f"import_driver {form} ended with {process.returncode}")
    return parse(output)


def essence(item):
    return {name: value for name, value in item.items() if name not in PLACE_FIELDS}


def content(path):
    with open(path, "rb") as file:
        return file.read()


class Importers(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.random = random.Random(SEED)
        if not os.path.exists(DRIVER):
            subprocess.run(["make", "-C", ROOT, f"BUILD={BUILD}", DRIVER], check=True,
                           stdout=subprocess.DEVNULL)

    def sizes(self, largest):
        while True:
            yield self.random.randint(1, largest)

    def test_items_do_not_depend_on_how_the_bytes_arrive(self):
        read = 0
        for path, form, options in cases():
            data = content(path)
            whole = read_file(form, path, options)
            for largest in (7, 4096):
                if len(data) / largest > 3000:
                    continue
                with self.subTest(path=path, largest=largest):
                    self.assertEqual(read_pipe(form, data, options, self.sizes(largest)), whole)
                    read += 1
        self.assertGreater(read, 150)

    def test_an_items_own_text_is_the_same_item(self):
        for path, form, options in cases():
            items, end = read_file(form, path, options)
            for item in items[:12]:
                raw = bytes.fromhex(item["raw"])
                if len(raw) >= 64 * 1024 or item["kind"] == "skipped":
                    continue
                with self.subTest(path=path, line=item["line"]):
                    again, last = read_pipe(form, end["header"].encode() + raw, options)
                    if item["kind"] == "bad" and not again:
                        # What was one bad item among others is bad input where it stands alone.
                        self.assertEqual(last["end"], -1)
                    else:
                        self.assertEqual([essence(i) for i in again], [essence(item)])

    def test_a_file_cut_off_gives_what_came_before(self):
        for path, form, options in cases():
            data = content(path)
            whole, _ = read_file(form, path, options)
            for _ in range(3):
                cut = self.random.randint(0, max(len(data) - 1, 0))
                with self.subTest(path=path, cut=cut):
                    items, end = read_pipe(form, data[:cut], options)
                    # The last item may be the half of one; a stream may lack its end.
                    known = [essence(i) for i in items[:-1]]
                    self.assertEqual(known, [essence(i) for i in whole[:len(known)]])
                    self.assertEqual(end["end"] == -1, end["error"] != "")

    def test_text_and_json_of_the_same_jobs_are_the_same_records(self):
        options = ["zone=UTC", "source=slurm:sdli"]
        text, _ = read_file("sacct", os.path.join(DATA, "slurm-text/sacct_P_all.txt"), options)
        from_json, _ = read_file("json", os.path.join(DATA, "slurm-json/22.05/sacct.json"), options)
        records = {i["id"]: i for i in text if i["kind"] == "record" and i["state"] == "final"}
        same = 0
        for job in from_json:
            other = records.get(job.get("id"))
            if job["kind"] != "record" or job["state"] != "final" or other is None:
                continue
            if job["id"].startswith("2@"):
                continue  # amended between the two listings
            job, other = essence(job), essence(other)
            for record in (job, other):  # what only one of the listings has columns for
                for name in ("uid", "node_list", "exit_code"):
                    record["attributes"].pop(name, None)
            with self.subTest(id=job["id"]):
                self.assertEqual(job, other)
            same += 1
        self.assertGreater(same, 10)


class Limits(unittest.TestCase):
    """Each reader may use 64 MiB, whatever comes."""

    MEMORY = 64 * MIB

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "input")
        self.addCleanup(self.folder.cleanup)

    def read(self, form, *options):
        return read_file(form, self.path, options, self.MEMORY)

    RECORD = (b'{"source":"g:s","id":"%d","project":"p","class":"m",'
              b'"created":"2027-06-10T12:00:00+09:00","meters":{"input_tokens":1}}')

    def test_a_line_of_100_mb_is_one_bad_item_and_its_neighbours_are_read(self):
        with open(self.path, "wb") as file:
            file.write(self.RECORD % 1 + b"\n")
            for _ in range(100):
                file.write(b"x" * MIB)
            file.write(b"\n" + self.RECORD % 2 + b"\n")
        items, end = self.read("ledger")
        self.assertEqual([i["kind"] for i in items], ["record", "bad", "record"])
        self.assertEqual(items[1]["reason"], "line_too_long")
        self.assertEqual(end["end"], 0)

    def test_a_row_of_100_mb_is_one_bad_item_and_its_neighbours_are_read(self):
        row = b"%d|%d|p|COMPLETED|2027-06-01T00:00:00|2027-06-01T00:00:00|2027-06-01T01:00:00\n"
        with open(self.path, "wb") as file:
            file.write(b"JobID|JobIDRaw|Account|State|Submit|Start|End\n" + row % (1, 1))
            for _ in range(100):
                file.write(b"|" * MIB)
            file.write(b"\n" + row % (2, 2))
        items, end = self.read("sacct", "zone=UTC")
        self.assertEqual([i["kind"] for i in items], ["record", "bad", "record"])
        self.assertEqual((items[1]["reason"], items[2]["line"]), ("line_too_long", 4))
        self.assertEqual(end["end"], 0)

    def test_an_element_of_20_mb_is_one_bad_item_and_its_neighbours_are_read(self):
        with open(self.path, "wb") as file:
            file.write(b"[" + self.RECORD % 1 + b',\n {"id":"' + b'\\"]}' * (5 * MIB) + b'"},\n' +
                       self.RECORD % 2 + b"]")
        items, end = self.read("ledger")
        self.assertEqual([i["kind"] for i in items], ["record", "bad", "record"])
        self.assertEqual(items[1]["reason"], "line_too_long")
        self.assertEqual(end["end"], 0)

    def test_an_answer_of_slurm_of_any_size_is_read_in_bounded_memory(self):
        job = json.dumps({
            "job_id": 4711, "account": "p", "user": "u", "cluster": "c", "partition": "gpu",
            "state": {"current": ["COMPLETED"]}, "steps": [{"x": "y" * 4000}],
            "time": {"submission": 1812585600, "start": 1812585600, "end": 1812585700,
                     "elapsed": 100},
            "tres": {"allocated": [{"type": "cpu", "name": "", "count": 4}]}}).encode()
        with open(self.path, "wb") as file:
            file.write(b'{"meta": {"x": [1, {"jobs": []}]}, "jobs": [' + job)
            for _ in range(20000):
                file.write(b",\n" + job)
            file.write(b'], "errors": [], "warnings": []}')
        self.assertGreater(os.path.getsize(self.path), 80 * MIB)
        done = subprocess.run(f"ulimit -v {self.MEMORY // 1024}; {DRIVER} json {self.path} | "
                              "cut -c1-60 | sort | uniq -c | sort -n | tail -n 1; exit ${PIPESTATUS[0]}",
                              shell=True, executable="/bin/bash", stdout=subprocess.PIPE, check=True,
                              timeout=300)
        self.assertIn(b'"end":0', subprocess.run(
            f"{DRIVER} json {self.path} | tail -n 1", shell=True, check=True, timeout=300,
            stdout=subprocess.PIPE).stdout)
        self.assertTrue(done.stdout.strip())

    def test_a_number_of_meters_or_members_without_end_is_bad_not_fatal(self):
        meters = ",".join(f'"m{i}":1' for i in range(200000)).encode()
        with open(self.path, "wb") as file:
            file.write(b'{"id":"1","meters":{' + meters + b"}}\n" + b"[" * 100000 + b"\n" +
                       self.RECORD % 2 + b"\n")
        items, _ = self.read("ledger")
        self.assertEqual(items[0]["kind"], "bad")
        self.assertEqual(items[0]["id"], "1")


class Sanity(unittest.TestCase):
    def test_every_data_file_is_in_a_table(self):
        listed = {path for path, _, _ in cases()}
        for folder in ("slurm-json", "slurm-text", "tokens", "nasty"):
            for path in glob.glob(os.path.join(DATA, folder, "**", "*"), recursive=True):
                name = os.path.basename(path)
                # spans, usages and the list of columns have tests of their own
                if os.path.isfile(path) and name != "expected.json" and name != "sacct_fields.txt" \
                        and not name.startswith("openinference") and name != "provider_usages.jsonl":
                    self.assertIn(path, listed)


if __name__ == "__main__":
    sys.exit(unittest.main())
