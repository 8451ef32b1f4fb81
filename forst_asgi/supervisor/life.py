"""One life of the sidecar: a process, the seat that it has, and how it proves that it is the one."""

import asyncio
import errno
import os
import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from forst_asgi.interfaces import Observer
from forst_asgi.supervisor.asking import READY_PATH, Predecessor, Question, Stranger, ask, judge
from forst_asgi.supervisor.place import Place
from forst_asgi.supervisor.policy import Rules, Signal
from forst_asgi.supervisor.seats import Seat
from forst_asgi.supervisor.sidecar import Sidecar
from forst_asgi.supervisor.spec import SidecarSpec

RECHECK_S = 0.1  # how soon a process that gave no answer is asked again
GLANCE_S = 0.1  # how long to ask at a listener of ours that the program may not have taken
SUSPENDED_S = 0.25  # who suspends a process for a moment only is not meant
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})  # what we lack, not the sidecar
LATE_S = 0.25  # a timer that comes so late tells of our own loop's delay, not of the sidecar's


@dataclass(frozen=True, slots=True)
class Care:
    """How a sidecar is looked after; durations are in seconds.

    Attributes:
        ready_path: what is asked for, and has to be answered with 2xx; None for READY_PATH, which may be
            answered with anything.
        interval_s: between two probes of one that is ready; 0 for none at all.
        timeout_s: how long an answer may take.
        rules: the numbers of the policy.
    """

    ready_path: str | None = None
    interval_s: float = 1.0
    timeout_s: float = 1.0
    rules: Rules = field(default_factory=Rules)


class Life:
    """A process from its start to its end.

    Args:
        spec: what to run; where it listens and its nonce are filled in here.
        care: how it is looked after.
        seat: where it listens.
        observer: told what happens to it.
        earlier: the nonces of processes before it.

    Attributes:
        sidecar: the process.
        seat: where it listens.
        place: where it answered, once it did.
        build: what it says it was built from.
        nonce: what it was given to prove itself.
    """

    def __init__(
        self,
        spec: SidecarSpec,
        care: Care,
        seat: Seat,
        observer: Observer,
        earlier: frozenset[str] = frozenset(),
    ) -> None:
        self.nonce = secrets.token_hex(16)
        self.seat = seat
        self.place: Place | None = None
        self.build: str | None = None
        self._care = care
        is_any_good = care.ready_path is None
        self._question = Question(care.ready_path or READY_PATH, is_any_good, self.nonce, earlier=earlier)
        fd = None if seat.listener is None else seat.listener.fileno()
        whole = replace(spec, listen=str(seat.listen), listener_fd=fd, nonce=self.nonce)
        self.sidecar = Sidecar(whole, self._is_ready, observer)

    def __repr__(self) -> str:
        return f"<Life {self.sidecar!r} at {self.place}>"

    async def check(self, public: Place) -> tuple[Signal, str] | None:
        """Return what the process says now, with the reason if it is not well; None if that cannot be told.

        It ends when the process does: the question would wait in our listener's backlog then, for the next
        process, and that one for us.

        Args:
            public: where requests go, so that a process that took the place of ours is noticed.
        """
        if await self._is_suspended():
            return Signal.SUSPENDED, "is suspended, by SIGSTOP or the like"
        looking = asyncio.create_task(self._look(public))
        ends: set[asyncio.Future[Any]] = {looking, self.sidecar.exited}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return looking.result() if looking.done() else None
        finally:
            looking.cancel()

    async def _look(self, public: Place) -> tuple[Signal, str] | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._care.timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                is_ready = await self._ask(public)
        except Predecessor:
            return None
        except Stranger as stranger:
            return Signal.DECLINED, str(stranger)
        except TimeoutError:
            if loop.time() > deadline + LATE_S:
                return None
            return Signal.SILENT, f"no answer within {self._care.timeout_s:g} s"
        except OSError as error:
            silence = Signal.SILENT, f"cannot be asked: {error.strerror or error}"
            return None if error.errno in _OURS else silence
        return (Signal.ANSWERED, "") if is_ready else (Signal.DECLINED, "answers as not ready")

    async def _is_suspended(self) -> bool:
        if not self.sidecar.is_suspended:
            return False
        await asyncio.sleep(SUSPENDED_S)
        return self.sidecar.is_suspended

    async def _is_ready(self) -> bool:
        """Ask a process that starts, wherever it may answer."""
        place = self._likely_place()
        if place is self.seat.places[0]:
            return await self._ask(place)
        async with asyncio.timeout(GLANCE_S):
            return await self._ask(place)

    def _likely_place(self) -> Place:
        """Return the first place where there is a socket; the last one is ours and always there."""
        *others, last = self.seat.places
        return next((place for place in others if os.path.lexists(place.path)), last)

    async def _ask(self, place: Place) -> bool:
        pid = self.sidecar.pid
        answer = await ask(place, self._question.path)
        if not judge(answer, self._question, pid or 0):
            return False
        if self.place is None:
            self.place, self.build = place, answer.build
            # From now on it has to show the nonce, if it knows of such a thing.
            self._question = replace(self._question, must_prove=answer.nonce is not None)
        return True
