"""What a reload must not let through by accident."""

from collections.abc import Iterable
from typing import Any

import pytest

from forst_asgi import Config, ConfigError, RouteConfig, UpstreamConfig
from forst_asgi.config import ReloadConfig
from forst_asgi.reload.widening import check_widening, takes_all, widenings

GUARD = "shop.auth:check"


def config(*routes: RouteConfig, allow: Iterable[str] = ()) -> Config:
    """Return a configuration with these routes."""
    upstream = UpstreamConfig(address="http://127.0.0.1:9")
    return Config(sidecar=upstream, routes=routes, reload=ReloadConfig(allow=tuple(allow)))


def route(name: str = "a", path: str = "/a", auth: str | None = GUARD, **more: Any) -> RouteConfig:
    """Return a route, guarded unless told otherwise."""
    return RouteConfig(id=name, path=path, mode="on", auth=auth, **more)


def open_route(name: str = "a", path: str = "/a", **more: Any) -> RouteConfig:
    """Return a route without a guard."""
    return route(name, path, "none", **more)


WIDER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "literal to parameter": ({"path": "/a/b"}, {"path": "/a/{x}"}),
    "typed to untyped": ({"path": "/a/{x:int}"}, {"path": "/a/{x}"}),
    "parameter to path": ({"path": "/a/{x}"}, {"path": "/a/{x:path}"}),
    "another path": ({"path": "/a"}, {"path": "/b"}),
    "one method more": ({"methods": ["GET"]}, {"methods": ["GET", "POST"]}),
    "all methods": ({"methods": ["GET"]}, {}),
    "one host more": ({"host": "a.test"}, {"host": ["a.test", "b.test"]}),
    "any host": ({"host": "a.test"}, {}),
    "subdomains": ({"host": "a.test"}, {"host": "*.test"}),
    "a header less": ({"headers": {"x-a": "1", "x-b": "*"}}, {"headers": {"x-a": "1"}}),
    "any value": ({"headers": {"x-a": "1"}}, {"headers": {"x-a": "*"}}),
    "websockets": ({}, {"type": ["http", "websocket"]}),
    "encoded paths": ({}, {"encoded_path": "pass"}),
}


@pytest.mark.parametrize("kind", WIDER)
def test_a_route_that_takes_more_is_found(kind: str) -> None:
    """Each way of taking more is one; the way back is none, unless it is another path altogether."""
    was, now = WIDER[kind]
    before, after = config(route(**was)), config(route(**now))
    [(name, problem)] = widenings(before, after)
    assert name == "a"
    assert problem.startswith("would take requests that it did not take before (")
    assert next(iter({*was, *now})) in problem
    back = [name for name, _ in widenings(after, before)]
    assert back == (["a"] if kind in {"another path", "any value", "subdomains"} else [])


NARROWER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a header more": ({}, {"headers": {"x-a": "1"}}),
    "another name for a parameter": ({"path": "/a/{x}"}, {"path": "/a/{y}"}),
    "what concerns the sidecar only": ({}, {"rewrite": "/b", "timeout": "1s", "max_body": "1KiB"}),
    "another guard": ({}, {"auth": "shop.auth:other"}),
}


@pytest.mark.parametrize("kind", NARROWER)
def test_a_route_that_takes_no_more_is_none(kind: str) -> None:
    """What takes the same or less, and stays guarded, passes."""
    was, now = NARROWER[kind]
    assert list(widenings(config(route(**was)), config(route(**now)))) == []


DROPPED: dict[str, tuple[list[RouteConfig], list[RouteConfig]]] = {
    "none": ([route()], [open_route()]),
    "left out": ([route()], [route(auth=None)]),
    "left to the sidecar": ([route()], [route(auth="upstream")]),
    "another id": ([route()], [open_route("b")]),
    "a wider route instead": ([route()], [open_route("b", "/{x:path}")]),
    "a route in front": ([route()], [open_route("b", "/{x}"), route()]),
    "another order": (
        [route("a", "/{x}"), open_route("b", "/a")],
        [open_route("b", "/a"), route("a", "/{x}")],
    ),
    "a guard that takes less": (
        [route("a", "/{x:path}"), open_route("b", "/b/{y}")],
        [route("a", "/b/{y:int}"), open_route("b", "/b/{y}")],
    ),
}


