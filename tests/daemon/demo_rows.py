"""Statuses as the daemon writes them, and rows made from them, for the tests of the demo."""

from dataclasses import replace

from daemon.demo.ledger import Ledger
from daemon.demo.messages import Message
from daemon.demo.models import Truth
from daemon.demo.rows import look_at

BEGAN = 1_700_000_000.0
TRUTH = Truth({"reverse": 0.0022, "forward": 0.0023})
UNKNOWN = Truth({"reverse": None, "forward": None})
WINDOW_SECONDS = {"5s": 5.0, "15s": 15.0, "1m": 60.0}
TOLD, ALONE = ("tokens", ("writer", "2")), ("tokens", ("writer", "1"))


def window(value=0.0021, label="15s", **other):
    """One window of a series."""
    estimate = {"value": value, "standard_error": 0.0001, "lower": 0.0020, "upper": 0.0024}
    absent = dict.fromkeys(estimate)
    side = dict.fromkeys(("naive", "fixed", "fitted", "adaptive"), estimate if value is not None else absent)
    side |= {"lambda": 0.97, "variance_ratio": {"naive": 20.5, "fixed": 1.02}}
    return {
        "window": label, "complete": True, "messages": 40, "pairs": 1600,
        "ratio_mean": None if value is None else 1.0004, "comparable": True, "infinite": False,
        "reverse": side, "forward": side,
    } | other  # fmt: skip


def series(labels, windows, state="quiet", sentence="Quiet: nothing to tell."):
    """One series."""
    verdict = {"state": state, "sentence": sentence, "severity": None, "direction": "reverse"}
    return {"labels": labels, "verdict": verdict, "windows": windows}


def status(*windows, published=BEGAN + 10.0, end=BEGAN + 8.0, told="quiet", alone="quiet", rejected=None):
    """The whole answer: a bandit and two writers with the same windows."""
    spans = [
        {"window": w["window"], "seconds": WINDOW_SECONDS[w["window"]], "end_timestamp_seconds": end} for w in windows
    ]
    writers = [series({"model": "writer", "version": "1"}, list(windows), alone)]
    writers.append(series({"model": "writer", "version": "2"}, list(windows), told))
    found = {"bandit": [series({"campaign": "all"}, list(windows), "measuring")], "tokens": writers}
    return {
        "timestamp_seconds": published,
        "streams": [
            {
                "name": name,
                "windows": spans,
                "series": each,
                "records_rejected": {"syntax": 0} | (rejected or {}),
                "pairs_rejected": {},
            }
            for name, each in found.items()
        ],
    }


def ledger_of(*, messages=40, pairs=40, until=BEGAN + 8.0, truth=TRUTH, fixed=0.0021):
    """Messages of every series, 100 ms apart, the last one just before `until`."""
    ledger = Ledger()
    for index in range(messages):
        event_us = round(until * 1e6) - (messages - index) * 100_000
        for key in (TOLD, ALONE):
            ledger.add(Message(b"", key, event_us, pairs, pairs * 0.002, pairs * fixed, truth))
        ledger.add(Message(b"", ("bandit", ("all",)), event_us, pairs, pairs * 0.002, pairs * fixed, UNKNOWN))
    return ledger


def look(*windows, ledger=None, **other):
    """What the demo makes of such an answer."""
    return look_at(status(*windows, **other), ledger or ledger_of())


def row(**changes):
    """One row: the long window of the told series."""
    return replace(look(window()).of(TOLD, "15s"), **changes)
