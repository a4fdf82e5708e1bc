"""Which faults there are, how often each is drawn, and the seeded order of a run."""

from dataclasses import dataclass

from tests.faults import broker_faults, changelog_faults, daemon_faults, network_faults, storage_faults
from tests.faults.failpoint_faults import hit, points


@dataclass(frozen=True)
class Fault:
    """One class of faults.

    Attributes
    ----------
    act : does it, heals it, and tells what it did; the recovery is timed from its return on
    weight : how often it is drawn
    nodes : how many brokers it needs
    kinds : kinds of snapshots that it is about; empty: any
    """

    name: str
    act: object
    weight: int
    nodes: int = 1
    kinds: tuple = ()


CLASSES = (
    Fault("kill -9 a daemon", daemon_faults.kill, 24),
    Fault("kill -9 all daemons", daemon_faults.kill_all, 6),
    Fault("SIGTERM under load", daemon_faults.terminate, 12),
    Fault("zombie: halted beyond its session", daemon_faults.zombie, 12),
    Fault("halted within its session", daemon_faults.pause, 6),
    Fault("rebalance storm", daemon_faults.storm, 8),
    Fault("kill -9 a partition's leader", broker_faults.kill_leader, 8, nodes=3),
    Fault("broker halted", broker_faults.halt_broker, 6),
    Fault("kill -9 all brokers", broker_faults.kill_all_brokers, 5),
    Fault("connections cut", network_faults.cut, 8),
    Fault("connections refused", network_faults.refuse, 6),
    Fault("black hole", network_faults.hole, 8),
    Fault("tarpit", network_faults.tarpit, 5),
    Fault("byte flipped in a fetched batch", network_faults.flip, 6),
    Fault("changelog deleted", changelog_faults.delete, 4, kinds=("changelog",)),
    Fault("half of the changelog's entries deleted", changelog_faults.halve, 4, kinds=("changelog",)),
    Fault("changelog filled with garbage", changelog_faults.garble, 4, kinds=("changelog",)),
    Fault("changelog compacted while restoring", changelog_faults.compact, 4, kinds=("changelog",)),
    Fault("snapshot disk full", storage_faults.fill, 6, kinds=("file",)),
    Fault("snapshot files torn or garbled", storage_faults.garble, 6, kinds=("file",)),
)


def available(kind, nodes):
    """Fault classes that a run can do."""
    return [fault for fault in CLASSES if nodes >= fault.nodes and (not fault.kinds or kind in fault.kinds)]


def plan(dice, kind, nodes, faults, failpoints):
    """Return the run's steps in a seeded order: (name, what to call with the world); each class comes at least once."""
    known = available(kind, nodes)
    drawn = known[:faults] + dice.choices(known, [fault.weight for fault in known], k=max(0, faults - len(known)))
    steps = [(fault.name, fault.act) for fault in drawn]
    passed = points(kind)
    chosen = [passed[index % len(passed)] for index in range(failpoints)]
    steps += [(f"failpoint {point}", point) for point in chosen]
    dice.shuffle(steps)
    return steps


def named(names):
    """Return the steps of these names, in this order."""
    acts = {fault.name: fault.act for fault in CLASSES}
    return [(name, acts.get(name) or name.removeprefix("failpoint ")) for name in names]


def perform(world, step):
    """Do one step; return (whether the fault really happened, words)."""
    act = step[1]
    return hit(world, act) if isinstance(act, str) else (True, act(world))
