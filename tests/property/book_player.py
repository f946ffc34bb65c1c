"""Plays moves on the real book and on the oracle, and says where the two differ.

A move is a dictionary: the verb, its time and its arguments, without any number that the real book gave.
So any part of a sequence of moves is a sequence of moves again, and a failing one can be made shorter.
The verbs run in one process, model_driver.
"""

import collections
import datetime
import json
import os
import subprocess

import ledger_test as lt
import rate_oracle as rating
from book_oracle import Book
from book_parts import Said, instant, points, refused
from months_oracle import month_after, month_text

DRIVER = os.path.join(lt.BUILD, "tests", "property", "model_driver")
NO_GRANT = 999999
NO_HOLD = "h_999999"
ACCOUNTS = """
    SELECT a.name, sum(x.micro)::bigint FROM ledger.account a
      JOIN (SELECT credit_account AS account_no, amount_micro AS micro FROM ledger.transfer
            UNION ALL SELECT debit_account, -amount_micro FROM ledger.transfer) x USING (account_no)
     GROUP BY 1"""

REPORTED = ("opening", "granted", "refunded", "adjusted", "expired", "closing")
SOURCES = """
    SELECT name FROM ledger.source s WHERE last_record_at IS NOT NULL OR read_to IS NOT NULL
        OR EXISTS (SELECT FROM ledger.accrual a WHERE a.source_no = s.source_no) ORDER BY 1"""
CLOSED = """
    SELECT to_char(c.month, 'YYYY-MM'), c.report, c.digest,
           (SELECT string_agg(s.project_id || s.digest || s.document, '' ORDER BY s.project_id)
              FROM ledger.month_statement s WHERE s.month = c.month) FROM ledger.month_close c"""

MONTHS = """
    SELECT project_id, class, month::text, sum(charged)::bigint, sum(returned)::bigint
      FROM (SELECT project_id, class, month, points_micro AS charged, 0 AS returned FROM ledger.charge
            UNION ALL SELECT project_id, class, month, 0, points_micro FROM ledger.refund WHERE NOT is_manual) x
     GROUP BY 1, 2, 3 HAVING sum(charged) <> 0 OR sum(returned) <> 0"""


class Difference(Exception):
    """The book and the oracle do not agree."""


