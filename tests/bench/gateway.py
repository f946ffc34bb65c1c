"""gateway, gateway-lease: nginx with the ledger against nginx without, requests a second and p99.

wrk asks over 64 connections for plain chat completions, as CALLERS callers of PROJECTS projects. With the ledger each request is
identified, held (or counted against a lease), metered, written to the journal and booked by ledgerd; without, it is forwarded by
the same nginx with the same upstream settings. The model stub is an nginx. For gateway and gateway-lease it takes MODEL_SECONDS
for an answer, as no model does in less; gateway-bare and gateway-lease-bare are the same with one that answers at once, from
memory, so that nothing but processors is waited for, which all of it shares. Rounds take turns; the median of the rounds'
ratios is shown.
"""

import os
import re
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("lib", "gateway"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))
import ledger_test as lt  # noqa: E402
from gateway_site import PLAIN_HTTP, Site  # noqa: E402
from nginx_process import Nginx  # noqa: E402

CONNECTIONS = 64
PROJECTS = 8
CALLERS = 16
ROUNDS = int(os.environ.get("LEDGER_BENCH_ROUNDS", "5"))
SECONDS = int(os.environ.get("LEDGER_BENCH_SECONDS", "4"))
BOOKED_SECONDS = 300
LEASE = {"points": "1000", "refill_below": "500", "ttl": "120s", "idle": "30s", "comfortable": 4}
REQUEST = '{"model":"llm","messages":[{"role":"user","content":"How many angels dance on the head of a pin?"}],"max_tokens":256}'
ANSWER = ('{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"llm","choices":[{"index":0,"finish_reason":"stop",'
          '"message":{"role":"assistant","content":"It depends on the pin, and on the dance."}}],'
          '"usage":{"prompt_tokens":21,"completion_tokens":11,"total_tokens":32,"prompt_tokens_details":{"cached_tokens":0}}}')
MODEL_SECONDS = 0.02
STUB = """
    access_log off;
    keepalive_requests 100000000;
    server {
        listen 127.0.0.1:{port} backlog=1024;
        location / { %s }
    }
"""
BARE = STUB % f"return 200 '{ANSWER}';"
TIMED = STUB % f"content_by_lua_block {{ ngx.sleep({MODEL_SECONDS}) ngx.print('{ANSWER}') }}"
SCRIPT = """
local n, requests, keys = 0, {}, {%s}
function init()
    for i, key in ipairs(keys) do
        local headers = {["Host"] = "gateway", ["Authorization"] = "Bearer " .. key, ["Content-Type"] = "application/json"}
        requests[i] = wrk.format("POST", "/v1/chat/completions", headers, '%s')
    end
end
function request() n = n %% #requests + 1; return requests[n] end
"""


def load(url, script, seconds=SECONDS):
    """(requests per second, p99 in microseconds) of one round; every request must have been served."""
    done = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", script, url], capture_output=True,
                          text=True, check=True)
    if re.search(r"Non-2xx|Socket errors", done.stdout):
        raise SystemExit(f"gateway: the load saw errors\n{done.stdout}")
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout).group(1))
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", done.stdout).groups()
    return rate, float(value) * {"us": 1, "ms": 1000, "s": 1000000}[unit]


def make_site(stub, **settings):
    names = [f"p{n}" for n in range(PROJECTS)]
    members = [(names[n % PROJECTS], f"u{n}") for n in range(CALLERS)]
    site = Site(projects={name: "500000" for name in names}, members=members, upstream=f"127.0.0.1:{stub.port}", **settings)
    site.start()
    keys = ",".join(f'"{site.key(user, project)}"' for project, user in members)
    return site, lt.write_file(SCRIPT % (keys, REQUEST), "ask.lua")


def wait_until_booked(site):
    """Every answer that was given has a line in the journal, and every line is a record in the book."""
    for _ in range(BOOKED_SECONDS):
        with open(site.journal_path, "rb") as file:
            lines = sum(1 for _ in file)
        booked = int(lt.scalar(site.db, "SELECT count(*) FROM ledger.record_identity"))
        if booked == lines:
            return
        time.sleep(1)
    raise SystemExit(f"gateway: {booked} of {lines} requests are booked")


def measure(name, stub, floor, **settings):
    """Rounds of the site and of the floor by turns."""
    site, script = make_site(stub, **settings)
    try:
        for nginx in (site.nginx, floor):
            load(nginx.url, script, 1)  # warm
        rounds = [(load(site.nginx.url, script), load(floor.url, script)) for _ in range(ROUNDS)]
        wait_until_booked(site)
    finally:
        site.stop()
    ratios = [statistics.median(ours[i] / without[i] for ours, without in rounds) for i in (0, 1)]
    medians = [[statistics.median(one[i] for one in side) for i in (0, 1)] for side in zip(*rounds)]
    print(f"{name} {ratios[0]:.2f} ({medians[0][0]:.0f} req/s vs {medians[1][0]:.0f} req/s of nginx without the ledger)", flush=True)
    print(f"{name}-p99 {ratios[1]:.2f} ({medians[0][1]:.0f} us vs {medians[1][1]:.0f} us)", flush=True)


def with_stub(text, suffix):
    """Both ways of holding, before this stub."""
    stub = Nginx(text, workers=1).start()
    floor = Nginx(PLAIN_HTTP.replace("{upstream}", f"127.0.0.1:{stub.port}")).start()
    try:
        measure("gateway" + suffix, stub, floor)
        measure("gateway-lease" + suffix, stub, floor, lease=LEASE)
    finally:
        floor.stop(patient=False)
        stub.stop(patient=False)


def main():
    with_stub(TIMED, "")
    with_stub(BARE, "-bare")


if __name__ == "__main__":
    main()
