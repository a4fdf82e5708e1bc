"""Panes of a partition as plain numbers by (window, series, pane): folded from the log, and compared."""

import math
from collections import defaultdict

from tests.faults.truth import MASK_64, audit_hash

COUNTS = ("messages", "pairs", "zero_other", "clamped", "offset_sum", "hash_sum")
RELATIVE = 1e-12


def fold(truth, geometry, below, complete_from_us):
    """Return {(window, series, pane): ({count: exact integer}, {sum: (value, sum of |terms|)})}.

    What a state whose next offset is `below` must hold: the panes that its rings retain by its own clock, of those
    that start at `complete_from_us` or later. `truth` must have been judged from records below `below` only, for its
    clock to be the state's.
    """
    rows = defaultdict(list)
    for message in truth.messages:
        assert message.offset < below
        for label, length_us in geometry.lengths_us.items():
            pane = geometry.pane(label, message.event_us)
            retained = pane > geometry.pane(label, truth.clock_us) - geometry.retained(label)
            if retained and pane * length_us >= complete_from_us * geometry.panes:
                rows[label, message.series, pane].append(message)
    return {cell: _sums(messages) for cell, messages in rows.items()}


def _sums(messages):
    counts = {
        "messages": len(messages),
        "pairs": sum(one.pairs for one in messages),
        "zero_other": sum(one.zero_other for one in messages),
        "clamped": sum(one.clamped for one in messages),
        "offset_sum": sum(one.offset for one in messages) & MASK_64,
        "hash_sum": sum(audit_hash(one.partition, one.offset) for one in messages) & MASK_64,
    }
    sums = {}
    for name in messages[0].sums:
        sums[name] = math.fsum(one.sums[name] for one in messages), math.fsum(one.sizes[name] for one in messages)
    return counts, sums


def differences(found, expected, where):
    """Tell in words each cell of `found` {cell: (counts, {sum: value})} that is not what the log says."""
    told = []
    for cell in sorted(found.keys() | expected.keys(), key=str):
        if cell not in expected:
            told.append(f"{where} {cell}: the state holds {found[cell][0]}, the log nothing")
        elif cell not in found:
            told.append(f"{where} {cell}: the state holds nothing, the log {expected[cell][0]}")
        else:
            told += _cell_differences(f"{where} {cell}", found[cell], expected[cell])
    return told


def _cell_differences(where, found, expected):
    for name in COUNTS:
        if found[0][name] != expected[0][name]:
            yield f"{where} {name}: the state has {found[0][name]}, the log {expected[0][name]}"
    for name, (value, size) in expected[1].items():
        if not abs(found[1][name] - value) <= RELATIVE * size:
            yield f"{where} {name}: the state has {found[1][name]!r}, the log {value!r}"
