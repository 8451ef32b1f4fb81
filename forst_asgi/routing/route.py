"""What a route is: as assembly hands it in (`RouteSpec`), and compiled (`Route`)."""

from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar
from urllib.parse import quote

from forst_asgi.routing.predicates import HeaderRule, HostRule, header_rules, host_rule, rejection_by_headers
from forst_asgi.routing.template import Template, TemplateError, parse_rewrite, parse_template
from forst_asgi.types import Scope

T = TypeVar("T")

EncodedPath: TypeAlias = Literal["reject", "pass"]

# RFC 3986 section 3.3: what a path segment holds without escapes, and the slash between segments.
PATH_SAFE = "/:@!$&'()*+,;=-._~"

HTTP_ONLY = frozenset({"http"})


@dataclass(frozen=True, slots=True)
class RouteSpec(Generic[T]):
    """One route as plain values; nothing is checked before a RouteTable is built from it.

    Attributes:
        id: the name that errors and the command line show.
        path: a template in Starlette's syntax, such as "/quotes/{id:int}".
        endpoint: opaque; it is handed back on a match.
        methods: the methods the route takes. GET implies HEAD, as in Starlette and in Go's mux. OPTIONS
            counts only when it is listed, so that by default the app owns CORS. None: every method but
            OPTIONS. A WebSocket handshake is a GET (RFC 6455 section 4.1).
        hosts: names without a port, in any case; "*.example.com" is any subdomain at any depth. Empty: any.
        headers: pairs of a field name and its exact value, "*" for any value; all of them must hold.
        strip_prefix: leading literal segments of `path` that the upstream does not see.
        rewrite: the path the upstream sees instead, such as "/v2/quotes/{id}"; parameters are put in as
            the client sent them, still percent-encoded.
        encoded_path: "reject" answers 400 to a target that the two sides could read differently; "pass"
            takes the reading of Go's mux and sends the bytes on unchanged.
        kinds: the scope types the route takes, "http" or "websocket" or both.
    """

    id: str
    path: str
    endpoint: T
    methods: frozenset[str] | None = None
    hosts: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    strip_prefix: str | None = None
    rewrite: str | None = None
    encoded_path: EncodedPath = "reject"
    kinds: frozenset[str] = HTTP_ONLY


@dataclass(frozen=True, slots=True)
class Redirection:
    """How the path for the upstream is made from the path that matched.

    Attributes:
        stripped: the prefix that is taken away, percent-encoded; b"" for none.
        depth: how many segments that prefix has.
        rewrite: literal texts (percent-encoded) and parameter names in turn; empty for no rewrite.
    """

    stripped: bytes = b""
    depth: int = 0
    rewrite: tuple[bytes | str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Route(Generic[T]):
    """One compiled route.

    Attributes:
        id: the name that errors and the command line show.
        index: the place in the file, from 0; the first route that holds wins.
        endpoint: what the specification carried.
        template: the path template as it was written.
        kinds: the scope types it takes.
        methods: the methods with HEAD added to GET; None for every method but OPTIONS.
        takes: what `asked_method` may be; None for everything but `refuses`.
        refuses: what `asked_method` must not be, when `takes` is None.
        shape: the template, taken apart.
        host_rules, header_rules: predicates on header fields; both empty for most routes.
        is_guarded: whether there are any such predicates.
        redirection: how the path for the upstream differs; None when it does not.
        passes_encoded: whether `encoded_path` is "pass".
    """

    id: str
    index: int
    endpoint: T
    template: str
    kinds: frozenset[str]
    methods: frozenset[str] | None
    takes: frozenset[str | None] | None
    refuses: frozenset[str | None]
    shape: Template
    host_rules: tuple[HostRule, ...]
    header_rules: tuple[HeaderRule, ...]
    is_guarded: bool
    redirection: Redirection | None
    passes_encoded: bool


def asked_method(scope: Scope) -> str | None:
    """The method of a request; None for a WebSocket handshake, which is a GET and has none in its scope.

    So one look-up in what a route takes answers for both the type and the method.
    """
    return scope.get("method", "GET") if scope["type"] == "http" else None


def rejection_of(route: Route[T], scope: Scope) -> str | None:
    """Name the first predicate of a route that a request does not meet; None when all hold.

    The path is not looked at.
    """
    if scope["type"] not in route.kinds:
        return f"type: {scope['type']} is not taken ({', '.join(sorted(route.kinds))})"
    method = asked_method(scope)
    if not (method in route.takes if route.takes is not None else method not in route.refuses):
        method = method or "GET"
        taken = "any but OPTIONS" if route.methods is None else ", ".join(sorted(route.methods))
        return f"method: {method} is not taken ({taken})"
    return (
        rejection_by_headers(route.host_rules, route.header_rules, scope["headers"])
        if route.is_guarded
        else None
    )


def compile_route(spec: RouteSpec[T], index: int) -> Route[T]:
    """Compile one route.

    Raises:
        TemplateError: some value of it cannot be used; the text names the route's id.
    """
    try:
        shape = parse_template(spec.path)
        hosts = tuple(host_rule(host) for host in spec.hosts)
        headers = header_rules(spec.headers)
        redirection = _redirection(spec, shape)
    except (TemplateError, ValueError) as error:
        raise TemplateError(f"route {spec.id!r}: {error}") from error
    methods = _methods(spec.methods)
    return Route(
        id=spec.id,
        index=index,
        endpoint=spec.endpoint,
        template=spec.path,
        kinds=spec.kinds,
        methods=methods,
        takes=_takes(spec.kinds, methods),
        refuses=frozenset({"OPTIONS"} if "websocket" in spec.kinds else {"OPTIONS", None}),
        shape=shape,
        host_rules=hosts,
        header_rules=headers,
        is_guarded=bool(hosts or headers),
        redirection=redirection,
        passes_encoded=spec.encoded_path == "pass",
    )


def _methods(methods: frozenset[str] | None) -> frozenset[str] | None:
    if not methods:
        return None
    upper = frozenset(method.upper() for method in methods)
    return upper | {"HEAD"} if "GET" in upper else upper


def _takes(kinds: frozenset[str], methods: frozenset[str] | None) -> frozenset[str | None] | None:
    """What `asked_method` may be: the methods for HTTP, None for a WebSocket where GET is taken."""
    handshake = {None} if "websocket" in kinds and (methods is None or "GET" in methods) else frozenset()
    if "http" not in kinds:
        return frozenset(handshake)
    return None if methods is None else methods | handshake


def _redirection(spec: RouteSpec[T], shape: Template) -> Redirection | None:
    if spec.strip_prefix is not None and spec.rewrite is not None:
        raise TemplateError("strip_prefix and rewrite exclude each other")
    if spec.rewrite is not None:
        parts = parse_rewrite(spec.rewrite, frozenset(shape.convertors))
        return Redirection(rewrite=tuple(_encoded(parts)))
    prefix = (spec.strip_prefix or "").rstrip("/")
    if not prefix:
        return None
    segments = prefix.split("/")
    if list(shape.segments[: len(segments)]) != segments:
        raise TemplateError(
            f"strip_prefix {spec.strip_prefix!r}: expected the first literal segments of {spec.path!r}"
        )
    return Redirection(stripped=quote(prefix, PATH_SAFE).encode(), depth=len(segments) - 1)


def _encoded(parts: tuple[str, ...]) -> list[bytes | str]:
    return [part if place % 2 else quote(part, PATH_SAFE).encode() for place, part in enumerate(parts)]
