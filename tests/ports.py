"""Ports for servers of tests: free now, and kept for the process that asked until it ends."""

import fcntl
import random
import socket
import tempfile
from pathlib import Path

_KEPT = {}


def free_port():
    """Return a port below the ephemeral range, where nobody listens and that no other test process has been given.

    A server that is killed finds its port again. Only looking whether somebody listens is not enough where several test
    processes start servers that take seconds to listen; the lock on a file ends with the process.
    """
    folder = Path(tempfile.gettempdir()) / "klaxon-test-ports"
    folder.mkdir(exist_ok=True)
    while True:
        port = random.SystemRandom().randint(20_000, 32_000)
        if port in _KEPT:
            continue
        lock = (folder / str(port)).open("ab")
        with socket.socket() as probe:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                probe.bind(("127.0.0.1", port))
            except OSError:
                lock.close()
                continue
        _KEPT[port] = lock
        return port


def free_ports(count):
    """Return so many of them, ascending."""
    return sorted(free_port() for _ in range(count))
