"""Commands coalesce by kind; rebalances are all delivered, in order, whatever the threads do."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from daemon.commands_queue import Command, CommandQueue
from daemon.source import Assigned, Partition, Revoked


def rebalance(number):
    made = Assigned if number % 2 else Revoked
    return made((Partition("t", number),))


@given(st.lists(st.sampled_from(Command) | st.integers(0, 9).map(rebalance) | st.just("drain"), max_size=60))
def test_every_rebalance_comes_in_order_and_a_command_once_per_drain(steps):
    queue, drained, asked, put, got = CommandQueue(), [], set(), [], []
    for step in [*steps, "drain"]:
        if step == "drain":
            drained = queue.drain()
            commands = [item for item in drained if isinstance(item, Command)]
            assert sorted(commands) == sorted(asked), "each kind that was asked for, once"
            got += [item for item in drained if not isinstance(item, Command)]
            asked = set()
        elif isinstance(step, Command):
            queue.put(step)
            asked.add(step)
        else:
            queue.put(step)
            put.append(step)
        assert len(queue) <= len(Command) + len(put)
    assert got == put
    assert queue.drain() == []


def test_a_command_put_while_it_is_obeyed_is_one_of_the_next_turn():
    queue = CommandQueue()
    queue.put(Command.PUBLISH)
    assert queue.drain() == [Command.PUBLISH]
    queue.put(Command.PUBLISH)  # from the timer, while the loop publishes
    assert queue.drain() == [Command.PUBLISH]


def test_threads_lose_nothing():
    queue, taken, done = CommandQueue(), [], threading.Event()

    def put(thread):
        for number in range(2000):
            queue.put(rebalance(thread * 10_000 + number))
            queue.put(Command.PUBLISH)

    def drain():
        while not done.is_set():
            taken.extend(queue.drain())
        taken.extend(queue.drain())

    writers = [threading.Thread(target=put, args=(thread,)) for thread in range(4)]
    reader = threading.Thread(target=drain)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    numbers = [item.partitions[0].number for item in taken if not isinstance(item, Command)]
    for thread in range(4):
        assert [n for n in numbers if n // 10_000 == thread] == [thread * 10_000 + n for n in range(2000)]
    assert Command.PUBLISH in taken
