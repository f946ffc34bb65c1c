"""Holds as the contract tells of them: points that are reserved, and what records and callers make of them.

A part of the book oracle. What a hold takes from its project is worked out anew for every question: its
points, less what was freed, less what running work has taken the place of; nothing from its deadline on.
"""

from book_parts import WRONG, Said, Slice, instant, refused

OPEN, SETTLED, RELEASED, LAPSED = "open", "settled", "released", "expired"
TTL_MAX = 366 * 86400 * 1_000_000
ENDS_NO_PART = ("requeued", "node_fail")


class Hold:
    def __init__(self, project, user, key, micro, parts, expires, made, source="", at_once=0, fresh=None):
        self.number = None
        self.made, self.source, self.fresh = made, source, {} if fresh is None else fresh
        self.slots = max(1, min(parts, at_once or parts))  # parts that it reserves for
        self.project, self.user, self.key = project, user, key
        self.points, self.parts, self.expires = micro, parts, expires
        self.freed = self.ended = self.charged = 0
        self.state = OPEN
        self.final = None  # points of the settlement that ended it

    @property
    def rest(self):
        return self.points - self.freed

    def part(self):
        """The points of one part: all that is left for the last one."""
        if self.parts == 0 or self.ended + 1 >= self.parts:
            return self.rest
        return min(self.rest, self.points // self.slots)

    def end_of_part(self):
        """What the end of a part frees: nothing while as many as may run at a time are still to come."""
        return self.part() if self.parts - self.ended <= self.slots else 0

    def is_live(self, now):
        """The deadline of a source that has not confirmed that time stands still."""
        return self.state == OPEN and (self.expires > now or self.fresh.get(self.source, self.expires) < self.expires)

    def free(self, micro, is_end):
        self.freed += micro
        self.ended += is_end and self.ended < self.parts
        if self.parts > 0 and self.ended == self.parts:
            self.state = SETTLED


class Running:
    """The accrual of a record that runs."""

    def __init__(self, document, project, slices, booked):
        self.document, self.end, self.user = document, instant(document["end"]), document.get("user", "")
        self.project, self.slices = project, slices
        self.booked = booked  # slices that closes have posted
        self.hold, self.covered = None, 0

    def rest(self, counts):
        """The cost of the slices that count, less what is booked of them."""
        return max(0, sum(part.micro for part in self.slices if counts(part)) -
                   sum(part.micro for part in self.booked if counts(part)))

    @property
    def cost(self):
        return sum(part.micro for part in self.slices)

    @property
    def micro(self):
        return self.rest(lambda part: True)


class Holds:
    """What the book knows of holds."""

    def __init__(self):
        self.holds = []
        self.hold_keys = {}  # key: (request, hold)
        self.fresh = {}  # source: when what it confirmed is over
        self.part_keys = {}  # key of a settlement in part: (request, result)
        self.ended_by = {}  # record: [what its events have charged, whether it has ended a part]

    # --- looking ----------------------------------------------------------------------------------

    def held_by(self, hold):
        if not hold.is_live(self.now):
            return 0
        return max(0, hold.rest - sum(r.covered for r in self.running.values() if r.hold is hold))

    def held(self, project, user=""):
        return sum(self.held_by(hold) for hold in self.holds
                   if hold.project == project and user in ("", hold.user))

    def share_held(self, share):
        return sum(self.held_by(hold) for hold in self.holds if self.projects[hold.project].share == share)

    def hold_named(self, name):
        """By id or "key:KEY"; None if there is none."""
        if name.startswith("key:"):
            return self.hold_keys.get(name[4:], (None, None))[1]
        return next((hold for hold in self.holds if f"h_{hold.number}" == name), None)

    def open_holds(self, project=None):
        return {f"h_{h.number}": (h.points, self.held_by(h), h.freed, h.charged, h.parts, h.ended, h.expires)
                for h in self.holds if h.is_live(self.now) and project in (None, h.project)}

    # --- verbs ------------------------------------------------------------------------------------

    def hold_make(self, project, micro, user="", key="", ttl=900_000_000, parts=1, source="", at_once=0):
        """(said, the new hold without its number or None, what is violated)."""
        request = (project, micro, user, ttl, parts, source, at_once)
        if micro < 0 or not 0 < ttl <= TTL_MAX or key.startswith("h_"):
            return WRONG, None, None
        if key in self.hold_keys:
            first, hold = self.hold_keys[key]
            if first != request:
                return refused("key_differs"), None, None
            return Said(0, repeated=True, hold=f"h_{hold.number}"), None, None
        reason, violated = self.check(project, micro, user)
        if reason is not None:
            return Said(1), None, (reason, violated)
        if self.projects[project].is_service:
            micro = 0
        hold = Hold(project, user, key, micro, parts, self.now + ttl, self.now, source, at_once, self.fresh)
        self.holds.append(hold)
        if key:
            self.hold_keys[key] = request, hold
        return Said(0, repeated=False, points=micro, held=micro), hold, None

    def hold_release(self, name):
        hold = self.hold_named(name)
        if hold is None:
            return refused("unknown_hold")
        if hold.state == SETTLED:
            return refused("hold_resolved")
        if hold.state in (OPEN, LAPSED):
            hold.freed = hold.points
            hold.state = RELEASED
        return Said(0, state=RELEASED)

    def sweep(self):
        """Notes the holds whose deadline has passed; how many."""
        over = [hold for hold in self.holds if hold.state == OPEN and not hold.is_live(self.now)]
        for hold in over:
            hold.freed = hold.points
            hold.state = LAPSED
        return len(over)

    def begin(self, source, interval):
        """The source has confirmed what it sees; deadlines get what they had left when it became stale."""
        stale = self.fresh.get(source, self.now)
        for hold in self.holds if stale < self.now else ():
            if hold.source == source and hold.state == OPEN and hold.expires > stale:
                hold.expires += self.now - max(stale, hold.made)
        self.fresh[source] = self.now + 3 * interval

    def hold_extend(self, name, ttl):
        hold = self.hold_named(name)
        if not 0 < ttl <= TTL_MAX:
            return WRONG
        if hold is None:
            return refused("unknown_hold")
        if not hold.is_live(self.now):
            return refused("hold_resolved")
        hold.expires = self.now + ttl
        return Said(0, state=OPEN)

    def hold_settle(self, name, micro, is_final=True, key=""):
        """(said, the settlement's own figures)."""
        hold = self.hold_named(name)
        if micro < 0 or is_final == bool(key):
            return WRONG, None
        if hold is None:
            return refused("unknown_hold"), None
        request = (hold.number, micro)
        if is_final and hold.final is not None and hold.final[0] == micro:
            return Said(0), {**hold.final[1], "repeated": True}
        if not is_final and key in self.part_keys:
            first, figures = self.part_keys[key]
            return (Said(0), {**figures, "repeated": True}) if first == request else \
                (refused("key_differs"), None)
        if hold.state not in (OPEN, LAPSED):
            return refused("hold_resolved"), None
        figures = self.settle(hold, micro, is_final, key)
        if is_final:
            hold.final = micro, figures
        else:
            self.part_keys[key] = request, figures
        return Said(0), figures

    def settle(self, hold, micro, is_final, key):
        before = self.held_by(hold)
        if is_final:
            hold.free(hold.rest, True)
            hold.state = SETTLED
        elif hold.parts > 1:
            hold.free(hold.end_of_part(), True)
        else:
            hold.free(min(hold.rest, micro), False)
        hold.charged += micro
        self.book_settlement(hold, f"h_{hold.number}" + ("" if is_final else f"/{key}"), micro)
        given = before - self.held_by(hold) - micro
        return {"charged": micro, "freed": max(given, 0), "overspent": max(-given, 0), "repeated": False}

    def book_settlement(self, hold, identity, micro):
        """A record like any other, but for its price."""
        record = self.new_record("hold", identity)
        record.slices = [Slice(hold.project, hold.user, "hold", "hold", self.calendar.month(self.now), self.now,
                               micro, self.sink("hold", "hold", hold.project))]
        self.charge(record.slices[0], micro)
        self.expire(hold.project)

    # --- records that name holds ------------------------------------------------------------------

    def hold_of(self, document, project):
        """The hold that a record names, if it is one of its project's and still open."""
        name = document.get("hold", "")
        hold = self.hold_named(name if name.startswith("h_") else f"key:{name}") if name else None
        return hold if hold is not None and hold.project == project and hold.is_live(self.now) else None

    def cover(self, running, document):
        """Running work takes the place of as much of its part as it has cost."""
        hold = self.hold_of(document, running.project)
        if hold is not None:
            running.hold = hold
            others = sum(r.covered for r in self.running.values() if r.hold is hold and r is not running)
            running.covered = max(0, min(running.cost, hold.part(), hold.rest - others))

    def end_part(self, key, document, project, micro):
        """What a final record, or another version of it, does to the hold that it names."""
        hold = self.hold_of(document, project)
        if hold is None:
            return
        charged, has_ended = self.ended_by.setdefault(key, [0, False])
        more = micro - charged
        hold.charged += more
        self.ended_by[key][0] = micro
        if hold.parts == 0:
            hold.free(max(0, min(hold.rest, more)), False)
        elif document.get("outcome") not in ENDS_NO_PART and not has_ended:
            self.ended_by[key][1] = True
            hold.free(hold.end_of_part(), True)
