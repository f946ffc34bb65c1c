"""What sbatch was told, as a hook passes it on: completed from associations and partitions, priced, held, refused with
a sentence and a time limit that would fit. Prices are compared with an arithmetic of its own."""

import json
import os
import random
import sys
import unittest
from decimal import Decimal
from fractions import Fraction

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ledger_test as lt

NOW = "2027-06-15T12:00:00+09:00"
C = "slurm:sdli"
CONF = "[slurm sdli]\npartition.large = big\naccount.geo = hp3\n"
SHARES = [{"share": "hpci", "fraction": "0.8"}, {"share": "industry", "fraction": "0.2"}]
CARD = {"card": "c", "effective_from": "2027-06-01T00:00:00+09:00",
        "rules": [{"source": C, "class": "gpu", "per_hour": {"gpu": "1", "cpu": "0.01", "mem_gib": "0.001"},
                   "factors": {"qos": {"normal": "1", "urgent": "2", "low": "0.5"}}},
                  {"source": C, "class": "big", "per_hour": {"node": "7"}},
                  {"source": C, "class": "cpu*", "per_hour": {"cpu": "0.1", "mem_gib": "0.002"},
                   "basis": {"elapsed": "0.7", "requested": "0.1", "min_seconds": 300}},
                  {"source": C, "class": "byattr", "per_hour": {"cpu": "1"},
                   "factors": {"attributes.partition": {"byattr": "3"}, "attributes.account": {"ml": "1", "*": "2"}}}]}

# cluster, partition, default?, default s, max s, exclusive, MiB a node, MiB a CPU, node CPUs, GPUs, MiB
PARTITIONS = [("gpu", True, 600, 86400, False, None, 2048, 16, 4, 65536), ("cpu", False, None, 3600, False, 1000, None, 16, 0, 65536),
              ("cpuopen", False, None, None, False, None, None, 16, 0, 65536), ("large", False, 60, 120, True, None, None, 64, 8, 524288),
              ("byattr", False, 3600, None, False, None, None, 8, 0, 1024), ("unpriced", False, 60, None, False, None, None, 8, 0, 1024)]


def sql_value(value):
    return "NULL" if value is None else f"'{value}'" if isinstance(value, str) else str(value).lower()


def insert(db, table, rows):
    values = ", ".join("('sdli', " + ", ".join(map(sql_value, row)) + ")" for row in rows)
    lt.psql(db, f"INSERT INTO ledger.{table} VALUES {values}")


def policy(name, when, **more):
    return {"policy": name, "timezone": "Asia/Tokyo", "effective_from": when, "shares": SHARES,
            "supply": [{"id": "s", "fiscal_year": 2027, "from": "2027-06-01T00:00:00+09:00",
                        "to": "2028-04-01T00:00:00+09:00", "resource": "gpu", "count": 10, "hours": "1000",
                        "points_per_hour": "1"}], **more}


def make_book(prefix, **more):
    db = lt.create_db(prefix)
    for verb, document in (("policy", policy("t", "2027-06-01T00:00:00+09:00", **more)), ("rates", CARD)):
        lt.ctl([verb, "apply", lt.write_file(json.dumps(document))], db=db, now=NOW)
    for project, share in (("hp1", "hpci"), ("bio", "hpci"), ("hp3", "hpci"), ("ind1", "industry"), ("dry", "hpci")):
        lt.ctl(["project", "add", project, "--share", share], db=db, now=NOW)
    lt.ctl(["project", "add", "svc", "--service", "gateway:x/m"], db=db, now=NOW)
    lt.ctl(["project", "alias", "hp1", C, "ml"], db=db, now=NOW)
    for project, points in (("hp1", 1000), ("bio", "12.4"), ("ind1", 50), ("hp3", 40)):
        lt.ctl(["grant", project, points], db=db, now=NOW)
    insert(db, "slurm_user", [("alice", 20001, "ml"), ("bob", 20002, "bio"), ("carol", 20003, ""), ("dave", None, "ml"),
                              ("eve", 20005, "none"), ("ivy", 20006, "ind1"), ("sam", 20007, "svc")])
    insert(db, "slurm_association",
           [("alice", "ml", "", ""), ("alice", "ml", "gpu", "urgent"), ("alice", "bio", "", "low"), ("alice", "geo", "", "normal"),
            ("bob", "bio", "", "normal"), ("carol", "ml", "", "normal"), ("dave", "ml", "", "low"), ("eve", "none", "", ""),
            ("ivy", "ind1", "", "normal"), ("sam", "svc", "", "normal"), ("alice", "dry", "", "")])
    insert(db, "slurm_partition", PARTITIONS)
    return db


