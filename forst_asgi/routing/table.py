"""The route table: from an ASGI scope to a route, or to None. Pure, compiled once, replaced as a whole.

The rules, in plain words:

Which route
- Routes are looked at in the order of the file. The first one whose path, method, host and header
  predicates all hold wins. A route that fails in any of them is passed over, as if it were not there; when
  none is left the answer is None and the application answers, 404 and 405 included.
- A template matches the whole path, case-sensitively. `/api` is neither `/apiary` nor `/API`, `/x/` is not
  `/x`; there are no redirects. Convertors are Starlette's, those that the application registered included.
- GET implies HEAD. OPTIONS counts only when it is listed. A WebSocket handshake is a GET, and belongs to
  routes only that take WebSockets.
- `root_path` is taken away once, as Starlette does it. "*" and absolute-form targets never match.

Which target
- What goes upstream are the bytes of `raw_path` and `query_string`, never something rebuilt from the
  decoded `path`. Only without a `raw_path`, or with one that is not what `path` was decoded from, `path`
  is quoted as UTF-8.

Who may disagree
- ASGI's `path` is decoded as a whole; Go's mux splits first and decodes then. A target that they could read
  differently is dangerous in both directions: it could reach a Go handler past the checks of the Python
  side, or the other way round. The invariant: what is forwarded, Go's mux routes to the same pattern; what
  falls through, it never would.
- So a target with a hazard (dot segment, empty segment, encoded slash, backslash, control character, double
  encoding, malformed escape, not UTF-8, a byte that no target may contain) belongs to a route as soon as
  any reading of it does, and then it is refused (`RouteMatch.unsafe`). Escapes without hazard (`%20`,
  `%C3%A9`, `%61`) match decoded and travel as they came.
- A route with `encoded_path = "pass"` knows only the reading of Go's mux. It is refused what that mux
  would not take as it is either: plain `//`, `/./` and `/../`, malformed escapes, bytes outside ASCII.
- What no table can know is the order of the patterns on the other side. Go takes the most specific pattern,
  this table the first route, and to Go `{id:int}` is `{id}`. Where templates overlap, the more specific one
  belongs in front, and a convertor is to be checked by the handler again.

Cost
- Most requests are plain. A static path is one dictionary look-up; a template is found by descending a tree,
  one dictionary look-up for each segment. Only a path with "%", a backslash, "//" or "/." in it, or one that
  is not what `raw_path` says, is read closely. Header fields are looked at only for routes that ask.
- Plain paths that no template matches are remembered, up to 1,024 of them, and then anew: an app has few
  endpoints that are called often, and what falls through must cost as good as nothing.
"""

from collections.abc import Iterable, Sequence
from typing import Generic
from urllib.parse import quote

from forst_asgi.routing.match import RouteMatch
from forst_asgi.routing.overlap import covering_route, covering_templates
from forst_asgi.routing.route import PATH_SAFE, Route, RouteSpec, T, compile_route, rejection_of
from forst_asgi.routing.target import Target, is_plain, mux_hazard_in, read_target, unmount
from forst_asgi.routing.tree import build_tree, find
from forst_asgi.types import Scope

# As a number, because looking for `b"%"` in bytes costs ten times as much: CPython tries a number first.
_PERCENT = ord("%")


_REMEMBERED_MISSES = 1024
_LONGEST_MISS = 256


_COMMON_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class StaticPath(Generic[T]):
    """What is known beforehand of a path without parameters.

    Args:
        path: the path.
        routes: all the routes that match it, templates included, in the order of the file.

    Attributes:
        routes: the same.
        sent: the path's bytes, as clients send them.
        ready: by method, the match of a request that is just this path; not where header fields count.
    """

    __slots__ = ("ready", "routes", "sent")

    def __init__(self, path: str, routes: Sequence[Route[T]]) -> None:
        self.routes = routes
        self.sent = quote(path, PATH_SAFE).encode()
        self.ready: dict[str, RouteMatch[T]] = {}
        for route in routes:
            if route.is_guarded:
                break
            match = RouteMatch(route, None, self.sent, b"", "")
            for method in _COMMON_METHODS:
                if method in route.takes if route.takes is not None else method not in route.refuses:
                    self.ready.setdefault(method, match)


