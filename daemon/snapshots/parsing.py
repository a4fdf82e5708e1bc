"""Bytes read from the front, every count checked against what is left, so that a lie costs nothing."""

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any, Final, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from daemon.snapshots.damage import DamagedSnapshotError, UnknownVersionError

#: Written first in every section and manifest. A version says how all of them are laid out.
FORMAT_VERSION: Final = 1
VERSION: Final = Struct("<H")
#: Times in microseconds are below it, on either side of 1970.
TIMES_END_US: Final = 2**62

_Read = TypeVar("_Read")


class Reader:
    """Reads little-endian content; `what` names it in errors. Every method raises DamagedSnapshotError."""

    def __init__(self, content: bytes, what: str) -> None:
        self._content = memoryview(content)
        self._at = 0
        self._what = what

    @property
    def left(self) -> int:
        """Bytes that have not been read."""
        return len(self._content) - self._at

    def take(self, count: int) -> memoryview:
        """Return the next bytes."""
        self.require(count <= self.left, f"needs {count} more bytes, but has {self.left}")
        self._at += count
        return self._content[self._at - count : self._at]

    def unpack(self, layout: Struct) -> tuple[Any, ...]:
        """Return the next fields."""
        return layout.unpack(self.take(layout.size))

    def array(self, dtype: str, *shape: int) -> NDArray[Any]:
        """Return the next numbers, as a view of the content that cannot be written."""
        kind = np.dtype(dtype)
        count = 1
        for length in shape:
            count *= length
        return np.frombuffer(self.take(count * kind.itemsize), kind).reshape(shape)

    def text(self, count: int) -> str:
        """Return the next bytes as UTF-8."""
        try:
            return bytes(self.take(count)).decode()
        except UnicodeDecodeError:
            self.fail("has text that is not UTF-8")

    def end(self) -> None:
        """Require that everything has been read."""
        self.require(not self.left, f"has {self.left} bytes too many")

    def require(self, holds: bool, otherwise: str) -> None:
        """Raise unless something holds."""
        if not holds:
            self.fail(otherwise)

    def fail(self, problem: str) -> NoReturn:
        """Raise."""
        raise DamagedSnapshotError(f"{self._what} {problem}")


def read_versioned(content: bytes, what: str, readers: Mapping[int, Callable[[Reader], _Read]]) -> _Read:
    """Read content by the version that it begins with. Raises DamagedSnapshotError, UnknownVersionError."""
    reader = Reader(content, what)
    (version,) = reader.unpack(VERSION)
    if version not in readers:
        raise UnknownVersionError(f"{what} is of version {version}, and this program reads {_listed(readers)}")
    read = readers[version](reader)
    reader.end()
    return read


def _listed(readers: Mapping[int, object]) -> str:
    return " and ".join(map(str, sorted(readers)))
