"""reconcile tokens: what model servers counted, beside what the book has of them."""

import http.server
import json
import os
import re
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger_test as lt  # noqa: E402
import small_site as site  # noqa: E402

SOURCE = "gateway:b"
NOW = "2027-06-20T00:00:00+09:00"


def vllm(engine="0", model="llm", prompt=0, cached=None, output=0):
    labels = f'{{engine="{engine}",model_name="{model}"}}'
    lines = [f"vllm:prompt_tokens_total{labels} {float(prompt)}", f"vllm:generation_tokens_total{labels} {float(output)}"]
    if cached is not None:
        lines.append(f"vllm:prefix_cache_hits_total{labels} {float(cached)}")
    return "# TYPE vllm:prompt_tokens_total counter\n" + "\n".join(lines) + "\n"


def llama(prompt=0, cached=0, output=0):
    """Numbers as C++ prints doubles: six digits."""
    return (f"llamacpp:prompt_tokens_total {prompt:g}\nllamacpp:prompt_tokens_cached_total {cached:g}\n"
            f"llamacpp:tokens_predicted_total {output:g}\n")


class Served(http.server.BaseHTTPRequestHandler):
    text, status = "", 200

    def do_GET(self):  # noqa: N802
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, *_):
        pass


class ReconcileTokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """One book: two models, three requests a day from 10 to 12 June."""
        cls.db = site.new_book("engine")
        records = []
        for day in (10, 11, 12):
            for n in range(3):
                at = f"2027-06-{day}T0{n}:00:00+09:00"
                records.append({"source": SOURCE, "id": f"{day}-{n}", "project": "h1", "user": "u",
                                "class": "llm" if n < 2 else "free", "start": at, "end": at, "state": "final",
                                "meters": {"input_tokens": "1000", "output_tokens": "70"}})
        counts = site.import_records(cls.db, records)
        assert counts["booked"] == 9

    def run_it(self, metrics, *words, baselines=(), expect=0, conf=None, form="json"):
        paths = [lt.write_file(text, "baseline.prom") for text in baselines]
        where = metrics if metrics.startswith("http") else lt.write_file(metrics, "metrics.prom")
        words = ["reconcile", "tokens", SOURCE, *paths, "--metrics", where, *words]
        if conf is not None:
            words += ["-c", lt.write_file(conf, "ledgerd.conf")]
        code, out, err = lt.run_ctl(words + (["--json"] if form == "json" else []), db=self.db, now=NOW)
        self.assertEqual(expect, code, out + err)
        return (json.loads(out) if form == "json" and code in (0, 5) else out), err

    def rows(self, document):
        return {(c["class"], c["kind"]): (c["engine"], c["book"], c["drift"], c["resets"]) for c in document["counters"]}

    def test_an_engine_that_agrees(self):
        document, _ = self.run_it(vllm(prompt=6000, output=420, cached=0))
        self.assertTrue(document["agrees"])
        self.assertEqual({("llm", "prompt_tokens"): (6000, 6000, 0, 0), ("llm", "cached_input_tokens"): (0, 0, 0, 0),
                          ("llm", "output_tokens"): (420, 420, 0, 0)}, self.rows(document))
        self.assertEqual(["free"], document["elsewhere"])
        self.assertEqual({None}, {c["why"] for c in document["counters"]})

    def test_one_token_of_drift_is_named(self):
        for prompt, output, drift in ((6001, 420, ("prompt_tokens", -1, "less")),
                                      (6000, 419, ("output_tokens", 1, "more"))):
            document, _ = self.run_it(vllm(prompt=prompt, output=output), expect=5)
            bad = [c for c in document["counters"] if not c["agrees"]]
            self.assertEqual([drift[:2]], [(c["kind"], c["drift"]) for c in bad])
            self.assertIn(drift[2], bad[0]["why"])

    def test_tolerance_is_a_fraction_of_what_the_engine_counted(self):
        for tolerance, prompt, expect in (("0.01", 6060, 0), ("0.01", 6061, 5), ("0", 6000, 0), ("0.000000001", 6001, 5),
                                          ("1", 6000, 0)):
            self.run_it(vllm(prompt=prompt, output=420), "--tolerance", tolerance, expect=expect)
        for tolerance in ("1.1", "-1", "5%", "x"):
            self.run_it(vllm(prompt=6000), "--tolerance", tolerance, expect=2)

    def test_what_was_counted_between_two_snapshots_is_compared_with_that_time(self):
        first = "# taken at 2027-06-11T00:00:00+09:00\n" + vllm(prompt=500_000, output=7)
        last = "# taken at 2027-06-12T00:00:00+09:00\n" + vllm(prompt=502_000, output=147)
        document, _ = self.run_it(last, baselines=[first])
        self.assertEqual(("2027-06-11T00:00:00+09:00", "2027-06-12T00:00:00+09:00"), (document["from"], document["to"]))
        self.assertEqual((2000, 2000, 0, 0), self.rows(document)["llm", "prompt_tokens"])
        document, _ = self.run_it(last, "--to", "2027-06-13T00:00:00+09:00", baselines=[first], expect=5)
        self.assertEqual((2000, 4000, 2000, 0), self.rows(document)["llm", "prompt_tokens"])

    def test_a_baseline_without_its_time_needs_one(self):
        _, err = self.run_it(vllm(prompt=6000, output=420), baselines=[vllm()], expect=2)
        self.assertIn("--from", err)
        self.run_it(vllm(prompt=6000, output=420), "--from", "2027-06-01T00:00:00+09:00", baselines=[vllm()])

    def test_the_engines_start_is_where_its_counting_began(self):
        start = "process_start_time_seconds 1.8127266e+09\n"  # 2027-06-12T00:10:00+09:00
        document, _ = self.run_it(start + vllm(prompt=1000, output=70))
        self.assertEqual("2027-06-12T00:10:00+09:00", document["from"])

    def test_an_engine_that_was_started_anew_is_noticed(self):
        shots = ["# taken at 2027-06-01T00:00:00+09:00\n" + vllm(prompt=100, output=10), vllm(prompt=4100, output=290)]
        document, _ = self.run_it(vllm(prompt=2000, output=140), baselines=shots)
        self.assertEqual({("llm", "prompt_tokens"): (6000, 6000, 0, 1), ("llm", "output_tokens"): (420, 420, 0, 1)},
                         self.rows(document))
        document, _ = self.run_it(vllm(prompt=1999, output=140), baselines=shots, expect=5)
        bad = [c for c in document["counters"] if not c["agrees"]]
        self.assertEqual([("prompt_tokens", 1)], [(c["kind"], c["drift"]) for c in bad])
        self.assertIn("anew", bad[0]["why"])

    def test_an_engine_that_is_gone_is_noticed_and_one_that_joined_counts(self):
        first = "# taken at 2027-06-01T00:00:00+09:00\n" + vllm(engine="0") + vllm(engine="1", prompt=5)
        last = vllm(engine="0", prompt=4000, output=300) + vllm(engine="2", prompt=2000, output=120)
        document, _ = self.run_it(last, baselines=[first])
        self.assertEqual({("llm", "prompt_tokens"): (6000, 6000, 0, 1), ("llm", "output_tokens"): (420, 420, 0, 1)},
                         self.rows(document))

    def test_names_of_models_are_those_of_the_configuration(self):
        conf = f"[tokens {SOURCE}]\nmodel.meta/llm-70b = llm\n"
        self.run_it(vllm(model="meta/llm-70b", prompt=6000, output=420), conf=conf)
        document, _ = self.run_it(vllm(model="meta/llm-70b", prompt=6000, output=420), expect=5)
        self.assertEqual((6000, 0, -6000, 0), self.rows(document)["meta/llm-70b", "prompt_tokens"])
        self.assertEqual(["free", "llm"], document["elsewhere"])

    def test_llama_server_names_no_model(self):
        document, _ = self.run_it(llama(prompt=9000, output=630))
        self.assertEqual({("*", "input_tokens"): (9000, 9000, 0, 0), ("*", "cached_input_tokens"): (0, 0, 0, 0),
                          ("*", "output_tokens"): (630, 630, 0, 0)}, self.rows(document))
        document, _ = self.run_it(llama(prompt=3000, output=210), "--class", "free")
        self.assertEqual(["llm"], document["elsewhere"])

    def test_llama_servers_rounding_is_no_drift(self):
        db = site.new_book("engine")
        at = "2027-06-10T00:00:00+09:00"
        site.import_records(db, [{"source": SOURCE, "id": "1", "project": "h1", "user": "u", "class": "llm", "start": at,
                                  "end": at, "state": "final",
                                  "meters": {"input_tokens": "123456789", "output_tokens": "1234565"}}])
        for value, status in (("1.23457e+08", 0), ("1.23456e+08", 5), ("1.23458e+08", 5)):
            text = llama(output=1234565).replace("prompt_tokens_total 0", f"prompt_tokens_total {value}")
            path = lt.write_file(text, "m.prom")
            code, out, err = lt.run_ctl(["reconcile", "tokens", SOURCE, "--metrics", path], db=db, now=NOW)
            self.assertEqual(status, code, out + err)

    def test_a_url_is_read_and_saved_for_the_next_time(self):
        Served.text, Served.status = vllm(prompt=6000, output=420), 200
        server = http.server.HTTPServer(("127.0.0.1", 0), Served)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}/metrics"
        path = os.path.join(lt.temp_dir(), "kept.prom")
        self.run_it(url, "--save", path)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(f"# taken at {NOW}\n" + Served.text, file.read())
        code, out, err = lt.run_ctl(["reconcile", "tokens", SOURCE, path, "--metrics", url, "--json"], db=self.db,
                                    now="2027-06-21T00:00:00+09:00")
        self.assertEqual(0, code, err)
        self.assertEqual({(0, 0, 0, 0)}, set(self.rows(json.loads(out)).values()))
        Served.status = 404
        _, err = self.run_it(url, expect=4)
        self.assertIn("404", err)
        self.run_it("http://127.0.0.1:1/metrics", expect=4)
        self.run_it("http://[::1", expect=2)

    def test_what_is_no_metrics_is_bad_input(self):
        for text in ("<html></html>\n", "other_total 5\n", "vllm:prompt_tokens_total 1.5\n", ""):
            _, err = self.run_it(text, expect=3)
            self.assertIn("metrics.prom", err)
        self.run_it(vllm(), "--from", "2027-06-21T00:00:00+09:00", expect=2)

    def test_cached_tokens_that_vllm_does_not_tell_have_their_reason(self):
        document, _ = self.run_it(vllm(prompt=6000, cached=512, output=420), expect=5)
        self.assertEqual(["cached_input_tokens"], [c["kind"] for c in document["counters"] if not c["agrees"]])
        self.assertIn("enable-prompt-tokens-details", document["counters"][0]["why"])

    def test_text_has_the_figures_and_the_verdict(self):
        out, _ = self.run_it(vllm(prompt=6010, output=420), expect=5, form="text")
        lines = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
        self.assertIn(["llm", "prompt_tokens", "6010", "6000", "-10", "0", "no",
                       "the book has less: answers that were not booked, or are on their way"], lines)
        self.assertIn("not of these engines, by name: free", out)
        self.assertIn("the book and the engines differ", out)
        out, _ = self.run_it(vllm(prompt=6000, output=420), form="text")
        self.assertIn("the book and the engines agree", out)


if __name__ == "__main__":
    unittest.main()
