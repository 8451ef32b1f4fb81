"""Item 43 against a fuzzing client: through each server and the middleware to an echo in Go, and back.

What a client may not send is the server's to refuse. How it does that differs, so the middleware is not
judged by the code; that the server lives on, and nothing false comes back, is the same for all.
"""

import contextlib
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.conftest import free_port, start_process
from tests.websocket.cases import CASES, FAIL_FAST, Case
from tests.websocket.upstream import PATIENCE_S
from tests.websocket.wire import BINARY, CLOSE, TEXT, F, Wire, closing, connect

UVICORN = ("uvicorn", "served:app", "--port", "{port}", "--no-access-log", "--ws")

SERVERS: dict[str, tuple[str, ...]] = {
    "uvicorn-websockets-sansio": (*UVICORN, "websockets-sansio"),
    "uvicorn-websockets": (*UVICORN, "websockets"),
    "uvicorn-wsproto": (*UVICORN, "wsproto"),
    "hypercorn": ("hypercorn", "served:app", "--bind", "127.0.0.1:{port}"),
    "granian": ("granian", "--interface", "asgi", "--port", "{port}", "served:app"),
}

WAITS_FOR_THE_WHOLE = frozenset({"uvicorn-websockets-sansio"})
"""Servers that look at text only once a message is whole (RFC 6455 section 8.1 lets them)."""

OTHER_ENDS: dict[tuple[str, str], set[int | None]] = {
    ("uvicorn-websockets-sansio", "7.1.5 close amid a message"): {1002},
    ("uvicorn-websockets", "7.1.5 close amid a message"): {1002},
}
"""Where a server closes with a code of its own what is no fault."""


@dataclass
class Place:
    """A server that runs, with the middleware and an echo in Go behind it."""

    name: str
    port: int

    def open(self, *fields: str) -> tuple[Wire, bytes]:
        """A client's WebSocket, and the head of the answer."""
        return connect(self.port, "/ws", *fields, timeout_s=PATIENCE_S)


@pytest.fixture(scope="module")
def binary(go_build: Callable[[Path], Path]) -> Path:
    """The echo in Go, built once."""
    return go_build(Path(__file__).parent / "echo")


@contextlib.contextmanager
def echoing(binary: Path, *arguments: str) -> Iterator[str]:
    """Run the echo and yield where it listens."""
    with subprocess.Popen([binary, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextlib.contextmanager
def upstream(binary: Path, kind: str) -> Iterator[str]:
    """Run the echo on a Unix socket; or on a TCP port, and then it answers in fragments."""
    with tempfile.TemporaryDirectory(prefix="ft-", dir="/tmp") as folder:
        if kind == "unix":
            with echoing(binary, "-network", "unix", "-address", f"{folder}/s") as path:
                yield f"unix:{path}"
        else:
            with echoing(binary, "-fragment", "1300") as address:
                yield f"http://{address}"


@pytest.fixture(scope="module", params=list(SERVERS))
def place(
    request: pytest.FixtureRequest, binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Each server in turn, by turns over a Unix socket and over TCP."""
    name: str = request.param
    config = tmp_path_factory.mktemp("ws") / "forst.toml"
    with upstream(binary, ("unix", "tcp")[list(SERVERS).index(name) % 2]) as address:
        config.write_text(
            f'[sidecar]\naddress = "{address}"\n'
            '[[route]]\nid = "ws"\npath = "/ws"\ntype = "websocket"\nmode = "on"\nauth = "none"\n'
        )
        port = free_port()
        command = [each.format(port=port) for each in SERVERS[name]]
        with start_process(command, port, {"FORST_TEST_CONFIG": str(config)}):
            yield Place(name, port)


def play(wire: Wire, case: Case) -> tuple[tuple[F, ...], set[int | None]]:
    """Play a case; returns what came back, and the close code, None for a close frame without one or none."""
    heard: list[F] = []
    last = 0 if case.fails or not case.hears else -1
    wire.send(*(case.sends[:last] if last else case.sends), chop=case.chop)
    while last and len(heard) < len(case.hears) and (frame := wire.next()) is not None:
        heard.append(frame)
    wire.send(*(case.sends[last:] if last else ()))
    while (frame := wire.next()) is not None:
        if frame.opcode == CLOSE:
            code = int.from_bytes(frame.payload[:2], "big") if frame.payload else None
            return tuple(heard), {code}
        heard.append(frame)
    return tuple(heard), {None}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_item_43_conformance_towards_the_client(place: Place, case: Case) -> None:
    """What is right comes back as it was sent, what is wrong ends it."""
    if case in FAIL_FAST and place.name in WAITS_FOR_THE_WHOLE:
        return
    wire, _ = place.open()
    with wire.socket:
        heard, ended = play(wire, case)
    assert heard == case.hears[: len(heard)] if case.fails else heard == case.hears
    may_end = {case.end, None} if case.fails else {case.end}
    assert ended <= may_end | OTHER_ENDS.get((place.name, case.name), set())


def deflated(data: bytes) -> bytes:
    """The payload of a compressed message (RFC 7692 section 7.2.1)."""
    press = zlib.compressobj(wbits=-15)
    return (press.compress(data) + press.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflated(frame: F) -> bytes:
    """The message in a frame that may be compressed."""
    tail = b"\0\0\xff\xff"
    return zlib.decompressobj(wbits=-15).decompress(frame.payload + tail) if frame.rsv else frame.payload


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_item_42_compression_is_between_client_and_server(place: Place, opcode: int) -> None:
    """12, 13: what the server agrees to is used towards the client, and the echo in Go never sees it."""
    offer = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"
    wire, head = place.open(offer)
    with wire.socket:
        is_agreed = b"permessage-deflate" in head
        assert is_agreed is (place.name != "granian")  # which knows no compression
        message = b"the same, the same, the same; " * 100
        wire.send(F(opcode, deflated(message), rsv=4) if is_agreed else F(opcode, message))
        heard = wire.next()
        assert heard is not None
        assert (heard.opcode, inflated(heard)) == (opcode, message)
        wire.send(closing(1000))
        assert wire.rest() == [closing(1000)]
