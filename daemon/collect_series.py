"""Families about series and their windows, from one published value. Pure functions, one per subject."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon.board import Published, StreamBoard, WindowBoard
from daemon.families import Column, Family, Labels, Rows, family, table
from estimators.estimates import DIRECTIONS, Direction, DirectionEstimates, Estimator
from estimators.moments import Moments
from estimators.pairs import Floats


@dataclass(frozen=True, slots=True)
class Exports:
    """What of the estimates is exposed; sampler-side naive always is."""

    estimators: tuple[Estimator, ...] = ("adaptive", "fixed")
    directions: tuple[Direction, ...] = ("reverse", "forward")
    moments: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """One published value with the rows that its columns share, made once a publish."""

    published: Published
    exports: Exports
    live: Mapping[str, Rows]  # by stream: the series that have windows
    counted: Mapping[str, Rows]  # by stream: the series that have counters

    def windows(self) -> Iterator[tuple[StreamBoard, Rows, WindowBoard, Labels]]:
        """Every window of every stream, with the label that names it."""
        for stream in self.published.streams:
            for window in stream.windows:
                yield stream, self.live[stream.name], window, (("window", window.label),)


def scene(published: Published, exports: Exports) -> Scene:
    """Give every series the labels of all streams: one that only other streams have is empty."""
    names = sorted({name for stream in published.streams for name in stream.label_names})

    def rows(stream: StreamBoard, keys: tuple[tuple[str, ...], ...]) -> Rows:
        missing = tuple((name, "") for name in names if name not in stream.label_names)
        return Rows(stream.label_names, keys, (("stream", stream.name), *missing))

    return Scene(
        published,
        exports,
        {stream.name: rows(stream, stream.keys) for stream in published.streams},
        {stream.name: rows(stream, stream.counter_keys) for stream in published.streams},
    )


# Estimates


def estimates(scene: Scene) -> Iterator[Family]:
    """Divergences with their errors."""
    yield family("kl_nats", _kl(scene))
    if "adaptive" in scene.exports.estimators:
        for name, attribute in _ERRORS.items():
            yield family(name, _adaptive(scene, attribute))
        yield family("kl_pane_standard_error_nats", _per_direction(scene, "pane_standard_error"))
        yield family("control_variate_lambda", _per_direction(scene, "control_variate_lambda"))
        yield family("variance_ratio", _variance_ratios(scene))


_ERRORS: Final = {
    "kl_standard_error_nats": "standard_error",
    "kl_lower_nats": "lower",
    "kl_upper_nats": "upper",
}


def _kl(scene: Scene) -> Iterator[Column]:
    for stream, rows, window, labels in scene.windows():
        for direction in DIRECTIONS:
            asked = scene.exports.estimators if direction in scene.exports.directions else ()
            if direction == stream.sampler_side and "naive" not in asked:
                asked = (*asked, "naive")
            for estimator in asked:
                value = window.estimates.of(direction).of(estimator).value
                yield Column(rows, value, (*labels, ("direction", direction), ("estimator", estimator)))


def _directions(scene: Scene) -> Iterator[tuple[Rows, DirectionEstimates, Labels]]:
    for _, rows, window, labels in scene.windows():
        for direction in scene.exports.directions:
            yield rows, window.estimates.of(direction), (*labels, ("direction", direction))


def _adaptive(scene: Scene, attribute: str) -> Iterator[Column]:
    for rows, side, labels in _directions(scene):
        yield Column(rows, getattr(side.adaptive, attribute), (*labels, ("estimator", "adaptive")))


def _per_direction(scene: Scene, attribute: str) -> Iterator[Column]:
    for rows, side, labels in _directions(scene):
        yield Column(rows, getattr(side, attribute), labels)


def _variance_ratios(scene: Scene) -> Iterator[Column]:
    for rows, side, labels in _directions(scene):
        yield Column(rows, side.variance_ratio_naive, (*labels, ("versus", "naive")))
        yield Column(rows, side.variance_ratio_fixed, (*labels, ("versus", "fixed")))


# Self-check and windows


def self_check(scene: Scene) -> Iterator[Family]:
    """Whether the pairs can be compared at all."""
    for name in ("ratio_mean", "ratio_zscore", "support_gap", "comparable", "infinite", "effective_sample_ratio"):
        yield family(
            name, (Column(rows, getattr(window.estimates, name), labels) for _, rows, window, labels in scene.windows())
        )


def windows(scene: Scene) -> Iterator[Family]:
    """Count what a window holds, and tell until when."""
    for name, count in (("window_messages", "messages"), ("window_pairs", "pairs")):
        yield family(
            name,
            (
                Column(rows, window.estimates.total.count_of(count).astype(float), labels)
                for _, rows, window, labels in scene.windows()
            ),
        )
    yield family(
        "window_complete", (Column(rows, window.complete, labels) for _, rows, window, labels in scene.windows())
    )
    ends = (
        ((stream.name, window.label), window.end_timestamp_seconds)
        for stream in scene.published.streams
        for window in stream.windows
    )
    yield family("window_end_timestamp_seconds", (table(("stream", "window"), ends),))


# Moments


def moments(scene: Scene) -> Iterator[Family]:
    """Summable parts, so that recording rules can merge replicas; only when asked for."""
    if scene.exports.moments:
        yield family("window_moment", _moments(scene))


def _moments(scene: Scene) -> Iterator[Column]:
    for stream, rows, window, labels in scene.windows():
        total = window.estimates.total
        for name, values in _shared_moments(total):
            yield Column(rows, values, (*labels, ("moment", name), ("direction", "")))
        for direction in scene.exports.directions:
            side = "S" if direction == stream.sampler_side else "O"
            for name, values in _side_moments(total, side, window.estimates.of(direction)):
                yield Column(rows, values, (*labels, ("moment", name), ("direction", direction)))


def _shared_moments(total: Moments) -> Iterator[tuple[str, Floats]]:
    yield "G", total.count_of("messages").astype(float)
    for name in ("W", "WW", "C", "CC", "WC"):
        yield name, total.sum_of(name)


def _side_moments(total: Moments, side: str, estimates: DirectionEstimates) -> Iterator[tuple[str, Floats]]:
    for name in ("F", "FF", "FW", "FC"):
        yield name, total.sum_of(side + name)
    if estimates.adaptive_sums is not None:
        for column, name in enumerate(("Y", "YY", "YW")):
            yield name, estimates.adaptive_sums[:, column]


# Counters and thresholds


def series(scene: Scene) -> Iterator[Family]:
    """Counters of the process per series, and the ends of what is known of it."""
    for name, attribute in _COUNTERS.items():
        yield family(name, _counters(scene, attribute))
    yield family("kl_nats_sum_total", _kl_sums(scene))
    for name, attribute in _STAMPS.items():
        yield family(name, _stamps(scene, attribute))


_COUNTERS: Final = {
    "pairs_total": "pairs",
    "messages_total": "messages",
    "weight_sum_total": "weight_sum",
    "zero_probability_total": "zero_probability",
    "clamped_total": "clamped",
}
_STAMPS: Final = {
    "last_event_timestamp_seconds": "last_event_timestamp_seconds",
    "series_start_timestamp_seconds": "start_timestamp_seconds",
}


def _counters(scene: Scene, attribute: str) -> Iterator[Column]:
    for stream in scene.published.streams:
        yield Column(scene.counted[stream.name], getattr(stream.counters, attribute))


def _kl_sums(scene: Scene) -> Iterator[Column]:
    for stream in scene.published.streams:
        for direction, values in stream.counters.kl_nats_sum.items():
            yield Column(scene.counted[stream.name], values, (("direction", direction),))


def _stamps(scene: Scene, attribute: str) -> Iterator[Column]:
    for stream in scene.published.streams:
        yield Column(scene.live[stream.name], getattr(stream, attribute))


def thresholds(scene: Scene) -> Iterator[Family]:
    """Thresholds of the configuration, on every series, for alert rules to compare with."""
    yield family("threshold_nats", _thresholds(scene))


def _thresholds(scene: Scene) -> Iterator[Column]:
    for stream in scene.published.streams:
        rows = scene.live[stream.name]
        for threshold in stream.thresholds:
            labels = (("severity", threshold.severity), ("direction", threshold.direction))
            yield Column(rows, np.full(len(rows.keys), threshold.nats), labels)
