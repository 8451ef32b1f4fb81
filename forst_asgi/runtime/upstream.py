"""One upstream, live: its transport, and its process if we start it."""

import asyncio
import gc
import os
import secrets
import weakref

from forst_asgi.config import UpstreamConfig
from forst_asgi.development import Trouble, trouble_of
from forst_asgi.errors import SidecarNotReady
from forst_asgi.forward import SERVERS_OWN, Gate
from forst_asgi.interfaces import Observer, Transport
from forst_asgi.resilience import Breaker
from forst_asgi.runtime import convert
from forst_asgi.runtime.generations import GenerationTransport
from forst_asgi.supervisor import Standing, Supervisor
from forst_asgi.transport import Http1Transport, HttpxOriginTransport, Origin

SECRET_BYTES = 32
PAUSE_S = 0.1
_COLLECT_AT = frozenset({100, 1000, 10_000, 100_000})
"""After how many looks the garbage collector is run: 10 seconds, 100 seconds, and so on."""


class Upstream:
    """Where one upstream is, how it is spoken to, and the process that listens there.

    Args:
        name: its name in the configuration.
        config: what the user wrote about it.
        observer: told of the life of the process.
        transport: used instead of one made from the configuration, when given.
        source: the configuration's file, absolute, or a text that stands for it: workers with the same
            share the process.

    Attributes:
        gate: says whether it may be asked.
        websockets: one member for each WebSocket that is open.
        users: the routes that lead here, of all runtimes that a request still works with.
    """

    def __init__(
        self,
        name: str,
        config: UpstreamConfig,
        observer: Observer,
        transport: Transport | None = None,
        source: str = "<python>",
    ) -> None:
        self.name = name
        self.config = config
        self._origin = convert.origin(config.address, config.tls) if config.address is not None else None
        self._process: tuple[int, int | None] = (0, None)
        self._is_given = transport is not None
        self.limits = convert.limits(config)
        self.websockets: set[object] = set()
        self.users: weakref.WeakSet[object] = weakref.WeakSet()
        self._is_hurried = False
        self.gate = Gate(name, observer, Breaker(convert.breaker_policy(config)))
        self._named_secret = convert.named_secret(name, config, os.environ)
        self._supervisor = self._make_supervisor(source, observer) if self.has_process else None
        self.transport = self._make_transport() if transport is None else transport

    def __repr__(self) -> str:
        return f"<Upstream {self.name!r} {self._origin or 'not started'} {self._supervisor or ''}>"

    @property
    def has_process(self) -> bool:
        """Whether we start it ourselves."""
        return self.config.command is not None and not self._is_given

    @property
    def is_stranded(self) -> bool:
        """Whether we were started in an event loop that is closed, and nobody looks after our process."""
        return self._supervisor is not None and self._supervisor.is_stranded

    def clashes_with(self, other: "Upstream") -> bool:
        """Tell whether our processes would have to listen at the same address."""
        place = convert.place(self.config)
        return (
            self.has_process
            and other.has_process
            and place is not None
            and place == convert.place(other.config)
        )

    @property
    def secret(self) -> bytes | None:
        """What the sidecar verifies our signatures with; None when it has no way to."""
        return self._supervisor.secret if self._supervisor is not None else self._named_secret

    async def start(self) -> None:
        """Start the process, if it is ours to start, or find that of another worker; return when it is ready.

        Raises:
            SidecarError: it could not be started or did not become ready; nothing of it is left.
        """
        if self._supervisor is None:
            return
        try:
            await self._supervisor.start()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close the connections, stop the process or leave it to another worker."""
        await self.transport.aclose()
        if self._supervisor is not None:
            await self._supervisor.aclose()

    async def retire(self) -> None:
        """Close once no request works with a route that leads here, and no other worker uses our process.

        Requests hold on to the route that they were matched with, so nothing has to be counted for them. One
        that the app has caught in a cycle of references is let go of by the collector only, hence that.
        """
        looks = 0
        while self._is_needed and not self._is_hurried:
            looks += 1
            if looks in _COLLECT_AT:
                gc.collect()
            await asyncio.sleep(PAUSE_S)
        if not self._is_given:  # else the next runtime has it too
            await self.aclose()

    def hurry(self) -> None:
        """Wait for nobody any more when retiring: the server ends."""
        self._is_hurried = True

    @property
    def _is_needed(self) -> bool:
        return bool(self.users) or (self._supervisor is not None and self._supervisor.is_followed)

    def leave(self) -> None:
        """Remove what would be left of us; at exit, when no event loop runs any more."""
        if self._supervisor is not None:
            self._supervisor.leave()

    def trouble(self) -> Trouble | None:
        """Return why the program that answers is not the one in the source; None when that is not known."""
        return None if self._supervisor is None else trouble_of(self.name, self._supervisor.standing)

    def where(self) -> Origin:
        """Return where to connect to.

        Raises:
            SidecarNotReady: our own process is not there at present, or somebody gave us a transport
                instead of a place to connect to.
        """
        if self._is_given:
            raise SidecarNotReady(f"the upstream {self.name!r} has a transport that carries no WebSockets")
        if self._supervisor is None and self._origin is not None:
            return self._origin
        if self._supervisor is None:
            raise SidecarNotReady(f"the upstream {self.name!r} is nowhere")
        place = self._supervisor.where()
        if self._origin is None:
            self._origin = Origin(path=place.path)
        return self._origin

    def _make_supervisor(self, source: str, observer: Observer) -> Supervisor:
        spec = convert.supervisor_spec(
            self.config,
            convert.home_key(source, self.name, self.config),
            secrets.token_bytes(SECRET_BYTES),
        )
        return Supervisor(spec, observer, self._note)

    def _make_transport(self) -> Transport:
        if self.has_process:
            return GenerationTransport(self._make_single)
        return self._make_single()

    def _make_single(self) -> Transport:
        if self.config.transport == "httpx":
            return HttpxOriginTransport(self.where, self.limits, SERVERS_OWN)
        return Http1Transport(self.where, self.limits, SERVERS_OWN)

    def _note(self, standing: Standing) -> None:
        """Let go of connections to a process that is not the one any more; tell whether there is one."""
        self.gate.absence = (
            None if standing.is_ready else f"the sidecar {self.name!r} is {standing.state_text}"
        )
        process = standing.generation, standing.pid
        if process != self._process:
            self._process = process
            self.gate.reset()
            if isinstance(self.transport, GenerationTransport):
                self.transport.turn()
        if self.config.address is None:
            self._origin = None
