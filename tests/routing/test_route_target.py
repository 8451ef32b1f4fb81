"""Items 2, 3, 5, 6 and 8: the request target that goes upstream."""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from forst_asgi.errors import UnsafeTarget
from forst_asgi.routing import RouteMatch, RouteSpec, RouteTable, TemplateError
from forst_asgi.types import Scope

ScopeOf: TypeAlias = Callable[..., dict[str, Any]]


def table_of(path: str, **options: Any) -> RouteTable[None]:
    """A table of one route."""
    return RouteTable([RouteSpec("r", path, None, **options)])


def matched(table: RouteTable[None], scope: Scope) -> RouteMatch[None]:
    """The match, which has to be there and to be safe."""
    match = table.match(scope)
    assert match is not None
    assert match.unsafe is None
    return match


def refused(table: RouteTable[None], scope: Scope) -> str:
    """The reason of a refusal, which has to happen."""
    match = table.match(scope)
    assert match is not None
    assert match.unsafe is not None
    assert match.params == {}
    with pytest.raises(UnsafeTarget, match=re.escape(match.unsafe)):
        match.target()
    return match.unsafe


@pytest.mark.parametrize(
    ("raw", "query", "target"),
    [
        (b"/q/1", b"", b"/q/1"),
        (b"/q/1", b"a=%2F..%2f&b=//", b"/q/1?a=%2F..%2f&b=//"),
        (b"/q/caf%c3%A9%20x", b"?=?", b"/q/caf%c3%A9%20x??=?"),
        (b"/%71/%31", b"", b"/%71/%31"),
        (b"/q/a:b@c,d;e=1!$&'()*+~", b"", b"/q/a:b@c,d;e=1!$&'()*+~"),
        (b'/q/"<>^`{|}', b"", b'/q/"<>^`{|}'),
    ],
)
def test_item_02_the_bytes_of_the_client_travel_unchanged(
    scope_of: ScopeOf, raw: bytes, query: bytes, target: bytes
) -> None:
    """The target is raw_path and query_string; no escape is added, removed or rewritten."""
    assert matched(table_of("/q/{x}"), scope_of(raw, query=query)).target() == target


@pytest.mark.parametrize(("path", "raw"), [("/caf\u00e9/b c", b"/caf%C3%A9/b%20c"), ("/a", b"/a")])
def test_item_02_without_a_raw_path_the_path_is_quoted(scope_of: ScopeOf, path: str, raw: bytes) -> None:
    """ASGI lets a server leave raw_path out or None; the UTF-8 quoting of path is sent then."""
    scope = scope_of(b"") | {"path": path, "raw_path": None}
    assert matched(table_of("/{rest:path}"), scope).target() == raw
    assert matched(table_of(path), scope).target() == raw
    del scope["raw_path"], scope["query_string"]
    assert matched(table_of(path), scope).target() == raw


def test_item_02_without_a_raw_path_a_hazard_in_the_path_is_refused(scope_of: ScopeOf) -> None:
    """What cannot be told apart any more, such as a percent sign that was data, is not forwarded."""
    table = table_of("/q/{rest:path}")
    for path, reason in {
        "/q/%2e%2e": "double encoding",
        "/q/../x": "dot segment",
        "/q//x": "empty segment",
        "/q/a\\b": "backslash",
        "/q/\ud800": "not UTF-8",
    }.items():
        assert refused(table, scope_of(b"") | {"path": path, "raw_path": None}) == reason
    assert matched(table, scope_of(b"") | {"path": "/q/100%", "raw_path": None}).target() == b"/q/100%25"


def test_item_02_a_path_that_was_rewritten_wins_over_the_stale_raw_path(scope_of: ScopeOf) -> None:
    """Middleware that changes `path` means it; the raw path it left behind is not what to send."""
    table = table_of("/new/{x}")
    assert matched(table, scope_of(b"/old/1") | {"path": "/new/a b"}).target() == b"/new/a%20b"
    assert matched(table, scope_of(b"/old/%31") | {"path": "/new/1"}).target() == b"/new/1"
    assert table.match(scope_of(b"/new/1") | {"path": "/old/1"}) is None
    assert refused(table, scope_of(b"/old/1%2f2") | {"path": "/new/1"}) == "encoded slash"
    assert refused(table_of("/new"), scope_of(b"/x/../new") | {"path": "/new"}) == "dot segment"


