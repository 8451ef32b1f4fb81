"""Items 5, 7 and 9: which route of a table gets a request."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from forst_asgi.routing import RouteSpec, RouteTable, TemplateError
from forst_asgi.types import Header, RawHeaders, Scope

ScopeOf: TypeAlias = Callable[..., dict[str, Any]]


def endpoint_for(table: RouteTable[str], scope: Scope) -> str | None:
    """The endpoint of the match, if there is one."""
    match = table.match(scope)
    return None if match is None else match.route.endpoint


def spec(
    endpoint: str,
    path: str = "/x",
    *,
    methods: set[str] | None = None,
    hosts: tuple[str, ...] = (),
    headers: tuple[tuple[str, str], ...] = (),
) -> RouteSpec[str]:
    """A route named by its endpoint."""
    chosen = frozenset(methods) if methods is not None else None
    return RouteSpec(endpoint, path, endpoint, methods=chosen, hosts=hosts, headers=headers)


def test_item_05_the_first_route_in_the_file_wins(scope_of: ScopeOf) -> None:
    """The order of the file decides, whether a route is static or has parameters."""
    table = RouteTable([spec("a", "/x/{id}"), spec("b", "/x/new"), spec("c", "/{any:path}"), spec("d", "/y")])
    assert endpoint_for(table, scope_of(b"/x/new")) == "a"
    assert endpoint_for(table, scope_of(b"/x/%6eew")) == "a"
    assert endpoint_for(table, scope_of(b"/y")) == "c"
    assert [route.index for route in table.routes] == [0, 1, 2, 3]


def test_item_05_a_static_route_in_front_wins(scope_of: ScopeOf) -> None:
    """A literal path in front of a template keeps its place."""
    table = RouteTable([spec("b", "/x/new"), spec("a", "/x/{id}")])
    assert endpoint_for(table, scope_of(b"/x/new")) == "b"
    assert endpoint_for(table, scope_of(b"/x/old")) == "a"


def test_item_05_every_way_through_the_tree_is_tried(scope_of: ScopeOf) -> None:
    """A literal segment that leads nowhere does not hide a parameter that does."""
    table = RouteTable([spec("a", "/a/b/{x}/z"), spec("b", "/a/{y}/{x:int}"), spec("c", "/a/{y}/{x}-{z}/z")])
    assert endpoint_for(table, scope_of(b"/a/b/1")) == "b"
    assert endpoint_for(table, scope_of(b"/a/b/1/z")) == "a"
    assert endpoint_for(table, scope_of(b"/a/c/1-2/z")) == "c"
    assert endpoint_for(table, scope_of(b"/a/c/d")) is None
    assert endpoint_for(table, scope_of(b"/a/b")) is None


def test_item_09_get_implies_head_and_nothing_else(scope_of: ScopeOf) -> None:
    """HEAD goes where GET goes; OPTIONS and other methods do not."""
    table = RouteTable([spec("a", methods={"get"})])
    tried = ("GET", "HEAD", "OPTIONS", "POST", "get", "")
    taken = {method for method in tried if table.match(scope_of(b"/x", method=method))}
    assert taken == {"GET", "HEAD"}
    assert table.routes[0].methods == frozenset({"GET", "HEAD"})


@pytest.mark.parametrize("methods", [None, set()])
def test_item_09_options_counts_only_when_it_is_listed(scope_of: ScopeOf, methods: set[str] | None) -> None:
    """A route for all methods leaves OPTIONS to the app; one that lists it gets it."""
    table = RouteTable([spec("any", methods=methods), spec("cors", methods={"OPTIONS"})])
    assert endpoint_for(table, scope_of(b"/x", method="DELETE")) == "any"
    assert endpoint_for(table, scope_of(b"/x", method="PURGE")) == "any"
    assert endpoint_for(table, scope_of(b"/x", method="OPTIONS")) == "cors"
    assert RouteTable([spec("any")]).match(scope_of(b"/x", method="OPTIONS")) is None


def test_item_09_a_route_with_another_method_is_passed_over(scope_of: ScopeOf) -> None:
    """A later route gets what an earlier one does not take; what none takes falls through."""
    table = RouteTable([spec("r", "/{id}", methods={"GET"}), spec("w", "/{id}", methods={"POST", "PUT"})])
    assert endpoint_for(table, scope_of(b"/1", method="PUT")) == "w"
    assert endpoint_for(table, scope_of(b"/%31", method="PUT")) == "w"
    assert endpoint_for(table, scope_of(b"/1", method="DELETE")) is None
    assert endpoint_for(table, scope_of(b"/a%2fb/..", method="DELETE")) is None


def test_item_09_a_websocket_handshake_is_a_get() -> None:
    """A WebSocket scope, which has no method, matches what takes GET (RFC 6455 section 4.1)."""
    scope: Scope = {"type": "websocket", "path": "/x", "raw_path": b"/x", "query_string": b"", "headers": []}
    specs = [spec("w", methods={"POST"}), spec("g", methods={"GET"})]
    table = RouteTable([replace(each, kinds=frozenset({"websocket"})) for each in specs])
    assert endpoint_for(table, scope) == "g"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"host", b"api.example.com")], "api"),
        ([(b"host", b"API.Example.COM:8443")], "api"),
        ([(b"host", b"a.b.example.com")], "sub"),
        ([(b"host", b"example.com")], None),
        ([(b"host", b"badexample.com")], None),
        ([(b"host", b"[::1]:80")], "ip"),
        ([(b"host", b"api.example.com.")], None),
        ([(b"host", b"\xff")], None),
        ([], None),
        ([(b"host", b"api.example.com"), (b"host", b"api.example.com")], None),
    ],
)
def test_item_05_hosts_are_compared_without_case_and_port(
    scope_of: ScopeOf, headers: list[Header], expected: str | None
) -> None:
    """A name matches itself, a wildcard any subdomain; no Host or two of them match nothing."""
    table = RouteTable(
        [
            spec("api", hosts=("Api.example.com:80", "other")),
            spec("sub", hosts=("*.example.com",), headers=()),
            spec("ip", hosts=("[::1]",)),
        ]
    )
    assert endpoint_for(table, scope_of(b"/x", headers=headers)) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], "none"),
        ([(b"x-tenant", b"a"), (b"x-beta", b"")], "both"),
        ([(b"x-tenant", b"b"), (b"x-tenant", b"a"), (b"x-beta", b"1")], "both"),
        ([(b"x-tenant", b"A"), (b"x-beta", b"1")], "beta"),
        ([(b"x-tenant", b"a")], "none"),
    ],
)
def test_item_05_all_header_predicates_must_hold(
    scope_of: ScopeOf, headers: RawHeaders, expected: str
) -> None:
    """A value is compared exactly, "*" asks for presence, and any of several lines will do."""
    table = RouteTable(
        [
            spec("both", headers=(("X-Tenant", "a"), ("x-beta", "*"))),
            spec("beta", headers=(("x-beta", "*"),)),
            spec("none"),
        ]
    )
    assert endpoint_for(table, scope_of(b"/x", headers=headers)) == expected


def test_item_07_a_match_does_not_look_at_or_change_the_scope_more_than_needed() -> None:
    """Without host and header predicates the header fields are not even asked for."""
    scope: Scope = {"type": "http", "method": "GET", "path": "/x", "raw_path": b"/x", "query_string": b""}
    before = dict(scope)
    table = RouteTable([spec("guarded", "/y", hosts=("h",)), spec("a")])
    assert endpoint_for(table, scope) == "a"
    assert scope == before


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (spec("r", hosts=("http://x",)), "host 'http://x': expected a name such as"),
        (spec("r", hosts=("",)), "host ''"),
        (spec("r", hosts=("a.*.b",)), "host 'a.*.b'"),
        (spec("r", hosts=("caf\u00e9.example",)), "host 'caf\u00e9.example'"),
        (spec("r", headers=(("x y", "1"),)), "header 'x y': expected a field name"),
        (spec("r", headers=(("x", "\u20ac"),)), "header 'x': the value '\u20ac' does not fit into Latin-1"),
    ],
)
def test_item_05_a_wrong_predicate_is_a_config_error(wrong: RouteSpec[str], problem: str) -> None:
    """The text names the route, the value and what was expected."""
    with pytest.raises(TemplateError, match=re.escape(f"route 'r': {problem}")):
        RouteTable([wrong])


def test_item_09_explain_says_why_each_route_is_not_taken(scope_of: ScopeOf) -> None:
    """Every route has its own reason; the one that gets the request has none."""
    table = RouteTable(
        [
            spec("path", "/y"),
            spec("method", methods={"POST"}),
            spec("host", hosts=("api.example.com", "*.b.c")),
            spec("header", headers=(("x-a", "*"), ("x-b", "1"))),
            spec("taken"),
            spec("later", "/{x}"),
        ]
    )
    explained = table.explain(scope_of(b"/x", headers=[(b"host", b"h"), (b"x-a", b"")]))
    assert [(route.id, reason) for route, reason in explained] == [
        ("path", "path: /y does not match"),
        ("method", "method: GET is not taken (POST)"),
        ("host", "host: api.example.com, *.b.c expected"),
        ("header", "header: x-b: 1 expected"),
        ("taken", None),
        ("later", "an earlier route matched"),
    ]


def test_item_09_explain_tells_a_refusal_from_a_miss(scope_of: ScopeOf) -> None:
    """An unsafe target is refused by its route and is no match for the others."""
    table = RouteTable([spec("a", "/a/{x}"), spec("b", "/b", headers=(("x-a", "*"),))])

    def reasons(scope: Scope) -> list[str | None]:
        return [reason for _, reason in table.explain(scope)]

    assert reasons(scope_of(b"/a/b%2fc")) == ["refused: encoded slash", "path: /b does not match"]
    assert reasons(scope_of(b"/a/%2e%2e/b")) == ["path: /a/{x} does not match", "header: x-a expected"]
    assert reasons(scope_of(b"*")) == ["path: /a/{x} does not match", "path: /b does not match"]
    options = reasons(scope_of(b"/b", method="OPTIONS"))
    assert options[1] == "method: OPTIONS is not taken (any but OPTIONS)"


def test_item_05_reprs_show_what_they_hold(scope_of: ScopeOf) -> None:
    """A table and a match name their routes in a debugger."""
    table = RouteTable([spec("a", "/a/{x}")])
    assert repr(table) == "<RouteTable of 1 routes>"
    assert repr(table.match(scope_of(b"/a/b"))) == "<RouteMatch 'a' path=b'/a/b' unsafe=None>"
