"""The upstream's side of a WebSocket that is open: messages in and out over one connection.

Nothing is read that nobody asked for: `read` takes one piece from the connection and returns the messages
in it, so a client that is slow keeps the next piece where it is, and in the end the upstream waits. Whoever
sends waits for `room` as soon as the connection takes no more.

Pings are answered here.

Whoever reads never waits for the upstream to take something: an upstream that does not read until it has
sent, such as an echo, would wait for ever, and so would the reader. So answers to pings are not waited for;
when the upstream takes none of them for long, further ones are left out (RFC 6455 section 5.5.3 allows to
answer only the last ping).
"""

import asyncio
import contextlib
from typing import Final

from websockets.protocol import State

from forst_asgi.errors import BodyError, BodyTooLarge, WriteTimeout
from forst_asgi.websocket.ending import ABNORMAL, Ending
from forst_asgi.websocket.frames import Message, Protocol

READ_BYTES: Final = 64 * 1024
"""How much is taken from the connection at a time."""

CLOSE_TIMEOUT_S: Final = 2.0
"""How long an end may take on each side, once it is certain."""

_HIGH_WATER: Final = 64 * 1024

_MAX_PONG_BYTES: Final = 64 * 1024
"""How much of answers to pings may wait while the upstream takes nothing."""


class Link:
    """One open WebSocket to an upstream.

    Args:
        reader: the connection's incoming side.
        writer: its outgoing side.
        protocol: what parsed the handshake's answer, and frames from now on.
        write_timeout_s: how long the upstream may take nothing of what is sent, in seconds.

    Attributes:
        heard_at: when something came from the upstream last, by the event loop's clock.
        is_waiting: whether somebody waits for it now.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        protocol: Protocol,
        write_timeout_s: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = protocol
        self._write_timeout_s = write_timeout_s
        self._pong_bytes = 0
        self.heard_at = asyncio.get_running_loop().time()
        self.is_waiting = False
        writer.transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._answer()  # to what came together with the handshake's answer

    def __repr__(self) -> str:
        return f"<Link {self._protocol.state.name}>"

    @property
    def subprotocol(self) -> str | None:
        """What the upstream chose of the client's offer."""
        return self._protocol.subprotocol

    @property
    def ending(self) -> Ending | None:
        """How the upstream ended it, or what it did that cannot go on; None as long as it goes on."""
        fault, said = self._protocol.fault, self._protocol.close_rcvd
        if fault is None:
            return Ending("upstream", said.code, said.reason) if said is not None else None
        if isinstance(fault, EOFError):
            error = BodyError("the upstream's connection ended without a close frame")
            return Ending("upstream", ABNORMAL, error=error)
        answered = self._protocol.close_sent
        error = BodyError(f"the upstream broke the protocol: {fault}")
        return Ending("upstream", answered.code if answered is not None else ABNORMAL, error=error)

    async def read(self) -> list[Message]:
        """Return the messages that are there, waiting for a sign of life; look at `ending` afterwards."""
        protocol = self._protocol
        if not protocol.messages and self.ending is None:  # both may have come with the handshake
            await self._take()
        self._answer()
        return protocol.take()

    def _answer(self) -> None:
        """Write the pongs, and the answer to a close, that what came calls for."""
        data = b"".join(self._protocol.data_to_send())
        if not data:
            return
        if self._writer.transport.get_write_buffer_size() <= _HIGH_WATER:
            self._pong_bytes = 0
        self._pong_bytes += len(data)
        if self._protocol.state is not State.OPEN or self._pong_bytes <= _MAX_PONG_BYTES:
            self._write(data)

    async def _take(self) -> None:
        self.is_waiting = True
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError:
            data = b""
        self.is_waiting = False
        self.heard_at = asyncio.get_running_loop().time()
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()

    def send(self, message: Message) -> None:
        """Send a message; when the upstream hung up, nothing happens, and `read` will tell.

        Raises:
            BodyTooLarge: it is over the limit that holds for the upstream's messages too.
        """
        data = message.encode() if isinstance(message, str) else message
        limit = self._protocol.max_message_size
        if limit is not None and len(data) > limit:
            raise BodyTooLarge(f"a message of {len(data)} bytes is over {limit}")
        if self._protocol.state is not State.OPEN:
            return
        if isinstance(message, str):
            self._protocol.send_text(data)
        else:
            self._protocol.send_binary(data)
        self._write(b"".join(self._protocol.data_to_send()))

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._write(b"".join(self._protocol.data_to_send()))

    @property
    def is_clogged(self) -> bool:
        """Whether the upstream has to take something before more is sent."""
        transport = self._writer.transport
        return transport.get_write_buffer_size() > _HIGH_WATER and not transport.is_closing()

    async def room(self) -> None:
        """Wait until the upstream has taken enough.

        Raises:
            WriteTimeout: it takes nothing.
        """
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await self._writer.drain()
        except TimeoutError as error:
            raise WriteTimeout("the upstream takes nothing of what the client sends") from error
        except OSError:
            return  # broken; whoever reads finds that out

    def _write(self, data: bytes) -> None:
        if data and not self._writer.transport.is_closing():
            self._writer.write(data)

    # -- the end -----------------------------------------------------------------------------------

    async def aclose(self, ending: Ending) -> None:
        """Tell the upstream how it ended and let the connection go, in `CLOSE_TIMEOUT_S` at most."""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                self.say(ending)
                if not ending.is_abnormal:
                    # Hanging up on bytes that were not read resets the connection, and the close frame
                    # would be lost with it.
                    while await self._reader.read(READ_BYTES):
                        pass
                self._writer.close()
                await self._writer.wait_closed()
        self.abort()

    def say(self, ending: Ending) -> None:
        """Send the close frame for an end, if there is one and none was sent before."""
        if self._protocol.state is State.OPEN and not ending.is_abnormal:
            self._protocol.send_close(ending.upstream_code, ending.short_reason)
        self._write(b"".join(self._protocol.data_to_send()))

    def abort(self) -> None:
        """Let the connection go at once."""
        self._writer.transport.abort()
