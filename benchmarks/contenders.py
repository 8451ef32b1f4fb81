"""Who takes part: how each is started in front of the same Go upstream, and what it can be asked for."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import proxies
from benchmarks.install import Site
from benchmarks.machine import cores, pinned, tree
from benchmarks.processes import free_port, running

FAST, PLAIN, GRANIAN = "uvicorn, uvloop, httptools", "uvicorn, asyncio, h11", "granian, uvloop"
EXPRESS: Final = "forst_asgi.express:Protocol"

# What a contender can be asked for.
ANSWERS, ECHO, BODY, BULK, HELD, EVENTS, SOCKET = range(7)
FORWARDS: Final = frozenset({ANSWERS, ECHO, BODY, BULK, HELD, EVENTS, SOCKET})
SHORT: Final = frozenset({ANSWERS, ECHO, BODY, SOCKET})  # what other servers are asked for, to save time
CAN: Final = {"asgi-proxy-lib": FORWARDS - {SOCKET}}  # what less a peer can do, by its documentation


@dataclass(frozen=True)
class Place:
    """What a contender is started with: where the upstream listens, twice, and what is installed."""

    site: Site
    folder: Path
    socket: str
    tcp: str


@dataclass(frozen=True)
class Server:
    """A contender that runs."""

    pid: int
    port: int

    def pids(self) -> list[int]:
        """Return its processes: the one that was started and its workers."""
        return tree(self.pid)


Start = Callable[[Place], AbstractContextManager[Server]]


@dataclass(frozen=True)
class Contender:
    """One thing to measure."""

    key: str
    title: str
    server: str
    start: Start
    can: frozenset[int] = FORWARDS


@contextlib.contextmanager
def upstreams(site: Site, folder: Path) -> Iterator[Place]:
    """Run the Go upstream, on a Unix socket and on TCP."""
    program, port, socket = str(site.go["upstream"]), free_port(), str(folder / "up.sock")
    command = pinned([program], cores()[1])
    with (
        running(command, folder / "unix.log", socket, FORST_LISTEN=f"unix:{socket}"),
        running(command, folder / "tcp.log", port, FORST_LISTEN=f"tcp:127.0.0.1:{port}"),
    ):
        yield Place(site, folder, socket, f"http://127.0.0.1:{port}")


@contextlib.contextmanager
def _started(place: Place, command: list[str], port: int, **env: str) -> Iterator[Server]:
    with running(pinned(command, cores()[0]), place.folder / f"{port}.log", port, **env) as pid:
        yield Server(pid, port)


# -- Python ------------------------------------------------------------------------------------------


def serving(server: str, app: str, python: str = sys.executable, http: str = "") -> list[str]:
    """Return the command that serves an app with one worker; `server` is FAST, PLAIN or GRANIAN."""
    if server == GRANIAN:
        options = ["--interface", "asgi", "--workers", "1", "--loop", "uvloop", "--log-level", "critical"]
        return [python, "-m", "granian", *options, "--no-access-log", "--factory", app]
    loop, parser = ("asyncio", "h11") if server == PLAIN else ("uvloop", "httptools")
    options = ["--loop", loop, "--http", http or parser, "--no-access-log", "--log-level", "critical"]
    return [python, "-m", "uvicorn", *options, "--factory", app]


def _python(server: str, app: str, *, http: str = "", **env: str) -> Start:
    def start(place: Place) -> AbstractContextManager[Server]:
        port = free_port()
        known = {"BENCH_ADDRESS": f"unix:{place.socket}"}
        known |= {name: place.tcp if value == "tcp" else value for name, value in env.items()}
        command = [*serving(server, f"benchmarks.app:{app}", http=http), "--port", str(port)]
        return _started(place, command, port, **known)

    return start


def _peer(name: str) -> Start:
    def start(place: Place) -> AbstractContextManager[Server]:
        port = free_port()
        app = f"benchmarks.peers:{name.replace('-', '_')}"
        command = [*serving(FAST, app, str(place.site.pythons[name])), "--port", str(port)]
        return _started(place, command, port, BENCH_ADDRESS=place.tcp)

    return start


def _ours() -> Iterator[Contender]:
    yield Contender("unix", "forst-asgi, Unix socket", FAST, _python(FAST, "ours"))
    yield Contender("tcp", "forst-asgi, TCP", FAST, _python(FAST, "ours", BENCH_ADDRESS="tcp"))
    adapter = _python(FAST, "ours", BENCH_TRANSPORT="httpx")
    yield Contender("httpx", 'forst-asgi, transport = "httpx"', FAST, adapter, FORWARDS - {SOCKET})
    if has_express():
        lane = _python(FAST, "ours", http=EXPRESS, BENCH_EXPRESS="1")
        yield Contender("express", "forst-asgi, express lane", FAST, lane, FORWARDS)


def has_express() -> bool:
    """Tell whether the package has the protocol class of the express lane."""
    return importlib.util.find_spec(EXPRESS.partition(":")[0]) is not None


def _hosts(server: str, suffix: str = "", more: frozenset[int] = frozenset()) -> Iterator[Contender]:
    yield Contender(f"empty{suffix}", "empty ASGI app", server, _python(server, "bare"), SHORT | more)
    answers = SHORT - {SOCKET} | more - {EVENTS}
    yield Contender(f"starlette{suffix}", "Starlette route", server, _python(server, "host"), answers)


# -- others ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _nginx(place: Place) -> Iterator[Server]:
    user = "user root;" if os.geteuid() == 0 else ""
    config, port = _written(place, "nginx.conf", proxies.NGINX, user=user)
    command = [str(place.site.programs["nginx"]), "-p", str(place.folder), "-c", str(config), "-e", "stderr"]
    with _started(place, command, port) as server:
        yield server


@contextlib.contextmanager
def _haproxy(place: Place) -> Iterator[Server]:
    config, port = _written(place, "haproxy.cfg", proxies.HAPROXY)
    command = [str(place.site.programs["haproxy"]), "-db", "-f", str(config)]
    with _started(place, command, port) as server:
        yield server


@contextlib.contextmanager
def _caddy(place: Place) -> Iterator[Server]:
    config, port = _written(place, "Caddyfile", proxies.CADDY)
    command = [str(place.site.programs["caddy"]), "run", "--config", str(config), "--adapter", "caddyfile"]
    homes = {"XDG_DATA_HOME": str(place.folder), "XDG_CONFIG_HOME": str(place.folder)}
    with _started(place, command, port, GOMAXPROCS="1", **homes) as server:
        yield server


@contextlib.contextmanager
def _goproxy(place: Place) -> Iterator[Server]:
    port = free_port()
    env = {"BENCH_LISTEN": f"127.0.0.1:{port}", "BENCH_SOCKET": place.socket, "GOMAXPROCS": "1"}
    with _started(place, [str(place.site.go["goproxy"])], port, **env) as server:
        yield server


@contextlib.contextmanager
def _relay(place: Place) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.relay", str(port)]
    with _started(place, command, port, BENCH_ADDRESS=f"unix:{place.socket}") as server:
        yield server


def _written(place: Place, name: str, text: str, **words: str) -> tuple[Path, int]:
    port, config = free_port(), place.folder / name
    config.write_text(text.format(port=port, socket=place.socket, folder=place.folder, **words))
    return config, port


def everyone(site: Site) -> list[Contender]:
    """Return all contenders that can be started here, in the order of the tables."""
    found = [*_hosts(FAST, more=frozenset({HELD, EVENTS}))]
    found.append(
        Contender("fastapi", "FastAPI route", FAST, _python(FAST, "typed"), frozenset({ANSWERS, HELD}))
    )
    found += _ours()
    found += [Contender(name, name, FAST, _peer(name), CAN.get(name, FORWARDS)) for name in site.pythons]
    for name, start in (("nginx", _nginx), ("haproxy", _haproxy), ("caddy", _caddy)):
        if name in site.programs:
            found.append(Contender(name, name, "its own", start))
    found.append(Contender("goproxy", "Go ReverseProxy", "its own", _goproxy))
    found.append(
        Contender("relay", "uvloop that copies bytes, no HTTP", "its own", _relay, frozenset({ANSWERS}))
    )
    for server, suffix in ((PLAIN, "-plain"), (GRANIAN, "-granian")):
        found += _hosts(server, suffix)
        ours = _python(server, "ours")
        found.append(Contender(f"unix{suffix}", "forst-asgi, Unix socket", server, ours, SHORT))
    return found
