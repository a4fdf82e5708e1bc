"""How long scrapes take: written by the server's thread, read by the collectors."""


class ScrapeTimes:
    """Count and total of the durations, as one reference that is swapped whole."""

    __slots__ = ("_total",)

    def __init__(self) -> None:
        self._total = (0, 0.0)

    def add(self, seconds: float) -> None:
        """Note one request; called from one thread only."""
        count, total = self._total
        self._total = (count + 1, total + seconds)

    def read(self) -> tuple[int, float]:
        """Return the number of requests and the sum of their durations in seconds."""
        return self._total
