"""A daemon's states laid open as plain numbers by (window, series, pane), for the checker to compare."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from config.settings import load
from daemon.snapshots.capturing import state_of
from daemon.source import Partition
from daemon.wiring import snapshot_store_of, streams_of
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


def last_snapshots(config_file, topic, partitions):
    """Return {partition: (next offset, complete_from_us, cells)} of the newest intact snapshots of a stopped daemon.

    Asked in a process of its own: the daemon's code patches the Kafka client, which the checker uses as it is.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        return apart.submit(_loaded, config_file, topic, partitions).result(300)


def _loaded(config_file, topic, partitions):
    settings = load(config_file)
    store = snapshot_store_of(settings, read_only=True)
    spec = streams_of(settings)[0].spec
    try:
        found = store.load([Partition(topic, number) for number in partitions], lambda _: True)
    finally:
        store.close()
    states = {
        partition.number: (snapshot.next_offset, state_of(snapshot.images[0], spec, partition.number)[0])
        for partition, snapshot in found.items()
        if snapshot is not None
    }
    return {
        number: (next_offset, state.complete_from_us, cells_of(state, spec))
        for number, (next_offset, state) in states.items()
    }
