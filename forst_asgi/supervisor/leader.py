"""The worker that runs the sidecar, and what it tells the others.

Each line on the control socket is one message:

    to the leader     {"do": "follow"}             tell me where the sidecar stands, from now on
                      {"heard": generation}        I have let go of the connections to earlier ones
                      {"do": "status"}             tell me once
                      {"do": "restart"}            replace the process; answered when that is done
    from the leader   {"standing": {...}}          with our listener as a descriptor, where there is one
                      {"moved": true}              we meet in a new folder, because the old one was removed
                      {"is_resigning": true}       I am going; my process goes when you have another
                      {"ok": true} {"error": "..."}

Followers get the secret and the listener, so that each of them can go on from where the leader ended. They
are processes of our own user, by the word of the kernel.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forst_asgi.errors import SidecarError
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor.building import BuildSpec
from forst_asgi.supervisor.channel import Channel, Door, knock
from forst_asgi.supervisor.home import Home, Lock
from forst_asgi.supervisor.keeper import LINGER_S, Keeper
from forst_asgi.supervisor.life import Care
from forst_asgi.supervisor.policy import State
from forst_asgi.supervisor.seats import Seats
from forst_asgi.supervisor.spec import SidecarSpec
from forst_asgi.supervisor.standing import Standing
from forst_asgi.supervisor.unforeseen import told
from forst_asgi.supervisor.workshop import Workshop

CONTROL = "control"
HEARD_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 2.0
SUCCESSION_S = 0.2
"""How long a follower hesitates when its leader resigns: if the whole server ends, it is gone by then."""
VACANT_S = 1.0
"""After how much time without a leader nobody will become one."""
PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Charge:
    """What a leader is in charge of.

    Attributes:
        spec: what to run.
        care: how it is looked after.
        seats: where it listens.
        build: how the program is built, if that is ours to do.
        waits: whether a first start that fails is not the end; see `SupervisorSpec`.
    """

    spec: SidecarSpec
    care: Care
    seats: Seats
    build: BuildSpec | None = None
    waits: bool = False


class Leader:
    """Runs the sidecar for all workers.

    Attributes:
        home: where they meet.
        keeper: what keeps it running.

    Args:
        home: where they meet.
        lock: what makes us the leader; let go of in the end.
        charge: what to run.
        observer: told what happens.
        note: told where the sidecar stands, before the other workers are.
    """

    def __init__(
        self, home: Home, lock: Lock, charge: Charge, observer: Observer, note: Callable[[Standing], None]
    ) -> None:
        self.home = home
        self._lock = lock
        self._charge = charge
        self._note = note
        self._followers: dict[Channel, int] = {}
        self._visitors: set[asyncio.Task[None]] = set()
        self._was_heard = asyncio.Event()
        self.keeper = Keeper(charge.spec, charge.care, charge.seats, observer, self)
        self._workshop = None if charge.build is None else Workshop(charge.build, self.keeper, observer)
        self._door = Door(home.path / CONTROL, self._welcome)

    def __repr__(self) -> str:
        return f"<Leader of {len(self._followers)} {self.keeper!r}>"

    @property
    def is_followed(self) -> bool:
        """Whether other workers use our process."""
        return bool(self._followers)

    @property
    def seats(self) -> Seats:
        """Where processes listen."""
        return self._charge.seats

    async def start(self) -> None:
        """Build the program if that is ours to do, start it, and return when it is ready.

        Raises:
            SidecarError: it could not be built, or did not become ready, and we do not wait until it can.
        """
        try:
            if self._workshop is not None:
                await self._workshop.prepare()
            await self.keeper.start()
        except SidecarError as error:
            if not self._charge.waits:
                raise
            self.keeper.stand_by(str(error))
        self.watch()

    def take_over(self, last: Standing, *, is_alive: bool) -> None:
        """Go on from where another leader ended; see `Keeper.take_over`."""
        self.keeper.take_over(last, is_alive=is_alive)
        self.watch()

    def watch(self) -> None:
        """Build the program anew whenever its source changes, where that is wanted."""
        if self._workshop is not None:
            self._workshop.watch()

    async def restart(self) -> None:
        """Replace the process by a new one, of a program that was built anew if that is ours to do.

        Raises:
            SidecarError: it could not be built, or did not become ready; the one before goes on if it can.
        """
        if self._workshop is not None:
            await self._workshop.build()
        await self.keeper.restart()

    # -- what others find us by (`upkeep`) ----------------------------------------------------------

    def missing(self) -> Path | None:
        """Return a file of ours that is not there any more, None when all is well."""
        if not self.home.is_there:
            return self.home.members
        if not self._lock.is_still(self.home.leader):
            return self.home.leader
        if not self._door.is_there:
            return self.home.path / CONTROL
        return Path(self._charge.seats.public.path) if self._is_cut_off else None

    async def restore(self, home: Home) -> bool:
        """Lead in a home, with everything that is missing; tell whether we still lead.

        Raises:
            OSError: it cannot be made.
            SidecarError: nobody can connect to the process that runs, and no other becomes ready.
        """
        self.home = home
        self._lock.release()
        lock = home.try_lead()
        if lock is None:
            return False
        self._lock = lock
        self._door.close()
        self._door = Door(home.path / CONTROL, self._welcome)
        for follower in list(self._followers):
            follower.send({"moved": True})
        if self._is_cut_off:
            await self.keeper.restart()
        elif self.keeper.standing.state in {State.BACKING_OFF, State.FAILED}:
            with contextlib.suppress(SidecarError):  # told already; perhaps the folder was all that it lacked
                await self.keeper.restart()
        return True

    @property
    def _is_cut_off(self) -> bool:
        is_alive = self.keeper.standing.state in {State.READY, State.UNREADY}
        return is_alive and self._charge.seats.is_lost

    # -- the keeper's audience ---------------------------------------------------------------------

    def tell(self, standing: Standing) -> None:
        """Tell everybody where the sidecar stands."""
        self._note(standing)
        for follower in list(self._followers):
            self._tell(follower, standing)

    async def heard(self, generation: int) -> None:
        """Return when all have let go of connections to earlier generations, or took too long."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(loop.time() + HEARD_TIMEOUT_S):
                while any(heard < generation for heard in self._followers.values()):
                    self._was_heard.clear()
                    await self._was_heard.wait()
        except TimeoutError:
            return

    # -- the end -----------------------------------------------------------------------------------

    async def resign(self, *, hands_over: bool = True) -> None:
        """Leave the lead to another worker, if there is one, and then stop our process.

        Where two can run at a time, ours goes on until that of the next leader is ready.

        Args:
            hands_over: whether there is something to hand over.
        """
        has_heirs = bool(self._followers)
        hands_over = hands_over and self._charge.seats.overlaps
        self._close_doors({"is_resigning": True} if hands_over else None)
        try:
            if hands_over:
                self._lock.release()
                if has_heirs:
                    await self._until_succeeded()
        except asyncio.CancelledError:
            self.keeper.kill()
            raise
        finally:
            await self._stop()

    async def _stop(self) -> None:
        try:
            if self._workshop is not None:
                await self._workshop.aclose()
        finally:
            await self._end()

    async def _end(self) -> None:
        try:
            await self.keeper.aclose()
        finally:
            self._lock.release()
            for visitor in self._visitors:
                visitor.cancel()

    def move(self) -> None:
        """Go on in the running loop, only to resign there: the one before is closed."""
        self._visitors.clear()
        self._was_heard = asyncio.Event()
        self._door.abandon()
        for follower in self._followers:
            follower.abandon()
        self._followers.clear()
        if self._workshop is not None:
            self._workshop.move()
        self.keeper.move()

    def abandon(self) -> None:
        """Let go of everything in a forked process, so that it keeps nothing alive."""
        self._lock.release()
        self._door.abandon()
        for follower in self._followers:
            follower.abandon()
        self.keeper.abandon()

    def _close_doors(self, last_words: dict[str, Any] | None) -> None:
        self._door.close()
        for follower in list(self._followers):
            if last_words is not None:
                follower.send(last_words)
            follower.close()

    async def _until_succeeded(self) -> None:
        """Wait until another leader's process is ready, or it is clear that there will be none."""
        loop = asyncio.get_running_loop()
        seen = loop.time()
        end = seen + self._charge.spec.ready_timeout_s
        while loop.time() < end and loop.time() < seen + VACANT_S:
            if self.home.is_alone():
                return
            answer = await inquire(self.home.path, {"do": "status"})
            if answer is not None:
                seen = loop.time()
                if answer.get("standing", {}).get("state") == State.READY.value:
                    await asyncio.sleep(LINGER_S)  # the others hear of it now
                    return
            await asyncio.sleep(PAUSE_S)

    # -- the others --------------------------------------------------------------------------------

    def _welcome(self, channel: Channel) -> None:
        task = asyncio.create_task(self._serve(channel))
        self._visitors.add(task)
        task.add_done_callback(self._visitors.discard)

    async def _serve(self, channel: Channel) -> None:
        try:
            while (message := await channel.receive()) is not None:
                await self._answer(channel, message)
        finally:
            self._followers.pop(channel, None)
            self._was_heard.set()
            channel.close()

    async def _answer(self, channel: Channel, message: dict[str, Any]) -> None:
        match message:
            case {"do": "follow"}:
                self._followers[channel] = 0
                self._tell(channel, self.keeper.standing)
            case {"heard": int(generation)}:
                self._followers[channel] = generation
                self._was_heard.set()
            case {"do": "status"}:
                channel.send({"standing": self.keeper.standing.to_json(with_secrets=False)})
            case {"do": "restart"}:
                channel.send(await self._restarted())
            case _:
                channel.send({"error": f"not understood: {message}"})

    async def _restarted(self) -> dict[str, Any]:
        try:
            await self.restart()
        except SidecarError as error:
            return {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - whoever asked waits for an answer
            return {"error": told(error)}
        return {"ok": True, "standing": self.keeper.standing.to_json(with_secrets=False)}

    def _tell(self, channel: Channel, standing: Standing) -> None:
        listener = self._charge.seats.listener
        fds = [] if listener is None else [listener.fileno()]
        channel.send({"standing": standing.to_json(with_secrets=True)}, fds)


async def inquire(
    home: Path, message: dict[str, Any], timeout_s: float = ANSWER_TIMEOUT_S
) -> dict[str, Any] | None:
    """Return what the leader in a home answers, None when there is none or it does not answer in time."""
    channel = knock(home / CONTROL)
    if channel is None:
        return None
    try:
        channel.send(message)
        async with asyncio.timeout(timeout_s):
            return await channel.receive()
    except TimeoutError:
        return None
    finally:
        channel.close()


def without_process(standing: Standing) -> Standing:
    """Return where the sidecar stands as far as a worker knows that has just lost its leader."""
    return replace(standing, state=State.STARTING, pid=None)
