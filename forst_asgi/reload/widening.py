"""What a reload must not do by accident: let requests through that were guarded, or were not forwarded.

    a guard is dropped    a request that an `auth` callable checked would be forwarded without one; also when
                          that comes of another id, of another order, or of a route in front
    a route takes more    a route of the same id would take requests that it did not take: another path,
                          host, method, header or type

A route under a new id is none of these: somebody has written down what it takes. Neither is a route that is
gone, whose requests the app answers, with its own checks.

Everything here errs on one side: what it lets pass is certain, and it refuses what it cannot tell.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from forst_asgi.config import Config, ConfigError, RouteConfig
from forst_asgi.routing import RouteTable
from forst_asgi.runtime import convert

_HOW = (
    "forst-asgi reload --allow applies it all the same; so does allow = [{ids}] in the table [reload] "
    "of the file"
)


def check_widening(before: Config, after: Config) -> None:
    """Make sure that nothing gets through by accident.

    Args:
        before: what is in force.
        after: what shall be; its `reload.allow` names the routes that may.

    Raises:
        ConfigError: something would, that is not allowed; all of it is listed.
    """
    found = {route: problem for route, problem in widenings(before, after) if route not in after.reload.allow}
    if found:
        ids = ", ".join(f'"{route}"' for route in found)
        lines = [f'{after.source}: route "{route}": {problem}' for route, problem in found.items()]
        raise ConfigError("\n".join([*lines, _HOW.format(ids=ids)]))


def widenings(before: Config, after: Config) -> Iterator[tuple[str, str]]:
    """Yield the routes that let something through, by id, each with what."""
    if _outline(before.routes) != _outline(after.routes):
        yield from _dropped(before.routes, after.routes)
        yield from _taking_more(before.routes, after.routes)


def _outline(routes: Iterable[RouteConfig]) -> list[object]:
    return [(route.id, _is_guarded(route), _taken(route)) for route in routes]


def _taken(route: RouteConfig) -> object:
    """Return what decides which requests a route takes."""
    return convert.route_spec(
        route.model_copy(update={"strip_prefix": None, "rewrite": None, "id": ""}), None
    )


def _is_guarded(route: RouteConfig) -> bool:
    """Whether a callable of the app checks each request."""
    return route.auth not in {None, "none", "upstream"}


def _taking_more(before: Iterable[RouteConfig], after: Iterable[RouteConfig]) -> Iterator[tuple[str, str]]:
    known = {route.id: route for route in before}
    for route in after:
        was = known.get(route.id)
        if was is not None and not takes_all(was, route):
            yield route.id, f"would take requests that it did not take before ({_difference(was, route)})"


def _difference(was: RouteConfig, route: RouteConfig) -> str:
    """Return the keys that differ, with their values."""
    keys = ("path", "methods", "host", "headers", "type", "encoded_path")
    said = [
        f"{key}: {_shown(getattr(was, key))} -> {_shown(getattr(route, key))}"
        for key in keys
        if getattr(was, key) != getattr(route, key)
    ]
    return "; ".join(said)


def _shown(value: object) -> str:
    if isinstance(value, frozenset | set | tuple | list):
        return ", ".join(sorted(map(str, value))) or "any"
    return "any" if value is None else str(value)


def takes_all(one: RouteConfig, other: RouteConfig) -> bool:
    """Tell whether it is certain that a route takes every request that another one takes."""
    if _taken(one) == _taken(other):
        return True
    if other.encoded_path == "pass" and one.encoded_path != "pass":
        return False
    # Which targets are refused does not make a route take more, so both are read alike.
    specs = [
        replace(
            convert.route_spec(route, None),
            id=str(place),
            encoded_path="reject",
            strip_prefix=None,
            rewrite=None,
        )
        for place, route in enumerate((one, other))
    ]
    return bool(RouteTable(specs).unreachable())


def _dropped(before: tuple[RouteConfig, ...], after: tuple[RouteConfig, ...]) -> Iterator[tuple[str, str]]:
    guarded = [(place, route) for place, route in enumerate(before) if _is_guarded(route)]
    for index, route in enumerate(after):
        if _is_guarded(route):
            continue
        for place, was in guarded:
            if (
                _may_meet(was, route)
                and not any(takes_all(other, was) for other in after[:index] if _is_guarded(other))
                and not any(takes_all(other, route) for other in before[:place] if not _is_guarded(other))
            ):
                yield route.id, _what_is_dropped(was, route)
                break


def _what_is_dropped(was: RouteConfig, route: RouteConfig) -> str:
    checked = f'auth = "{was.auth}"'
    if was.id == route.id:
        now = "nothing" if route.auth is None else f'"{route.auth}"'
        return f"{checked} would be dropped (auth would be {now})"
    return f'would forward requests unchecked that {checked} of the route "{was.id}" has checked until now'


def _may_meet(one: RouteConfig, other: RouteConfig) -> bool:
    """Tell whether there may be a request that both routes take; false is certain."""
    return (
        bool(set(one.type) & set(other.type))
        and _may_share(one.methods, other.methods)
        and _may_share_host(one.host, other.host)
        and _may_share_path(one.path, other.path)
    )


def _may_share(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    if one is None or other is None:
        return True
    return bool(_with_head(one) & _with_head(other))


def _with_head(methods: frozenset[str]) -> frozenset[str]:
    return methods | {"HEAD"} if "GET" in methods else methods


def _may_share_host(one: Iterable[str], other: Iterable[str]) -> bool:
    ours, theirs = {name.lower() for name in one}, {name.lower() for name in other}
    has_wildcard = any("*" in name for name in ours | theirs)
    return not ours or not theirs or has_wildcard or bool(ours & theirs)


def _may_share_path(one: str, other: str) -> bool:
    ours, theirs = one.split("/"), other.split("/")
    for mine, yours in zip(ours, theirs, strict=False):
        if _spans(mine) or _spans(yours):
            return True
        if mine != yours and "{" not in mine and "{" not in yours:
            return False
    return len(ours) == len(theirs) or any(map(_spans, ours[len(theirs) :] + theirs[len(ours) :]))


def _spans(segment: str) -> bool:
    """Whether a segment of a template has a parameter that may match slashes."""
    return ":" in segment and not all(
        part.partition("}")[0] in {"str", "int", "float", "uuid"} for part in segment.split(":")[1:]
    )
