"""A small site for the script tests: policy, card, projects, records, and a digest of the whole book."""

import json

import ledger_test as lt

NOW = "2027-06-10T09:00:00+09:00"
LATER = "2027-07-20T09:00:00+09:00"


def policy(**changes):
    document = {
        "policy": "test-2027", "timezone": "Asia/Tokyo", "fiscal_year_start": "04-01",
        "effective_from": "2027-06-01T00:00:00+09:00",
        "shares": [{"share": "hpci", "fraction": "0.80"}, {"share": "general", "fraction": "0.10"},
                   {"share": "industry", "fraction": "0.10"}],
        "supply": [{"id": "fy2027-gpu", "fiscal_year": 2027, "from": "2027-06-01T00:00:00+09:00",
                    "to": "2028-04-01T00:00:00+09:00", "resource": "gpu", "count": 720, "hours": "7200",
                    "points_per_hour": "1"}],
    }
    document.update(changes)
    return document


def card(**changes):
    document = {
        "card": "test-2027", "effective_from": "2027-06-01T00:00:00+09:00",
        "rules": [
            {"source": "slurm:*", "class": "gpu", "combine": "max", "require": ["gpu"],
             "per_hour": {"gpu": "1", "cpu": "0.0138", "mem_gib": "0.002"},
             "factors": {"qos": {"normal": "1", "urgent": "2", "*": "1"}}},
            {"source": "slurm:*", "class": "cpu", "per_hour": {"cpu": "0.0138"}},
            {"source": "gateway:*", "class": "llm",
             "per_million": {"input_tokens": "0.05", "output_tokens": "0.2"}, "discount": "0.25"},
            {"source": "gateway:*", "class": "free", "discount": "1",
             "per_million": {"input_tokens": "0.05", "output_tokens": "0.2"}},
        ],
    }
    document.update(changes)
    return document


def file_of(document, name="document.json"):
    """A temporary file with the document (as JSON unless it is text or bytes); its path."""
    if not isinstance(document, (str, bytes)):
        document = json.dumps(document)
    return lt.write_file(document, name)


def new_book(prefix="site", projects=True):
    """A sandbox with the policy, the card and, unless told otherwise, a project of each share."""
    db = lt.create_db(prefix)
    lt.ctl(["policy", "apply", file_of(policy())], db=db, now=NOW)
    lt.ctl(["rates", "apply", file_of(card())], db=db, now=NOW)
    if projects:
        for project, share in (("h1", "hpci"), ("h2", "hpci"), ("g1", "general"), ("i1", "industry")):
            lt.ctl(["project", "add", project, "--share", share, "--name", f"Project {project}"],
                   db=db, now=NOW)
    return db


def import_records(db, records, expect=0, now=LATER, source="test", extra=()):
    """Imports usage records (dicts); the counts."""
    lines = "".join(json.dumps(record) + "\n" for record in records)
    return lt.ctl_json(["import", "usage", file_of(lines, "records.ndjson"), "--source", source, *extra],
                       db=db, now=now, expect=expect)


def book_digest(db):
    """A hash over every row of every table of the book, but for its seals, which follow what was written:
    equal only if nothing at all was written."""
    tables = [row[0] for row in lt.query(db, """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'ledger' AND c.relkind = 'r' AND c.relname <> 'seal' ORDER BY 1""")]
    parts = " UNION ALL ".join(
        f"SELECT '{table}' AS name, count(*) AS rows,"
        f" md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS hash FROM ledger.{table} t"
        for table in tables)
    return {row[0]: (row[1], row[2]) for row in lt.query(db, parts)}
