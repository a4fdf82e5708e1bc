"""A connection that fails leaves no descriptor behind; the bare client, as the control, does.

If a control passes after an update of the client, the guard may go.
"""

import contextlib
import gc
import socket
import threading
import time

import psutil
import pytest
from kafka.errors import KafkaError
from kafka.net.inet import KafkaNetSocket, create_connection
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport

from daemon import kafka_guards
from daemon.kafka_security import Security, ssl_context

TIMES = 8


@pytest.fixture(params=[True, False], ids=["guarded", "bare"])
def guarded(request, monkeypatch):
    """Whether the guards are there."""
    kafka_guards.install()
    monkeypatch.setattr(NetworkSelector, "run", NetworkSelector.run.__wrapped__)  # which is guarded too
    if not request.param:
        monkeypatch.setattr(KafkaNetSocket, "sock_connect", KafkaNetSocket.sock_connect.__wrapped__)
        monkeypatch.setattr(KafkaSSLTransport, "handshake", KafkaSSLTransport.handshake.__wrapped__)
    return request.param


def left_open(attempt):
    """How many descriptors so many failed attempts leave, with no collection of garbage in between."""
    net, failed = NetworkSelector(), []
    gc.collect()
    gc.disable()
    try:
        before = psutil.Process().num_fds()
        for _ in range(TIMES):
            try:
                net.run(attempt, net)
            except (KafkaError, OSError) as error:
                failed.append(error)  # lives on, as in the garbage of a daemon
        deadline = time.monotonic() + 2  # the server closes its ends by itself
        while (left := psutil.Process().num_fds() - before) > 0 and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        gc.enable()
    assert len(failed) == TIMES
    return left


def test_a_refused_connection_leaves_no_descriptor(guarded):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()

    async def attempt(net):
        await create_connection(net, *address)

    assert (left_open(attempt) == 0) is guarded


def test_a_handshake_that_fails_leaves_no_descriptor(guarded):
    context = ssl_context(Security())
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer_nonsense, args=(server,), daemon=True).start()

        async def attempt(net):
            sock = await create_connection(net, *server.getsockname())
            await KafkaSSLTransport(net, sock, host="127.0.0.1", ssl_context=context).handshake()

        assert (left_open(attempt) == 0) is guarded


def answer_nonsense(server):
    """Say what is no TLS, and hang up."""
    with contextlib.suppress(OSError):
        while True:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"no TLS at all\r\n" * 4)
                peer.recv(4096)
