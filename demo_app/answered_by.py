"""Says which side answered, so that the demo can show it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class AnsweredBy:
    """Puts `x-answered-by` on every response of the wrapped app. The sidecar does the same for its own."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._header = (b"x-answered-by", name.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app with a `send` that adds the header."""

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), self._header]}
            await send(message)

        await self._app(scope, receive, send_named if scope["type"] == "http" else send)
