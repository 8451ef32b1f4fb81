"""What the table answers: the route, and the request target in the upstream's terms."""

from typing import Any, Generic
from urllib.parse import quote, unquote

from forst_asgi.errors import UnsafeTarget
from forst_asgi.routing.route import PATH_SAFE, Redirection, Route, T
from forst_asgi.routing.target import after_segments, aligned, bad_byte_in, hazard_in, is_plain, mux_hazard_in


class RouteMatch(Generic[T]):
    """A request that belongs to a route. Immutable: requests for a static path share one.

    Args:
        route: the route.
        hazard: why the path must not be forwarded, if it must not.
        path: the path's bytes as they would be sent, without `root_path`.
        query: what follows the path's "?", undecoded; empty for nothing.
        root_path: the scope's, "" for none.

    Attributes:
        route: the route.
        unsafe: why nothing must be sent upstream (answer 400); None when the target is safe.
        prefix: what the client has in front of the upstream's path, percent-encoded, or b"": `root_path`
            and then `strip_prefix`. `root_path` counts even when the server left it out of `path`, because a
            proxy in front of the server took it away. A rewrite cannot be undone and adds nothing.
    """

    __slots__ = ("_path", "_target", "prefix", "route", "unsafe")

    def __init__(
        self, route: Route[T], hazard: str | None, path: bytes, query: bytes | None, root_path: str | None
    ) -> None:
        self.route = route
        self._path = target = path
        prefix = _quoted(root_path) if root_path else b""
        redirection = route.redirection
        if hazard is None:
            if redirection is not None:
                target = redirected(route, redirection, path)
                hazard = rewrite_hazard_in(route, redirection, target)
            if query:
                if not is_plain(query.decode("latin-1")):
                    hazard = hazard or bad_byte_in(query)
                target = target + b"?" + query
        self.unsafe = hazard
        self._target = target
        self.prefix = prefix if redirection is None else prefix + redirection.stripped

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
        return self._target

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


def _quoted(root_path: str) -> bytes:
    return quote(root_path.rstrip("/"), PATH_SAFE, "utf-8", "surrogatepass").encode()


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


def rewrite_hazard_in(route: Route[T], redirection: Redirection, target: bytes) -> str | None:
    """Name what a rewrite made dangerous, such as a dot segment put together from two parameters."""
    if not redirection.rewrite:
        return None
    hazard = mux_hazard_in(target) if route.passes_encoded else hazard_in(target)
    return None if hazard is None else f"{hazard} after the rewrite"
