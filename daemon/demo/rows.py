"""The demo's rows: what the daemon published of each series and window, with the truth beside it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from daemon.demo.pairs import Truth
from estimators.estimates import DIRECTIONS, ESTIMATORS, Direction, Estimator

Status = Mapping[str, Any]
Truths = Mapping[tuple[str, tuple[str, ...]], Truth]

_UNKNOWN: Final = Truth({"reverse": None, "forward": None})


@dataclass(frozen=True, slots=True)
class Row:
    """One window of one series.

    Attributes
    ----------
    estimates : by direction and estimator: value, standard_error, lower, upper in nats; None where there is none
    truth : by direction, nats; None where nobody knows it
    """

    stream: str
    labels: Mapping[str, str]
    window: str
    messages: int
    pairs: int
    ratio_mean: float | None
    comparable: bool | None
    infinite: bool
    estimates: Mapping[tuple[Direction, Estimator], Mapping[str, float | None]]
    truth: Truth

    @property
    def series(self) -> str:
        """The series' name for people."""
        return f"{self.stream} {' '.join(self.labels.values())}"

    def of(self, estimator: Estimator, part: str = "value", direction: Direction = "reverse") -> float | None:
        """One number of the sampler's side, or of the direction named."""
        return self.estimates[direction, estimator].get(part)


def rows_of(status: Status | None, truths: Truths) -> list[Row]:
    """Return the rows of a status, streams and windows in the order of the configuration."""
    return list(_rows(status, truths)) if status is not None else []


def has_estimates(rows: Iterable[Row]) -> bool:
    """Tell whether any series shows an estimate already."""
    return any(row.of("adaptive") is not None for row in rows)


def _rows(status: Status, truths: Truths) -> Iterator[Row]:
    for stream in status["streams"]:
        for series in stream["series"]:
            truth = truths.get((stream["name"], tuple(series["labels"].values())), _UNKNOWN)
            for window in series["windows"]:
                yield Row(
                    stream=stream["name"],
                    labels=series["labels"],
                    window=window["window"],
                    messages=window["messages"],
                    pairs=window["pairs"],
                    ratio_mean=window["ratio_mean"],
                    comparable=window["comparable"],
                    infinite=window["infinite"],
                    estimates={(side, name): window[side][name] for side in DIRECTIONS for name in ESTIMATORS},
                    truth=truth,
                )
