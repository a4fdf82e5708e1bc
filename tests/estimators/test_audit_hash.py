"""The audit hash against plain integers and the published constant."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from estimators.audit import HASH_MASK, audit_hash


def test_the_hash_of_partition_3_offset_17_is_the_documented_one():
    assert int(audit_hash(3, np.array([17]))[0] & HASH_MASK) == 0xD65F67E17739


@given(st.integers(0, 2**20), st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5))
def test_the_hash_is_splitmix64_of_partition_and_offset(oracle, partition, offsets):
    assert audit_hash(partition, np.array(offsets)).tolist() == [oracle.splitmix(partition, n) for n in offsets]


def test_hashing_leaves_the_offsets_alone():
    offsets = np.arange(5)
    audit_hash(1, offsets)
    assert offsets.tolist() == [0, 1, 2, 3, 4]
