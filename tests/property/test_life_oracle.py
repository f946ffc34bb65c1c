"""Grants, charges, refunds, transfers and the passing of time in random order, against a plain model.

The model knows no segments and no stored sums: it keeps a list of grants and a list of charges, and asks
what each grant has paid by walking the charges in time. What the book says of balances, what remains of
each grant and what has expired must be the same, whatever the order of the commands and however late a
record is read; and verify must be clean. The seed is printed with a failure; LEDGER_SEED repeats it.
"""

import datetime
import os
import random
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("lib", "cli"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402

TOKYO = datetime.timezone(datetime.timedelta(hours=9))
BEGIN = datetime.datetime(2028, 2, 20, tzinfo=TOKYO)  # a leap February, and the fiscal year's end
DAYS = 60
ROUNDS = int(os.environ.get("LEDGER_ROUNDS", "4"))
STEPS = int(os.environ.get("LEDGER_STEPS", "45"))
YEAR_END = datetime.datetime(2028, 4, 1, tzinfo=TOKYO)


class Grant:
    def __init__(self, number, points, begin, end):
        self.number, self.points, self.begin, self.end = number, points, begin, end
        self.is_revoked = False

    def holds(self, t):
        return self.begin <= t < self.end


class Project:
    """What a project was given and what it used; amounts are whole points."""

    def __init__(self):
        self.grants = []
        self.uses = []  # (last instant, points), refunds by hand negative

    def settle(self, now):
        """(remaining by grant, debt): every use in time, then whoever comes later pays what was owed."""
        left = {grant.number: grant.points for grant in self.grants}
        order = sorted(self.grants, key=lambda g: (g.end, g.begin, g.number))
        edges = sorted({e for g in self.grants for e in (g.begin, g.end)})
        bounds = [None, *edges]
        debt = 0
        for i, since in enumerate(bounds):
            until = edges[i] if i < len(edges) else None
            wanted = sum(points for last, points in self.uses
                         if (since is None or last >= since) and (until is None or last < until))
            assert wanted >= 0
            owed = debt if since is None or since <= now else 0
            for grant in order:
                if since is not None and grant.holds(since):
                    paid = min(left[grant.number], owed + wanted)
                    left[grant.number] -= paid
                    owed_paid = min(paid, owed)
                    owed -= owed_paid
                    debt -= owed_paid
                    wanted -= paid - owed_paid
            debt += wanted
        return left, debt

    def expired(self, now):
        left, _ = self.settle(now)
        return sum(left[g.number] for g in self.grants if g.end <= now)

    def posted(self, now):
        return sum(g.points for g in self.grants) - sum(p for _, p in self.uses) - self.expired(now)

    def available(self, now):
        left, debt = self.settle(now)
        return sum(left[g.number] for g in self.grants if g.holds(now)) - debt


class Model:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.now = BEGIN
        self.projects = {"h1": Project(), "h2": Project()}
        self.jobs = []  # [id, project, last, points, refunded]
        self.log = []


def stamp(t):
    return t.isoformat(timespec="seconds")


class LifeOracleTest(unittest.TestCase):
    maxDiff = None

    def command(self, model, *words, stdin=None):
        words = [str(word) for word in words]
        model.log.append(f"{stamp(model.now)} {' '.join(words)} {stdin or ''}")
        code, out, err = lt.run_ctl([*words, "--json"], db=self.db, now=stamp(model.now), stdin=stdin)
        self.assertEqual(0, code, out + err)
        return lt.json.loads(out)

    def some_time(self, model, low, high):
        """A midnight, mostly: edges that meet are where things go wrong."""
        day = BEGIN + datetime.timedelta(days=model.random.randint(low, high))
        return day + datetime.timedelta(hours=model.random.choice((0, 0, 0, 12)))

    def step_grant(self, model):
        name = model.random.choice(list(model.projects))
        begin = min(self.some_time(model, -5, DAYS - 20), YEAR_END - datetime.timedelta(days=2))
        end = min(begin + datetime.timedelta(days=model.random.randint(1, 20)), YEAR_END)
        points = model.random.randint(1, 40)
        if model.now >= YEAR_END:
            return  # the pools have lapsed
        grant = self.command(model, "grant", name, points, "--from", stamp(begin), "--to", stamp(end))
        model.projects[name].grants.append(Grant(grant["id"], points, begin, end))

    def step_job(self, model):
        name = model.random.choice(list(model.projects))
        start = self.some_time(model, -3, DAYS - 2)
        start += datetime.timedelta(hours=model.random.choice((0, 3, 23)))
        hours = model.random.randint(1, 20)
        end = start + datetime.timedelta(hours=hours)
        if end.month != start.month and end != end.replace(day=1, hour=0):
            return  # one slice a job: months are tested elsewhere
        number = f"j{len(model.jobs)}"
        record = {"source": "slurm:x", "id": number, "project": name, "class": "gpu", "user": "u",
                  "start": stamp(start), "end": stamp(end), "state": "final", "outcome": "completed",
                  "qos": "normal", "meters": {"gpu": "1"}}
        self.command(model, "import", "usage", "-", "--source", "test", stdin=lt.json.dumps(record) + "\n")
        last = end - datetime.timedelta(microseconds=1)
        model.projects[name].uses.append((last, hours))
        model.jobs.append([number, name, last, hours, 0])

    def step_time(self, model):
        model.now += datetime.timedelta(hours=model.random.choice((12, 24, 48, 96)))
        if model.now.hour not in (0, 12):
            model.now = model.now.replace(hour=0)

    def step_revoke(self, model):
        name = model.random.choice(list(model.projects))
        project = model.projects[name]
        left, _ = project.settle(model.now)
        able = [g for g in project.grants if g.end > model.now and left[g.number] > 0 and not g.is_revoked]
        if able:
            grant = model.random.choice(able)
            points = model.random.randint(1, left[grant.number])
            self.command(model, "grant", "revoke", grant.number, "--points", points)
            grant.points -= points
            grant.is_revoked = points == left[grant.number]

    def step_extend(self, model):
        name = model.random.choice(list(model.projects))
        able = [g for g in model.projects[name].grants
                if g.end > model.now and g.end < YEAR_END and not g.is_revoked]
        if able:
            grant = model.random.choice(able)
            end = min(grant.end + datetime.timedelta(days=model.random.randint(1, 9)), YEAR_END)
            self.command(model, "grant", "extend", grant.number, "--to", stamp(end))
            grant.end = end

    def step_transfer(self, model):
        giver, receiver = model.random.sample(list(model.projects), 2)
        project = model.projects[giver]
        available = project.available(model.now)
        if available <= 0:
            return
        points = model.random.randint(1, available)
        self.command(model, "transfer", giver, receiver, points)
        left, _ = project.settle(model.now)
        known = {g.number for p in model.projects.values() for g in p.grants}
        made = [g for g in self.command(model, "grant", "list", receiver) if g["id"] not in known]
        for grant in sorted((g for g in project.grants if g.holds(model.now)),
                            key=lambda g: (g.end, g.begin, g.number)):
            moved = min(points, left[grant.number])
            if moved > 0:
                match = next(m for m in made if float(m["points"]) == moved and m["to"] == stamp(grant.end)
                             and m["from"] == stamp(grant.begin))
                made.remove(match)
                grant.points -= moved
                points -= moved
                model.projects[receiver].grants.append(Grant(match["id"], moved, grant.begin, grant.end))
        self.assertEqual((0, []), (points, made))

    def step_refund(self, model):
        """The model's plain rule: back to where it was drawn, unless that has ended: then to the next grant."""
        able = [job for job in model.jobs if job[3] > job[4]]
        if not able:
            return
        job = model.random.choice(able)
        number, name, last, charged, refunded = job
        project = model.projects[name]
        before = project.expired(model.now)
        points = model.random.randint(1, charged - refunded)
        project.uses.append((last, -points))
        gone = project.expired(model.now) - before
        if gone > 0:
            kept = points - gone
            project.uses[-1] = (last, -kept)
            if project.expired(model.now) != before:
                project.uses[-1] = (last, 0)
                kept = 0
            active = [g for g in project.grants if g.holds(model.now) and not g.is_revoked]
            future = [g for g in project.grants if g.begin > model.now and not g.is_revoked]
            if active:
                grant = min(active, key=lambda g: g.end)
            elif future:
                grant = min(future, key=lambda g: g.begin)
            else:
                project.uses.pop()  # credit: tested elsewhere
                return
            ties = [g for g in (active or future) if (g.end if active else g.begin) ==
                    (grant.end if active else grant.begin)]
            min(ties, key=lambda g: g.number).points += points - kept
        self.command(model, "refund", "slurm:x", number, "--points", points)
        job[4] += points

    def compare(self, model):
        for name, project in model.projects.items():
            book = self.command(model, "balance", name)
            left, _ = project.settle(model.now)
            self.assertEqual(
                {"posted": project.posted(model.now), "expired": project.expired(model.now),
                 "available": project.available(model.now),
                 "left": {g.number: left[g.number] for g in project.grants if g.end > model.now}},
                {"posted": float(book["posted"]), "expired": float(book["expired"]),
                 "available": float(book["available"]),
                 "left": {g["id"]: float(g["remaining"]) for g in book["grants"]
                          if datetime.datetime.fromisoformat(g["to"]) > model.now}},
                name)

    def run_round(self, seed):
        self.db = site.new_book("oracle")
        model = Model(seed)
        steps = [self.step_grant] * 4 + [self.step_job] * 6 + [self.step_time] * 5 + \
            [self.step_revoke, self.step_extend, self.step_transfer, self.step_refund]
        for _ in range(STEPS):
            model.random.choice(steps)(model)
            self.compare(model)
        model.now = YEAR_END + datetime.timedelta(days=1)
        self.compare(model)
        code, out, err = lt.run_ctl(["verify"], db=self.db, now=stamp(model.now))
        self.assertEqual(0, code, out + err)
        lt.drop_db(self.db)
        return model

    def test_the_book_agrees_with_a_plain_model(self):
        first = int(os.environ.get("LEDGER_SEED", "1"))
        for seed in range(first, first + ROUNDS):
            self.model = None
            try:
                self.run_round(seed)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}\n{error}") from error


if __name__ == "__main__":
    unittest.main()