@pytest.mark.parametrize("raw", [b"/q/1?a=1", b"/q/%31?a=1"])
def test_item_02_a_query_in_raw_path_is_not_sent_twice(scope_of: ScopeOf, raw: bytes) -> None:
    """Old test clients put the query string into raw_path as well."""
    scope = scope_of(raw, query=b"a=1") | {"path": "/q/1"}
    assert matched(table_of("/q/{x}"), scope).target() == raw
    assert matched(table_of("/q/1"), scope).target() == raw


def test_item_02_the_test_client_decodes_twice(scope_of: ScopeOf) -> None:
    """Starlette's TestClient unquotes what httpx has unquoted; a harmless raw path still counts."""
    scope = scope_of(b"/q/a%2525") | {"path": "/q/a%"}
    assert refused(table_of("/q/{x}"), scope) == "double encoding"
    scope = scope_of(b"/q/100%25") | {"path": "/q/100%"}
    assert matched(table_of("/q/{x}"), scope).target() == b"/q/100%25"


@pytest.mark.parametrize("encoded_path", ["reject", "pass"])
@pytest.mark.parametrize("byte", [0x00, 0x09, 0x0A, 0x0D, 0x20, 0x23, 0x7F, 0x80, 0xC3, 0xFF])
def test_item_03_a_byte_that_no_target_may_contain_is_refused(
    scope_of: ScopeOf, encoded_path: str, byte: int
) -> None:
    """Controls, space, "#" and bytes outside ASCII are refused in path and query, whatever the route says."""
    table = table_of("/q/{rest:path}", encoded_path=encoded_path)
    raw = b"/q/a%cb" % byte
    reason = "fragment" if byte == 0x23 else "non-ASCII byte" if byte >= 0x80 else "control byte or space"
    for path in (raw.decode("utf-8", "replace"), raw.decode("latin-1")):
        assert refused(table, scope_of(raw) | {"path": path}) == reason
    assert refused(table, scope_of(b"/q/a", query=raw)) == reason


@pytest.mark.parametrize("template", ["/{rest:path}", "/{x}", "/", "/{a}/{b}/{c}/{d}"])
@pytest.mark.parametrize(
    "raw", [b"*", b"http://h/a", b"http://h/%61", b"h:443", b"", b"http://h/..", b"http:x"]
)
def test_item_06_only_origin_form_matches(scope_of: ScopeOf, template: str, raw: bytes) -> None:
    """`*`, absolute-form and authority-form never belong to a route."""
    table = table_of(template)
    path = raw.decode()
    assert table.match(scope_of(raw) | {"path": path}) is None
    assert table.match(scope_of(raw) | {"path": path, "raw_path": None}) is None
    below = {"path": "/root" + path, "raw_path": b"/root" + raw, "root_path": "/root"}
    assert table.match(scope_of(raw) | below) is None


