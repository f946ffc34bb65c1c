"""Callers that do everything at once, each what its own dice say: holds and their ends, records, checks."""

import asyncio

import book
import wire
from asking import Asker, Request
from model import Hold, Wrong


class Caller(Asker):
    """One caller and the holds that it alone touches."""

    def __init__(self, world, seed, name):
        super().__init__(world, seed, name)
        self.mine, self.ended = [], []
        self.short = []  # (hold, when it was made) of those whose deadline passes soon

    # --- holds -------------------------------------------------------------------------------------

    def hold_request(self, hold):
        def done(answers, unsure):
            made = [a for a in answers if a.status != 402]
            created = [a for a in made if a.status == 201]
            if len(created) > 1 or (made and not created and not unsure):
                raise Wrong(f"hold {hold.key} was created {len(created)} times: {answers}")
            for answer in made:
                self.model.made(hold, answer)
            if made:
                self.world.count("made")
                return
            self.world.count("refused")
            self.model.refused.add(hold.key)
            if unsure:
                self.world.doubtful.append(hold)
        return Request(f"hold {hold.key}", self.posted(hold), (200, 201, 402), done)

    @staticmethod
    def posted(hold, **changes):
        return wire.message("POST", "/v1/holds", {**hold.body, **changes}, hold.key)

    def another_hold(self, parts=None, ttl=3600):
        project = self.dice.choice(self.world.projects)
        parts = self.dice.choice((1, 1, 1, 2, 3, 7, 0)) if parts is None else parts
        key = self.fresh("k")
        body = {"project": project, "user": f"u{self.dice.randrange(5)}", "parts": parts, "ttl": f"{ttl}s",
                "ref": {"kind": "other", "id": key}}
        if self.dice.random() < 0.3:
            gpus, hundredths = self.dice.randrange(1, 5), self.dice.randrange(1, 50)
            body.update({"source": "slurm:x", "class": "gpu", "seconds": hundredths * 36, "meters": {"gpu": str(gpus)}})
            points = gpus * hundredths * 10000 * max(parts, 1)
        else:
            points = self.dice.randrange(1, 4000000)
            body["points"] = book.points(points)
        return Hold(key, project, points, parts, body, ttl)

    async def make_hold(self):
        hold = self.another_hold()
        if await self.perform(self.hold_request(hold)) and hold.open():
            self.mine.append(hold)

    async def make_short_hold(self):
        hold = self.another_hold(ttl=1)
        if await self.perform(self.hold_request(hold)) and hold.open():
            self.short.append((hold, asyncio.get_running_loop().time()))

    async def settle_passed(self):
        """A hold whose deadline has passed books what is settled all the same."""
        now = asyncio.get_running_loop().time()
        passed = [h for h, made in self.short if made + 2 < now]
        self.short = [(h, made) for h, made in self.short if made + 2 >= now]
        for hold in passed[:2]:
            await self.perform(self.settle_request(hold, self.dice.randrange(hold.points + 1)))

    async def ask_again(self):
        """The key of a hold that was made, with the same body and with another one."""
        if not self.mine:
            return
        hold = self.dice.choice(self.mine)
        await self.perform(Request(f"again {hold.key}", self.posted(hold), (200,),
                                   lambda answers, _: [self.model.made(hold, a) for a in answers]))
        await self.perform(Request(f"other {hold.key}", self.posted(hold, user="somebody-else"), (422,),
                                   lambda *_: None))

    # --- their end ---------------------------------------------------------------------------------

    def take(self, suits=lambda hold: True):
        """A hold of ours that suits, out of the list; None if there is none."""
        suitable = [h for h in self.mine if suits(h)]
        if not suitable:
            return None
        hold = self.dice.choice(suitable)
        self.mine.remove(hold)
        return hold

    def put_back(self, hold):
        (self.mine if hold.open() else self.ended).append(hold)

    def path(self, hold, act):
        name = hold.id if self.dice.random() < 0.7 else f"key:{hold.key}"
        return f"/v1/holds/{name}/{act}"

    def some_points(self, hold):
        """Up to what it reserves where points are scarce; beyond it, seldom, where they are not."""
        if hold.project != "poor" and self.dice.random() < 0.1:
            return hold.left + self.dice.randrange(1000000)
        return self.dice.randrange(hold.left + 1)

    def settle_request(self, hold, points, known=(200,), done=None):
        return Request(f"settle {hold.id}",
                       wire.message("POST", self.path(hold, "settle"), {"points": book.points(points), "final": True}),
                       known, done or (lambda *_: self.model.settled(hold, points)))

    def release_request(self, hold, known=(200,), done=None):
        return Request(f"release {hold.id}", wire.message("POST", self.path(hold, "release"), {}), known,
                       done or (lambda *_: hold.end("released")))

    async def settle(self):
        hold = self.take()
        if hold and await self.perform(self.settle_request(hold, self.some_points(hold))):
            self.put_back(hold)

    async def settle_part(self):
        hold = self.take()
        if not hold:
            return
        hold.part_keys += 1
        key = f"{hold.key}-part{hold.part_keys}"
        limit = hold.left if hold.parts < 2 else min(hold.left, hold.points // hold.parts)
        points = self.dice.randrange(limit + 1)
        body = {"points": book.points(points), "final": False}
        request = Request(f"part {hold.id}", wire.message("POST", self.path(hold, "settle"), body, key), (200,),
                          lambda *_: self.model.settled_part(hold, key, points))
        if await self.perform(request):
            self.put_back(hold)

    async def release(self):
        hold = self.take()
        if hold and await self.perform(self.release_request(hold)):
            self.put_back(hold)

    async def extend(self):
        hold = self.take()
        if not hold:
            return
        body = {"ttl": f"{self.dice.randrange(3600, 7200)}s"}
        if await self.perform(Request(f"extend {hold.id}", wire.message("POST", self.path(hold, "extend"), body),
                                      (200,), lambda *known: self.model.extended(hold, *known))):
            self.put_back(hold)

    async def end_twice(self):
        """Settled and released at the same moment: one of the two is refused."""
        hold = self.take()
        if not hold:
            return
        points, won = self.some_points(hold), []

        def note(act):
            def done(answers, _):
                if {a.status for a in answers} == {200}:
                    won.append(act)
                elif any(a.status == 200 or a.code() != "hold_resolved" for a in answers):
                    raise Wrong(f"{act} {hold.id}: {answers}")
            return done
        await asyncio.gather(
            self.perform(self.settle_request(hold, points, (200, 409), note("settle")), twice=False, patient=True),
            self.perform(self.release_request(hold, (200, 409), note("release")), twice=False, patient=True))
        if len(won) != 1:
            raise Wrong(f"hold {hold.id} was ended by {won or 'nobody'}")
        if won == ["settle"]:
            self.model.settled(hold, points)
        else:
            hold.end("released")
        self.ended.append(hold)

    async def end_again(self):
        """The same end again is the first result; another one is refused."""
        ended = [h for h in self.ended if h.final_points is not None or h.state == "released"]
        if not ended:
            return
        hold = self.dice.choice(ended)
        resolved = self.only_resolved(hold)
        if hold.state == "released":
            await self.perform(self.release_request(hold, (200,), lambda *_: None))
            await self.perform(self.settle_request(hold, 1, (409,), resolved))
        else:
            await self.perform(self.settle_request(hold, hold.final_points, (200,), lambda *_: None))
            await self.perform(self.settle_request(hold, hold.final_points + 1, (409,), resolved))
            await self.perform(self.release_request(hold, (409,), resolved))

    @staticmethod
    def only_resolved(hold):
        def done(answers, _):
            if any(a.code() != "hold_resolved" for a in answers):
                raise Wrong(f"hold {hold.id} ended twice: {answers}")
        return done

    # --- records -----------------------------------------------------------------------------------

    def post(self, label, records, done):
        def counted(answers, unsure):
            for answer in answers:
                counts = answer.json()
                kept = counts["booked"] + counts["amended"] + counts["duplicate"]
                if counts["read"] != len(records) or kept != len(records):
                    raise Wrong(f"{label}: {answer}")
            distinct = len({(r["source"], r["id"]) for r in records})
            booked = sum(a.json()["booked"] for a in answers)
            if label.startswith("tokens") and (booked > distinct or (booked < distinct and not unsure)):
                raise Wrong(f"{label}: {distinct} records were booked {booked} times: {answers}")
            done()
        return Request(label, wire.message("POST", "/v1/usage", records), (200,), counted)

    def token(self, project, tokens, hold=None, outcome="completed"):
        record = {"source": f"gateway:{self.dice.randrange(3)}", "id": self.fresh("t"), "project": project,
                  "user": f"u{self.dice.randrange(5)}", "class": "m", "start": "2027-07-10T09:00:00+09:00",
                  "end": "2027-07-10T09:00:00+09:00", "state": "final", "outcome": outcome,
                  "meters": {"output_tokens": str(tokens)}}
        if hold is not None:
            record["hold"] = hold.id if self.dice.random() < 0.5 else hold.key
        return record

    async def tokens(self):
        """Token records of any number of projects in one call, some of them twice in it."""
        made = [(self.token(self.dice.choice(self.world.rich), tokens), tokens)
                for tokens in (self.dice.randrange(1, 3000) for _ in range(self.dice.choice((1, 1, 3, 20))))]
        records = [record for record, _ in made]
        records += [r for r in records if self.dice.random() < 0.1]
        self.dice.shuffle(records)

        def done():
            for record, tokens in made:
                self.model.charge(record["source"], record["id"], record["project"], tokens * 1000)
        await self.perform(self.post(f"tokens {records[0]['id']}", records, done))

    async def token_of_hold(self):
        hold = self.take(lambda h: h.project in self.world.rich)
        if not hold:
            return
        outcome = self.dice.choice(("completed", "completed", "requeued")) if hold.parts else "completed"
        tokens = self.dice.randrange(1, 3000)
        record = self.token(hold.project, tokens, hold, outcome)

        def done():
            self.model.charge(record["source"], record["id"], hold.project, tokens * 1000)
            self.model.recorded(hold, tokens * 1000, outcome == "completed")
        if await self.perform(self.post(f"tokens {record['id']}", [record], done)):
            self.put_back(hold)

    def job(self, record_id, project, gpus, hundredths, hold, **changes):
        minutes, seconds = divmod(hundredths * 36, 60)
        record = {"source": "slurm:x", "id": record_id, "project": project, "user": "u1", "class": "gpu",
                  "start": "2027-07-12T00:00:00+09:00", "state": "final", "outcome": "completed",
                  "end": f"2027-07-12T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}+09:00",
                  "meters": {"gpu": str(gpus)}}
        if hold is not None:
            record["hold"] = hold.id if self.dice.random() < 0.5 else hold.key
        record.update(changes)
        return record

    async def deliver(self, what, versions, done):
        """Versions of one record in any order, side by side or one after the other, some of them twice."""
        sent = versions + [v for v in versions if self.dice.random() < 0.2]
        self.dice.shuffle(sent)
        requests = [self.post(f"{what} {v['id']}", [v], lambda: None) for v in sent]
        if self.dice.random() < 0.5:
            await asyncio.gather(*[self.perform(r, twice=False, patient=True) for r in requests])
        else:
            for request in requests:
                await self.perform(request, patient=True)
        done()

    def job_hold(self):
        """A hold that a job can name: one part, untouched so far, in a project that can afford anything."""
        if self.dice.random() < 0.3:
            return None
        return self.take(lambda h: h.parts == 1 and h.part_keys == 0 and h.left == h.points and
                         h.project in self.world.rich)

    async def run_job(self):
        """A job that is seen running some times and then ended, in whatever order that arrives."""
        hold, record_id, gpus = self.job_hold(), self.fresh("j"), self.dice.randrange(1, 4)
        project = hold.project if hold else self.dice.choice(self.world.rich)
        sightings = sorted(self.dice.sample(range(1, 2000), self.dice.randrange(1, 4)))
        versions = [self.job(record_id, project, gpus, s, hold, state="running", outcome="") for s in sightings[:-1]]
        for version in versions:
            del version["outcome"]
        last = sightings[-1]
        if self.dice.random() < 0.25:
            versions.append(self.job(record_id, project, gpus, last, hold, state="running"))
            del versions[-1]["outcome"]
            await self.deliver("job", versions, lambda: self.model.running("slurm:x", record_id, project,
                                                                           gpus * last * 10000, hold))
            self.world.jobs.append((record_id, project, gpus, last, hold))
            return
        versions.append(self.job(record_id, project, gpus, last, hold))
        await self.deliver("job", versions, lambda: self.end_job(record_id, project, gpus * last * 10000, hold))

    def end_job(self, record_id, project, charged, hold):
        self.model.charge("slurm:x", record_id, project, charged)
        if hold is not None:
            self.model.recorded(hold, charged)
            self.ended.append(hold)

    async def end_old_job(self):
        """The end of a job that has been running for a while, over crashes perhaps."""
        if not self.world.jobs:
            return
        record_id, project, gpus, seen, hold = self.world.jobs.pop(self.dice.randrange(len(self.world.jobs)))
        last = seen + self.dice.randrange(1, 300)
        await self.deliver("job", [self.job(record_id, project, gpus, last, hold)],
                           lambda: self.end_job(record_id, project, gpus * last * 10000, hold))

    async def amend_job(self):
        """Two versions of a job that has ended: the one that was seen later counts, whichever comes first."""
        hold, record_id, gpus = self.job_hold(), self.fresh("a"), self.dice.randrange(1, 4)
        project = hold.project if hold else self.dice.choice(self.world.rich)
        first, second = self.dice.sample(range(1, 2000), 2)
        versions = [self.job(record_id, project, gpus, hundredths, hold, seen=f"2027-07-13T0{hour}:00:00+09:00",
                             outcome=outcome)
                    for hour, hundredths, outcome in ((0, first, "timeout"), (1, second, "completed"))]
        await self.deliver("amend", versions, lambda: self.end_job(record_id, project, gpus * second * 10000, hold))

    # --- reading -----------------------------------------------------------------------------------

    async def check(self):
        project = self.dice.choice(self.world.projects)

        def done(answers, _):
            for answer in answers:
                decision = answer.json()
                if decision["project"] != project or decision["reason"] not in (None, "insufficient_points"):
                    raise Wrong(f"check {project}: {answer}")
        await self.perform(Request("check", wire.message("GET", f"/v1/check?project={project}&points=1"), (200,), done))

    # --- the whole ---------------------------------------------------------------------------------

    ACTS = ((make_hold, 30), (make_short_hold, 2), (settle_passed, 2), (ask_again, 3),
            (settle, 10), (settle_part, 12), (release, 5), (extend, 4), (end_twice, 4), (end_again, 4),
            (tokens, 4), (token_of_hold, 8), (run_job, 6), (end_old_job, 3), (amend_job, 3), (check, 8))

    async def run(self):
        """Acts until the storm is over."""
        acts, weights = zip(*self.ACTS)
        while not self.world.over:
            await self.dice.choices(acts, weights)[0](self)
