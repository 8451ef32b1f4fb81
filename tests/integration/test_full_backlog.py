"""A Unix socket whose listener is slow to accept: a connection that is not made yet is not one that broke."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvloop

from forst_asgi import Http1Transport, UpstreamRequest
from forst_asgi.errors import ConnectTimeout
from forst_asgi.transport import Limits, Origin

ANSWER = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"

NewLoop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def new_loop(request: pytest.FixtureRequest) -> NewLoop:
    """Makes an event loop."""
    made: NewLoop = request.param
    return made


@pytest.fixture
def listener(folder: Path) -> Iterator[socket.socket]:
    """A listener that nobody accepts from yet."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "s"))
        made.listen(0)
        yield made


@pytest.fixture
def fillers(listener: socket.socket) -> Iterator[list[socket.socket]]:
    """The connections that fill its backlog, which never say a word."""
    made: list[socket.socket] = []
    is_full = False
    while not is_full:
        filler = socket.socket(socket.AF_UNIX)
        filler.settimeout(0)
        made.append(filler)
        is_full = filler.connect_ex(listener.getsockname()) != 0
    yield made
    for filler in made:
        filler.close()


def transport_to(listener: socket.socket, limits: Limits) -> Http1Transport:
    """Return a transport that connects there."""
    path: str = listener.getsockname()
    return Http1Transport(lambda: Origin(path=path), limits)


def accept_all(listener: socket.socket) -> None:
    """Accept and answer until the listener is shut down."""
    with contextlib.suppress(OSError), ThreadPoolExecutor() as pool:
        while True:
            connection, _ = listener.accept()
            pool.submit(answer, connection)


def answer(connection: socket.socket) -> None:
    """Answer one request, if one comes."""
    with connection:
        if connection.recv(65536):
            connection.sendall(ANSWER)


REQUEST = UpstreamRequest(b"POST", b"/", [(b"host", b"h")], b"x")


@pytest.mark.item(38)
@pytest.mark.skipif("sys.platform != 'linux'", reason="elsewhere a full backlog refuses connections")
def test_a_full_backlog_is_waited_for(
    listener: socket.socket, fillers: list[socket.socket], new_loop: NewLoop
) -> None:
    """Requests wait until the listener accepts again, and none of them fails."""

    async def main() -> None:
        transport = transport_to(listener, Limits(connect_timeout_s=60))
        sending = [asyncio.create_task(transport.send(REQUEST)) for _ in range(3)]
        done, _ = await asyncio.wait(sending, timeout=0.2)
        assert done == set()
        accepting = threading.Thread(target=accept_all, args=(listener,))
        accepting.start()
        for response in await asyncio.gather(*sending):
            assert response.status == 204
            await response.aclose()
        await transport.aclose()
        listener.shutdown(socket.SHUT_RDWR)
        for filler in fillers:
            filler.close()
        await asyncio.to_thread(accepting.join, 60)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


@pytest.mark.item(36)
@pytest.mark.skipif("sys.platform != 'linux'", reason="elsewhere a full backlog refuses connections")
def test_a_backlog_that_stays_full_is_a_connect_timeout(
    listener: socket.socket, fillers: list[socket.socket], new_loop: NewLoop
) -> None:
    """Nothing was sent, and the error says so by its stage."""

    async def main() -> None:
        transport = transport_to(listener, Limits(connect_timeout_s=0.1))
        with pytest.raises(ConnectTimeout):
            await transport.send(REQUEST)
        await transport.aclose()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
