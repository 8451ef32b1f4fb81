"""One sidecar for all workers of a host: who gets the lock leads, the others follow.

    leader     runs the process and tells where it stands
    follower   connects to the same address; when its connection to the leader ends, it reaches for the lock

Both hold our listening socket, so the address outlives every single worker and every single process:
connections that come while there is neither wait in its backlog. The process itself does not outlive its
leader (its lifeline ends), because only a parent can wait for it; the next leader starts another.
"""

import asyncio
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from forst_asgi.errors import ForstError, SidecarError, SidecarNotReady
from forst_asgi.events import SidecarFailed, SidecarJoined
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor.building import TIMEOUT_S, BuildSpec
from forst_asgi.supervisor.channel import Channel, knock
from forst_asgi.supervisor.child import KILL_TIMEOUT_S, outlast
from forst_asgi.supervisor.home import Home, HomeKey, Lock, move_in
from forst_asgi.supervisor.leader import CONTROL, PAUSE_S, SUCCESSION_S, Charge, Leader, without_process
from forst_asgi.supervisor.leftover import see_gone
from forst_asgi.supervisor.life import Care
from forst_asgi.supervisor.place import Place
from forst_asgi.supervisor.policy import State
from forst_asgi.supervisor.seats import Offer, Seats
from forst_asgi.supervisor.spec import SidecarSpec
from forst_asgi.supervisor.standing import Standing
from forst_asgi.supervisor.unforeseen import STUMBLE_S, Sheltered, told
from forst_asgi.supervisor.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class SupervisorSpec:
    """What to run, for whom and where.

    Attributes:
        sidecar: the program; `listen`, `nonce` and `listener_fd` are filled in here, and `secret` is used
            unless there is one already that another worker has made.
        care: how it is looked after.
        key: what the workers that share it have in common.
        address: where it is reached; None for a socket in the workers' private directory.
        offer: how it comes by its listener.
        build: how the program is built, if that is ours to do.
        waits: whether we wait for somebody to mend what does not start, instead of failing with it. For
            development: the app runs meanwhile, and `watch` or a restart tries again.
    """

    sidecar: SidecarSpec
    care: Care
    key: HomeKey
    address: Place | None = None
    offer: Offer = Offer.BOTH
    build: BuildSpec | None = None
    waits: bool = False


