"""The request that the upstream gets: method, target, fields, framing (forwarding items 1 to 19)."""

import asyncio
import re
from typing import Any

import pytest

from forst_asgi.request_id import RequestId
from forst_asgi.types import Header, RawHeaders, Scope
from tests.forward.calls import HOST, POST, Forwarding, answered, http_scope, piece, sent_for

ADDED = {b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"forwarded", b"via"}


def passed(*headers: Header, **more: Any) -> RawHeaders:
    """Return what the upstream got of some fields, without what was added."""
    fields = sent_for(http_scope(*headers, **more)).headers
    return [field for field in fields if field[0] not in ADDED | {b"x-request-id", b"host"}]


@pytest.mark.item(1)
@pytest.mark.parametrize("method", ["GET", "POST", "pOsT", "PURGE", "M-SEARCH"])
def test_method_is_kept(method: str) -> None:
    """Any method goes through byte for byte; only idempotent ones may be sent twice (item 1)."""
    request = sent_for(http_scope(method=method))
    assert request.method == method.encode()
    assert request.is_replayable is (method == "GET")


@pytest.mark.item(1)
@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_methods_that_are_refused(method: str) -> None:
    """CONNECT and TRACE are answered 405 and never forwarded (item 1)."""
    client = answered(http_scope(method=method))
    assert client.status == 405
    assert (b"allow", b"") in client.headers


@pytest.mark.item(2)
@pytest.mark.parametrize(
    ("path", "query", "target"),
    [
        (b"/api/a%20b", b"", b"/api/a%20b"),
        (b"/api/a", b"x=%zz&&y", b"/api/a?x=%zz&&y"),
        (b"/api/%C3%A9", b"", b"/api/%C3%A9"),
    ],
)
def test_target_is_kept(path: bytes, query: bytes, target: bytes) -> None:
    """The target is the client's own bytes (item 2)."""
    assert sent_for(http_scope(path=path, query_string=query)).target == target


@pytest.mark.item(3, 4)
@pytest.mark.parametrize("path", [b"/api/../x", b"/api/%2e%2e/x", b"/api//x", b"/api/a%2fb", b"/api/a%00"])
def test_target_that_reads_two_ways(path: bytes) -> None:
    """A target that the two sides could read differently is answered 400 (items 3 and 4)."""
    client = answered(http_scope(path=path))
    assert client.status == 400
    assert b"unsafe-target" in client.body


@pytest.mark.item(5, 13)
def test_removed_prefix() -> None:
    """A prefix that is removed from the path is told in X-Forwarded-Prefix (item 5)."""
    request = sent_for(http_scope(), strip_prefix="/api")
    assert request.target == b"/quotes/7"
    assert (b"x-forwarded-prefix", b"/api") in request.headers


@pytest.mark.item(10)
def test_hop_by_hop_fields_stay_behind() -> None:
    """Hop-by-hop fields, and what Connection nominates in any case and several lines, are gone (item 10)."""
    assert passed(
        (b"connection", b"close, X-Mine ,,"),
        (b"proxy-connection", b"keep-alive"),
        (b"keep-alive", b"timeout=5"),
        (b"te", b"trailers"),
        (b"trailer", b"x"),
        (b"upgrade", b"h2c"),
        (b"proxy-authenticate", b"a"),
        (b"proxy-authorization", b"a"),
        (b"x-mine", b"1"),
        (b"x-kept", b"1"),
        (b"connection", b"x-too"),
        (b"x-too", b"1"),
        (b"expect", b"100-continue"),
    ) == [(b"x-kept", b"1")]


@pytest.mark.item(10)
def test_what_cannot_be_nominated() -> None:
    """Connection takes away neither what framing and rules depend on, nor what we add (item 10)."""
    nominations = (
        b"host, content-length, authorization, cookie, x-forwarded-for, x-request-id, via, forwarded"
    )
    scope = http_scope(
        (b"connection", nominations),
        (b"authorization", b"secret"),
        (b"cookie", b"a=b"),
        (b"content-length", b"2"),
        **POST,
    )
    request = sent_for(scope, piece(b"hi"))
    names = {name for name, _ in request.headers}
    assert {b"host", b"authorization", b"cookie", b"x-request-id", *ADDED} <= names
    assert request.body == b"hi"


@pytest.mark.item(11)
@pytest.mark.parametrize(
    "headers", [[], [HOST, HOST], [HOST, (b"host", b"evil.example")]], ids=["none", "twice", "two"]
)
@pytest.mark.parametrize("further", [[], [(b"upgrade", b"x")]])
def test_exactly_one_host(headers: RawHeaders, further: RawHeaders) -> None:
    """No Host field, or more than one, is answered 400 (item 11)."""
    client = answered(http_scope(*headers, *further, host=False))
    assert client.status == 400
    assert b"bad-host" in client.body


