"""A log that makes itself, processes that fold and save it, and a checker that shares no code with them."""

import math
from fractions import Fraction

import numpy as np

from daemon.snapshots.capturing import capture, state_of
from daemon.snapshots.chunk_store import ChunkStore
from daemon.snapshots.medium import EntriesGoneError
from daemon.snapshots.values import Snapshot
from daemon.source import Partition
from estimators.moments import COUNT, SUM
from estimators.pairs import Pairs
from estimators.partitions import absorb, new_state
from estimators.retained import retained_panes
from estimators.spec import StreamSpec, WindowSpec

PARTITION = Partition("pairs", 3)
GROUP = "klaxon"
STREAM_HASH = "5" * 16
SPEC = StreamSpec(
    windows=(WindowSpec("1x", 100), WindowSpec("3x", 300)),
    panes_per_window=4,
    burn_in=2,
    max_skew_us=20,
    max_series=100,
)
MASK = (1 << 64) - 1


def record(topic_id, offset):
    """(key, u, event time) of a record, for ever the same; `c` is silent for longer than the windows at times."""
    mixed = splitmix(hash_of(topic_id), offset)
    key = ("c",) if offset // 100 % 3 == 0 and mixed % 7 == 0 else ("ab"[mixed % 2],)
    return key, ((mixed >> 8) % 2001 - 1000) / 700, 1_000_000 + 5 * offset - (mixed >> 24) % 30


def hash_of(topic_id):
    return sum(map(ord, topic_id))


def splitmix(partition, offset):
    """The audit's hash in plain integers, from DESIGN.md section 5."""
    z = (((partition << 44) ^ offset) + 0x9E3779B97F4A7C15) & MASK
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def pairs_of(topic_id, offsets):
    """Records as columns; q is the sampler, so u = log p - log q."""
    rows = [record(topic_id, offset) for offset in offsets]
    u = np.array([row[1] for row in rows])
    event_us = np.array([row[2] for row in rows], np.int64)
    log_q = np.full(len(u), -2.0)
    return Pairs(
        log_p=log_q + u, log_q=log_q, weight=None, first_pair=np.arange(len(u)), keys=[row[0] for row in rows],
        offset=np.array(offsets, np.int64), event_time_us=event_us, append_time_us=event_us + 10,
    )  # fmt: skip


def batch_fold(topic_id, end):
    """(window, pane, key) -> counts and exact sums of the first `end` records, for the panes that are retained then."""
    rows = [(offset, *record(topic_id, offset)) for offset in range(end)]
    cells = {}
    if not rows:
        return cells
    clock = max(event for *_, event in rows)
    for window, (spec, ring) in enumerate(zip(SPEC.windows, SPEC.rings, strict=True)):

        def pane_of(time_us, length=spec.length_us):
            return math.floor(Fraction(time_us * SPEC.panes_per_window, length))

        oldest = pane_of(clock) - ring.size
        for offset, key, u, event in rows:
            pane = pane_of(event)
            if pane > oldest:
                cells.setdefault((window, pane, key), []).append((offset, (-2.0 + u) - -2.0))
    return cells


def assert_is_fold(state, topic_id, end):
    """The state is the batch fold of the first `end` records: counts and audit to the bit, sums within rounding."""
    expected = batch_fold(topic_id, end)
    found = set()
    for window in range(len(SPEC.windows)):
        panes = retained_panes(state, SPEC, window)
        for row, column in np.argwhere(panes.moments.counts[..., COUNT["messages"]]):
            cell = (window, int(panes.panes[row]), panes.keys[column])
            found.add(cell)
            assert_is_cell(panes.moments.counts[row, column], panes.moments.sums[row, column], expected.get(cell, []))
    assert found == expected.keys(), f"at offset {end}: cells {found ^ expected.keys()} are on one side only"


def assert_is_cell(counts, sums, records):
    offsets = [offset for offset, _ in records]
    us = [u for _, u in records]
    exact = {
        "messages": len(offsets),
        "pairs": len(offsets),
        "offset_sum": sum(offsets) & MASK,
        "hash_sum": sum(splitmix(PARTITION.number, offset) & ((1 << 48) - 1) for offset in offsets) & MASK,
    }
    assert {name: int(counts[COUNT[name]]) for name in exact} == exact
    for name, terms in (
        ("W", [1.0] * len(us)),
        ("U", us),
        ("C", [math.expm1(u) for u in us]),
        ("K2", [u * u / 2 for u in us]),
    ):
        assert abs(sums[SUM[name]] - math.fsum(terms)) <= 1e-12 * math.fsum(map(abs, terms)), name


class Process:
    """One daemon: a state, its offset, and a store over a medium of its own."""

    def __init__(self, medium, make_store=ChunkStore, *writers):
        self.medium = medium
        self.store = make_store(medium, GROUP, *writers)
        self.saves = 0
        self.begin("", 0)

    def begin(self, topic_id, now):
        """Start from the log's first record."""
        self.topic_id, self.now = topic_id, now
        self.state, self.base, self.next_offset = new_state(SPEC, PARTITION.number), None, 0

    def load(self, topic_id, end, now):
        """Restore as the daemon does, and check what was restored; return the offset, None if there is nothing."""

        def accepts(snapshot):
            assert all(section is None for image in snapshot.images for section in image.sections.values())
            hashes = {image.stream_hash for image in snapshot.images}
            return STREAM_HASH in hashes and snapshot.topic_id == topic_id and snapshot.next_offset <= end

        self.begin(topic_id, now)
        snapshot = self.store.load([PARTITION], accepts)[PARTITION]
        if snapshot is None:
            return None
        assert accepts_whole(snapshot)
        self.state, self.base = state_of(snapshot.images[0], SPEC, PARTITION.number)
        self.next_offset = snapshot.next_offset
        assert_is_fold(self.state, topic_id, self.next_offset)
        return self.next_offset

    def deliver(self, end):
        """Read on to `end`."""
        if end > self.next_offset:
            absorb(self.state, SPEC, pairs_of(self.topic_id, range(self.next_offset, end)))
            self.next_offset = end

    def save(self):
        """Capture and save as the daemon does; a failure is raised on."""
        self.now += 1
        self.saves += 1
        image, revisions = capture(self.state, SPEC, STREAM_HASH, self.base)
        snapshot = Snapshot(
            partition=PARTITION, topic_id=self.topic_id, next_offset=self.next_offset, leader_epoch=-1,
            missing_before_us=None, skipped_offsets=0, began_us=1, taken_us=self.now, images=(image,),
        )  # fmt: skip
        try:
            receipt = self.store.save(snapshot)
        except EntriesGoneError:
            self.base = None
            raise
        self.base = revisions
        return receipt


def accepts_whole(snapshot):
    return all(section is not None for image in snapshot.images for section in image.sections.values())
