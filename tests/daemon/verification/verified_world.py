"""A log in memory, the states that a daemon would make of it, and its snapshots in a real folder."""

import json

import numpy as np

from daemon.codec import Format, compile_decoder
from daemon.memory_log import MemoryLog
from daemon.snapshots.capturing import capture
from daemon.snapshots.chunk_store import ChunkStore
from daemon.snapshots.folder import Folder
from daemon.snapshots.values import Snapshot
from daemon.source import Batch, Gap, Partition
from daemon.streams import Stream
from daemon.verification.spans import Asked
from daemon.verification.verifying import TopicPartitions, Verifier
from estimators.partitions import absorb, begin, new_state
from estimators.spec import StreamSpec, WindowSpec
from tests.e2e.traffic import Traffic

START_S = 1_700_000_000
SPEC = StreamSpec(
    windows=(WindowSpec("1m", 60_000_000), WindowSpec("5m", 300_000_000)), max_skew_us=2_000_000, max_series=20
)
ALL = Stream(
    "all", "pairs", ("model", "version"), compile_decoder(Format(label_names=("model", "version"))), SPEC, 1e-13, 1,
    stream_hash="a" * 64,
)  # fmt: skip
RANKER = Stream(
    "ranker", "pairs", (), compile_decoder(Format(where={"model": ["ranker"]})), SPEC, 1e-13, 1, stream_hash="b" * 64
)
ONE = Partition("pairs", 1)


class MemoryRange:
    """The log as `verify` reads it."""

    def __init__(self, log, after_first_batch=lambda: None):
        self.log = log
        self.after_first_batch = after_first_batch

    def beginning_offset(self, partition):
        return self.log.track(partition).begin

    def end_offset(self, partition):
        return self.log.track(partition).end

    def offset_for_time(self, partition, timestamp_ms):
        found = (each.offset for each in self.log.track(partition).records if each.timestamp_ms >= timestamp_ms)
        return next(found, None)

    def read(self, partition, first, end, size=40):
        position = first
        while position < end:
            track = self.log.track(partition)
            if position < track.begin:
                yield Gap(partition, position, min(track.begin, end), "out_of_range")
                position = track.begin
                continue
            bad = next((span for span in track.corrupt if span[0] <= position < span[1]), None)
            if bad:
                yield Gap(partition, position, min(bad[1], end), "corrupt")
                position = bad[1]
                continue
            stop = min([end, position + size, *(span[0] for span in track.corrupt if span[0] > position)])
            rows = [each for each in track.records if position <= each.offset < stop]
            if rows:
                yield batch(partition, rows)
            position = stop
            self.after_first_batch()


def batch(partition, rows):
    return Batch(
        partition,
        np.array([row.offset for row in rows], np.int64),
        np.array([row.timestamp_ms for row in rows], np.int64),
        [row.value for row in rows],
        [row.headers for row in rows],
    )


class World:
    """Two partitions of a topic, two streams on it, twelve minutes of traffic, and one daemon's snapshots of it."""

    def __init__(self, folder, streams=(ALL, RANKER), seed=3):
        self.folder, self.streams = folder, streams
        self.log = MemoryLog()
        self.log.create_topic("pairs", 2)
        self.traffic = Traffic(seed, partitions=2)
        for partition, timestamp_ms, value in self.traffic.records(1500, START_S, START_S + 720):
            self.append(partition, value, timestamp_ms)
        for hostile in (b"{", None, json.dumps({"model": "ranker", "version": "1", "logp": 3, "logq": -1}).encode()):
            self.append(1, hostile, (START_S + 719) * 1000)

    def append(self, partition, value, timestamp_ms):
        self.log.append(Partition("pairs", partition), [value], [timestamp_ms])

    def states(self, partition, end=None, first=0):
        """What a daemon makes of [first, end) of the log."""
        states = [new_state(SPEC, partition.number) for _ in self.streams]
        rows = [row for row in self.log.track(partition).records if row.offset >= first][: None if end is None else end]
        if first:
            for state in states:
                begin(state, SPEC, rows[0].timestamp_ms * 1000)
        for start in range(0, len(rows), 97):
            for stream, state in zip(self.streams, states, strict=True):
                pairs = stream.decoder.decode(batch(partition, rows[start : start + 97])).pairs
                if pairs is not None:
                    absorb(state, SPEC, pairs)
        return states

    def save(self, partition, states, next_offset=None, **changes):
        """Write a snapshot of them as the daemon does."""
        captured = zip(self.streams, states, strict=True)
        images = tuple(capture(state, SPEC, stream.stream_hash, None)[0] for stream, state in captured)
        track = self.log.track(partition)
        end = track.end if next_offset is None else next_offset
        settings = {
            "topic_id": str(track.topic_id), "leader_epoch": -1, "missing_before_us": None, "skipped_offsets": 0,
            "began_us": START_S * 10**6, "taken_us": (START_S + 721) * 10**6,
        }  # fmt: skip
        store = ChunkStore(Folder(self.folder), "group")
        store.save(Snapshot(partition=partition, next_offset=end, images=images, **{**settings, **changes}))
        store.close()

    def save_all(self):
        """Write one of each partition."""
        for number in (0, 1):
            self.save(Partition("pairs", number), self.states(Partition("pairs", number)))

    def verify(self, asked=None, streams=None, numbers=(0, 1), log=None):
        """Check it as the command does; return the partitions."""
        topic = TopicPartitions(str(self.log.track(ONE).topic_id), tuple(numbers))
        store = ChunkStore(Folder(self.folder, read_only=True), "group")
        self.noted = []
        return Verifier(
            streams=streams or self.streams,
            topics={"pairs": topic},
            store=store,
            log=log or MemoryRange(self.log),
            asked=asked or Asked(),
            note=self.noted.append,
        ).verify()
