"""Raw bytes on both sides: a client that sends what it likes, and an upstream that runs a script.

Both use blocking sockets, and the upstream a thread for each connection, so a test reads from top to bottom.
"""

import contextlib
import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar

PATIENCE_S = 30.0
"""How long to wait for what must happen; only a failure takes that long."""

Fields: TypeAlias = list[tuple[bytes, bytes]]


@dataclass
class Head:
    """The start line and the fields of a message; names in lower case.

    Attributes:
        raw: the bytes, with the empty line.
    """

    raw: bytes

    @property
    def start(self) -> bytes:
        return self.raw.partition(b"\r\n")[0]

    @property
    def fields(self) -> Fields:
        pairs = (line.partition(b":") for line in self.raw.split(b"\r\n")[1:-2])
        return [(name.lower(), value.strip()) for name, _, value in pairs]

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of the fields of one name, in order."""
        return [value for each, value in self.fields if each == name]

    @property
    def target(self) -> bytes:
        return self.start.split(b" ")[1]

    @property
    def method(self) -> bytes:
        return self.start.split(b" ")[0]

    @property
    def path(self) -> str:
        return self.target.partition(b"?")[0].decode("latin-1")

    @property
    def status(self) -> int:
        return int(self.start.split(b" ")[1])


class TornError(Exception):
    """The other side ended amid a message."""


S = TypeVar("S", bound="Stream")


class Stream:
    """One end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(PATIENCE_S)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send everything."""
        self.sock.sendall(data)

    def some(self) -> bytes:
        """Return what is there, waiting for something; `b""` at the end."""
        data, self._buffer = self._buffer, b""
        try:
            return data or self.sock.recv(65536)
        except ConnectionResetError:
            return b""

    def until(self, end: bytes) -> bytes:
        """Return everything to the end of some bytes."""
        seen = b""
        while end not in seen:
            seen += self._more()
        size = seen.index(end) + len(end)
        self._buffer = seen[size:]
        return seen[:size]

    def exactly(self, size: int) -> bytes:
        """Return so many bytes."""
        seen = b""
        while len(seen) < size:
            seen += self._more()
        self._buffer = seen[size:]
        return seen[:size]

    def _more(self) -> bytes:
        data = self.some()
        if not data:
            raise TornError
        return data

    def rest(self) -> bytes:
        """Return everything that comes until the other side ends."""
        seen = b""
        while data := self.some():
            seen += data
        return seen

    def head(self) -> Head:
        """Return the next head."""
        return Head(self.until(b"\r\n\r\n"))

    def chunks(self) -> Iterator[bytes]:
        """Yield the chunks of a chunked body; leaves out trailers."""
        while size := int(self.until(b"\r\n").partition(b";")[0], 16):
            yield self.exactly(size + 2)[:-2]
        while self.until(b"\r\n") != b"\r\n":
            pass

    def body(self, head: Head) -> bytes:
        """Return the body that a head announces; without an announcement none."""
        if head.values(b"transfer-encoding") == [b"chunked"]:
            return b"".join(self.chunks())
        return self.exactly(sum(map(int, head.values(b"content-length"))))

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Throw the connection away."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


@dataclass
class Answer:
    """A whole response."""

    head: Head
    body: bytes

    @property
    def status(self) -> int:
        return self.head.status

    @property
    def seen(self) -> "Seen":
        """The request as the upstream's echo has seen it."""
        return Seen(json.loads(self.body))

    @property
    def problem(self) -> str:
        """What our own answer says went wrong."""
        return str(json.loads(self.body)["detail"])


class Seen(dict[str, Any]):
    """What `echo` tells of a request."""

    @property
    def fields(self) -> Fields:
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self["fields"]]

    def every(self, name: str) -> list[str]:
        """Return the values of the fields of one name, in order."""
        return [value for each, value in self["fields"] if each == name]


class Client(Stream):
    """A client's connection to a server."""

    def answer(self, *, to: str = "GET") -> Answer:
        """Return the next response, after any interim ones."""
        head = self.head()
        while head.status < 200:
            head = self.head()
        if to == "HEAD" or head.status in {204, 304}:
            return Answer(head, b"")
        if head.values(b"content-length") or head.values(b"transfer-encoding"):
            return Answer(head, self.body(head))
        return Answer(head, self.rest())

    def ask(self, request: bytes) -> Answer:
        """Send a request and return its response."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send(request)
        return self.answer(to=request.partition(b" ")[0].decode("latin-1"))


Script: TypeAlias = Callable[["Peer", Head], object]


class Peer(Stream):
    """The upstream's end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.number = 0

    def ended(self) -> None:
        """Wait until the other side has ended the connection; whatever it sends before counts for nothing."""
        self.rest()


def echo(peer: Peer, head: Head) -> None:
    """Answer with everything that came."""
    text = {
        "method": head.method.decode("latin-1"),
        "target": head.target.decode("latin-1"),
        "fields": [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.fields],
        "body": peer.body(head).decode("latin-1"),
        "connection": peer.number,
    }
    body = b"" if head.method == b"HEAD" else json.dumps(text).encode()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def sending(*pieces: bytes) -> Script:
    """Return a script that answers with these bytes."""

    def script(peer: Peer, head: Head) -> None:
        peer.body(head)
        for piece in pieces:
            peer.send(piece)

    return script


class Backend:
    """An upstream on a Unix socket; each path has its script, `echo` unless it was given another one.

    Attributes:
        heads: of all requests that came, in order.
        scripts: by path.
    """

    def __init__(self, path: Path) -> None:
        self.address = f"unix:{path}"
        self.heads: list[Head] = []
        self.scripts: dict[str, Script] = {}
        self.connections = 0
        self._problems: list[Exception] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(128)
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self._open: list[socket.socket] = []

    def close(self) -> None:
        """End everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(PATIENCE_S)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def raise_problems(self) -> None:
        """Raise what went wrong in a script."""
        problems, self._problems = self._problems, []
        for problem in problems:
            raise problem

    def on(self, path: str, script: Script) -> bytes:
        """Let a script answer that path; return the path."""
        self.scripts[path] = script
        return path.encode("latin-1")

    def seen(self, path: str) -> list[Head]:
        """Return the heads of the requests for a path."""
        return [head for head in self.heads if head.path == path]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.append(sock)
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(sock, self.connections))
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        peer = Peer(sock)
        peer.number = number
        with peer, contextlib.suppress(TornError, OSError):
            while peer.sock.fileno() != -1:
                head = peer.head()
                self.heads.append(head)
                self._run(self.scripts.get(head.path, echo), peer, head)

    def _run(self, script: Script, peer: Peer, head: Head) -> None:
        try:
            script(peer, head)
        except (TornError, OSError):
            raise
        except Exception as problem:
            self._problems.append(problem)
            raise TornError from problem


def first_to_speak(*streams: S) -> S:
    """Wait until the other side of one of them has something to say, and return that one."""
    readable, _, _ = select.select([stream.sock for stream in streams], [], [], PATIENCE_S)
    return next(stream for stream in streams if stream.sock in readable)