class Supervisor:
    """One worker's part in running a sidecar.

    Args:
        spec: what to run.
        observer: told what happens; of the process only the leader's is.
        on_change: told where the sidecar stands, whenever that changes.

    Attributes:
        standing: where the sidecar stands, as far as we know.
    """

    def __init__(
        self, spec: SupervisorSpec, observer: Observer, on_change: Callable[[Standing], None]
    ) -> None:
        self._spec = spec
        self._observer: Observer = Sheltered(observer)
        self._on_change = on_change
        self.standing = Standing(secret=spec.sidecar.secret)
        self._address = spec.address
        self._home: Home | None = None
        self._leader: Leader | None = None
        self._channel: Channel | None = None
        self._held_fd: int | None = None
        self._leftover: Standing | None = None
        self._is_handed_over = False
        self._ready: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._burials: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        role = "leads" if self._leader else "follows" if self._channel else "is apart"
        return f"<Supervisor of {self._spec.sidecar.name!r} {role} {self.standing.state.value}>"

    @property
    def secret(self) -> bytes:
        """What identities are signed with; the same in all workers."""
        return self.standing.secret

    @property
    def is_leader(self) -> bool:
        """Whether the process is ours."""
        return self._leader is not None

    @property
    def is_followed(self) -> bool:
        """Whether the process is ours, and other workers use it."""
        return self._leader is not None and self._leader.is_followed

    @property
    def is_stranded(self) -> bool:
        """Whether the event loop that we were started in is closed, and nobody looks after the sidecar."""
        return self._loop is not None and self._loop.is_closed()

    def where(self) -> Place:
        """Return where to connect to; costs nothing.

        Raises:
            SidecarNotReady: there is nobody at present.
        """
        if self._address is None or not self.standing.takes_requests:
            raise SidecarNotReady(f"the sidecar {self._spec.sidecar.name!r} is {self.standing.state_text}")
        return self._address

    async def start(self) -> None:
        """Join the workers of this host, as leader or follower, and return when the sidecar is ready.

        If we are stranded, what is left is closed first.

        Raises:
            SidecarError: it did not become ready, and we do not wait until somebody mends it; or whatever
                else kept it from being started. We have left again then, and nothing of ours is left.
        """
        if self.is_stranded:
            await self.aclose()
        try:
            await self._start()
        except BaseException as error:
            await self.aclose()
            if isinstance(error, ForstError) or not isinstance(error, Exception):
                raise
            raise SidecarError(
                f"sidecar {self._spec.sidecar.name!r}: cannot be started: {told(error)}"
            ) from error

    async def _start(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._settle()
        ours = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _abandon(ours))
        self._ready = loop.create_future()
        self._task = asyncio.create_task(self._belong())
        await self._until_ready(self._task, self._ready)

    async def restart(self) -> None:
        """Replace the process; only the leader can.

        Raises:
            SidecarError: the new process did not become ready, or another worker leads.
        """
        if self._leader is None:
            raise SidecarError(f"sidecar {self._spec.sidecar.name!r}: another worker leads")
        await self._leader.restart()

    async def aclose(self) -> None:
        """Leave: a leader hands over and stops its process; the last one removes what all shared. Idempotent.

        A cancellation leaves no process behind: it is killed at once, and the cancellation goes on when that
        is done. What an event loop left behind that is closed by now is closed in the running one.
        """
        if self.is_stranded:
            self._move()
        async with self._closing:
            task, self._task = self._task, None
            try:
                if task is not None and not task.done():
                    task.cancel()
                    await outlast(task, KILL_TIMEOUT_S + self._spec.sidecar.stop_timeout_s)
            except asyncio.CancelledError:
                if self._leader is not None:
                    self._leader.keeper.kill()
                raise
            finally:
                await self._step_down()

    def _move(self) -> None:
        """Go on in the running loop, only to be closed there: the one before is closed."""
        self._loop = asyncio.get_running_loop()
        self._task = self._ready = None
        self._burials.clear()
        self._closing = asyncio.Lock()
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.abandon()
        if self._leader is not None:
            self._leader.move()

    async def _step_down(self) -> None:
        try:
            if self._leader is not None:
                await self._leader.resign()
        finally:
            self._leader = self._loop = None
            self.leave()
            self._note(Standing(secret=self._spec.sidecar.secret))

    # -- leading and following ---------------------------------------------------------------------

    async def _belong(self) -> None:
        """Join, and go on with that whatever happens; but the start shall fail with what it meets."""
        trouble = None
        while True:
            try:
                await self._join()
            except Exception as error:
                if self._ready is None or not self._ready.done():
                    raise
                problem = f"this worker's part in running it failed, and goes on: {told(error)}"
                if problem != trouble:
                    trouble = problem
                    self._observer.observe(SidecarFailed(f"sidecar {self._spec.sidecar.name!r}: {problem}"))
                await asyncio.sleep(STUMBLE_S)

    async def _join(self) -> None:
        """Lead or follow, for as long as we are here."""
        while True:
            if self._leader is not None:
                await self._stay(self._leader)
            home = self._settle()
            lock = home.try_lead()
            if lock is not None:
                await self._lead(home, lock)
                continue
            channel = knock(home.path / CONTROL)
            if channel is None:
                await asyncio.sleep(PAUSE_S)  # it is about to open its door, or to go
            else:
                await self._follow(channel)

    def _settle(self) -> Home:
        """Return our home, a new one if somebody has removed it from under us."""
        before = self._home
        if before is not None and before.is_there:
            return before
        self._home = home = move_in(self._spec.key)
        if before is not None:
            before.leave()
        if self._spec.address is None:
            self._address = Place(str(home.path / f"{self._spec.sidecar.name}.sock"))
            if self._leader is not None:
                self._leader.seats.move(self._address, home.path)
        return home

    async def _stay(self, leader: Leader) -> None:
        """Lead until another worker does."""
        await Upkeep(self._spec.sidecar.name, leader, self._settle, self._observer).run()
        try:
            await leader.resign()
        finally:
            self._leader = None

    async def _lead(self, home: Home, lock: Lock) -> None:
        spec = replace(self._spec.sidecar, secret=self.standing.secret)
        charge = Charge(spec, self._spec.care, self._seats(home), self._spec.build, self._spec.waits)
        try:
            leader = Leader(home, lock, charge, self._observer, self._note)
        except BaseException:
            lock.release()  # nobody else could lead
            raise
        if self.standing.generation:
            self._bury(self._leftover)
            self._leader = leader
            leader.take_over(self.standing, is_alive=self._is_handed_over)
            return
        try:
            await leader.start()
        except BaseException:
            await leader.resign(hands_over=False)
            raise
        self._leader = leader

    def _seats(self, home: Home) -> Seats:
        address = self._address or Place()
        # Beside the address, because a socket cannot be renamed to another file system.
        folder = Path(address.path).parent if address.path else home.path
        seats = Seats(address, folder, self._spec.offer)
        fd, self._held_fd = self._held_fd, None
        if fd is not None:
            seats.adopt(fd, self.standing.inode)
        return seats

    async def _follow(self, channel: Channel) -> None:
        self._channel = channel
        is_resigning = False
        channel.send({"do": "follow"})
        try:
            while (message := await channel.receive()) is not None:
                if "standing" in message:
                    self._hear(channel, Standing.from_json(message["standing"]))
                if "moved" in message:
                    self._settle()
                is_resigning = "is_resigning" in message
        finally:
            self._channel = None
            channel.close()
        if is_resigning:
            # Its process goes on until there is another.
            self._leftover = None
            await asyncio.sleep(SUCCESSION_S)
        else:
            self._note(without_process(self.standing))
        self._is_handed_over = is_resigning

    def _hear(self, channel: Channel, standing: Standing) -> None:
        is_new = self.standing.leader != standing.leader
        fd = channel.take_fd()
        self._hold(fd)
        self._note(standing)
        self._leftover = standing
        channel.send({"heard": standing.generation})
        if is_new:
            name = self._spec.sidecar.name
            self._observer.observe(SidecarJoined(name, standing.pid, standing.leader))

    def _note(self, standing: Standing) -> None:
        self.standing = standing
        if self._ready is not None and not self._ready.done():
            is_over = standing.state is State.FAILED
            if standing.state is State.READY or (is_over and self._spec.waits):
                self._ready.set_result(None)
            elif is_over:
                self._ready.set_exception(SidecarError(f"{self._spec.sidecar.name!r}: {standing.problem}"))
        self._on_change(standing)

    # -- the details -------------------------------------------------------------------------------

    async def _until_ready(self, task: asyncio.Task[None], ready: asyncio.Future[None]) -> None:
        limit_s = 2 * self._spec.sidecar.ready_timeout_s + self._spec.sidecar.stop_timeout_s
        limit_s += 0 if self._spec.build is None else TIMEOUT_S
        await asyncio.wait({task, ready}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            ready.result()
        elif task.done():
            task.result()
        else:
            raise SidecarError(
                f"sidecar {self._spec.sidecar.name!r}: was not ready within {limit_s:g} s under process "
                f"{self.standing.leader}, which runs it for all workers: "
                f"{self.standing.problem or 'no reason known'}"
            )

    def _hold(self, fd: int | None) -> None:
        before, self._held_fd = self._held_fd, fd
        if before is not None:
            os.close(before)

    def _bury(self, leftover: Standing | None) -> None:
        if leftover is not None and leftover.pid is not None:
            task = asyncio.create_task(see_gone(leftover.pid, leftover.nonce))
            self._burials.add(task)
            task.add_done_callback(self._burials.discard)

    def leave(self) -> None:
        """Move out of what the workers share, removing it if we are the last; needs no event loop."""
        self._hold(None)
        home, self._home = self._home, None
        is_last = home is not None and home.leave()
        if is_last and self._spec.address is not None and self._spec.address.path:
            _remove_socket(self._spec.address.path, self.standing.inode)
        self._address = self._spec.address

    def abandon(self) -> None:
        """Let go of everything in a forked process, so that it keeps nothing alive."""
        if self._home is not None:
            self._home.abandon()
        if self._leader is not None:
            self._leader.abandon()
        if self._channel is not None:
            self._channel.abandon()


def _abandon(reference: "weakref.ref[Supervisor]") -> None:
    supervisor = reference()
    if supervisor is not None:
        supervisor.abandon()


def _remove_socket(path: str, inode: int) -> None:
    """Remove the socket file at an address of the user's, if it still is ours."""
    try:
        if Path(path).stat().st_ino == inode:
            Path(path).unlink()
    except OSError:
        return
