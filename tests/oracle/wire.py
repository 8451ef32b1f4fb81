"""A client that sends raw bytes and reads what comes back by the letter of RFC 9112.

It shares no code with what it tests: neither a parser, nor a client library.
"""

import contextlib
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from forst_asgi.types import RawHeaders

Connect: TypeAlias = Callable[[], socket.socket]

PATIENCE_S = 10.0
"""How long to wait for what must come; only a hang takes that long."""

SENTINEL = b"GET /sentinel HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
"""Sent behind each case. It gets its own answer, or none because the connection is closed; never another."""

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: (.*))?")


class Ended(Exception):
    """The connection ended, or what came is no HTTP."""


@dataclass(frozen=True)
class Answer:
    """One final response as a client sees it.

    Attributes:
        status: its status.
        reason: its reason phrase.
        fields: its fields, names in lower case, in order.
        body: the bytes of its body, transfer coding removed.
        is_whole: whether it came to its end, as far as its framing tells.
        interim: the statuses of the interim responses before it.
    """

    status: int
    reason: bytes
    fields: RawHeaders
    body: bytes
    is_whole: bool
    interim: tuple[int, ...] = ()

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a field."""
        return [value for key, value in self.fields if key == name]


@dataclass(frozen=True)
class Exchange:
    """What a client got on one connection.

    Attributes:
        answers: the final responses in order, without the sentinel's.
        is_kept: whether the sentinel was answered, by its own answer.
    """

    answers: tuple[Answer, ...]
    is_kept: bool


class Wire:
    """The client's end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sock.settimeout(PATIENCE_S)
        self._read = b""

    def send(self, data: bytes) -> None:
        """Send bytes; whether they are taken shows in what comes back."""
        with contextlib.suppress(OSError):
            self._sock.sendall(data)

    def wait(self) -> None:
        """Return once something came, or the end."""
        with contextlib.suppress(Ended):
            self._more()

    def finish(self) -> None:
        """Send no more, and return once the other side has hung up for that."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(Ended):
            while True:
                self._more()

    def answers(self, methods: Iterator[str]) -> Iterator[Answer]:
        """Yield the answers to requests, up to the last or to the first that is not whole."""
        for method in methods:
            try:
                answer = self._answer(method)
            except Ended:
                return
            yield answer
            if not answer.is_whole or b"close" in answer.values(b"connection"):
                return

    def _answer(self, method: str) -> Answer:
        interim: tuple[int, ...] = ()
        while True:
            status, reason = self._status()
            fields = list(self._fields())
            if status >= 200 or status == 101:
                break
            interim += (status,)
        answer = Answer(status, reason, fields, b"", is_whole=True)
        pieces: list[bytes] = []
        try:
            pieces.extend(self._body(answer, method))
            is_whole = True
        except Ended as end:
            pieces.extend(end.args)
            is_whole = False
        return Answer(status, reason, fields, b"".join(pieces), is_whole, interim)

    def _status(self) -> tuple[int, bytes]:
        line = self._line()
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            raise Ended(line)
        return int(found[1]), found[2] or b""

    def _fields(self) -> Iterator[tuple[bytes, bytes]]:
        while line := self._line():
            name, _, value = line.partition(b":")
            yield name.lower(), value.strip(b" \t")

    def _body(self, answer: Answer, method: str) -> Iterator[bytes]:
        """Yield the body in pieces (RFC 9112 section 6.3)."""
        if method == "HEAD" or answer.status in (101, 204, 304):
            return
        if answer.values(b"transfer-encoding"):
            while size := int(self._line().partition(b";")[0], 16):
                yield self._exactly(size)
                self._line()
            list(self._fields())
        elif lengths := answer.values(b"content-length"):
            yield self._exactly(int(lengths[0]))
        else:
            with contextlib.suppress(Ended):
                while True:
                    self._more()
            yield self._take(len(self._read))

    def _line(self) -> bytes:
        while b"\n" not in self._read:
            self._more()
        line = self._take(self._read.index(b"\n") + 1)
        return line.rstrip(b"\r\n")

    def _exactly(self, size: int) -> bytes:
        while len(self._read) < size:
            try:
                self._more()
            except Ended:
                raise Ended(self._take(size)) from None
        return self._take(size)

    def _take(self, size: int) -> bytes:
        taken, self._read = self._read[:size], self._read[size:]
        return taken

    def _more(self) -> None:
        try:
            data = self._sock.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise Ended
        self._read += data


def talk(connect: Connect, pieces: Sequence[bytes], methods: list[str], follow: str = "answered") -> Exchange:
    """Send a case and then the sentinel on one connection, and return what came back.

    Args:
        connect: makes the connection.
        pieces: the bytes; before each but the first something has to come back.
        methods: the methods of the requests in them.
        follow: when the sentinel is sent: "answered", "pipelined", or "none" for a client that goes away.

    Raises:
        TimeoutError: the other side neither answers nor ends.
    """
    with connect() as sock:
        wire = Wire(sock)
        first, *later = [*pieces[:-1], pieces[-1] + SENTINEL] if follow == "pipelined" else pieces
        wire.send(first)
        for piece in later:
            wire.wait()
            wire.send(piece)
        if follow == "none":
            wire.finish()
            return Exchange((), is_kept=False)
        return _exchange(wire, methods, is_sent=follow == "pipelined")


def _exchange(wire: Wire, methods: list[str], *, is_sent: bool) -> Exchange:
    def asked() -> Iterator[str]:
        yield from methods
        if not is_sent:
            wire.send(SENTINEL)
        while True:
            yield "GET"

    answers = list(wire.answers(asked()))
    is_kept = bool(answers) and answers[-1].is_whole and b"/sentinel" in answers[-1].body
    return Exchange(tuple(answers[:-1] if is_kept else answers), is_kept)
