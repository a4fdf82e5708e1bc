"""The demo's rows: what the daemon published of each series and window, with what was sent beside it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from daemon.demo.ledger import Ledger, Sent
from daemon.demo.messages import SeriesKey
from daemon.demo.models import Truth
from daemon.drift_rule import State
from estimators.estimates import DIRECTIONS, ESTIMATORS, Direction, Estimator

Status = Mapping[str, Any]

_UNKNOWN: Final = Truth({"reverse": None, "forward": None})


@dataclass(frozen=True, slots=True)
class Row:
    """One window of one series.

    Attributes
    ----------
    start_seconds, end_seconds : the window holds the events in [start, end)
    estimates : by direction and estimator: value, standard_error, lower, upper in nats; None where there is none
    control_variate_lambda : by direction
    gain : by direction and versus: variance of naive or fixed over that of adaptive
    state, sentence : the series' verdict
    sent : what the demo sent in these seconds; None: nothing
    """

    stream: str
    labels: Mapping[str, str]
    window: str
    start_seconds: float
    end_seconds: float
    complete: bool
    messages: int
    pairs: int
    ratio_mean: float | None
    comparable: bool | None
    infinite: bool
    estimates: Mapping[tuple[Direction, Estimator], Mapping[str, float | None]]
    control_variate_lambda: Mapping[Direction, float | None]
    gain: Mapping[tuple[Direction, str], float | None]
    state: State
    sentence: str
    sent: Sent | None

    @property
    def series(self) -> str:
        """The series' name for people."""
        return f"{self.stream} {' '.join(self.labels.values())}"

    @property
    def key(self) -> SeriesKey:
        """The series' name for programs."""
        return self.stream, tuple(self.labels.values())

    @property
    def truth(self) -> Truth:
        """What the estimates should come to."""
        return _UNKNOWN if self.sent is None else self.sent.truth

    def of(self, estimator: Estimator, part: str = "value", direction: Direction = "reverse") -> float | None:
        """One number of the sampler's side, or of the direction named."""
        return self.estimates[direction, estimator].get(part)


@dataclass(frozen=True, slots=True)
class Look:
    """One answer of the daemon.

    Attributes
    ----------
    published_seconds : when it made these numbers, wall clock
    rows : streams, series and windows in the order of the configuration
    rejected : by stream and reason: records and pairs
    """

    published_seconds: float
    rows: tuple[Row, ...]
    rejected: Mapping[str, Mapping[str, int]]

    def of(self, series: SeriesKey, window: str) -> Row | None:
        """Return one row."""
        return next((row for row in self.rows if row.key == series and row.window == window), None)


def look_at(status: Status, ledger: Ledger) -> Look | None:
    """Lay what was sent beside what was published; None before the first publish."""
    if status["timestamp_seconds"] is None:
        return None
    rejected = {each["name"]: each["records_rejected"] | each["pairs_rejected"] for each in status["streams"]}
    return Look(status["timestamp_seconds"], tuple(_rows(status, ledger)), rejected)


def has_estimates(rows: Iterable[Row]) -> bool:
    """Tell whether any series shows an estimate already."""
    return any(row.of("adaptive") is not None for row in rows)


def _rows(status: Status, ledger: Ledger) -> Iterator[Row]:
    for stream in status["streams"]:
        spans = {each["window"]: (each["seconds"], each["end_timestamp_seconds"]) for each in stream["windows"]}
        for series in stream["series"]:
            key = stream["name"], tuple(series["labels"].values())
            for window in series["windows"]:
                seconds, end_seconds = spans[window["window"]]
                # Panes begin and end at whole microseconds.
                end_us = round(end_seconds * 1e6)
                yield Row(
                    stream=stream["name"],
                    labels=series["labels"],
                    start_seconds=end_seconds - seconds,
                    end_seconds=end_seconds,
                    estimates={(side, name): window[side][name] for side in DIRECTIONS for name in ESTIMATORS},
                    control_variate_lambda={side: window[side]["lambda"] for side in DIRECTIONS},
                    gain={
                        (side, versus): window[side]["variance_ratio"][versus]
                        for side in DIRECTIONS
                        for versus in ("naive", "fixed")
                    },
                    state=series["verdict"]["state"],
                    sentence=series["verdict"]["sentence"],
                    sent=ledger.between(key, end_us - round(seconds * 1e6), end_us),
                    **{
                        name: window[name]
                        for name in ("window", "complete", "messages", "pairs", "ratio_mean", "comparable", "infinite")
                    },
                )
