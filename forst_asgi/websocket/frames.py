"""The upstream's frames: what the library makes of them, and messages made of frames.

Two things are done apart from the library's own. A close frame amid a message is a close frame: control
frames may come between fragments (RFC 6455 section 5.4), and close is one. Text is checked with each of its
frames, so that what is not UTF-8 ends the WebSocket there and not when a message is whole (section 8.1).
"""

import codecs
from typing import Any, Final, TypeAlias

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State

from forst_asgi.websocket.ending import NO_CODE, NORMAL

Message: TypeAlias = str | bytes
"""One message: str is text, bytes is binary."""

_DECODER: Final = codecs.getincrementaldecoder("utf-8")


class Protocol(ClientProtocol):
    """The client's half of RFC 6455, from the library, with whole messages instead of frames.

    Attributes:
        messages: what was received since `take`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.messages: list[Message] = []
        self._assembly = Assembly()

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame; the library's parser makes a close code of what is raised here."""
        super().recv_frame(frame)
        message = self._assembly.add(frame)
        if message is not None:
            self.messages.append(message)

    def take(self) -> list[Message]:
        """Return the messages that are whole, once."""
        messages, self.messages = self.messages, []
        self.events_received()  # the same as frames, which would pile up
        return messages

    @property
    def fault(self) -> Exception | None:
        """What the upstream did that no WebSocket may, or EOFError; None as long as all is well."""
        return None if self.close_rcvd is not None else self.parser_exc

    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        """Fail the connection; one that was closed amid a message is not a failure."""
        said = self.close_rcvd
        if said is not None and self.state is State.OPEN:
            code, reason = (NORMAL if said.code == NO_CODE else said.code), said.reason
        super().fail(code, reason)


class Assembly:
    """Puts messages together from their frames, which come in a valid order."""

    def __init__(self) -> None:
        self._parts = bytearray()
        self._check: codecs.IncrementalDecoder | None = None

    def __repr__(self) -> str:
        return f"<Assembly {len(self._parts)} bytes>"

    def add(self, frame: Frame) -> Message | None:
        """Return the message that a frame completes, None when it completes none.

        Args:
            frame: of any kind; those that are not part of a message complete none.

        Raises:
            UnicodeDecodeError: a text is not UTF-8, whatever may follow.
        """
        opcode = frame.opcode
        if opcode is Opcode.CONT:
            return self._go_on(frame)
        if opcode is not Opcode.TEXT and opcode is not Opcode.BINARY:
            return None
        if frame.fin:  # most messages have one frame
            data = bytes(frame.data)
            return data.decode() if opcode is Opcode.TEXT else data
        self._check = _DECODER() if opcode is Opcode.TEXT else None
        return self._go_on(frame)

    def _go_on(self, frame: Frame) -> Message | None:
        if self._check is not None:
            self._check.decode(bytes(frame.data), frame.fin)
        self._parts += frame.data
        if not frame.fin:
            return None
        whole, self._parts = self._parts, bytearray()
        return bytes(whole) if self._check is None else whole.decode()