# --- the arithmetic, once more --------------------------------------------------------------------

def micro(value):
    """Half even at six places, as the card rounds."""
    return round(value * 10 ** 6)


def card_price(partition, meters, seconds, qos, account="ml"):
    """Micro-points of one task; None without a price."""
    hours, klass = Fraction(seconds) / 3600, {"large": "big"}.get(partition, partition)
    per_hour = {"gpu": {"gpu": "1", "cpu": "0.01", "mem_gib": "0.001"}, "big": {"node": "7"}, "byattr": {"cpu": "1"},
                "cpu": {"cpu": "0.1", "mem_gib": "0.002"}, "cpuopen": {"cpu": "0.1", "mem_gib": "0.002"}}.get(klass)
    if per_hour is None or not any(m in per_hour for m in meters):
        return None
    hourly = sum(Fraction(Decimal(price)) * Fraction(meters.get(meter, 0)) for meter, price in per_hour.items())
    if klass == "gpu":
        hourly *= Fraction({"normal": "1", "urgent": "2", "low": "1/2"}[qos])
    if klass == "byattr":
        hourly *= 3 * (1 if account == "ml" else 2)
    if klass.startswith("cpu"):
        due = hours * Fraction(7, 10) + max(Fraction(0), Fraction(300) / 3600 - hours) * Fraction(7, 10) + hours / 10
        return micro(hourly * due)
    return micro(hourly * hours)


