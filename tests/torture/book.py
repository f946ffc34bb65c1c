"""The book that is tormented, and what is read from it afterwards: straight from its tables, all of it."""

import csv
import datetime
import io
import json

import ledger_test as lt

POLICY = {"policy": "torture", "timezone": "Asia/Tokyo", "effective_from": "2027-06-01T00:00:00+09:00",
          "shares": [{"share": "hpci", "fraction": "0.8"}, {"share": "general", "fraction": "0.2"}],
          "supply": [{"id": "s", "fiscal_year": 2027, "from": "2027-06-01T00:00:00+09:00",
                      "to": "2028-04-01T00:00:00+09:00", "resource": "gpu", "count": 1000, "hours": "10000",
                      "points_per_hour": "1"}]}
CARD = {"card": "torture", "effective_from": "2027-06-01T00:00:00+09:00",
        "rules": [{"source": "slurm:x", "class": "gpu", "require": ["gpu"], "per_hour": {"gpu": "1"}},
                  {"source": "gateway:*", "class": "m", "per_million": {"output_tokens": "1000"}}]}
GRANTED_FROM = "2027-06-01T00:00:00+09:00"


def micro(text):
    """Micro-points of a decimal string with six places."""
    whole, _, rest = text.partition(".")
    value = int(whole.lstrip("-") + rest.ljust(6, "0"))
    return -value if text.startswith("-") else value


def seconds(text):
    """Whole seconds since 1970 of a time with offset."""
    return int(datetime.datetime.fromisoformat(text).timestamp())


def points(value):
    """The decimal string of micro-points."""
    return f"{'-' if value < 0 else ''}{abs(value) // 1000000}.{abs(value) % 1000000:06}"


def make_book(clock, grants, overdrafts=None):
    """A sandbox with a policy, a card and projects that were granted so many points."""
    db = lt.create_db("torture")
    now = clock.now()
    for verb, document in (("policy", POLICY), ("rates", CARD)):
        lt.ctl([verb, "apply", lt.write_file(json.dumps(document))], db=db, now=now)
    for project, granted in grants.items():
        lt.ctl(["project", "add", project, "--share", "hpci"], db=db, now=now)
        lt.ctl(["grant", project, granted, "--from", GRANTED_FROM], db=db, now=now)
    for project, overdraft in (overdrafts or {}).items():
        lt.ctl(["overdraft", project, overdraft], db=db, now=now)
    return db


def rows(db, sql):
    """Rows of one SELECT as lists of text ('' for null), fast enough for hundreds of thousands."""
    done = lt.psql(db, f"COPY ({sql}) TO STDOUT WITH (FORMAT csv)")
    return list(csv.reader(io.StringIO(done.stdout)))


def holds(db):
    """Every hold of the book: (id, key, project, points, held, ended parts, state, deadline in whole seconds)."""
    return [("h_" + r[0], r[1], r[2], int(r[3]), int(r[4]), int(r[5]), r[6], int(r[7])) for r in rows(db, """
        SELECT hold_no, key, project_id, points_micro, held_micro, ended_parts, state,
               floor(extract(epoch FROM expires_at))
          FROM ledger.hold ORDER BY hold_no""")]


def charges(db):
    """Every charged record: (source, id) -> (project, micro-points of all its versions, transfers net)."""
    return {(r[0], r[1]): (r[2], int(r[3])) for r in rows(db, """
        SELECT s.name, i.id, min(c.project_id), sum(c.points_micro)
          FROM ledger.record_identity i
          JOIN ledger.source s USING (source_no)
          JOIN ledger.charge c USING (record_no)
         GROUP BY 1, 2""")}


def identities(db):
    """How often each record's identity and its rows stand in the book: [(source, id, rows of usage_record)]."""
    return {(r[0], r[1]): int(r[2]) for r in rows(db, """
        SELECT s.name, u.id, count(DISTINCT u.record_no)
          FROM ledger.usage_record u JOIN ledger.source s USING (source_no) GROUP BY 1, 2""")}


def accruals(db):
    return {(r[0], r[1]): int(r[2]) for r in rows(db, """
        SELECT s.name, a.id, a.points_micro FROM ledger.accrual a JOIN ledger.source s USING (source_no)""")}


def must_be_sound(db, now):
    """`verify` finds nothing, and the accounts add up to zero by a sum of this test's own."""
    verdict = lt.ctl_json(["verify"], db=db, now=now)
    if not verdict["ok"]:
        raise AssertionError(f"verify: {json.dumps(verdict)[:4000]}")
    total = lt.scalar(db, """
        SELECT (SELECT coalesce(sum(posted_micro), 0) FROM ledger.project_position)
             + (SELECT coalesce(sum(CASE WHEN c.account_no = t.credit_account THEN amount_micro
                                         ELSE -amount_micro END), 0)
                  FROM ledger.transfer t JOIN ledger.account c ON c.account_no IN (t.credit_account, t.debit_account)
                 WHERE c.project_id IS NULL)""")
    if int(total) != 0:
        raise AssertionError(f"the accounts add up to {total} micro-points")
