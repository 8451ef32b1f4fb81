"""The command line of uvicorn with a sidecar that is ours to start: what a person sees, and what is left."""

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from forst_asgi.supervisor.home import sweep

if TYPE_CHECKING:
    from tests.integration.conftest import Process, ServeCommand

    Command = Callable[[list[str], dict[str, str]], AbstractContextManager[Process]]

STARTUP_FAILURE = 3

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="watches a process that is no child of ours")

UVICORN = ["uvicorn", "served:app", "--port", "{port}", "--no-access-log"]

ROUTE = """
[[route]]
id = "go"
path = "/go/{rest:path}"
strip_prefix = "/go"
mode = "on"
auth = "none"
"""

CRASHES = """
import sys
print("listening soon")
print("no such table: quotes", file=sys.stderr)
sys.exit(7)
"""


def sidecar(command: list[str], *more: str) -> str:
    """Return a configuration with a command."""
    return "\n".join(["[sidecar]", f"command = {json.dumps(command)}", *more, ROUTE])


def run_uvicorn(command: "Command", config: Path, *options: str) -> tuple[int, str]:
    """Run uvicorn until it ends by itself; return its exit status and what it wrote."""
    arguments = ["uvicorn", "served:app", "--port", "0", *options]
    with command(arguments, {"FORST_TEST_CONFIG": str(config)}) as process:
        status = process.popen.wait(60)
    return status, process.text


FAILURES: dict[str, tuple[str | None, list[str]]] = {
    "unknown key": (
        "[sidecar]\nadress = 'http://127.0.0.1:9'\n" + ROUTE,
        ["forst.toml:2", "adress", 'did you mean "address"?'],
    ),
    "several mistakes": (
        "[sidecar]\naddress = 'http://127.0.0.1:9'\nidle_timeout = 5\n" + ROUTE.replace('"on"', '"onn"'),
        ["forst.toml:3", "idle_timeout", "forst.toml:9", "mode"],
    ),
    "missing configuration": (None, ["forst.toml"]),
    "missing binary": (sidecar(["./bin/sidecar"]), ["bin/sidecar", "build it first"]),
    "crashing binary": (
        sidecar([sys.executable, "-c", CRASHES]),
        ["exit status 7", "no such table: quotes"],
    ),
    "not ready in time": (
        sidecar(["/bin/sleep", "1000"], 'ready_timeout = "100ms"'),
        ["was not ready within 0.1 s"],
    ),
    "no such auth": (
        "[sidecar]\naddress = 'http://127.0.0.1:9'\n" + ROUTE.replace('"none"', '"no_such_module:check"'),
        ['route "go"', "no_such_module:check", "cannot be imported"],
    ),
}


@pytest.mark.parametrize(
    ("name", "lifespan"),
    [*((name, "auto") for name in FAILURES), ("missing binary", "on"), ("unknown key", "on")],
)
def test_a_start_that_fails_says_why_once(
    command: "Command", tmp_path: Path, name: str, lifespan: str
) -> None:
    """Uvicorn ends with its own status and one message that has all of it; no traceback, no app."""
    config = tmp_path / "forst.toml"
    content, expected = FAILURES[name]
    if content is not None:
        config.write_text(content)
    status, output = run_uvicorn(command, config, "--lifespan", lifespan)
    assert status == STARTUP_FAILURE, output
    errors = output.partition("ERROR:")[2]
    assert all(text in errors for text in expected), output
    assert "Traceback" not in output
    assert output.count("ERROR:") == 2, output  # ours, and uvicorn's "Application startup failed. Exiting."
    assert "the app is up" not in output


@pytest.fixture
def config(upstream_binary: Path, tmp_path: Path) -> Path:
    """A configuration with a Go sidecar of our own, on a private socket."""
    path = tmp_path / "forst.toml"
    path.write_text(sidecar([str(upstream_binary)], 'ready_path = "/.forst/ready"'))
    return path


def is_alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def served(
    serve_command: "ServeCommand", config: Path, folder: Path, *options: str
) -> Iterator[tuple["Process", int]]:
    """Serve with uvicorn and yield it, with the process number of the Go program."""
    environ = {"FORST_TEST_CONFIG": str(config), "XDG_RUNTIME_DIR": str(folder)}
    with serve_command(*UVICORN, *options, **environ) as process:
        [ready] = process.wait_for("forst.sidecar.ready")
        yield process, ready["pid"]


