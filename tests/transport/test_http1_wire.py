"""The bytes of a request, as the upstream sees them."""

import asyncio

import pytest

from forst_asgi.errors import HeadersTooLarge, RequestError
from forst_asgi.messages import UpstreamRequest
from tests.transport.upstream import OK, Place, Run, Source, Upstream, answering, asking, fetch

HOST = [(b"host", b"sidecar")]


@pytest.mark.item(17)
@pytest.mark.parametrize(
    ("request_", "raw"),
    [
        (asking(), b"GET / HTTP/1.1\r\nhost: sidecar\r\n\r\n"),
        (
            asking(target=b"/a%2Fb//c?x=%zz&y=\xff", fields=[*HOST, (b"a", b"1"), (b"a", b"\xe9")]),
            b"GET /a%2Fb//c?x=%zz&y=\xff HTTP/1.1\r\nhost: sidecar\r\na: 1\r\na: \xe9\r\n\r\n",
        ),
        (asking(b"POST", body=b""), b"POST / HTTP/1.1\r\nhost: sidecar\r\ncontent-length: 0\r\n\r\n"),
        (asking(b"pOsT", body=b"hi"), b"pOsT / HTTP/1.1\r\nhost: sidecar\r\ncontent-length: 2\r\n\r\nhi"),
        (
            asking(b"PUT", body=Source(b"he", b"y", content_length=3)),
            b"PUT / HTTP/1.1\r\nhost: sidecar\r\ncontent-length: 3\r\n\r\nhey",
        ),
        (
            asking(b"PUT", body=Source(b"he", b"y" * 17)),
            b"PUT / HTTP/1.1\r\nhost: sidecar\r\ntransfer-encoding: chunked\r\n\r\n"
            b"2\r\nhe\r\n11\r\n" + b"y" * 17 + b"\r\n0\r\n\r\n",
        ),
        (
            asking(b"PUT", body=Source()),
            b"PUT / HTTP/1.1\r\nhost: sidecar\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ],
    ids=["bare", "verbatim", "empty body", "small body", "declared length", "chunked", "empty stream"],
)
def test_request_on_the_wire(request_: UpstreamRequest, raw: bytes) -> None:
    """Method, target and fields go out byte for byte, with the framing that the body asks for."""

    async def main() -> None:
        fresh = UpstreamRequest(request_.method, request_.target, request_.fields, request_.body)
        async with Upstream(answering(OK)) as upstream:
            await fetch(upstream.transport(), fresh)
            assert upstream.requests == [raw]

    asyncio.run(main())


@pytest.mark.item(16)
@pytest.mark.parametrize("bad", [b"\r", b"\n", b"\r\n", b"\0", b"\x01", b"\x0b", b"\x1f", b"\x7f"])
def test_control_bytes_are_refused(run: Run, place: Place, bad: bytes) -> None:
    """A control byte in a method, target, name or value sends nothing and leaves no connection in doubt."""

    async def main() -> None:
        async with Upstream(answering(OK), place) as upstream:
            transport = upstream.transport()
            split = b"a" + bad + b"b"
            for request in (
                asking(split),
                asking(target=split),
                asking(fields=[(split, b"")]),
                asking(fields=[(b"a", split)]),
            ):
                with pytest.raises(RequestError, match="control byte"):
                    await transport.send(request)
            assert (await fetch(transport)).body == b"ok"
            assert upstream.requests == [b"GET / HTTP/1.1\r\nhost: sidecar\r\n\r\n"]
            with pytest.raises(RequestError):
                await transport.send(asking(split))

    run(main())


@pytest.mark.item(16)
def test_large_head_is_refused(run: Run) -> None:
    """A request head over 64 KiB sends nothing."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            transport = upstream.transport()
            with pytest.raises(HeadersTooLarge):
                await transport.send(asking(fields=[(b"a", b"x" * 65536)]))
            assert (await fetch(transport)).body == b"ok"
            assert len(upstream.requests) == 1

    run(main())
