"""What the table answers: the route, and the request target in the upstream's terms."""

from typing import Any, Generic
from urllib.parse import quote, unquote

from forst_asgi.errors import UnsafeTarget
from forst_asgi.routing.route import PATH_SAFE, Redirection, Route, T
from forst_asgi.routing.target import after_segments, aligned, bad_byte_in, hazard_in, is_plain, mux_hazard_in
from forst_asgi.types import Scope


class RouteMatch(Generic[T]):
    """A request that belongs to a route. Treat it as immutable; later changes of the scope do not reach it.

    Args:
        route: the route.
        hazard: why the path must not be forwarded, if it must not.
        path: the path's bytes as they would be sent, without `root_path`.
        scope: where `query_string` and `root_path` are read from.

    Attributes:
        route: the route.
        unsafe: why nothing must be sent upstream (answer 400); None when the target is safe.
    """

    __slots__ = ("_path", "_query", "_root_path", "route", "unsafe")

    def __init__(self, route: Route[T], hazard: str | None, path: bytes, scope: Scope) -> None:
        query = scope.get("query_string")
        if hazard is None and query and not is_plain(query.decode("latin-1")):
            hazard = bad_byte_in(query)
        if hazard is None and route.redirection is not None:
            hazard = rewrite_hazard_in(route, path)
        self.route = route
        self.unsafe = hazard
        self._path = path
        self._query = query
        self._root_path = scope.get("root_path")

    def __repr__(self) -> str:
        return f"<RouteMatch {self.route.id!r} path={self._path!r} unsafe={self.unsafe!r}>"

    def target(self) -> bytes:
        """The request target for the upstream, in origin-form (RFC 9112 section 3.2.1).

        Without `root_path`, with `strip_prefix` or `rewrite` applied, otherwise the bytes of the client.
        It starts with exactly one slash.

        Raises:
            UnsafeTarget: `unsafe` is set.
        """
        if self.unsafe is not None:
            raise UnsafeTarget(self.unsafe)
        redirection = self.route.redirection
        path = self._path if redirection is None else redirected(self.route, redirection, self._path)
        return path + b"?" + self._query if self._query else path

    @property
    def prefix(self) -> bytes:
        """What the client has in front of the upstream's path, percent-encoded; b"" for nothing.

        `root_path` and then `strip_prefix`. `root_path` counts even when the server left it out of `path`,
        because a proxy in front of the server took it away. A rewrite cannot be undone and adds nothing.
        """
        root_path = self._root_path
        root = (
            quote(root_path.rstrip("/"), PATH_SAFE, "utf-8", "surrogatepass").encode() if root_path else b""
        )
        redirection = self.route.redirection
        return root if redirection is None else root + redirection.stripped

    @property
    def params(self) -> dict[str, Any]:
        """The path's parameters, decoded and converted, as Starlette's `path_params`; empty when unsafe.

        They are converted at each call.

        Raises:
            ValueError: a convertor refused the value, such as an integer of 5,000 digits.
        """
        if self.unsafe is not None:
            return {}
        convertors = self.route.shape.convertors
        captured = captures(self.route, self._path)
        return {
            name: convertors[name].convert(unquote(value.decode("ascii"))) for name, value in captured.items()
        }


def captures(route: Route[T], path: bytes) -> dict[str, bytes]:
    """The parameters as the client sent them, still percent-encoded.

    Args:
        route: the route that matched.
        path: a path that it matches, without bytes outside ASCII.
    """
    text, starts = aligned(path) if b"%" in path else (path.decode("ascii"), range(len(path) + 1))
    match = route.shape.pattern().fullmatch(text)
    if match is None:
        raise AssertionError("unreachable: only paths that match are captured")
    return {
        name: path[starts[match.start(name)] : starts[match.end(name)]] for name in route.shape.convertors
    }


def redirected(route: Route[T], redirection: Redirection, path: bytes) -> bytes:
    """The path for the upstream of a route that strips a prefix or rewrites."""
    if redirection.rewrite:
        values = captures(route, path)
        path = b"".join(part if isinstance(part, bytes) else values[part] for part in redirection.rewrite)
    elif path.startswith(redirection.stripped):
        path = path[len(redirection.stripped) :]
    else:  # the client escaped more than it had to
        path = path[after_segments(path, redirection.depth) :]
    return b"/" + path.lstrip(b"/")


def rewrite_hazard_in(route: Route[T], path: bytes) -> str | None:
    """Name what a rewrite made dangerous, such as a dot segment put together from two parameters."""
    redirection = route.redirection
    if redirection is None or not redirection.rewrite:
        return None
    result = redirected(route, redirection, path)
    hazard = mux_hazard_in(result) if route.passes_encoded else hazard_in(result)
    return None if hazard is None else f"{hazard} after the rewrite"
