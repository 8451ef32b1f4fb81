"""The live parts behind the middleware: route table, forwarders, transports, sidecar processes.

A runtime is built from a Config without touching anything outside; `start` starts what has to run,
`aclose` stops it, and both may be repeated.
"""

import asyncio
import atexit
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from forst_asgi.config import Config, ConfigError, RouteConfig
from forst_asgi.decision import Switch
from forst_asgi.errors import ForstError
from forst_asgi.events import ConfigLoaded, ConfigWarned, SidecarFailed
from forst_asgi.forward import Forwarder
from forst_asgi.interfaces import Observer, Transport
from forst_asgi.observability import log_observer
from forst_asgi.routing import RouteTable
from forst_asgi.runtime import convert, express, flagspec
from forst_asgi.runtime.flags import Flags
from forst_asgi.runtime.routes import forwarder
from forst_asgi.runtime.upstream import Upstream
from forst_asgi.transport import HttpxClient, adapted
from forst_asgi.types import ASGIApp

_UNGUARDED = (
    "has no auth: the app's own checks do not run for forwarded requests; "
    'say auth = "none", "upstream" or "module:callable"'
)

UNSIGNED = (
    "has an auth callable, but what it claims does not reach the sidecar: its upstream has no secret to sign "
    "it with; say secret_env or secret_file"
)


@dataclass(slots=True, eq=False, weakref_slot=True)
class RouteState:
    """One route, live: what the table hands back for a request that matches it.

    Attributes:
        config: what the user wrote.
        switch: who answers, as it stands.
        forward: the ASGI app that the sidecar answers for.
        express: what forwards its requests on the express lane, None for a route that is not marked.
    """

    config: RouteConfig
    switch: Switch
    forward: ASGIApp
    express: Forwarder | None = None


