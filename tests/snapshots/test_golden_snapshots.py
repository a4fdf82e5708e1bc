"""Snapshots that version 1 wrote are read for ever, as the state that they were; and this program still writes them so.

    python -m tests.snapshots.test_golden_snapshots

writes them, which only a new version may do, into a folder of its own.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from daemon.snapshots.capturing import capture, state_of
from daemon.snapshots.frames import Kind, decode, digest_of, encode
from daemon.snapshots.manifests import ChunkRef, Manifest, decode_manifest, encode_manifest
from daemon.snapshots.medium import Place
from daemon.snapshots.values import Snapshot
from daemon.source import Partition
from estimators.moments import COUNTS, SUMS
from estimators.pairs import Pairs
from estimators.partitions import absorb, begin, new_state
from estimators.spec import StreamSpec, WindowSpec

FOLDER = Path(__file__).parents[1] / "golden" / "snapshots" / "v1"
SPEC = StreamSpec(
    windows=(WindowSpec("1x", 100), WindowSpec("3x", 300)), panes_per_window=4, burn_in=2, max_skew_us=20, max_series=4
)
PARTITION = Partition("pairs", 3)


def absorb_golden(state, first, count, step, names):
    """Numbers that every machine computes alike: u is a multiple of 1/8, the clock a multiple of the step."""
    offset = np.arange(first, first + count)
    event_us = 1_000_000 + step * offset - 40 * (offset % 7 == 3)
    log_q = -2.0 - (offset % 5) / 4
    absorb(state, SPEC, Pairs(
        log_p=np.where(offset % 11 == 5, -np.inf, log_q + (offset % 13 - 6) / 8), log_q=log_q, weight=None,
        first_pair=np.arange(count), keys=[(names[each % len(names)], "v1") for each in offset],
        offset=offset, event_time_us=event_us, append_time_us=event_us + 10,
    ))  # fmt: skip


def golden_state():
    """Five series under a cap of four, some of which expired, were late, or gave their slot away."""
    state = new_state(SPEC, PARTITION.number)
    begin(state, SPEC, 999_000)
    absorb_golden(state, 0, 40, 5, "abcde")
    absorb_golden(state, 200, 60, 5, "fab")
    absorb_golden(state, 270, 30, 3, "gf")
    return state


def golden_manifest(image):
    """The chunks' names and places as a store would give them."""
    chunks = {
        section: (ChunkRef(f"{7 * slot:016x}", slot, Place(slot % 3, 1000 + slot), 500 + slot, digest_of(content)),)
        for slot, (section, content) in enumerate(sorted(image.sections.items()))
    }
    snapshot = Snapshot(
        partition=PARTITION, topic_id="AAAAAAAAAAAAAAAAAAAAAQ", next_offset=300, leader_epoch=2,
        missing_before_us=1_000_001, skipped_offsets=170, began_us=1_000_000, taken_us=1_700_000_000_000_000,
        images=(replace(image, sections=dict.fromkeys(sorted(image.sections))),),
    )  # fmt: skip
    return Manifest(snapshot, (chunks,), 9, len(chunks))


def file_of(section):
    return FOLDER / f"{section.kind}-{section.ring}-{section.first_pane}.chunk"


def stored_state():
    """What the files hold, by the names that the manifest gives them."""
    manifest = decode_manifest((FOLDER / "manifest").read_bytes())
    (image,), (chunks,) = manifest.snapshot.images, manifest.chunks
    sections = {section: decode(file_of(section).read_bytes()) for section in image.sections}
    assert {section: (digest_of(content),) for section, content in sections.items()} == {
        section: tuple(ref.digest for ref in refs) for section, refs in chunks.items()
    }
    return manifest, replace(image, sections=sections)


def as_text(state):
    """A state in words and exact numbers, so that the truth beside the bytes is not bytes."""
    panes = []
    for index, ring in enumerate(state.rings):
        for row, slot in np.argwhere(ring.moments.counts[..., 0]).tolist():
            cell = ring.moments[row, slot]
            panes.append({
                "ring": index, "row": row, "slot": slot, "max_u": float(cell.max_u).hex(),
                "sums": {name: float(value).hex() for name, value in zip(SUMS, cell.sums, strict=True)},
                "counts": {name: int(value) for name, value in zip(COUNTS, cell.counts, strict=True)},
            })  # fmt: skip
    table = state.series
    return {
        "clock_us": state.clock_us, "clock_jumps": state.clock_jumps, "complete_from_us": state.complete_from_us,
        "overflow_clock_us": state.overflow_clock_us, "newest": [ring.newest for ring in state.rings],
        "capacity": table.capacity, "free": table.free,
        "series": [
            [*key, slot, int(table.first_us[slot]), int(table.last_us[slot])] for key, slot in table.slots.items()
        ],
        "panes": panes,
    }  # fmt: skip


def test_snapshots_of_version_1_are_read_as_the_state_that_they_were():
    manifest, image = stored_state()
    state, _ = state_of(image, SPEC, PARTITION.number)
    assert as_text(state) == json.loads((FOLDER / "state.json").read_text())
    assert replace(manifest.snapshot, images=()) == replace(golden_manifest(image).snapshot, images=())
    assert (manifest.sequence, manifest.highest_slot) == (9, len(image.sections))


def test_this_program_writes_what_version_1_wrote():
    """Payloads are compared unpacked: another version of zstd may pack them in other bytes."""
    manifest, stored = stored_state()
    restored, _ = state_of(stored, SPEC, PARTITION.number)
    image, _ = capture(restored, SPEC, "5" * 16, None)
    assert image == stored
    raw = decode(encode_manifest(golden_manifest(image)), Kind.MANIFEST)
    assert raw == decode((FOLDER / "manifest").read_bytes(), Kind.MANIFEST)
    assert decode_manifest(encode_manifest(manifest)) == manifest


def test_the_golden_state_has_a_bit_of_everything():
    state = golden_state()
    assert state.series.free
    assert state.overflow_clock_us
    assert state.clock_jumps
    assert state.complete_from_us > 0
    assert list(state.series.slots.values()) != sorted(state.series.slots.values())
    assert {section.kind for section in stored_state()[1].sections} == {"keys", "times", "panes"}


def write():
    FOLDER.mkdir(parents=True, exist_ok=True)
    state = golden_state()
    image, _ = capture(state, SPEC, "5" * 16, None)
    for section, content in image.sections.items():
        file_of(section).write_bytes(encode(content))
    (FOLDER / "manifest").write_bytes(encode_manifest(golden_manifest(image)))
    (FOLDER / "state.json").write_text(json.dumps(as_text(state), indent=1) + "\n")


if __name__ == "__main__":
    write()
