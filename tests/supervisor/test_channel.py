"""The connection between two workers, and who is at its other end."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import pytest

from forst_asgi.supervisor.channel import Channel
from forst_asgi.supervisor.leftover import see_gone

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]


def test_a_stranger_with_the_number_is_left_alone(run: Run) -> None:
    """A process with the number of the old one but not its nonce is not killed; none at all is no error."""

    async def main() -> None:
        with subprocess.Popen(["sleep", "60"]) as stranger:  # noqa: ASYNC220 - it is killed below
            await see_gone(stranger.pid, "nonce", 0.0)
            await see_gone(stranger.pid, "", 0.0)
            assert stranger.poll() is None
            stranger.kill()
        await see_gone(stranger.pid, "nonce", 0.0)

    run(main())


def test_messages_that_are_none_end_a_channel(run: Run) -> None:
    """Junk, endless lines and a reader that does not read end the connection; nothing is raised."""

    async def main() -> None:
        for junk in (b"{not json\n", b"[1]\n", b"x" * (1 << 21)):
            ours, theirs = socket.socketpair()
            channel = Channel(ours)
            theirs.setblocking(True)  # noqa: FBT003 - the only way to say it
            sending = asyncio.to_thread(send_all, theirs, junk)
            assert (await asyncio.gather(channel.receive(), sending))[0] is None
            assert channel.is_closed
            assert "closed" in repr(channel)
            channel.close()
            theirs.close()
        ours, theirs = socket.socketpair()
        channel = Channel(ours)
        for _ in range(10_000):
            channel.send({"much": "x" * 1000})
        assert channel.is_closed
        theirs.close()

    run(main())


def test_our_copy_of_a_channel_is_only_closed() -> None:
    """In a forked process nothing but the descriptor is touched; the other end sees no end of file by it."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        copy = socket.socket(fileno=os.dup(ours.fileno()))
        channel = Channel(ours)
        channel.abandon()
        channel.close()
        theirs.setblocking(False)  # noqa: FBT003 - the only way to say it
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
        copy.close()
        assert theirs.recv(1) == b""
        theirs.close()

    asyncio.run(main())  # uvloop aborts when a descriptor that it watches is closed; here no loop runs on


def send_all(to: socket.socket, data: bytes) -> None:
    """Send as much as is taken."""
    try:
        to.sendall(data)
    except OSError:
        return


def test_descriptors_travel(run: Run, count_fds: Callable[[], int]) -> None:
    """A descriptor arrives as another one for the same file, only the last is kept, and none leaks."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        sender, receiver = Channel(ours), Channel(theirs)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for _ in range(3):
                sender.send({"a": 1}, [listener.fileno()])
            for _ in range(3):
                assert await receiver.receive() == {"a": 1}
            fd = receiver.take_fd()
            assert fd is not None
            assert not os.get_inheritable(fd)
            with socket.socket(fileno=fd) as copy:
                assert copy.getsockname() == listener.getsockname()
            assert receiver.take_fd() is None
            sender.send({"b": 1}, [listener.fileno()])
            assert await receiver.receive() == {"b": 1}
        sender.close()
        receiver.close()
        sender.send({"c": 1})

    before = count_fds()
    run(main())
    assert count_fds() == before
