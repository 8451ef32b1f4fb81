"""How `forst-asgi reload` reaches the workers of a server."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from forst_asgi.reload.reception import Reception, ask_workers

SOURCE = "/app/forst.toml"


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the workers meet."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


async def echo(message: dict[str, Any]) -> dict[str, Any]:
    """Answer with the question."""
    return {"pid": os.getpid(), **message}


def test_every_worker_answers(base: Path) -> None:
    """Each worker of a configuration is asked, those of another are not, and nothing is left in the end."""

    async def main() -> None:
        ours, others = [Reception(SOURCE, echo), Reception(SOURCE, echo)], Reception("/else", echo)
        for reception in (*ours, others):
            reception.open()
            assert "open" in repr(reception)
        assert await ask_workers(SOURCE, {"do": "it"}, 30) == [{"pid": os.getpid(), "do": "it"}] * 2
        for reception in (*ours, others):
            await reception.aclose()
            await reception.aclose()
            assert "closed" in repr(reception)
        assert await ask_workers(SOURCE, {"do": "it"}, 30) == []

    asyncio.run(main())
    assert list(base.iterdir()) == []


def leave_socket(base: Path) -> None:
    """Leave a socket in the workers' directory that nobody listens on."""
    [home] = base.iterdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(home / "1-dead.sock"))


def test_a_worker_that_has_died_is_left_out(base: Path) -> None:
    """A socket that nobody listens on any more is no worker."""

    async def main() -> None:
        living = Reception(SOURCE, echo)
        living.open()
        leave_socket(base)
        assert len(await ask_workers(SOURCE, {"do": "it"}, 30)) == 1
        await living.aclose()

    asyncio.run(main())


def test_a_worker_that_hangs_is_named(base: Path) -> None:
    """No answer in time is an answer: which process, and how long it was waited for."""

    async def main() -> None:
        never = asyncio.Event()

        async def hang(_: dict[str, Any]) -> dict[str, Any]:
            await never.wait()
            raise AssertionError("unreachable")

        hung = Reception(SOURCE, hang)
        hung.open()
        [answer] = await ask_workers(SOURCE, {"do": "it"}, 0.01)
        assert answer == {"pid": str(os.getpid()), "error": "no answer within 0.01 s"}
        await hung.aclose()

    asyncio.run(main())


def fork_has_let_go(reception: Reception) -> bool:
    """Fork, and return whether the child holds nothing of it."""
    home, door = reception._home, reception._door
    assert home is not None
    assert door is not None
    pid = os.fork()
    if pid == 0:  # pragma: no cover - a process of its own
        os._exit(0 if home._members_fd == -1 and door._socket.fileno() == -1 else 1)
    return os.waitpid(pid, 0)[1] == 0


def test_a_fork_keeps_nothing_alive(base: Path) -> None:
    """A child that the app forks holds neither the directory nor the socket."""

    async def main() -> None:
        reception = Reception(SOURCE, echo)
        reception.open()
        assert fork_has_let_go(reception)
        await reception.aclose()

    asyncio.run(main())
    Reception(SOURCE, echo).abandon()
