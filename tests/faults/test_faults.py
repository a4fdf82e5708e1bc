"""A seeded slice of the fault campaign, and the negative control: a split of panes and offset must be told.

The whole campaign is `make faults`; its figures are in tests/faults/report.md.
"""

import dataclasses
import shutil
import time

import pytest

from config.settings import load
from daemon.source import Partition
from daemon.wiring import snapshot_store_of
from tests.faults.campaign import Options, run
from tests.faults.checks import check_windows
from tests.faults.cluster import Cluster
from tests.faults.report import details
from tests.faults.scenarios import staged
from tests.faults.truth import judge
from tests.faults.world import COMMIT_S, GEOMETRY, SNAPSHOT_S
from tests.kafka_broker import skip_unless_ci
from tests.kafka_server import KafkaMissingError

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SLICE = (
    "failpoint store.chunks_flushed",
    "kill -9 a daemon",
    "SIGTERM under load",
    "failpoint restore.before_resume",
    "kill -9 all daemons",
    "zombie: halted beyond its session",
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One broker behind its proxies."""
    try:
        made = Cluster(tmp_path_factory.mktemp("brokers"), 1)
    except KafkaMissingError as missing:
        skip_unless_ci(str(missing))
    with made as running:
        yield running


def test_no_record_is_lost_or_counted_twice_whatever_dies(cluster, tmp_path):
    # Other tests share the machine: what is behind by less than this is late, not lost.
    options = Options(
        seed=11, kind="changelog", only=SLICE, pairs=60_000, partitions=6, tls=False, stale_limit_s=20.0
    )  # fmt: skip
    result = run(options, tmp_path, cluster=cluster)
    assert result.failures + result.outcome.violations == [], details(result)
    assert all(step.happened for step in result.steps), [vars(step) for step in result.steps]
    assert result.outcome.restores["changelog"] > 0
    assert result.outcome.cells > 0


@pytest.mark.parametrize(("shift", "kind"), [(0, None), (-7, "double")], ids=["as one unit", "split"])
def test_a_snapshot_whose_offset_is_not_that_of_its_panes_is_told_as_doubled_records(cluster, tmp_path, shift, kind):
    with staged(cluster, tmp_path, f"split{-shift}", "file", partitions=1) as stage, stage.fleet as fleet:
        stage.load.burst(300)
        assert fleet.wait_until_recovered(60) is not None
        time.sleep(COMMIT_S + 2 * SNAPSHOT_S)
        replica = fleet.replicas[0]
        assert replica.terminate() is not None
        tamper(replica.config, stage.topic, shift)
        replica.start()
        assert fleet.wait_until_recovered(60) is not None
        time.sleep(4)
        final = fleet.latest[0]
        assert final.restores.get("file") == 1
        truths = {number: judge(number, rows, GEOMETRY) for number, rows in stage.log().items()}
    verdict = check_windows([final], truths, GEOMETRY)
    assert verdict.compared > 0
    kinds = {found[1] for found in verdict.violations}
    assert (kind in kinds) if kind else not kinds, verdict.violations


def tamper(config, topic, shift):
    """Let the newest snapshot be the only one, with another offset: as if panes and offset were written apart."""
    settings, partition = load(config), Partition(topic, 0)
    store = snapshot_store_of(settings)
    snapshot = store.load([partition], lambda _: True)[partition]
    store.close()
    shutil.rmtree(settings.snapshot.path)
    settings.snapshot.path.mkdir()
    store = snapshot_store_of(settings)
    store.save(dataclasses.replace(snapshot, next_offset=snapshot.next_offset + shift))
    store.close()
