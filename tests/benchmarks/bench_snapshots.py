"""What snapshots cost: on the loop's thread, on the keeper's, in bytes, and at a restore.

    python -m tests.benchmarks.bench_snapshots

One partition of 1,000 live series, windows 5m, 1h, 24h, every pane filled; between two snapshots lie 30 s of event
time, the default interval. The law: the CPU time of all threads that a snapshot takes is at most 3 % of its interval
for four partitions: a loop that reads as fast as it can reads at most 3 % less. Writing to the medium is not in it.
The worst case is told besides: a replay in which every pane changes within one interval.
"""

import statistics
import sys
from dataclasses import replace
from time import process_time

import numpy as np

from daemon.snapshots.capturing import capture, state_of
from daemon.snapshots.frames import decode, digest_of, encode, split
from daemon.snapshots.manifests import ChunkRef, Manifest, decode_manifest, encode_manifest
from daemon.snapshots.medium import Place
from daemon.snapshots.values import Snapshot
from daemon.source import Partition
from estimators.pairs import Pairs
from estimators.partitions import absorb, new_state
from estimators.spec import StreamSpec, WindowSpec

SERIES = 1000
KEYS = [(f"model-{number:04d}", "7") for number in range(SERIES)]
START_US = 1_700_000_000_000_000
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
SPEC = StreamSpec(
    windows=tuple(WindowSpec(f"{minutes}m", minutes * MINUTE_US) for minutes in (5, 60, 1440)), max_series=SERIES
)
INTERVAL_SECONDS = 30
PARTITIONS = 4
LAW = 0.03
REPEATS = 9
HASH = "5" * 16


class Log:
    """A log that goes on; every round has one message of three pairs for each series."""

    def __init__(self, state):
        self.state = state
        self.rng = np.random.default_rng(7)
        self.offset = 0

    def rounds(self, start_us, end_us, step_us):
        """Absorb a round at each step of event time."""
        for at in range(start_us, end_us, step_us):
            log_q = -self.rng.exponential(2.0, 3 * SERIES)
            absorb(self.state, SPEC, Pairs(
                log_p=np.minimum(log_q + self.rng.normal(-0.005, 0.1, len(log_q)), 0.0), log_q=log_q, weight=None,
                first_pair=np.arange(0, len(log_q), 3), keys=KEYS,
                offset=np.arange(self.offset, self.offset + SERIES),
                event_time_us=np.full(SERIES, at), append_time_us=np.full(SERIES, at),
            ))  # fmt: skip
            self.offset += SERIES


def steady_state():
    """Return a log whose panes are all filled, and the time that it has come to."""
    log = Log(new_state(SPEC, 0))
    end_us = START_US + 48 * 60 * MINUTE_US
    for before_us, step_us in ((48 * 60 * MINUTE_US, 20 * MINUTE_US), (120 * MINUTE_US, MINUTE_US)):
        log.rounds(end_us - before_us, end_us - 11 * MINUTE_US, step_us)
    log.rounds(end_us - 11 * MINUTE_US, end_us, 5 * SECOND_US)
    assert all(ring.moments.counts[..., 0].any(1).all() for ring in log.state.rings), "a pane holds nothing"
    return log, end_us


def manifest_of(image, chunks):
    """A manifest that names these chunks."""
    snapshot = Snapshot(
        partition=Partition("pairs", 0), topic_id="A" * 22, next_offset=1, leader_epoch=0, missing_before_us=None,
        skipped_offsets=0, began_us=0, taken_us=0, images=(replace(image, sections=dict.fromkeys(image.sections)),),
    )  # fmt: skip
    return Manifest(snapshot, (chunks,), 1, len(chunks))


def refs_of(content, frames, slot):
    """What a manifest tells of the chunks of one section."""
    parts = zip(split(content), frames, strict=True)
    return tuple(
        ChunkRef("a" * 16, slot + i, Place(0, slot + i), len(frame), digest_of(raw))
        for i, (raw, frame) in enumerate(parts)
    )


class Costs:
    """What one snapshot costs: CPU seconds of capture and encode, bytes."""

    def __init__(self, state, base, refs):
        started = process_time()
        self.image, self.revisions = capture(state, SPEC, HASH, base)
        self.capture = process_time() - started
        started = process_time()
        written = {
            section: (content, [encode(raw) for raw in split(content)])
            for section, content in self.image.sections.items()
            if content is not None
        }
        fresh = {section: refs_of(*each, 100 * slot) for slot, (section, each) in enumerate(written.items())}
        self.refs = {section: fresh.get(section) or refs[section] for section in self.image.sections}
        self.manifest = encode_manifest(manifest_of(self.image, self.refs))
        self.encode = process_time() - started
        self.frames = {section: frames for section, (_, frames) in written.items()}
        self.raw_bytes = sum(len(content) for content, _ in written.values())
        self.bytes = len(self.manifest) + sum(len(frame) for frames in self.frames.values() for frame in frames)
        self.retained = len(self.manifest) + sum(ref.stored_bytes for refs in self.refs.values() for ref in refs)


def median(values):
    return statistics.median(values)


def restore_seconds(frames, manifest):
    """CPU seconds from frames to a state, decoding included; and of `state_of` alone."""
    started = process_time()
    image = decode_manifest(manifest).snapshot.images[0]
    sections = {section: b"".join(map(decode, frames[section])) for section in image.sections}
    decoded = process_time()
    state_of(replace(image, sections=sections), SPEC, 0)
    return process_time() - started, process_time() - decoded


def main():
    log, now_us = steady_state()
    whole = [Costs(log.state, None, {}) for _ in range(3)]
    costs, last, frames = [], whole[-1], dict(whole[-1].frames)
    for _ in range(REPEATS):
        log.rounds(now_us, now_us + INTERVAL_SECONDS * SECOND_US, 5 * SECOND_US)
        now_us += INTERVAL_SECONDS * SECOND_US
        last = Costs(log.state, last.revisions, last.refs)
        frames = {section: last.frames.get(section) or frames[section] for section in last.image.sections}
        costs.append(last)
    restores = [restore_seconds(frames, last.manifest) for _ in range(3)]

    print(f"{SERIES} live series, {sum(ring.size for ring in SPEC.rings)} panes, {len(last.refs)} sections\n")
    print("a snapshot               capture ms  encode ms  written MB  retained MB  written/retained")
    for name, group in (("30 s later", costs), ("every pane changed", whole)):
        written, retained = median(c.bytes for c in group), median(c.retained for c in group)
        print(
            f"{name:<24} {1e3 * median(c.capture for c in group):>10.2f} {1e3 * median(c.encode for c in group):>10.1f}"
            f" {written / 1e6:>11.2f} {retained / 1e6:>12.2f} {written / retained:>17.3f}"
        )
    print(f"bytes before compression: {median(c.raw_bytes for c in costs) / 1e6:.2f} MB 30 s later")
    total, states = (1e3 * median(times) for times in zip(*restores, strict=True))
    print(f"restore: {total:.0f} ms, of which {states:.0f} ms are `state_of`")
    share, worst = (
        PARTITIONS * median(c.capture + c.encode for c in group) / INTERVAL_SECONDS for group in (costs, whole)
    )
    print(f"\n{PARTITIONS} partitions, every {INTERVAL_SECONDS} s: {share:.2%} of one core (law: at most {LAW:.0%});")
    print(f"in a replay in which every pane changes meanwhile: {worst:.2%}")
    return 0 if share <= LAW else 1


if __name__ == "__main__":
    sys.exit(main())
