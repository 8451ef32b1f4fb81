"""forst-asgi dev: the app reloads, the sidecar stays; and the other way round."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

TESTS = Path(__file__).parents[1] / "supervisor"
PATIENCE_S = 60.0

CONFIG = """\
[sidecar]
build = {build}
watch = ["*.go"]
env = {{ LEDGER = "{folder}/ledger" }}

[[route]]
id = "go"
path = "/go/{{rest:path}}"
strip_prefix = "/go"
mode = "on"
auth = "none"
"""


FURTHER = """
[[route]]
id = "further"
path = "/further/{rest:path}"
strip_prefix = "/further"
mode = "on"
auth = "none"
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="fd-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.slow
def test_neither_reloads_the_other(go_build: Callable[[Path], Path], folder: Path) -> None:
    """Saving the app keeps the Go process, saving a Go file replaces it and keeps the app's.

    A saved configuration is taken in as well.
    """
    pytest.importorskip("watchfiles")
    build = f"""'''sh -c 'cp "$0" "$1"' {go_build(TESTS / "counter")} {{out}}'''"""
    (folder / "forst.toml").write_text(CONFIG.format(build=build, folder=folder))
    source = (TESTS / "served.py").read_text().replace('b"python"', "str(os.getpid()).encode().rjust(6)")
    (folder / "served.py").write_text(source)
    (folder / "main.go").write_text("package main\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environ = {**os.environ, "FORST_TEST_CONFIG": "forst.toml", "XDG_RUNTIME_DIR": str(folder)}
    command = [sys.executable, "-m", "forst_asgi", "dev", "served:app", "--port", str(port)]
    with subprocess.Popen(command, cwd=folder, env=environ, start_new_session=True) as dev:
        try:
            url = f"http://127.0.0.1:{port}"
            app, go = until(lambda: pids(url))
            (folder / "served.py").write_text(source + "\n")
            app2, go2 = until(lambda: changed(pids(url), app, 0))
            assert (app2 != app, go2) == (True, go)
            (folder / "main.go").write_text("package main // saved\n")
            app3, go3 = until(lambda: changed(pids(url), go, 1))
            assert (app3, go3 != go) == (app2, True)
            with (folder / "forst.toml").open("a") as config:
                config.write(FURTHER)
            until(lambda: further(url, go3))
            dev.send_signal(signal.SIGTERM)
            dev.wait(PATIENCE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(dev.pid, signal.SIGKILL)


COMPILE = """\
if grep -q oops main.go; then echo "./main.go:3:5: undefined: oops"; exit 1; fi
cp "$1" "$2"
"""


@pytest.mark.slow
def test_a_mistake_is_shown_until_it_is_mended(go_build: Callable[[Path], Path], folder: Path) -> None:
    """A mistake from the start is no end: terminal, browser and JSON show it, and a save mends it."""
    pytest.importorskip("watchfiles")
    build = f'"sh compile.sh {go_build(TESTS / "counter")} {{out}}"'
    (folder / "forst.toml").write_text(CONFIG.format(build=build, folder=folder))
    (folder / "compile.sh").write_text(COMPILE)
    shutil.copy(TESTS / "served.py", folder / "served.py")
    (folder / "main.go").write_text("oops\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environ = {**os.environ, "FORST_TEST_CONFIG": "forst.toml", "XDG_RUNTIME_DIR": str(folder)}
    command = [sys.executable, "-m", "forst_asgi", "dev", "served:app", "--port", str(port)]
    log = folder / "log"
    with (
        log.open("wb") as written,
        subprocess.Popen(command, cwd=folder, env=environ, stderr=written, start_new_session=True) as dev,
    ):
        try:
            url = f"http://127.0.0.1:{port}/go/pid"
            until(lambda: answer(url, 503))
            assert "./main.go:3:5" in httpx.get(url, headers={"accept": "text/html"}).text
            assert httpx.get(url).json()["problems"][0]["line"] == 3
            assert "main.go:3:5: undefined: oops" in log.read_text()
            (folder / "main.go").write_text("package main\n")
            until(lambda: answer(url, 200))
            (folder / "main.go").write_text("oops\n")
            until(lambda: mentioned(url))
            dev.send_signal(signal.SIGTERM)
            dev.wait(PATIENCE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(dev.pid, signal.SIGKILL)


def answer(url: str, status: int) -> tuple[int, int] | None:
    """Return the status, twice, once it is that."""
    try:
        found = httpx.get(url).status_code
    except httpx.TransportError:
        return None
    return (found, found) if found == status else None


def mentioned(url: str) -> tuple[int, int] | None:
    """Return where the mistake is that an answer of the last good program mentions."""
    found = httpx.get(url)
    assert found.status_code == 200
    return (3, 5) if found.headers.get("x-forst-trouble", "").startswith("./main.go:3:5") else None


def further(url: str, pid: int) -> tuple[int, int] | None:
    """Return the process that answers the route that was added, once one does."""
    found = httpx.get(f"{url}/further/pid").text
    return (pid, pid) if found == str(pid) else None


def pids(url: str) -> tuple[int, int] | None:
    """Return the processes of app and sidecar, None while there is no server."""
    try:
        return int(httpx.get(f"{url}/python").text), int(httpx.get(f"{url}/go/pid").text)
    except httpx.TransportError:
        return None


def changed(found: tuple[int, int] | None, before: int, at: int) -> tuple[int, int] | None:
    """Return what was found if one of it is not what it was."""
    return found if found is not None and found[at] != before else None


def until(look: Callable[[], tuple[int, int] | None]) -> tuple[int, int]:
    """Return what is found, as soon as it is; nothing tells of a reload, so look again."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if (found := look()) is not None:
            return found
        time.sleep(0.05)
    pytest.fail("nothing changed")
