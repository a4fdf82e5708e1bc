"""Named points at which a daemon kills, halts or fails itself: between any two steps of a snapshot it may die."""

import signal
import time

import psutil

from tests.faults.world import SESSION_TIMEOUT_S

COMMON = ("loop.absorbed", "loop.before_commit", "loop.after_commit", "loop.before_publish", "group.revoking")
SNAPSHOT = (
    "snapshot.captured",
    "store.chunk_put",
    "store.chunks_flushed",
    "store.manifest_put",
    "store.before_collect",
    "store.after_collect",
    "restore.loaded",
    "restore.before_resume",
    "restore.after_resume",
    "stop.captured",
    "stop.saved",
)
FILE = ("file.written", "file.synced", "file.renamed", "file.folder_synced")
WAIT_S = 25.0


def points(kind):
    """Failpoints that a run with this kind of snapshots passes."""
    return COMMON if kind == "none" else COMMON + SNAPSHOT + (FILE if kind == "file" else ())


def hit(world, point):
    """Start a daemon that fails at the point; return (whether it did, words)."""
    action = world.dice.choice(("kill", "kill", "stop"))
    # What happens once in a life must be met the first time; restores happen once for each partition.
    hits = 1 if point.startswith(("stop.", "group.")) else world.dice.randint(1, 4)
    replica = world.any_replica()
    if world.dice.random() < 0.5:
        replica.kill()
    else:
        replica.terminate()
    replica.start(f"{point}:{hits}:{action}")
    number = replica.current.number
    reached = _provoked(world, replica, point, number)
    words = f"{replica.name} {point}:{hits}:{action}"
    if not reached:
        # It lives on with the point armed: the next process is a plain one.
        if replica.current.number == number:
            replica.kill()
            replica.start()
        return False, f"{words}, not reached"
    if action == "stop":
        time.sleep(world.dice.choice((2.0, SESSION_TIMEOUT_S + 3)))
        replica.wake()
    return True, words


def _provoked(world, replica, point, number):
    """Wait until the process died or halted by itself, after doing what leads to the point."""
    if point.startswith("stop."):
        world.fleet.wait_until_recovered(60)
        replica.wanted = False
        replica.current.ending = "term"
        replica.current.process.send_signal(signal.SIGTERM)
    elif point == "group.revoking":
        world.fleet.wait_until_recovered(60)
        other = world.dice.choice([one for one in world.mortal if one is not replica])
        other.terminate()
        time.sleep(2)
        other.start()
    reached = _wait_for_failure(replica, number)
    if point.startswith("stop."):
        replica.wanted = True
    return reached


def _wait_for_failure(replica, number):
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        incarnation = replica.incarnations[number]
        status = incarnation.process.poll()
        if status is not None:
            # By SIGKILL that nobody of us has sent; a SIGTERM that went well has passed no point.
            return status == -signal.SIGKILL
        try:
            if psutil.Process(incarnation.process.pid).status() == psutil.STATUS_STOPPED:
                return True
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.05)
    return False
