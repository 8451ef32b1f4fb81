"""Four servers with one configuration in front of one scripted upstream, started when first asked for."""

import contextlib
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from forst_asgi.config import load
from forst_asgi.express import Protocol
from forst_asgi.types import ASGIApp
from tests.behaviours.served import build
from tests.behaviours.wire import PATIENCE_S, Answer, Backend, Client
from tests.conftest import ROOT
from tests.integration.conftest import SECRET, folder, free_port, start_process

__all__ = ["folder"]

ROUTES = """
[[route]]
id = "go"
path = "/go/{rest:path}"
mode = "on"
auth = "none"

[[route]]
id = "strip"
path = "/strip/{rest:path}"
strip_prefix = "/strip"
mode = "on"
auth = "none"

[[route]]
id = "get"
path = "/get/{rest:path}"
methods = ["GET"]
mode = "on"
auth = "none"

[[route]]
id = "pass"
path = "/pass/{rest:path}"
encoded_path = "pass"
mode = "on"
auth = "none"

[[route]]
id = "small"
path = "/small/{rest:path}"
max_body = "1KiB"
mode = "on"
auth = "none"

[[route]]
id = "nasty"
path = "/nasty/{rest:path}"
mode = "on"
auth = "tests.behaviours.served:nasty"

[[route]]
id = "nobody"
path = "/nobody/{rest:path}"
mode = "on"
auth = "tests.behaviours.served:nobody"

[[route]]
id = "deadline"
path = "/deadline/{rest:path}"
timeout = "200ms"
mode = "on"
auth = "none"

[[route]]
id = "named"
path = "/named/{rest:path}"
upstream = "named"
mode = "on"
auth = "none"

[[route]]
id = "hasty"
path = "/hasty/{rest:path}"
upstream = "hasty"
mode = "on"
auth = "none"

[[route]]
id = "narrow"
path = "/narrow/{rest:path}"
upstream = "narrow"
mode = "on"
auth = "none"

[[route]]
id = "impatient"
path = "/impatient/{rest:path}"
upstream = "impatient"
mode = "on"
auth = "none"

[[route]]
id = "stalled"
path = "/stalled/{rest:path}"
upstream = "narrow"
client_timeout = "200ms"
mode = "on"
auth = "none"

[[route]]
id = "away"
path = "/away/{rest:path}"
upstream = "away"
on_failure = "app"
mode = "on"
auth = "upstream"

[[route]]
id = "moody"
path = "/moody/{rest:path}"
upstream = "moody"
on_failure = "app"
mode = "on"
auth = "upstream"

[[route]]
id = "brief"
path = "/brief/{rest:path}"
upstream = "brief"
mode = "on"
auth = "none"
"""


def marked(text: str) -> str:
    """Return a configuration with each route on the express lane that may be."""
    return text.replace('auth = "none"', 'auth = "none"\nexpress = true')


def configuration(address: str) -> str:
    """Return the file's text."""
    return f"""
[sidecar]
address = "{address}"
secret_file = "{SECRET}"

[upstream.named]
address = "{address}"
host = "backend.internal"

[upstream.hasty]
address = "{address}"
first_byte_timeout = "200ms"
idle_timeout = "200ms"
write_timeout = "200ms"

[upstream.narrow]
address = "{address}"
max_connections = 1

[upstream.impatient]
address = "{address}"
max_connections = 1
pool_timeout = "200ms"

[upstream.away]
address = "unix:/nowhere"

[upstream.moody]
address = "{address}"
breaker_failures = 1000000

[upstream.brief]
address = "{address}"
keepalive = "50ms"
{ROUTES}"""


@dataclass
class Site:
    """A server that runs.

    Attributes:
        name: of the server.
        port: where it listens, on 127.0.0.1.
        backend: what is behind.
    """

    name: str
    port: int
    backend: Backend

    def connect(self) -> Client:
        """A client's connection."""
        return Client(socket.create_connection(("127.0.0.1", self.port), PATIENCE_S))

    def ask(self, request: bytes) -> Answer:
        """Send a request on a connection of its own and return its response."""
        with self.connect() as client:
            return client.ask(request)

    def get(self, target: bytes, *fields: bytes) -> Answer:
        """Send a GET."""
        lines = b"".join(field + b"\r\n" for field in fields)
        return self.ask(b"GET %b HTTP/1.1\r\nHost: h\r\n%bConnection: close\r\n\r\n" % (target, lines))


COMMANDS = {
    "hypercorn": ("hypercorn", "tests.behaviours.process:app", "--bind", "127.0.0.1:{port}"),
    "granian": ("granian", "--interface", "asgi", "--port", "{port}", "tests.behaviours.process:app"),
}
UVICORN: dict[str, dict[str, Any]] = {
    "uvicorn-httptools": {"http": "httptools", "loop": "uvloop"},
    "uvicorn-h11": {"http": "h11", "loop": "asyncio"},
    "uvicorn-express": {"http": Protocol, "loop": "uvloop"},
}


@contextlib.contextmanager
def serving_on(listener: socket.socket, app: ASGIApp, **options: Any) -> Iterator[None]:
    """Serve an app with uvicorn, in a thread, on a socket that listens."""
    config = uvicorn.Config(app, log_config=None, **{"ws": "none", "proxy_headers": False, **options})
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "uvicorn does not end"


@contextlib.contextmanager
def serving_here(app: ASGIApp, backend: Backend, **options: Any) -> Iterator[Site]:
    """Serve an app of the test's own with uvicorn on a loopback port."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        serving_on(listener, app, **options),
    ):
        yield Site("uvicorn", listener.getsockname()[1], backend)


OpenSite = Callable[[str], Site]


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    """The upstream of all servers."""
    with tempfile.TemporaryDirectory(prefix="ft-", dir="/tmp") as folder:
        made = Backend(Path(folder, "s"))
        yield made
        made.close()


@contextlib.contextmanager
def serving(name: str, config: Path) -> Iterator[int]:
    """Run a server and yield its port."""
    if name in UVICORN:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            serving_on(listener, build(load(config)), **UVICORN[name]),
        ):
            yield listener.getsockname()[1]
        return
    port = free_port()
    command = [each.format(port=port) for each in COMMANDS[name]]
    with start_process(command, port, {"FORST_TEST_CONFIG": str(config), "PYTHONPATH": str(ROOT)}):
        yield port


@pytest.fixture(scope="session")
def open_site(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSite]:
    """Returns the server of that name, which runs until the end."""
    config = tmp_path_factory.mktemp("config") / "forst.toml"
    config.write_text(configuration(backend.address))
    express = config.with_name("express.toml")
    express.write_text(marked(configuration(backend.address)))
    sites: dict[str, Site] = {}
    with contextlib.ExitStack() as stack:

        def opened(name: str) -> Site:
            if name not in sites:
                sites[name] = Site(
                    name,
                    stack.enter_context(serving(name, express if name == "uvicorn-express" else config)),
                    backend,
                )
            return sites[name]

        yield opened


@pytest.fixture(params=[*UVICORN, *COMMANDS])
def site(request: pytest.FixtureRequest, open_site: OpenSite) -> Iterator[Site]:
    """Each server in turn."""
    made = open_site(request.param)
    yield made
    made.backend.raise_problems()


@pytest.fixture
def usual(open_site: OpenSite) -> Iterator[Site]:
    """Uvicorn as it is usually installed."""
    made = open_site("uvicorn-httptools")
    yield made
    made.backend.raise_problems()
