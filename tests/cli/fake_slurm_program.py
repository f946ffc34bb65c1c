"""The programs of fake_slurm: started for every call, so this imports as little as can be."""

import json
import os
import sys
import time


def option(arguments, letter):
    return arguments[arguments.index(letter) + 1] if letter in arguments else None


def utc(text):
    return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))  # TZ is UTC


def sacct_text(state, arguments):
    delimiter = next(a for a in arguments if a.startswith("--delimiter="))[12:]
    columns = option(arguments, "-o").split(",")
    rows = [delimiter.join(columns)]
    for row in state["jobs"]:
        runs = row["State"] in ("RUNNING", "SUSPENDED")
        if option(arguments, "-s") == "R,S":
            chosen = runs
        else:
            since, until = utc(option(arguments, "-S")), utc(option(arguments, "-E"))
            # A job that has ended, but not told when, is in every window.
            chosen = not runs and (not row["End"].isdigit() or since <= int(row["End"]) <= until)
        if chosen:
            rows.append(delimiter.join(row[column] for column in columns))
    return "".join(row + "\n" for row in rows)


def text_of(program, state, arguments):
    if program == "sacct":
        return sacct_text(state, arguments)
    if program == "squeue":
        return json.dumps({"meta": {}, "errors": [], "jobs": state["live"]})
    texts = state["texts"]
    if program == "sacctmgr":
        return texts["cluster" if "cluster" in arguments else
                     "defaults" if "onlydefaults" in arguments else "associations"]
    return texts[arguments[-1]]


def main(program, folder):
    os.environ["TZ"] = "UTC"
    time.tzset()
    arguments = sys.argv[1:]
    with open(os.path.join(folder, program + ".calls"), "a", encoding="utf-8") as file:
        file.write(json.dumps(arguments) + "\n")
    with open(os.path.join(folder, "state.json"), encoding="utf-8") as file:
        text = text_of(program, json.load(file), arguments)
    kind = ""
    path = os.path.join(folder, program + ".fault")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            kind = file.read()
    misbehave(kind, text, arguments)


def misbehave(kind, text, arguments):
    out = sys.stdout
    name, _, value = kind.partition(" ")
    if name == "exit":            # as where the database cannot be reached
        sys.stderr.write("sacct: error: Problem talking to the database: Connection refused\n")
        sys.exit(int(value))
    if name == "die":             # killed in the middle of the last row
        out.write(text[:-9])
        out.flush()
        os.kill(os.getpid(), 9)
    if name == "half":            # the same, but looks well
        out.write(text[:-9])
    elif name == "hang":
        out.write(text[:len(text) // 2])
        out.flush()
        time.sleep(600)
    elif name == "slow":
        time.sleep(float(value))
        out.write(text)
    elif name == "garbage":
        out.write("\x00\xff this is not it\n" * 100)
    elif name == "nothing":
        pass
    elif name == "empty-from" and (option(arguments, "-S") or "") >= value:
        out.write(text.splitlines(True)[0])
    elif name == "exit-from" and (option(arguments, "-S") or "") >= value:
        sys.stderr.write("sacct: error: gone away\n")
        sys.exit(1)
    else:
        out.write(text)