@pytest.mark.item(11)
@pytest.mark.parametrize(
    "host",
    [
        b"a.example,b.example",
        b"a b",
        b"user@a",
        b"a/b",
        b'"a"',
        b"a\\b",
        b"http://a",
        b"a?b",
        b"h\xe9",
        b"a\tb",
    ],
)
def test_a_host_that_is_none(host: bytes) -> None:
    """A Host with bytes that no host has, or of two hosts, is answered 400 and ends the connection."""
    client = answered(http_scope((b"host", host), host=False))
    assert client.status == 400
    assert b"bad-host" in client.body
    assert (b"connection", b"close") in client.headers


@pytest.mark.item(17)
@pytest.mark.parametrize("version", ["1.0", "1"])
def test_a_coding_on_the_oldest_version(version: str) -> None:
    """A chunked body on HTTP/1.0, which granian calls 1, is answered 400."""
    client = answered(http_scope((b"transfer-encoding", b"chunked"), http_version=version))
    assert (client.status, (b"connection", b"close") in client.headers) == (400, True)


@pytest.mark.item(18)
@pytest.mark.parametrize(
    ("field", "changed", "values"),
    [
        ((b"a", b"b"), {"method": "CONNECT"}, [b"close"]),
        ((b"upgrade", b"h2c"), {"method": "TRACE"}, [b"close"]),
        ((b"upgrade", b"h2c"), {"method": "TRACE", "http_version": "2"}, []),
        ((b"content-length", b"x"), {}, [b"close"]),
        ((b"a", b"b"), {"method": "TRACE"}, []),
    ],
)
def test_refusals_that_end_the_connection(
    field: Header, changed: dict[str, Any], values: list[bytes]
) -> None:
    """Where it may be unclear where the next request begins, there is none; HTTP/2 is always clear."""
    client = answered(http_scope(field, **changed))
    assert [value for name, value in client.headers if name == b"connection"] == values


@pytest.mark.item(11)
def test_host_is_kept_or_replaced() -> None:
    """The upstream gets the client's Host, or the one of the policy; the client's is told either way."""
    for host, policy in ((b"api.example", {}), (b"go.internal", {"host": b"go.internal"})):
        fields = sent_for(http_scope(), **policy).headers
        assert [value for name, value in fields if name == b"host"] == [host]
        assert (b"x-forwarded-host", b"api.example") in fields


@pytest.mark.item(12)
def test_order_and_duplicates_are_kept() -> None:
    """Fields keep their order, duplicates and bytes above ASCII (item 12)."""
    fields = [(b"b", b"1"), (b"a", b"\xe9 "), (b"b", b"2"), (b"a", b"")]
    assert passed(*fields) == fields


