"""What the import tests share: a book that everything can happen in, records that make it happen, and its digest."""

import json
import os
import random

import ledger_test as lt

NOW = "2027-08-20T09:00:00+09:00"
CLUSTER = "t"
SLURM = "slurm:t"
GATEWAY = "gateway:t"
JST = "+09:00"

POLICY = {
    "policy": "ingest", "timezone": "Asia/Tokyo", "effective_from": "2027-06-01T00:00:00+09:00",
    "shares": [{"share": "hpci", "fraction": "0.8"}, {"share": "general", "fraction": "0.1"},
               {"share": "industry", "fraction": "0.1"}],
    "supply": [{"id": "gpu", "fiscal_year": 2027, "from": "2027-06-01T00:00:00+09:00",
                "to": "2028-04-01T00:00:00+09:00", "resource": "gpu", "count": 720, "hours": "7200",
                "points_per_hour": "1"}],
}
CARDS = [
    {"card": "june", "effective_from": "2027-06-01T00:00:00+09:00",
     "rules": [
         {"source": "slurm:*", "class": "gpu", "combine": "max", "require": ["gpu"],
          "per_hour": {"gpu": "1", "cpu": "0.0138", "mem_gib": "0.002"},
          "basis": {"elapsed": "0.9", "requested": "0.1", "min_seconds": 300},
          "factors": {"qos": {"normal": "1", "urgent": "2"}}},
         {"source": "slurm:*", "class": "cpu", "per_hour": {"cpu": "0.0138"}, "discount": "0.25"},
         {"source": "slurm:*", "class": "serve", "per_hour": {"gpu": "1"}},
         {"source": "gateway:*", "class": "llm",
          "per_million": {"input_tokens": "0.05", "output_tokens": "0.2"}, "discount": "0.5"},
         {"source": "gateway:*", "class": "free", "discount": "1",
          "per_million": {"input_tokens": "0.05", "output_tokens": "0.2"}}]},
    {"card": "mid-july", "effective_from": "2027-07-15T00:00:00+09:00",
     "rounding": {"places": 4, "mode": "truncate"},
     "rules": [
         {"source": "slurm:*", "class": "*", "per_hour": {"gpu": "1.5", "cpu": "0.02", "mem_gib": "0"}},
         {"source": "gateway:*", "class": "*",
          "per_million": {"input_tokens": "0.06", "output_tokens": "0.21"}}]},
]
PROJECTS = {"h1": "hpci", "h2": "hpci", "g1": "general", "i1": "industry"}
GRANTS = [("h1", "5000", "2027-06-01", "2027-07-10"), ("h1", "9000", "2027-06-20", "2028-04-01"),
          ("h2", "100", "2027-06-05", "2027-06-06"), ("g1", "700", "2027-06-01", "2028-04-01")]
HEADER = ("JobIDRaw|Cluster|Account|User|QOS|Partition|JobName|State|Submit|Start|End|ElapsedRaw|TimelimitRaw|"
          "AllocTRES")


def document(value, name="document.json"):
    return lt.write_file(value if isinstance(value, str) else json.dumps(value), name)


def new_book(prefix="ingest"):
    db = lt.create_db(prefix)
    lt.ctl(["policy", "apply", document(POLICY)], db=db, now=NOW)
    for card in CARDS:
        lt.ctl(["rates", "apply", document(card)], db=db, now=NOW)
    for project, share in PROJECTS.items():
        lt.ctl(["project", "add", project, "--share", share], db=db, now=NOW)
    lt.ctl(["project", "add", "svc", "--service", "gateway:*/llm"], db=db, now=NOW)
    for project, points, begin, end in GRANTS:
        lt.ctl(["grant", project, points, "--from", f"{begin}T00:00:00{JST}", "--to", f"{end}T00:00:00{JST}"],
               db=db, now=NOW)
    return db


def digest(db):
    """Rows and hash of every part of the book (tests/lib/book_digest.sql)."""
    with open(os.path.join(lt.ROOT, "tests", "lib", "book_digest.sql"), encoding="utf-8") as file:
        return {row[0]: tuple(row[1:]) for row in lt.query(db, file.read())}


def import_slurm(db, rows, expect=0, now=NOW, batch=None, header=HEADER):
    path = lt.write_file("\n".join([header, *rows, ""]), "jobs.txt")
    extra = ["--batch", batch] if batch else []
    return lt.ctl_json(["import", "slurm", path, "--cluster", CLUSTER, *extra], db=db, now=now, expect=expect)


