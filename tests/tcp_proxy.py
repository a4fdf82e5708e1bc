"""A TCP proxy on loopback that can be told to fail: cut, refuse, black hole, and bytes changed on the way."""

import contextlib
import selectors
import socket
import threading
import time

CHUNK = 65_536
RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger: on, 0 s


class Proxy:
    """Forwards one port to another, both on 127.0.0.1, in a thread of its own.

    `mode` may be set at any time from any thread:
    "pass": forward; "refuse": new connections are reset at once; "hole": forward nothing, as a firewall that drops
    packets: open connections go on when it ends, those made meanwhile never get an answer, not even later.
    `cut()` resets every connection that is open. `delay_s`: wait so long before each piece is forwarded.
    `replace` = (old, new, times): equally long bytes, changed in what the server answers, `times` times (None: always).
    """

    def __init__(self, port, target_port):
        self.address = f"127.0.0.1:{port}"
        self.mode = "pass"
        self.delay_s = 0.0
        self.replace = None
        self.replaced = 0
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", port))
        self._selector = selectors.DefaultSelector()
        self._peers = {}
        self._servers = set()
        self._unanswered = []
        self._cut = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"proxy-{port}", daemon=True)

    def __enter__(self):
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._closing = True
        self._thread.join(5)

    def cut(self):
        """Reset all connections."""
        self._cut = True

    def _run(self):
        while not self._closing:
            ready = self._selector.select(0.02)
            if self._cut:
                self._cut = False
                self._drop_all()
                continue
            for key, _ in ready:
                if key.fileobj is self._listener:
                    self._accept()
                elif self.mode == "hole":
                    time.sleep(0.01)  # what has come stays in the socket's buffer
                elif key.fileobj in self._peers:
                    self._forward(key.fileobj)
        self._drop_all()
        self._listener.close()
        self._selector.close()

    def _accept(self):
        client, _ = self._listener.accept()
        if self.mode == "refuse":
            self._reset(client)
            return
        if self.mode == "hole":
            self._unanswered.append(client)
            return
        try:
            server = socket.create_connection(self._target, timeout=2)
        except OSError:
            self._reset(client)
            return
        self._servers.add(server)
        for one, other in ((client, server), (server, client)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.settimeout(5)
            self._peers[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, source):
        target = self._peers[source]
        try:
            data = source.recv(CHUNK)
            if data and source in self._servers:
                data = self._changed(data)
            time.sleep(self.delay_s)
            target.sendall(data)
        except OSError:
            data = b""
        if not data:
            self._drop(source)

    def _changed(self, data):
        if self.replace is None:
            return data
        old, new, times = self.replace
        assert len(old) == len(new)
        found = data.count(old)
        if times is not None:
            found = min(found, times - self.replaced)
        if found <= 0:
            return data
        self.replaced += found
        return data.replace(old, new, found)

    def _drop(self, one):
        for end in (one, self._peers.get(one)):
            if end is not None and self._peers.pop(end, None) is not None:
                self._servers.discard(end)
                self._selector.unregister(end)
                end.close()

    def _drop_all(self):
        for end in list(self._peers):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._selector.unregister(end)
            end.close()
        for end in self._unanswered:
            end.close()
        self._unanswered.clear()
        self._peers.clear()
        self._servers.clear()

    @staticmethod
    def _reset(end):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        end.close()
