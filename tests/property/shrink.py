"""Makes a failing rating case small: drops one thing at a time for as long as it still fails.

All candidates of a round go through the driver in one run, so a shrink costs
some tens of processes at most.
"""

import copy
import json

ROUNDS_MAX = 60


def size(case):
    return len(json.dumps(case))


def paths(value, prefix=()):
    """Every place in a case from which something can be taken."""
    items = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        yield (*prefix, key)
        yield from paths(inner, (*prefix, key))


def without(case, path):
    smaller = copy.deepcopy(case)
    holder = smaller
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return smaller


def still_rateable(case, oracle):
    """Whether the oracle can say anything of it: a drop may have taken a field that all cases have."""
    try:
        oracle(case)
    except (KeyError, TypeError, AttributeError):
        return False
    return True


def shrink(case, oracle, driver, agrees):
    """The smallest case reached for which the driver's answer still differs from the oracle's."""
    for _ in range(ROUNDS_MAX):
        # a faultless case must stay so: dropping a price would end in some other disagreement
        refused = "error" in oracle(case)
        candidates = [without(case, path) for path in paths(case)]
        candidates = [
            c for c in candidates if still_rateable(c, oracle) and ("error" in oracle(c)) == refused
        ]
        if not candidates:
            return case
        failing = [c for c, a in zip(candidates, driver(candidates)) if not agrees(oracle(c), a)]
        if not failing:
            return case
        case = min(failing, key=size)
    return case
