"""Items 3 to 6: whatever a server hands in, matching answers, and its answer keeps the promises."""

import re
from typing import Any
from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st

from forst_asgi.routing import RouteSpec, RouteTable

TABLE = RouteTable(
    [
        RouteSpec("static", "/a", None),
        RouteSpec("stripped", "/a/b", None, encoded_path="pass", strip_prefix="/a"),
        RouteSpec("number", "/a/{x:int}", None, strip_prefix="/a"),
        RouteSpec("twice", "/p/{x}", None, encoded_path="pass", rewrite="/{x}/{x}"),
        RouteSpec("turned", "/r/{x}/{rest:path}", None, rewrite="/{rest}/{x}"),
        RouteSpec("accent", "/caf\u00e9/{rest:path}", None, encoded_path="pass", strip_prefix="/caf\u00e9"),
        RouteSpec("joined", "/{x}-{y}", None, rewrite="/{x}{y}"),
        RouteSpec("files", "/f/{rest:path}", None),
        RouteSpec("tail", "/g/{rest:path}/z", None, encoded_path="pass"),
    ]
)

BITS = (
    "/", "/", "/", "a", "b", "p", "r", "f", "g", "z", "caf\u00e9", "1", "-", ".", "..", "%2f", "%2e", "%25",
    "%", "%zz", "\\", "?", "#", "*", " ", "\n", "\x00", "\ud800", "\udcff", "\uffff", "%ff", "%c3%a9",
    "%ef%bf%bf", "http://",
)  # fmt: skip

text = st.lists(st.sampled_from(BITS), max_size=8).map("".join) | st.text(
    st.characters(codec=None), max_size=12
)
raw = text.map(lambda value: value.encode("utf-8", "surrogatepass")) | st.binary(max_size=12)

ORIGIN_FORM = re.compile(rb"/(?!/)[!-\"$-~]*")


def as_sent(value: str) -> tuple[str, bytes | None]:
    """What a server makes of a target that is well-formed enough to reach an application."""
    return unquote(value), value.encode("utf-8", "surrogatepass")


paths = text.map("/{}".format).map(as_sent) | st.tuples(text, raw | st.none())


@given(
    path=paths, root_path=st.just("") | text, query_string=raw, kind=st.sampled_from(["http", "websocket"])
)
@example(path=("/\ud800", b"/\xff"), root_path="/\ud800", query_string=b"\xff", kind="http")
@example(path=("/f/x", b"/f/x"), root_path="", query_string=b"#", kind="websocket")
@example(path=("/a/b", b"/%61/b"), root_path="", query_string=b"x", kind="http")
def test_item_06_nothing_makes_matching_raise(
    path: tuple[str, bytes | None], root_path: str, query_string: bytes, kind: str
) -> None:
    """Any text and any bytes are answered; what is forwarded is in origin-form and is plain."""
    scope: dict[str, Any] = {
        "type": kind,
        "path": path[0],
        "raw_path": path[1],
        "root_path": root_path,
        "query_string": query_string,
        "headers": [],
    }
    match = TABLE.match(scope)
    TABLE.explain(scope)
    if match is not None:
        assert isinstance(match.prefix, bytes)
        assert isinstance(match.params, dict)
        if match.unsafe is None:
            assert ORIGIN_FORM.fullmatch(match.target())


@given(raw_path=raw, query_string=raw)
@example(raw_path=b"/f/x", query_string=b"a b")
@example(raw_path=b"/f/x", query_string=b"")
def test_item_02_what_is_forwarded_ends_with_the_clients_query(raw_path: bytes, query_string: bytes) -> None:
    """The query string is passed on byte for byte and nowhere else."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/f/x",
        "raw_path": raw_path,
        "query_string": query_string,
        "headers": [],
    }
    match = TABLE.match(scope)
    assert match is not None
    if match.unsafe is None:
        assert match.target() == b"/f/x" + (b"?" + query_string if query_string else b"")


@given(depth=st.integers(1, 3000))
def test_item_04_nested_escapes_are_cheap_and_refused(depth: int) -> None:
    """A percent sign that is encoded thousands of times over costs a few passes, not thousands."""
    raw_path = b"/f/%" + b"25" * depth + b"2e"
    scope = {"type": "http", "method": "GET", "path": "/f/x", "raw_path": raw_path, "headers": []}
    match = TABLE.match(scope)
    assert match is not None
    assert match.unsafe == "double encoding"
