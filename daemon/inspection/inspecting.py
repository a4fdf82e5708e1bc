"""The inspection itself: sample, shape, statistics, in that order."""

from collections.abc import Iterable
from typing import Final

from daemon.codec import compile_decoder
from daemon.inspection.finding import Finding
from daemon.presets import PRESETS
from daemon.source import Batch

#: Enough to tell the sampler of two models 0.003 nats apart, and read in a second or two.
RECORDS_MAX: Final = 20_000


def inspect_batches(batches: Iterable[Batch], *, max_records: int = RECORDS_MAX) -> Finding:
    """Find out what the first `max_records` records hold; takes no more batches than that needs.

    Records of a CSV must hold every column (`read_batches(source, None)`). Never raises on data.
    """
    taken: list[Batch] = []
    count = 0
    for batch in batches:
        taken.append(batch)
        count += len(batch)
        if count >= max_records:
            break
    best, decoded = None, 0
    for name, preset in PRESETS.items():
        decoder = compile_decoder(preset.format)
        fitting = sum(decoder.decode(batch).records for batch in taken)
        if fitting > decoded:
            best, decoded = name, fitting
    if best is None:
        return Finding(records=count, problem="no preset fits")
    return Finding(records=count, stream={"preset": best}, preset=best, decoded=decoded)
