"""Item 5: routes that can never get a request are found, and only those."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forst_asgi.routing import RouteSpec, RouteTable


def spec(path: str, **options: Any) -> RouteSpec[None]:
    """A route named by its path."""
    return RouteSpec(path, path, None, **options)


def pairs(*specs: RouteSpec[None]) -> list[tuple[int, int]]:
    """The places of the unreachable routes and of those that cover them."""
    return [(route.index, earlier.index) for route, earlier in RouteTable(specs).unreachable()]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("/a", "/a"),
        ("/{x}", "/a"),
        ("/{rest:path}", "/a/b"),
        ("/a/{x}", "/a/{y}"),
        ("/a/{x}", "/a/{id:int}"),
        ("/a/{x}", "/a/v{n:int}.json"),
        ("/a/{x:float}", "/a/{y:int}"),
        ("/a/{rest:path}", "/a/{x}/{y}"),
        ("/a/{rest:path}", "/a/b/{rest:path}"),
        ("/a/{rest:path}/c", "/a/{other:path}/c"),
        ("/{x}/{y:int}", "/a/{id:int}"),
        ("/{x}/b", "/{x:int}/b"),
        ("/{x:int}", "/7"),
    ],
)
def test_item_05_a_template_that_covers_another_is_found(earlier: str, later: str) -> None:
    """A literal is covered by a parameter, a narrow convertor by a wide one, anything by a path."""
    assert pairs(spec(earlier), spec(later)) == [(1, 0)]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("/a", "/a/"),
        ("/a", "/{x}"),
        ("/a/{x:int}", "/a/{x}"),
        ("/a/{x:int}", "/a/{x:float}"),
        ("/a/{x:int}", "/a/{x:uuid}"),
        ("/a/{x}", "/a/{x}/b"),
        ("/a/{x}", "/a/"),
        ("/a/{rest:path}", "/a"),
        ("/a/{rest:path}/c", "/a/{other:path}/d"),
        ("/a/b/{rest:path}", "/a/{rest:path}"),
        ("/a/{x}/{rest:path}", "/a/{rest:path}"),
        ("/a/{x}", "/a/{rest:path}"),
        ("/a/{x}", "/b/{x}"),
        ("/{x:int}", "/a"),
    ],
)
def test_item_05_a_route_that_gets_something_is_not_reported(earlier: str, later: str) -> None:
    """Where a single request could get past the earlier route, nothing is said."""
    assert pairs(spec(earlier), spec(later)) == []


@pytest.mark.parametrize(
    ("earlier", "later", "is_covered"),
    [
        ({}, {"methods": frozenset({"GET"})}, True),
        ({}, {"methods": frozenset({"OPTIONS"})}, False),
        ({}, {}, True),
        ({"methods": frozenset({"GET"})}, {}, False),
        ({"methods": frozenset({"GET"})}, {"methods": frozenset({"HEAD"})}, True),
        ({"methods": frozenset({"GET"})}, {"methods": frozenset({"GET", "POST"})}, False),
        ({"methods": frozenset({"GET", "OPTIONS"})}, {"methods": frozenset({"OPTIONS"})}, True),
        ({"hosts": ("a", "b")}, {"hosts": ("B",)}, True),
        ({"hosts": ("a",)}, {"hosts": ("a", "b")}, False),
        ({"hosts": ("a",)}, {}, False),
        ({}, {"hosts": ("a",)}, True),
        ({"headers": (("x", "1"),)}, {"headers": (("y", "*"), ("X", "1"))}, True),
        ({"headers": (("x", "1"),)}, {"headers": (("x", "2"),)}, False),
        ({"headers": (("x", "1"),)}, {}, False),
        ({"encoded_path": "pass"}, {"encoded_path": "reject"}, False),
        ({"encoded_path": "reject"}, {"encoded_path": "pass"}, True),
    ],
)
@pytest.mark.parametrize("path", ["/a", "/a/{x}"])
def test_item_05_predicates_have_to_be_covered_too(
    path: str, earlier: dict[str, Any], later: dict[str, Any], *, is_covered: bool
) -> None:
    """An earlier route covers a later one only when its predicates hold whenever the later one's do."""
    assert pairs(spec(path, **earlier), spec(path, **later)) == ([(1, 0)] if is_covered else [])


def test_item_05_the_first_of_several_is_named() -> None:
    """A route that is covered more than once is reported once, with the first one that covers it."""
    assert pairs(spec("/{x}"), spec("/{rest:path}"), spec("/a"), spec("/a")) == [(2, 0), (3, 0)]


SEGMENTS = ("a", "1", "{}", "{:int}", "{:float}", "v{:int}", "{:path}")
VALUES = ("a", "1", "1.5", "v1", "", "b")
HEADERS: tuple[tuple[str, str], ...] = (("x", "1"), ("x", "*"), ("y", "1"))


def numbered(segments: list[str]) -> str:
    """A template with a name for each parameter."""
    return "".join("/" + part.replace("{", f"{{p{place}") for place, part in enumerate(segments))


specs = st.builds(
    spec,
    st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3).map(numbered),
    methods=st.none() | st.frozensets(st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]), min_size=1),
    hosts=st.sampled_from([(), ("h",), ("h", "i"), ("*.h",)]),
    headers=st.lists(st.sampled_from(HEADERS), max_size=2).map(tuple),
    encoded_path=st.sampled_from(["reject", "pass"]),
)
scopes = st.builds(
    lambda segments, method, host, headers: {
        "type": "http",
        "method": method,
        "path": "/" + "/".join(segments),
        "raw_path": quote("/" + "/".join(segments)).encode(),
        "query_string": b"",
        "headers": [(b"host", host), *headers],
    },
    st.lists(st.sampled_from(VALUES), min_size=1, max_size=4),
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]),
    st.sampled_from([b"h", b"i", b"a.h"]),
    st.lists(st.sampled_from([(b"x", b"1"), (b"x", b"2"), (b"y", b"1")]), max_size=2),
)


@given(st.lists(specs, min_size=2, max_size=6), st.lists(scopes, min_size=1, max_size=20))
def test_item_05_what_is_reported_never_gets_a_request(
    routes: list[RouteSpec[None]], requests: list[dict[str, Any]]
) -> None:
    """Whatever the table and the request, a route that was reported is never the one that matches."""
    table = RouteTable(routes)
    silent = {route.index for route, _ in table.unreachable()}
    for scope in requests:
        match = table.match(scope)
        assert match is None or match.route.index not in silent
