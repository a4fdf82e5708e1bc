"""One state, its image, its manifest; and what accidents and enemies make of bytes."""

from dataclasses import replace
from struct import pack, pack_into

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from daemon.snapshots.capturing import capture
from daemon.snapshots.frames import digest_of
from daemon.snapshots.manifests import ChunkRef, Manifest
from daemon.snapshots.medium import Place
from daemon.snapshots.values import Snapshot
from daemon.source import Partition
from estimators.partitions import absorb, new_state
from tests.snapshots.random_states import PARTITION, SPEC, batch

HASH = "5" * 16
profile = settings(max_examples=300, deadline=None, database=None, derandomize=True)


def make_state(messages=300, series=20):
    state, rng = new_state(SPEC, PARTITION), np.random.default_rng(5)
    absorb(state, SPEC, batch(rng, 0, 1_000_000, 40, 30, 1))
    absorb(state, SPEC, batch(rng, 40, 1_003_000, messages, series, 5))
    assert state.series.free
    return state


STATE = make_state()
IMAGE = capture(STATE, SPEC, HASH, None)[0]


def manifest_of(image=IMAGE, chunks_a_section=1):
    chunks, slot = {}, 0
    for section in image.sections:
        refs = []
        for _ in range(chunks_a_section):
            refs.append(
                ChunkRef(f"{slot % 3:016x}", slot, Place(slot % 5, 2**40 + slot), 900, digest_of(pack("<q", slot)))
            )
            slot += 1
        chunks[section] = tuple(refs)
    snapshot = Snapshot(
        partition=Partition("päirs", 3), topic_id="an id", next_offset=2**45, leader_epoch=-1, missing_before_us=None,
        skipped_offsets=7, began_us=-1, taken_us=1_700_000_000_000_000,
        images=(replace(image, sections=dict.fromkeys(image.sections)),),
    )  # fmt: skip
    return Manifest(snapshot, (chunks,), 5, slot)


@st.composite
def damaged(draw, content):
    """Bytes of a kind that accidents and enemies make of a content: cut, lengthened, overwritten, numbers replaced."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        match draw(st.sampled_from(["cut", "insert", "byte", "u16", "u32", "u64", "head"])):
            case "cut":
                del content[at:]
            case "insert":
                content[at:at] = draw(st.binary(min_size=1, max_size=30))
            case "byte":
                content[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "head":
                content[at % 40 : at % 40 + 1] = draw(st.binary(min_size=1, max_size=1))
            case kind:
                form = {"u16": "<H", "u32": "<I", "u64": "<Q"}[kind]
                size = {"u16": 2, "u32": 4, "u64": 8}[kind]
                if at + size <= len(content):
                    top = 2 ** (8 * size) - 1
                    pack_into(form, content, at, draw(st.sampled_from([0, 1, top // 2, top // 2 + 1, top])))
    return bytes(content)
