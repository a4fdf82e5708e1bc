"""What a snapshot is, as values that nobody changes.

A state is written in *sections*: the labels of its series, their times, and runs of panes of one ring. A section that
has not changed since the last snapshot is not written again, so a snapshot's cost follows what changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from daemon.source import Partition


class SectionId(NamedTuple):
    """Names one section of one state.

    Attributes
    ----------
    kind : "keys": the labels of the series by slot; "times": their first and last events; "panes": sums of panes
    ring : index of the ring in the spec; 0 where the section is no run of panes
    first_pane : index of the run's first pane; 0 as above
    panes : length of the run; 0 as above
    """

    kind: Literal["keys", "times", "panes"]
    ring: int = 0
    first_pane: int = 0
    panes: int = 0


@dataclass(frozen=True, slots=True)
class StateHead:
    """What is small of a state, and written every time; the fields are those of `PartitionState`.

    Attributes
    ----------
    newest : per ring the index of its newest pane; None before the first record
    slots : slots of the series table, free ones included
    """

    clock_us: int | None
    clock_jumps: int
    complete_from_us: int
    overflow_clock_us: int | None
    newest: tuple[int | None, ...]
    slots: int


@dataclass(frozen=True, slots=True)
class StateImage:
    """One stream's state in one partition.

    Attributes
    ----------
    stream_hash : of the settings that the state depends on, hexadecimal
    sections : bytes by section; None where it is as in the snapshot before (never in one that was loaded)
    """

    stream_hash: str
    head: StateHead
    sections: Mapping[SectionId, bytes | None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The states of all streams that read one partition, and the next offset, as one unit.

    Attributes
    ----------
    topic_id : of the source topic; a topic made anew under its name has another one. Empty where it is not known
    next_offset : the states hold all records below it, from their `complete_from_us` on
    leader_epoch : of the last record read, so that a truncated log is noticed; -1 where it is not known
    missing_before_us : as in OwnedPartition: records were found to be missing, and none has followed yet
    skipped_offsets : offsets that could never be read, over the whole life of the state
    began_us : wall clock at which the state began: what came before is in no long state. For people
    taken_us : wall clock at which it was taken. For people
    """

    partition: Partition
    topic_id: str
    next_offset: int
    leader_epoch: int
    missing_before_us: int | None
    skipped_offsets: int
    began_us: int
    taken_us: int
    images: tuple[StateImage, ...]
