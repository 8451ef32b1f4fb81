"""Item 42: which routes take WebSockets, and that the others leave them to the app."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from forst_asgi.routing import RouteSpec, RouteTable

ScopeOf: TypeAlias = Callable[..., dict[str, Any]]

BOTH = ("http", "websocket")


def table_of(*kinds: str, methods: frozenset[str] | None = None, path: str = "/x") -> RouteTable[None]:
    """A table of one route."""
    return RouteTable([RouteSpec("r", path, None, methods=methods, kinds=frozenset(kinds))])


def handshake(scope: dict[str, Any]) -> dict[str, Any]:
    """The scope of a WebSocket, which has no method."""
    return {**{key: value for key, value in scope.items() if key != "method"}, "type": "websocket"}


@pytest.mark.parametrize("methods", [None, frozenset({"GET"})])
@pytest.mark.parametrize("path", ["/x", "/{any}"])
@pytest.mark.parametrize("raw", [b"/x", b"/%78"])
@pytest.mark.parametrize("kinds", [("http",), ("websocket",), BOTH])
def test_item_42_a_route_takes_what_its_type_says(
    scope_of: ScopeOf, kinds: tuple[str, ...], raw: bytes, path: str, methods: frozenset[str] | None
) -> None:
    """HTTP requests, WebSockets or both; the rest falls through."""
    table = table_of(*kinds, methods=methods, path=path)
    assert (table.match(scope_of(raw)) is not None) == ("http" in kinds)
    assert (table.match(handshake(scope_of(raw))) is not None) == ("websocket" in kinds)


def test_item_42_a_handshake_is_a_get(scope_of: ScopeOf) -> None:
    """A route that does not take GET takes no WebSocket either."""
    table = table_of(*BOTH, methods=frozenset({"POST"}))
    assert table.match(handshake(scope_of(b"/x"))) is None
    assert table.match(scope_of(b"/x", method="POST")) is not None


def test_item_42_options_is_left_to_the_app_by_a_route_of_both_types(scope_of: ScopeOf) -> None:
    """That it takes WebSockets changes nothing about methods."""
    assert table_of(*BOTH).match(scope_of(b"/x", method="OPTIONS")) is None


def test_item_42_a_miss_of_one_type_is_no_miss_of_the_other(scope_of: ScopeOf) -> None:
    """What is remembered of paths holds for both types."""
    table = table_of("websocket", path="/{any}")
    for _ in range(2):
        assert table.match(scope_of(b"/x")) is None
        assert table.match(handshake(scope_of(b"/x"))) is not None


def test_more_misses_than_are_remembered(scope_of: ScopeOf) -> None:
    """Whatever was asked for before, a path without a route has none, and one with a route has it."""
    table = table_of("http", path="/{any}")
    for number in range(2500):
        assert table.match(scope_of(b"/junk/%d" % number)) is None
    assert table.match(scope_of(b"/junk/7")) is None
    assert table.match(scope_of(b"/x")) is not None


def test_item_42_an_unsafe_target_counts_for_its_type_only(scope_of: ScopeOf) -> None:
    """A target with a hazard is refused on a WebSocket route, and left alone on an HTTP route."""
    match = table_of("websocket").match(handshake(scope_of(b"//x")))
    assert match is not None
    assert match.unsafe is not None
    assert table_of("http").match(handshake(scope_of(b"//x"))) is None


def test_item_42_the_reason_names_the_type(scope_of: ScopeOf) -> None:
    """The command line can say why a route of another type was passed over."""
    [(_, reason)] = table_of("websocket").explain(scope_of(b"/x"))
    assert reason == "type: http is not taken (websocket)"
    [(_, reason)] = table_of(*BOTH, methods=frozenset({"PUT"})).explain(handshake(scope_of(b"/x")))
    assert reason == "method: GET is not taken (PUT)"


@pytest.mark.parametrize(
    ("earlier", "later", "is_covered"),
    [
        (("http",), ("websocket",), False),
        (("websocket",), ("http",), False),
        (("http",), BOTH, False),
        (BOTH, ("http",), True),
        (BOTH, ("websocket",), True),
        (("websocket",), ("websocket",), True),
    ],
)
@pytest.mark.parametrize("methods", [None, frozenset({"GET"})])
def test_item_42_a_route_of_another_type_covers_nothing(
    earlier: tuple[str, ...], later: tuple[str, ...], methods: frozenset[str] | None, *, is_covered: bool
) -> None:
    """Routes of one path are unreachable only when the earlier one takes all their types."""
    specs = [
        RouteSpec("a", "/x", None, methods=methods, kinds=frozenset(earlier)),
        RouteSpec("b", "/x", None, methods=methods, kinds=frozenset(later)),
    ]
    assert bool(RouteTable(specs).unreachable()) == is_covered
