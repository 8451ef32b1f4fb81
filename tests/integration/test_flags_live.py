"""Flags that change under load: four workers of a real server, the real command, the real state file."""

import http.client
import json
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forst_asgi.decision import bucket_of

WORKERS = 4
PATIENCE_S = 60.0

APP = """
import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from forst_asgi import SidecarMiddleware

def answering(text):
    async def answer(request):
        ours = [name for name in request.headers if name.startswith("x-forst-")]
        return PlainTextResponse(" ".join([text, text, text, *ours]))
    return Starlette(routes=[Route("/who", answer)])

transports = {"sidecar": httpx.ASGITransport(answering("sidecar"))}
app = SidecarMiddleware(answering("app"), "forst.toml", transports=transports)
"""

CONFIG = """
[sidecar]
address = "http://sidecar"

[[route]]
id = "who"
path = "/who"
mode = "on"
auth = "none"
stick = ["header:x-user-id"]
"""


class Server:
    """Four workers, with the events that they log."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = ""

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def line(self) -> str:
        """Return the next line."""
        line = self._lines.get(timeout=PATIENCE_S)
        if line is None:
            pytest.fail("the server is gone")
        return line

    def wait_until_up(self) -> None:
        """Return when every worker has started."""
        started = 0
        while started < WORKERS:
            line = self.line()
            started += "Application startup complete" in line
            if found := re.search(r"running on (http://\S+)", line):
                self.url = found[1]

    def wait_for_change(self) -> list[str]:
        """Return what is in force, as each worker says when it knows of a change."""
        told: list[str] = []
        while len(told) < WORKERS:
            line = self.line()
            if line.startswith("{") and json.loads(line)["event"] == "forst.flag.changed":
                told.append(json.loads(line)["mode"])
        return told

    def command(self, *arguments: str) -> str:
        """Run forst-asgi in the folder of the configuration."""
        command = [sys.executable, "-m", "forst_asgi", *arguments]
        return subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=True).stdout

    def stop(self) -> None:
        """Let it end."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of four workers."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "live_app.py").write_text(APP)
    (folder / "forst.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "uvicorn", "live_app:app", "--port", "0", "--workers", str(WORKERS)]
    command.append("--no-access-log")
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        made = Server(process, folder)
        try:
            made.wait_until_up()
            yield made
        finally:
            made.stop()


def get(url: str, **headers: str) -> tuple[int, str]:
    """Ask once, on a connection of its own, so that every worker gets some; return status and body."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE_S)
    try:
        connection.request(
            "GET", "/who", headers={name.replace("_", "-"): each for name, each in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Load:
    """Requests from several users, over and over."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_over = threading.Event()
        self.answers: list[tuple[int, str]] = []
        self.was_answered = threading.Semaphore(0)

    def run(self) -> None:
        """Ask until it is over."""
        while not self._is_over.is_set():
            self.answers.append(get(self._url, x_user_id=f"u{len(self.answers) % 50}"))
            self.was_answered.release()

    def wait_for(self, count: int) -> None:
        """Return when so many more answers came."""
        for _ in range(count):
            assert self.was_answered.acquire(timeout=PATIENCE_S)

    def end(self) -> None:
        """Ask no more."""
        self._is_over.set()


@contextmanager
def load(url: str) -> Iterator[Load]:
    """Keep two threads asking."""
    made = Load(url)
    threads = [threading.Thread(target=made.run) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.end()
        for thread in threads:
            thread.join(PATIENCE_S)


def ask(server: Server, count: int, **headers: str) -> set[str]:
    """Return who answers so many requests."""
    return {get(server.url, **headers)[1].split()[0] for _ in range(count)}


@pytest.mark.slow
def test_all_workers_follow_under_load(server: Server) -> None:
    """Each change is in force in every worker once it says so; no answer is lost or comes from two sides."""
    steps = [
        (["flag", "set", "who", "off", "--why", "a"], "off", {"app"}),
        (["flag", "set", "who", "on", "--why", "b"], "on", {"sidecar"}),
        (["kill", "who", "--why", "c"], "killed", {"app"}),
        (["unkill", "who", "--why", "d"], "on", {"sidecar"}),
    ]
    with load(server.url) as going:
        for arguments, shown, who in steps:
            going.wait_for(20)
            server.command(*arguments)
            assert server.wait_for_change() == [shown] * WORKERS
            assert ask(server, 20) == who
    assert {status for status, _ in going.answers} == {200}
    assert {text for _, text in going.answers} <= {"app app app", "sidecar sidecar sidecar"}


@pytest.mark.slow
def test_a_user_stays_on_one_side_in_every_worker(server: Server) -> None:
    """A canary parts users alike in all workers, and a larger one keeps those who are in."""
    names = [f"u{number}" for number in range(8)]
    buckets = {name: bucket_of("canary", "who", name) for name in names}
    for percent in (30, 80):
        server.command("flag", "set", "who", "canary", str(percent), "--why", "more")
        assert server.wait_for_change() == [f"canary {percent} %"] * WORKERS
        found = {name: ask(server, 6, x_user_id=name) for name in names}
        assert found == {name: {"sidecar" if buckets[name] < percent * 100 else "app"} for name in names}
        assert ask(server, 6) == {"app"}
    server.command("flag", "set", "who", "on", "--why", "all")
    assert server.wait_for_change() == ["on"] * WORKERS


@pytest.mark.slow
def test_headers_of_an_attacker_do_nothing(server: Server) -> None:
    """No x-forst-* field of a client has a say, and none reaches the sidecar."""
    fields = {
        "x_forst_route": "app",
        "x_forst_decision": "app",
        "x_forst_identity": "e30",
        "x_forst_mode": "off",
    }
    for _ in range(8):
        assert get(server.url, **fields) == (200, "sidecar sidecar sidecar")