@pytest.mark.item(12)
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_cookies_of_http_2_are_joined(version: str) -> None:
    """Cookie lines that HTTP/2 allows to be split are one line again (item 12)."""
    split = [(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")]
    joined = [(b"x", b"y"), (b"cookie", b"a=1; b=2")]
    assert passed(*split, http_version=version) == (joined if version == "2" else split)
    assert passed(split[0], http_version=version) == [split[0]]


@pytest.mark.item(14)
@pytest.mark.parametrize("name", [b"x-forst-identity", b"x-forst-", b"x_forst_identity", b"user_id"])
def test_reserved_and_ambiguous_names_are_dropped(name: bytes) -> None:
    """`x-forst-*` is ours alone, and names with an underscore are dropped (item 14)."""
    forwarding = Forwarding()
    for _ in range(2):
        asyncio.run(forwarding.answer(http_scope((name, b"admin"), (b"x-kept", b"1"))))
    for request in forwarding.fake.requests:
        names = [header for header, _ in request.headers]
        assert name not in names
        assert b"x-kept" in names


@pytest.mark.item(15)
def test_nothing_is_invented() -> None:
    """No User-Agent, Accept or Accept-Encoding is added (item 15)."""
    names = {name for name, _ in sent_for(http_scope()).headers}
    assert names == {b"host", b"x-request-id", *ADDED}


@pytest.mark.item(16)
def test_too_many_fields() -> None:
    """More than 256 fields are answered 431, also when every name was seen before (item 16)."""
    forwarding = Forwarding()
    names = [b"x-%d" % number for number in range(300)]

    async def ask(some: list[bytes]) -> int:
        return (await forwarding.answer(http_scope(*((name, b"") for name in some)))).status

    assert asyncio.run(ask(names)) == 431
    assert [asyncio.run(ask(half)) for half in (names[:150], names[150:], names[:255])] == [200] * 3
    assert asyncio.run(ask(names)) == 431


def test_many_names_are_not_remembered() -> None:
    """Names that clients make up are passed on, but not remembered without end."""
    forwarding = Forwarding()

    async def main() -> None:
        for number in range(20):
            made_up = [(b"x-%d-%d" % (number, n), b"1") for n in range(100)]
            await forwarding.answer(http_scope(*made_up))
            assert set(made_up) <= set(forwarding.fake.requests[-1].headers)

    asyncio.run(main())


def test_scope_is_left_alone() -> None:
    """The scope's own list of fields is not changed, on neither way through."""
    for further in ((), ((b"connection", b"x"),), ((b"connection", b"keep-alive"),)):
        scope = http_scope((b"a", b"b"), *further)
        before = list(scope["headers"])
        sent_for(scope)
        assert scope["headers"] == before


# -- the id --------------------------------------------------------------------------------------------


def test_request_id_is_made() -> None:
    """A request without an id gets one of ours, a new one each time."""
    ids = {dict(sent_for(http_scope()).headers)[b"x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch(rb"[0-9a-f]{12}-[0-9a-f]+", made) for made in ids)


@pytest.mark.parametrize("given", [b"abc-123", b"a" * 128])
def test_harmless_request_id_is_kept(given: bytes) -> None:
    """The client's id is taken, and goes upstream once."""
    request = sent_for(http_scope((b"x-request-id", given)))
    assert [value for name, value in request.headers if name == b"x-request-id"] == [given]


@pytest.mark.parametrize(
    "given", [[b""], [b"a" * 129], [b"a b"], [b"\xe9"], [b"a\x1b[31m"], [b"a", b"b"]], ids=repr
)
def test_other_request_ids_are_replaced(given: list[bytes]) -> None:
    """An id that is not harmless to log, or is not one, is replaced."""
    request = sent_for(http_scope(*((b"x-request-id", value) for value in given)))
    (made,) = [value for name, value in request.headers if name == b"x-request-id"]
    assert made not in given


def test_the_request_id_is_the_middlewares() -> None:
    """The id that the middleware made, and bound for the logs, is the one that goes upstream."""
    made = RequestId.of(http_scope((b"x-request-id", b"made")))
    sent = sent_for({**http_scope(), "forst.request_id": made})
    assert dict(sent.headers)[b"x-request-id"] == made.value


# -- the body ------------------------------------------------------------------------------------------


@pytest.mark.item(15, 17)
def test_no_body() -> None:
    """A request that announces no body has none, and nobody calls `receive` for it (item 17)."""

    async def main() -> None:
        forwarding = Forwarding()
        for scope in (http_scope(), http_scope(**POST), http_scope((b"connection", b"keep-alive"), **POST)):
            client = await forwarding.answer(scope)
            assert client.receives == 0
        assert [request.body for request in forwarding.fake.requests] == [None] * 3

    asyncio.run(main())


@pytest.mark.item(17)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_empty_body(method: str) -> None:
    """`Content-Length: 0` stays what it is (item 17)."""
    request = sent_for(http_scope((b"content-length", b"0"), method=method))
    assert request.body == b""


@pytest.mark.item(17)
@pytest.mark.parametrize("further", [(), (b"connection", b"keep-alive"), (b"te", b"x")], ids=repr)
@pytest.mark.parametrize("pieces", [[b"hello"], [b"he", b"", b"llo"], [b"", b"hello", b""]], ids=repr)
def test_small_body(pieces: list[bytes], further: Header | tuple[()]) -> None:
    """A body with a length arrives whole; framing fields do not (item 17)."""
    messages = [piece(data, more=True) for data in pieces[:-1]] + [piece(pieces[-1])]
    scope = http_scope((b"content-length", b"5"), *([further] if further else []), **POST)
    request = sent_for(scope, *messages)
    assert request.body == b"hello"
    assert not {b"content-length", b"transfer-encoding"} & {name for name, _ in request.headers}


@pytest.mark.item(17)
@pytest.mark.parametrize(
    ("method", "version"), [("POST", "1.1"), ("POST", "2"), ("GET", "2"), ("GET", "1.1")]
)
def test_body_without_a_length(method: str, version: str) -> None:
    """A chunked body, or one of HTTP/2 that names no length, arrives too."""
    chunked = [(b"transfer-encoding", b"chunked")] if version == "1.1" else []
    scope = http_scope(*chunked, method=method, http_version=version)
    assert sent_for(scope, piece(b"he", more=True), piece(b"llo")).body == b"hello"


@pytest.mark.item(17)
def test_no_body_over_http_2() -> None:
    """A GET over HTTP/2 that turns out to have no body has none upstream either (item 17)."""
    assert sent_for(http_scope(http_version="2"), piece(b"")).body is None


@pytest.mark.item(17)
@pytest.mark.parametrize("length", [b"", b"+5", b"5 ", b"-1", b"0x5", b"1_0", b"\xb2", b"9" * 19, b"5, 5"])
def test_bad_length(length: bytes) -> None:
    """A Content-Length that is not one decimal number is answered 400."""
    for scope in (
        http_scope((b"content-length", length), **POST),
        http_scope((b"content-length", length), (b"te", b"x"), **POST),
        http_scope((b"content-length", b"5"), (b"content-length", b"5"), **POST),
    ):
        assert answered(scope).status == 400


def test_headers_may_be_any_iterable() -> None:
    """Servers may bring the fields as lists of lists, or the whole as a tuple (ASGI: an iterable)."""
    for headers in ([[b"host", b"a"], [b"x", b"y"]], ((b"host", b"a"), (b"x", b"y"))):
        scope: Scope = {**http_scope(), "headers": headers}
        for further in (scope, {**scope, "headers": (*headers, (b"te", b"x"))}):
            fields = [tuple(field) for field in sent_for(further).headers]
            assert (b"x", b"y") in fields