class RouteTable(Generic[T]):
    """An immutable, compiled table of routes.

    Args:
        specs: the routes in the order of the file.

    Attributes:
        routes: the compiled routes in the same order.

    Raises:
        TemplateError: a route cannot be compiled.
    """

    __slots__ = ("_misses", "_static", "_tree", "routes")

    def __init__(self, specs: Iterable[RouteSpec[T]]) -> None:
        self.routes: tuple[Route[T], ...] = tuple(
            compile_route(spec, place) for place, spec in enumerate(specs)
        )
        self._tree = build_tree(route for route in self.routes if not route.shape.is_static)
        self._static = self._static_paths()
        self._misses: set[str] = set()

    def __repr__(self) -> str:
        return f"<RouteTable of {len(self.routes)} routes>"

    # One function, because for what falls through a call would cost as much as the rest.
    def match(self, scope: Scope) -> RouteMatch[T] | None:  # noqa: C901, PLR0911
        """Find the route of a request.

        Args:
            scope: an ASGI scope of type "http" or "websocket"; it is not changed.

        Returns:
            The match, whose `unsafe` says when the request must be refused; None when no route is meant.
        """
        path: str = scope["path"]
        raw: bytes | None
        root_path: str | None
        try:  # `get` would cost a third more of what a request that falls through costs
            raw, root_path = scope["raw_path"], scope["root_path"]
        except KeyError:  # both are optional
            raw, root_path = scope.get("raw_path"), scope.get("root_path")
        if root_path:
            path, raw = unmount(path, raw, root_path)
        if path in self._misses and raw is not None and len(raw) == len(path):
            return None
        static = self._static.get(path)
        if static is not None:
            if raw != static.sent:
                return self._match_closely(scope, path, raw)
            if not root_path and not scope.get("query_string") and scope["type"] == "http":
                ready = static.ready.get(scope["method"])
                if ready is not None:
                    return ready
            return _first_that_holds(static.routes, scope, raw)
        if raw is None or _PERCENT in raw or "//" in path or "/." in path or "\\" in path:
            return self._match_closely(scope, path, raw)
        routes = find(self._tree, path)
        if not routes:
            # Nothing in it can be read in two ways, so the path alone decides the next time, as long
            # as `raw_path` has no escapes either: with one, it would be longer.
            if len(path) <= _LONGEST_MISS:
                if len(self._misses) >= _REMEMBERED_MISSES:
                    self._misses.clear()
                self._misses.add(path)
            return None
        if not is_plain(path) or "?" in path or raw != path.encode():
            return self._match_closely(scope, path, raw)
        return _first_that_holds(routes, scope, raw)

    def explain(self, scope: Scope) -> list[tuple[Route[T], str | None]]:
        """Say for every route why it does not get a request; for the command line, not for the hot path.

        Returns:
            Each route with a reason, in the order of the file. The reason of the one that gets the request
            is None, or "refused: ..." when its target is unsafe.
        """
        match = self.match(scope)
        path, raw = unmount(scope["path"], scope.get("raw_path"), scope.get("root_path") or "")
        meant = self._meant(read_target(path, raw)) if path.startswith("/") else {}
        return [
            (route, _why_not(route, scope, match, is_meant=route.index in meant)) for route in self.routes
        ]

    def unreachable(self) -> list[tuple[Route[T], Route[T]]]:
        """Find routes that can never get a request, each with an earlier route that gets all of theirs.

        Only what is certain: the absence of a pair does not mean that a route is reachable.
        """
        pairs = ((route, covering_route(route, self._same_paths(route))) for route in self.routes)
        return [(route, earlier) for route, earlier in pairs if earlier is not None]

    def _static_paths(self) -> dict[str, "StaticPath[T]"]:
        literal: dict[str, list[Route[T]]] = {}
        for route in self.routes:
            if route.shape.is_static:
                literal.setdefault(route.template, []).append(route)
        return {
            path: StaticPath(path, sorted((*routes, *find(self._tree, path)), key=_index))
            for path, routes in literal.items()
        }

    def _at(self, path: str) -> Sequence[Route[T]]:
        static = self._static.get(path)
        return find(self._tree, path) if static is None else static.routes

    def _same_paths(self, route: Route[T]) -> Sequence[Route[T]]:
        """The routes that match every path which `route` matches."""
        return (
            self._at(route.template) if route.shape.is_static else covering_templates(self._tree, route.shape)
        )

    def _match_closely(self, scope: Scope, path: str, raw: bytes | None) -> RouteMatch[T] | None:
        """The same as `match` for a path that needs a second look; `root_path` is already gone."""
        if not path.startswith("/"):
            return None
        target = read_target(path, raw)
        if target.hazard is None:
            return _first_that_holds(self._at(path), scope, target.sent)
        meant = self._meant(target)
        for index in sorted(meant):
            route = meant[index]
            if rejection_of(route, scope) is None:
                return _matched(route, scope, target.sent, _hazard_for(route, target))
        return None

    def _meant(self, target: Target) -> dict[int, Route[T]]:
        """The routes that a target could mean, by index, whatever their predicates say."""
        if target.hazard is None:
            return {route.index: route for route in self._at(target.path)}
        passing = {route for reading in target.mux_readings() for route in self._at(reading)}
        others = {route for reading in target.readings() for route in self._at(reading)}
        meant = {route for route in passing if route.passes_encoded}
        meant |= {route for route in others if not route.passes_encoded}
        return {route.index: route for route in meant}


def _first_that_holds(routes: Iterable[Route[T]], scope: Scope, path: bytes) -> RouteMatch[T] | None:
    # `asked_method`, written out: a call costs more than all of it.
    method = scope.get("method", "GET") if scope["type"] == "http" else None
    for route in routes:
        takes = route.takes
        if (method in takes if takes is not None else method not in route.refuses) and (
            not route.is_guarded or rejection_of(route, scope) is None
        ):
            return _matched(route, scope, path)
    return None


def _matched(route: Route[T], scope: Scope, path: bytes, hazard: str | None = None) -> RouteMatch[T]:
    return RouteMatch(route, hazard, path, scope.get("query_string"), scope.get("root_path"))


def _hazard_for(route: Route[T], target: Target) -> str | None:
    if not route.passes_encoded:
        return target.hazard
    return mux_hazard_in(target.original) or mux_hazard_in(target.sent)


def _why_not(route: Route[T], scope: Scope, match: RouteMatch[T] | None, *, is_meant: bool) -> str | None:
    if match is not None and match.route is route:
        return None if match.unsafe is None else f"refused: {match.unsafe}"
    if not is_meant:
        return f"path: {route.template} does not match"
    return rejection_of(route, scope) or "an earlier route matched"


def _index(route: Route[T]) -> int:
    return route.index
