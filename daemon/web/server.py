"""HTTP: what was published, read-only. One thread of its own; it never touches the loop's state, only the board.

Routes: /metrics, /livez and /-/healthy, /readyz and /-/ready, / (the status page), /reference, /api/v1/status,
/api/v1/history, /api/v1/openapi.json. GET and HEAD only.
"""

import errno
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.board import Board, Rendered
from daemon.clock import Clock
from daemon.errors import OperatingError, UsageError
from daemon.health import Health
from daemon.scrapes import ScrapeTimes
from daemon.web.access import Access, Door, Gate
from daemon.web.documents import Documents
from daemon.web.negotiation import choose
from daemon.web.page import Request as PageRequest
from daemon.web.protocol import KEEP_ALIVE_SECONDS, MAX_HEADER_BYTES, BoundedProtocol, behind_tls
from daemon.web.style import CONTENT_SECURITY_POLICY

START_SECONDS: Final = 10.0
STOP_SECONDS: Final = 3.0
_HIGHEST_PORT: Final = 65_535
_NO_STREAM: Final = "no stream of this name has been published; / lists those that have\n"

SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": CONTENT_SECURITY_POLICY,
}


class Server:
    """Serves a board until it is stopped.

    `before_first_publish` renders what can be told while the board is still empty; `version` is shown to people; `door`
    tells who may connect and ask, by default everybody without TLS.
    """

    def __init__(
        self,
        board: Board,
        health: Health,
        listen_address: str,
        *,
        clock: Clock,
        scrapes: ScrapeTimes,
        before_first_publish: Callable[[], Rendered],
        version: str,
        door: Door | None = None,
    ) -> None:
        self._door = door or Door(Access, clock)
        self._board = board
        self._health = health
        self._listen_address = listen_address
        self._clock = clock
        self._scrapes = scrapes
        self._before_first_publish = before_first_publish
        self._documents = Documents(version)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._uvicorn = uvicorn.Server(_uvicorn_config(self._application(), self._door))

    @property
    def address(self) -> str:
        """The bound host:port, once started; tells the port where 0 was asked for."""
        if self._socket is None:
            raise RuntimeError("the server has not been started")
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start(self) -> None:
        """Bind and serve in a thread; OperatingError if the address cannot be had."""
        self._socket = _bound(self._listen_address)
        self._thread = threading.Thread(target=self._uvicorn.run, args=([self._socket],), name="http", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._uvicorn.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise OperatingError(f"the web server on {self._listen_address} did not start: the log has the reason")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop serving; open connections are closed after a moment."""
        self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_SECONDS + 1)
        if self._socket is not None:
            self._socket.close()

    def _application(self) -> Starlette:
        routes = {
            "/": self._page,
            "/reference": self._reference,
            "/metrics": self._metrics,
            "/livez": self._live,
            "/-/healthy": self._live,
            "/readyz": self._ready,
            "/-/ready": self._ready,
            "/api/v1/status": self._status,
            "/api/v1/history": self._history,
            "/api/v1/openapi.json": self._openapi,
        }
        application = Starlette(
            routes=[Route(path, endpoint, methods=["GET"]) for path, endpoint in routes.items()],
            middleware=[
                Middleware(_SecurityHeaders, door=self._door),
                Middleware(Gate, door=self._door),
                Middleware(_ScrapeTimer, scrapes=self._scrapes),
            ],
        )
        application.router.redirect_slashes = False  # it would send the request's own path back
        return application

    async def _metrics(self, request: Request) -> Response:
        rendered = self._board.rendered or self._before_first_publish()
        headers = request.headers
        body, described = choose(rendered, headers.get("accept", ""), headers.get("accept-encoding", ""))
        return Response(body, headers=described)

    async def _live(self, _: Request) -> Response:
        stuck = self._health.stuck_seconds(self._clock.monotonic())
        if stuck is None:
            return PlainTextResponse("alive\n")
        return PlainTextResponse(f"the loop has not turned for {stuck:.0f} s\n", 503)

    async def _ready(self, request: Request) -> Response:
        readiness = self._health.readiness
        if readiness.ready:
            return PlainTextResponse("ready\n")
        if not request.state.admitted:  # they name brokers
            return PlainTextResponse("not ready; the reasons are told with a password\n", 503)
        return PlainTextResponse("".join(f"{reason}\n" for reason in readiness.reasons), 503)

    async def _status(self, _: Request) -> Response:
        return Response(self._current().status(), media_type="application/json")

    async def _history(self, request: Request) -> Response:
        stream = request.query_params.get("stream")
        if self._unknown(stream):
            return PlainTextResponse(_NO_STREAM, 404)
        return Response(self._current().history(stream), media_type="application/json")

    async def _openapi(self, _: Request) -> Response:
        return Response(self._documents.openapi(), media_type="application/json")

    async def _page(self, request: Request) -> Response:
        # Before the first publish no name is known: a page that loads anew through a restart comes to its stream again.
        stream = None if self._board.published is None else request.query_params.get("stream")
        if self._unknown(stream):
            return PlainTextResponse(_NO_STREAM, 404)
        asked = PageRequest(stream, refresh=request.query_params.get("refresh") != "off")
        return Response(self._current().page(asked), media_type="text/html")

    async def _reference(self, _: Request) -> Response:
        return Response(self._documents.reference(), media_type="text/html")

    def _current(self) -> Documents:
        """Return the documents of what is published now."""
        stuck = self._health.stuck_seconds(self._clock.monotonic()) is not None
        self._documents.see(self._board.published, self._health.readiness, stuck=stuck)
        return self._documents

    def _unknown(self, stream: str | None) -> bool:
        published = self._board.published
        return stream is not None and (published is None or stream not in {each.name for each in published.streams})


class _SecurityHeaders:
    """Adds the headers to every answer, errors included; those of the web configuration file in the place of ours."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        def sending(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers.update(self._door.access().headers)
            return send(message)

        await self._app(scope, receive, sending)


class _ScrapeTimer:
    """Times answers of /metrics up to the last byte that the connection's buffer takes."""

    def __init__(self, app: ASGIApp, scrapes: ScrapeTimes) -> None:
        self._app = app
        self._scrapes = scrapes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        await self._app(scope, receive, send)
        if scope["path"] == "/metrics":
            self._scrapes.add(time.perf_counter() - started)


def _uvicorn_config(application: Starlette, door: Door) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=behind_tls(door) if door.encrypted else BoundedProtocol,  # type: ignore[arg-type] # it only calls it
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(STOP_SECONDS),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # its warnings are about requests, which anyone can send
        access_log=False,
        server_header=False,
    )


def _bound(listen_address: str) -> socket.socket:
    """Return a listening socket; without a host it listens on every interface."""
    host, _, port = listen_address.rpartition(":")
    if not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise UsageError(f"web.listen_address: {listen_address!r} is no address; write host:port, as 127.0.0.1:9752")
    host = host.strip("[]")
    try:
        everywhere = not host and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if ":" in host or everywhere else socket.AF_INET
        listening = socket.create_server((host, int(port)), family=family, dualstack_ipv6=everywhere)
    except OSError as error:
        raise OperatingError(f"cannot listen on {listen_address}: {_advice(error)}") from error
    # Accepted sockets inherit it. Without it header and body wait 40 ms for each other on a kept connection.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _advice(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is taken; stop the program that has it, or choose another with --web.listen-address"
        case errno.EACCES:
            return "this user may not use the port; choose one above 1023 with --web.listen-address"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address; use 0.0.0.0 for every interface, or 127.0.0.1"
    return f"{error}; set web.listen_address to an address of this machine"