class Driver:
    """ledgerctl's verbs in one process."""

    def __init__(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("LEDGER_")}
        self.process = subprocess.Popen([DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**env, "TZ": "UTC"})

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Difference(f"the program ended with {self.process.wait()}: {request}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def text(micro):
    return rating.points_text(micro)


SACCT_HEADER = "JobIDRaw|Cluster|Account|User|Partition|QOS|State|Submit|Start|End|ElapsedRaw|Suspended|" \
    "TimelimitRaw|AllocTRES\n"


def slurm_end(row):
    return row["start"] + row["elapsed"] + row["suspended"]


def slurm_record(row):
    """The usage record that a row of sacct stands for."""
    def at(seconds):
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()
    runs = row["state"] == "RUNNING"
    record = {"source": "slurm:c", "id": f"{row['raw']}@{row['submit']}", "project": row["account"],
              "user": row["user"], "class": row["partition"], "qos": row["qos"], "start": at(row["start"]),
              "end": at(slurm_end(row)), "submitted": at(row["submit"]), "elapsed_seconds": row["elapsed"],
              "state": "running" if runs else "final", "outcome": "" if runs else row["state"].lower(),
              "meters": {"gpu": str(row["gpu"]), "cpu": str(row["cpu"]), "node": "1"}}
    if row["limit"] is not None:
        record["requested_seconds"] = row["limit"] * 60
    return record


def slurm_line(row, zone):
    """The row as sacct prints it: on the site's wall clock."""
    def wall(seconds):
        return datetime.datetime.fromtimestamp(seconds, rating.ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M:%S")
    begun = row["state"] != "PENDING"
    ended = begun and row["state"] != "RUNNING"
    hours, rest = divmod(row["suspended"], 3600)
    return "|".join(str(field) for field in (
        row["raw"], "c", row["account"], row["user"], row["partition"], row["qos"], row["state"],
        wall(row["submit"]), wall(row["start"]) if begun else "Unknown",
        wall(slurm_end(row)) if ended else "Unknown", row["elapsed"],
        f"{hours:02}:{rest // 60:02}:{rest % 60:02}", "" if row["limit"] is None else row["limit"],
        f"billing=9,cpu={row['cpu']},gres/gpu={row['gpu']},node=1")) + "\n"


class Player:
    def __init__(self, driver, db, zone="Asia/Tokyo"):
        self.driver, self.db = driver, db
        self.book = Book(zone)
        self.now = self.verb = None
        self.kept = {}  # by month: what was stored when it was closed
        self.outcomes = collections.Counter()  # (verb, how it ended) of the moves so far
        answer = driver.ask(db=db)
        if answer["status"] != 0:
            raise RuntimeError(answer)

    # --- one move ---------------------------------------------------------------------------------

    def play(self, move):
        """Does the move on both sides; the verb's answer and every project's figures must agree."""
        self.now, self.verb = move["now"], move["verb"]
        self.book.advance(instant(self.now))
        touched = getattr(self, "play_" + move["verb"])(move)
        for name in touched or ():
            if name in self.book.projects:
                self.compare_balance(name)

    def call(self, *words, feed=None):
        words = [str(word) for word in words]
        request = {"now": self.now, "words": words}
        if feed is not None:
            request["input"] = feed
        return self.driver.ask(**request)

    def expect(self, said, answer):
        """The verb said what the oracle says; its document."""
        self.outcomes[self.verb, answer["reason"] or answer["status"]] += 1
        if answer["status"] != said.status:
            raise Difference(f"exit code {answer['status']} ({answer['reason']}: {answer['text']}), "
                             f"not {said.status} {said.reasons}")
        if said.status == 1 and said.reasons and answer["reason"] not in said.reasons:
            raise Difference(f"refused for {answer['reason']} ({answer['text']}), not {said.reasons}")
        document = answer.get("document") or {}
        for name, value in said.figures.items():
            given = document.get(name)
            given = points(given) if isinstance(given, str) and isinstance(value, int) else given
            if given != value:
                raise Difference(f"{name}: {given} in the answer, not {value}")
        return document

    @staticmethod
    def options(move, **names):
        """--name value for those that the move has."""
        words = []
        for key, option in names.items():
            if move.get(key) is not None:
                words += [option, move[key]]
        return words

    # --- the site ---------------------------------------------------------------------------------

    def play_policy(self, move):
        words = ["--retroactive"] if move.get("retroactive") else []
        said = self.book.policy_apply(move["policy"], move.get("retroactive", False))
        self.expect(said, self.call("policy", "apply", "@", *words, feed=json.dumps(move["policy"])))

    def play_rates(self, move):
        words = ["--retroactive"] if move.get("retroactive") else []
        said = self.book.rates_apply(move["card"], move.get("retroactive", False))
        self.expect(said, self.call("rates", "apply", "@", *words, feed=json.dumps(move["card"])))

    def play_adjust(self, move):
        said = self.book.supply_adjust(move["supply"], points(move["points"]))
        self.expect(said, self.call("supply", "adjust", "--note", "machine", "--", move["supply"],
                                    move["points"]))

    def play_project(self, move):
        services = move.get("services", [])
        words = ["--service", services[0]] if services else ["--share", move["share"]]
        said = self.book.project_add(move["project"], move.get("share"), services)
        self.expect(said, self.call("project", "add", move["project"], *words, *services[1:]))
        return [move["project"]]

    def play_close(self, move):
        self.expect(self.book.project_close(move["project"]), self.call("project", "close", move["project"]))

    def play_alias(self, move):
        said = self.book.project_alias(move["project"], move["source"], move["name"])
        self.expect(said, self.call("project", "alias", move["project"], move["source"], move["name"]))

    def play_member(self, move):
        if move.get("remove"):
            said = self.book.member_remove(move["project"], move["user"])
            self.expect(said, self.call("member", "remove", move["project"], move["user"]))
        else:
            said = self.book.member_add(move["project"], move["user"], move.get("role", "member"))
            self.expect(said, self.call("member", "add", move["project"], move["user"],
                                        *self.options(move, role="--role")))

    def play_overdraft(self, move):
        said = self.book.overdraft(move["project"], points(move["points"]))
        self.expect(said, self.call("overdraft", move["project"], move["points"]))
        return [move["project"]]

    def play_limit(self, move):
        words = self.options(move, user="--user", period="--period")
        user, period = move.get("user") or "", move.get("period")
        if "points" in move:
            said = self.book.limit_set(move["project"], user, period, points(move["points"]))
            self.expect(said, self.call("limit", "set", move["project"], "--points", move["points"], *words))
        else:
            said = self.book.limit_clear(move["project"], user, period)
            self.expect(said, self.call("limit", "clear", move["project"], *words))
        if said.status == 0:
            self.compare_limits(move["project"])

    # --- grants -----------------------------------------------------------------------------------

    def number_of(self, move):
        project = self.book.projects.get(move["project"])
        grants = sorted(project.purse.grants, key=lambda g: g.number) if project else []
        return grants[move["nth"]].number if move["nth"] < len(grants) else NO_GRANT

    def play_grant(self, move):
        begin, end = move.get("from"), move.get("to")
        said, grant = self.book.grant(move["project"], points(move["points"]), begin and instant(begin),
                                      end and instant(end), move.get("lender"), move.get("key"))
        words = self.options(move, **{"from": "--from", "to": "--to", "lender": "--lend-from", "key": "--key"})
        document = self.expect(said, self.call("grant", move["project"], move["points"], *words))
        if grant is not None:
            grant.number = document["id"]
            self.book.granted(move["project"], grant)
        return [move["project"]]

    def play_revoke(self, move):
        number = self.number_of(move)
        micro = points(move["points"]) if move.get("points") is not None else None
        said = self.book.revoke(number, micro)
        self.expect(said, self.call("grant", "revoke", number, *self.options(move, points="--points")))
        return [move["project"]]

    def play_extend(self, move):
        number = self.number_of(move)
        said = self.book.extend(number, instant(move["to"]))
        self.expect(said, self.call("grant", "extend", number, "--to", move["to"]))
        return [move["project"]]

    def play_transfer(self, move):
        said, made = self.book.transfer(move["giver"], move["receiver"], points(move["points"]),
                                        move.get("across", False), move.get("key"))
        words = self.options(move, key="--key") + (["--across"] if move.get("across") else [])
        self.expect(said, self.call("transfer", move["giver"], move["receiver"], move["points"], *words))
        if made:
            self.number_pieces(move["receiver"], made)
        return [move["giver"], move["receiver"]]

    def number_pieces(self, receiver, made):
        """The receiver's new grants, in the order in which they were cut out of the giver's."""
        known = {grant.number for p in self.book.projects.values() for grant in p.purse.grants}
        listed = self.expect(Said(0), self.call("grant", "list", receiver))
        numbers = sorted(grant["id"] for grant in listed if grant["id"] not in known)
        if len(numbers) != len(made):
            raise Difference(f"the transfer made {len(numbers)} grants, not {len(made)}")
        for grant, number in zip(made, numbers):
            grant.number = number
            self.book.projects[receiver].purse.add(grant)
        self.book.expire(receiver)

    # --- records ----------------------------------------------------------------------------------

    def play_import(self, move):
        counts = dict.fromkeys(("booked", "amended", "duplicate", "quarantined"), 0)
        touched = set()
        records = [self.with_hold(record) for record in move["records"]]
        for record in records:
            fate = self.book.import_one(record)
            counts[fate] += 1
            touched |= self.projects_of(record)
        answer = self.call("import", "usage", "@", "--source", "model",
                           feed="".join(json.dumps(record) + "\n" for record in records))
        self.expect_counts(counts, answer)
        return touched

    def play_slurm(self, move):
        counts = dict.fromkeys(("booked", "amended", "duplicate", "quarantined", "skipped"), 0)
        touched = set()
        lines = [SACCT_HEADER]
        for row in move["rows"]:
            record = slurm_record(row)
            fate = "skipped" if row["state"] == "PENDING" else self.book.import_one(record)
            counts[fate] += 1
            touched |= self.projects_of(record)
            lines.append(slurm_line(row, self.book.calendar.zone))
        self.expect_counts(counts, self.call("import", "slurm", "@", "--cluster", "c", feed="".join(lines)))
        return touched

    def projects_of(self, record):
        named = record.get("project", "")
        return {self.book.aliases.get((record["source"], named), named),
                *(p.project for p in getattr(self.book.records.get((record["source"], record["id"])),
                                             "slices", ())),
                *(name for name, p in self.book.projects.items() if p.is_service)}

    def expect_counts(self, counts, answer):
        document = answer.get("document") or {}
        given = {name: document.get(name) for name in counts}
        status = 3 if counts["quarantined"] else 0
        if (given, answer["status"]) != (counts, status):
            raise Difference(f"counts {given}, exit code {answer['status']} ({answer['text']}), not {counts}, {status}")
        self.outcomes.update((self.verb, name) for name, count in counts.items() if count)

    def entries(self):
        return {(e["source"], e["id"]): e for e in self.call("quarantine", "list")["document"]}

    def play_retry(self, move):
        """All entries, or the one of a record."""
        listed = self.entries()
        keys = [key for key in sorted(listed, key=lambda k: listed[k]["n"])
                if "id" not in move or key == (move["source"], move["id"])]
        if "id" in move and not keys:
            return ()
        words = [listed[keys[0]]["n"]] if "id" in move else []
        counts = dict.fromkeys(("booked", "amended", "duplicate", "quarantined"), 0)
        touched = set()
        for key in keys:
            entry = self.book.quarantine[key]
            touched |= self.projects_of(entry.document)
            fate = self.book.import_one(entry.document)
            counts[fate] += 1
            if fate != "quarantined":
                entry.state = "resolved"
        self.expect_counts(counts, self.call("quarantine", "retry", *words))
        return touched

    def play_dismiss(self, move):
        entry = self.entries().get((move["source"], move["id"]))
        if entry is not None:
            self.book.quarantine[move["source"], move["id"]].state = "dismissed"
            self.expect(Said(0), self.call("quarantine", "dismiss", entry["n"]))

    def play_refund(self, move):
        micro = points(move["points"]) if move.get("points") is not None else None
        said = self.book.refund(move["source"], move["id"], micro)
        self.expect(said, self.call("refund", move["source"], move["id"], *self.options(move, points="--points")))
        record = self.book.records.get((move["source"], move["id"]))
        return {part.project for part in record.slices} if record else ()

    # --- holds ------------------------------------------------------------------------------------

    def hold_name(self, move):
        """By the key that it was made with, or by its place among all that were made."""
        if "nth" not in move:
            return "key:" + move["key"]
        holds = self.book.holds
        return f"h_{holds[move['nth']].number}" if move["nth"] < len(holds) else NO_HOLD

    def with_hold(self, record):
        name = record.get("hold", "")
        if name.startswith("nth:"):
            record = {**record, "hold": self.hold_name({"nth": int(name[4:])})}
        return record

    def play_hold(self, move):
        micro, user = points(move["points"]), move.get("user") or ""
        source, at_once = move.get("source", ""), move.get("at_once", 0)
        said, hold, decision = self.book.hold_make(move["project"], micro, user, move.get("key", ""),
                                                   move["ttl"] * 1_000_000, move["parts"], source, at_once)
        if source or at_once:
            answer = self.call("jobhold", move["project"], move["points"], user, move.get("key", ""), move["ttl"],
                               move["parts"], at_once, source)
        else:
            answer = self.call("hold", move["project"], move["points"], "--ttl", f"{move['ttl']}s", "--parts",
                               move["parts"], *self.options(move, user="--user", key="--key"))
        document = self.expect(said, answer)
        if decision is not None:
            self.expect_decision(decision, document)
        if hold is not None:
            hold.number = int(document["hold"][2:])
        return [move["project"]]

    def play_settle(self, move):
        name, key = self.hold_name(move), move.get("part", "")
        said, figures = self.book.hold_settle(name, points(move["points"]), not key, key)
        words = ["--part", "--key", key] if key else []
        document = self.expect(said, self.call("settle", name, move["points"], *words))
        if figures is not None:
            given = {k: points(v) if isinstance(v, str) else v for k, v in document["result"].items()}
            if given != figures:
                raise Difference(f"settle: {given}, not {figures}")
        return self.after_hold(name)

    def play_release(self, move):
        name = self.hold_name(move)
        document = self.expect(self.book.hold_release(name), self.call("release", name))
        del document
        return self.after_hold(name)

    def play_prolong(self, move):
        name = self.hold_name(move)
        said = self.book.hold_extend(name, move["ttl"] * 1_000_000)
        self.expect(said, self.call("hold", "extend", name, "--ttl", f"{move['ttl']}s"))
        return self.after_hold(name)

    def after_hold(self, name):
        self.compare_holds()
        hold = self.book.hold_named(name)
        return [hold.project] if hold else []

    def compare_holds(self):
        listed = self.call("hold", "list")["document"]
        given = {h["hold"]: (*(points(h[k]) for k in ("points", "held", "freed", "charged")), h["parts"],
                             h["ended_parts"], instant(h["expires_at"])) for h in listed}
        if given != self.book.open_holds():
            raise Difference(f"holds: {given}, not {self.book.open_holds()}")

    def play_begin(self, move):
        self.book.begin(move["source"], move["interval"] * 1_000_000)
        self.expect(Said(0), self.call("begin", move["source"], move["interval"]))
        self.compare_holds()

    def play_sweep(self, move):
        del move
        self.expect(Said(0, swept=self.book.sweep()), self.call("sweep"))
        self.compare_holds()

    # --- months -----------------------------------------------------------------------------------

    def play_shut(self, move):
        """A close: the gates first, then the close itself, if there is to be one."""
        month = tuple(int(part) for part in move["month"].split("-"))
        words = ["close", move["month"], *(["--accept-quarantine"] if move["quarantine"] else [])]
        if move["quiet"]:
            words += ["--accept-quiet", ",".join(self.quiet_sources())] if self.quiet_sources() else []
        again = self.book.asked_again(month)
        if again is not None:
            self.expect(again, self.call(*words))
            return
        is_open = self.compare_gates(move, month, self.call(*words, "--check"))
        if move["check"]:
            return
        if not is_open:
            self.expect(refused("month_open"), self.call(*words))
            return
        running = self.book.close(month)
        self.expect(Said(0, already=False, state="closed", running=running), self.call(*words))
        self.keep_closed(month)
        self.compare_all()

    def quiet_sources(self):
        return [row[0] for row in lt.query(self.db, SOURCES)]

    def compare_gates(self, move, month, answer):
        """True if none stands in the way. How far sources were read is the book's own knowledge."""
        document = answer.get("document")
        if document is None:
            raise Difference(f"gates: {answer}")
        given = {gate["name"]: gate["ok"] for gate in document["gates"]}
        wanted = self.book.gates(month, move["quarantine"])
        if move["quiet"]:
            wanted["sources"] = True
        if any(given[name] != ok for name, ok in wanted.items()):
            raise Difference(f"gates: {document['gates']}, not {wanted}")
        is_open = all(given.values())
        if answer["status"] != (0 if is_open else 1) or document["state"] != "open":
            raise Difference(f"gates: exit code {answer['status']}, {document}")
        self.outcomes.update((self.verb, name) for name, ok in given.items() if not ok)
        return is_open

    def keep_closed(self, month):
        self.kept = {key: row for key, *row in lt.query(self.db, CLOSED)}
        stored = json.loads(self.kept[month_text(month)][0])
        if stored["state"] != "closed":
            raise Difference(f"the report of {month} says {stored['state']}")
        self.compare_report(month, stored)

    def compare_report(self, month, document):
        given = {}
        for line in document["projects"]:
            columns = {name: points(line[name]) for name in REPORTED}
            columns["charged"] = {source: points(p) for source, p in line["charged"].items() if points(p)}
            if any(columns.values()):
                given[line["project"]] = columns
        wanted = self.book.report(month)
        if given != wanted:
            different = {name: (given.get(name), wanted.get(name)) for name in {*given, *wanted}
                         if given.get(name) != wanted.get(name)}
            raise Difference(f"report of {month_text(month)} (book, oracle): {different}")

    def compare_reports(self):
        """Open months as the oracle has them, closed ones byte for byte as they were stored."""
        stored = {key: row for key, *row in lt.query(self.db, CLOSED)}
        if stored != self.kept:
            raise Difference(f"stored reports: {stored}, not {self.kept}")
        for key, (text_stored, *_) in self.kept.items():
            if self.call("report", key)["document"] != json.loads(text_stored):
                raise Difference(f"the report of {key} is not the one that was stored")
        month = month_after(self.book.closed) if self.book.closed else (2027, 4)
        while month <= month_after(self.book.calendar.month(self.book.now)):
            document = self.call("report", month_text(month)).get("document")
            if document is None or document["state"] != "open":
                raise Difference(f"the report of {month} is {document}")
            self.compare_report(month, document)
            month = month_after(month)

    # --- questions --------------------------------------------------------------------------------

    def play_check(self, move):
        reason, violated = self.book.check(move["project"], points(move["points"]), move.get("user") or "")
        answer = self.call("check", move["project"], move["points"], *self.options(move, user="--user"))
        if answer["status"] != (1 if reason else 0):
            raise Difference(f"check: exit code {answer['status']}, {answer['text']}, not {reason}")
        self.expect_decision((reason, violated), answer["document"])

    def expect_decision(self, wanted, document):
        self.outcomes[self.verb, document["reason"] or 0] += 1
        given = {(v["limit"], v["name"], points(v["available"])) for v in document["violated"]}
        if (document["reason"], given) != wanted:
            raise Difference(f"decision: {document['reason']} {given}, not {wanted}")

    def play_quote(self, move):
        answer = self.call("rates", "quote", "@", feed=json.dumps(move["record"]) + "\n")
        quoted = answer["document"][0]
        try:
            name, rated = self.book.rate({**move["record"], "project": next(iter(self.book.projects))})
        except rating.Refused as why:
            if quoted.get("error") is None or not any(r in json.dumps(quoted["error"]) for r in why.reasons):
                raise Difference(f"quote: {quoted}, not {why}") from None
            return
        del name
        if points(quoted["points"]) != rated.booked(rated.end)[0]:
            raise Difference(f"quote: {quoted['points']}, not {text(rated.booked(rated.end)[0])}")

    def play_look(self, move):
        """Verbs that only tell: they must work, and change nothing."""
        for words in (["explain", move["source"], move["id"]], ["project", "list"], ["audit", "list"],
                      ["policy", "show"], ["rates", "show"], ["grant", "list"]):
            answer = self.call(*words)
            known = words[0] != "explain" or any((move["source"], move["id"]) in where for where in (
                self.book.records, self.book.running, self.book.quarantine))
            if answer["status"] not in ((0,) if known else (1,)):
                raise Difference(f"{' '.join(words)}: {answer['status']} {answer['text']}")

    # --- comparing --------------------------------------------------------------------------------

    def compare_balance(self, name):
        wanted = self.book.balance(name)
        answer = self.call("balance", name)
        document = answer.get("document")
        if document is None:
            raise Difference(f"balance {name}: {answer}")
        given = {key: points(document[key]) for key in ("posted", "accrued", "overdraft", "held", "available")}
        given["grants"] = {g["id"]: (points(g["points"]), points(g["remaining"]), instant(g["from"]),
                                     instant(g["to"]), g["state"]) for g in document["grants"]}
        if given != wanted:
            raise Difference(f"balance of {name}: " + "; ".join(
                f"{key} {given[key]}, not {wanted[key]}" for key in wanted if given[key] != wanted[key]))

    def compare_limits(self, name):
        listed = self.call("limit", "list", name)["document"]
        given = {(row["user"] or "", row["period"]): tuple(points(row[k]) for k in ("points", "charged", "accrued", "held"))
                 for row in listed}
        project = self.book.projects[name]
        wanted = {key: (micro, *self.book.limit_use(name, *key)) for key, micro in project.limits.items()}
        if given != wanted:
            raise Difference(f"limits of {name}: {given}, not {wanted}")

    def compare_quarantine(self):
        given = {key: entry["reason"] for key, entry in self.entries().items()}
        wanted = {key: entry.reasons for key, entry in self.book.quarantine.items() if entry.state == "open"}
        if set(given) != set(wanted) or any(reason not in wanted[key] for key, reason in given.items()):
            raise Difference(f"quarantine: {given}, not {wanted}")

    def compare_accounts(self):
        given = {name: int(micro) for name, micro in lt.query(self.db, ACCOUNTS) if int(micro)}
        wanted = {name: micro for name, micro in self.book.accounts.items() if micro}
        if sum(given.values()) != 0:
            raise Difference(f"all accounts add up to {sum(given.values())}")
        if given != wanted:
            different = {n: (given.get(n, 0), wanted.get(n, 0)) for n in {*given, *wanted}
                         if given.get(n, 0) != wanted.get(n, 0)}
            raise Difference(f"accounts (book, oracle): {different}")

    def compare_months(self):
        given = {tuple(row[:3]): (int(row[3]), int(row[4])) for row in lt.query(self.db, MONTHS)}
        wanted = self.book.months()
        if given != wanted:
            different = {key: (given.get(key), wanted.get(key)) for key in {*given, *wanted}
                         if given.get(key) != wanted.get(key)}
            raise Difference(f"months (book, oracle): {different}")

    def compare_all(self):
        for name in self.book.projects:
            self.compare_balance(name)
            if self.book.projects[name].limits:
                self.compare_limits(name)
        self.book.advance(instant(self.now))
        self.compare_holds()
        self.compare_quarantine()
        self.compare_accounts()
        self.compare_months()
        self.compare_reports()

    def verify(self):
        answer = self.call("verify")
        if answer["status"] != 0:
            bad = [check for check in answer["document"]["checks"] if not check["ok"]]
            raise Difference(f"verify: {bad} {answer['text']}")
