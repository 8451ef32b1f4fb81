"""Real servers with several workers: one Go process whatever happens, none when they are gone."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest

from forst_asgi.supervisor.home import sweep

PATIENCE_S = 60.0
Serve: TypeAlias = Callable[..., contextlib.AbstractContextManager["Server"]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="watches processes that are no children of ours"),
]

UVICORN = ("uvicorn", "served:app", "--port", "{port}", "--no-access-log")
GUNICORN = (
    "gunicorn",
    "-k",
    "uvicorn_worker.UvicornWorker",
    "-w",
    "2",
    "-b",
    "127.0.0.1:{port}",
    "served:app",
)
SERVERS = {
    "uvicorn": (*UVICORN, "--workers", "2"),
    "no lifespan": (*UVICORN, "--workers", "2", "--lifespan", "off"),
    "reload": (*UVICORN, "--reload"),
    "gunicorn": GUNICORN,
    "preload": (*GUNICORN, "--preload"),
    "hypercorn": ("hypercorn", "-b", "127.0.0.1:{port}", "-w", "2", "served:app"),
    "granian": ("granian", "--interface", "asgi", "--port", "{port}", "--workers", "2", "served:app"),
}


@dataclass
class Server:
    """A server in a process group of its own."""

    popen: subprocess.Popen[bytes]
    folder: Path
    url: str

    def pid(self) -> int:
        """Return which Go process answers."""
        return int(httpx.get(f"{self.url}/go/pid", timeout=PATIENCE_S).raise_for_status().text)

    def until_served(self) -> int:
        """Return which Go process answers, as soon as one does; nothing tells of that, so ask again."""
        while self.popen.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                return self.pid()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(0.05)
        pytest.fail((self.folder / "log").read_text())

    def workers(self) -> list[int]:
        """Return the processes of the group."""
        return [pid for pid in all_pids() if group_of(pid) == self.popen.pid]

    def command(self, *arguments: str) -> str:
        """Return what `forst-asgi` prints."""
        done = subprocess.run(
            [sys.executable, "-m", "forst_asgi", *arguments, "-c", str(self.folder / "forst.toml")],
            env={**os.environ, "XDG_RUNTIME_DIR": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def all_pids() -> list[int]:
    """Return all processes."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def group_of(pid: int) -> int:
    """Return the process group, 0 for a process that has ended."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def sidecars(folder: Path) -> list[int]:
    """Return the Go processes that were started with that folder, but for those that have ended."""
    found = []
    for pid in all_pids():
        with contextlib.suppress(OSError):
            is_ours = f"MOOD={folder}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes()
            if is_ours and Path(f"/proc/{pid}/comm").read_text().strip() == "counter":
                found.append(pid)
    return found


@pytest.fixture
def serve(counter: Path, folder: Path) -> Serve:
    """Serve with a server's command line; `{port}` in it is replaced."""

    @contextlib.contextmanager
    def serving(*command: str) -> Iterator[Server]:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        (folder / "forst.toml").write_text(
            f'[sidecar]\ncommand = ["{counter}"]\n'
            f'env = {{ MOOD = "{folder}", LEDGER = "{folder}/ledger" }}\n'
            '[[route]]\nid = "go"\npath = "/go/{rest:path}"\nstrip_prefix = "/go"\n'
            'mode = "on"\nauth = "none"\n'
        )
        environ = {
            **os.environ,
            "FORST_TEST_CONFIG": str(folder / "forst.toml"),
            "XDG_RUNTIME_DIR": str(folder),
            "PYTHONPATH": str(Path(__file__).parent),
        }
        with (folder / "log").open("wb") as log:
            popen = subprocess.Popen(
                [sys.executable, "-m", *(part.format(port=port) for part in command)],
                cwd=folder,
                env=environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                yield Server(popen, folder, f"http://127.0.0.1:{port}")
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(popen.pid, signal.SIGKILL)
                popen.wait(PATIENCE_S)

    return serving


def wait_for_end(pidfd: int, within_s: float = PATIENCE_S) -> bool:
    """Tell whether a process that is no child of ours ended in time."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    ended = bool(poll.poll(within_s * 1000))
    os.close(pidfd)
    return ended


@pytest.mark.parametrize("server", SERVERS)
def test_every_server_has_one_sidecar_and_leaves_none(serve: Serve, server: str, folder: Path) -> None:
    """Whatever forks, spawns or reloads the workers: one Go process, and at the end nothing."""
    if server in {"gunicorn", "preload"}:
        pytest.importorskip("gunicorn")
        pytest.importorskip("uvicorn_worker")
    with serve(*SERVERS[server]) as running:
        pid = running.until_served()
        assert {running.pid() for _ in range(8)} == {pid}
        assert sidecars(folder) == [pid]
        pidfd = os.pidfd_open(pid)
        running.popen.send_signal(signal.SIGTERM)
        assert wait_for_end(pidfd)
        running.popen.wait(PATIENCE_S)
        assert sidecars(folder) == []
    sweep(str(folder))
    assert list(folder.glob("forst-*")) == []


def test_a_server_that_is_killed_takes_its_sidecar_along(serve: Serve, folder: Path) -> None:
    """`kill -9` of the worker that leads is survived; of all processes, nothing is, suspended or not."""
    with serve(*SERVERS["uvicorn"]) as running:
        pid = running.until_served()
        leader = json.loads(running.command("sidecar", "status", "--json"))[0]["leader"]
        first = os.pidfd_open(pid)
        os.kill(leader, signal.SIGKILL)
        assert wait_for_end(first)
        second = running.until_served()
        assert second != pid
        assert sidecars(folder) == [second]
        last = os.pidfd_open(second)
        os.kill(second, signal.SIGSTOP)
        os.killpg(running.popen.pid, signal.SIGKILL)
        assert wait_for_end(last)
    assert sidecars(folder) == []


def test_a_terminal_that_closes_takes_the_sidecar_along(serve: Serve, folder: Path) -> None:
    """SIGHUP to the process group, as a terminal sends it, ends the Go process too."""
    with serve(*SERVERS["uvicorn"]) as running:
        pidfd = os.pidfd_open(running.until_served())
        os.killpg(running.popen.pid, signal.SIGHUP)
        for worker in running.workers():
            with contextlib.suppress(ProcessLookupError):  # uvicorn's parent takes SIGHUP for a reload
                os.kill(worker, signal.SIGKILL)
        assert wait_for_end(pidfd)
    assert sidecars(folder) == []


def test_the_command_restarts_it_for_all_workers(serve: Serve, folder: Path) -> None:
    """`forst-asgi sidecar restart` replaces the process that every worker uses, `status` shows it."""
    with serve(*SERVERS["uvicorn"]) as running:
        before = running.until_served()
        assert "generation 2" in running.command("sidecar", "restart")
        after = {running.pid() for _ in range(8)}
        assert len(after) == 1
        assert before not in after
        assert f"ready  {after.pop()}" in running.command("sidecar", "status")
