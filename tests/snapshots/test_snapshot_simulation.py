"""No schedule of faults makes a restored state differ from the batch fold of the log up to its offset."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from structlog.testing import capture_logs

from daemon.snapshots import slots, tenure
from estimators.partitions import absorb, new_state
from tests.snapshots.simulation import SnapshotSimulation
from tests.snapshots.snapshot_world import PARTITION, SPEC, assert_is_fold, pairs_of
from tests.snapshots.split_store import SplitStore, SplitStoreOffsetFirst

#: Schedules of a run; a long one is `KLAXON_SCHEDULES=100000 pytest tests/snapshots/test_snapshot_simulation.py`.
SCHEDULES = int(os.environ.get("KLAXON_SCHEDULES", "100"))
REFUTED_WITHIN = 400


def run(machine, schedules, *, refuting=False):
    phases = [Phase.generate] if refuting else list(Phase)
    profile = settings(
        max_examples=schedules, stateful_step_count=30, deadline=None, database=None, phases=phases,
        derandomize="KLAXON_SCHEDULES" not in os.environ, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=profile)


def test_no_schedule_of_faults_makes_a_restored_state_inexact():
    run(SnapshotSimulation, SCHEDULES)


@pytest.fixture(autouse=True)
def _slow_and_quiet(monkeypatch):
    """One chunk of another writer a save, so that many manifests name several; and no lines that tell of damage."""
    monkeypatch.setattr(tenure, "REWRITE_BYTES", 1)
    monkeypatch.setattr(tenure, "REWRITE_SHARE", 10**9)
    with capture_logs():
        yield


class WithoutSoil(SnapshotSimulation):
    """No entry is touched from outside: a scheme has to fail by its own doing."""

    soil = None
    delete = None


class StateThenOffset(WithoutSoil):
    make_store = SplitStore


class OffsetThenState(WithoutSoil):
    make_store = SplitStoreOffsetFirst


@pytest.mark.parametrize("scheme", [StateThenOffset, OffsetThenState])
def test_state_and_offset_as_two_entries_are_refuted_in_either_order(scheme):
    with pytest.raises(AssertionError):
        run(scheme, REFUTED_WITHIN, refuting=True)


def test_a_store_that_overwrites_what_its_newest_manifest_names_is_refuted(monkeypatch):
    monkeypatch.setattr(slots.Slots, "held", property(lambda self: self.previous.union(*self.resting)))
    with pytest.raises(AssertionError, match="was acknowledged"):
        run(WithoutSoil, REFUTED_WITHIN, refuting=True)


def state_of_records(offsets):
    state = new_state(SPEC, PARTITION.number)
    for offset in offsets:
        absorb(state, SPEC, pairs_of("id-1", [offset]))
    return state


@pytest.mark.parametrize("end", [1, 60, 200])
def test_the_checker_passes_the_fold_and_fails_one_record_lost_doubled_or_moved(end):
    right = list(range(end))
    assert_is_fold(state_of_records(right), "id-1", end)
    for wrong in ([*right, end - 1], right[:-1], [*right[:-1], end], [*right, end]):
        with pytest.raises(AssertionError):
            assert_is_fold(state_of_records(wrong), "id-1", end)
