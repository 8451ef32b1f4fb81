"""Four uvicorn workers under load whose file is saved, broken, mended, renamed over, relinked and deleted."""

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
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

PATIENCE_S = 60.0
PAUSE_S = 0.05
SERVED = Path(__file__).parents[1] / "supervisor"
ROUTE = (
    '[[route]]\nid = "{0}"\npath = "/{0}/{{rest:path}}"\nstrip_prefix = "/{0}"\nmode = "on"\nauth = "none"\n'
)

pytestmark = pytest.mark.slow


class Server:
    """uvicorn in a session of its own, with a Go sidecar.

    Attributes:
        path: the configuration file.
        url: where it listens.
    """

    def __init__(self, folder: Path, counter: Path, workers: int) -> None:
        self.folder = folder
        self.path = folder / "forst.toml"
        self._counter = counter
        self.workers = workers
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = ["uvicorn", "served:app", "--port", str(port), "--no-access-log", "--workers", str(workers)]
        self._command = [sys.executable, "-m", *command]
        self._environ = {
            **os.environ,
            "FORST_TEST_CONFIG": str(self.path),
            "XDG_RUNTIME_DIR": str(folder),
            "PYTHONPATH": str(SERVED),
        }
        self._client = httpx.Client(
            base_url=self.url, timeout=PATIENCE_S, headers={"connection": "close"}, verify=False
        )
        self._pause = threading.Event()
        self.popen: subprocess.Popen[bytes] | None = None

    def text(self, *routes: str, mood: str = "", watch: bool = True) -> str:
        """Return a configuration; another mood is another sidecar."""
        env = f'env = {{ MOOD = "{self.folder}/{mood}", LEDGER = "{self.folder}/ledger" }}\n'
        top = f'[sidecar]\ncommand = ["{self._counter}"]\nready_timeout = "60s"\n{env}'
        return top + f"[reload]\nwatch = {json.dumps(watch)}\n" + "".join(map(ROUTE.format, routes))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it until the end of the block, and all that it has started."""
        with (self.folder / "log").open("wb") as log:
            popen = self.popen = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self._environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self.wait_for("forst.config.loaded", self.workers)
            self.until(lambda: self._log().count("Application startup complete.") == self.workers)
            yield
            popen.terminate()
            assert popen.wait(PATIENCE_S) in {0, -signal.SIGTERM}
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait(PATIENCE_S)

    def _log(self) -> str:
        return (self.folder / "log").read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what forst logged under that name."""
        lines = [line for line in self._log().split("\n")[:-1] if f'"event": "{name}"' in line]
        return [json.loads(line) for line in lines]

    def wait_for(self, name: str, count: int) -> list[dict[str, Any]]:
        """Return what forst logged under that name as soon as there is so much of it."""
        self.until(lambda: len(self.events(name)) >= count)
        return self.events(name)

    def until(self, condition: Callable[[], bool]) -> None:
        """Return when something is so; nothing tells of it, so look again and again."""
        for _ in range(int(PATIENCE_S / PAUSE_S)):
            if condition():
                return
            self._pause.wait(PAUSE_S)
        pytest.fail(self._log())

    def get(self, path: str) -> str:
        """Return what one request is answered, on a connection of its own."""
        return self._client.get(path).raise_for_status().text

    def reload(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `forst-asgi reload`."""
        command = [sys.executable, "-m", "forst_asgi", "reload", str(self.path), *arguments]
        return subprocess.run(command, env=self._environ, capture_output=True, text=True, check=False)

    def generations(self) -> list[str]:
        """Return what each worker has in force."""
        done = self.reload("--status", "--json")
        assert done.returncode == 0, done.stderr
        return [worker["generation"] for worker in json.loads(done.stdout)["workers"]]


class Load:
    """Clients that ask without a pause, each for one of the paths.

    Attributes:
        answers: each answer that there was, by path.
    """

    def __init__(self, url: str, *paths: str) -> None:
        self.answers: dict[str, set[str]] = {path: set() for path in paths}
        self.count = 0
        self.failures: list[str] = []
        self._url = url
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(path,)) for path in paths]

    def _ask(self, path: str) -> None:
        with httpx.Client(base_url=self._url, timeout=PATIENCE_S) as client:
            while not self._is_over.wait(0.005):
                try:
                    self.answers[path].add(client.get(path).raise_for_status().text)
                    self.count += 1
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()


class Upload:
    """A request that was matched already, and whose body is not sent before `finish`."""

    def __init__(self, url: str, path: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._socket = socket.create_connection((host, int(port)), PATIENCE_S)
        self._file = self._socket.makefile("rb")
        fields = "Host: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close"
        self._socket.sendall(f"POST {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        # uvicorn says so when the app asks for the body, which the middleware does for the sidecar.
        assert self._file.readline().startswith(b"HTTP/1.1 100")
        assert self._file.readline() == b"\r\n"

    def finish(self) -> str:
        """Send the body and return the answer's."""
        self._socket.sendall(b"body")
        return self._file.read().rpartition(b"\r\n\r\n")[2].decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture(scope="module")
def counter(go_build: Callable[[Path], Path]) -> Path:
    """A Go program that answers /pid with its process number."""
    return go_build(SERVED / "counter")


@pytest.fixture
def make_server(counter: Path) -> Iterator[Callable[[int], Server]]:
    """Makes a server in a folder whose path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="fr-", dir="/tmp"))
    yield lambda workers: Server(folder, counter, workers)
    assert list(folder.glob("forst-*")) == []
    shutil.rmtree(folder)


def test_four_workers_under_load(make_server: Callable[[int], Server]) -> None:
    """Whatever is saved, and however, no request fails and all workers come to have the same."""
    server = make_server(4)
    versions = [server.folder / name for name in ("one", "two")]
    for version, mood in zip(versions, ("", "x"), strict=True):
        version.mkdir()
        (version / "forst.toml").write_text(server.text("go", mood=mood))
    server.path.write_text(server.text("go"))
    with server.running():
        with Load(server.url, "/go/pid", "/go/pid", "/python") as load:
            first = server.get("/go/pid")

            # Broken in the middle of load: one clear error for each worker, and nothing else.
            server.path.write_text(server.text("go") + "[[route]\n")
            refused = server.wait_for("forst.config.refused", 4)
            assert len({event["generation"] for event in refused}) == 1
            assert "is not TOML" in refused[0]["problem"]

            # Mended, with a route more, by a rename: the sidecar is the same.
            beside = server.folder / "forst.toml~"
            beside.write_text(server.text("go", "more"))
            beside.replace(server.path)
            server.wait_for("forst.config.reloaded", 4)
            assert server.get("/more/pid") == first

            # Written twenty times: each worker takes in what was last, and at most a few of the others.
            for number in range(20):
                server.path.write_text(server.text("go", *(["more"] if number % 2 else [])))
            server.path.write_text(server.text("go", "last"))
            server.until(lambda: {server.get("/last/pid") for _ in range(16)} == {first})
            assert server.get("/more/pid") == "python"

            # A link that is turned, as a ConfigMap is: another sidecar. What was under way ends with the old.
            link = server.folder / "data"
            link.symlink_to(versions[0])
            server.path.unlink()
            server.path.symlink_to(link / "forst.toml")
            server.until(lambda: {server.get("/last/pid") for _ in range(16)} == {"python"})
            with Upload(server.url, "/go/count") as upload:
                other = server.folder / "data~"
                other.symlink_to(versions[1])
                other.replace(link)
                server.until(lambda: first not in {server.get("/go/pid") for _ in range(16)})
                assert upload.finish() == first
            second = server.get("/go/pid")
            assert [event["pid"] for event in server.wait_for("forst.sidecar.stopped", 1)] == [int(first)]

            # Deleted, which is an error, and written anew.
            before = len(server.events("forst.config.refused"))
            server.path.unlink()
            missing = server.wait_for("forst.config.refused", before + 4)[before:]
            assert all("there is no such file" in event["problem"] for event in missing)
            server.path.write_text(server.text("go", "anew", mood="x"))
            server.until(lambda: {server.get("/anew/pid") for _ in range(16)} == {second})
        generations = server.generations()
    assert len(generations) == 4
    assert len(set(generations)) == 1
    assert load.failures == []
    assert load.answers["/go/pid"] == {first, second}
    assert load.answers["/python"] == {"python"}
    assert len(server.events("forst.sidecar.started")) == 2
    assert len(server.events("forst.config.refused")) == before + 4


def test_a_signal_and_the_command(make_server: Callable[[int], Server]) -> None:
    """Without `watch` nothing happens by itself; SIGHUP and `forst-asgi reload` take the file in."""
    server = make_server(1)
    narrow = 'methods = ["GET"]\n'
    server.path.write_text(server.text("go", watch=False) + narrow)
    with server.running():
        assert server.popen is not None
        server.path.write_text(server.text("go", watch=False) + narrow + ROUTE.format("more"))
        server.popen.send_signal(signal.SIGHUP)
        [reloaded] = server.wait_for("forst.config.reloaded", 1)
        assert (reloaded["by"], reloaded["routes"]) == ("signal", ["more"])
        assert server.get("/more/pid") == server.get("/go/pid")

        server.path.write_text(server.text("go", watch=False))
        refused = server.reload()
        assert refused.returncode == 1
        assert "would take requests that it did not take before" in refused.stderr
        applied = server.reload("--allow")
        assert applied.returncode == 0, applied.stderr
        assert applied.stdout.startswith("process ")
        assert len(server.events("forst.config.refused")) == 1
