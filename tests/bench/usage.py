"""Bench of POST /v1/usage: batches of 1,000 token records from four connections, durable before each answer,
against COPY of the same normalised rows (the floor of `ingest-tokens`).

LEDGER_BENCH_RECORDS records (200,000 at most here). Rounds take turns, medians count.
"""

import http.client
import os
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ingest  # noqa: E402
import ledger_test as lt  # noqa: E402
import records  # noqa: E402

RECORDS = min(ingest.RECORDS, 200000)
BATCH = 1000
CONNECTIONS = 4


def bodies(folder):
    """The bodies to send: ndjson of BATCH records each."""
    path = os.path.join(folder, "tokens")
    records.write_tokens(path, RECORDS)
    with open(path, "rb") as file:
        lines = file.readlines()
    os.unlink(path)
    return [b"".join(lines[n:n + BATCH]) for n in range(0, len(lines), BATCH)]


def send(port, waiting, troubles):
    """Sends what waits, one body after the other, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        while True:
            try:
                body = waiting.pop()
            except IndexError:
                return
            connection.request("POST", "/v1/usage", body, {"Content-Type": "application/x-ndjson"})
            reply = connection.getresponse()
            text = reply.read()
            if reply.status != 200 or f'"booked":{BATCH},'.encode() not in text:
                troubles.append(f"{reply.status} {text[:300]!r}")
                return
    finally:
        connection.close()


def timed_posts(db, todo):
    """Seconds until everything is booked."""
    troubles = []
    waiting = list(reversed(todo))
    with lt.start_ledgerd(db, now=ingest.NOW) as daemon:
        senders = [threading.Thread(target=send, args=(daemon.port, waiting, troubles))
                   for _ in range(CONNECTIONS)]
        begin = time.monotonic()
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        seconds = time.monotonic() - begin
    if troubles:
        sys.exit(f"bench: usage: {troubles[0]}")
    return seconds


def main():
    folder = lt.temp_dir()
    todo = bodies(folder)
    figures, floors = [], []
    for _ in range(ingest.ROUNDS):
        db = ingest.new_book(folder)
        lt.psql(lt.server(), "CHECKPOINT;")
        figures.append(timed_posts(db, todo))
        lt.psql(lt.server(), "CHECKPOINT;")
        floors.append(ingest.timed_floor(db, folder))
        lt.drop_db(db)
    figure = RECORDS / statistics.median(figures)
    floor = RECORDS / statistics.median(floors)
    print(f"usage {figure / floor:.2f} ({figure:.0f} records/s vs {floor:.0f} rows/s by COPY)", flush=True)


if __name__ == "__main__":
    main()
