#!/usr/bin/python3
"""Lines reached by the tests of a coverage build, per source file and in all, from gcov's own JSON.

    coverage.py BUILD
"""

import collections
import glob
import json
import os
import subprocess
import sys


def main():
    build = os.path.abspath(sys.argv[1])
    reached = collections.defaultdict(lambda: collections.defaultdict(int))
    data = glob.glob(f"{build}/obj/**/*.gcda", recursive=True)
    for path in data:
        out = subprocess.run(["gcov", "--json-format", "--stdout", path], capture_output=True,
                             text=True, check=True).stdout
        for document in filter(None, out.splitlines()):
            for file in json.loads(document)["files"]:
                name = file["file"]
                if name.startswith(("ledgerd/", "importers/", "reports/")) and name.endswith(".c"):
                    for line in file["lines"]:
                        reached[name][line["line_number"]] += line["count"]
    if not reached:
        sys.exit("coverage: no counters found: did any test run?")
    total = hit = 0
    for name in sorted(reached):
        lines = reached[name]
        mine = sum(1 for count in lines.values() if count)
        print(f"{100 * mine // len(lines):3d} %  {mine:5d} / {len(lines):5d}  {name}")
        total, hit = total + len(lines), hit + mine
    print(f"{100 * hit // total:3d} %  {hit:5d} / {total:5d}  in all")


if __name__ == "__main__":
    main()
