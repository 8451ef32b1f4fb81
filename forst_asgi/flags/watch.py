"""Keeps a worker up to date with the state file: one look every quarter of a second, by `stat`.

What is known stays in force when the file goes missing or cannot be read; to it come the kills that can be
told of a file that is broken otherwise, until there is a whole one again. Before anything is known, a file
that is missing means that nothing was changed; one that cannot be read may hold a kill, so nothing is known.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

from forst_asgi.errors import StateError
from forst_asgi.events import FlagsUnreadable
from forst_asgi.flags.file import BrokenState, Signature, StateFile
from forst_asgi.flags.state import EMPTY, State, with_kills
from forst_asgi.interfaces import Observer

INTERVAL_S: Final = 0.25

Knowledge: TypeAlias = tuple[State | None, Signature | None, bool, str | None]


class StateWatch:
    """Looks at the state file, at once when told to and regularly once started.

    Args:
        file: the file.
        apply: called with each new state; with None when there is a file that never could be read.
        observer: told when the file cannot be used.
        interval_s: how long between two looks.

    Attributes:
        known: the state that is in force; None when there is one that nobody can read.
    """

    def __init__(
        self,
        file: StateFile,
        apply: Callable[[State | None], None],
        observer: Observer,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._file = file
        self._tell = apply
        self.known: State | None = EMPTY
        self._observer = observer
        self._interval_s = interval_s
        self._seen: Signature | None = None
        self._is_known = False
        self._problem: str | None = None
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        state = "running" if self._task is not None else "not started"
        return f"<StateWatch {self._file.path} {state}>"

    @property
    def knowledge(self) -> Knowledge:
        """What is known of the file, for `take_over`."""
        return self.known, self._seen, self._is_known, self._problem

    def take_over(self, knowledge: Knowledge) -> None:
        """Go on from what another one knows of the same file; it is not applied."""
        self.known, self._seen, self._is_known, self._problem = knowledge

    def rest(self) -> None:
        """Stop looking from now on; in the event loop that looks."""
        if self._task is not None and not self._task.get_loop().is_closed():
            self._task.cancel()

    def start(self) -> None:
        """Begin to look regularly, in the running event loop; idempotent as long as that loop lives."""
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop().is_closed():
            self._task = loop.create_task(self._run(), name="forst flags")

    async def aclose(self) -> None:
        """Stop looking, also when another event loop does it."""
        task, self._task = self._task, None
        if task is None or task.get_loop().is_closed():
            return
        if task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task])
        else:
            task.get_loop().call_soon_threadsafe(task.cancel)

    def look(self) -> None:
        """Look once: if the file is another than before, take in its state."""
        try:
            signature = self._news()
            if signature is not None:
                self._take(signature, self._file.read())
        except StateError as error:
            self._fail(error)

    async def _run(self) -> None:
        while True:
            try:
                await self._look_beside()
            except Exception as error:  # noqa: BLE001 - an observer's mistake; the next kill has to be seen
                trouble = {"message": f"forst: {self._file.path}", "exception": error}
                asyncio.get_running_loop().call_exception_handler(trouble)
            await asyncio.sleep(self._interval_s)

    async def _look_beside(self) -> None:
        """Look once; what there is to read is read in a thread, since it may be long."""
        try:
            signature = self._news()
            if signature is not None:
                self._take(signature, await asyncio.to_thread(self._file.read))
        except StateError as error:
            self._fail(error)

    def _news(self) -> Signature | None:
        """Return what tells the file from others if it has to be read, else None."""
        signature = self._file.signature()
        if signature is None:
            self._miss()
            return None
        return signature if signature != self._seen or self._problem is not None else None

    def _apply(self, state: State | None) -> None:
        self.known = state
        self._tell(state)

    def _miss(self) -> None:
        if self._is_known:
            self._complain("is gone; what it said stays in force")
        elif self._problem is not None:
            self._problem = None  # somebody took away what could not be read
            self._apply(EMPTY)

    def _take(self, signature: Signature, state: State | None) -> None:
        if state is None:
            return  # it went just now; the next look will tell
        self._seen, self._problem, self._is_known = signature, None, True
        self._apply(state)

    def _fail(self, error: StateError) -> None:
        """Put the kills in force that can be told, and say what is wrong."""
        if isinstance(error, BrokenState) and self._is_known:
            state = with_kills(self.known or EMPTY, error.kills)
            if state != self.known:
                self._apply(state)
        self._complain(str(error))

    def _complain(self, problem: str) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        path = str(self._file.path)
        self._observer.observe(FlagsUnreadable(path, problem.removeprefix(f"{path}: ")))
        if not self._is_known:
            self._apply(None)
