"""What servers, middleware and clients should not do, and what becomes of it."""

import asyncio

import anyio
import pytest
from starlette.requests import HTTPConnection

from forst_asgi.types import Message
from tests.forward.calls import HOST, POST, Client, Forwarding, http_scope, piece
from tests.forward.test_forward_disconnect import BEGUN, Waiting
from tests.transport.upstream import Run, Upstream


def test_item_35_a_second_cancellation_frees_the_slot_too(run: Run) -> None:
    """A task group of anyio cancels again at every await; the upstream connection is closed all the same."""

    async def main() -> None:
        script = Waiting(*BEGUN["in the body"])
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            begun = asyncio.Event()

            async def on_send(message: Message) -> None:
                if message["type"] == "http.response.body":
                    begun.set()

            client = Client(on_send=on_send)
            async with anyio.create_task_group() as group:
                group.start_soon(Forwarding(transport).__call__, http_scope(), client)
                await begun.wait()
                group.cancel_scope.cancel()
            assert transport.pool().slots == 0
            await script.gone.wait()

    run(main())


@pytest.mark.parametrize(
    "name", [b"X-Forst-Identity", b"Content-Length", b"x-a ", b"x-forwarded-for:1.2.3.4,", b"x\xe9", b""]
)
def test_item_14_a_name_that_is_no_lower_case_token_is_refused(name: bytes) -> None:
    """A server that hands on other spellings cannot be used to send what only we may send."""
    forwarding, client = Forwarding(), Client()
    asyncio.run(forwarding(http_scope((name, b"x")), client))
    assert client.status == 400
    assert not forwarding.fake.requests


def test_item_17_another_coding_than_chunked_is_refused() -> None:
    """The server takes off `chunked`; what is below it would get lost."""
    forwarding, client = Forwarding(), Client()
    asyncio.run(forwarding(http_scope((b"transfer-encoding", b"gzip, chunked"), **POST), client))
    assert client.status == 400
    assert not forwarding.fake.requests


@pytest.mark.parametrize("method", ["GET /admin", "", "GÉT", "A\tB"])
def test_item_01_a_method_that_is_no_token_is_refused(method: str) -> None:
    """HTTP/2 servers may let one through; it would become part of the request line."""
    forwarding, client = Forwarding(), Client()
    asyncio.run(forwarding(http_scope(method=method), client))
    assert client.status == 400
    assert not forwarding.fake.requests


def test_an_extension_method_passes() -> None:
    """A token that we do not know is forwarded byte for byte."""
    forwarding = Forwarding()
    asyncio.run(forwarding(http_scope(method="PURGE"), Client()))
    assert forwarding.fake.requests[0].method == b"PURGE"


def test_fields_in_a_tuple_and_no_scheme() -> None:
    """The ASGI specification asks for an iterable of fields, and has a default for the scheme."""
    scope = http_scope()
    scope["headers"] = tuple(scope["headers"])
    del scope["scheme"]
    forwarding = Forwarding()
    asyncio.run(forwarding(scope, Client()))
    assert HOST in forwarding.fake.requests[0].headers
    assert (b"x-forwarded-proto", b"http") in forwarding.fake.requests[0].headers


def test_a_body_that_is_not_bytes() -> None:
    """Middleware may hand on a memoryview."""
    forwarding, client = Forwarding(), Client({**piece(b""), "body": memoryview(b"four")})
    asyncio.run(forwarding(http_scope((b"content-length", b"4"), **POST), client))
    assert forwarding.fake.requests[0].body == b"four"


def test_item_13_a_peer_cannot_add_to_forwarded() -> None:
    """Whatever a server takes for the peer's address stays inside its quotes."""
    forwarding = Forwarding()
    asyncio.run(forwarding(http_scope(client=('a:"];for=6.6.6.6', 1)), Client()))
    fields = dict(forwarding.fake.requests[0].headers)
    assert fields[b"forwarded"].startswith(b'for="[a:\\"];for=6.6.6.6]";host=')


def test_long_names_and_hosts_pass_and_are_not_kept() -> None:
    """What clients choose is remembered only when it is short; it is forwarded either way."""
    long = (b"x-" + b"a" * 100, b"1")
    forwarding = Forwarding()
    for _ in range(2):
        scope = http_scope(long, (b"host", b"h" * 300), host=False)
        asyncio.run(forwarding(scope, Client()))
    assert all(long in request.headers for request in forwarding.fake.requests)


def test_item_36_the_deadline_counts_from_the_arrival() -> None:
    """Time that the auth callable takes is time of the call."""

    async def slow(_: HTTPConnection) -> None:
        await asyncio.Event().wait()

    forwarding, client = Forwarding(auth=slow, timeout_s=0.03), Client()
    asyncio.run(forwarding(http_scope(), client))
    assert client.status == 504


def test_the_last_declared_bytes_wait_for_the_end() -> None:
    """On HTTP/2 the end may come apart; the answer cannot overtake it."""
    forwarding = Forwarding()
    client = Client(piece(b"four", more=True), piece(b"", more=True), piece(b""))
    asyncio.run(forwarding(http_scope((b"content-length", b"4"), http_version="2", **POST), client))
    assert forwarding.fake.requests[0].body == b"four"
    assert client.receives == 3


def test_the_end_of_an_empty_body_is_taken_on_http_2() -> None:
    """Content-Length 0 is passed on, and the frame that ends the request is read."""
    forwarding, client = Forwarding(), Client()
    asyncio.run(forwarding(http_scope((b"content-length", b"0"), http_version="2", **POST), client))
    assert forwarding.fake.requests[0].body == b""
    assert client.receives == 1
