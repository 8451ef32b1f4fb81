"""Asks a sidecar whether it is ready, and whether it is the one that we started.

One HTTP/1.0 request per connection, so that the answer has no framing to speak of and ends with the
connection (RFC 1945 section 7.2.2). What counts as proof, the strongest first:

1. The answer is JSON with the `nonce` that only the process that we started was given (`forstsidecar`
   answers so at /.forst/ready). Another nonce is somebody else.
2. There is none, but it is a Unix socket: the kernel says that who listens is of the process's session, or is
   us, who handed our own listener over; and that it runs as our user.
3. There is none, and it is TCP: an answer from that port while our process lives has to do.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

from forst_asgi.errors import SidecarError
from forst_asgi.supervisor.peer import Peer, peer_of
from forst_asgi.supervisor.place import Place

READY_PATH = "/.forst/ready"
ANSWER_LIMIT = 64 * 1024


class Stranger(SidecarError):
    """Who answers there is not the process that we started."""


class Predecessor(Stranger):
    """The process before it still answers there, which says nothing of this one."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask, and whom to expect.

    Attributes:
        path: the request target; a 2xx status means ready.
        is_any_status_good: whether every HTTP answer means ready.
        nonce: what the process that we started was given.
        must_prove: whether an answer without a nonce is somebody else's.
        earlier: the nonces of processes of ours that may still answer at a shared listener.
    """

    path: str
    is_any_status_good: bool
    nonce: str
    must_prove: bool = False
    earlier: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: the HTTP status.
        nonce: what the body says, None when it says nothing of the kind.
        build: likewise.
        peer: who listens; None on TCP.
    """

    status: int
    nonce: str | None
    build: str | None
    peer: Peer | None


async def ask(place: Place, path: str) -> Answer:
    """Return what is answered there; takes as long as it takes.

    Raises:
        OSError: nobody listens, or no answer came.
        Stranger: what came is not HTTP.
    """
    async with _connected(place) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: forst-asgi\r\n\r\n".encode())
        text = b""
        while len(text) < ANSWER_LIMIT and (more := await reader.read(ANSWER_LIMIT)):
            text += more
        connected: socket.socket = writer.get_extra_info("socket")
        peer = peer_of(connected) if place.path else None
    if not text:
        raise ConnectionResetError("the connection was closed without an answer")
    return _parsed(text, peer)


def judge(answer: Answer, question: Question, pid: int) -> bool:
    """Tell whether the process that we started is ready.

    Args:
        answer: what it said.
        question: what it was asked.
        pid: its process number.

    Raises:
        Stranger: it is not the process that we started.
    """
    if answer.peer is not None and not answer.peer.is_ours:
        raise Stranger(f"user {answer.peer.uid} listens there, which is neither ours nor root")
    if answer.nonce in question.earlier:
        raise Predecessor("the process before it still answers there")
    if not _is_proven(answer, question, pid):
        who = f"process {answer.peer.pid}" if answer.peer is not None else "a process"
        raise Stranger(f"{who} answers there that is not the one that was started ({pid})")
    return question.is_any_status_good or 200 <= answer.status < 300


def _is_proven(answer: Answer, question: Question, pid: int) -> bool:
    if answer.nonce is not None or question.must_prove:
        return answer.nonce == question.nonce
    return answer.peer is None or answer.peer.is_of(pid)


def is_listening(place: Place) -> bool:
    """Tell whether somebody accepts connections at a place of this machine, at once or not at all."""
    family = socket.AF_UNIX if place.path else socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family) as knock:
        knock.settimeout(0.5)
        try:
            knock.connect(place.path or (place.host, place.port))
        except (BlockingIOError, TimeoutError):
            return True  # its backlog is full
        except OSError:
            return False
    return True


@contextlib.asynccontextmanager
async def _connected(place: Place) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    if place.path:
        reader, writer = await asyncio.open_unix_connection(sock=_connected_socket(place.path))
    else:
        reader, writer = await asyncio.open_connection(place.host, place.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def _connected_socket(path: str) -> socket.socket:
    """Connect at once or raise, where asyncio would take a full backlog for a connection (connect(2))."""
    made = socket.socket(socket.AF_UNIX)
    try:
        made.setblocking(False)  # noqa: FBT003 - the only way to say it
        made.connect(path)
    except BaseException:
        made.close()
        raise
    return made


def _parsed(text: bytes, peer: Peer | None) -> Answer:
    head, _, body = text.partition(b"\r\n\r\n")
    version, _, rest = head.partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/1.") or len(status) != 3 or not status.isdigit():
        raise Stranger("who answers there does not speak HTTP")
    said = _json_of(body)
    return Answer(int(status), _text(said, "nonce"), _text(said, "build"), peer)


def _json_of(body: bytes) -> dict[str, object]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _text(said: dict[str, object], key: str) -> str | None:
    value = said.get(key)
    return value if isinstance(value, str) else None