@pytest.mark.parametrize("kind", DROPPED)
def test_a_guard_that_is_dropped_is_found(kind: str) -> None:
    """Requests that were checked must not get through unchecked, by whatever route."""
    before, after = DROPPED[kind]
    [(_, problem)] = widenings(config(*before), config(*after))
    assert f'auth = "{GUARD}"' in problem


KEPT: dict[str, tuple[list[RouteConfig], list[RouteConfig]]] = {
    "gone": ([route()], []),
    "renamed": ([route()], [route("b")]),
    "now guarded": ([open_route()], [route()]),
    "a new route beside": ([route()], [route(), open_route("b", "/b")]),
    "a new route behind": ([route()], [route(), open_route("b", "/{x:path}")]),
    "another method": ([route(methods=["GET"])], [route(methods=["GET"]), open_route("b", methods=["POST"])]),
    "another host": ([route(host="a.test")], [route(host="a.test"), open_route("b", host="b.test")]),
    "other segments": ([route("a", "/a/b")], [open_route("b", "/a/{x}/c"), route("a", "/a/b")]),
    "sockets": ([route()], [open_route("b", type="websocket"), route()]),
    "was open before": (
        [open_route("b", "/a"), route("a", "/{x}")],
        [open_route("b", "/a", timeout="1s"), open_route("c", "/other/c"), route("a", "/{x}")],
    ),
}


@pytest.mark.parametrize("kind", KEPT)
def test_a_guard_that_is_kept_is_none(kind: str) -> None:
    """What the app answers, what stays guarded, and what never was, passes."""
    before, after = KEPT[kind]
    assert list(widenings(config(*before), config(*after))) == []


def test_head_is_a_get() -> None:
    """A guarded GET is met by an open HEAD, which it has taken along."""
    before, after = [route(methods=["GET"])], [open_route("b", methods=["HEAD"]), route(methods=["GET"])]
    assert [name for name, _ in widenings(config(*before), config(*after))] == ["b"]


def test_hosts_with_wildcards_may_meet() -> None:
    """Nobody can tell of a wildcard that it leaves a guarded host alone."""
    before = [route(host="a.test")]
    after = [open_route("b", host="*.test"), route(host="a.test")]
    assert [name for name, _ in widenings(config(*before), config(*after))] == ["b"]


def test_everything_is_listed_with_the_way_out() -> None:
    """One error names each route, and how to apply it all the same."""
    before = config(route(), route("b", "/b"))
    with pytest.raises(ConfigError) as caught:
        check_widening(before, config(open_route(), route("b", "/{x}")))
    text = str(caught.value)
    assert 'route "a": auth = "shop.auth:check" would be dropped (auth would be "none")' in text
    assert 'route "b": would take requests that it did not take before (path: /b -> /{x})' in text
    assert "forst-asgi reload --allow applies it all the same" in text


def test_the_file_can_allow_it() -> None:
    """`allow` names routes, and only those may."""
    before, after = config(route(), route("b", "/b")), [open_route(), open_route("b", "/b")]
    check_widening(before, config(*after, allow=["a", "b"]))
    with pytest.raises(ConfigError, match='route "b"'):
        check_widening(before, config(*after, allow=["a"]))


def test_takes_all_is_certain() -> None:
    """A route takes all of another's requests, and not the other way round."""
    wide, narrow = route(path="/a/{x:path}"), route(path="/a/b", methods=["GET"])
    assert takes_all(wide, narrow)
    assert not takes_all(narrow, wide)


def test_allowing_a_route_that_is_not_there_is_a_mistake() -> None:
    """A misspelt id in `allow` is told, with what was probably meant."""
    with pytest.raises(ConfigError, match='there is no route of this id, did you mean "a"'):
        config(route(), allow=["aa"])
