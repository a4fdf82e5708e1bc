"""The store of snapshots over the changelog, on a real broker: what a dead process saved is what the next one loads."""

import random

import pytest

from daemon.snapshots.chunk_store import ChunkStore
from daemon.snapshots.medium import EntriesGoneError
from daemon.snapshots.values import SectionId, Snapshot, StateHead, StateImage
from tests.daemon.changelog_world import ONE, OTHER, named
from tests.daemon.test_kafka_changelog_topic import made_anew

HEAD = StateHead(clock_us=7, clock_jumps=0, complete_from_us=1, overflow_clock_us=None, newest=(5,), slots=3)
SECTIONS = [SectionId("keys"), SectionId("times"), *(SectionId("panes", 0, 8 * run, 8) for run in range(12))]


def snapshot(partition, next_offset, sections):
    """A snapshot whose sections are these bytes."""
    image = StateImage("5" * 16, HEAD, sections)
    return Snapshot(partition, "id", next_offset, 0, None, 0, 1, 2, (image,))


def contents(draw):
    return {section: draw.randbytes(draw.choice((10, 50_000, 1_300_000))) for section in SECTIONS}


@pytest.mark.kafka
def test_the_newest_snapshot_of_each_partition_is_loaded_by_another_process(kafka_broker, changelog):
    topic, draw = named(), random.Random(4)
    ours = ChunkStore(changelog(kafka_broker.bootstrap_servers, topic), "g")
    whole = {partition: contents(draw) for partition in (ONE, OTHER)}
    retained = {p: ours.save(snapshot(p, 10, sections)).retained_bytes for p, sections in whole.items()}
    for next_offset in (20, 30, 40):  # only some sections change
        for partition, sections in whole.items():
            changed = {section: draw.randbytes(9000) for section in draw.sample(SECTIONS, 2)}
            sections.update(changed)
            receipt = ours.save(snapshot(partition, next_offset, {s: changed.get(s) for s in SECTIONS}))
            assert receipt.written_bytes < 100_000 < retained[partition]
    loaded = ChunkStore(changelog(kafka_broker.bootstrap_servers, topic), "g").load([ONE, OTHER], lambda _: True)
    assert {p: (found.next_offset, found.images[0].sections) for p, found in loaded.items()} == {
        partition: (40, sections) for partition, sections in whole.items()
    }


@pytest.mark.kafka
def test_after_the_topic_was_made_anew_a_save_is_whole_or_refused(kafka_broker, changelog):
    topic, draw = named(), random.Random(6)
    ours = ChunkStore(changelog(kafka_broker.bootstrap_servers, topic), "g")
    whole = {partition: contents(draw) for partition in (ONE, OTHER)}
    for partition, sections in whole.items():
        ours.save(snapshot(partition, 10, sections))
    kafka_broker.admin.delete_topics([topic])
    made_anew(kafka_broker, topic)
    unchanged = dict.fromkeys(SECTIONS)
    for partition in whole:
        with pytest.raises(EntriesGoneError):
            ours.save(snapshot(partition, 20, unchanged | {SECTIONS[0]: b"x"}))
    for partition, sections in whole.items():
        saved_in_the_end(ours, snapshot(partition, 30, sections))
    loaded = ChunkStore(changelog(kafka_broker.bootstrap_servers, topic), "g").load([ONE, OTHER], lambda _: True)
    assert {p: (found.next_offset, found.images[0].sections) for p, found in loaded.items()} == {
        partition: (30, sections) for partition, sections in whole.items()
    }


def saved_in_the_end(ours, whole):
    """The store misses its chunks first, by partition; the medium sees why when it writes, once."""
    try:
        ours.save(whole)
    except EntriesGoneError:
        ours.save(whole)
