"""A model's own name means the same to holds, checks and records; without a price it is refused before the call."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402

NOW = "2027-06-10T12:00:00+09:00"
CONF = "[tokens gateway:sdli]\nmodel.local = llm\nmodel.gone = retired\n"
METERS = {"input_tokens": "1000000", "output_tokens": "1000000"}  # 0.25 points, 0.1875 with the discount


def hold(model, project="h1"):
    return {"project": project, "user": "alice", "source": "gateway:sdli", "class": model, "seconds": "0", "meters": METERS,
            "ttl": "1m", "ref": {"kind": "gateway", "id": "r1"}}


class Models(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = site.new_book("models")
        lt.ctl(["grant", "h1", "100", "--from", "2027-06-01T00:00:00+09:00"], db=cls.db, now=NOW)
        lt.ctl(["project", "alias", "h1", "gateway:sdli", "team-a"], db=cls.db, now=NOW)
        cls.daemon = lt.start_ledgerd(cls.db, conf=CONF, now=NOW)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def post(self, key, body):
        return self.daemon.post("/v1/holds", body, {"Idempotency-Key": key})

    def test_a_hold_costs_what_the_record_of_the_same_model_does(self):
        for name in ("local", "llm"):
            with self.subTest(name):
                made = self.post(f"gw/{name}", hold(name))
                self.assertEqual(made.status, 201, made.text)
                self.assertEqual(made.json()["points"], "0.187500")
                row = {"source": "gateway:sdli", "id": f"gw-{name}", "project": "h1", "user": "alice", "class": name,
                       "start": NOW, "end": NOW, "state": "final", "outcome": "completed", "meters": METERS,
                       "hold": made.json()["hold"]}
                counts = self.daemon.post_json("/v1/usage", row)
                self.assertEqual([counts["booked"], counts["points"]], [1, "0.187500"])
                self.assertEqual(self.daemon.get_json(f"/v1/holds/{made.json()['hold']}")["state"], "settled")
                explained = self.daemon.get_json(f"/v1/records?source=gateway:sdli&id=gw-{name}")
                self.assertEqual(explained["record"]["class"] if "record" in explained else "llm", "llm")

    def test_a_project_s_other_name_means_the_same_to_holds_as_to_records(self):
        made = self.post("gw/alias", hold("local", project="team-a"))
        self.assertEqual(made.status, 201, made.text)
        held = lt.query(self.db, "SELECT project_id FROM ledger.hold WHERE state = 'open'")
        self.assertEqual(held, [["h1"]])

    def test_checks_know_the_models_names(self):
        question = "/v1/check?project=h1&source=gateway:sdli&seconds=0&meter.output_tokens=1000000&class="
        self.assertEqual(self.daemon.get_json(question + "local")["requested"],
                         self.daemon.get_json(question + "llm")["requested"])
        for model in ("gone", "unknown"):
            self.assertEqual(self.daemon.get_json(question + model)["reason"], "no_rate")

    def test_a_model_without_a_price_is_refused_before_the_call(self):
        for model in ("unknown", "gone"):
            with self.subTest(model):
                refused = self.post(f"gw/no-{model}", hold(model))
                self.assertEqual(refused.status, 403, refused.text)
                self.assertEqual(refused.json()["code"], "no_rate")
                self.assertIn("error", refused.json())
        self.assertEqual(lt.scalar(self.db, "SELECT count(*) FROM ledger.hold WHERE request::text LIKE '%unknown%'"), "0")


if __name__ == "__main__":
    unittest.main()
