"""forst-asgi reload: telling servers that run to take in their file."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forst_asgi.config import load
from forst_asgi.reload import Succession
from forst_asgi.reload.reception import Reception
from forst_asgi.runtime import Runtime

FILE = """\
[sidecar]
address = "http://127.0.0.1:9"

[[route]]
id = "one"
path = "/one"
mode = "on"
auth = "none"
"""
GUARDED = FILE.replace('"none"', '"operator:not_"')


class Worker(threading.Thread):
    """A worker in another thread, as it would be in another process."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.succession = Succession(Runtime(load(path)), lambda _: None)

    def run(self) -> None:
        """Live until `end`."""
        self.loop.run_forever()

    def begin(self) -> None:
        """Start it."""
        self.start()
        asyncio.run_coroutine_threadsafe(self.succession.start(), self.loop).result(60)

    def end(self) -> None:
        """End it."""
        asyncio.run_coroutine_threadsafe(self.succession.aclose(), self.loop).result(60)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.join()
        self.loop.close()


@pytest.fixture
def workers(
    config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[list[Worker]]:
    """Two workers with the same guarded file."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = config(GUARDED)
    workers = [Worker(path), Worker(path)]
    for worker in workers:
        worker.begin()
    yield workers
    for worker in workers:
        worker.end()


def test_all_workers_take_the_file_in(
    invoke: Callable[..., Any], workers: list[Worker], config: Callable[[str], Path]
) -> None:
    """Each worker says what it has in force; once it has it already, that too."""
    config(GUARDED + 'timeout = "2s"\n')
    done = invoke("reload")
    assert done.exit_code == 0, done.output
    generation = workers[0].succession.current.generation
    assert [line.split(": ")[1] for line in done.stdout.splitlines()] == [
        f"reloaded, has generation {generation}"
    ] * 2
    assert invoke("reload").stdout.count("unchanged, has generation") == 2
    shown = invoke("reload", "--status").stdout
    assert shown.count(generation) == 3
    told = json.loads(invoke("reload", "--json").stdout)
    assert told["generation"] == generation
    assert {each["outcome"] for each in told["workers"]} == {"unchanged"}


def test_what_is_refused_is_told_once(
    invoke: Callable[..., Any], workers: list[Worker], config: Callable[[str], Path]
) -> None:
    """The reason stands there once for all workers that have it, with the way to apply it all the same."""
    config(FILE)
    refused = invoke("reload")
    assert refused.exit_code == 1
    assert refused.stderr.count("would be dropped") == 1
    assert "stays in force" in refused.stderr
    assert "forst-asgi reload --allow" in refused.stderr
    assert invoke("reload", "--allow").exit_code == 0
    assert invoke("reload").stdout.count("unchanged") == 2


def test_a_file_with_a_mistake_reaches_nobody(
    invoke: Callable[..., Any], workers: list[Worker], config: Callable[[str], Path]
) -> None:
    """The command itself finds the mistake, and no worker is asked."""
    config(FILE.replace("mode", "mood"))
    failed = invoke("reload")
    assert failed.exit_code == 1
    assert "unknown key" in failed.stderr
    assert workers[0].succession._problem is None


def test_an_error_of_a_worker_is_shown(
    invoke: Callable[..., Any], workers: list[Worker], config: Callable[[str], Path]
) -> None:
    """A worker of another version, which does not understand, is told of with its process number."""
    first = workers[0]

    async def answer(_: dict[str, Any]) -> dict[str, Any]:
        return await first.succession._answer({"do": "dance"})

    async def open_another() -> Reception:
        other = Reception(str(config(GUARDED)), answer)
        other.open()
        return other

    other = asyncio.run_coroutine_threadsafe(open_another(), first.loop).result(60)
    failed = invoke("reload")
    asyncio.run_coroutine_threadsafe(other.aclose(), first.loop).result(60)
    assert failed.exit_code == 1
    assert f"process {os.getpid()}: not understood: {{'do': 'dance'}}" in failed.stderr
    assert failed.stdout.count("unchanged") == 2


def test_where_nobody_runs(
    invoke: Callable[..., Any], config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a server the error says where it was looked for, and what cannot be reloaded."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    config(FILE.replace('address = "http://127.0.0.1:9"', 'build = "go build -o {out} ."'))
    failed = invoke("reload")
    assert failed.exit_code == 1
    assert "no server on this host runs from this file" in failed.stderr
    assert "built in Python" in failed.stderr
