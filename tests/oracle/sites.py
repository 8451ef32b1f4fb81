"""What runs: the Go peers, nginx where it is installed, uvicorn with the middleware, a scripted upstream."""

import asyncio
import contextlib
import functools
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import uvicorn
from starlette.applications import Starlette

from forst_asgi import Config, Event, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.express import Protocol
from forst_asgi.types import ASGIApp
from tests.oracle.corpus import Case, parser_of
from tests.oracle.wire import PATIENCE_S, Connect
from tests.transport.upstream import Peer, Upstream

OURS = ("httptools", "h11", "express")

NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxied; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
  proxy_request_buffering off; proxy_buffering off; proxy_intercept_errors off;
  upstream requests {{ server unix:{folder}/mirror; keepalive 4; }}
  upstream responses {{ server {upstream}; keepalive 4; }}
  server {{ listen unix:{folder}/nginx-requests; location / {{ proxy_pass http://requests; }} }}
  server {{ listen unix:{folder}/nginx-responses; location / {{ proxy_pass http://responses; }} }}
}}
"""


class Silent:
    """An observer that nobody asks."""

    wants_requests = False

    def observe(self, event: Event) -> None:
        """Take note of nothing."""


def _at_once() -> None:
    """Settle what is settled when the client has its answer."""


@dataclass(frozen=True)
class Site:
    """Where cases are sent to.

    Attributes:
        connect: makes a connection.
        settle: returns once nothing goes on there any more.
    """

    connect: Connect
    settle: Callable[[], None] = _at_once


Sites: TypeAlias = dict[str, Site]


@dataclass(frozen=True)
class Seen:
    """One request as the mirror received it; see peers/mirror.go."""

    method: str
    target: str
    version: str
    host: str
    lines: tuple[str, ...]
    length: int
    digest: str
    chunked: bool
    trailers: tuple[str, ...]
    whole: bool

    @classmethod
    def of(cls, said: dict[str, Any]) -> "Seen":
        """Return what the mirror said in JSON."""
        trailers = [f"{name}: {value}" for name, values in said["trailers"].items() for value in values]
        known = {name: said[name] for name in cls.__dataclass_fields__}
        return cls(**{**known, "lines": tuple(said["lines"]), "trailers": tuple(sorted(trailers))})


class Journal:
    """What the mirror received since the last time."""

    def __init__(self, path: Path) -> None:
        transport = httpx.HTTPTransport(uds=str(path))
        self._client = httpx.Client(transport=transport, base_url="http://peers", timeout=PATIENCE_S)

    def take(self) -> list[Seen]:
        """Return it, once no connection of the mirror's is in the middle of a request."""
        return [Seen.of(said) for said in self._client.post("/").json()]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def at_unix(path: Path) -> Site:
    """Return what listens on a Unix socket."""

    def connect() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        return sock

    return Site(connect)


@contextlib.contextmanager
def running_peers(binary: Path, folder: Path, upstream: str) -> Iterator[Journal]:
    """Run the Go peers, with their sockets in that folder."""
    with subprocess.Popen(
        [binary, folder, upstream], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        journal = Journal(folder / "control")
        try:
            yield journal
        finally:
            journal.close()
            process.kill()


@contextlib.contextmanager
def running_nginx(folder: Path, upstream: str) -> Iterator[bool]:
    """Run nginx if there is one, with its sockets in that folder; yield whether there is."""
    program = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if program is None:  # pragma: no cover - depends on the machine
        yield False
        return
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, upstream=upstream))
    with subprocess.Popen([program, "-p", folder, "-e", folder / "log", "-c", config]) as process:
        try:
            _wait_for(process, folder / "nginx-responses")
            yield True
        finally:
            process.kill()


def _wait_for(process: "subprocess.Popen[bytes]", path: Path) -> None:
    """Return when somebody accepts connections there; nothing tells of a new socket, so ask again."""
    with socket.socket(socket.AF_UNIX) as knock:
        while knock.connect_ex(str(path)) != 0:
            assert process.poll() is None, "nginx has ended"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)


def forwarding(address: str, site: str) -> SidecarMiddleware:
    """Return an app that forwards everything; under /pass encoded paths, too."""
    common: Any = {"mode": "on", "auth": "none", "express": site == "express"}
    routes = [
        RouteConfig(id="pass", path="/pass/{rest:path}", encoded_path="pass", **common),
        RouteConfig(id="options", path="/{rest:path}", methods=["OPTIONS"], **common),
        RouteConfig(id="all", path="/{rest:path}", **common),
    ]
    config = Config(sidecar=UpstreamConfig(address=address), routes=routes)
    return SidecarMiddleware(Starlette(), config, observer=Silent())


class _Server(uvicorn.Server):
    """A server that says on which event loop it runs."""

    loop: asyncio.AbstractEventLoop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)


class Served:
    """An app under uvicorn, in a thread.

    Args:
        app: the app.
        site: one of OURS; the parsers are run with different event loops.
    """

    def __init__(self, app: ASGIApp, site: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        options: Any = {
            "http": Protocol if site == "express" else site,
            "loop": "uvloop" if parser_of(site) == "httptools" else "asyncio",
            "interface": "asgi3",
        }
        config = uvicorn.Config(
            app,
            log_config=None,
            lifespan="on",
            proxy_headers=False,
            timeout_keep_alive=1,
            **options,
        )
        self._server = _Server(config)

    @contextlib.contextmanager
    def running(self) -> Iterator[Site]:
        """Run it."""
        address = self._listener.getsockname()
        thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})
        thread.start()
        try:
            yield Site(lambda: socket.create_connection(address), self._settle)
        finally:
            self._server.should_exit = True
            thread.join(PATIENCE_S)
            self._listener.close()
            assert not thread.is_alive(), "uvicorn does not end"

    def _settle(self) -> None:
        asyncio.run_coroutine_threadsafe(self._finish_requests(), self._server.loop).result(PATIENCE_S)

    async def _finish_requests(self) -> None:
        while tasks := set(self._server.server_state.tasks):
            await asyncio.wait(tasks)
            await asyncio.sleep(
                0
            )  # they leave the set in a callback, which a finished task does not wait for


SENTINELS_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n/sentinel"


async def play(cases: dict[str, Case], peer: Peer) -> None:
    """Answer requests, each with the case that its path names."""
    while True:
        request = await peer.request()
        name = request.split(b" ", 2)[1][1:].decode()
        if name == "sentinel":
            await peer.send(SENTINELS_ANSWER)
            continue
        case = cases[name]
        await peer.send(*case.pieces)
        end = case.options.get("end", "keep")
        if end != "keep":
            await (peer.reset() if end == "reset" else peer.close())
            return


@contextlib.contextmanager
def scripted(cases: dict[str, Case]) -> Iterator[str]:
    """Run an upstream that plays the cases, on an event loop in a thread; yield its address, host:port."""
    started: list[str] = []
    is_up, is_over = threading.Event(), threading.Event()

    async def main() -> None:
        async with Upstream(functools.partial(play, cases), "tcp") as upstream:
            started.append(f"127.0.0.1:{upstream.origin.port}")
            is_up.set()
            await asyncio.to_thread(is_over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert is_up.wait(PATIENCE_S)
        yield started[0]
    finally:
        is_over.set()
        thread.join(PATIENCE_S)
