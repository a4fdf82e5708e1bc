"""What the daemon adds to a stock client's bare poll of the same records, from a real Apache Kafka.

    python -m tests.benchmarks.bench_pipeline

The laws (DESIGN.md, section 9): codec and absorb over bare poll at most 0.25 (JSON, 1 pair), 2.2 (JSON, 512 pairs), 1.2
(msgpack-f32, 512 pairs). CPU time of the whole process, all threads; every repeat runs bare poll and then the rest, and
the median of the ratios is what counts: the machine's speed drifts, a ratio within seconds does not.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path
from time import process_time

import msgspec
import numpy as np
from kafka import KafkaConsumer, TopicPartition

from daemon.codec import Format, compile_decoder
from daemon.commands.check import series_bytes
from daemon.kafka_options import batch_of, reader_arguments
from daemon.kafka_security import Security, client_arguments
from daemon.totals import SeriesTotals
from estimators.partitions import absorb, new_state
from estimators.spec import StreamSpec, WindowSpec
from tests.kafka_broker import KafkaBroker
from tests.kafka_server import KafkaMissingError

REPEATS = 5
PAIRS_A_DAY = 10**9
SERIES = 100
START_US = 1_700_000_000_000_000
MINUTE_US = 60_000_000
SPEC = StreamSpec(
    windows=tuple(WindowSpec(f"{minutes}m", minutes * MINUTE_US) for minutes in (5, 60, 1440)), max_series=1000
)
#: Name -> encoding, pairs a record, records, law.
CASES = {
    "JSON, 1 pair": ("json", 1, 200_000, 0.25),
    "JSON, 512 pairs": ("json", 512, 1_500, 2.2),
    "msgpack-f32, 512 pairs": ("msgpack-f32", 512, 6_000, 1.2),
}


def payloads(encoding, pairs, count):
    """Return records of 100 series, about 88 B with one pair; one millisecond of event time apart."""
    rng = np.random.default_rng(7)
    log_q = -rng.exponential(2.0, (min(count, 2000), pairs))
    log_p = np.minimum(log_q + rng.normal(-0.005, 0.1, log_q.shape), 0.0)
    made = []
    for index in range(count):
        p, q = log_p[index % len(log_p)], log_q[index % len(log_q)]
        record = {"model": f"m{index % SERIES:02d}", "version": "7", "ts": START_US + 1000 * index}
        if encoding == "json":
            values = {"logp": p[0], "logq": q[0]} if pairs == 1 else {"logp": p.tolist(), "logq": q.tolist()}
            made.append(json.dumps(record | values, separators=(",", ":")).encode())
        else:
            made.append(
                msgspec.msgpack.encode(record | {"logp": p.astype("<f4").tobytes(), "logq": q.astype("<f4").tobytes()})
            )
    return made


class Reader:
    """A stock consumer of one partition with the daemon's settings, without a group."""

    def __init__(self, bootstrap_servers, topic, count):
        self.partition = TopicPartition(topic, 0)
        self.count = count
        arguments = reader_arguments((bootstrap_servers,), "bench", "read_committed", client_arguments(Security()))
        self.consumer = KafkaConsumer(**arguments | {"max_poll_records": 2000})
        self.consumer.assign([self.partition])

    def polls(self):
        """Read the whole partition, one poll at a time."""
        self.consumer.seek(self.partition, 0)
        seen = 0
        while seen < self.count:
            for records in self.consumer.poll(timeout_ms=1000).values():
                seen += len(records)
                yield records


def measure(reader, encoding):
    """CPU seconds of bare poll, of codec and absorb on its records, and of all of it as the daemon does it."""
    started = process_time()
    kept = list(reader.polls())
    bare = process_time() - started
    batches = [batch_of(reader.partition, records, want_headers=False) for records in kept]
    kept.clear()
    decoder = compile_decoder(Format(encoding=encoding, label_names=("model", "version")))
    started = process_time()
    messages = work(decoder, batches, SeriesTotals(), new_state(SPEC, 0))
    added = process_time() - started
    assert messages == reader.count, f"{messages} of {reader.count} messages"
    batches.clear()
    started = process_time()
    live = (batch_of(reader.partition, records, want_headers=False) for records in reader.polls())
    work(decoder, live, SeriesTotals(), new_state(SPEC, 0))
    return bare, added, process_time() - started


def work(decoder, batches, totals, state):
    """Do what the loop does with each batch."""
    messages = 0
    for batch in batches:
        decoded = decoder.decode(batch)
        absorbed = absorb(state, SPEC, decoded.pairs)
        totals.add(absorbed.keys, absorbed.moments, 0.0)
        messages += absorbed.messages
    return messages


def print_daily_costs(costs):
    """Print what PAIRS_A_DAY cost, from pairs a core-second and bytes a pair; compression makes the network less."""
    titles = f"{'pairs/core-s':>14}{'core-hours':>12}{'cores':>9}{'MB/s':>8}{'GB a day':>10}"
    print(f"\n{f'{PAIRS_A_DAY:,} pairs a day':<30}{titles}")
    for name, rate, size in costs:
        seconds, volume = PAIRS_A_DAY / rate, PAIRS_A_DAY * size
        print(
            f"{name:<30}{rate:>14,.0f}{seconds / 3600:>12.2f}{seconds / 86_400:>9.4f}"
            f"{volume / 86_400 / 1e6:>8.2f}{volume / 1e9:>10.0f}"
        )
    panes = SERIES * series_bytes(SPEC)
    print(
        f"panes of {SERIES} series in windows of 5m, 1h and 24h: {panes / 1e6:.1f} MB a partition, whatever the traffic"
    )


def main():
    """Print the tables; exit with 1 if a law is broken, 0 with the reason where Kafka cannot be had."""
    broken = False
    with tempfile.TemporaryDirectory() as folder:
        try:
            broker = KafkaBroker(Path(folder))
        except KafkaMissingError as missing:
            print(f"skipped: {missing}")
            return 0
        try:
            print(
                f"{'CPU time':<24}{'bare poll':>11}{'codec+absorb':>14}{'poll..absorb':>14}{'added/poll':>12}{'law':>6}"
            )
            print(f"{'':<24}{'ns a pair':>11}{'ns a pair':>14}{'pairs/core-s':>14}")
            costs = []
            for name, (encoding, pairs, count, law) in CASES.items():
                topic = f"bench-{encoding}-{pairs}"
                broker.create_topic(topic, 1, {"retention.ms": "-1"})
                values = payloads(encoding, pairs, count)
                broker.produce(
                    topic,
                    values,
                    timestamps_ms=[START_US // 1000 + index for index in range(count)],
                )
                reader = Reader(broker.bootstrap_servers, topic, count)
                list(reader.polls())  # warm caches, the client's too
                runs = [measure(reader, encoding) for _ in range(REPEATS)]
                reader.consumer.close()
                bare, added, whole = (statistics.median(run[part] for run in runs) for part in range(3))
                ratio = statistics.median(run[1] / run[0] for run in runs)
                broken |= ratio > law
                scale = 1e9 / (count * pairs)
                print(
                    f"{name:<24}{bare * scale:>11.1f}{added * scale:>14.1f}{count * pairs / whole:>14,.0f}"
                    f"{ratio:>12.2f}{law:>6g}{'  BROKEN' if ratio > law else ''}"
                )
                costs.append((name, count * pairs / whole, sum(map(len, values)) / (count * pairs)))
            print_daily_costs(costs)
        finally:
            broker.stop()
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
