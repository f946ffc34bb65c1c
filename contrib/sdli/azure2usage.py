#!/usr/bin/python3
"""Map the Azure LLM inference trace to usage records in the ledger's csv format.

    azure2usage.py traces/AzureLLMInferenceTrace_code.csv > tokens.csv

The trace holds one hour of real requests to a code model: an instant, the
tokens of the prompt, the tokens of the answer. Tokens are kept as they are.
The instants are moved by one constant, so that the hour begins at 23:32 on
30 June 2027 in Tokyo and runs over the edge of the month. The trace knows
neither project nor user nor model: these are drawn by a hash of the line
number (CALLERS, MODELS). The same trace gives the same bytes.

A request has no duration in the trace; a record's start and end are its instant.
"""

import csv
import hashlib
import sys
from datetime import datetime

FIRST_INSTANT = datetime(2027, 6, 30, 23, 32)
OFFSET = "+09:00"

# (project, user, weight)
CALLERS = (
    ("hp270001", "u00042", 24),
    ("hp270001", "u00044", 16),
    ("hp270014", "u00101", 15),
    ("hp270032", "u00121", 10),
    ("hp270108", "u00150", 8),
    ("gen27001", "u00202", 9),
    ("gen27003", "u00220", 6),
    ("ind27001", "u00301", 7),
    ("ind27002", "u00310", 5),
)

# (model, weight)
MODELS = (
    ("openai/gpt-oss-20b", 38),
    ("llm-jp/llm-jp-4-8b-thinking", 30),
    ("Qwen/Qwen3-VL-8B-Instruct", 14),
    ("google/gemma-4-E4B-it", 10),
    ("deepseek-ai/DeepSeek-OCR-2", 8),
)

COLUMNS = ("id", "project", "user", "class", "start", "end",
           "meters.input_tokens", "meters.output_tokens")


def pick(number, what, table):
    """A row of the table, by weight (its last column), fixed by line number and purpose."""
    digest = hashlib.sha256(f"{number} {what}".encode()).digest()
    ticket = int.from_bytes(digest[:8], "big") % sum(row[-1] for row in table)
    for row in table:
        if ticket < row[-1]:
            return row
        ticket -= row[-1]
    raise AssertionError("weights do not cover the ticket")


def instant_parse(text):
    """The trace's seven decimals are tenths of a microsecond; the last one is always 0."""
    if text[-1] != "0":
        raise ValueError(f"instant finer than a microsecond: {text}")
    return datetime.strptime(text[:-1], "%Y-%m-%d %H:%M:%S.%f")


def records_make(requests):
    shift = None
    for number, request in enumerate(requests, 1):
        instant = instant_parse(request["TIMESTAMP"])
        if shift is None:
            shift = FIRST_INSTANT - instant
        when = (instant + shift).isoformat(timespec="microseconds") + OFFSET
        project, user, _ = pick(number, "caller", CALLERS)
        model, _ = pick(number, "model", MODELS)
        yield (f"azure-code-{number:05d}", project, user, model, when, when,
               request["ContextTokens"], request["GeneratedTokens"])


def main(arguments):
    if len(arguments) != 2:
        sys.exit("usage: azure2usage.py TRACE.csv > tokens.csv")
    with open(arguments[1], encoding="ascii", newline="") as trace:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(records_make(csv.DictReader(trace)))


if __name__ == "__main__":
    main(sys.argv)
