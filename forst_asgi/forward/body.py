"""The request body, read from the server as it is sent on.

Whoever reads it owns `receive()`: two readers would take chunks from each other. `is_finished` tells
the disconnect watch when that ownership ends.
"""

from collections.abc import Callable

from forst_asgi.errors import BodyMismatch, BodyTooLarge, ClientDisconnected
from forst_asgi.timers import TimeoutQueue
from forst_asgi.types import Message, Receive


class Replay:
    """A `receive` that begins with a message that was taken already, or may have been.

    With some servers (granian) a message is lost when the `receive()` that waits for it is cancelled, with
    others it comes again. So the end of the body may come once more after it was replayed.

    Args:
        first: that message.
        receive: the ASGI callable, for what follows.
    """

    def __init__(self, first: Message, receive: Receive) -> None:
        self._first: Message | None = first
        self._may_repeat = first["type"] == "http.request" and not first["more_body"]
        self._receive = receive

    async def __call__(self) -> Message:
        """Be the ASGI callable."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        message = await self._receive()
        if self._may_repeat and message["type"] == "http.request":
            self._may_repeat = False
            message = await self._receive()
        return message


class IncomingBody:
    """A request body that is still arriving; see `messages.RequestBody`.

    Args:
        receive: the ASGI callable.
        content_length: what the client declared, in bytes, or None.
        max_body: how many bytes are allowed, or None for any number.

    Attributes:
        on_finished: called when `receive()` will not be called any more.
        patience: limits how long the client may send nothing; None as long as it holds up nobody.
        on_stall: called when that is over.
    """

    __slots__ = (
        "_first",
        "_is_waiting",
        "_max_body",
        "_more",
        "_receive",
        "_seen",
        "content_length",
        "on_finished",
        "on_stall",
        "patience",
    )

    def __init__(self, receive: Receive, content_length: int | None, max_body: int | None) -> None:
        self._receive = receive
        self.content_length = content_length
        self._max_body = max_body
        self._seen = 0
        self._more = True
        self._first = b""
        self._is_waiting = False
        self.on_finished: Callable[[], None] | None = None
        self.patience: TimeoutQueue[IncomingBody] | None = None
        self.on_stall: Callable[[], None] | None = None

    def expire(self) -> None:
        """Tell that the client sent nothing for too long."""
        if self.on_stall is not None:
            self.on_stall()

    def again(self) -> "Receive | None":
        """Return a `receive` that brings the whole body, None when some of it was sent on, or may be lost.

        With some servers that is so when a `receive()` was cancelled; see `Replay`.
        """
        if self._is_waiting or self._seen != len(self._first):
            return None
        if self._more and not self._first:
            return self._receive
        first: Message = {"type": "http.request", "body": self._first, "more_body": self._more}
        return Replay(first, self._receive)

    @property
    def is_finished(self) -> bool:
        """True once `receive()` will not be called any more."""
        return not self._more

    async def read(self) -> bytes:
        """Return the next bytes, `b""` at the end.

        Raises:
            ClientDisconnected, BodyTooLarge, BodyMismatch: see `messages.RequestBody.read`.
        """
        if self._first:
            first, self._first = self._first, b""
            return first
        while self._more:
            data = await self._next()
            if data:
                return data
        return b""

    async def read_small(self) -> bytes | None:
        """Return the whole body if it comes in one message, None when more is to come.

        None leaves what came for `read`.
        """
        first = await self._next()
        if not self._more:
            return first
        self._first = first
        return None

    async def begin(self) -> None:
        """Wait for the first bytes of a body that an upgrade was asked for with.

        uvicorn with httptools takes the body for what follows the upgrade, which it then does not make.

        Raises:
            BodyMismatch: there is no body.
        """
        self._first = await self._next()
        if not self._first and not self._more:
            raise BodyMismatch("the server took the body for what follows an upgrade")

    async def _next(self) -> bytes:
        """Return the bytes of one message; the last declared ones only once the end is there, too.

        On HTTP/2 the end can come in a frame of its own. The upstream may answer as soon as it has the
        declared bytes, and a server may take an end that comes after the answer for a fault.
        """
        data = await self._take()
        while self._more and self._seen == self.content_length:
            data += await self._take()
        return data

    async def _take(self) -> bytes:
        self._is_waiting = True
        try:
            message = await (
                self._receive() if self.patience is None else self._receive_in_time(self.patience)
            )
        except OSError as error:
            self._more = False
            raise ClientDisconnected("the connection broke while the body was read") from error
        self._is_waiting = False
        if message["type"] == "http.disconnect":
            self._more = False
            raise ClientDisconnected("the client went away before the end of its body")
        data: bytes = message.get("body", b"")
        if type(data) is not bytes:  # some middleware hands on a bytearray or a memoryview
            data = bytes(data)
        self._more = message.get("more_body", False)
        self._count(len(data))
        if not self._more and self.on_finished is not None:
            self.on_finished()
        return data

    async def _receive_in_time(self, patience: "TimeoutQueue[IncomingBody]") -> Message:
        patience.add(self)
        try:
            return await self._receive()
        finally:
            patience.discard(self)

    def _count(self, size: int) -> None:
        self._seen = seen = self._seen + size
        declared = self.content_length
        if declared is not None and (seen > declared or (seen < declared and not self._more)):
            self._more = False
            raise BodyMismatch(f"Content-Length is {declared}, {seen} bytes came")
        if self._max_body is not None and seen > self._max_body:
            self._more = False
            raise BodyTooLarge(f"the body is over {self._max_body} bytes")
