"""A server in a process of its own."""

import os
import signal
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from forst_asgi.cli.demo.checkout import DemoError
from forst_asgi.cli.demo.ports import ANY, listen_on, port_of
from forst_asgi.cli.demo.serve import main
from forst_asgi.cli.demo.server import Server, _undisturbed, serving

APP = """
import os
import sys

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    print("asked for", scope["path"], file=sys.stderr, flush=True)
    if scope["path"] == "/die":
        os._exit(9)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % os.getpid()})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small app, and one that cannot be imported."""
    (tmp_path / "small.py").write_text(APP, encoding="utf-8")
    (tmp_path / "broken.py").write_text(
        'print(dict(), flush=True); raise RuntimeError("out of order")', encoding="utf-8"
    )
    (tmp_path / "mute.py").write_text("import os; os._exit(1)", encoding="utf-8")
    return tmp_path


def _pid(server: Server) -> int:
    with urllib.request.urlopen(server.url, timeout=30) as answer:
        return int(answer.read())


def test_servers_run_and_are_gone_afterwards(folder: Path) -> None:
    """Both answer inside the block, from processes of their own that are not there any more after it."""
    apps = [("small:app", listen_on(ANY)), ("small:app", listen_on(ANY))]
    with serving(*apps, folder=folder) as servers:
        for server in servers:
            server.wait_until_ready()
        pids = [_pid(server) for server in servers]
        assert str(servers[0].port) in repr(servers[0])
    assert len({os.getpid(), *pids}) == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_ctrl_c_does_not_disturb_the_end() -> None:
    """Closing goes on when somebody is impatient, and Ctrl-C works again afterwards."""
    with _undisturbed():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_server_that_does_not_end(folder: Path) -> None:
    """A process that ignores the end of its lifeline is killed when its time is over."""
    server = Server("small:app", listen_on(ANY), folder)
    server.wait_until_ready()
    os.kill(pid := _pid(server), signal.SIGSTOP)
    server.close(timeout_s=0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_app_that_cannot_be_started(folder: Path) -> None:
    """What the process wrote is the reason; lines of JSON are left out when there is more."""
    with (
        serving(("broken:app", listen_on(ANY)), folder=folder) as servers,
        pytest.raises(DemoError, match=r"broken:app could not be started:\n(.*\n)*.*out of order") as caught,
    ):
        servers[0].wait_until_ready()
    assert "{}" not in str(caught.value)


def test_an_app_that_says_nothing(folder: Path) -> None:
    """A process that ends without a word is told as such."""
    with (
        serving(("mute:app", listen_on(ANY)), folder=folder) as servers,
        pytest.raises(DemoError, match=r"\(it wrote nothing\)"),
    ):
        servers[0].wait_until_ready()


def test_a_server_that_ends_by_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever waits for a server learns its status and last words; all are shown as they come."""
    with serving(("small:app", listen_on(ANY)), folder=folder) as (server,):
        server.wait_until_ready()
        server.show_output()
        with pytest.raises(DemoError, match="could not be started"):
            server.wait_until_ready("/die")
        with pytest.raises(DemoError, match=r"ended by itself \(status 9\):\n(.*\n)*.*asked for /die"):
            server.wait()
    assert "asked for /die" in capsys.readouterr().err


def test_the_lifeline_ends_a_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server finds its app in the working directory, and shuts down when its standard input ends."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.path", list(sys.path))
    reading, writing = os.pipe()
    answers: list[int] = []
    with os.fdopen(reading) as lifeline, listen_on(ANY) as listener:
        monkeypatch.setattr("sys.stdin", lifeline)

        def ask_and_hang_up() -> None:
            with urllib.request.urlopen(f"http://127.0.0.1:{port_of(listener)}", timeout=30) as answer:
                answers.append(answer.status)
            os.close(writing)

        client = threading.Thread(target=ask_and_hang_up)
        client.start()
        main(["small:app", str(os.dup(listener.fileno()))])
        client.join()
    assert answers == [200]
    assert sys.path[0] == str(folder)