SHAPES: dict[str, tuple[str, bytes | None, str]] = {
    # What servers and clients put into path, raw_path and root_path for GET /root/a%20b with root_path
    # "/root"; the versions are those of late 2026, and each line was read off a running server.
    "uvicorn h11, httptools (in front: /a%20b)": ("/root/a b", b"/root/a%20b", "/root"),
    "hypercorn": ("/root/a b", b"/root/a%20b", "/root"),
    "granian": ("/root/a b", b"/root/a%20b", "/root"),
    "hypercorn, granian behind a proxy that strips": ("/a b", b"/a%20b", "/root"),
    "starlette TestClient, httpx ASGITransport": ("/a b", b"/a%20b", "/root"),
    "uvicorn before 0.26": ("/a b", b"/a%20b", "/root"),
    "a server without raw_path": ("/root/a b", None, "/root"),
    "a server without root_path": ("/a b", b"/a%20b", ""),
    "a framework that strips path only": ("/a b", b"/root/a%20b", ""),
    "a raw path without the mounted prefix": ("/root/a b", b"/a%20b", "/root"),
    "a prefix that ends in a slash": ("/root//a b", b"/root//a%20b", "/root/"),
    "a prefix that the client escaped": ("/root/a b", b"/%72oot/a%20b", "/root"),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_item_05_root_path_is_removed_once_for_every_server(
    scope_of: ScopeOf, shape: tuple[str, bytes | None, str]
) -> None:
    """Whatever a server makes of root_path, the upstream sees the path below it."""
    path, raw, root_path = shape
    scope = scope_of(b"", query=b"x=1") | {"path": path, "raw_path": raw, "root_path": root_path}
    match = matched(table_of("/{name}"), scope)
    assert match.target() == b"/a%20b?x=1"
    assert match.params == {"name": "a b"}
    assert match.prefix == root_path.rstrip("/").encode()


def test_item_05_root_path_is_removed_only_once_and_only_whole(scope_of: ScopeOf) -> None:
    """A path that repeats root_path keeps the second one; one that only begins alike keeps all."""
    table = table_of("/{rest:path}")
    assert matched(table, scope_of(b"/api/api/x", root_path="/api")).target() == b"/api/x"
    assert matched(table, scope_of(b"/apiary", root_path="/api")).target() == b"/apiary"
    assert matched(table, scope_of(b"/x", root_path="/api")).target() == b"/x"
    assert table.match(scope_of(b"/api", root_path="/api")) is None
    assert matched(table, scope_of(b"/api/", root_path="/api")).target() == b"/"


def test_item_05_a_mounted_prefix_is_found_however_it_is_escaped(scope_of: ScopeOf) -> None:
    """A Mount's root_path is decoded; in raw_path it is found segment by segment."""
    table = table_of("/{x}")
    match = matched(table, scope_of(b"/my%20app/caf%c3%a9/1", root_path="/my app/caf\u00e9"))
    assert match.target() == b"/1"
    assert match.prefix == b"/my%20app/caf%C3%A9"


def test_item_04_a_mounted_prefix_with_an_encoded_slash_is_refused(scope_of: ScopeOf) -> None:
    """A prefix that exists only in the decoded path is a hazard like any other."""
    table = table_of("/b/{x}")
    assert refused(table, scope_of(b"/a%2fb/1", root_path="/a")) == "encoded slash"


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        (b"/api/v1/q/7", b"/q/7"),
        (b"/%61pi/v1/q/%37", b"/q/%37"),
        (b"/api/v1/", b"/"),
        (b"/%61pi/v1/", b"/"),
    ],
)
def test_item_05_strip_prefix_takes_whole_segments_away(scope_of: ScopeOf, raw: bytes, target: bytes) -> None:
    """The upstream sees the rest, and `prefix` has what was taken away."""
    match = matched(table_of("/api/v1/{rest:path}", strip_prefix="/api/v1"), scope_of(raw))
    assert match.target() == target
    assert match.prefix == b"/api/v1"


@pytest.mark.parametrize("raw", [b"/caf%C3%A9", b"/caf%c3%a9", b"/%63af%C3%A9"])
def test_item_05_stripping_everything_leaves_a_slash(scope_of: ScopeOf, raw: bytes) -> None:
    """The upstream's path is never empty."""
    match = matched(table_of("/caf\u00e9", strip_prefix="/caf\u00e9/"), scope_of(raw, query=b"a"))
    assert match.target() == b"/?a"
    assert match.prefix == b"/caf%C3%A9"


def test_item_08_prefix_joins_root_path_and_strip_prefix(scope_of: ScopeOf) -> None:
    """What the client has in front is the mounted prefix and then the stripped one; otherwise nothing."""
    table = table_of("/v1/{x}", strip_prefix="/v1")
    assert matched(table, scope_of(b"/app/v1/7", root_path="/app")).prefix == b"/app/v1"
    assert matched(table, scope_of(b"/v1/7", root_path="/app")).prefix == b"/app/v1"
    assert matched(table_of("/{x}"), scope_of(b"/7")).prefix == b""
    assert matched(table_of("/{x}", strip_prefix="/"), scope_of(b"/7")).prefix == b""
    assert (
        matched(table_of("/{x}", rewrite="/y/{x}"), scope_of(b"/app/7", root_path="/app")).prefix == b"/app"
    )


