"""forst-asgi demo as a whole: real servers, the real sidecar, real signals."""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from forst_asgi.cli.demo.checkout import DemoError
from forst_asgi.cli.demo.command import _outcomes, _serve
from forst_asgi.cli.demo.ports import ANY, DEFAULT_PORT, HOST, listen_near, listen_on, port_of
from forst_asgi.cli.demo.server import Server

PATIENCE_S = 60

pytestmark = pytest.mark.slow


@contextmanager
def _running(checkout: Path, runtime_dir: Path, until: str) -> Iterator[subprocess.Popen[str]]:
    """Run the demo until it writes a line that contains `until`."""
    environ = os.environ | {"XDG_RUNTIME_DIR": str(runtime_dir), "FORCE_COLOR": "", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "forst_asgi", "demo"],
        cwd=checkout / "demo_app",
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert any(until in line for line in process.stdout)
            yield process
        finally:
            process.kill()


def test_once(checkout: Path, command: Callable[..., Any], runtime_dir: Path) -> None:
    """Every endpoint is answered by the side that the configuration names, with the same content."""
    done = command("demo", "--once", cwd=checkout)
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if " equal " in line]
    by_go = [line.split()[1].partition("?")[0] for line in table if " go " in line]
    assert by_go == ["/process-data", "/search", "/calculate", "/events", "/upload", "/download"]
    assert sum(" python " in line for line in table) == 3
    assert any(" tcp " in line for line in table)
    assert any(" unix " in line for line in table)
    assert "building the Go sidecar" in done.stderr
    assert "starting the servers" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_answers_that_differ(
    checkout: Path, tmp_path: Path, invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A twin that answers otherwise fails the run and is named; a mode of "off" is followed."""
    root = tmp_path / "copy"
    shutil.copytree(checkout, root)
    _replace(root / "demo_app" / "stays.py", '"status": "ok"', '"status": str(os.getpid())')
    _replace(
        root / "demo_app" / "forst.toml",
        'path = "/events"\nmethods = ["GET"]\nmode = "on"',
        'path = "/events"\nmethods = ["GET"]\nmode = "off"',
    )
    monkeypatch.chdir(root)
    with listen_on(ANY) as free:
        port = port_of(free)
    result = invoke(
        "demo",
        "--once",
        "--port",
        str(port),
        env={"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "TERM": "xterm"},
    )
    assert result.exit_code == 1
    assert "GET /health: the two sides answered differently\n" in result.stderr
    assert [line for line in result.stdout.splitlines() if "/events" in line and "python" in line]


def _assert_gone(pids: Iterable[int], runtime_dir: Path) -> None:
    """Make sure that no process is there any more, not even as a zombie, and no private folder."""
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert list(runtime_dir.iterdir()) == []


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_behind(
    checkout: Path, runtime_dir: Path, descendants: Callable[[int], dict[int, str]], stop: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end servers, sidecars and their sockets before the command itself ends, with 0."""
    with _running(checkout, runtime_dir, "Ctrl-C") as process:
        below = descendants(process.pid)
        assert sum("demo-sidecar" in args for args in below.values()) == 2
        assert sum("forst_asgi.cli.demo.serve" in args for args in below.values()) == 2
        # A private folder for each upstream, and one in which the workers can be told to reload.
        assert len(list(runtime_dir.iterdir())) == 3
        os.killpg(process.pid, stop)
        rest, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert "stopping" in rest
        assert "Traceback" not in rest
    _assert_gone(below, runtime_dir)


def test_ctrl_c_while_it_starts(
    checkout: Path, runtime_dir: Path, descendants: Callable[[int], dict[int, str]]
) -> None:
    """Ctrl-C before anything is there to be tried leaves nothing either, and is no success."""
    with _running(checkout, runtime_dir, "making") as process:
        below = descendants(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode not in {0, None}
        assert "Traceback" not in rest
    _assert_gone(below, runtime_dir)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for processes that are not its children")
def test_sigkill_leaves_nothing_either(
    checkout: Path, runtime_dir: Path, descendants: Callable[[int], dict[int, str]]
) -> None:
    """When the command is killed, the servers notice and end by themselves, with their sidecars."""
    with _running(checkout, runtime_dir, "Ctrl-C") as process:
        handles = [os.pidfd_open(pid) for pid in descendants(process.pid)]
        process.kill()
        for handle in handles:
            assert select.select([handle], [], [], PATIENCE_S)[0]
            os.close(handle)
    assert len(handles) == 4
    assert list(runtime_dir.iterdir()) == []


def test_a_port_that_is_taken(
    checkout: Path, invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port that was asked for is not replaced by another."""
    monkeypatch.chdir(checkout)
    with listen_on(ANY) as taken:
        port = port_of(taken)
        result = invoke("demo", "--port", str(port))
    assert result.exit_code == 1
    assert f"cannot listen on {HOST}:{port}: " in result.stderr


def test_another_port_is_said(
    checkout: Path, invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the default port is taken another one is, and that is said."""
    monkeypatch.chdir(checkout)
    with listen_near(DEFAULT_PORT):
        result = invoke("demo", "--once")
    assert result.exit_code == 0, result.stderr
    assert f"port {DEFAULT_PORT} is taken, so this is on " in result.stderr


def test_elsewhere(command: Callable[..., Any], tmp_path: Path) -> None:
    """Outside of the repository there is no demo, and the error says where it is."""
    done = command("demo", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("there is no demo_app/ here")
    assert "Traceback" not in done.stderr


class FakeServer(Server):
    """A server that runs until somebody presses Ctrl-C, at once."""

    def __init__(self) -> None:
        self.port = 1
        self._is_shown = False

    def wait(self) -> None:
        raise KeyboardInterrupt


def test_serving_until_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    """While it serves, it says what to try and shows what the server writes; Ctrl-C is its regular end."""
    server = FakeServer()
    _serve(server, server)
    assert server._is_shown
    out, err = capsys.readouterr()
    assert "curl -i http://127.0.0.1:1/calculate" in out
    assert err == "stopping\n"


def test_a_server_that_cannot_be_asked(checkout: Path) -> None:
    """A request without an answer is told with its name."""
    with listen_on(ANY) as closed:
        port = port_of(closed)
    with pytest.raises(DemoError, match=r"POST /process-data .*: ConnectionRefusedError"):
        list(_outcomes(checkout, port, port))
