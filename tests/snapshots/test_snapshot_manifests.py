"""A manifest gives back what it tells, or is damaged."""

import tracemalloc
from dataclasses import replace
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.snapshots.damage import DamagedSnapshotError, OversizedSnapshotError, UnknownVersionError
from daemon.snapshots.frames import Kind, decode, encode
from daemon.snapshots.manifests import decode_manifest, encode_manifest
from daemon.snapshots.values import SectionId
from tests.snapshots.damaged_bytes import IMAGE, damaged, manifest_of, profile

MANIFEST = manifest_of()
CONTENT = decode(encode_manifest(MANIFEST), Kind.MANIFEST)


def test_a_manifest_gives_back_what_it_tells():
    several = manifest_of(chunks_a_section=3)
    assert decode_manifest(encode_manifest(several)) == several
    missing = replace(MANIFEST, snapshot=replace(MANIFEST.snapshot, missing_before_us=-5, images=()), chunks=())
    assert decode_manifest(encode_manifest(missing)) == missing


@given(st.one_of(st.binary(max_size=400), damaged(CONTENT)))
@profile
def test_a_damaged_manifest_is_another_manifest_or_an_error(content):
    try:
        manifest = decode_manifest(encode(content, Kind.MANIFEST))
    except DamagedSnapshotError:
        return
    assert decode_manifest(encode_manifest(manifest)) == manifest


def test_a_manifest_that_is_cut_short_is_damaged():
    for left in range(len(CONTENT)):
        with pytest.raises(DamagedSnapshotError):
            decode_manifest(encode(CONTENT[:left], Kind.MANIFEST))


def test_a_manifest_of_too_many_parts_is_refused_in_words():
    sections = {SectionId("panes", 0, pane, 1): None for pane in range(20_000)}
    with pytest.raises(OversizedSnapshotError, match="Use fewer windows or panes"):
        encode_manifest(manifest_of(replace(IMAGE, sections=sections)))


@pytest.mark.parametrize("chunks_a_section", [1, 50])
def test_reading_a_manifest_needs_little_memory(chunks_a_section):
    value = encode_manifest(manifest_of(chunks_a_section=chunks_a_section))
    raw_bytes = len(decode(value, Kind.MANIFEST))
    tracemalloc.start()
    try:
        decode_manifest(value)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 12 * raw_bytes + (1 << 20), f"{peak} for {raw_bytes}"


def test_a_manifest_of_a_newer_program_is_told_from_damage():
    newer = encode(b"\2\0" + decode(encode_manifest(MANIFEST), Kind.MANIFEST)[2:], Kind.MANIFEST)
    with pytest.raises(UnknownVersionError, match="a manifest is of version 2"):
        decode_manifest(newer)


def test_a_section_that_is_named_twice_is_damage():
    first, second, *_ = sorted(section for section in IMAGE.sections if section.kind == "panes")
    number = CONTENT.index(pack("<q", second.first_pane))
    twice = CONTENT[:number] + pack("<q", first.first_pane) + CONTENT[number + 8 :]
    with pytest.raises(DamagedSnapshotError, match="a section twice"):
        decode_manifest(encode(twice, Kind.MANIFEST))


def test_a_chunk_that_is_named_twice_is_damage():
    (section, refs), *_ = MANIFEST.chunks[0].items()
    twice = replace(MANIFEST, chunks=({**MANIFEST.chunks[0], section: refs * 2},))
    with pytest.raises(DamagedSnapshotError, match="names a chunk twice"):
        decode_manifest(encode_manifest(twice))


def test_a_manifest_of_more_parts_than_a_state_can_have_is_damage():
    parts = 2 * len(IMAGE.sections)
    assert decode_manifest(encode_manifest(MANIFEST), parts) == MANIFEST
    with pytest.raises(DamagedSnapshotError, match="more parts"):
        decode_manifest(encode_manifest(MANIFEST), parts - 1)


@pytest.mark.parametrize("name", ["missing_before_us", "began_us", "taken_us", "skipped_offsets"])
def test_times_and_counts_that_cannot_be_are_damage(name):
    beyond = replace(MANIFEST, snapshot=replace(MANIFEST.snapshot, **{name: 2**62}))
    with pytest.raises(DamagedSnapshotError, match="a time or count that cannot be"):
        decode_manifest(encode_manifest(beyond))


def test_two_states_of_one_stream_are_damage():
    twice = replace(MANIFEST, snapshot=replace(MANIFEST.snapshot, images=MANIFEST.snapshot.images * 2))
    empty = dict.fromkeys(MANIFEST.chunks[0], ())
    with pytest.raises(DamagedSnapshotError, match="two states of one stream"):
        decode_manifest(encode_manifest(replace(twice, chunks=(MANIFEST.chunks[0], empty))))
