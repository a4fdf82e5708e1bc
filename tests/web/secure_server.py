"""A real server behind a web configuration file, throw-away certificates, and clients."""

import base64
import datetime as dt
import http.client
import logging
import socket
import ssl
from functools import partial
from pathlib import Path

import bcrypt
import structlog
import trustme
import yaml

from config.settings import Settings
from daemon.board import Board, Rendered
from daemon.clock import SystemClock
from daemon.health import Health
from daemon.scrapes import ScrapeTimes
from daemon.web.access import Door
from daemon.web.server import Server
from daemon.wiring import access_of
from tests.http_requests import asked

PASSWORD = "open-sesame"
#: The least cost that the format allows: tests of other things do not wait for it.
CHEAP = 4


def hash_of(password=PASSWORD, cost=CHEAP):
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def basic(name, password=PASSWORD):
    """Headers of a login."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


class Authority:
    """An authority with its certificates as files in a folder."""

    def __init__(self, folder: Path, name="ca"):
        self.folder = folder
        self.authority = trustme.CA()
        self.file = folder / f"{name}.pem"
        self.authority.cert_pem.write_to_path(self.file)

    def issue(self, name, *identities, expired=False):
        """Write name.pem and name.key; return both paths."""
        dates = {}
        if expired:
            now = dt.datetime.now(dt.UTC)
            dates = {"not_before": now - dt.timedelta(days=9), "not_after": now - dt.timedelta(days=1)}
        issued = self.authority.issue_cert(*(identities or ("127.0.0.1",)), **dates)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        # As a rotation should do it: nobody ever sees half a file.
        for path, blobs in ((key, [issued.private_key_pem]), (certificate, issued.cert_chain_pems)):
            new = path.with_suffix(".new")
            new.write_bytes(b"".join(blob.bytes() for blob in blobs))
            new.replace(path)
        return certificate, key


class Clock(SystemClock):
    """The machine's clock, which a test can put forward, so that files are looked at again."""

    ahead = 0.0

    def monotonic(self):
        return super().monotonic() + self.ahead


class SecureServer:
    """A server whose web configuration file is `tree`, in `folder`."""

    def __init__(self, folder: Path, tree):
        self.folder, self.clock = folder, Clock()
        self.file = folder / "web.yml"
        self.write(tree)
        settings = Settings.model_validate(
            {
                "kafka": {"bootstrap_servers": ["127.0.0.1:1"], "group_id": "g"},
                "streams": [{"topic": "t"}],
                "web": {"listen_address": "127.0.0.1:0", "config_file": str(self.file)},
            }
        )
        self.health = Health()
        self.board = Board()
        self.board.rendered = Rendered(b"up 1\n", b"up 1\n", b"up 1\n", b"up 1\n")
        self.server = Server(
            self.board,
            self.health,
            settings.web.listen_address,
            clock=self.clock,
            scrapes=ScrapeTimes(),
            before_first_publish=lambda: self.board.rendered,
            version="1",
            door=Door(partial(access_of, settings), self.clock),
        )
        self.server.start()

    def write(self, tree):
        """Write the web configuration anew, at once as a rename does it; it is seen by the next connection."""
        new = self.file.with_suffix(".new")
        new.write_text(tree if isinstance(tree, str) else yaml.safe_dump(tree))
        new.replace(self.file)
        self.look_again()

    def look_again(self):
        self.clock.ahead += 1.01

    def ask(self, path="/metrics", context=None, headers=(), method="GET"):
        """Status, headers, body of one request on a connection of its own; plain without a context."""
        address = self.server.address
        connection = (
            http.client.HTTPSConnection(address, timeout=10, context=context)
            if context is not None
            else http.client.HTTPConnection(address, timeout=10)
        )
        return asked(connection, method, path, headers)

    def connect(self):
        """Return a plain connection."""
        host, _, port = self.server.address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=10)


def client(authority, certificate=None, **limits):
    """Return the context of a client that trusts an authority, perhaps with a certificate (two paths)."""
    context = ssl.create_default_context(cafile=authority.file)
    for name, value in limits.items():
        setattr(context, name, value)
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


class LogLines(logging.Handler):
    """Everything that is logged, at DEBUG."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []
        structlog.configure(
            processors=[structlog.stdlib.add_log_level, structlog.stdlib.render_to_log_kwargs],
            logger_factory=structlog.stdlib.LoggerFactory(),
        )

    def emit(self, record):
        self.lines.append((record.levelname, record.getMessage(), str(vars(record))))
