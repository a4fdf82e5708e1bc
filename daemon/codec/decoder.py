"""From a batch of records to columns of pairs: the Decoder protocol, and the decoder compiled from a Format.

    select (tombstone, size, where) -> decode one by one (syntax, depth, schema) -> columns (all other reasons)

Data never raises. A record's result depends on that record alone, never on the others of its batch: a batch of one
plain shape goes through whole-column code, any other record by record, and both give the same.
"""

from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np

from daemon.codec.columns import plain_columns
from daemon.codec.fields import compile_fields
from daemon.codec.format import Format
from daemon.codec.labels import LabelKeys
from daemon.codec.plan import US_PER_MS, Columns, Plan, Records, has_record_time, joined
from daemon.codec.records import exact_columns
from daemon.codec.results import Decoded, Tally
from daemon.codec.selection import compile_selector
from daemon.codec.syntax import decode_each
from daemon.source import Batch
from estimators.pairs import Pairs

#: Up to this many records, reading one by one costs less than trying columns once more.
EXACT_AT_MOST: Final = 32


class Decoder(Protocol):
    """Reads one stream's records; made once, used by one thread."""

    def decode(self, batch: Batch) -> Decoded:
        """Turn every record of the batch into pairs, a reject or an ignored one; never raises on data."""


class FormatDecoder:
    """Decoder of any Format."""

    def __init__(self, fmt: Format) -> None:
        self._plan = Plan(fmt, compile_fields(fmt), LabelKeys(fmt.label_names))
        self._select = compile_selector(fmt)

    def decode(self, batch: Batch) -> Decoded:
        """Turn every record of the batch into pairs, a reject or an ignored one; never raises on data."""
        tally = Tally()
        raw, rows = self._select(batch, tally)
        values, kept = decode_each(self._plan.fields.decode, raw, batch.offsets[rows], tally)
        if kept is not None:
            rows = rows[kept]
        records = Records(values, rows, batch.offsets[rows], batch.timestamps_ms[rows])
        columns = joined(list(self._columns(records, tally)))
        pairs = None if columns is None else _pairs(columns, batch)
        accepted = 0 if columns is None else 1 + int(np.count_nonzero(np.diff(columns.row)))
        return Decoded(pairs, accepted, tally.rejected(), tally.ignored, tally.without_time)

    def _columns(self, records: Records, tally: Tally) -> Iterator[Columns]:
        """Halve the records around those that are odd, so that a few of them cost little."""
        if not records.values:
            return
        if self._plan.fields.always_nested:
            if (exact := exact_columns(records, self._plan, tally)) is not None:
                yield exact
        elif (plain := plain_columns(records, self._plan, tally)) is not None:
            yield plain
        elif len(records.values) > EXACT_AT_MOST:
            middle = len(records.values) // 2
            for half in (slice(None, middle), slice(middle, None)):
                yield from self._columns(records.part(half), tally)
        elif (exact := exact_columns(records, self._plan, tally)) is not None:
            yield exact


def compile_decoder(fmt: Format) -> Decoder:
    """Compile a format; UsageError (for people) where its paths contradict each other."""
    return FormatDecoder(fmt)


def _pairs(columns: Columns, batch: Batch) -> Pairs:
    timestamps_ms = batch.timestamps_ms[columns.row]
    return Pairs(
        log_p=columns.log_p,
        log_q=columns.log_q,
        weight=columns.weight,
        first_pair=np.cumsum(columns.lengths) - columns.lengths,
        keys=columns.keys,
        offset=batch.offsets[columns.row],
        event_time_us=columns.time_us,
        # A file's record has no time of arrival: it arrived when it happened.
        append_time_us=np.where(has_record_time(timestamps_ms), timestamps_ms * US_PER_MS, columns.time_us),
    )
