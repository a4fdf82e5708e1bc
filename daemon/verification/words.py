"""A verification in sentences."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from daemon.number_words import counted
from daemon.streams import Stream
from daemon.verification.comparison import Compared, Difference
from daemon.verification.outcome import Outcome
from daemon.verification.verifying import CheckedPartition, CheckedStream

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GAP_REASONS: Final = {"corrupt": "corrupt", "out_of_range": "expired or deleted meanwhile"}
#: Series that no label tells apart, and panes whose series cannot be told apart.
_ONE_SERIES: Final = "the one series"
_NONE_FOUND: Final = (
    "none was found intact where the configuration says; a daemon of this group writes one every snapshot.interval"
)
_ALL_SERIES: Final = "all series together"


def instant(time_us: int) -> str:
    """Write a time in UTC; fractions only where there are some."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction}"


def windows(compared: Compared) -> str:
    """Write how many panes of each window were compared."""
    return ", ".join(f"{label} {panes:,}" for label, panes in compared.panes_by_window.items())


def series(stream: Stream, key: tuple[str, ...] | None) -> str:
    """Name a series by its labels."""
    if key is None:
        return _ALL_SERIES
    return ", ".join(f"{name}={value}" for name, value in zip(stream.label_names, key, strict=True)) or _ONE_SERIES


def differences(checked: CheckedStream, partition: int) -> Iterator[str]:
    """Say what differs and where, one sentence for each series of a pane."""
    head = f"stream {checked.stream.name}, partition {partition}"
    for _, group in itertools.groupby(
        checked.compared.differences, key=lambda found: (found.window, found.pane_start_us, found.key)
    ):
        first, *others = group
        if first.name == "clock_us":
            yield f"{head}: {_clocks(first)}"
            continue
        values = f"{first.name} is {_figure(first.in_snapshot)} in the snapshot, {_figure(first.in_log)} in the log"
        pane = f"window {first.window}, pane {instant(first.pane_start_us)} to {instant(first.pane_end_us)}"
        also = f"; so differ {', '.join(each.name for each in others)}" if others else ""
        yield f"{head}, {pane}, {series(checked.stream, first.key)}: {values}{also}{_explained(first)}"


def _explained(first: Difference) -> str:
    """Name the record that is lost or counted too often; `first` is the count of messages where that differs."""
    if first.record is None:
        return ""
    often = "more often" if first.in_snapshot > first.in_log else "less often"
    return f"; the record at offset {first.record:,} alone explains it: it is counted {often} than it is in the log"


def _clocks(found: Difference) -> str:
    held, read = instant(int(found.in_snapshot)), instant(int(found.in_log))
    if found.record is None:
        return f"the clock is at {held} in the snapshot, and no record of the log is newer than {read}"
    return f"the clock is at {held} in the snapshot; the record at offset {found.record:,} is of {read} and not counted"


def notes(checked: CheckedPartition) -> Iterator[str]:
    """Say of one partition what could not be had or was left out."""
    name = f"{checked.partition.topic}/{checked.partition.number}"
    if checked.snapshot is None:
        if checked.end == checked.beginning:
            yield f"{name}: the log is empty"
            return
        why = "; ".join(checked.refused) or _NONE_FOUND
        yield f"{name}: there is no snapshot that can be used: {why}"
        return
    for refusal in checked.refused:
        yield f"{name}: a newer snapshot is not used: {refusal}"
    if checked.gone:
        yield (
            f"{name}: the log begins at offset {checked.beginning:,}: {counted(checked.gone, 'offset')} below it that "
            f"the snapshot may hold {'is' if checked.gone == 1 else 'are'} gone{_unchecked(checked)}"
        )
    for gap in checked.gaps:
        yield (
            f"{name}: offsets {gap.first:,} to {gap.next - 1:,} cannot be read "
            f"({_GAP_REASONS.get(gap.reason, gap.reason)}){_unchecked(checked)}"
        )
    for each in checked.streams:
        yield from _left_out(name, each)


def _unchecked(checked: CheckedPartition) -> str:
    if checked.all_missing:
        return "; nothing follows them, so no pane can be checked"
    if checked.missing_until_us is None:
        return ""
    return f"; panes that start before {instant(checked.missing_until_us)} + max_skew are left out"


def _left_out(name: str, checked: CheckedStream) -> Iterator[str]:
    plan, stream = checked.plan, checked.stream.name
    if plan.span is None or plan.clock_us is None or plan.kept_from_us is None:
        yield f"{name}: stream {stream} has had no pair yet"
        return
    if plan.complete_from_us > max(plan.span.from_us, plan.kept_from_us):
        yield (
            f"{name}: stream {stream} is complete from {instant(plan.complete_from_us)} on only, "
            "since the daemon did not have the records before; earlier panes are left out"
        )
    if plan.span.from_us < plan.kept_from_us:
        yield f"{name}: stream {stream} keeps nothing from before {instant(plan.kept_from_us)}"
    if plan.span.from_us > plan.clock_us:
        newest = instant(plan.clock_us)
        yield f"{name}: the newest event of stream {stream} in the snapshot is of {newest}, before the range"


def conclusion(checked: Sequence[CheckedPartition], outcome: Outcome) -> str:
    """Say in the last line what it means."""
    compared = [each.compared for partition in checked for each in partition.streams]
    panes, cells = sum(each.panes for each in compared), sum(each.cells for each in compared)
    where = f"{counted(panes, 'pane')} ({counted(cells, 'cell')}, one for each series that has something in a pane)"
    different = sum(each.different for each in compared)
    match outcome:
        case Outcome.DIFFERENT:
            return (
                f"DIFFERENT: {counted(different, 'number')} of {where} {'is' if different == 1 else 'are'} not what "
                "the log says. Either records were lost, counted twice or added up wrongly, which is a fault of "
                "klaxond: please report it with this output; or the log has changed since it was read: compaction, or "
                "records deleted in its middle."
            )
        case Outcome.NO_SNAPSHOT:
            missing = sum(each.snapshot is None and each.end > each.beginning for each in checked)
            others = f" Of the others {where} equal the log." if panes else ""
            return (
                f"NOT CHECKED: {counted(missing, 'partition')} with records {'has' if missing == 1 else 'have'} no "
                f"snapshot that can be used.{others}"
            )
        case Outcome.NOTHING:
            return "NOTHING COMPARED: no pane of the range can be checked; it says above why. This proves nothing."
    messages = sum(each.messages for each in compared)
    return (
        f"EQUAL: {where} were recomputed from the log: counts and audit are the same to the bit, sums within 1e-12 of "
        f"the sum of their terms' sizes. So each of {counted(messages, 'message')} is counted once."
    )


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else repr(value)
