"""Faults of brokers: a leader killed, one halted, all of them gone."""

import signal
import time


def kill_leader(world):
    """kill -9 the broker that leads one of our partitions; it comes back."""
    partition = world.dice.randrange(len(world.fleet.partitions))
    index = world.cluster.leader(world.topic, partition)
    world.cluster.nodes[index].kill()
    time.sleep(world.dice.uniform(2, 6))
    world.heal()
    world.cluster.nodes[index].start()
    world.cluster.wait_until_served(90)
    return f"broker {index + 1}"


def halt_broker(world):
    """SIGSTOP one broker: its connections stay open and silent."""
    index = world.dice.randrange(len(world.cluster.nodes))
    seconds = world.dice.uniform(3, 10)
    world.cluster.nodes[index].process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    world.cluster.nodes[index].process.send_signal(signal.SIGCONT)
    world.heal()
    world.cluster.wait_until_served(90)
    return f"broker {index + 1}, {seconds:.1f} s"


def kill_all_brokers(world):
    """kill -9 every broker, and start them again."""
    for node in world.cluster.nodes:
        node.kill()
    seconds = world.dice.uniform(2, 12)
    time.sleep(seconds)
    world.heal()
    for node in world.cluster.nodes:
        node.start()
    world.cluster.wait_until_served(90)
    return f"{seconds:.1f} s"
