"""Through the front door: real servers, real sockets, a real Go program behind the middleware."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
import uvicorn

from forst_asgi.types import ASGIApp

HERE = Path(__file__).parent
PATIENCE_S = 60.0
PAUSE_S = 0.02

Serve: TypeAlias = Callable[..., AbstractContextManager[str]]
RunUpstream: TypeAlias = Callable[[Path, str], AbstractContextManager["Running"]]

SECRET = Path(__file__).with_name("secret.txt")


@pytest.fixture(scope="session")
def upstream_binary(go_build: Callable[[Path], Path]) -> Path:
    """The program in upstream/, built once."""
    return go_build(HERE / "upstream")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    path = tempfile.mkdtemp(prefix="ft-", dir="/tmp")
    yield Path(path)
    shutil.rmtree(path, ignore_errors=True)


class Diary:
    """The tests' side of upstream/: what its handlers saw, and the tokens that let them go on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        transport = httpx.HTTPTransport(uds=str(path))
        self._client = httpx.Client(transport=transport, base_url="http://control", timeout=PATIENCE_S)

    def wait(self, key: str, note: str) -> list[str]:
        """Return the notes of a key as soon as this one is among them."""
        return list(self._client.get("/wait", params={"key": key, "note": note}).json())

    def targets(self) -> list[str]:
        """Return the request targets that arrived, the probe's included."""
        return list(self._client.get("/targets").json())

    def open(self, key: str) -> None:
        """Let the handler of that key go on once."""
        self._client.post("/open", params={"key": key})

    def close(self) -> None:
        self._client.close()


@dataclass
class Running:
    """A Go upstream that runs by itself, for a middleware that attaches to it."""

    process: subprocess.Popen[bytes]
    address: str
    diary: Diary


def wait_until_listening(process: subprocess.Popen[Any], family: int, address: Any) -> None:
    """Return when somebody accepts connections there; fail when the process ends before."""
    while process.poll() is None:
        with socket.socket(family) as knock:
            if knock.connect_ex(address) == 0:
                return
        # Nothing tells of a new socket; so ask again, unless the process ends meanwhile.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PAUSE_S)
    pytest.fail(f"the process ended with status {process.returncode}")


@contextlib.contextmanager
def running(binary: Path, folder: Path, listen: str) -> Iterator[Running]:
    """Run the upstream on its own."""
    control = folder / "control"
    environ = {
        **os.environ,
        "FORST_LISTEN": listen,
        "CONTROL": str(control),
        "FORST_SECRET_FILE": str(SECRET),
    }
    with subprocess.Popen([binary], env=environ) as process:
        diary = Diary(control)
        try:
            wait_until_listening(process, socket.AF_UNIX, str(control))
            kind, _, place = listen.partition(":")
            if kind == "unix":
                wait_until_listening(process, socket.AF_UNIX, place)
                yield Running(process, listen, diary)
            else:
                host, _, port = place.rpartition(":")
                wait_until_listening(process, socket.AF_INET, (host, int(port)))
                yield Running(process, f"http://{place}", diary)
        finally:
            diary.close()
            process.kill()


@pytest.fixture(scope="session")
def go(upstream_binary: Path) -> Iterator[Running]:
    """One upstream for many tests, on a Unix socket; each test has keys of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="ft-", dir="/tmp") as folder,
        running(upstream_binary, Path(folder), f"unix:{folder}/s") as upstream,
    ):
        yield upstream


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A key that no other test has."""
    return str(request.node.nodeid)


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def run_upstream(upstream_binary: Path) -> "RunUpstream":
    """Runs an upstream that a test may kill, in that folder, listening there."""
    return lambda folder, listen: running(upstream_binary, folder, listen)


@pytest.fixture(scope="module")
def free_tcp_port() -> int:
    """A port that nobody listens on at the moment."""
    return free_port()


@contextlib.contextmanager
def serve_in_thread(app: ASGIApp, **options: Any) -> Iterator[str]:
    """Serve an app with uvicorn on a loopback port and yield its URL; its lifespan ends with the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, **{"ws": "wsproto", "lifespan": "on", **options})
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listener.close()
        assert not thread.is_alive(), "uvicorn does not end"


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Serves an app with uvicorn, in a thread of this process."""
    return serve_in_thread


@dataclass
class Process:
    """A server in a process of its own.

    Attributes:
        output: what it wrote to standard output and error, line by line, so far.
    """

    popen: subprocess.Popen[str]
    url: str
    output: list[str] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def read(self) -> None:
        """Take the output until it ends."""
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            with self._changed:
                self.output.append(line.rstrip("\n"))
                self._changed.notify_all()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what forst logged under that name."""
        found = [json.loads(line) for line in self.output if f'"event": "{name}"' in line]
        return [line for line in found if line["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Return what forst logged under that name as soon as there is enough of it."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events(name)) >= count, PATIENCE_S), self.text
            return self.events(name)

    @property
    def text(self) -> str:
        return "\n".join(self.output)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.popen.send_signal(number)
        return self.popen.wait(PATIENCE_S)


@contextlib.contextmanager
def start_process(command: list[str], port: int, environ: dict[str, str]) -> Iterator[Process]:
    """Run a server command and yield it once it listens on that port."""
    with start_command(command, environ) as process:
        process.url = f"http://127.0.0.1:{port}"
        wait_until_listening(process.popen, socket.AF_INET, ("127.0.0.1", port))
        yield process


@contextlib.contextmanager
def start_command(command: list[str], environ: dict[str, str]) -> Iterator[Process]:
    """Run a command in the folder of the tests and take its output."""
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=HERE,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as popen:
        process = Process(popen, "")
        reader = threading.Thread(target=process.read)
        reader.start()
        try:
            yield process
        finally:
            # Some servers work in a child of their own, which would survive its parent.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
            reader.join(PATIENCE_S)


@pytest.fixture
def command() -> Callable[[list[str], dict[str, str]], AbstractContextManager[Process]]:
    """Runs a module of Python as a command."""
    return start_command


ServeCommand: TypeAlias = Callable[..., AbstractContextManager[Process]]


@pytest.fixture(scope="session")
def serve_command() -> ServeCommand:
    """Runs a server in a process of its own; `{port}` in its arguments is replaced."""

    def serve(*arguments: str, **environ: str) -> AbstractContextManager[Process]:
        port = free_port()
        filled = [argument.format(port=port) for argument in arguments]
        return start_process(filled, port, environ)

    return serve
