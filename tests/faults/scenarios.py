"""Faults that change what the truth is, each on a topic of its own, with the exact figure that must come out."""

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaProducer, TopicPartition

from tests.faults.checks import SLACK_S, check_windows
from tests.faults.fleet import Fleet, Replica
from tests.faults.load import Load
from tests.faults.messages import Messages
from tests.faults.raw_log import read_log
from tests.faults.truth import judge
from tests.faults.world import COMMIT_S, GEOMETRY, SNAPSHOT_S, WINDOWS_US, settings

LIMIT_S = 100.0
LONGEST = max(WINDOWS_US, key=WINDOWS_US.get)
BOMB_BYTES = (32 << 20) + 1024
STAMPED = {"message.timestamp.type": "LogAppendTime"}
HOUR_AHEAD = Path(__file__).with_name("hour_ahead.py")


@dataclass
class Told:
    """What a scenario came to: seconds until all was right, and what was wrong in words."""

    name: str
    seconds: float = 0.0
    words: str = ""
    wrong: list = field(default_factory=list)


@dataclass
class Stage:
    """One topic with its load and its daemons."""

    cluster: object
    topic: str
    fleet: Fleet
    load: Load

    def log(self):
        """The raw log as it is now."""
        return read_log(self.cluster.bootstrap_servers, self.topic)

    def wait(self, condition, told, what):
        """Wait until a condition on the newest scrapes holds; note it where it does not."""
        started = time.monotonic()
        while time.monotonic() - started < LIMIT_S:
            scrapes = [self.fleet.latest.get(replica.index) for replica in self.fleet.replicas]
            if all(scrape is not None for scrape in scrapes) and condition(scrapes):
                told.seconds = time.monotonic() - started
                return
            time.sleep(0.2)
        told.seconds = LIMIT_S
        told.wrong.append(f"{told.name}: no {what} within {LIMIT_S:.0f} s\n{self.fleet.state_in_words()}")


@contextlib.contextmanager
def staged(cluster, folder, name, kind, *, partitions, replicas=1):
    """Make a topic, a load and daemons for one scenario; everything ends with it."""
    topic = f"side-{name}"
    cluster.create_topic(topic, partitions, STAMPED)
    folder = folder / topic
    (folder / "snapshots").mkdir(parents=True)
    made = [
        Replica(index, folder, settings(cluster, topic, kind, folder / "snapshots", tls=False, group=topic))
        for index in range(replicas)
    ]
    fleet = Fleet(made, partitions, LONGEST)
    load = Load(cluster.bootstrap_servers, topic, partitions, Messages(3, 3), rate=50)
    try:
        yield Stage(cluster, topic, fleet, load)
    finally:
        load.close()


def log_start_passes(cluster, folder, kind):
    """Delete records that a dead daemon has not read: exactly those are a gap, and no window says it is complete."""
    told = Told("log start passed our offset")
    with staged(cluster, folder, "deleted", kind, partitions=2) as stage:
        stage.load.burst(400)
        with stage.fleet as fleet:
            fleet.wait_until_recovered(LIMIT_S)
            time.sleep(COMMIT_S + 2 * SNAPSHOT_S)  # all is committed, and in a snapshot
            fleet.replicas[0].kill()
            before = stage.log()
            read = {number: records[-1][0] + 1 for number, records in before.items()}
            stage.load.burst(200)
            passed = {number: end + 20 + number for number, end in read.items()}
            cluster.ask(
                lambda admin: admin.delete_records({TopicPartition(stage.topic, n): end for n, end in passed.items()})
            )
            # A snapshot still holds what the log has lost; without one only the log is left.
            known = {} if kind == "none" else before
            fleet.replicas[0].start()
            left = stage.log()
            truths = {n: judge(n, known.get(n, []) + rows, GEOMETRY) for n, rows in left.items()}
            expected = sum(len(truth.messages) for truth in truths.values())
            stage.wait(lambda scrapes: _messages(scrapes) == expected, told, f"{expected} messages")
            time.sleep(2)
            scrape = fleet.latest[0]
            gap, missing = scrape.counters["klaxon_gap_offsets_total"], sum(passed.values()) - sum(read.values())
            told.words = f"{gap:.0f} of {missing} deleted offsets are told as a gap"
            if gap != missing:
                told.wrong.append(f"{told.name}: {told.words}")
            if any(cell.get("complete") == 1 for cell in scrape.windows.values()):
                told.wrong.append(f"{told.name}: a window over the gap says that it is complete")
    return told


