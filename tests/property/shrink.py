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


def verdict(case, oracle):
    """What the oracle makes of a case: rated, its refusals, or None where the case is no case any more."""
    try:
        return tuple(oracle(case).get("any_of", ("rated",)))
    except (KeyError, TypeError, AttributeError):
        return None


def shrink(case, oracle, driver, agrees):
    """The smallest case reached for which the driver's answer still differs from the oracle's.

    The oracle's verdict stays what it was: a faultless case whose price is dropped would only end in
    some other disagreement. A driver that dies on a candidate ends the search.
    """
    wanted = verdict(case, oracle)
    for _ in range(ROUNDS_MAX):
        candidates = [without(case, path) for path in paths(case)]
        candidates = [c for c in candidates if verdict(c, oracle) == wanted]
        try:
            answers = driver(candidates) if candidates else []
        except RuntimeError:
            return case
        failing = [c for c, a in zip(candidates, answers) if not agrees(oracle(c), a)]
        if not failing:
            return case
        case = min(failing, key=size)
    return case
