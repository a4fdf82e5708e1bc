"""From a published value to metric families: a collector per subject, each timed and isolated from the others.

A collector that fails costs its own metrics only: they are absent, `klaxon_collector_success` tells it, the log why.
"""

from collections.abc import Callable, Iterator
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from daemon import collect_process, collect_series
from daemon.board import Published
from daemon.clock import Clock
from daemon.collect_series import Exports, Scene, scene
from daemon.families import Family, ProcessText, family, table
from daemon.metric import Subject
from daemon.scrapes import ScrapeTimes

log = structlog.get_logger(__name__)

Collect = Callable[[Scene], Iterator[Family]]

COLLECTORS: Final[dict[Subject, Collect]] = {
    Subject.ESTIMATES: collect_series.estimates,
    Subject.SELF_CHECK: collect_series.self_check,
    Subject.WINDOWS: collect_series.windows,
    Subject.MOMENTS: collect_series.moments,
    Subject.SERIES: collect_series.series,
    Subject.THRESHOLDS: collect_series.thresholds,
    Subject.STREAMS: collect_process.streams,
    Subject.PARTITIONS: collect_process.partitions,
}


class Collectors:
    """All collectors; called once per publish, in the loop's thread."""

    def __init__(self, exports: Exports, scrapes: ScrapeTimes, clock: Clock) -> None:
        self._exports = exports
        self._clock = clock
        self._collectors = {
            **COLLECTORS,
            Subject.PROCESS: lambda scene: collect_process.process(scene.published, scrapes),
        }
        self._failing: set[Subject] = set()

    def __call__(self, published: Published) -> list[Family]:
        """Collect everything that can be collected."""
        made = scene(published, self._exports)
        families: list[Family] = []
        success: list[tuple[tuple[str, ...], float]] = []
        duration: list[tuple[tuple[str, ...], float]] = []
        for subject, collect in self._collectors.items():
            started = self._clock.monotonic()
            collected = self._isolated(subject, collect, made)
            families.extend(collected or ())
            success.append(((subject.value,), float(collected is not None)))
            duration.append(((subject.value,), self._clock.monotonic() - started))
        families.append(family("collector_success", (table(("collector",), success),)))
        families.append(family("collector_duration_seconds", (table(("collector",), duration),)))
        return families

    def _isolated(self, subject: Subject, collect: Collect, made: Scene) -> list[Family] | None:
        try:
            families = list(collect(made))
        except Exception:
            # Every publish would say the same: the log tells the first, the metric all.
            if subject not in self._failing:
                self._failing.add(subject)
                log.exception("collector failed, its metrics are absent", collector=subject.value)
            return None
        self._failing.discard(subject)
        return families


class ProcessMetrics:
    """Memory, CPU, file descriptors, garbage collection; from a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def __call__(self) -> ProcessText:
        """Collect and render now."""
        return ProcessText(
            generate_latest(self._registry),
            bytes(openmetrics.generate_latest(self._registry)).removesuffix(b"# EOF\n"),  # type: ignore[no-untyped-call]
        )