def partitions_added(cluster, folder, kind):
    """Add partitions under load: their records are read from the first on."""
    told = Told("partitions added, 4 to 6")
    with staged(cluster, folder, "added", kind, partitions=4, replicas=2) as stage, stage.fleet as fleet:
        stage.load.start()
        fleet.wait_until_recovered(LIMIT_S)
        cluster.ask(lambda admin: admin.create_partitions({stage.topic: 6}))
        fleet.partitions = frozenset(range(6))
        stage.load.partitions = 6
        seconds = fleet.wait_until_recovered(LIMIT_S)
        stage.load.close()
        time.sleep(6)
        told.seconds, told.words = seconds or LIMIT_S, "new partitions are read from their first record on"
        if seconds is None:
            told.wrong.append(f"{told.name}: not all owned\n{fleet.state_in_words()}")
        _compare_exactly(stage, told)
    return told


def topic_recreated(cluster, folder, kind):
    """Delete the topic and make it anew with more records than before: the old state is void."""
    told = Told("topic made anew")
    with staged(cluster, folder, "recreated", kind, partitions=2) as stage, stage.fleet as fleet:
        stage.load.burst(300)
        fleet.wait_until_recovered(LIMIT_S)
        stage.wait(lambda scrapes: _messages(scrapes) > 200, told, "messages at first")
        time.sleep(COMMIT_S + 2 * SNAPSHOT_S)
        cluster.ask(lambda admin: admin.delete_topics([stage.topic]))
        time.sleep(2)
        cluster.create_topic(stage.topic, 2, STAMPED)
        stage.load.burst(500)
        expected = sum(len(judge(number, rows, GEOMETRY).messages) for number, rows in stage.log().items())
        stage.wait(lambda scrapes: _messages(scrapes) == expected, told, f"{expected} messages of the new topic alone")
        told.words = "the windows hold the new topic's records alone"
        _compare_exactly(stage, told)
    return told


def bomb(cluster, folder, kind):
    """A batch of a few kilobytes that would unpack to more than 32 MiB: it is skipped whole, and told."""
    told = Told("decompression bomb")
    with staged(cluster, folder, "bomb", kind, partitions=1) as stage, stage.fleet as fleet:
        stage.load.burst(100)
        producer = KafkaProducer(
            bootstrap_servers=cluster.bootstrap_servers, compression_type="zstd", max_request_size=64 << 20,
            acks="all", enable_idempotence=False, api_version=(2, 8),
        )  # fmt: skip
        producer.send(stage.topic, bytes(BOMB_BYTES), partition=0).get(timeout=60)
        producer.close(timeout=5)
        stage.load.burst(100)
        expected = len(judge(0, stage.log()[0], GEOMETRY).messages)
        stage.wait(lambda scrapes: _messages(scrapes) == expected, told, f"{expected} messages around the bomb")
        time.sleep(2)
        scrape = fleet.latest[0]
        gap = scrape.counters["klaxon_gap_offsets_total"]
        most = max((sample[1] for sample in fleet.replicas[0].current.samples), default=0) >> 20
        told.words = f"{gap:.0f} offset skipped, {most} MiB of memory at most"
        if gap != 1 or any(cell.get("complete") == 1 for cell in scrape.windows.values()):
            told.wrong.append(f"{told.name}: {told.words}; no window may say that it is complete")
    return told


def wall_clock_off(cluster, folder, kind):
    """Let a daemon's wall clock be an hour off: its panes are what the log says all the same."""
    told = Told("wall clock one hour off")
    with staged(cluster, folder, "clock", kind, partitions=2) as stage:
        for replica in stage.fleet.replicas:
            replica.program = (str(HOUR_AHEAD),)
        with stage.fleet as fleet:
            stage.load.burst(300)
            expected = sum(len(judge(number, rows, GEOMETRY).messages) for number, rows in stage.log().items())
            stage.wait(lambda scrapes: _messages(scrapes) == expected, told, f"{expected} messages")
            ahead_s = min(scrape.published - scrape.at for scrape in fleet.latest.values())
            told.words = f"{expected} messages in the longest window, published {ahead_s:.0f} s ahead"
            if not 3500 < ahead_s < 3700:
                told.wrong.append(f"{told.name}: {told.words}")
    return told


SCENARIOS = (log_start_passes, partitions_added, topic_recreated, bomb, wall_clock_off)


def _messages(scrapes):
    return sum(cell.get("messages", 0) for s in scrapes for (label, _), cell in s.windows.items() if label == LONGEST)


def _compare_exactly(stage, told):
    truths = {number: judge(number, rows, GEOMETRY) for number, rows in stage.log().items()}
    time.sleep(SLACK_S + 2.0)  # beyond the slack, a publish and a scrape
    final = [stage.fleet.latest[replica.index] for replica in stage.fleet.replicas]
    verdict = check_windows(final, truths, GEOMETRY)
    told.wrong += [words for _, _, words in verdict.violations]
    if not verdict.exact:
        told.wrong.append(f"{told.name}: there was no exact comparison at the end")
