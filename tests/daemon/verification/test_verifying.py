"""Snapshots in a folder against a log: equal where they are, and everything that is lost, doubled or gone is told."""

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from daemon.layout import output_console
from daemon.snapshots.values import StateHead
from daemon.source import Gap, Partition
from daemon.verification.outcome import Outcome, outcome_of
from daemon.verification.report import write_json, write_table
from daemon.verification.spans import Asked, plan_of
from daemon.verification.words import instant, notes
from estimators.spec import StreamSpec, WindowSpec
from tests.daemon.verification.verified_world import ALL, ONE, RANKER, START_S, MemoryRange, World

US = 1_000_000


@pytest.fixture
def world(tmp_path):
    """The world above."""
    return World(tmp_path / "snapshots")


def told(checked):
    """All notes."""
    return [note for each in checked for note in notes(each)]


def test_what_was_saved_is_what_the_log_says_for_all_streams_and_windows(world):
    world.save_all()
    checked = world.verify()
    assert outcome_of(checked) is Outcome.EQUAL
    assert told(checked) == []
    assert [each.stream.name for each in checked[0].streams] == ["all", "ranker"]
    for partition in checked:
        sent = [each for each in world.traffic.messages if each.partition == partition.partition.number]
        for checked_stream, models in zip(partition.streams, (("ranker", "reader"), ("ranker",)), strict=True):
            compared, finest = checked_stream.compared, checked_stream.plan.rings[0]
            assert compared.panes_by_window == {"1m": 46, "5m": 46}
            assert compared.messages_by_window["1m"] == sum(
                each.event_us >= finest.edges_us[0] and each.key[0] in models for each in sent
            )
            assert compared.messages == compared.messages_by_window["5m"] > 40
        assert partition.records > 400
    assert world.noted[-1].position == world.log.track(ONE).end


def test_it_is_compared_up_to_the_snapshots_offset_whatever_was_appended_since(world):
    world.save_all()
    for partition, timestamp_ms, value in world.traffic.records(200, START_S + 718, START_S + 730):
        world.append(partition, value, timestamp_ms)
    assert outcome_of(world.verify()) is Outcome.EQUAL


@pytest.mark.parametrize("off", [-1, 1])
def test_an_offset_that_does_not_belong_to_its_panes_is_told_with_the_record(world, off):
    # The split scheme's mistake: panes of one moment under the offset of another.
    end = world.log.track(ONE).end - 10
    world.save(ONE, world.states(ONE, end), end + off)
    checked = world.verify(numbers=[1])
    assert outcome_of(checked) is Outcome.DIFFERENT
    found = checked[0].streams[0].compared.differences
    (lost,) = {each.record for each in found if each.name != "clock_us"}
    assert lost == (end if off > 0 else end - 1)
    said = table(checked)
    assert "DIFFERENT" in said
    assert f"offset {lost:,} alone explains it: it is counted {'less' if off > 0 else 'more'} often" in said


def test_the_newest_intact_snapshot_is_taken(world):
    end = world.log.track(ONE).end
    world.save(ONE, world.states(ONE, end - 50), end - 50)
    world.save(ONE, world.states(ONE))
    (checked,) = world.verify(numbers=[1])
    assert checked.snapshot.next_offset == end
    assert checked.snapshot.images == ()


def test_snapshots_of_another_configuration_or_topic_or_log_are_refused_and_told(world):
    world.save_all()
    other = replace(ALL, stream_hash="c" * 64)
    checked = world.verify(streams=[other], numbers=[1])
    assert outcome_of(checked) is Outcome.NO_SNAPSHOT
    assert "other settings" in told(checked)[0]
    world.log.recreate_topic("pairs")
    assert told(world.verify(numbers=[1])) == ["pairs/1: the log is empty"]
    world.append(1, b"{}", START_S * 1000)
    checked = world.verify(numbers=[1])
    assert outcome_of(checked) is Outcome.NO_SNAPSHOT
    assert "topic" in told(checked)[0]


def test_a_partition_with_records_and_no_snapshot_is_no_success_and_one_difference_is_worse(world):
    world.save(ONE, world.states(ONE))
    checked = world.verify()
    assert outcome_of(checked) is Outcome.NO_SNAPSHOT
    (said,) = told(checked)
    assert said.startswith("pairs/0: there is no snapshot that can be used: none was found intact")
    world.save(Partition("pairs", 0), world.states(Partition("pairs", 0), 500), 501)
    assert outcome_of(world.verify()) is Outcome.DIFFERENT


