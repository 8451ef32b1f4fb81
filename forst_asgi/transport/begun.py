"""An exchange that was begun without waiting for anything, and whoever carries it on.

Who begins one owns it until it is answered, abandoned, or sent on by `send`, which does from there what
`Http1Transport.send` would have done: it waits, and it sends again where that is harmless.
"""

import asyncio
from typing import TYPE_CHECKING

from forst_asgi.messages import UpstreamRequest
from forst_asgi.transport.connection import Connection
from forst_asgi.transport.response import Http1Response

if TYPE_CHECKING:
    from forst_asgi.transport.http1 import Http1Transport


class Begun:
    """A request that was written to a connection; see `interfaces.Exchange`.

    Args:
        transport: what began it.
        connection: where it goes on.
        request: what was sent; its body is no stream.

    Attributes:
        request: the same.
        answer: brings the response once its head came, or why there is none.

    Raises:
        RequestError: the head cannot be written safely; nothing was written.
    """

    __slots__ = ("_connection", "_transport", "answer", "request")

    def __init__(self, transport: "Http1Transport", connection: Connection, request: UpstreamRequest) -> None:
        self._transport = transport
        self._connection = connection
        self.request = request
        self.answer: asyncio.Future[Http1Response] = connection.start(request)

    def __repr__(self) -> str:
        return f"<Begun {self.request!r} on {self._connection!r}>"

    def abandon(self) -> None:
        """Close the connection, if this exchange still goes on there."""
        if self._connection.serves(self.answer):
            self._connection.close()

    async def send(self, request: UpstreamRequest) -> Http1Response:
        """Return the response to what was sent already; see `Http1Transport.send`.

        Args:
            request: the same request, built once more; it says who is told of waiting, and is what is sent
                again if that is harmless.
        """
        self.request.idle_timeout_s = request.idle_timeout_s
        self.request.on_wait = request.on_wait
        try:
            if not self.answer.done():
                self.request.tell_of_wait()
            return await self.answer
        except BaseException as error:
            await self._connection.give_up(self.answer)
            if not self._transport.may_retry(request, self._connection, error):
                raise
        return await self._transport.send_again(request)

    async def aclose(self) -> None:
        """Abandon it; see `interfaces.Transport.aclose`."""
        self.abandon()
