"""A daemon's states laid open as plain numbers by (window, series, pane), for the checker to compare."""

from estimators.moments import COUNTS, SUMS
from estimators.retained import retained_panes


def cells_of(state, spec):
    """Return {(window, series, pane): ({count: integer}, {sum: float})} of all panes that hold a message.

    Panes that start before the state's `complete_from_us` are left out: nothing is promised of them.
    """
    cells = {}
    for index, window in enumerate(spec.windows):
        kept = retained_panes(state, spec, index)
        for row, (pane, start_us) in enumerate(zip(kept.panes.tolist(), kept.start_us.tolist(), strict=True)):
            if start_us < state.complete_from_us:
                continue
            for column, key in enumerate(kept.keys):
                counts = kept.moments.counts[row, column].tolist()
                if counts[COUNTS.index("messages")]:
                    sums = kept.moments.sums[row, column].tolist()
                    cells[window.label, tuple(key), pane] = (
                        dict(zip(COUNTS, counts, strict=True)),
                        dict(zip(SUMS, sums, strict=True)),
                    )
    return cells
