"""A run: brokers, daemons, load, the seeded steps, and at the end the verdict over everything that was seen."""

import contextlib
import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import schedule, storage_faults
from tests.faults.checks import STALE_LIMIT_S
from tests.faults.cluster import Cluster
from tests.faults.fleet import STABLE_S, Fleet, Replica
from tests.faults.load import Load
from tests.faults.messages import Messages
from tests.faults.scenarios import SCENARIOS, Told
from tests.faults.verdict import judge_run
from tests.faults.world import GEOMETRY, WINDOWS_US, World, settings

RECOVERY_LIMIT_S = 150.0


@dataclass(frozen=True)
class Options:
    """What a run is asked for; see `python -m tests.faults --help`."""

    seed: int = 1
    faults: int = 20
    failpoints: int = 5
    pairs: int = 200_000
    pairs_a_message: int = 20
    partitions: int = 12
    replicas: int = 3
    nodes: int = 1
    kind: str = "none"
    rate: float = 60.0
    rest_s: float = 4.5
    minutes: float | None = None
    every_s: float | None = None
    tls: bool = True
    scenarios: bool = False
    only: tuple = ()
    stale_limit_s: float = STALE_LIMIT_S


@dataclass
class Step:
    """One fault as it went; seconds of the wall clock."""

    name: str
    started: float
    healed: float = 0.0
    recovery_s: float | None = None
    happened: bool = True
    words: str = ""


@dataclass
class Run:
    """What a run came to, for the report."""

    options: Options
    folder: Path
    steps: list = field(default_factory=list)
    failures: list = field(default_factory=list)
    skipped: list = field(default_factory=list)
    seconds: float = 0.0
    outcome: object = None
    final: float = 0.0
    told: list = field(default_factory=list)


def run(options, folder, say=print, cluster=None):
    """Do a run in the folder and judge it; with brokers of its own, or with those given."""
    result, begun = Run(options, folder), time.monotonic()
    dice = random.Random(options.seed)
    with contextlib.ExitStack() as stack:
        if cluster is None:
            cluster = stack.enter_context(Cluster(_made(folder / "brokers"), options.nodes))
        world = _world(options, folder, dice, stack, result, cluster)
        world.load.burst(max(1, options.pairs // options.pairs_a_message // 5))
        stack.enter_context(world.fleet)
        world.load.start()
        if world.fleet.wait_until_recovered(90) is None:
            result.failures.append(f"the daemons did not begin:\n{world.fleet.state_in_words()}")
        for number, step in enumerate(_steps(options, dice, begun)):
            _perform(world, step, result, say, number)
            if options.every_s is None:
                time.sleep(dice.uniform(0.2, 0.8) if options.only else dice.uniform(0.5, 3.0))
        _finish(world, options, result, say)
        say(f"reading the log back and judging, {time.monotonic() - begun:.0f} s after the start")
        result.outcome = judge_run(world, result, GEOMETRY)
        for scenario in SCENARIOS if options.scenarios else ():
            told = _tried(scenario, world.cluster, folder, options.kind)
            result.told.append(told)
            result.failures += told.wrong
            say(f"     {told.name}: {told.words}; right in {told.seconds:.1f} s")
    result.seconds = time.monotonic() - begun
    return result


def _tried(scenario, *arguments):
    """Do a scenario; where the harness itself fails in it the run keeps its report."""
    try:
        return scenario(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return Told(scenario.__name__, words="the harness failed", wrong=[f"{scenario.__name__}: {error!r}"])


def _world(options, folder, dice, stack, result, cluster):
    topic, group = f"faults-{options.seed}", f"klaxon-faults-{options.seed}"
    cluster.create_topic(topic, options.partitions, {"message.timestamp.type": "LogAppendTime"})
    snapshots = _made(folder / "snapshots")
    if options.kind == "file":
        if storage_faults.mounted(snapshots):
            stack.callback(storage_faults.unmount, snapshots)
        else:
            result.skipped.append("snapshot disk full: a file system of its own needs root")
    replicas = []
    for index in range(options.replicas):
        tls = options.tls and index == options.replicas - 1
        given = settings(cluster, topic, options.kind, snapshots, tls=tls, group=group)
        replicas.append(Replica(index, folder, given))
    fleet = Fleet(replicas, options.partitions, max(WINDOWS_US, key=WINDOWS_US.get))
    messages = Messages(options.seed, options.pairs_a_message)
    load = Load(
        cluster.bootstrap_servers, topic, options.partitions, messages, rate=options.rate, rest_s=options.rest_s
    )
    stack.callback(load.close)
    spared = -1 if options.every_s is None else 0
    return World(cluster, fleet, load, dice, topic, options.kind, snapshots, f"{group}-changelog", spared=spared)


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _steps(options, dice, begun):
    """Yield (name, act): a plan that ends, or for a soak new plans until the time is over."""
    if options.only:
        yield from schedule.named(options.only)
        return
    if options.minutes is None:
        yield from schedule.plan(dice, options.kind, options.nodes, options.faults, options.failpoints)
        return
    while True:
        for step in schedule.plan(dice, options.kind, options.nodes, options.faults, options.failpoints):
            if time.monotonic() - begun > options.minutes * 60:
                return
            yield step


def _perform(world, step, result, say, number):
    noted = Step(step[0], time.time())
    result.steps.append(noted)
    world.healed = 0.0
    noted.happened, noted.words = schedule.perform(world, step)
    noted.healed = world.healed or time.time()
    waited = time.time() - noted.healed
    every = result.options.every_s
    if every is None:
        noted.recovery_s = world.fleet.wait_until_recovered(RECOVERY_LIMIT_S)
    else:
        left = every - (time.time() - noted.started)
        noted.recovery_s = world.fleet.wait_until_recovered(max(0.5, left - STABLE_S))
        time.sleep(max(0.0, every - (time.time() - noted.started)))
    if noted.recovery_s is not None:
        noted.recovery_s += waited
    recovered = "not recovered" if noted.recovery_s is None else f"recovered in {noted.recovery_s:.1f} s"
    say(f"{number + 1:4} {noted.name}: {noted.words}; {recovered}")
    with (result.folder / "steps.jsonl").open("a") as file:
        file.write(json.dumps(vars(noted)) + "\n")
    if noted.recovery_s is None and every is None:
        words = f"{noted.name} ({noted.words}): no recovery within {RECOVERY_LIMIT_S:.0f} s\n"
        result.failures.append(words + world.fleet.state_in_words())


def _finish(world, options, result, say):
    """Send what is missing of the pairs, let all windows settle, and end the daemons as an operator would."""
    world.load.pause()
    missing = options.pairs - world.load.sent_pairs
    if missing > 0:
        say(f"appending the last {missing} pairs")
        world.load.burst(missing // options.pairs_a_message + 1)
    world.load.close()
    if world.fleet.wait_until_recovered(RECOVERY_LIMIT_S) is None:
        result.failures.append(f"the end: no recovery\n{world.fleet.state_in_words()}")
    settled = time.time() + 6  # beyond every slack, so that the last publishes are compared exactly
    while time.time() < settled:
        time.sleep(0.2)
    result.final = time.time() - 2.5
    for replica in world.replicas:
        replica.terminate()
