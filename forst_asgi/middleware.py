"""The path of a request: match -> decide -> handle. Everything else is elsewhere."""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn, TypeAlias

from forst_asgi.config import Config, load
from forst_asgi.decision import FELL_BACK, Target
from forst_asgi.errors import ConfigError, FallBack
from forst_asgi.interfaces import Observer, Transport
from forst_asgi.lifespan import run_lifespan
from forst_asgi.reload import Succession
from forst_asgi.request_id import RequestId, bind
from forst_asgi.runtime import Runtime, problem_in_front
from forst_asgi.transport import HttpxClient
from forst_asgi.types import ASGIApp, Receive, Scope, Send

AnyASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""What the frameworks call an ASGI app; each has types of its own for scope, receive and send."""


class SidecarMiddleware:
    """ASGI middleware: the routes that the configuration lists are answered by a Go sidecar.

        app.add_middleware(SidecarMiddleware, config="forst.toml")     # FastAPI, Starlette
        app = SidecarMiddleware(app, config="forst.toml")              # any ASGI app

    A configuration that cannot be used does not raise here, where servers would show a traceback or,
    under `add_middleware`, go on without the app's lifespan. It fails the server's startup, with every
    mistake in its message; without a lifespan, each request raises it.

    Args:
        app: the ASGI app that answers everything else. It gets the very scope, receive and send objects
            that the server made.
        config: a path to a TOML file, or a Config. Left out: `forst.toml`, then `[tool.forst]` in
            `pyproject.toml`, from the working directory upward.
        transports: by upstream name, what to use instead of a connection to its address: an
            `httpx.AsyncClient`, an httpx transport such as `httpx.ASGITransport(fake)` in a test, or any
            `forst_asgi.Transport`.
        observer: who is told what happens; the log by default.
    """

    def __init__(
        self,
        app: AnyASGIApp,
        config: str | os.PathLike[str] | Config | None = None,
        *,
        transports: Mapping[str, Transport | HttpxClient] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.app: ASGIApp = app
        self._runtime: Runtime | None = None
        self._problem: ConfigError | None = None
        try:
            self._succession = Succession(Runtime(load(config), transports, observer), self._install)
            self._runtime = self._succession.current
        except ConfigError as problem:
            self._problem = problem

    @property
    def runtime(self) -> Runtime | None:
        """The live parts; None when the configuration cannot be used."""
        return self._runtime

    # One function: it is the path of a request, and each call costs.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: C901
        """Answer one connection, or pass it to the app."""
        # A reload closes what it replaced once nobody holds a part of that, and a request may take hours. So
        # before one is waited for, let go of the runtime, and of its route as well where the app answers.
        runtime = self._runtime
        if runtime is None:
            await self._refuse(scope, receive, send)
            return
        kind = scope["type"]
        if kind == "http" or kind == "websocket":  # noqa: PLR1714 - a tuple costs more on the fast path
            request_id = RequestId()
            request_id.scope = scope
            bind(request_id)
            match = runtime.match(scope)
            if match is not None:
                route = match.route.endpoint
                flags = runtime.flags
                asked = None
                if not flags.is_plain:
                    asked = await flags.prepare(match.route.id, scope, match)
                decision = route.switch.decide(scope, match, asked)
                plain = send
                if flags.shows_to is not None:
                    send = flags.shown(decision, scope, plain)
                if decision.target is Target.SIDECAR:
                    if not runtime.is_started:
                        await runtime.start_late()
                    runtime = None
                    scope["forst.match"] = match
                    scope["forst.decision"] = decision
                    scope["forst.request_id"] = request_id
                    try:
                        await route.forward(scope, receive, send)
                    except FallBack as instead:
                        receive = instead.receive
                        send = flags.shown(FELL_BACK, scope, plain)
                        del scope["forst.match"], scope["forst.decision"], scope["forst.request_id"]
                    else:
                        return
                del match, route
        elif kind == "lifespan":
            self._problem = problem_in_front(runtime.express, scope)
            if self._problem is not None:
                await self._refuse(scope, receive, send)
            runtime = None
            await run_lifespan(self.app, self._succession, scope, receive, send)
            return
        runtime = None
        await self.app(scope, receive, send)

    async def aclose(self) -> None:
        """Close the connections and stop the sidecar.

        The server's lifespan does that. Call it where no lifespan arrives: from the outer app's own, when
        the middleware is around a mounted app.
        """
        if self._runtime is not None:
            await self._succession.aclose()

    def _install(self, runtime: Runtime) -> None:
        """Put another runtime in force, for requests that begin from now on."""
        self._runtime = runtime

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> NoReturn:
        """Fail what cannot work: the startup with the reason for its message, else the request."""
        problem = self._problem or ConfigError("there is no configuration")
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(problem)})
        raise problem.with_traceback(None)
