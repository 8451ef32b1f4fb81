"""The app's lifespan, passed through, with the runtime's own around it (ASGI lifespan protocol 2.0).

    server                        runtime        app
    lifespan.startup         ->   start     ->   its own startup, untouched
    lifespan.shutdown        ->                  its own shutdown, untouched
    ...shutdown.complete     <-   close     <-

The runtime is there before the app starts and until after it stopped, so that neither finds it missing.

Many apps know the protocol in part or not at all: they raise before they ask for the first message (Django),
return at once (`if scope["type"] != "http": return`), or return when they are up. Servers go on without
them, so their sidecar has to live from startup to shutdown all the same: what such an app leaves unsaid is
said for it.
"""

from contextlib import suppress
from typing import Protocol

from forst_asgi.errors import ForstError
from forst_asgi.types import ASGIApp, Message, Receive, Scope, Send

_LAST_WORDS = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"})


class Runs(Protocol):
    """What lives as long as the app: the runtime, and whatever replaces it."""

    async def start(self) -> None:
        """Start it.

        Raises:
            ForstError: it cannot be started; nothing of it is left.
        """
        ...

    async def aclose(self) -> None:
        """Close it; idempotent."""
        ...


async def run_lifespan(app: ASGIApp, runtime: Runs, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the app's lifespan with the runtime around it.

    Raises:
        ForstError: the runtime could not be started; the server was told with lifespan.startup.failed.
        Exception: likewise, for a reason that nobody thought of; or the app raised it, once it had begun its
            lifespan.
    """
    startup = await receive()
    try:
        await runtime.start()
    except ForstError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        raise
    except Exception as error:
        # Told as well: uvicorn takes an app that raises for one without lifespan, and serves without it.
        with suppress(Exception):
            await runtime.aclose()
        message = f"forst-asgi could not be started: {type(error).__name__}: {error}"
        await send({"type": "lifespan.startup.failed", "message": message})
        raise
    passage = _Passage(startup, runtime, receive, send)
    try:
        await _run_app(app, scope, passage)
        await passage.finish()
    finally:
        # Not once more: hypercorn cancels the lifespan as soon as it has the last words, and there must be
        # nothing left then that could be.
        if not passage.is_over:
            await runtime.aclose()


async def _run_app(app: ASGIApp, scope: Scope, passage: "_Passage") -> None:
    try:
        await app(scope, passage.receive, passage.send)
    except Exception:
        if passage.has_begun:
            raise


class _Passage:
    """The app's `receive` and `send`: the message that was taken comes first, the runtime closes last."""

    def __init__(self, startup: Message, runtime: Runs, receive: Receive, send: Send) -> None:
        self._startup: Message | None = startup
        self._runtime = runtime
        self._receive = receive
        self._send = send
        self._is_up = False
        self.is_over = False
        self._is_asked_to_stop = False

    @property
    def has_begun(self) -> bool:
        """Whether the app asked for the first message."""
        return self._startup is None

    async def receive(self) -> Message:
        if self._startup is not None:
            startup, self._startup = self._startup, None
            return startup
        message = await self._receive()
        self._is_asked_to_stop = True
        return message

    async def send(self, message: Message) -> None:
        self._is_up = True
        if message["type"] in _LAST_WORDS:
            self.is_over = True
            await self._runtime.aclose()
        await self._send(message)

    async def finish(self) -> None:
        """Say what the app left unsaid when it ended."""
        if not self._is_up:
            await self.send({"type": "lifespan.startup.complete"})
        if self.is_over:
            return
        if not self._is_asked_to_stop:
            await self._receive()
        await self.send({"type": "lifespan.shutdown.complete"})
