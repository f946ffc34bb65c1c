"""The book as it must be: what was acknowledged, kept apart from the book and by rules of its own.

A request is acknowledged, refused, or unknown until it is asked again. What the servers may have done with
an unknown one is no guess of the model's: whoever sends it asks again until the answer is known.
"""

import book

OPEN, SETTLED, RELEASED = "open", "settled", "released"
SHORT_SECONDS = 1


class Wrong(AssertionError):
    """The servers contradict the model, or themselves."""


class Hold:
    """A hold as its caller knows it; body is what was sent."""

    def __init__(self, key, project, points, parts, body, ttl_seconds):
        self.key, self.project, self.points, self.parts, self.body = key, project, points, parts, body
        self.ttl_seconds = ttl_seconds
        self.id, self.state = None, None
        self.left = points   # what it still reserves, before accruals take the place of some of it
        self.ended_parts = 0
        self.accrual = None  # (source, id) of the running record that names it
        self.final_points = None
        self.part_keys = 0
        self.vague, self.deadline = False, None  # in whole seconds; vague: it may have been extended twice

    def open(self):
        return self.state == OPEN

    def short(self):
        """Its deadline passes before the book is compared."""
        return self.ttl_seconds <= SHORT_SECONDS

    def spent_part(self, charged):
        """A part of it ended with this charge; a lease, or a settlement of less than its only part, shrinks."""
        self.left -= min(charged, self.left)

    def end_part(self):
        self.ended_parts += 1
        if self.ended_parts == self.parts:
            self.end(SETTLED)
        else:
            self.left -= min(self.points // self.parts, self.left)

    def end(self, state):
        self.state, self.left = state, 0


class Model:
    def __init__(self, grants):
        self.granted = {project: granted * 1000000 for project, granted in grants.items()}
        self.holds = {}      # by key: those that were made
        self.refused = set() # keys
        self.charges = {}    # (source, id) -> (project, micro-points)
        self.accruals = {}   # (source, id) -> (project, micro-points, hold or None)

    # --- what callers report ---------------------------------------------------------------------

    def made(self, hold, answer):
        document = answer.json()
        if hold.id is None:
            hold.id, hold.state, hold.deadline = document["hold"], OPEN, book.seconds(document["expires_at"])
            self.holds[hold.key] = hold
            self.refused.discard(hold.key)
        got = (document["hold"], book.micro(document["points"]), document["parts"])
        if got != (hold.id, hold.points, hold.parts):
            raise Wrong(f"hold {hold.key}: {got}, not {(hold.id, hold.points, hold.parts)}")

    def extended(self, hold, answers, unsure):
        """What is asked twice, or may still be on its way, moves the deadline when it comes."""
        hold.vague = hold.vague or unsure or len(answers) > 1
        hold.deadline = None if hold.vague else book.seconds(answers[0].json()["expires_at"])

    def settled(self, hold, points):
        self.charge("hold", hold.id, hold.project, points)
        hold.final_points = points
        hold.end(SETTLED)

    def settled_part(self, hold, key, points):
        self.charge("hold", f"{hold.id}/{key}", hold.project, points)
        if hold.parts >= 2:
            hold.end_part()
        else:
            hold.spent_part(points)

    def charge(self, source, record, project, points):
        self.charges[source, record] = (project, points)
        self.accruals.pop((source, record), None)

    def recorded(self, hold, charged, ends=True):
        """A final record that names the hold was booked."""
        if not hold.open():
            return
        hold.accrual = None
        if hold.parts == 0:
            hold.spent_part(charged)
        elif ends:
            hold.end_part()

    def running(self, source, record, project, points, hold):
        self.accruals[source, record] = (project, points, hold)
        if hold is not None:
            hold.accrual = (source, record)

    # --- what the book must say -------------------------------------------------------------------

    def held(self, hold):
        """What a hold takes from its project's available points, its deadline apart."""
        if not hold.open():
            return 0
        covered = 0
        if hold.accrual is not None:
            covered = min(self.accruals[hold.accrual][1], hold.left)
        return hold.left - covered

    def position(self, project):
        """Posted, accrued and held of a project once the short holds' deadlines have passed."""
        posted = self.granted[project] - sum(p for name, p in self.charges.values() if name == project)
        accrued = sum(a[1] for a in self.accruals.values() if a[0] == project)
        held = sum(self.held(h) for h in self.holds.values() if h.project == project and not h.short())
        return {"posted": posted, "accrued": accrued, "held": held}

    def compare(self, db):
        """Every hold, record and accrual, one by one."""
        self.compare_holds(book.holds(db))
        same("charges", {k: v for k, v in self.charges.items() if v[1] != 0},
             {k: v for k, v in book.charges(db).items() if v[1] != 0})
        same("records", {k: 1 for k in self.charges}, book.identities(db))
        same("accruals", {k: v[1] for k, v in self.accruals.items()}, book.accruals(db))

    def compare_holds(self, found):
        keys = [row[1] for row in found]
        if len(keys) != len(set(keys)):
            raise Wrong("a hold is in the book twice")
        for key in set(keys) - set(self.holds):
            raise Wrong(f"hold {key} is in the book and was {'refused' if key in self.refused else 'never made'}")
        for key in set(self.holds) - set(keys):
            raise Wrong(f"hold {key} ({self.holds[key].id}) was acknowledged and is gone")
        for number, key, project, points, held, ended, state, deadline in found:
            hold = self.holds[key]
            states = (hold.state, "expired") if hold.short() else (hold.state,)
            expected = (hold.id, hold.project, hold.points, hold.ended_parts,
                        0 if state == "expired" else self.held(hold))
            got = (number, project, points, ended if hold.open() else hold.ended_parts, held)
            if hold.deadline is not None and deadline != hold.deadline:
                raise Wrong(f"hold {key}: ends at {deadline}, not at {hold.deadline} as was answered")
            if got != expected or state not in states:
                raise Wrong(f"hold {key}: the book has {got} {state}, not {expected} {hold.state}")


def same(what, expected, got):
    """Two dicts are equal; else the first differences."""
    if expected == got:
        return
    wrong = [f"{key}: {got.get(key)}, not {expected.get(key)}"
             for key in sorted(set(expected) | set(got), key=str) if expected.get(key) != got.get(key)]
    raise Wrong(f"{what}: {len(wrong)} differ: " + "; ".join(wrong[:10]))