class Runtime:
    """Everything that one configuration needs at run time.

    Args:
        config: a checked configuration.
        transports: transports, or httpx clients or transports, to use for upstreams, by name, instead of
            those that the configuration describes; for tests and for what only the user can build.
        observer: who is told what happens, the log by default.
        before: the runtime that this one shall take the place of; its upstreams that are configured alike
            are taken over.

    Attributes:
        generation: a short digest of the configuration.

    Raises:
        ConfigError: something that only running shows: an `auth` callable that is not there, a
            certificate that cannot be read, a transport for an upstream that is not there, a WebSocket
            route without the library for it.
    """

    def __init__(
        self,
        config: Config,
        transports: Mapping[str, Transport | HttpxClient] | None = None,
        observer: Observer | None = None,
        before: "Runtime | None" = None,
    ) -> None:
        self.config = config
        self.generation = convert.generation(config)
        self._given = transports or {}, observer
        if observer is None:
            logs = config.logs
            observer = log_observer(logs.format, logs.requests, failures_per_second=logs.failures_per_second)
        self.observer = observer
        earlier: Mapping[str, Upstream] = {} if before is None else before.upstreams
        self.upstreams: dict[str, Upstream] = self._make_upstreams(transports or {}, earlier)
        self.flags = Flags(config, observer)
        self.table = self._make_table()
        self.match = self.table.match
        self.express = tuple({express.prefix(route): None for route in config.routes if route.express})
        self.is_started = False
        self._starting = asyncio.Lock()
        self._failed_starts = 0

    def __repr__(self) -> str:
        return f"<Runtime {self.config.source} {self.table!r} started={self.is_started}>"

    def _make_upstreams(
        self, transports: Mapping[str, Transport | HttpxClient], before: Mapping[str, Upstream]
    ) -> dict[str, Upstream]:
        configured = convert.all_upstreams(self.config)
        for name in transports:
            if name not in configured:
                known = ", ".join(configured) or "none"
                raise ConfigError(f"transports: there is no upstream {name!r}; the configured ones: {known}")
        source = convert.source(self.config)
        given = {name: _usable(name, adapted(transport)) for name, transport in transports.items()}
        return {
            name: before[name]
            if name in before and before[name].config == config
            else Upstream(name, config, self.observer, given.get(name), source)
            for name, config in configured.items()
        }

    def _make_table(self) -> RouteTable[RouteState]:
        trusted = convert.trusted_proxies(self.config)
        specs = []
        for config in self.config.routes:
            upstream = self.upstreams[config.upstream]
            app = forwarder(config, upstream, trusted, self.observer)
            state = RouteState(
                config, self.flags.switches[config.id], app, express.on_express(config, upstream, app)
            )
            upstream.users.add(state)
            specs.append(convert.route_spec(config, state))
        return RouteTable(specs)

    async def start(self) -> None:
        """Start the sidecar processes that are ours to start; return when all are ready.

        Idempotent; concurrent calls wait for the one that works. What was started in an event loop that is
        closed by now, as by requests of a test client without a lifespan, is closed and started anew.

        Raises:
            SidecarError: one could not be started; none is left running.
        """
        async with self._starting:
            if any(upstream.is_stranded for upstream in self.upstreams.values()):
                await self.aclose()
            await self._start()
            self.flags.start()

    async def start_late(self) -> None:
        """Start for a request that came without a lifespan before it.

        A failure is told to the observer instead of raised: the request goes on, and is refused as any
        that finds no sidecar. Requests that waited for one attempt share its failure; a later one makes
        another.
        """
        failures = self._failed_starts
        async with self._starting:
            if self._failed_starts != failures:
                return
            try:
                await self._start()
            except ForstError as error:
                self._failed_starts += 1
                self.observer.observe(SidecarFailed(str(error)))

    async def _start(self) -> None:
        if self.is_started:
            return
        self._announce()
        await self._start_upstreams(self.upstreams.values())
        self.is_started = True
        atexit.register(self._leave)

    async def _start_upstreams(self, upstreams: Collection[Upstream]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for upstream in upstreams:
                    group.create_task(upstream.start())
        except BaseExceptionGroup as failures:
            await _close(upstreams)
            ours = failures.subgroup(ForstError)
            if ours is None:
                raise
            # One is enough: the others were cancelled, or failed for the same reason.
            raise ours.exceptions[0] from None

    async def aclose(self) -> None:
        """Close all connections and stop the processes; a later `start` starts them anew."""
        self.is_started = False
        atexit.unregister(self._leave)
        await self.flags.aclose()
        await _close(self.upstreams.values())

    # -- one after the other -------------------------------------------------------------------------

    def successor(self, config: Config) -> "Runtime":
        """Build the runtime that is to take the place of this one; nothing is started yet.

        Raises:
            ConfigError: see the class.
        """
        transports, observer = self._given
        made = Runtime(config, transports, observer, self)
        for upstream in without(made.upstreams, self.upstreams):
            if any(upstream.clashes_with(other) for other in self.upstreams.values()):
                raise ConfigError(
                    f'upstream "{upstream.name}": its program listens at an address of yours, where there '
                    "cannot be two at a time; restart the server to change it"
                )
        return made

    async def start_after(self, before: "Runtime") -> None:
        """Start what the runtime before has not, until this one is ready to take its place.

        Raises:
            SidecarError: a process could not be started; of what is new, none is left running.
        """
        fresh = without(self.upstreams, before.upstreams)
        try:
            await self._start_upstreams(fresh)
        except asyncio.CancelledError:
            await _close(fresh)
            raise
        self.flags.take_over(before.flags)
        self.flags.start()
        self.is_started = True
        atexit.register(self._leave)

    def leave_to(self, successor: "Runtime") -> list[Upstream]:
        """Take note that another took our place; return the upstreams that it has not, which are to retire.

        Requests that began with this runtime go on with it.
        """
        atexit.unregister(self._leave)
        self.flags.rest()
        return without(self.upstreams, successor.upstreams)

    def _leave(self) -> None:
        """Leave no private folder behind when the process ends without a shutdown (`lifespan="off"`)."""
        for upstream in self.upstreams.values():
            upstream.leave()

    def _announce(self) -> None:
        config = self.config
        forwarding = flagspec.forwarding(config, os.environ)
        self.observer.observe(
            ConfigLoaded(config.source, len(config.routes), forwarding, len(self.upstreams), self.generation)
        )
        self.warn()

    def warn(self) -> None:
        """Tell what is probably not meant."""
        for route, problem in self.warnings():
            self.observer.observe(ConfigWarned(route, problem))

    def warnings(self) -> list[tuple[str, str]]:
        """Return what is probably not meant, as pairs of route id and problem."""
        unguarded = [(route.id, _UNGUARDED) for route in self.config.routes if route.auth is None]
        covered = [
            (route.id, f'can never match: route "{earlier.id}" covers it and stands earlier in the file')
            for route, earlier in self.table.unreachable()
        ]
        unsigned = [(route.id, UNSIGNED) for route in self.config.routes if self._is_unsigned(route)]
        return unguarded + covered + unsigned + self.flags.warnings()

    def _is_unsigned(self, route: RouteConfig) -> bool:
        """Whether a route has an auth callable, but nothing to sign its claims with."""
        upstream = self.config.upstream(route.upstream)
        has_secret = upstream.command or upstream.secret_env or upstream.secret_file
        return route.auth not in {None, "none", "upstream"} and not has_secret

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _usable(name: str, transport: Transport) -> Transport:
    if not callable(getattr(transport, "send", None)):
        raise ConfigError(
            f'transports: the one for "{name}" is a {type(transport).__name__}; expected something with '
            "send() and aclose(), such as HttpxTransport, or an httpx client or transport"
        )
    return transport


def without(upstreams: Mapping[str, Upstream], others: Mapping[str, Upstream]) -> list[Upstream]:
    """Return the upstreams that are not among the others."""
    return [upstream for name, upstream in upstreams.items() if others.get(name) is not upstream]


async def _close(upstreams: Collection[Upstream]) -> None:
    await asyncio.gather(*(upstream.aclose() for upstream in upstreams))
