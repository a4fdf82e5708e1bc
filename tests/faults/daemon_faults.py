"""Faults of daemons: killed, ended, halted, and come and gone in storms."""

import time

from tests.faults.world import SESSION_TIMEOUT_S


def kill(world):
    """kill -9 one daemon; another process takes its place."""
    replica = world.any_replica()
    replica.kill()
    world.heal()
    time.sleep(world.dice.choice((0.0, 0.5, 8.0)))
    replica.start()
    return replica.name


def kill_all(world):
    """kill -9 all daemons at once."""
    for replica in world.mortal:
        replica.kill()
    for replica in world.mortal:
        replica.start()
    return "all"


def terminate(world):
    """SIGTERM under load; the place is taken again."""
    replica = world.any_replica()
    seconds = replica.terminate()
    time.sleep(world.dice.choice((0.0, 2.0)))
    replica.start()
    return f"{replica.name}, {'killed after 20' if seconds is None else round(seconds, 2)} s"


def zombie(world):
    """SIGSTOP for longer than the session: others take over, then it wakes and still believes that it owns."""
    replica = world.dice.choice(world.replicas)
    replica.halt()
    seconds = SESSION_TIMEOUT_S + world.dice.uniform(1, 8)
    time.sleep(seconds)
    replica.wake()
    return f"{replica.name}, {seconds:.1f} s"


def pause(world):
    """SIGSTOP for less than the session: it wakes as if nothing had been."""
    replica = world.dice.choice(world.replicas)
    replica.halt()
    seconds = world.dice.uniform(1, 4)
    time.sleep(seconds)
    replica.wake()
    return f"{replica.name}, {seconds:.1f} s"


def storm(world):
    """Members leave, die and come back every few seconds."""
    moves = []
    for _ in range(world.dice.randint(4, 7)):
        replica = world.any_replica()
        if not replica.wanted:
            replica.start()
            moves.append(f"+{replica.index}")
        elif world.dice.random() < 0.5:
            replica.kill()
            moves.append(f"-{replica.index}")
        else:
            replica.terminate()
            moves.append(f"~{replica.index}")
        time.sleep(world.dice.uniform(1, 4))
    for replica in world.replicas:
        if not replica.wanted:
            replica.start()
    return " ".join(moves)