def completed(partition, meters, exclusive, mem_default, nodes, mem_per_cpu=False):
    """The meters that Slurm would give, as tried on a real cluster."""
    row = next(p for p in PARTITIONS if p[0] == partition)
    meters = {name: Fraction(value) for name, value in meters.items()}
    _, _, _, _, only, a_node, a_cpu, cpus, gpus, memory = row
    ceil = lambda a, b: -(-a // b) if b else 0
    asked, asked_cpus = max(1, nodes), meters.get("cpu", 0)
    nodes = max(1, nodes, meters.get("node", 0), ceil(meters.get("cpu", 0), cpus), ceil(meters.get("gpu", 0), gpus))
    if exclusive or only:
        meters["node"] = nodes
        meters["cpu"] = max(meters.get("cpu", 0), cpus * nodes)
        if gpus:
            meters["gpu"] = max(meters.get("gpu", 0), gpus * nodes)
    else:
        meters |= {m: max(meters[m], nodes) for m in ("node", "cpu") if m in meters}
    if not mem_default and "mem_gib" in meters:
        meters["mem_gib"] *= Fraction(meters["cpu"], asked_cpus) if mem_per_cpu else Fraction(nodes, asked)
    if mem_default:
        mib = a_cpu * max(meters.get("cpu", 0), nodes) if a_cpu is not None else (a_node if a_node is not None else memory) * nodes
        meters["mem_gib"] = Fraction(round(Fraction(mib * 10 ** 9, 1024)), 10 ** 9)
    return meters


def points(value):
    return f"{value // 10 ** 6}.{value % 10 ** 6:06d}"


class Asks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = make_book("ask")
        cls.ledgerd = lt.start_ledgerd(cls.db, now=NOW, conf=CONF)

    @classmethod
    def tearDownClass(cls):
        if cls.ledgerd.stop() != 0:
            raise AssertionError(cls.ledgerd.log())

    def check(self, **ask):
        """The same question as a query and in an array: one answer."""
        ask = {"cluster": "sdli", **ask}
        query = []
        for name, value in ask.items():
            if name == "meters":
                query += [f"meter.{meter}={count}" for meter, count in value.items()]
            else:
                query.append(f"{name}={str(value).lower() if isinstance(value, bool) else value}")
        one = self.ledgerd.get_json("/v1/check?" + "&".join(query))
        many = self.ledgerd.post_json("/v1/checks", [ask])[0]
        for name in ("as_of", "decision_id"):
            one.pop(name), many.pop(name)
        self.assertEqual(one, many)
        return one

    def check_once(self, **ask):
        """While the book is being read, two answers may differ."""
        return self.ledgerd.post_json("/v1/checks", [{"cluster": "sdli", **ask}])[0]

    def hold(self, key=None, **ask):
        return self.ledgerd.post("/v1/holds", {"cluster": "sdli", **ask}, {"Idempotency-Key": key} if key else None)

    def release(self, reply):
        self.ledgerd.post_json(f"/v1/holds/{reply.json()['hold']}/release", {})

    # --- completing -------------------------------------------------------------------------------

    def test_what_is_missing_is_completed(self):
        table = [
            # ask, then project, user, account, partition, qos, micro-points
            ({"uid": 20001}, "hp1", "alice", "ml", "gpu", "urgent", ("gpu", {"cpu": 1}, 600)),
            ({"user": "alice"}, "hp1", "alice", "ml", "gpu", "urgent", ("gpu", {"cpu": 1}, 600)),
            ({"uid": 20001, "qos": "low"}, "hp1", "alice", "ml", "gpu", "low", ("gpu", {"cpu": 1}, 600)),
            ({"uid": 20001, "account": "bio"}, "bio", "alice", "bio", "gpu", "low", ("gpu", {"cpu": 1}, 600)),
            ({"uid": 20001, "account": "geo"}, "hp3", "alice", "geo", "gpu", "normal", ("gpu", {"cpu": 1}, 600)),
            ({"uid": 20001, "partition": "cpu"}, "hp1", "alice", "ml", "cpu", "normal", ("cpu", {"cpu": 1}, 3600)),
            ({"uid": 20001, "partition": "byattr"}, "hp1", "alice", "ml", "byattr", "normal", ("byattr", {"cpu": 1}, 3600)),
            ({"uid": 20001, "account": "bio", "partition": "byattr"}, "bio", "alice", "bio", "byattr", "low", ("byattr", {"cpu": 1}, 3600)),
            ({"user": "dave"}, "hp1", "dave", "ml", "gpu", "low", ("gpu", {"cpu": 1}, 600)),
            ({"uid": 20002, "seconds": "90.5"}, "bio", "bob", "bio", "gpu", "normal", ("gpu", {"cpu": 1}, Fraction(181, 2))),
            ({"uid": 20002, "unlimited": True}, "bio", "bob", "bio", "gpu", "normal", ("gpu", {"cpu": 1}, 86400)),
            ({"uid": 20002, "partition": "cpuopen", "unlimited": True, "seconds": "7200"}, "bio", "bob", "bio", "cpuopen", "normal",
             ("cpuopen", {"cpu": 1}, 7200)),
            ({"uid": 20001, "project": "hp3"}, "hp3", "alice", None, "gpu", "normal", ("gpu", {"cpu": 1}, 600)),
        ]
        for ask, project, user, account, partition, qos, (priced, meters, seconds) in table:
            with self.subTest(ask=ask):
                got = self.check(meters={"cpu": "1"}, **ask)
                self.assertEqual([got[n] for n in ("project", "user", "account", "partition", "qos")],
                                 [project, user, account, partition, qos])
                self.assertEqual(got["requested"], points(card_price(priced, meters, seconds, qos, account)))
                self.assertTrue(got["allowed"] or got["reason"] == "insufficient_points", got)

    def test_random_jobs_cost_what_slurm_would_give_them(self):
        seed = int(os.environ.get("LEDGER_SEED", random.randrange(10 ** 6)))
        rng = random.Random(seed)
        names = ["gpu", "cpu", "cpuopen", "large"]
        for i in range(300):
            wanted = rng.sample(names, rng.randint(1, 3))
            meters = {"cpu": rng.randint(1, 70)}
            if rng.random() < 0.5:
                meters["gpu"] = rng.randint(1, 12)
            mem_default = rng.random() < 0.5
            exclusive, nodes, seconds = rng.random() < 0.3, rng.randint(1, 5), rng.randint(1, 90000)
            mem_per_cpu = not mem_default and rng.random() < 0.4
            if mem_per_cpu:
                meters["mem_gib"] = meters["cpu"] * rng.randint(1, 8)
            elif not mem_default:
                meters["mem_gib"] = nodes * rng.randint(1, 64)
            parts, at_once = rng.choice([(1, 0), (7, 0), (7, 3), (3, 9)])
            got = self.check(uid=20001, account="bio", partition=",".join(wanted), seconds=str(seconds), nodes=nodes, parts=parts,
                             at_once=at_once, exclusive=exclusive, mem_default=mem_default, mem_per_cpu=mem_per_cpu,
                             meters={k: str(v) for k, v in meters.items()})
            prices = {p: card_price(p, completed(p, meters, exclusive, mem_default, nodes, mem_per_cpu), seconds, "low") for p in wanted}
            with self.subTest(seed=seed, i=i, meters=meters, prices=prices, exclusive=exclusive, nodes=nodes, mem_default=mem_default):
                if None in prices.values():
                    self.assertEqual(got["reason"], "no_rate")
                    continue
                self.assertEqual(got["requested"], points(max(prices.values()) * min(parts, at_once or parts)))
                self.assertEqual(prices[got["partition"]], max(prices.values()))

    def test_all_memory_of_the_nodes(self):
        got = self.check(uid=20002, partition="gpu", seconds=3600, mem_default=True, mem_whole=True, nodes=2, meters={"cpu": "2"})
        self.assertEqual(got["requested"], points(card_price("gpu", {"cpu": 2, "mem_gib": 128}, 3600, "normal")))

    def test_points_may_be_asked_for_with_a_cluster(self):
        got = self.check(uid=20001, points="5")
        self.assertEqual((got["project"], got["user"], got["requested"], got["allowed"]), ("hp1", "alice", "5.000000", True))

    # --- refusals ---------------------------------------------------------------------------------

    def test_who_is_unknown_is_told_to_try_again(self):
        for ask, who in (({"uid": 4242}, "4242"), ({"user": "nobody"}, "nobody"), ({"uid": 4242, "account": "ml"}, "4242"),
                         ({"uid": 4242, "account": "ind1"}, "4242"), ({"uid": 4294967295}, "4294967295")):
            got = self.check(meters={"cpu": 1}, **ask)
            message = f"user {who} is not known in Slurm's accounting yet: try again in a minute"
            self.assertEqual((got["allowed"], got["reason"], got["detail"], got["user_message"]), (False, "unknown_user", message, message))
            reply = self.hold(meters={"cpu": 1}, **ask)
            self.assertEqual((reply.status, reply.json()["code"], reply.json()["user_message"]), (403, "unknown_user", message))

    def test_a_project_that_is_not_the_users_is_not_there(self):
        """An account that leads to a project of others, and one that leads nowhere: no way to tell them apart."""
        replies = []
        for account in ("ind1", "nope"):
            reply = self.hold(uid=20001, account=account, meters={"cpu": 1})
            self.assertEqual((reply.status, reply.json()["code"]), (404, "unknown_project"))
            check = self.check(uid=20001, account=account, meters={"cpu": 1}, seconds=10 ** 9)
            self.assertEqual((check["reason"], check["requested"], check["share"]), ("unknown_project", "0.000000", None))
            text = json.dumps([{k: v for k, v in reply.json()["decision"].items() if k not in ("as_of", "decision_id")}, check,
                               reply.json()["user_message"], reply.json()["detail"]])
            replies.append(text.replace(account, "X"))
        self.assertEqual(*replies)
        self.assertTrue(self.check(uid=20006, meters={"cpu": 1})["allowed"])

    def test_an_account_that_is_no_project(self):
        got = self.check(uid=20005, meters={"cpu": 1})
        self.assertEqual(got["reason"], "unknown_project")
        self.assertTrue(got["user_message"].startswith("account none is no project that user eve may use"), got)
        got = self.check(uid=20003, meters={"cpu": 1})
        self.assertEqual((got["reason"], got["user_message"]),
                         ("unknown_project", "user carol has no default account on sdli: name one (-A)"))
        self.assertTrue(self.check(uid=20003, account="ml", meters={"cpu": 1})["allowed"])

    def test_a_job_without_any_time_limit(self):
        for ask in ({"partition": "cpuopen"}, {"partition": "cpuopen", "unlimited": True}, {"partition": "gpu,cpuopen"}):
            reply = self.hold(uid=20001, meters={"cpu": 1}, **ask)
            self.assertEqual((reply.status, reply.json()["code"]), (403, "no_time_limit"))
            self.assertEqual(reply.json()["user_message"],
                             "the job has no time limit, and neither has partition cpuopen: give one (-t)")

    def test_a_partition_without_a_price_is_refused_though_another_has_one(self):
        self.assertEqual(self.check(uid=20001, partition="gpu,unpriced", meters={"cpu": 1})["reason"], "no_rate")
        odd = self.check(uid=20001, partition="gpu", qos="odd", meters={"cpu": 1})
        self.assertEqual(odd["reason"], "no_rate")
        self.assertRegex(odd["user_message"], "^this job has no price: .*'odd'")

    def test_the_sentence_has_the_numbers_and_what_would_fit(self):
        ask = {"uid": 20002, "qos": "normal", "seconds": "86400", "meters": {"gpu": "4"}}
        reply = self.hold(**ask)
        message = ("project bio has 12.4 points left, this job may need 96.0 (4 GPU x 24 h); "
                   "a limit of 3 h 6 min would fit")
        self.assertEqual((reply.status, reply.json()["code"], reply.json()["user_message"]), (402, "insufficient_points", message))
        self.assertEqual(reply.json()["decision"]["suggest"], {"qos": None, "seconds": "11160"})
        self.assertEqual(reply.headers["x-should-retry"], "false")
        got = self.check(**ask)
        self.assertEqual((got["user_message"], got["suggest"]), (message, {"qos": None, "seconds": "11160"}))
        kept = self.ledgerd.get_json(f"/v1/decisions/{reply.json()['decision']['decision_id']}")
        self.assertEqual(kept, reply.json()["decision"])
        self.assertEqual(self.check(uid=20002, seconds=3600, parts=200, at_once=50, meters={"cpu": "31"})["user_message"],
                         "project bio has 12.4 points left, this job may need 15.5 (31 CPU x 1 h x 50 tasks); a limit of 48 min would fit")
        self.assertEqual(self.check(uid=20002, points="13")["user_message"], "project bio has 12.4 points left, this job may need 13.0")
        self.assertEqual(self.check(uid=20001, account="dry", meters={"cpu": 1})["user_message"], "project dry has no grant that is valid now")

    def test_suggestions_are_the_longest_that_fit(self):
        rng = random.Random(7)
        found = 0
        for _ in range(60):
            partition = rng.choice(["gpu", "cpu", "cpuopen"])
            meters = {"cpu": rng.randint(1, 400)} | ({"gpu": rng.randint(1, 30)} if partition == "gpu" else {})
            seconds, parts = rng.randint(1, 4000), rng.randint(1, 6)
            ask = {"uid": 20002, "partition": partition, "parts": parts, "meters": {k: str(v) for k, v in meters.items()}}
            got = self.check(seconds=seconds, **ask)
            fitting = [m for m in range(1, -(-seconds // 60)) if card_price(partition, meters, 60 * m, "normal") * parts <= 12400000]
            with self.subTest(ask=ask, seconds=seconds):
                if got["allowed"]:
                    self.assertIsNone(got["suggest"])
                elif not fitting:
                    self.assertIsNone(got["suggest"])
                else:
                    self.assertEqual(got["suggest"], {"qos": None, "seconds": str(60 * fitting[-1])})
                    self.assertTrue(self.check(seconds=60 * fitting[-1], **ask)["allowed"])
                    found += 1
        self.assertGreater(found, 5)

    def test_limits_are_named_and_suggestions_keep_them(self):
        lt.ctl(["limit", "set", "hp3", "--user", "alice", "--points", "5", "--period", "day"], db=self.db, now=NOW)
        ask = {"uid": 20001, "account": "geo", "seconds": "36000", "meters": {"gpu": "1"}}
        lt.eventually(lambda: self.check_once(**ask)["reason"] == "user_limit")
        self.assertEqual(self.check(**ask)["user_message"],
                         "user alice may spend 5.0 more points today in project hp3, this job may need 10.0 (1 GPU x 10 h); "
                         "a limit of 5 h would fit")
        lt.ctl(["limit", "set", "hp3", "--points", "3.5", "--period", "month"], db=self.db, now=NOW)
        lt.eventually(lambda: self.check_once(**ask)["reason"] == "project_limit")
        self.assertEqual(self.check(**ask)["user_message"],
                         "project hp3 may spend 3.5 more points this month, this job may need 10.0 (1 GPU x 10 h); "
                         "a limit of 3 h 30 min would fit")
        lt.ctl(["limit", "clear", "hp3"], db=self.db, now=NOW)
        lt.ctl(["limit", "clear", "hp3", "--user", "alice"], db=self.db, now=NOW)
        lt.eventually(lambda: self.check_once(**ask)["allowed"])

    def test_a_sentence_is_one_short_line_of_plain_text(self):
        project = "p" + "\u7af9\u202e" * 30
        lt.ctl(["project", "add", "longname", "--share", "hpci"], db=self.db, now=NOW)
        for name in ("x" * 250, project):
            lt.psql(self.db, "INSERT INTO ledger.slurm_association VALUES ('sdli', 'bob', $$" + name + "$$, '', 'normal')")
            lt.ctl(["project", "alias", "longname", C, name], db=self.db, now=NOW)
            lt.eventually(lambda name=name: self.check_once(uid=20002, account=name, meters={"cpu": 1})["reason"] == "no_active_grant")
            reply = self.hold(uid=20002, account=name + "?", qos=name, meters={"cpu": 1})
            message = reply.json()["user_message"]
            self.assertLessEqual(len(message), 300)
            self.assertTrue(all(" " <= c <= "~" for c in message), message)

    # --- holds ------------------------------------------------------------------------------------

    def test_a_hold_of_a_job(self):
        ask = {"uid": 20001, "account": "geo", "seconds": "3600", "meters": {"gpu": "2"}, "parts": 5, "at_once": 2, "ttl": "1h",
               "ref": {"kind": "slurm", "id": "sl_1"}}
        reply = self.hold("sl_1", **ask)
        made = reply.json()
        self.assertEqual((reply.status, made["points"], made["parts"], made["project"], made["user"], made["partition"], made["qos"]),
                         (201, "4.000000", 5, "hp3", "alice", "gpu", "normal"))
        self.assertNotIn("user_message", made)
        self.assertEqual(lt.query(self.db, "SELECT source, at_once, class, points_micro, parts FROM ledger.hold WHERE key = 'sl_1'"),
                         [["slurm:sdli", "2", "gpu", "4000000", "5"]])
        again = self.hold("sl_1", **ask)
        self.assertEqual((again.status, again.json()), (200, made))
        for change in ({"seconds": "3601"}, {"at_once": 3}, {"account": "ml"}, {"exclusive": True}, {"nodes": 2}, {"partition": "gpu"},
                       {"qos": "normal"}, {"mem_default": True}, {"unlimited": True}, {"mem_whole": True}, {"mem_per_cpu": True}, {"uid": 20002}):
            self.assertEqual(self.hold("sl_1", **{**ask, **change}).status, 422, change)
        self.assertEqual(self.check(uid=20001, account="geo", meters={"cpu": 1})["held"], "4.000000")
        self.release(reply)

    def test_the_same_key_answers_the_first_hold_whatever_has_changed_since(self):
        ask = {"uid": 20006, "seconds": "3600", "meters": {"gpu": "1"}}
        first = self.hold("stays", **ask)
        self.assertEqual(first.status, 201)
        try:
            lt.psql(self.db, "DELETE FROM ledger.slurm_user WHERE user_name = 'ivy'")
            lt.eventually(lambda: self.check_once(**ask)["reason"] == "unknown_user")
            again = self.hold("stays", **ask)
            self.assertEqual((again.status, again.json()), (200, first.json()))
            self.assertEqual(self.hold("other", **ask).status, 403)
        finally:
            insert(self.db, "slurm_user", [("ivy", 20006, "ind1")])
        lt.eventually(lambda: self.check_once(**ask)["allowed"])
        self.release(first)

    def test_a_service_is_let_through_for_nothing(self):
        for ask in ({"seconds": "86400"}, {"partition": "cpuopen"}, {"partition": "unpriced"}):
            reply = self.hold(uid=20007, meters={"gpu": 8}, **ask)
            self.assertEqual((reply.status, reply.json()["points"], reply.json()["project"]), (201, "0.000000", "svc"), reply.body)

    def test_a_longer_limit_holds_the_difference(self):
        insert(self.db, "slurm_job",
               [(71, NOW, 0, None, 1, 0, 0, 20001, "alice", "geo", "gpu", "normal", "pending", False, None, 3600, "cpu=2 gpu=2 node=1",
                 "sl_71", "", False, NOW),
                (72, NOW, 72, None, 4, 2, 0, 20001, "alice", "geo", "gpu,cpu", "normal", "pending", False, None, 3600, "cpu=2 gpu=2 node=1",
                 "", "", False, NOW),
                (73, NOW, 72, 1, 1, 0, 0, 20001, "alice", "geo", "gpu", "normal", "running", False, NOW, 3600, "cpu=2 gpu=2 node=1",
                 "", "sdli/73@1", False, NOW)])
        hour = card_price("gpu", {"cpu": 2, "gpu": 2}, 3600, "normal")
        table = [("71", 7200, hour, "sl_71"), ("71", 1800, 0, "sl_71"), ("71", 3600, 0, "sl_71"), ("72_1", 7200, hour, "sdli/73@1"),
                 ("72_3", 7200, 2 * hour, "sdli/72@%d" % 1813028400)]
        for job, seconds, micros, ref in table:
            with self.subTest(job=job, seconds=seconds):
                reply = self.hold("fresh key", modifies=job, uid=0, seconds=str(seconds))
                self.assertEqual(reply.status, 201, reply.body)
                made = reply.json()
                self.assertEqual((made["points"], made["project"], made["user"], made["key"], made["ref"]),
                                 (points(micros), "hp3", "alice", f"{ref}/limit/{seconds}", {"kind": "slurm", "id": ref}))
                again = self.hold(modifies=job, uid=0, seconds=str(seconds))
                self.assertEqual((again.status, again.json()["hold"]), (200, made["hold"]))
                self.release(reply)
        reply = self.hold(modifies="71", uid=0, seconds=str(3600 * 100))
        self.assertEqual((reply.status, reply.json()["user_message"]),
                         (402, "project hp3 has 40.0 points left, this change may need 199.98 more (2 GPU x 100 h); "
                               "a limit of 20 h 48 min would fit"))
        for job in ("99", "72_99x", "71_1", "7x", "72_[1-3]", ""):
            reply = self.hold(modifies=job, uid=4242, seconds="60", meters={"cpu": 1})
            expected = (403, "unknown_user") if job == "" else (404, "unknown_job")
            self.assertEqual((reply.status, reply.json()["code"]), expected, job)
        self.assertEqual(self.hold(modifies="71", uid=0).status, 400)
        self.assertEqual(self.ledgerd.get("/v1/check?cluster=sdli&uid=0&modifies=71&seconds=60").status, 400)

    # --- bad input --------------------------------------------------------------------------------

    def test_malformed_asks_are_refused(self):
        for ask in ({}, {"uid": -1}, {"uid": "x"}, {"uid": 4294967296}, {"uid": True}, {"uid": 1.5}, {"uid": 20001, "nodes": -1},
                    {"uid": 20001, "nodes": 10000001}, {"uid": 20001, "parts": 10000001}, {"uid": 20001, "at_once": "1e3"},
                    {"uid": 20001, "exclusive": "yes"}, {"uid": 20001, "exclusive": 1}, {"uid": 20001, "account": 7},
                    {"uid": 20001, "account": "a\nb"}, {"uid": 20001, "partition": "x" * 1025}, {"uid": 20001, "cluster": "x" * 60},
                    {"uid": 20001, "points": "1", "seconds": "60"}, {"uid": 20001, "meters": []}, {"user": "a\u0000b"}, {"user": 5}):
            with self.subTest(ask=ask):
                for reply in (self.hold(**{"cluster": "sdli", **ask}), self.ledgerd.post("/v1/checks", [{"cluster": "sdli", **ask}])):
                    self.assertEqual(reply.status, 400, reply.body)
        many = ",".join(["gpu"] * 65)
        self.assertEqual(self.check(uid=20001, partition=many, meters={"cpu": 1})["reason"], "no_rate")
        self.assertTrue(self.check(uid=20001, partition=",,gpu,,cpu,", meters={"cpu": 1})["allowed"])
        for name in ("uid=1", "account=ml", "nodes=1", "exclusive=true", "parts=2"):
            self.assertEqual(self.ledgerd.get(f"/v1/check?project=hp1&points=1&{name}").status, 400, name)
        self.assertEqual(self.ledgerd.post("/v1/holds", {"project": "hp1", "points": "0", "uid": 1}).status, 400)
        reply = self.ledgerd.post("/v1/holds", {"project": "hp1", "points": "0", "account": "ignored", "cluster": None})
        self.assertEqual(reply.status, 201, reply.body)

    def test_numbers_beyond_counting_have_no_price(self):
        for ask in ({"nodes": 10000000, "partition": "large", "meters": {"cpu": "999999999999"}},
                    {"nodes": 10000000, "parts": 10000000, "exclusive": True, "meters": {"cpu": "1"}},
                    {"seconds": "999999999999", "parts": 10000000, "meters": {"gpu": "999999999999"}}):
            got = self.check(uid=20001, **ask)
            self.assertIn(got["reason"], ("no_rate", "insufficient_points"), got)

    def test_a_plain_check_says_nothing_of_jobs(self):
        plain = self.ledgerd.get_json(f"/v1/check?project=bio&source={C}&class=gpu&seconds=864000&meter.gpu=4&qos=normal")
        self.assertEqual((plain["reason"], plain["suggest"]), ("insufficient_points", None))
        self.assertFalse({"user_message", "partition", "qos", "account", "downgraded_to"} & set(plain))


class Policies(unittest.TestCase):
    def test_a_downgraded_job_holds_nothing(self):
        db = make_book("askdown", exhausted={"slurm": "downgrade:low", "gateway": "deny"})
        message = "project bio has 12.4 points left, this job may need 96.0 (4 GPU x 24 h): it runs with QOS low"
        with lt.start_ledgerd(db, now=NOW, conf=CONF) as ledgerd:
            ask = {"cluster": "sdli", "uid": 20002, "seconds": "86400", "meters": {"gpu": "4"}}
            first = ledgerd.post("/v1/holds", ask, {"Idempotency-Key": "k"})
            self.assertEqual(first.status, 201, first.body)
            made = first.json()
            self.assertEqual((made["points"], made["downgraded_to"], made["user_message"], made["qos"]), ("0.000000", "low", message, "normal"))
            self.assertEqual((made["decision"]["allowed"], made["decision"]["reason"], made["decision"]["suggest"]),
                             (True, "insufficient_points", {"qos": "low", "seconds": "11160"}))
            again = ledgerd.post("/v1/holds", ask, {"Idempotency-Key": "k"})
            self.assertEqual((again.status, again.json()), (200, made))
            check = ledgerd.post_json("/v1/checks", [ask])[0]
            self.assertEqual((check["allowed"], check["downgraded_to"], check["held"]), (True, "low", "0.000000"))
            small = ledgerd.post("/v1/holds", {**ask, "seconds": "3600"}).json()
            self.assertEqual((small["points"], "downgraded_to" in small), ("4.000000", False))
            dry = ledgerd.post("/v1/holds", {**ask, "uid": 20001, "account": "dry"})
            self.assertEqual((dry.status, dry.json()["downgraded_to"]), (201, "low"))
            for refused in ({"uid": 1}, {"account": "ind1"}, {"partition": "unpriced"}):
                self.assertIn(ledgerd.post("/v1/holds", {**ask, **refused}).status, (403, 404))
            plain = ledgerd.post("/v1/holds", {"project": "bio", "points": "13"})
            self.assertEqual(plain.status, 402)

    def test_where_nothing_is_held_at_submission_jobs_are_decided_all_the_same(self):
        for when in ("start", "none"):
            db = make_book("ask" + when, holds={"slurm": when, "gateway": "request"})
            with lt.start_ledgerd(db, now=NOW, conf=CONF) as ledgerd:
                ask = {"cluster": "sdli", "uid": 20002, "seconds": "3600", "meters": {"gpu": "4"}}
                made = ledgerd.post("/v1/holds", ask).json()
                self.assertEqual((made["points"], made["decision"]["requested"]), ("0.000000", "4.000000"))
                self.assertEqual(ledgerd.post("/v1/holds", {**ask, "seconds": "86400"}).status, 402)
                plain = ledgerd.post("/v1/holds", {"project": "bio", "points": "1"})
                self.assertEqual(plain.json()["points"], "1.000000")


if __name__ == "__main__":
    unittest.main()