def test_panes_whose_records_have_expired_are_left_out_and_told(world):
    world.save(ONE, world.states(ONE))
    records = world.log.track(ONE).records
    begin = next(each for each in records if each.timestamp_ms >= (START_S + 600) * 1000)
    world.log.expire(ONE, begin.offset)
    checked = world.verify(numbers=[1])
    assert outcome_of(checked) is Outcome.EQUAL
    compared = checked[0].streams[0].compared
    assert compared.from_us > begin.timestamp_ms * 1000 + 2 * US
    assert compared.from_us < begin.timestamp_ms * 1000 + 15 * US
    assert any(f"{begin.offset:,} offsets below it" in note for note in told(checked))


def test_a_log_that_has_lost_all_of_the_range_proves_nothing(world):
    world.save(ONE, world.states(ONE))
    world.log.expire(ONE, world.log.track(ONE).end)
    checked = world.verify(numbers=[1])
    assert outcome_of(checked) is Outcome.NOTHING
    assert "no pane can be checked" in told(checked)[0]
    assert "proves nothing" in table(checked)


def test_an_expiry_that_is_older_than_the_range_costs_nothing(world):
    world.save(ONE, world.states(ONE))
    world.log.expire(ONE, 50)
    checked = world.verify(Asked((START_S + 600) * US), numbers=[1])
    assert (outcome_of(checked), told(checked)) == (Outcome.EQUAL, [])


def test_what_cannot_be_read_any_more_is_left_out_with_what_it_may_have_touched(world):
    world.save(ONE, world.states(ONE))
    records = world.log.track(ONE).records
    first = next(each.offset for each in records if each.timestamp_ms >= (START_S + 650) * 1000)
    world.log.corrupt(ONE, first, first + 10)
    checked = world.verify(numbers=[1])
    assert outcome_of(checked) is Outcome.EQUAL
    assert checked[0].gaps == [Gap(ONE, first, first + 10, "corrupt")]
    following = next(each for each in records if each.offset == first + 10)
    assert checked[0].streams[0].compared.from_us > following.timestamp_ms * 1000 + 2 * US
    assert f"offsets {first:,} to {first + 9:,} cannot be read (corrupt)" in told(checked)[0]


def test_records_that_expire_while_they_are_read_are_no_difference(world):
    world.save(ONE, world.states(ONE))
    log = MemoryRange(world.log, lambda: world.log.expire(ONE, 500))
    checked = world.verify(numbers=[1], log=log)
    assert outcome_of(checked) is Outcome.EQUAL
    assert [gap.reason for gap in checked[0].gaps] == ["out_of_range"]


def test_before_complete_from_nothing_is_compared_and_that_is_told(world):
    first = next(each.offset for each in world.log.track(ONE).records if each.timestamp_ms >= (START_S + 500) * 1000)
    world.save(ONE, world.states(ONE, first=first))
    checked = world.verify(numbers=[1])
    assert outcome_of(checked) is Outcome.EQUAL
    assert checked[0].streams[0].compared.from_us >= (START_S + 504) * US
    assert "is complete from" in told(checked)[0]


def test_records_known_to_be_missing_before_the_next_one_are_not_vouched_for(world):
    world.save(ONE, world.states(ONE), missing_before_us=(START_S + 700) * US)
    checked = world.verify(numbers=[1])
    assert outcome_of(checked) is Outcome.EQUAL
    assert checked[0].streams[0].compared.from_us >= (START_S + 704) * US


def test_a_range_after_the_snapshot_compares_nothing(world):
    world.save(ONE, world.states(ONE))
    checked = world.verify(Asked((START_S + 900) * US, (START_S + 960) * US), numbers=[1])
    assert outcome_of(checked) is Outcome.NOTHING
    assert "before the range" in told(checked)[0]
    assert checked[0].records == 0


def test_an_end_alone_is_the_end_of_an_hour():
    hour, spec = 3600 * US, StreamSpec(windows=(WindowSpec("5m", 300 * US), WindowSpec("15h", 15 * 3600 * US)))
    clock_us = 500_000 * hour
    head = StateHead(clock_us, 0, 0, None, (None, None), 0)
    span = plan_of(head, spec, Asked(to_us=clock_us - 4 * hour)).span
    assert (span.from_us, span.to_us) == (clock_us - 5 * hour, clock_us - 4 * hour)
    assert plan_of(head, spec, Asked()).span.from_us == clock_us - hour


