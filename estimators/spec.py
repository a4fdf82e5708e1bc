"""Geometry of a stream's windows: panes, ring sizes, and what a partition state needs to know, in exact integers."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from estimators.pairs import Ints
from estimators.validation import Rules

#: With it a pane that the longest ring has dropped is gone from every shorter one: (R - 1) x longest pane >= r x pane
#: for rings of R and r panes, since the longest window is at least twice the shorter, or as long.
PANES_PER_WINDOW_MIN: Final = 3
_TIMES_MAX: Final = 2**62


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """One window: its label as written in the configuration, and its length."""

    label: str
    length_us: int


@dataclass(frozen=True, slots=True)
class RingSpec:
    """Geometry of one window's ring of panes.

    Pane i holds the event times t with floor(t * panes_per_window / length) = i. Its borders need not be whole
    microseconds; its first whole microsecond is `start_us(i)`. Times may be any int64 below 2^62.

    Attributes
    ----------
    multiple : panes of the first (finest) window in one pane of this one
    size : panes kept: the window, the burn-in, and what max_skew and expected_delay may move
    """

    length_us: int
    panes_per_window: int
    multiple: int
    size: int

    def pane_of(self, time_us: int) -> int:
        """Index of the pane that holds a time."""
        return time_us * self.panes_per_window // self.length_us

    def panes_of(self, times_us: Ints) -> Ints:
        """Index of the pane that holds each time; split into whole windows and the rest, so that nothing overflows."""
        windows, rest = np.divmod(times_us, self.length_us)
        panes: Ints = windows * self.panes_per_window + rest * self.panes_per_window // self.length_us
        return panes

    def start_us(self, pane: int) -> int:
        """First whole microsecond of a pane."""
        return -(-pane * self.length_us // self.panes_per_window)

    def starts_us(self, panes: Ints) -> Ints:
        """First whole microsecond of each pane."""
        windows, rest = np.divmod(panes, self.panes_per_window)
        starts: Ints = windows * self.length_us - (-rest * self.length_us // self.panes_per_window)
        return starts

    def oldest_us(self, clock_us: int) -> int:
        """First whole microsecond that the ring still holds when the partition clock shows `clock_us`."""
        return self.start_us(self.pane_of(clock_us) - self.size + 1)

    def oldest_by_us(self, clocks_us: Ints) -> Ints:
        """`oldest_us` of each clock."""
        return self.starts_us(self.panes_of(clocks_us) - (self.size - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """Everything that a stream's window state depends on besides its records.

    Attributes
    ----------
    windows : in the user's order; each a whole multiple of the first
    panes_per_window, burn_in : panes of a window, and panes kept before it for the adaptive coefficient
    max_skew_us : how far an event may be ahead of its record's timestamp
    expected_delay_us : how far behind the wall clock windows are evaluated
    max_series : series that one partition admits besides `__other__`
    rules : how pairs are validated
    rings : one per window, in the same order

    Raises
    ------
    ValueError
        Where a window is no whole multiple of the first, or a number is out of its range.
    """

    windows: tuple[WindowSpec, ...]
    panes_per_window: int = 30
    burn_in: int = 15
    max_skew_us: int = 60_000_000
    expected_delay_us: int = 0
    max_series: int = 1000
    rules: Rules = field(default_factory=Rules)
    rings: tuple[RingSpec, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check_windows(self)
        first = self.windows[0].length_us
        kept = self.panes_per_window + self.burn_in
        moved = (self.max_skew_us + self.expected_delay_us) * self.panes_per_window
        rings = tuple(
            RingSpec(
                length_us=window.length_us,
                panes_per_window=self.panes_per_window,
                multiple=window.length_us // first,
                size=kept - (-moved // window.length_us),
            )
            for window in self.windows
        )
        object.__setattr__(self, "rings", rings)

    @property
    def longest(self) -> WindowSpec:
        """The longest window."""
        return max(self.windows, key=lambda window: window.length_us)

    @property
    def longest_ring(self) -> RingSpec:
        """Ring of the longest window: it decides lateness, expiry of series and completeness."""
        return max(self.rings, key=lambda ring: ring.length_us)


def _check_numbers(spec: StreamSpec) -> None:
    for name, value, least in (
        ("panes_per_window", spec.panes_per_window, PANES_PER_WINDOW_MIN),
        ("burn_in", spec.burn_in, 0),
        ("max_skew_us", spec.max_skew_us, 0),
        ("expected_delay_us", spec.expected_delay_us, 0),
        ("max_series", spec.max_series, 1),
    ):
        if value < least:
            message = f"{name} is {value}, but must be at least {least}"
            raise ValueError(message)


def _check_windows(spec: StreamSpec) -> None:
    if not spec.windows:
        raise ValueError("a stream needs at least one window")
    first = spec.windows[0]
    if not spec.panes_per_window <= first.length_us:
        message = f"window {first.label}: {first.length_us} us has no {spec.panes_per_window} panes of 1 us or more"
        raise ValueError(message)
    for window in spec.windows:
        if window.length_us <= 0 or window.length_us % first.length_us:
            nearest = max(1, round(window.length_us / first.length_us)) * first.length_us
            message = (
                f"window {window.label} ({window.length_us} us) is not a whole multiple of the first window, "
                f"{first.label} ({first.length_us} us); the nearest multiple is {nearest} us"
            )
            raise ValueError(message)
        if window.length_us * spec.panes_per_window >= _TIMES_MAX:
            message = f"window {window.label} is too long for {spec.panes_per_window} panes"
            raise ValueError(message)