@linux_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_after_a_shutdown(
    serve_command: "ServeCommand", config: Path, folder: Path, number: int
) -> None:
    """SIGTERM and SIGINT end uvicorn, the app, the sidecar, its socket and its folder, in that order."""
    with served(serve_command, config, folder) as (process, pid):
        assert httpx.get(f"{process.url}/go/echo").json()["pid"] == pid
        assert [each.name for each in folder.iterdir()]
        process.end(number)
        assert not is_alive(pid)
        assert list(folder.iterdir()) == []
    lines = [line for line in process.output if "the app is" in line or "sidecar.stopped" in line]
    assert lines[:2] == ["the app is up", "the app is down"]
    assert '"exit_status": 0' in lines[2]
    assert "Traceback" not in process.text


@linux_only
def test_a_request_under_way_is_finished_before_the_sidecar_stops(
    serve_command: "ServeCommand", config: Path, folder: Path
) -> None:
    """A shutdown waits for the answer that Go has begun."""
    with (
        served(serve_command, config, folder) as (process, pid),
        httpx.stream("GET", f"{process.url}/go/endless?key=k", timeout=60) as answer,
    ):
        next(blocks := answer.iter_raw())
        process.popen.send_signal(signal.SIGTERM)
        next(blocks)
        assert is_alive(pid)
        answer.close()
        process.popen.wait(60)
        assert not is_alive(pid)


@linux_only
def test_a_killed_server_takes_its_sidecar_along(
    serve_command: "ServeCommand", config: Path, folder: Path
) -> None:
    """After `kill -9` of uvicorn the lifeline ends the Go program; the next start of anybody clears up."""
    with served(serve_command, config, folder) as (process, pid):
        pidfd = os.pidfd_open(pid)
        process.end(signal.SIGKILL)
        wait_for_end(pidfd)
        sweep(str(folder))
        assert list(folder.iterdir()) == []


def wait_for_end(pidfd: int) -> None:
    """Return when a process that is no child of ours has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    ended = poll.poll(60_000)
    os.close(pidfd)
    assert ended


@linux_only
def test_without_a_lifespan_the_first_request_starts_the_sidecar(
    serve_command: "ServeCommand", config: Path, folder: Path
) -> None:
    """With `--lifespan off` nothing runs before a forwarded request, and no process is left at the end."""
    environ = {"FORST_TEST_CONFIG": str(config), "XDG_RUNTIME_DIR": str(folder)}
    with serve_command(*UVICORN, "--lifespan", "off", **environ) as process:
        assert httpx.get(f"{process.url}/python").text == "python"
        assert process.events("forst.sidecar.started") == []
        pid = httpx.get(f"{process.url}/go/echo", timeout=60).json()["pid"]
        assert process.wait_for("forst.sidecar.started")[0]["pid"] == pid
        pidfd = os.pidfd_open(pid)
        process.end(signal.SIGTERM)
        wait_for_end(pidfd)
        # Uvicorn lets SIGTERM kill it in the end, so nothing of ours runs then that could remove the folder.
        sweep(str(folder))
        assert list(folder.iterdir()) == []


def test_a_bad_configuration_without_a_lifespan_fails_each_request(
    serve_command: "ServeCommand", folder: Path
) -> None:
    """With `--lifespan off` there is no startup to fail; no request is answered as if all were well."""
    environ = {"FORST_TEST_CONFIG": str(folder / "missing.toml")}
    with serve_command(*UVICORN, "--lifespan", "off", **environ) as process:
        assert httpx.get(f"{process.url}/python").status_code == 500
        process.end()
    assert "missing.toml" in process.text


@pytest.mark.item(5)
def test_root_path_of_the_server_is_not_for_the_sidecar(
    serve_command: "ServeCommand", config: Path, folder: Path
) -> None:
    """With `--root-path /api` Go gets the path without it, and is told of it in X-Forwarded-Prefix."""
    with served(serve_command, config, folder, "--root-path", "/api") as (process, _):
        seen = httpx.get(f"{process.url}/go/echo/a?b=c").json()
        assert seen["target"] == "/echo/a?b=c"
        assert seen["headers"]["X-Forwarded-Prefix"] == ["/api/go"]
