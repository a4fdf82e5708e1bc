"""Bytes to records of a compiled type, one by one: a bad record never touches its neighbours."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from daemon.codec.fields import Decode
from daemon.codec.results import Tally
from estimators.pairs import Ints

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_each(
    decode: Decode, values: Sequence[bytes], offsets: Ints, tally: Tally, *, ignore_mismatch: bool = False
) -> tuple[list[Any], Ints | None]:
    """Return the records that could be decoded, and their indexes (None: all of them).

    What is no document at all is rejected as `syntax`, what is nested too deeply as `depth`, and a document of another
    type as `schema`; `ignore_mismatch` counts the last one as ignored.
    """
    try:
        return [decode(value) for value in values], None
    except _UNREADABLE:
        pass  # some record is bad; find out which
    records: list[Any] = []
    keep = np.zeros(len(values), np.bool_)
    for index, value in enumerate(values):
        try:
            records.append(decode(value))
            keep[index] = True
        except msgspec.ValidationError as error:
            if ignore_mismatch:
                tally.ignored += 1
            else:
                tally.reject("schema", int(offsets[index]), str(error))
        except msgspec.DecodeError as error:
            tally.reject("syntax", int(offsets[index]), str(error))
        except UnicodeDecodeError as error:
            tally.reject("syntax", int(offsets[index]), f"a text is not UTF-8: {error.reason}")
        except RecursionError:
            tally.reject("depth", int(offsets[index]), "the record is nested too deeply")
    return records, np.flatnonzero(keep)
