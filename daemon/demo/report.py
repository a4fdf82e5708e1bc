"""The demo as one JSON object: each step of the scenario, and the last published value of each series."""

from collections.abc import Iterable
from typing import Any

from daemon.demo.exactness import Restart, exact
from daemon.demo.models import Truth
from daemon.demo.rows import Row
from daemon.demo.state import DemoState
from daemon.demo.story import Progress
from estimators.estimates import DIRECTIONS, ESTIMATORS, Direction

Object = dict[str, Any]


def report(state: DemoState) -> Object:
    """Return what `--output json` prints; a number that is absent or infinite is null."""
    return {
        "scenario": state.scenario,
        "seed": state.seed,
        "over": state.over,
        "steps": [_step(each, state.began_seconds) for each in state.progress],
        "false_alarms": [
            {
                "at_seconds": each.at_seconds - state.began_seconds,
                "series": " ".join((each.series[0], *each.series[1])),
                "state": each.state,
                "sentence": each.sentence,
            }
            for each in state.false_alarms
        ],
        "restarts": [_restart(each, state.began_seconds) for each in state.restarts],
        "windows_compared": state.exactness.compared,
        "windows_equal": state.exactness.equal,
        "series": list(_series(state.rows)),
        "live_after_seconds": state.live_after_seconds,
        "seconds": state.seconds,
    }


def _step(progress: Progress, began: float) -> Object:
    """One step: its time, the truth, the estimate, and klaxond's answer with its delay."""
    step, row = progress.step, progress.row
    return {
        "name": step.name,
        "sentence": step.sentence,
        "at_seconds": progress.made_seconds - began,
        "expects": step.expects,
        "seen": row is not None,
        "seen_after_seconds": progress.seen_after_seconds,
        "delay_seconds": progress.delay_seconds,
        "rejected": {
            reason: {"counted": counted, "sent": sent} for reason, (counted, sent) in progress.rejected.items()
        },
        "answer": None if row is None else _answer(row),
        "at_end": None if progress.last is None else _answer(progress.last),
    }


def _answer(row: Row) -> Object:
    return {
        "series": row.series,
        "window": row.window,
        "state": row.state,
        "sentence": row.sentence,
        "truth": _finite(row.truth, "reverse"),
        "ratio_mean_truth": row.truth.ratio_mean,
        "ratio_mean": row.ratio_mean,
        "comparable": row.comparable,
        "lambda": row.control_variate_lambda["reverse"],
        "estimate": {name: dict(row.estimates["reverse", name]) for name in ESTIMATORS},
    }


def _restart(restart: Restart, began: float) -> Object:
    row = restart.row
    return {
        "killed_at_seconds": restart.killed_seconds - began,
        "back_after_seconds": restart.down_seconds,
        "pid": restart.pid,
        "new_pid": restart.new_pid,
        "window": None if row is None else row.window,
        "messages": None if row is None else row.messages,
        "messages_sent": None if row is None or row.sent is None else row.sent.messages,
        "messages_sent_before": restart.sent_before,
        "equal": None if row is None else exact(row),
    }


def _series(rows: Iterable[Row]) -> Iterable[Object]:
    for row in rows:
        for direction in DIRECTIONS:
            for estimator in ESTIMATORS:
                yield {
                    "stream": row.stream,
                    "labels": dict(row.labels),
                    "window": row.window,
                    "direction": direction,
                    "estimator": estimator,
                    **row.estimates[direction, estimator],
                    "truth": _finite(row.truth, direction),
                    "lambda": row.control_variate_lambda[direction],
                    "messages": row.messages,
                    "messages_sent": 0 if row.sent is None else row.sent.messages,
                    "pairs": row.pairs,
                    "ratio_mean": row.ratio_mean,
                    "ratio_mean_truth": row.truth.ratio_mean,
                    "comparable": row.comparable,
                    "infinite": row.infinite,
                    "state": row.state,
                }


def _finite(truth: Truth, direction: Direction) -> float | None:
    """JSON has no infinity."""
    nats = truth.kl_nats[direction]
    return None if nats == float("inf") else nats
