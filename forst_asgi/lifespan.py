"""The app's lifespan, passed through, with the runtime's own around it (ASGI lifespan protocol 2.0).

    server                        runtime        app
    lifespan.startup         ->   start     ->   its own startup, untouched
    lifespan.shutdown        ->                  its own shutdown, untouched
    ...shutdown.complete     <-   close     <-

The runtime is there before the app starts and until after it stopped, so that neither finds it missing.
An app that knows no lifespan (it raises before it asks for the first message, as Django does) still gets
its sidecar started and stopped.
"""

from forst_asgi.errors import ForstError
from forst_asgi.runtime import Runtime
from forst_asgi.types import ASGIApp, Message, Receive, Scope, Send

_LAST_WORDS = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"})


async def run_lifespan(app: ASGIApp, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the app's lifespan with the runtime around it.

    Raises:
        ForstError: the runtime could not be started; the server was told with lifespan.startup.failed.
        Exception: what the app raised, once it had begun its lifespan.
    """
    startup = await receive()
    try:
        await runtime.start()
    except ForstError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        raise
    passage = _Passage(startup, runtime, receive, send)
    try:
        await app(scope, passage.receive, passage.send)
    except Exception:
        if passage.has_begun:
            raise
        await _alone(runtime, receive, send)
    finally:
        await runtime.aclose()


async def _alone(runtime: Runtime, receive: Receive, send: Send) -> None:
    """Speak the protocol for an app that does not."""
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await runtime.aclose()
    await send({"type": "lifespan.shutdown.complete"})


class _Passage:
    """The app's `receive` and `send`: the message that was taken comes first, the runtime closes last."""

    def __init__(self, startup: Message, runtime: Runtime, receive: Receive, send: Send) -> None:
        self._startup: Message | None = startup
        self._runtime = runtime
        self._receive = receive
        self._send = send

    @property
    def has_begun(self) -> bool:
        """Whether the app asked for the first message."""
        return self._startup is None

    async def receive(self) -> Message:
        if self._startup is not None:
            startup, self._startup = self._startup, None
            return startup
        return await self._receive()

    async def send(self, message: Message) -> None:
        if message["type"] in _LAST_WORDS:
            await self._runtime.aclose()
        await self._send(message)
