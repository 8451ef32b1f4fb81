"""What can be read off a request."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forst_asgi.decision import Asked
from forst_asgi.decision.asked import ContextUnknown, reader, unit
from forst_asgi.types import Scope
from tests.decision.asking import Params, asked, scope

PROXIES = frozenset({"10.0.0.1", "10.0.0.2", None})


def read(key: str, request: Scope) -> object:
    """Return what a key finds."""
    return reader(key, PROXIES)(asked(request))


def test_header_fields_are_found_by_name() -> None:
    """Case makes no difference, the first of several counts, and an empty one is there."""
    request = scope(("x-a", "1"), ("x-user-id", "42"), ("x-user-id", "43"), ("x-empty", ""))
    assert [read(f"header:{name}", request) for name in ("X-User-Id", "x-empty", "x-b")] == [b"42", b"", None]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sid=1", b"1"),
        ("a=b; sid=1; sid=2", b"1"),
        ("sid=", b""),
        ('sid="q u"', b"q u"),
        ('sid="', b'"'),
        ("sid=a=b", b"a=b"),
        ("asid=1", None),
        ("sid2=1;  sid=3", b"3"),
        ("sid", b""),
        ("", None),
    ],
)
def test_cookies_are_found_by_name(field: str, value: bytes | None) -> None:
    """A cookie is its bytes, without quotes around them."""
    assert read("cookie:sid", scope(("x-a", "sid=9"), ("cookie", field))) == value


def test_a_cookie_may_stand_in_any_of_several_lines() -> None:
    """HTTP/2 may part the Cookie field."""
    assert read("cookie:sid", scope(("cookie", "a=1"), ("cookie", "sid=2"))) == b"2"


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("beta=1", b"1"),
        ("a=2&beta=x%20y+z&beta=3", b"x y z"),
        ("b%65ta=1", b"1"),
        ("beta", b""),
        ("", None),
        ("xbeta=1", None),
        ("beta=%ff", b"\xff"),
    ],
)
def test_query_parameters_are_found_by_name(query: str, value: bytes | None) -> None:
    """Names and values are decoded as HTML forms encode them."""
    assert read("query:beta", scope(query=query)) == value


def test_a_scope_may_have_no_query() -> None:
    """ASGI lets servers leave the query out."""
    assert read("query:beta", {"type": "http", "headers": []}) is None


def test_path_parameters_keep_their_type() -> None:
    """They are what the convertor made; one that it refused is not there."""
    assert reader("path:id")(asked(scope(), id=7)) == 7
    assert reader("path:id")(asked(scope(), other=7)) is None
    assert reader("path:id")(Asked(scope(), Params(None))) is None


def test_path_parameters_of_other_kinds_are_text() -> None:
    """Rules compare with text what a convertor made something else of: a UUID, a date."""
    number = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    assert reader("path:u")(asked(scope(), u=number)) == "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@given(
    st.lists(st.text(st.sampled_from(' ;="asidx\t'), max_size=6).map(str.encode), min_size=1, max_size=6).map(
        b";".join
    )
)
def test_cookies_are_read_as_the_pairs_that_they_are(line: bytes) -> None:
    """Finding one among many is the same as taking all apart."""
    expected = None
    for pair in line.split(b";"):
        name, _, value = pair.strip().partition(b"=")
        if name == b"sid" and expected is None:
            expected = value[1:-1] if len(value) > 1 and value[:1] == value[-1:] == b'"' else value
    assert read("cookie:sid", {**scope(), "headers": [(b"cookie", line)]}) == expected


@given(st.text(st.sampled_from("&=ab"), max_size=20), st.sampled_from(["", "&%61", "&+"]))
def test_queries_are_read_as_the_pairs_that_they_are(query: str, tail: str) -> None:
    """The quick way and the one that decodes come to the same."""
    expected = None
    for pair in (query + tail).split("&"):
        name, _, value = pair.partition("=")
        if expected is None and name.replace("%61", "a") == "a":
            expected = value.encode()
    assert read("query:a", scope(query=query + tail)) == expected


def test_the_context_is_asked_for_once() -> None:
    """What the app says of a request is kept for further rules, and is nothing without a callable."""
    calls = []

    def source(seen: Scope) -> dict[str, str]:
        calls.append(seen)
        return {"plan": "pro"}

    request = scope()
    one = asked(request, source)
    assert [reader(f"context:{name}")(one) for name in ("plan", "age")] == ["pro", None]
    assert calls == [request]
    assert reader("context:plan")(asked(request)) is None


def test_a_context_that_failed_is_not_asked_for_again() -> None:
    """Once per request, whatever came of it."""
    calls = []

    def source(seen: Scope) -> dict[str, str]:
        calls.append(seen)
        raise ContextUnknown

    one = asked(scope(), source)
    for _ in range(2):
        with pytest.raises(ContextUnknown):
            reader("context:plan")(one)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["203.0.113.9"], "192.0.2.7"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:DB8:0::1"], "2001:db8::1"),
        ("10.0.0.1", ["10.0.0.2"], None),
        ("10.0.0.1", ["unknown"], None),
        ("10.0.0.1", [], None),
        (None, ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:192.0.2.7", [], "192.0.2.7"),
        ("testclient", [], None),
    ],
)
def test_the_client_is_the_nearest_that_no_trusted_proxy_is(
    peer: str | None, forwarded: list[str], client: str | None
) -> None:
    """X-Forwarded-For counts from the right, as far as trusted proxies wrote it."""
    request = scope(*(("x-forwarded-for", value) for value in forwarded), client=peer)
    assert read("client", request) == client


@pytest.mark.parametrize("key", ["", "x", "header", "header:", "clients", "client:a", "body:a", ":a"])
def test_other_keys_are_refused(key: str) -> None:
    """A key names a place, and what to look for there."""
    with pytest.raises(ValueError, match="expected"):
        reader(key)


@pytest.mark.parametrize(
    ("value", "bytes_"), [(b"\xff", b"\xff"), ("ü", b"\xc3\xbc"), (7, b"7"), (None, b""), ("", b"")]
)
def test_units_are_bytes(value: object, bytes_: bytes) -> None:
    """Wire bytes stay as they are, all else is the UTF-8 of its text."""
    assert unit(value) == bytes_