def import_usage(db, lines, expect=0, now=NOW, batch=None, source=GATEWAY):
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path = lt.write_file("\n".join([*texts, ""]), "usage.ndjson")
    extra = ["--batch", batch] if batch else []
    return lt.ctl_json(["import", "usage", path, "--source", source, *extra], db=db, now=now, expect=expect)


def clock(second):
    """Wall clock of the site, seconds after the start of 1 June 2027."""
    day, month = 1 + second // 86400, 6
    while day > (30, 31, 31)[month - 6]:
        day -= (30, 31, 31)[month - 6]
        month += 1
    return f"2027-{month:02d}-{day:02d}T{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def job_row(number, start, seconds, project="h1", state="COMPLETED", gpus=2, partition="gpu", qos="normal",
            elapsed=None, submit=None, user="u1"):
    tres = f"billing={gpus},cpu={16 * gpus or 4},gres/gpu={gpus},mem={40 * gpus}G,node=1" if gpus else "cpu=4,mem=8G,node=1"
    end = "Unknown" if state in ("RUNNING", "PENDING") else clock(start + seconds)
    return "|".join(map(str, (number, CLUSTER, project, user, qos, partition, f"job{number}", state,
                              clock(start if submit is None else submit), clock(start), end,
                              seconds if elapsed is None else elapsed, 1440, tres)))


def token_record(number, second, project="h2", model="llm", tokens=(1000, 100), **more):
    at = clock(second) + JST
    return {"id": f"req-{number:06d}", "project": project, "user": f"u{number % 7}", "class": model, "start": at,
            "end": at, "state": "final",
            "meters": {"input_tokens": str(tokens[0]), "output_tokens": str(tokens[1])}, **more}


def ledger_job(number, start, seconds, project="h1", state="final", gpus=2, klass="gpu", **more):
    """A job in format ledger: what can carry its own `seen`."""
    return {"source": SLURM, "id": f"{number}@1800000000", "project": project, "user": "u1", "class": klass,
            "start": clock(start) + JST, "end": clock(start + seconds) + JST, "state": state, "qos": "normal",
            "outcome": "completed" if state == "final" else "", "meters": {"gpu": str(gpus), "cpu": str(16 * gpus)},
            **more}


def mixed_lines(seed, count):
    """Records of every kind, for any order: jobs over months' edges with versions told apart by `seen`, running
    sightings, tokens, texts that can't be read, records of unknown projects and classes without a price."""
    chance = random.Random(seed)
    lines = []
    for n in range(count):
        kind = chance.random()
        start = chance.randrange(0, 70 * 86400)
        project = chance.choice(list(PROJECTS) + ["svc"])
        if kind < 0.35:
            klass = chance.choice(["gpu", "cpu", "serve"])
            for version in range(chance.choice([1, 1, 1, 2, 3])):
                lines.append(ledger_job(n, start, chance.randrange(0, 9 * 86400),
                                        project=chance.choice([project, "h1"]), klass=klass,
                                        seen=clock(start + 10 * 86400 + version * 3600) + JST,
                                        elapsed_seconds=chance.randrange(0, 5000)))
        elif kind < 0.45:
            for sighting in range(chance.choice([1, 2, 3])):
                lines.append(ledger_job(n, start, 3600 * (sighting + 1), project=project, state="running"))
            if chance.random() < 0.5:
                lines.append(ledger_job(n, start, 7 * 86400, project=project))
        elif kind < 0.85:
            lines.append({"source": GATEWAY, **token_record(n, start, project=project,
                                                            model=chance.choice(["llm", "free"]),
                                                            tokens=(chance.randrange(9000), chance.randrange(900)))})
        elif kind < 0.90:
            lines.append({"source": GATEWAY, **token_record(n, start, project="nobody")})
        elif kind < 0.94:
            lines.append(ledger_job(n, start % (30 * 86400), 60, klass="quantum"))
        elif kind < 0.97:
            lines.append(f'{{"source":"{GATEWAY}","id":"broken-{n}","project":')
        else:
            lines.append({"source": GATEWAY, "id": f"early-{n}", "project": "h1", "class": "llm",
                          "start": "2027-05-01T00:00:00Z", "end": "2027-05-01T00:00:00Z", "state": "final",
                          "meters": {"output_tokens": "5"}})
    return [line if isinstance(line, str) else json.dumps(line) for line in lines]
