"""The whole book as plain Python: what every verb must answer, and what every account then holds.

It was written from the contract. Nothing is kept in sums that could be added up again: balances come from
a dictionary of accounts that every verb posts to, what remains of grants from walking them (grants_oracle),
what records cost from the exact rating (rate_oracle). Each verb returns what ledgerctl must say: its exit
code and, for a refusal, its reason; names and figures of the answer where there are some to compare.
Amounts are micro-points, times are microseconds since 1970.
"""

import json
from fractions import Fraction

import rate_oracle as rating
from book_parts import MICRO, WRONG, Calendar, Entry, Policy, Pool, Project, Record, Said, Slice, instant, \
    points, refused
from grants_oracle import ACTIVE, EXPIRED, FUTURE, Grant, draw_order
from holds_oracle import Holds, Running
from months_oracle import Months


class Book(Holds, Months):
    def __init__(self, zone="Asia/Tokyo", first_month=4):
        Holds.__init__(self)
        Months.__init__(self)
        self.calendar = Calendar(zone, first_month)
        self.now = 0
        self.accounts = {}
        self.policies, self.cards, self.card_documents = [], [], []
        self.supply = {}  # id: (year, policy it was split by, entry)
        self.pools = {}
        self.projects = {}
        self.aliases, self.services = {}, {}
        self.records, self.running, self.quarantine = {}, {}, {}
        self.spent = {}  # (share, year): micro, charges less refunds
        self.grant_keys, self.move_keys = {}, {}
        self.latest = 0  # end of the latest record that was booked: what runs is not booked yet

    # --- accounts and pools -----------------------------------------------------------------------

    def post(self, debit, credit, micro, kind=None, month=None, source=""):
        """A transfer; of those that reach projects, the kind and the month that it belongs to."""
        for account, change in ((debit, -micro), (credit, micro)):
            self.accounts[account] = self.accounts.get(account, 0) + change
            self.note(account, kind, month, source, change)

    def pool(self, share, year):
        return self.pools.setdefault((share, year), Pool())

    @staticmethod
    def pool_account(share, year):
        return f"pool/{share}/{year}"

    def account(self, name):
        return f"{'service' if self.projects[name].is_service else 'project'}/{name}"

    def posted(self, name):
        return self.accounts.get(self.account(name), 0)

    def policy_at(self, t):
        known = [p for p in self.policies if p.begin <= t]
        return max(known, key=lambda p: p.begin) if known else None

    def policy_for_acts(self):
        """The policy in force now; before the first one begins, that one."""
        return self.policy_at(self.now) or min(self.policies, key=lambda p: p.begin, default=None)

    # --- time -------------------------------------------------------------------------------------

    def advance(self, now):
        """What ends by now is posted before any verb runs."""
        self.now = now
        for name, project in self.projects.items():
            if any(g.end <= now and not g.is_settled for g in project.purse.grants):
                self.expire(name)
        self.lapse()

    def expire(self, name):
        """What is left of grants that have ended goes where the policy of that instant says."""
        purse = self.projects[name].purse
        if not any(g.end <= self.now or g.is_settled for g in purse.grants):
            return
        left, _ = purse.walk(self.now)
        for grant in purse.grants:
            if grant.end > self.now and not grant.is_settled:
                continue
            policy = self.policy_at(grant.end)
            returns = policy is not None and policy.on_expiry == "pool" and \
                grant.end < self.calendar.year_edges(grant.year)[1]
            change = left[grant.number] - grant.sink - grant.pool
            first, second = ("pool", "sink") if returns else ("sink", "pool")
            part = max(change, -getattr(grant, first))
            self.move_expiry(name, grant, first, part)
            self.move_expiry(name, grant, second, change - part)
            grant.is_settled = True

    def move_expiry(self, name, grant, where, micro):
        setattr(grant, where, getattr(grant, where) + micro)
        moved = "expire", self.calendar.month(grant.end - 1)
        if where == "pool":
            self.pool(grant.share, grant.year).net -= micro
            self.post(self.account(name), self.pool_account(grant.share, grant.year), micro, *moved)
        else:
            self.post(self.account(name), f"expired/{grant.share}", micro, *moved)

    def lapse(self):
        """What a pool has not granted when its year ends."""
        for (share, year), pool in self.pools.items():
            if self.calendar.year_edges(year)[1] <= self.now:
                rest = self.accounts.get(self.pool_account(share, year), 0)
                change = max(rest, -pool.lapsed)
                pool.lapsed += change
                self.post(self.pool_account(share, year), f"expired/{share}", change)

    # --- policies and cards -----------------------------------------------------------------------

    def dated(self, known, name, begin, document, retroactive):
        """What stands against a new policy or card; "same" if it is there already."""
        for other in known:
            if instant(other["effective_from"]) == begin:
                if other != document:
                    return "other"
                return "same"
        if not retroactive and self.latest > begin:
            return "retroactive"
        return None

    def policy_apply(self, document, retroactive=False):
        policy = Policy(document)
        against = self.dated([p.document for p in self.policies], policy.name, policy.begin, document,
                             retroactive)
        if against == "same":
            return Said(0, unchanged=True)
        if against == "other":
            return refused("policy_differs", "policy_date_taken")
        if against == "retroactive":
            return refused("retroactive")
        kept = list(self.policies)
        self.policies.append(policy)
        fresh = []
        for entry in document.get("supply", []):
            if entry["id"] in self.supply:
                if self.supply[entry["id"]][2] != entry:
                    self.policies = kept
                    return refused("supply_differs")
                continue
            fresh.append(entry)
        for entry in fresh:
            total = points(Fraction(entry["count"]) * Fraction(entry["hours"]) *
                           Fraction(entry["points_per_hour"]))
            split_by = self.policy_at(instant(entry["from"]))
            self.supply[entry["id"]] = (entry["fiscal_year"], split_by, entry)
            self.mint(entry["fiscal_year"], split_by.split(total))
        return Said(0, unchanged=False)

    def mint(self, year, parts):
        for share, micro in parts.items():
            self.pool(share, year).supply += micro
            self.post("supply", self.pool_account(share, year), micro)

    def supply_adjust(self, supply, micro):
        if supply not in self.supply:
            return refused("unknown_supply")
        year, split_by, _ = self.supply[supply]
        parts = split_by.split(micro)
        policy = self.policy_for_acts()
        for share, part in parts.items():
            pool = self.pool(share, year)
            left = pool.left(policy.factor(share), part)
            if part < 0 and (left < -pool.lapsed or pool.supply + part < 0):
                return refused("over_pool")
        self.mint(year, parts)
        self.lapse()
        return Said(0)

    def rates_apply(self, document, retroactive=False):
        against = self.dated(self.card_documents, document["card"], instant(document["effective_from"]),
                             document, retroactive)
        if against == "same":
            return Said(0, unchanged=True)
        if against == "other":
            return refused("card_differs", "card_date_taken")
        if against == "retroactive":
            return refused("retroactive")
        self.card_documents.append(document)
        card = rating.card_read(document)
        card["refund"] = document.get("refund", {})
        self.cards.append(card)
        return Said(0, unchanged=False)

    # --- projects ---------------------------------------------------------------------------------

    def project_add(self, name, share=None, services=()):
        known = self.projects.get(name)
        if known is None and share is not None:
            current = self.policy_for_acts()
            if current is None:
                return refused("no_policy")
            if not any(share in dict(p.fractions) for p in self.policies if p.begin >= current.begin):
                return refused("unknown_share")
        if known is not None:
            if known.share != share:
                return refused("project_differs")
            if known.is_closed:
                return refused("project_closed")
        for pattern in services:
            if self.services.get(pattern, name) != name:
                return refused("service_taken")
        changed = known is None
        for pattern in services:
            changed = changed or pattern not in self.services
            self.services[pattern] = name
        if known is None:
            self.projects[name] = Project(share)
        return Said(0, unchanged=not changed)

    def find(self, name):
        project = self.projects.get(name)
        return (project, None) if project is not None else (None, refused("unknown_project"))

    def project_close(self, name):
        project, no = self.find(name)
        if no:
            return no
        unchanged, project.is_closed = project.is_closed, True
        return Said(0, unchanged=unchanged)

    def project_alias(self, name, source, alias):
        project, no = self.find(name)
        if no:
            return no
        unchanged = self.aliases.get((source, alias)) == name
        self.aliases[source, alias] = name
        return Said(0, unchanged=unchanged)

    def member_add(self, name, user, role="member"):
        project, no = self.find(name)
        if no:
            return no
        unchanged = project.members.get(user) == role
        project.members[user] = role
        return Said(0, unchanged=unchanged)

    def member_remove(self, name, user):
        project, no = self.find(name)
        return no or Said(0, unchanged=project.members.pop(user, None) is None)

    def overdraft(self, name, micro):
        project, no = self.find(name)
        if no:
            return no
        if project.is_service:
            return refused("is_service")
        unchanged, project.overdraft = project.overdraft == micro, micro
        return Said(0, unchanged=unchanged)

    def limit_set(self, name, user, period, micro):
        project, no = self.find(name)
        if no:
            return no
        if project.is_service:
            return refused("is_service")
        unchanged = project.limits.get((user, period)) == micro
        project.limits[user, period] = micro
        return Said(0, unchanged=unchanged)

    def limit_clear(self, name, user, period=None):
        project, no = self.find(name)
        if no:
            return no
        if project.is_service:
            return refused("is_service")
        gone = [key for key in project.limits if key[0] == user and period in (None, key[1])]
        for key in gone:
            del project.limits[key]
        return Said(0, cleared=len(gone))

    # --- grants -----------------------------------------------------------------------------------

    def grant(self, name, micro, begin=None, end=None, lender=None, key=None):
        """Said, and the grant (its number is still to be filled in)."""
        request = (name, micro, begin, end, lender)
        if micro <= 0:
            return WRONG, None
        if key in self.grant_keys:
            first, grant = self.grant_keys[key]
            if first != request:
                return refused("key_differs"), None
            return Said(0, repeated=True, id=grant.number), None
        project, no = self.find(name)
        if no:
            return no, None
        if project.is_service:
            return refused("is_service"), None
        if project.is_closed:
            return refused("project_closed"), None
        begin = self.now if begin is None else begin
        year = self.calendar.year(begin)
        close = self.calendar.year_edges(year)[1]
        end = close if end is None else end
        if end <= begin or end > close:
            return WRONG, None
        no = self.loan_refused(project, micro, year, lender)
        if no:
            return no, None
        self.lend(lender, project.share, year, micro)
        grant = Grant(None, micro, begin, end, project.share, year)
        self.pool(project.share, year).net += micro
        self.post(self.pool_account(project.share, year), self.account(name), micro, "grant",
                  self.calendar.month(begin))
        if key is not None:
            self.grant_keys[key] = request, grant
        return Said(0, repeated=False), grant

    def loan_refused(self, project, micro, year, lender):
        policy = self.policy_for_acts()
        pool = self.pool(project.share, year)
        lent = 0
        if lender is not None:
            if lender == project.share:
                return WRONG
            if lender not in dict(policy.fractions):
                return refused("unknown_share")
            giver = self.pool(lender, year)
            if giver.left(policy.factor(lender), -micro) < 0 or giver.supply < micro:
                return refused("over_pool")
            lent = micro
        if pool.left(policy.factor(project.share), lent) < micro:
            return refused("over_pool")
        return None

    def lend(self, lender, share, year, micro):
        if lender is not None:
            self.pool(lender, year).supply -= micro
            self.pool(share, year).supply += micro
            self.post(self.pool_account(lender, year), self.pool_account(share, year), micro)

    def granted(self, name, grant):
        """The grant has its number: it counts from now on."""
        self.projects[name].purse.add(grant)
        self.expire(name)

    def find_grant(self, number):
        for name, project in self.projects.items():
            for grant in project.purse.grants:
                if grant.number == number:
                    return name, grant
        return None, None

    def revoke(self, number, micro=None):
        name, grant = self.find_grant(number)
        if micro is not None and micro <= 0:
            return WRONG
        if grant is None:
            return refused("unknown_grant")
        left = self.projects[name].purse.walk(self.now)[0][number]
        if grant.state(self.now) == EXPIRED or left <= 0:
            return refused("grant_over")
        taken = left if micro is None else micro
        if taken > left:
            return refused("over_remaining")
        grant.points -= taken
        grant.is_revoked = grant.is_revoked or taken == left
        self.pool(grant.share, grant.year).net -= taken
        self.post(self.account(name), self.pool_account(grant.share, grant.year), taken, "revoke",
                  self.calendar.month(self.now))
        self.expire(name)
        return Said(0)

    def extend(self, number, end):
        name, grant = self.find_grant(number)
        if grant is None:
            return refused("unknown_grant")
        if grant.state(self.now) not in (FUTURE, ACTIVE):
            return refused("grant_over")
        if end <= grant.end or end > self.calendar.year_edges(grant.year)[1]:
            return WRONG
        self.projects[name].purse.extend(grant, end)
        self.expire(name)
        return Said(0)

    # --- transfers between projects ---------------------------------------------------------------

    def transfer(self, giver, receiver, micro, across=False, key=None):
        """Said, and the grants that the receiver got, in order (their numbers are still to be filled in)."""
        request = (giver, receiver, micro, across)
        if micro <= 0 or giver == receiver:
            return WRONG, []
        if key in self.move_keys:
            return (Said(0, repeated=True) if self.move_keys[key] == request else
                    refused("key_differs")), []
        no = self.transfer_refused(giver, receiver, across)
        if no:
            return no, []
        source, target = self.projects[giver], self.projects[receiver]
        able = source.purse.available(self.now) - self.accrued(giver) - self.held(giver)
        pieces = self.pieces(source, micro)
        if able < micro or sum(part for _, part in pieces) < micro:
            return refused("insufficient_points"), []
        if source.share != target.share and not self.move_supply(source.share, target.share,
                                                                 pieces[0][0].year, micro):
            return refused("over_pool"), []
        made = []
        for grant, part in pieces:
            grant.points -= part
            share = grant.share if source.share == target.share else target.share
            made.append(Grant(None, part, grant.begin, grant.end, share, grant.year))
        self.post(self.account(giver), self.account(receiver), micro, "transfer",
                  self.calendar.month(self.now))
        if key is not None:
            self.move_keys[key] = request
        self.expire(giver)
        return Said(0, repeated=False), made

    def transfer_refused(self, giver, receiver, across):
        for name in (giver, receiver):
            project, no = self.find(name)
            if no:
                return no
            if project.is_service:
                return refused("is_service")
        if self.projects[receiver].is_closed:
            return refused("project_closed")
        if self.projects[giver].share != self.projects[receiver].share and not across:
            return refused("other_share")
        return None

    def pieces(self, project, micro):
        """What the valid grants give, in the order in which they are drawn."""
        left, _ = project.purse.walk(self.now)
        pieces = []
        for grant in sorted(project.purse.grants, key=draw_order):
            part = min(left[grant.number], micro)
            if grant.state(self.now) == ACTIVE and part > 0:
                pieces.append((grant, part))
                micro -= part
        return pieces

    def move_supply(self, giver, receiver, year, micro):
        """Supply and grants go over together; no pool may get any further over its factor by it."""
        policy = self.policy_for_acts()
        for share, moved in ((giver, -micro), (receiver, micro)):
            pool = self.pool(share, year)
            after = pool.left(policy.factor(share), moved) - moved
            if after < 0 and after < pool.left(policy.factor(share)):
                return False
        for share, moved in ((giver, -micro), (receiver, micro)):
            self.pool(share, year).supply += moved
            self.pool(share, year).net += moved
        return True

    # --- records ----------------------------------------------------------------------------------

    def sink(self, source, klass, project):
        """Where a charge goes: to whoever serves it, else to what its share has spent."""
        for pattern, service in self.services.items():
            served, _, of_class = pattern.partition("/")
            if rating.glob_matches(served, source) and rating.glob_matches(of_class, klass) and \
                    service != project:
                return f"service/{service}"
        share = self.projects[project].share
        return f"spent/{'service' if share is None else share}"

    def rate(self, document):
        """(project, Rating); Refused with its reasons."""
        record = rating.record_read({"source": document["source"], "class": document["class"], **document})
        name = document.get("project", "")
        if not name:
            raise rating.Refused("no_project")
        name = self.aliases.get((document["source"], name), name)
        if name not in self.projects:
            raise rating.Refused("unknown_project")
        return name, rating.Rating(self.cards, record)

    def slices(self, document, name, rated):
        """Charge and card's refund of the record, month by month."""
        policy = self.policy_at(rated.start)
        last = rated.end - (rated.end > rated.start)
        cuts = rating.slice_months(rated, policy.month_rule if policy else "split", self.calendar.zone)
        charged, returned, before = [], [], (0, 0)
        sink = self.sink(document["source"], document["class"], name)
        for month, due in cuts:
            now = rated.booked(due)[0]
            back = self.returned(document, rated, now)
            place = (name, document.get("user", ""), document["source"], document["class"], month,
                     min(due - 1, last) if rated.end > rated.start else last)
            charged.append(Slice(*place, now - before[0], sink))
            returned.append(Slice(*place, back - before[1], sink))
            before = now, back
        return charged, returned

    @staticmethod
    def returned(document, rated, micro):
        """What the card gives back of the first `micro` of the charge."""
        rule = rated.card["refund"].get(document.get("outcome", ""))
        if rule is None or not rated.record["final"]:
            return 0
        share = Fraction(rule["fraction"])
        if rated.elapsed > rule["max_seconds"]:
            share *= Fraction(rule["max_seconds"]) / rated.elapsed
        return rating.round_micro(Fraction(micro, MICRO) * share, rated.card["places"], rated.card["mode"])

    @staticmethod
    def content(document):
        return json.dumps({k: v for k, v in document.items() if k not in ("seen", "hold")}, sort_keys=True)

    def import_one(self, document, raw=None):
        """The record's fate: booked, amended, duplicate or quarantined (with the reasons that it may have)."""
        key = document["source"], document["id"]
        try:
            name, rated = self.rate(document)
            trouble = None
        except rating.Refused as why:
            name = rated = None
            trouble = sorted(why.reasons)
        if document["state"] == "running":
            fate, reasons = self.judge_running(key, document, trouble)
        else:
            fate, reasons = self.judge_final(key, document, trouble)
        if fate == "quarantined":
            return self.put_aside(key, document, reasons)
        if fate in ("booked", "amended"):
            self.quarantine.get(key, Entry(document, ())).state = "resolved"
            if document["state"] == "final":
                self.latest = max(self.latest, rated.end)
            self.take(key, document, name, rated)
        return fate

    def put_aside(self, key, document, reasons):
        known = self.quarantine.get(key)
        if known is not None and known.raw == json.dumps(document) and known.state != "open":
            return "duplicate"
        self.quarantine[key] = Entry(document, reasons)
        return "quarantined"

    def judge_running(self, key, document, trouble):
        known = self.running.get(key)
        record = self.records.get(key)
        if (record is not None and not record.is_running) or (known is not None and known.end >= instant(document["end"])):
            return "duplicate", None
        if trouble:
            return "quarantined", trouble
        return ("booked" if known is None else "amended"), None

    def judge_final(self, key, document, trouble):
        record = self.records.get(key)
        if record is None or record.is_running:
            return ("quarantined", trouble) if trouble else ("booked", None)
        content = self.content(document)
        seen = instant(document["seen"]) if "seen" in document else self.now
        if content == record.content:
            if "seen" in document:
                record.seen = max(record.seen, seen)
            return "duplicate", None
        if not document["source"].startswith("slurm:"):
            return "quarantined", ["conflict"]
        if ("seen" not in document and content in record.contents) or seen < record.seen:
            if not trouble:
                record.contents.add(content)
            return "duplicate", None
        return ("quarantined", trouble) if trouble else ("amended", None)

    def take(self, key, document, name, rated):
        charged, returned = self.slices(document, name, rated)
        if document["state"] == "running":
            record = self.records.get(key)
            self.running[key] = Running(document, name, charged, record.slices if record else [])
            self.cover(self.running[key], document)
            return
        self.running.pop(key, None)
        self.end_part(key, document, name, sum(part.micro for part in charged))
        record = self.records.get(key) or self.new_record(*key)
        self.rebook(record, charged, returned)
        record.is_running = False
        record.seen = instant(document["seen"]) if "seen" in document else self.now
        record.content = self.content(document)
        record.contents.add(record.content)

    def rebook(self, record, charged, returned):
        """The record's slices are these from now on."""
        for part in record.slices:
            self.charge(part, -part.micro)
        for part in record.returned:
            self.give_back(part, -part.micro)
        record.slices, record.returned = charged, returned
        for part in charged:
            self.charge(part, part.micro)
        for part in returned:
            self.give_back(part, part.micro)
        for other in {part.project for part in charged}:
            self.expire(other)
        for project in self.projects:
            self.expire(project)

    def new_record(self, source, identity):
        record = self.records[source, identity] = Record()
        return record

    def charge(self, part, micro):
        self.post(self.account(part.project), part.sink, micro, "charge", part.month, part.source)
        self.projects[part.project].purse.uses.append((part.last, micro))
        self.spend(part.project, part.month, micro)

    def give_back(self, part, micro):
        self.post(part.sink, self.account(part.project), micro, "refund", part.month, part.source)
        self.projects[part.project].purse.uses.append((part.last, -micro))
        self.spend(part.project, part.month, -micro)

    def spend(self, name, month, micro):
        share = self.projects[name].share
        key = share, self.calendar.year_of_month(month)
        self.spent[key] = self.spent.get(key, 0) + micro

    def accrued(self, name):
        return sum(running.micro for running in self.running.values() if running.project == name)

    # --- refunds ----------------------------------------------------------------------------------

    def refund(self, source, number, micro=None):
        record = self.records.get((source, number))
        if micro is not None and micro <= 0:
            return WRONG
        if record is None:
            return refused("unknown_record")
        charged = sum(part.micro for part in record.slices)
        name = record.slices[0].project
        gone = record.by_hand.get(name, 0) + sum(part.micro for part in record.returned)
        if charged - gone <= 0:
            return refused("nothing_to_refund")
        wanted = charged - gone if micro is None else micro
        if wanted > charged - gone:
            return refused("over_charge")
        record.by_hand[name] = record.by_hand.get(name, 0) + wanted
        refundable = charged - gone - wanted
        rest = wanted
        for part in reversed(record.slices):
            before = min(gone, part.micro)
            gone -= before
            given = min(part.micro - before, rest)
            if given > 0:
                self.refund_part(part, given)
            rest -= given
        self.expire(name)
        return Said(0, points=wanted, refundable=refundable)

    def refund_part(self, part, micro):
        """Back to where it was drawn; what would only expire again goes to the project's next grant."""
        project = self.projects[part.project]
        purse = project.purse
        lapsed = purse.lapsed(self.now)
        gone = purse.with_use((part.last, -micro), lambda: purse.lapsed(self.now)) - lapsed
        kept = min(max(micro - gone, 0), micro)
        if 0 < kept < micro and \
                purse.with_use((part.last, -kept), lambda: purse.lapsed(self.now)) != lapsed:
            kept = 0
        self.post(part.sink, self.account(part.project), micro, "refund", self.calendar.month(self.now))
        self.spend(part.project, self.calendar.month(self.now), -micro)
        if kept > 0:
            purse.uses.append((part.last, -kept))
        if kept < micro:
            grant = self.next_grant(purse)
            if grant is None:
                purse.uses.append((self.now, kept - micro))
            else:
                grant.points += micro - kept

    def next_grant(self, purse):
        active = [g for g in purse.grants if g.state(self.now) == ACTIVE]
        future = [g for g in purse.grants if g.state(self.now) == FUTURE]
        if active:
            return min(active, key=lambda g: (g.end, g.number))
        return min(future, key=lambda g: (g.begin, g.number)) if future else None

    def months(self):
        """What was charged and what came back with the charge, by project, class and month."""
        sums = {}
        for record in self.records.values():
            for parts, place in ((record.slices, 0), (record.returned, 1)):
                for part in parts:
                    key = part.project, part.klass, f"{part.month[0]}-{part.month[1]:02}-01"
                    sums.setdefault(key, [0, 0])[place] += part.micro
        return {key: tuple(both) for key, both in sums.items() if any(both)}

    # --- questions --------------------------------------------------------------------------------

    def balance(self, name):
        project = self.projects[name]
        left, _ = project.purse.walk(self.now)
        accrued = self.accrued(name)
        return {
            "posted": self.posted(name), "accrued": accrued, "overdraft": project.overdraft,
            "held": self.held(name),
            "available": project.purse.available(self.now) - accrued - self.held(name) + project.overdraft,
            "grants": {g.number: (g.points, 0 if g.state(self.now) == EXPIRED else left[g.number],
                                  g.begin, g.end, g.state(self.now)) for g in project.purse.grants},
        }

    def limit_use(self, name, user, period):
        """(charged, accrued, held) of the period that holds now."""
        wanted = self.calendar.period_at(period, self.now)
        charged = sum(
            part.micro for record in self.records.values() for part in record.slices
            if part.project == name and user in ("", part.user)
            and self.calendar.period(period, part.month, part.last) == wanted)
        accrued = 0
        for running in self.running.values():
            parts = running.slices
            if running.project == name and user in ("", running.user) and \
                    self.calendar.period(period, parts[-1].month, parts[-1].last) == wanted:
                accrued += running.rest(lambda part, last=parts[-1]: self.counts_with(period, part, last))
        return charged, accrued, self.held(name, user)

    def counts_with(self, period, part, last):
        """An accrual counts where its last slice does, with the part of it that belongs there."""
        if period == "total":
            return True
        if period == "fiscal_year":
            return self.calendar.year_of_month(part.month) == self.calendar.year_of_month(last.month)
        return part.month == last.month

    def bound(self, name, user, period):
        return self.projects[name].limits[user, period] - sum(self.limit_use(name, user, period))

    def check(self, name, micro, user=""):
        """(reason or None, what is violated)."""
        project = self.projects.get(name)
        policy = self.policy_at(self.now)
        if project is None:
            return "unknown_project", set()
        if project.is_closed:
            return "project_closed", set()
        if project.is_service:
            return None, set()
        if policy is not None and policy.needs_members and user not in project.members:
            return "not_a_member", set()
        found = []
        if not any(g.state(self.now) == ACTIVE for g in project.purse.grants) and project.overdraft == 0:
            found.append(("no_active_grant", "grant", name, 0))
        balance = self.balance(name)
        if micro > balance["available"]:
            found.append(("insufficient_points", "project", name, balance["available"]))
        for subject, reason, limit in (("", "project_limit", "project"), (user, "user_limit", "user")):
            for who, period in project.limits:
                if who == subject and (subject or limit == "project") and \
                        micro > self.bound(name, who, period):
                    found.append((reason, limit, who or name, self.bound(name, who, period)))
        year = self.calendar.year(self.now)
        cap = self.pool(project.share, year).supply - self.spent.get((project.share, year), 0) - \
            self.share_held(project.share)
        if micro > cap:
            found.append(("share_cap", "share", project.share, cap))
        return (found[0][0] if found else None), {violated[1:] for violated in found}