@pytest.mark.parametrize(
    ("path", "rewrite", "raw", "target"),
    [
        ("/q/{id}", "/v2/quotes/{id}", b"/q/7", b"/v2/quotes/7"),
        ("/q/{id}", "/v2/quotes/{id}", b"/q/caf%c3%a9%20b", b"/v2/quotes/caf%c3%a9%20b"),
        ("/q/{a}/{b}", "/{b}/{a}.{a}/caf\u00e9 x", b"/%71/%31/2", b"/2/%31.%31/caf%C3%A9%20x"),
        ("/v{n:int}.{m:int}", "/{m}/{n}", b"/v1%2E2", b"/2/1"),
        ("/\u20ac{x}\u20ac", "/{x}", b"/%E2%82%AC%F0%9F%98%80y%E2%82%AC", b"/%F0%9F%98%80y"),
        ("/f/{rest:path}", "/{rest}", b"/f/", b"/"),
        ("/f{rest:path}", "/{rest}", b"/f/a/b", b"/a/b"),
        ("/q/{id}", "/fixed", b"/q/7", b"/fixed"),
    ],
)
def test_item_05_a_rewrite_puts_parameters_in_as_they_came(
    scope_of: ScopeOf, path: str, rewrite: str, raw: bytes, target: bytes
) -> None:
    """Parameters stay percent-encoded as the client sent them; the result starts with exactly one slash."""
    assert matched(table_of(path, rewrite=rewrite), scope_of(raw, query=b"x")).target() == target + b"?x"


@pytest.mark.parametrize(
    ("path", "rewrite", "raw", "reason"),
    [
        ("/x{a}-{b}", "/{a}{b}", b"/x.-.", "dot segment after the rewrite"),
        ("/x{a}-{b}", "/{a}{b}", b"/x%252-e", "double encoding after the rewrite"),
        ("/f{rest:path}", "/v2/{rest}", b"/f/a", "empty segment after the rewrite"),
        ("/q/{x}", "/{x}", b"/q/a%2fb", "encoded slash"),
    ],
)
def test_item_05_a_rewrite_cannot_make_a_hazard(
    scope_of: ScopeOf, path: str, rewrite: str, raw: bytes, reason: str
) -> None:
    """A dangerous path that only comes about by putting parameters together is refused as well."""
    assert refused(table_of(path, rewrite=rewrite), scope_of(raw)) == reason


def test_item_05_a_rewrite_passes_encoded_values(scope_of: ScopeOf) -> None:
    """With encoded_path = "pass" an encoded slash goes into the rewritten path as it came."""
    table = table_of("/q/{x}/{y}", rewrite="/{y}/{x}", encoded_path="pass")
    assert matched(table, scope_of(b"/q/a%2Fb/%2e%2e")).target() == b"/%2e%2e/a%2Fb"
    table = table_of("/q/{x}.{y}", rewrite="/{x}{y}", encoded_path="pass")
    assert refused(table, scope_of(b"/q/...")) == "dot segment after the rewrite"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"strip_prefix": "/q", "rewrite": "/x"}, "exclude each other"),
        ({"strip_prefix": "/other"}, "expected the first literal segments of '/q/{id}'"),
        ({"strip_prefix": "/q/{id}"}, "expected the first literal segments"),
        ({"strip_prefix": "q"}, "expected the first literal segments"),
        ({"rewrite": "x"}, "rewrite 'x': expected a path that starts with \"/\""),
        ({"rewrite": "/{other}"}, "{other} is no parameter of the path (it has: id)"),
        ({"rewrite": "/{id:int}"}, "{id:int} is no parameter of the path"),
        ({"rewrite": "/a?x={id}"}, "ends before the query string"),
        ({"rewrite": "/a//{id}"}, "never forwarded"),
    ],
)
def test_item_05_a_wrong_redirection_is_a_config_error(options: dict[str, str], problem: str) -> None:
    """A prefix that is not there and a parameter that does not exist are found when the table is built."""
    with pytest.raises(TemplateError, match=re.escape(problem)):
        table_of("/q/{id}", **options)


def test_item_05_a_rewrite_without_parameters_to_use_says_so() -> None:
    """The list of known parameters is "none" for a static path."""
    with pytest.raises(TemplateError, match=re.escape("(it has: none)")):
        table_of("/q", rewrite="/{id}")
