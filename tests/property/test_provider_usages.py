"""What providers count is counted once: every recorded usage body becomes disjoint counts, or a reason.

The bodies are those of tests/data/tokens/provider_usages.jsonl, as they were recorded.  What each provider means by
its fields is told here a second time, from the providers' documents: which counts are inside of which, and which
stand beside.  The file's own answers (extracted_usages) are a third opinion.

Then the same of bodies that are wrong: counts that are negative, broken, missing, enormous, of another type, or larger
inside than outside.  LEDGER_TEST_SEED changes them.
"""

import copy
import json
import os
import random
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("LEDGER_BUILD", os.path.join(ROOT, "build")))
DRIVER = os.path.join(BUILD, "tests", "property", "import_driver")
BODIES = os.path.join(ROOT, "tests", "data", "tokens", "provider_usages.jsonl")
SEED = int(os.environ.get("LEDGER_TEST_SEED", "20270601"))
OPTIONS = ["source=gateway:s", "project=p", "user=u", "zone=UTC"]
INPUT = ("input_tokens", "cached_input_tokens", "cache_write_input_tokens")
METERS = {*INPUT, "output_tokens"}
ROUNDS = 25


def whole(value):
    """The count that a field says, 0 where it says none; what is no count says none."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return 0
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else 0


def counted(body):
    """(all of the prompt, what of it was read from a cache, all of the output), as the provider counts them."""
    google = body.get("usageMetadata")
    usage = google or body.get("usage")
    if not isinstance(usage, dict):
        return 0, 0, 0

    def of(*names):
        return sum(whole(usage.get(name)) for name in names)

    def inside(details, *names):
        inner = usage.get(details)
        found = [whole(inner.get(name)) for name in names if isinstance(inner, dict)]
        return max([*found, *(whole(usage.get(name)) for name in names)], default=0)
    if google:  # thoughts and the prompts of tools are counted apart
        return (of("promptTokenCount", "toolUsePromptTokenCount"), of("cachedContentTokenCount"),
                of("candidatesTokenCount", "thoughtsTokenCount"))
    if "prompt_tokens" in usage or "completion_tokens" in usage:
        return (of("prompt_tokens"), inside("prompt_tokens_details", "cached_tokens", "num_cached_tokens",
                                            "prompt_cache_hit_tokens"), of("completion_tokens"))
    if "inputTokens" in usage or "outputTokens" in usage:  # Bedrock: what is cached stands beside
        return (of("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"), of("cacheReadInputTokens"),
                of("outputTokens"))
    if "input_tokens" in usage or "output_tokens" in usage:
        beside = of("cache_read_input_tokens", "cache_creation_input_tokens")  # Anthropic
        return (of("input_tokens") + beside,
                of("cache_read_input_tokens") or inside("input_tokens_details", "cached_tokens"), of("output_tokens"))
    for tokens in (usage.get("tokens"), usage.get("billed_units")):  # Cohere
        counts = [tokens.get(name) for name in ("input_tokens", "output_tokens")] if isinstance(tokens, dict) else []
        if any(count is not None for count in counts):
            return whole(counts[0]), 0, whole(counts[1])
    return 0, 0, 0


def read(bodies):
    """What the importer makes of the bodies, one a line."""
    lines = "".join(json.dumps({"id": f"r{n}", "created": 1814500000, "model": "m", **body}) + "\n"
                    for n, body in enumerate(bodies))
    done = subprocess.run([DRIVER, "openai", "-", *OPTIONS], input=lines.encode(), stdout=subprocess.PIPE, check=True,
                          timeout=300)
    items = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return items[:-1], items[-1]


def fields(usage, path=()):
    """Paths of every number in a usage."""
    for name, value in usage.items():
        if isinstance(value, dict):
            yield from fields(value, (*path, name))
        elif isinstance(value, int) and not isinstance(value, bool):
            yield (*path, name)


def spoil(rng, body):
    """The body with one or two of its counts made wrong."""
    body = copy.deepcopy(body)
    usage = body.get("usageMetadata") or body.get("usage")
    for path in rng.sample(list(fields(usage)), k=min(rng.randint(1, 2), len(list(fields(usage))))):
        place = usage
        for name in path[:-1]:
            place = place[name]
        value = place[path[-1]]
        place[path[-1]] = rng.choice((
            -1, -value, value + 1, value * 2 + 7, value // 2, 0, None, True, [], {}, "", "x", "-5", str(value), "1e3",
            f" {value}", f"{value}.0", 0.5, float(value), 1e30, 10**12, 10**15, 2**63 - 1, 2**64, 10**40))
        if rng.random() < 0.15:
            del place[path[-1]]
    return body


class ProviderUsages(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(DRIVER):
            subprocess.run(["make", "-C", ROOT, f"BUILD={BUILD}", DRIVER], check=True, stdout=subprocess.DEVNULL)
        with open(BODIES, encoding="utf-8") as file:
            cls.lines = [json.loads(line) for line in file]
        cls.bodies = [line["body"] for line in cls.lines]

    def meters(self, item, body):
        """The record's counts, which are whole and not negative."""
        self.assertLessEqual(set(item["meters"]), METERS, body)
        for text in item["meters"].values():
            self.assertRegex(text, r"^[0-9]+$", body)
        return {name: int(item["meters"].get(name, "0")) for name in METERS}

    def test_every_recorded_body_is_counted_once_or_has_a_reason(self):
        items, end = read(self.bodies)
        self.assertEqual((0, 800, 800), (end["end"], len(self.bodies), len(items)))
        kinds = {"record": 0, "bad": 0}
        for line, item in zip(self.lines, items):
            kinds[item["kind"]] += 1
            if item["kind"] == "bad":
                self.assertTrue(item["reason"] and item["detail"], line)
                continue
            meters = self.meters(item, line)
            prompt, cached, output = counted(line["body"])
            self.assertEqual((prompt, output), (sum(meters[name] for name in INPUT), meters["output_tokens"]), line)
            self.assertEqual(cached, meters["cached_input_tokens"], line)
            self.assertIn((prompt, output), [(way.get("input_tokens", 0), way.get("output_tokens", 0))
                                             for way in line["extracted_usages"]], line)
        self.assertGreater(kinds["record"], 780)

    def test_wrong_counts_never_become_more_than_was_counted(self):
        rng = random.Random(SEED)
        spoilt = [spoil(rng, body) for body in self.bodies for _ in range(ROUNDS)]
        items, end = read(spoilt)
        self.assertEqual((0, len(spoilt)), (end["end"], len(items)), end)
        kinds = {"record": 0, "bad": 0, "skipped": 0}
        for body, item in zip(spoilt, items):
            kinds[item["kind"]] += 1
            if item["kind"] == "bad":
                self.assertTrue(item["reason"] and item["detail"], body)
            if item["kind"] != "record":
                continue
            meters = self.meters(item, body)
            prompt, _, output = counted(body)
            self.assertLessEqual(sum(meters[name] for name in INPUT), prompt, body)
            self.assertLessEqual(meters["output_tokens"], output, body)
        for kind in ("record", "bad"):
            self.assertGreater(kinds[kind], len(spoilt) // 10, kinds)


if __name__ == "__main__":
    sys.exit(unittest.main())
