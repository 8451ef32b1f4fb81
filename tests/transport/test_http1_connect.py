"""Connecting: how it fails, how long it may take, and that the slot is free afterwards."""

import asyncio
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import trustme

from forst_asgi.errors import ConnectError, ConnectTimeout, SidecarNotReady, UpstreamError
from forst_asgi.transport import Http1Transport, Limits, Origin
from tests.transport.upstream import OK, Peer, Run, Upstream, answering, asking, client_tls, fetch, turns


@contextmanager
def full_backlog() -> Iterator[Origin]:
    """Listen on a port, but accept nothing; what the backlog takes is taken already."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        try:
            yield Origin(port=listener.getsockname()[1])
        finally:
            for sock in waiting:
                sock.close()


def unused_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.mark.item(29)
@pytest.mark.parametrize(
    "origin", [Origin(path="/nowhere/at-all"), Origin(path="/tmp/" + "x" * 200)], ids=["missing", "too long"]
)
def test_no_such_socket(run: Run, origin: Origin) -> None:
    """A Unix socket that is not there is ConnectError, status 502."""

    async def main() -> None:
        transport = Http1Transport(origin)
        with pytest.raises(ConnectError) as caught:
            await transport.send(asking(b"POST", body=b"x"))
        assert (caught.value.status, caught.value.stage) == (502, "connect")
        assert caught.value.proxy_error == "connection_refused"
        assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(29)
def test_refused_port(run: Run) -> None:
    """A port that nobody listens on is ConnectError, and the error does not break the pool."""

    async def main() -> None:
        transport = Http1Transport(Origin(port=unused_port()), Limits(max_connections=1))
        results = await asyncio.gather(*(transport.send(asking()) for _ in range(5)), return_exceptions=True)
        assert [type(result) for result in results] == [ConnectError] * 5
        assert repr(transport.pool()) == "<Pool open=0 idle=0 connecting=0 waiting=0>"

    run(main())


@pytest.mark.item(36)
def test_connecting_takes_too_long(run: Run) -> None:
    """A connection that is not made within `connect_timeout_s` is ConnectTimeout, status 504."""

    async def main() -> None:
        with full_backlog() as origin:
            transport = Http1Transport(origin, Limits(connect_timeout_s=0.05))
            with pytest.raises(ConnectTimeout) as caught:
                await transport.send(asking())
            assert caught.value.status == 504
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(38)
def test_full_backlog_of_a_unix_socket(run: Run) -> None:
    """A Unix socket whose backlog is full is waited for, until there is room or time is up."""

    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{folder}/socket")
            listener.listen(0)
            with socket.socket(socket.AF_UNIX) as first:
                first.connect(f"{folder}/socket")
                origin = Origin(path=f"{folder}/socket")
                impatient = Http1Transport(origin, Limits(connect_timeout_s=0.05))
                with pytest.raises(ConnectTimeout):
                    await impatient.send(asking())
                assert impatient.pool().slots == 0
                transport = Http1Transport(origin)
                task = asyncio.create_task(transport.send(asking()))
                await turns()
                listener.accept()[0].close()
                while not transport.pool().slots or "connecting=1" in repr(transport.pool()):
                    await turns(1)
                listener.accept()[0].close()
                with pytest.raises(UpstreamError):
                    await task

    run(main())


@pytest.mark.item(36)
def test_handshake_takes_too_long(run: Run) -> None:
    """The TLS handshake is part of connecting, and of its time."""

    async def silent(peer: Peer) -> None:
        await peer.end()

    async def main() -> None:
        async with Upstream(silent, "tcp") as upstream:
            origin = replace(upstream.origin, tls=client_tls())
            transport = Http1Transport(origin, Limits(connect_timeout_s=0.05))
            with pytest.raises(ConnectTimeout):
                await transport.send(asking())
            assert transport.pool().slots == 0

    run(main())


def test_certificate_of_a_stranger(run: Run) -> None:
    """A certificate that is not trusted, or for another name, is a ConnectError about TLS."""

    async def main() -> None:
        async with Upstream(answering(OK), "tls") as upstream:
            stranger = replace(upstream.origin, tls=client_tls(trustme.CA()))
            misnamed = replace(upstream.origin, server_hostname="sidecar.example")
            for origin in (stranger, misnamed):
                transport = Http1Transport(origin)
                with pytest.raises(ConnectError, match="TLS handshake failed") as caught:
                    await transport.send(asking())
                assert caught.value.proxy_error == "tls_protocol_error"
                assert transport.pool().slots == 0
            named = Http1Transport(replace(upstream.origin, server_hostname="127.0.0.1"))
            assert (await fetch(named)).body == b"ok"
            await named.aclose()
            await turns()

    run(main())


def test_plain_text_where_tls_was_expected(run: Run) -> None:
    """An upstream that does not speak TLS is a ConnectError."""

    async def plain(peer: Peer) -> None:
        await peer.some()
        await peer.send(OK)

    async def main() -> None:
        async with Upstream(plain, "tcp") as upstream:
            transport = Http1Transport(replace(upstream.origin, tls=client_tls()))
            with pytest.raises(ConnectError):
                await transport.send(asking())
            assert transport.pool().slots == 0

    run(main())


def test_origin_is_asked_for_each_connection(run: Run) -> None:
    """A function that tells the origin is called anew each time, and may say that there is none."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            origins = [None, upstream.origin]

            def origin() -> Origin:
                if (found := origins.pop(0)) is None:
                    raise SidecarNotReady("not there")
                return found

            transport = Http1Transport(origin)
            with pytest.raises(SidecarNotReady):
                await transport.send(asking())
            assert transport.pool().slots == 0
            assert (await fetch(transport)).body == b"ok"
            await transport.aclose()

    run(main())


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (Origin(path="/run/a"), "unix:/run/a"),
        (Origin(port=8080), "http://127.0.0.1:8080"),
        (Origin(host="::1"), "http://[::1]:80"),
        (Origin(host="a", tls=client_tls()), "https://a:80"),
    ],
)
def test_origin_as_text(origin: Origin, text: str) -> None:
    """An origin reads as people write it."""
    assert str(origin) == text
