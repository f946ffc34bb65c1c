"""What a project has, by the plainest means: its grants and its uses, walked through in time.

Nothing is stored but what was given and what was used; every question walks all of it again. A use
draws on the grants valid at its last instant: earliest end first, then earliest begin, then id. What
they do not cover is owed, and the next valid grant pays it before anything else. What is given back
fills the grants that were drawn, the last one first; what none can take stands to the project's credit.
Amounts are whole micro-points, times are whole microseconds since 1970.
"""

FUTURE, ACTIVE, EXPIRED, REVOKED = "future", "active", "expired", "revoked"


class Grant:
    def __init__(self, number, points, begin, end, share, year):
        self.number, self.points, self.begin, self.end = number, points, begin, end
        self.share, self.year = share, year
        self.granted = points
        self.is_revoked = False
        self.sink = 0  # expired, to where nothing returns from
        self.pool = 0  # expired, back to its pool
        self.is_settled = False

    def holds(self, t):
        return self.begin <= t < self.end

    def state(self, now):
        if self.is_revoked:
            return REVOKED
        if now < self.begin:
            return FUTURE
        return ACTIVE if now < self.end else EXPIRED


def draw_order(grant):
    return grant.end, grant.begin, grant.number


class Purse:
    """The grants of a project, and what was used of them at which instant."""

    def __init__(self):
        self.grants = []
        self.uses = []  # (last instant, micro-points), negative for what came back
        self.edges = set()  # every begin and end that a grant has ever had

    def add(self, grant):
        self.grants.append(grant)
        self.edges |= {grant.begin, grant.end}

    def extend(self, grant, end):
        grant.end = end
        self.edges.add(end)

    def segments(self):
        """(since, sum of the uses) from edge to edge; the first one has no beginning."""
        edges = sorted(self.edges)
        sums = dict.fromkeys([None, *edges], 0)
        for last, micro in self.uses:
            since = None
            for edge in edges:
                if edge <= last:
                    since = edge
            sums[since] += micro
        return list(sums.items())

    def walk(self, now):
        """(what is left of each grant by number, what is owed: negative if it is credit)."""
        left = {grant.number: grant.points for grant in self.grants}
        order = sorted(self.grants, key=draw_order)
        owed = 0
        for since, wanted in self.segments():
            valid = [g for g in order if since is not None and g.holds(since)]
            if owed > 0 and (since is None or since <= now):
                owed = draw(valid, left, owed)
            if owed > 0 > wanted:  # what comes back pays what is owed
                paid = min(owed, -wanted)
                owed, wanted = owed - paid, wanted + paid
            elif owed < 0 < wanted:  # credit is spent before any grant
                paid = min(-owed, wanted)
                owed, wanted = owed + paid, wanted - paid
            if wanted > 0:
                owed += draw(valid, left, wanted)
            else:
                owed -= refill(valid, left, -wanted)
        return left, owed

    def available(self, now):
        """Of grants valid now, less what is owed; accruals, holds and overdraft are not in it."""
        left, owed = self.walk(now)
        return sum(left[g.number] for g in self.grants if g.state(now) == ACTIVE) - owed

    def lapsed(self, now):
        left, _ = self.walk(now)
        return sum(left[g.number] for g in self.grants if g.state(now) == EXPIRED)

    def with_use(self, use, question):
        """The answer to a question were there one more use."""
        self.uses.append(use)
        answer = question()
        self.uses.pop()
        return answer


def draw(valid, left, wanted):
    """Takes from the grants in order; what they could not give."""
    for grant in valid:
        taken = min(left[grant.number], wanted)
        if taken > 0:
            left[grant.number] -= taken
            wanted -= taken
    return wanted


def refill(valid, left, given):
    """Gives back to the grants that were drawn, the last one first; what none could take."""
    for grant in reversed(valid):
        filled = min(grant.points - left[grant.number], given)
        if filled > 0:
            left[grant.number] += filled
            given -= filled
    return given
