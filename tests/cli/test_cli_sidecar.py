"""forst-asgi sidecar: asking a server that runs."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forst_asgi.config import load
from forst_asgi.runtime import Runtime

SERVED = """\
[sidecar]
command = {command}
ready_timeout = "30s"

[upstream.else]
address = "http://127.0.0.1:9"
"""


BROKEN = """\
[sidecar]
command = {command}
build = "sh -c 'echo ./main.go:3:5: undefined: oops; exit 1' {{out}}"
ready_timeout = "30s"
"""


@pytest.fixture(params=[SERVED])
def running(
    request: pytest.FixtureRequest,
    config: Callable[[str], Path],
    python_sidecar: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Runtime]:
    """A runtime that lives in another thread, as it would in another process."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    runtime = Runtime(load(config(request.param.format(command=json.dumps(python_sidecar)))))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(runtime.start(), loop).result(60)
    yield runtime
    asyncio.run_coroutine_threadsafe(runtime.aclose(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_status_and_restart(invoke: Callable[..., Any], running: Runtime) -> None:
    """The status shows state, process and generation; a restart names the new process."""
    [before] = json.loads(invoke("sidecar", "status", "--json").stdout)
    assert (before["upstream"], before["state"], before["generation"]) == ("sidecar", "ready", 1)
    restarted = invoke("sidecar", "restart")
    assert restarted.exit_code == 0, restarted.output
    assert "is ready, generation 2" in restarted.stdout
    lines = invoke("sidecar", "status", "-u", "sidecar").stdout.splitlines()
    assert lines[0].split()[:4] == ["upstream", "state", "pid", "generation"]
    assert str(before["pid"]) not in lines[1].split()[2]


@pytest.mark.parametrize("running", [BROKEN], indirect=True)
def test_a_build_that_failed(invoke: Callable[..., Any], running: Runtime) -> None:
    """While the last good program runs, the status has the mistake in the source too."""
    [found] = json.loads(invoke("sidecar", "status", "--json").stdout)
    assert found["state"] == "ready"
    assert "./main.go:3:5: undefined: oops" in found["build_problem"]
    shown = invoke("sidecar", "status")
    assert len(shown.stdout.splitlines()) == 2
    assert "./main.go:3:5: undefined: oops" in shown.stderr


def test_where_nothing_runs(
    invoke: Callable[..., Any], config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a server there is nothing to ask, and the error says where it was looked for."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    config(SERVED.format(command='["./x"]'))
    for arguments in (["status"], ["restart"], ["status", "-u", "else"]):
        result = invoke("sidecar", *arguments)
        assert result.exit_code == 1
        assert "no server on this host runs" in result.stderr


def test_a_restart_that_fails_says_why(
    invoke: Callable[..., Any], running: Runtime, python_sidecar: list[str]
) -> None:
    """The reason comes from the server, and the exit status is 1."""
    script = Path(python_sidecar[-1])
    source = script.read_text()
    script.write_text("import sys; print('no table'); sys.exit(3)")
    try:
        result = invoke("sidecar", "restart")
    finally:
        script.write_text(source)
    assert result.exit_code == 1
    assert "sidecar: not restarted: " in result.stderr
    assert "no table" in result.stderr


def test_a_server_that_does_not_answer(
    invoke: Callable[..., Any], running: Runtime, config: Callable[[str], Path], tmp_path: Path
) -> None:
    """A directory without a leader is shown as such; a restart there fails."""
    [home] = tmp_path.glob("forst-*")
    (home / "control").rename(home / "elsewhere")
    assert json.loads(invoke("sidecar", "status", "--json").stdout)[0]["state"] == "no leader"
    result = invoke("sidecar", "restart")
    assert result.exit_code == 1
    assert "no answer within" in result.stderr
