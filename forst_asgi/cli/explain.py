"""`forst-asgi explain`: what becomes of a request?"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from forst_asgi.cli.explanation import Explanation, Forwarding, explain_request
from forst_asgi.cli.options import ConfigOption, JsonOption
from forst_asgi.cli.output import say_json, say_pairs
from forst_asgi.cli.words import limits_of, place_of
from forst_asgi.config import RouteConfig, load
from forst_asgi.headers import IDENTITY, REQUEST_ID
from forst_asgi.types import Header

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="REQUEST", help='Such as "POST /calculate"; GET may be left out.', show_default=False
    ),
]
Fields = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="NAME:VALUE", help="A field of the request.", show_default=False),
]

_NO_ROUTE = "no_route"
_FRESH = "(another one for each request)"

_AUTH = {
    None: "not said, so nobody checks it",
    "none": "none, the endpoint is public",
    "upstream": "upstream, the sidecar checks it",
}
"""What `auth` can be beside a callable."""

_ON_FAILURE = {
    "app": "app, the Python handler answers where nothing can happen twice",
    "error": "error, the client gets a 502, 503 or 504",
}


def explain(
    request: Words, header: Fields = None, config: ConfigOption = None, is_json: JsonOption = False
) -> None:
    """Say who answers a request and why, and what the sidecar would get. Nothing is sent."""
    method, target = _request_line(" ".join(request))
    headers = [_field(each) for each in header or ()]
    if not any(name == b"host" for name, _ in headers):
        headers.insert(0, (b"host", b"localhost"))
    found = explain_request(load(config), method, target, headers)
    if is_json:
        say_json(_as_json(found))
    else:
        say_pairs([("request", f"{method} {target}"), *_pairs(found)])


def _request_line(text: str) -> tuple[str, str]:
    first, _, rest = text.strip().partition(" ")
    method, target = ("GET", text.strip()) if first.startswith("/") else (first, rest.strip())
    if not target.startswith("/") and target != "*":
        raise typer.BadParameter(
            f'"{text}": expected a method and a path such as "POST /calculate"', param_hint="REQUEST"
        )
    return method, target


def _field(text: str) -> Header:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise typer.BadParameter(
            f'"{text}": expected a name and a value such as "x-tenant: a"', param_hint="--header"
        )
    try:
        return name.strip().lower().encode("latin-1"), value.strip().encode("latin-1")
    except UnicodeEncodeError as error:
        raise typer.BadParameter(f'"{text}": does not fit into Latin-1', param_hint="--header") from error


def _pairs(found: Explanation) -> Iterator[tuple[str, str]]:
    yield "answered by", _who(found)
    yield "because", _why(found)
    if found.route is not None and found.forwarding is not None:
        yield from _forwarding_pairs(found.route, found.forwarding)
    yield from _listed("other routes", [f"{name}: {why}" for name, why in found.others])


def _who(found: Explanation) -> str:
    if found.refusal is not None:
        return f"nobody: refused with {found.refusal.status}, nothing is sent upstream"
    return str(found.answered_by)


def _why(found: Explanation) -> str:
    if found.route is None or found.verdict is None:
        return f"no route matches, so it falls through to the app ({_NO_ROUTE})"
    belongs = f'it belongs to route "{found.route.id}"'
    if found.refusal is not None:
        return f"{belongs}, but must not be forwarded: {found.refusal.why}"
    return f"{belongs}, {found.verdict.words} ({found.verdict.decision.reason})"


def _forwarding_pairs(route: RouteConfig, forwarding: Forwarding) -> Iterator[tuple[str, str]]:
    request = forwarding.request
    yield "auth", _AUTH.get(route.auth, f"{route.auth} is asked first")
    yield "upstream", f"{route.upstream} ({place_of(forwarding.upstream)})"
    yield "forwarded as", f"{request.method.decode()} {request.target.decode('latin-1')}"
    yield from _listed("added", [": ".join(each) for each in _added(route, forwarding)])
    yield from _listed("dropped", [name.decode("latin-1") for name in forwarding.dropped])
    yield "on failure", _ON_FAILURE[route.on_failure]
    limits = limits_of(route, forwarding.upstream)
    yield from _listed("limits", [f"{name} = {value or 'none'}" for name, value in limits.items()])


def _added(route: RouteConfig, forwarding: Forwarding) -> list[tuple[str, str]]:
    fields = [
        (name.decode("latin-1"), _FRESH if name == REQUEST_ID else value.decode("latin-1"))
        for name, value in forwarding.added
    ]
    if route.auth not in _AUTH:
        fields.append((IDENTITY.decode(), f"(what {route.auth} returns, unless None)"))
    return fields


def _listed(name: str, lines: list[str]) -> list[tuple[str, str]]:
    return list(zip([name, *[""] * len(lines)], lines, strict=False))


def _as_json(found: Explanation) -> dict[str, Any]:
    return {
        "answered_by": found.answered_by,
        "reason": _NO_ROUTE if found.decision is None else found.decision.reason,
        "route": None if found.route is None else found.route.id,
        "refused": None if found.refusal is None else asdict(found.refusal),
        "forwarded": _forwarding_json(found.route, found.forwarding),
        "other_routes": [{"route": name, "why": why} for name, why in found.others],
    }


def _forwarding_json(route: RouteConfig | None, forwarding: Forwarding | None) -> dict[str, Any] | None:
    if route is None or forwarding is None:
        return None
    return {
        "auth": route.auth,
        "upstream": route.upstream,
        "to": place_of(forwarding.upstream),
        "method": forwarding.request.method.decode(),
        "target": forwarding.request.target.decode("latin-1"),
        "added": _added(route, forwarding),
        "dropped": [name.decode("latin-1") for name in forwarding.dropped],
        "on_failure": route.on_failure,
        "limits": limits_of(route, forwarding.upstream),
    }