def test_a_range_before_what_is_kept_compares_nothing_and_says_so(world):
    world.save(ONE, world.states(ONE))
    (checked,) = world.verify(Asked(to_us=(START_S - 7200) * US), numbers=[1])
    assert outcome_of([checked]) is Outcome.NOTHING
    assert "keeps nothing from before" in told([checked])[0]


def test_only_the_records_of_the_range_are_read(world):
    world.save(ONE, world.states(ONE))
    part = world.verify(Asked((START_S + 700) * US), numbers=[1])
    assert 0 < part[0].records < world.verify(numbers=[1])[0].records / 10


def table(checked):
    """What the command prints, as wide as a pipe."""
    console = output_console()
    console.file = io.StringIO()
    console.width = 400
    write_table(checked, outcome_of(checked), console)
    return console.file.getvalue()


def test_the_table_has_a_line_for_each_stream_and_partition_and_ends_with_what_it_means(world):
    world.save_all()
    lines = table(world.verify()).splitlines()
    assert lines[0].split() == [
        "stream", "partition", "up", "to", "offset", "taken", "(UTC)", "from", "(UTC)", "to", "(UTC)", "records",
        "read", "panes", "cells", "messages", "different",
    ]  # fmt: skip
    assert [line.split()[:2] for line in lines[1:5]] == [["all", "0"], ["ranker", "0"], ["all", "1"], ["ranker", "1"]]
    assert lines[-1].startswith("EQUAL: ")


def test_json_tells_every_difference_as_plain_values(world):
    world.save(ONE, world.states(ONE, 700), 701)
    checked = world.verify(numbers=[1])
    out = io.StringIO()
    write_json(checked, outcome_of(checked), out)
    document = json.loads(out.getvalue())
    assert document["outcome"] == "different"
    (partition,) = document["partitions"]
    assert partition["snapshot"] == {"next_offset": 701, "taken_us": (START_S + 721) * US}
    found = partition["streams"][0]["differences"]
    assert {each["record_offset"] for each in found} == {700}
    message = next(each for each in world.traffic.messages if (each.partition, each.offset) == (1, 700))
    assert (found[0]["name"], found[0]["window"], found[0]["series"]) == ("clock_us", None, None)
    assert found[1]["series"] == dict(zip(("model", "version"), message.key, strict=True))
    assert len(found) == partition["streams"][0]["different"]


def test_a_stream_without_labels_has_one_series(world):
    world.save(ONE, world.states(ONE))
    assert world.verify(streams=[RANKER], numbers=[1])[0].streams[0].compared.cells > 0


@pytest.mark.parametrize("kinds", [[], ["equal"], ["none"], ["equal", "none"], ["equal", "different", "none"]])
def test_the_worst_outcome_is_the_commands(kinds):
    partitions = {
        "equal": SimpleNamespace(different=0, panes=4, snapshot=1, end=9, beginning=0),
        "different": SimpleNamespace(different=1, panes=4, snapshot=1, end=9, beginning=0),
        "none": SimpleNamespace(different=0, panes=0, snapshot=None, end=9, beginning=0),
    }
    expected = {"different": Outcome.DIFFERENT, "none": Outcome.NO_SNAPSHOT, "equal": Outcome.EQUAL}
    worst = next((expected[kind] for kind in expected if kind in kinds), Outcome.NOTHING)
    assert outcome_of([partitions[kind] for kind in kinds]) is worst


def test_a_lost_record_that_is_newer_than_the_snapshot_is_told_in_words(world):
    world.save(ONE, world.states(ONE, 700), 701)
    said = table(world.verify(streams=[ALL], numbers=[1]))
    message = next(each for each in world.traffic.messages if (each.partition, each.offset) == (1, 700))
    assert f"the record at offset 700 is of {instant(message.event_us)} and not counted" in said


def test_what_is_after_the_snapshot_cannot_be_newer_than_the_log(world):
    end = world.log.track(ONE).end - 10
    world.save(ONE, world.states(ONE, end), end - 300)
    assert "no record of the log is newer than" in table(world.verify(streams=[ALL], numbers=[1]))


def test_a_snapshot_whose_bytes_were_changed_is_not_used_but_the_one_before_it(world):
    end = world.log.track(ONE).end
    world.save(ONE, world.states(ONE, end - 50), end - 50)
    before = set(world.folder.rglob("*"))
    world.save(ONE, world.states(ONE))
    for file in set(world.folder.rglob("*")) - before:
        if file.is_file():
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
    (checked,) = world.verify(numbers=[1])
    assert outcome_of([checked]) is Outcome.EQUAL
    assert checked.snapshot.next_offset == end - 50
