"""The client's side of a WebSocket: the messages of ASGI's WebSocket protocol, in both directions."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

from forst_asgi.errors import ClientDisconnected
from forst_asgi.types import ASGIApp, Header, RawHeaders, Receive, Scope, Send
from forst_asgi.types import Message as AsgiMessage
from forst_asgi.websocket.ending import ABNORMAL, INTERNAL_ERROR, NO_CODE, POLICY_VIOLATION, Ending
from forst_asgi.websocket.frames import Message
from forst_asgi.websocket.link import CLOSE_TIMEOUT_S

_EXTENSION: Final = "websocket.http.response"

_GRANIAN: Final = "http.response.pathsend"
"""An extension for requests that granian alone declares for WebSockets; nothing else tells who the server is.

A field name that comes twice in an answer to a handshake ends its whole worker (2.8: a panic in ws.rs).
"""


class Client:
    """The client of one WebSocket.

    Args:
        scope: the WebSocket's scope.
        receive: the ASGI callable; only one task may `read` at a time.
        send: the ASGI callable.

    Attributes:
        is_accepted: whether its handshake was answered with 101.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self.is_accepted = False

    def __repr__(self) -> str:
        return f"<Client {self._scope['path']} accepted={self.is_accepted}>"

    async def arrive(self) -> None:
        """Take the first message, as the specification has it.

        Raises:
            ClientDisconnected: the client is gone already.
        """
        if (await self._receive())["type"] == "websocket.disconnect":
            raise ClientDisconnected("the client went away before it was answered")

    async def read(self) -> Message | Ending:
        """Return the client's next message, or how it ended the WebSocket."""
        try:
            message = await self._receive()
        except OSError:
            return Ending("client", ABNORMAL)
        if message["type"] == "websocket.disconnect":
            return self._ending(message)
        text: str | None = message.get("text")
        return text if text is not None else bytes(message["bytes"])

    def _ending(self, message: AsgiMessage) -> Ending:
        """Return how the client ended it.

        uvicorn tells of a client that vanished as 1005, a close frame without a code. But it gives a reason
        with every close frame, be it empty, so without one there was no frame. Servers that declare an
        older version of the specification never give a reason.
        """
        code = message.get("code") or NO_CODE
        if code == NO_CODE and "reason" not in message and self._gives_reasons:
            code = ABNORMAL
        return Ending("client", code, message.get("reason") or "")

    @property
    def _gives_reasons(self) -> bool:
        return str(self._scope["asgi"].get("spec_version", "2.0")) >= "2.4"

    async def accept(self, subprotocol: str | None, headers: RawHeaders) -> None:
        """Answer the handshake with 101.

        Raises:
            ClientDisconnected: there is nobody to answer.
        """
        await self._tell({"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers})
        self.is_accepted = True

    async def write(self, message: Message) -> None:
        """Send a message, waiting while the client takes no more.

        Raises:
            ClientDisconnected: there is nobody to send it to.
        """
        kind = "text" if isinstance(message, str) else "bytes"
        await self._tell({"type": "websocket.send", kind: message})

    async def _tell(self, message: AsgiMessage) -> None:
        if message["type"] == f"{_EXTENSION}.start" and _GRANIAN in (self._scope.get("extensions") or {}):
            message = {**message, "headers": each_once(message["headers"])}
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:
            # OSError is what the specification names. Servers that closed the WebSocket for a reason of
            # their own (a message too large, no answer to their pings) call it an unexpected message.
            raise ClientDisconnected("the client went away") from error

    async def close(self, ending: Ending) -> None:
        """Tell the client how it ended, in `CLOSE_TIMEOUT_S` at most; one that is stuck takes nothing."""
        message = {"type": "websocket.close", "code": ending.client_code, "reason": ending.short_reason}
        with contextlib.suppress(ClientDisconnected, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._tell(message)

    # -- another answer than 101 -------------------------------------------------------------------

    @property
    def takes_responses(self) -> bool:
        """Whether the server can answer a handshake with an HTTP response of our own."""
        return _EXTENSION in (self._scope.get("extensions") or {})

    async def respond(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Answer the handshake with an HTTP response, or with the server's 403 if it knows no other.

        Raises:
            ClientDisconnected: there is nobody to answer.
        """
        if not self.takes_responses:
            await self._decline(INTERNAL_ERROR if status >= 500 else POLICY_VIOLATION)
            return
        await self._tell({"type": f"{_EXTENSION}.start", "status": status, "headers": headers})
        await self._tell({"type": f"{_EXTENSION}.body", "body": body, "more_body": False})

    async def respond_with(self, response: ASGIApp) -> None:
        """Answer the handshake with a response of the app's, or with the server's 403.

        Raises:
            ClientDisconnected: there is nobody to answer.
        """
        if self.takes_responses:
            await response(self._scope, self._receive, self._tell)
        else:
            await self._decline(POLICY_VIOLATION)

    async def _decline(self, code: int) -> None:
        """Let the server answer the handshake with its 403."""
        await self._tell({"type": "websocket.close", "code": code, "reason": ""})


def each_once(headers: Iterable[Header]) -> RawHeaders:
    """Return field lines with each name once: values joined (RFC 9110 section 5.3), the first cookie only."""
    once: dict[bytes, bytes] = {}
    for name, value in headers:
        if name not in once:
            once[name] = value
        elif name != b"set-cookie":
            once[name] += b", " + value
    return list(once.items())
