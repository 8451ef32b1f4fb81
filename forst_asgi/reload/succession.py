"""One runtime after the other: reads the file again, and puts in force what it says, or leaves all as it is.

    read        the file, parsed and checked; every mistake is told
    check       whether something would get through by accident (`widening`)
    build       a runtime beside the one in force; upstreams that did not change are the very same objects
    start       the upstreams that are new, until they are ready
    swap        one reference; a request works with the runtime that it began with
    see off     the upstreams that are not in it any more, once no request uses them

Up to the swap nothing of this touches what is in force, so whatever fails, nothing has happened.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from forst_asgi.config import Config, ConfigError, load
from forst_asgi.development import is_on as is_development
from forst_asgi.errors import ForstError
from forst_asgi.events import ConfigRefused, ConfigReloaded, ConfigWarned
from forst_asgi.reload.hangup import Hangup, has_terminal
from forst_asgi.reload.reception import Message, Reception
from forst_asgi.reload.watch import FileWatch
from forst_asgi.reload.widening import check_widening
from forst_asgi.runtime import Runtime, Upstream, convert

Wish: TypeAlias = Literal["watch", "signal", "command"]
"""What made us read the file again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        pid: our process number.
        generation: what is in force now.
        outcome: "reloaded"; "unchanged", when the file says what is in force already; "refused".
        problem: why it was refused, every mistake on a line.
    """

    pid: int
    generation: str
    outcome: Literal["reloaded", "unchanged", "refused"]
    problem: str | None = None


class Succession:
    """The runtime in force, and whatever puts another in its place.

    Args:
        first: a runtime that was not started yet.
        install: called with each later one, as the step that puts it in force; must not fail.

    Attributes:
        current: the runtime in force.

    Raises:
        ConfigError: the file shall be watched, and there is none.
    """

    def __init__(self, first: Runtime, install: Callable[[Runtime], None]) -> None:
        self.current = first
        self._install = install
        self._file = None if first.config.source == "<python>" else Path(convert.source(first.config))
        self._problem: str | None = None
        self._turn = asyncio.Lock()
        self._leaving: dict[asyncio.Task[None], Upstream] = {}
        self._wishes: set[asyncio.Task[Outcome]] = set()
        if self._file is None:
            if first.config.reload.watch:
                raise ConfigError(
                    "reload.watch: a configuration that is built in Python has no file to watch"
                )
            return
        self._watch = FileWatch(self._file, lambda: self.reload("watch"))
        self._reception = Reception(str(self._file), self._answer)
        self._hangup = Hangup(self._hear, has_terminal)

    def __repr__(self) -> str:
        return f"<Succession of {self.current!r} leaving={len(self._leaving)}>"

    async def start(self) -> None:
        """Start the runtime, and be ready to replace it.

        Raises:
            SidecarError: it could not be started.
        """
        await self.current.start()
        if self._file is None:
            return
        self._turn = asyncio.Lock()
        await self._reception.aclose()
        try:
            self._reception.open()
        except ForstError as error:
            self.current.observer.observe(ConfigWarned("", f"forst-asgi reload cannot be used: {error}"))
        self._hangup.install()
        self._watch_if_wanted()

    async def aclose(self) -> None:
        """Close the runtime, and the upstreams that are leaving; a later `start` begins anew."""
        if self._file is not None:
            self._hangup.remove()
            await self._watch.aclose()
            await self._reception.aclose()
        for wish in self._wishes:
            wish.cancel()
        for upstream in self._leaving.values():
            upstream.hurry()
        if last := {*self._wishes, *self._leaving}:
            await asyncio.wait(last)
        await self.current.aclose()

    async def reload(self, by: Wish, *, allows_all: bool = False) -> Outcome:
        """Read the file again and put in force what it says; whatever is wrong with it is told.

        Args:
            by: what made us.
            allows_all: whether routes may become wider, and lose their guards.
        """
        async with self._turn:
            try:
                return await self._replace(by, allows_all=allows_all)
            except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on as it did
                return self._refuse(by, error)

    async def _replace(self, by: Wish, *, allows_all: bool) -> Outcome:
        before = self.current
        # In threads: a long file takes a while, and requests shall not wait for it.
        config = await asyncio.to_thread(self._read)
        if convert.generation(config) == before.generation:
            if by != "watch" or self._problem is not None:
                self._tell(by, before, before)
            return self._outcome("unchanged")
        if not allows_all:
            check_widening(before.config, config)
        successor = await asyncio.to_thread(before.successor, config)
        await successor.start_after(before)
        self._swap(successor)
        self._tell(by, before, successor)
        return self._outcome("reloaded")

    def _read(self) -> Config:
        config = load(self._file)
        if not config.model_fields_set:
            raise ConfigError(f"{config.source}: says nothing; what is in force stays in force")
        return config

    def _swap(self, successor: Runtime) -> None:
        before, self.current = self.current, successor
        self._install(successor)
        for upstream in before.leave_to(successor):
            task = asyncio.get_running_loop().create_task(upstream.retire(), name="forst drain")
            self._leaving[task] = upstream
            task.add_done_callback(self._forget)
        self._watch_if_wanted()

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._leaving.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.current.observer.observe(ConfigWarned("", f"closing an upstream that is gone: {error}"))

    def _watch_if_wanted(self) -> None:
        # Who is at work on the sidecar is at work on this file too.
        if self.current.config.reload.watch or is_development(os.environ):
            self._watch.start()
        else:
            self._watch.rest()

    # -- who wishes, and what is told ----------------------------------------------------------------

    def _hear(self) -> None:
        task = asyncio.get_running_loop().create_task(self.reload("signal"), name="forst reload")
        self._wishes.add(task)
        task.add_done_callback(self._wishes.discard)

    async def _answer(self, message: Message) -> Message:
        match message:
            case {"do": "reload", "allow": bool(allows_all)}:
                return asdict(await self.reload("command", allows_all=allows_all))
            case {"do": "status"}:
                return asdict(self._outcome("unchanged"))
            case _:
                return {"pid": os.getpid(), "error": f"not understood: {message}"}

    def _outcome(self, outcome: Literal["reloaded", "unchanged"]) -> Outcome:
        return Outcome(os.getpid(), self.current.generation, outcome)

    def _refuse(self, by: Wish, error: Exception) -> Outcome:
        problem = str(error) if isinstance(error, ForstError) else f"{type(error).__name__}: {error}"
        if by != "watch" or problem != self._problem:
            source = self.current.config.source
            self.current.observer.observe(ConfigRefused(source, self.current.generation, by, problem))
        self._problem = problem
        return Outcome(os.getpid(), self.current.generation, "refused", problem)

    def _tell(self, by: Wish, before: Runtime, after: Runtime) -> None:
        self._problem = None
        routes, upstreams = _changed(before.config, after.config)
        after.observer.observe(ConfigReloaded(after.config.source, after.generation, by, routes, upstreams))
        if after is not before:
            after.warn()


def _changed(before: Config, after: Config) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which routes and upstreams are new, other than before or gone."""
    routes = _differing({each.id: each for each in before.routes}, {each.id: each for each in after.routes})
    return routes, _differing({**convert.all_upstreams(before)}, {**convert.all_upstreams(after)})


def _differing(before: dict[str, object], after: dict[str, object]) -> tuple[str, ...]:
    names = {**before, **after}
    return tuple(name for name in names if before.get(name) != after.get(name))
