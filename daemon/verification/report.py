"""What `klaxond verify` prints: a table with sentences for people, or JSON."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, TextIO

from rich.console import Console

from daemon.layout import Column, aligned
from daemon.number_words import counted
from daemon.verification.outcome import Outcome
from daemon.verification.verifying import CheckedPartition, CheckedStream
from daemon.verification.words import conclusion, differences, instant, notes, windows

#: More lines than somebody reads; JSON has up to a thousand of each stream and partition.
_DIFFERENCES_MOST: Final = 20


def write_table(checked: Sequence[CheckedPartition], outcome: Outcome, console: Console) -> None:
    """Write a line per stream and partition, then what differs, what was left out, and what it means."""
    lines = [(partition, each) for partition in checked for each in partition.streams]
    if lines:
        console.print(aligned(list(_columns(lines)), console.width))
        console.print()
    for sentence in (*_differences(checked), *(note for each in checked for note in notes(each))):
        console.print(sentence, markup=False, highlight=False)
    console.print(conclusion(checked, outcome), markup=False, highlight=False)


def _columns(lines: Sequence[tuple[CheckedPartition, CheckedStream]]) -> Iterator[Column]:
    yield Column("stream", [each.stream.name for _, each in lines])
    yield Column("partition", [str(found.partition.number) for found, _ in lines], right=True)
    snapshots = [found.snapshot for found, _ in lines]
    offsets = ["-" if snapshot is None else f"{snapshot.next_offset:,}" for snapshot in snapshots]
    yield Column("up to offset", offsets, right=True)
    taken = ["-" if snapshot is None else instant(snapshot.taken_us // 1_000_000 * 1_000_000) for snapshot in snapshots]
    yield Column("taken (UTC)", taken, spare=2)
    yield Column("from (UTC)", [_time(each.compared.from_us) for _, each in lines], spare=1)
    yield Column("to (UTC)", [_time(each.compared.to_us) for _, each in lines], spare=1)
    yield Column("records read", [f"{found.records:,}" for found, _ in lines], right=True)
    yield Column("panes", [windows(each.compared) for _, each in lines], spare=3)
    yield Column("cells", [f"{each.compared.cells:,}" for _, each in lines], right=True)
    yield Column("messages", [f"{each.compared.messages:,}" for _, each in lines], right=True)
    yield Column("different", [f"{each.compared.different:,}" for _, each in lines], right=True)


def _time(time_us: int | None) -> str:
    return "-" if time_us is None else instant(time_us)


def _differences(checked: Sequence[CheckedPartition]) -> Iterator[str]:
    sentences = [
        sentence
        for found in checked
        for each in found.streams
        for sentence in differences(each, found.partition.number)
    ]
    yield from sentences[:_DIFFERENCES_MOST]
    if (more := len(sentences) - _DIFFERENCES_MOST) > 0:
        yield f"and {counted(more, 'more pane', 'more panes')} of series; --output json has them"


def write_json(checked: Sequence[CheckedPartition], outcome: Outcome, out: TextIO) -> None:
    """Write one JSON object; what is absent or infinite is null. Times are microseconds since the epoch.

    Keys: `outcome`, `conclusion` (a sentence), and `partitions`: topic, partition, log_start_offset, log_end_offset,
    snapshot (next_offset, taken_us; null where there is none), records_read, gone_offsets, gaps (first, next, reason),
    notes (sentences), and `streams`: stream, from_us, to_us, panes (by window), cells, messages, different, and
    `differences` (the first thousand: window, pane_start_us, pane_end_us, series, name, in_snapshot, in_log, bound,
    record_offset; series null: all together; window null: the clock of all).
    """
    document = {
        "outcome": outcome.word,
        "conclusion": conclusion(checked, outcome),
        "partitions": [_partition(each) for each in checked],
    }
    json.dump(document, out, indent=2, allow_nan=False)
    out.write("\n")


def _partition(checked: CheckedPartition) -> dict[str, Any]:
    snapshot = checked.snapshot
    return {
        "topic": checked.partition.topic,
        "partition": checked.partition.number,
        "log_start_offset": checked.beginning,
        "log_end_offset": checked.end,
        "snapshot": None if snapshot is None else {"next_offset": snapshot.next_offset, "taken_us": snapshot.taken_us},
        "records_read": checked.records,
        "gone_offsets": checked.gone,
        "gaps": [{"first": gap.first, "next": gap.next, "reason": gap.reason} for gap in checked.gaps],
        "notes": list(notes(checked)),
        "streams": [_stream(each) for each in checked.streams],
    }


def _stream(checked: CheckedStream) -> dict[str, Any]:
    compared = checked.compared
    return {
        "stream": checked.stream.name,
        "from_us": compared.from_us,
        "to_us": compared.to_us,
        "panes": compared.panes_by_window,
        "cells": compared.cells,
        "messages": compared.messages,
        "different": compared.different,
        "differences": [
            {
                "window": None if found.name == "clock_us" else found.window,
                "pane_start_us": found.pane_start_us,
                "pane_end_us": found.pane_end_us,
                "series": None if found.key is None else dict(zip(checked.stream.label_names, found.key, strict=True)),
                "name": found.name,
                "in_snapshot": _finite(found.in_snapshot),
                "in_log": _finite(found.in_log),
                "bound": _finite(found.bound),
                "record_offset": found.record,
            }
            for found in compared.differences
        ],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
