"""Nothing lost, nothing counted twice: through kill -9, through a rebalance, and as Prometheus tells it."""

import random
import time
from collections import Counter

import pytest

from tests.e2e.conftest import value, values
from tests.e2e.recomputation import Ring, window
from tests.e2e.traffic import Traffic, close

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

WINDOWS = {"1m": Ring(60_000_000), "5m": Ring(300_000_000)}
PARTITIONS = 6


def settings(broker, topic, **more):
    """A daemon's configuration for these tests: quick publishing, both windows."""
    return {
        "kafka": {
            "bootstrap_servers": [broker.bootstrap_servers],
            "group_id": f"klaxond-{topic}",
            "session_timeout": "6s",  # the least that a broker takes: a killed member's partitions move sooner
        },
        "streams": [{"topic": topic, "name": "pairs", "format": "json", "series_labels": ["model", "version"]}],
        "windows": list(WINDOWS),
        "publish_interval": "1s",
        "commit_interval": "1s",
        "export": {"estimators": ["adaptive", "fixed", "fitted"]},
        "min_messages": 3,
        **more,
    }


@pytest.fixture
def topic(kafka_broker):
    """A topic of its own for each test."""
    name = f"pairs-{time.time_ns()}"
    kafka_broker.create_topic(name, PARTITIONS)
    return name


def produce(broker, topic, records):
    """Send records [(partition, timestamp_ms, value)] in order of each partition."""
    by_partition = {}
    for partition, timestamp_ms, payload in records:
        by_partition.setdefault(partition, []).append((timestamp_ms, payload))
    for partition, rows in by_partition.items():
        stamps, payloads = zip(*rows, strict=True)
        broker.produce(topic, list(payloads), partition=partition, timestamps_ms=list(stamps))


def consumed(samples):
    """Records that a process has counted."""
    return sum(values(samples, "klaxon_records_consumed_total").values())


def caught_up(samples):
    """Every owned partition read to its end, and published so."""
    lag = values(samples, "klaxon_consumer_lag_records")
    complete = values(samples, "klaxon_window_complete")
    return bool(lag) and not any(lag.values()) and bool(complete) and all(complete.values())


def assert_windows_equal_the_recomputation(samples, messages):
    """Compare every exported window of every series with the second program's numbers for exactly that window."""
    for label, ring in WINDOWS.items():
        ends = set(values(samples, "klaxon_window_end_timestamp_seconds", window=label).values())
        assert len(ends) == 1
        expected = window(messages, ring, ends.pop())
        exported = values(samples, "klaxon_window_messages", window=label)
        assert len([v for v in exported.values() if v > 0]) == len(expected), label
        for (model, version), truth in expected.items():
            labels = {"model": model, "version": version, "window": label}
            assert value(samples, "klaxon_window_messages", **labels) == truth["messages"], labels
            assert close(value(samples, "klaxon_ratio_mean", **labels), truth["ratio_mean"])
            for estimator in ("naive", "fixed", "fitted"):
                found = value(samples, "klaxon_kl_nats", direction="reverse", estimator=estimator, **labels)
                assert close(found, truth[estimator]), (labels, estimator, found, truth[estimator])


def test_after_kill_9_and_restart_every_window_equals_the_recomputation(kafka_broker, klaxond, topic):
    traffic, rate, kills, dice = Traffic(seed=7, partitions=PARTITIONS), 200, 3, random.Random(5)
    produce(kafka_broker, topic, traffic.records(6000, time.time() - 290, time.time() - 5))
    daemon = klaxond(settings(kafka_broker, topic))
    daemon.wait_until(lambda samples: consumed(samples) == 6000, "first records")
    increase = 0.0
    for _ in range(kills):
        last = _scrape_while_producing(daemon, kafka_broker, topic, traffic, rate, seconds=dice.uniform(2, 5))
        increase += last
        daemon.kill()
        daemon.start()
        daemon.wait_until(caught_up, "restored windows", timeout=90)
    produce(kafka_broker, topic, traffic.records(rate, time.time() - 1, time.time()))
    samples = daemon.wait_until(
        lambda found: caught_up(found) and _counted(found) == _newest(traffic), "windows without lag", timeout=90
    )
    assert_windows_equal_the_recomputation(samples, traffic.messages)
    # Every record once, but for one publish, one scrape and one commit interval of traffic a kill (1 s each here).
    error = increase + consumed(samples) - len(traffic.messages)
    assert abs(error) <= kills * 3 * rate, f"increases are off by {error} records"
    assert value(samples, "klaxon_restores_total", source="replay") == PARTITIONS


