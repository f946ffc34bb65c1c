"""Files of made-up records for the benches: the same for the same number, spread over a month.

Written to look like what arrives: token records as NDJSON of format ledger (about 300 bytes a line), jobs as
`sacct -P` text (about 210), ids that grow, projects and users unevenly busy.
"""

import random

SEED = 20270601
PROJECTS = 200
USERS_PER_PROJECT = 10  # people belong to a project; hardly anybody to two
MODELS = ["openai/gpt-oss-20b", "Qwen/Qwen3-VL-8B-Instruct", "google/gemma-4-E4B-it",
          "llm-jp/llm-jp-4-8b-thinking"]
TOKEN_SOURCE = "gateway:bench"
CLUSTER = "bench"
DAY_SECONDS = 86400
MONTH_DAYS = 29
SACCT_HEADER = ("JobIDRaw|Cluster|Account|User|QOS|Partition|JobName|State|Submit|Start|End|ElapsedRaw|"
                "TimelimitRaw|AllocTRES|NodeList\n")


def project_id(number):
    return f"p{number:04d}"


def policy():
    return {"policy": "bench", "timezone": "Asia/Tokyo", "effective_from": "2027-06-01T00:00:00+09:00",
            "shares": [{"share": "hpci", "fraction": "0.8"}, {"share": "general", "fraction": "0.1"},
                       {"share": "industry", "fraction": "0.1"}],
            "supply": [{"id": "fy2027-gpu", "fiscal_year": 2027, "from": "2027-06-01T00:00:00+09:00",
                        "to": "2028-04-01T00:00:00+09:00", "resource": "gpu", "count": 720,
                        "hours": "7200", "points_per_hour": "1"}]}


def card():
    return {"card": "bench", "effective_from": "2027-06-01T00:00:00+09:00",
            "rules": [{"source": "slurm:*", "class": "gpu", "combine": "max", "require": ["gpu"],
                       "per_hour": {"gpu": "1", "cpu": "0.0138", "mem_gib": "0.002"},
                       "factors": {"qos": {"normal": "1", "urgent": "2", "low": "0.5"}}},
                      *({"source": "gateway:*", "class": model,
                         "per_million": {"input_tokens": "0.05", "cached_input_tokens": "0.0125",
                                         "output_tokens": "0.2"}} for model in MODELS)]}


def _clock(second):
    """Day and time of the second-th second of June 2027, in the site's zone."""
    return f"2027-06-{1 + second // DAY_SECONDS:02d}T" \
           f"{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def _user(project, chance):
    return f"u{project * USERS_PER_PROJECT + int(chance * USERS_PER_PROJECT):05d}"


def write_tokens(path, count):
    """NDJSON of format ledger."""
    chance = random.Random(SEED)
    draw = chance.random
    with open(path, "w", encoding="ascii", buffering=1 << 20) as file:
        for n in range(count):
            project = int(draw() * draw() * PROJECTS)
            start = _clock(n * MONTH_DAYS * DAY_SECONDS // count)
            file.write(
                f'{{"source":"{TOKEN_SOURCE}","id":"req-{n:010d}-{int(draw() * 2**32):08x}",'
                f'"project":"{project_id(project)}","user":"{_user(project, draw())}",'
                f'"class":"{MODELS[n & 3]}","start":"{start}.{n % 1000:03d}+09:00",'
                f'"end":"{start}.{n % 1000:03d}+09:00","state":"final","outcome":"completed",'
                f'"meters":{{"input_tokens":"{int(draw() * 8000)}","cached_input_tokens":"{n % 512}",'
                f'"output_tokens":"{int(draw() * 900)}"}}}}\n')


def write_jobs(path, count):
    """sacct -P text."""
    chance = random.Random(SEED)
    draw = chance.random
    states = ("COMPLETED", "COMPLETED", "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED by 1000")
    qos = ("normal", "normal", "normal", "low", "urgent")
    with open(path, "w", encoding="ascii", buffering=1 << 20) as file:
        file.write(SACCT_HEADER)
        for n in range(count):
            submit = n * MONTH_DAYS * DAY_SECONDS // count
            elapsed = 1 + int(draw() * 7200)
            gpus = 1 << int(draw() * 3)
            node = 1 + int(draw() * 180)
            project = int(draw() * draw() * PROJECTS)
            file.write(
                f"{100000 + n}|{CLUSTER}|{project_id(project)}|"
                f"{_user(project, draw())}|{qos[n % 5]}|gpu|train-{n % 97}|{states[n % 6]}|{_clock(submit)}|"
                f"{_clock(submit + 5)}|{_clock(submit + 5 + elapsed)}|{elapsed}|120|"
                f"billing={gpus},cpu={72 * gpus},gres/gpu:gh200={gpus},gres/gpu={gpus},mem={120 * gpus}G,node=1|"
                f"gn{node:03d}\n")
