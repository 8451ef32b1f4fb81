"""Where `forst-asgi reload` reaches the workers of a server: each has a socket in a directory of theirs.

The directory is one as the sidecar's is (`supervisor.home`): private, found by the configuration file, one
for each server that runs from it. There is one whether or not a sidecar is started. Each line is a message:

    to a worker     {"do": "status"}                          answered with its generation
                    {"do": "reload", "allow": false}          answered when that is done
    from a worker   {"pid": 1, "generation": "...", ...}      as `succession.Outcome` has it
                    {"error": "..."}
"""

import asyncio
import contextlib
import os
import secrets
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from forst_asgi.supervisor import HomeKey, find_homes
from forst_asgi.supervisor.channel import Channel, Door, knock
from forst_asgi.supervisor.home import Home, move_in

WORKERS: Final = ":workers"
"""In place of an upstream's name, which has no colon."""

Message: TypeAlias = dict[str, Any]


class Reception:
    """One worker's socket.

    Args:
        source: what the workers of one server have in common (`runtime.convert.source`).
        answer: returns the answer to a message.
    """

    def __init__(self, source: str, answer: Callable[[Message], Awaitable[Message]]) -> None:
        self._source = source
        self._answer = answer
        self._home: Home | None = None
        self._door: Door | None = None
        self._visitors: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Reception of {self._source} {'open' if self._door else 'closed'}>"

    def open(self) -> None:
        """Be reachable, in the running event loop.

        Raises:
            SidecarError: there is no place for the directory.
        """
        self._home = move_in(HomeKey(self._source, WORKERS))
        name = f"{os.getpid()}-{secrets.token_hex(2)}.sock"
        self._door = Door(self._home.path / name, self._welcome)
        ours = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _abandon(ours))

    async def aclose(self) -> None:
        """Be gone; idempotent."""
        door, self._door = self._door, None
        home, self._home = self._home, None
        if door is not None:
            door.close()
        for visitor in self._visitors:
            visitor.cancel()
        if self._visitors:
            await asyncio.wait(self._visitors)
        if home is not None:
            home.leave()

    def abandon(self) -> None:
        """Let go of everything in a forked process, so that it keeps nothing alive."""
        if self._door is not None:
            self._door.abandon()
        if self._home is not None:
            self._home.abandon()

    def _welcome(self, channel: Channel) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(channel))
        self._visitors.add(task)
        task.add_done_callback(self._visitors.discard)

    async def _serve(self, channel: Channel) -> None:
        try:
            while (message := await channel.receive()) is not None:
                channel.send(await self._answer(message))
        finally:
            channel.close()


async def ask_workers(source: str, message: Message, patience_s: float) -> list[Message]:
    """Return what each worker of each server that runs from a configuration answers, by process number.

    Args:
        source: see `Reception`.
        message: what to ask.
        patience_s: how long an answer may take.
    """
    homes = find_homes(HomeKey(source, WORKERS))
    doors = [path for home in homes for path in sorted(home.glob("*.sock"))]
    answers = await asyncio.gather(*(_ask(door, message, patience_s) for door in doors))
    return sorted((answer for answer in answers if answer is not None), key=lambda each: int(each["pid"]))


async def _ask(door: Path, message: Message, patience_s: float) -> Message | None:
    channel = knock(door)
    if channel is None:
        return None  # its worker has died
    try:
        channel.send(message)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                return await channel.receive()
        return {"pid": door.name.partition("-")[0], "error": f"no answer within {patience_s:g} s"}
    finally:
        channel.close()


def _abandon(reference: "weakref.ref[Reception]") -> None:
    reception = reference()
    if reception is not None:
        reception.abandon()