def _scrape_while_producing(daemon, broker, topic, traffic, rate, seconds):
    """Produce in real time in steps of a fifth of a second, scraping after each; return the last scraped counter."""
    last, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        produce(broker, topic, traffic.records(rate // 5, time.time() - 0.2, time.time()))
        last = consumed(daemon.samples()) or last
        time.sleep(0.2)
    return last


def _newest(traffic):
    return max(message.event_us for message in traffic.messages)


def _counted(samples):
    return round(max(values(samples, "klaxon_last_event_timestamp_seconds").values(), default=0) * 1e6)


def test_the_recomputation_notices_one_lost_and_one_doubled_record(kafka_broker, klaxond, topic):
    """The negative control: the same comparison must fail on a log that differs by one record."""
    traffic = Traffic(seed=8, partitions=PARTITIONS)
    now = time.time()
    produce(kafka_broker, topic, traffic.records(600, now - 50, now - 5))
    daemon = klaxond(settings(kafka_broker, topic))
    samples = daemon.wait_until(lambda found: consumed(found) == 600 and caught_up(found), "all records")
    assert_windows_equal_the_recomputation(samples, traffic.messages)
    newest = max(traffic.messages, key=lambda message: message.event_us)
    for wrong in ([m for m in traffic.messages if m is not newest], [*traffic.messages, newest]):
        with pytest.raises(AssertionError):
            assert_windows_equal_the_recomputation(samples, wrong)


def test_the_parts_of_three_members_sum_to_the_whole_also_when_one_is_killed(kafka_broker, klaxond, topic):
    traffic = Traffic(seed=9, partitions=PARTITIONS)
    # Partitions move between living members while records flow: that may cost no record, and count none twice.
    members = []
    for index in range(3):
        members.append(klaxond(settings(kafka_broker, topic), name=f"member{index}"))
        _produce_for(kafka_broker, topic, traffic, seconds=4)
    for member in members:
        member.wait_until(lambda samples: len(_owned(samples)) == PARTITIONS // 3, "a third of the partitions")
    wait_for_messages(members, traffic)
    before = [consumed(member.samples()) for member in members]
    surplus = sum(before) - len(traffic.messages)
    assert 0 <= surplus <= _counted_again_at_most(members)
    time.sleep(2)  # two commit intervals: what was counted is committed
    members[0].kill()
    produce(kafka_broker, topic, traffic.records(600, time.time() - 2, time.time()))
    rest = members[1:]
    for member in rest:
        member.wait_until(lambda samples: len(_owned(samples)) == PARTITIONS // 2, "the dead member's partitions")
    wait_for_messages(rest, traffic)
    after = [consumed(member.samples()) for member in rest]
    assert all(late >= early for early, late in zip(before[1:], after, strict=True)), "counters never fall"
    again = before[0] + sum(after) - len(traffic.messages) - surplus
    assert 0 <= again <= _counted_again_at_most(rest)
    status, seconds = rest[0].stop()
    assert (status, seconds < 10) == (0, True)


def _counted_again_at_most(members):
    """Nothing, unless the client refused a revocation's commit and said so: then a commit interval of traffic each."""
    refused = sum(member.log.read_text().count("were not committed on revocation") for member in members)
    return refused * 1000


def _produce_for(broker, topic, traffic, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        produce(broker, topic, traffic.records(50, time.time() - 0.2, time.time()))
        time.sleep(0.15)


def _owned(samples):
    return [key for key, held in values(samples, "klaxon_partition_owned").items() if held == 1]


def wait_for_messages(members, traffic):
    """Wait until the members' windows sum to the recomputed counts of the very windows that they show."""
    deadline = time.monotonic() + 90
    found, expected = Counter(), Counter()
    while time.monotonic() < deadline:
        parts = [member.samples() for member in members]
        if all(caught_up(part) for part in parts):
            found, expected, comparable = _summed(parts, traffic.messages)
            if comparable and found == expected:
                return
        time.sleep(0.2)
    pytest.fail(f"the parts sum to {found}, the log to {expected}")


def _summed(parts, messages):
    """Messages a window and series, summed over members, beside the recomputation; comparable if windows agree."""
    found, expected, comparable = Counter(), Counter(), True
    for label, ring in WINDOWS.items():
        ends = set()
        for part in parts:
            ends |= set(values(part, "klaxon_window_end_timestamp_seconds", window=label).values())
            for key, count in values(part, "klaxon_window_messages", window=label).items():
                series = dict(key)
                found[label, series["model"], series["version"]] += int(count)
        comparable &= len(ends) == 1
        for (model, version), truth in window(messages, ring, min(ends)).items() if ends else ():
            expected[label, model, version] += truth["messages"]
    return +found, +expected, comparable
