"""Which routes can never get a request, because an earlier one takes all of theirs.

Everything here errs on one side: what it reports is certain, and it does not find everything. A template is
walked through the tree of templates as if it were a path; where it has a parameter, only branches that
accept every value of that parameter are followed.
"""

from collections.abc import Iterable, Iterator, Sequence

from starlette.convertors import FloatConvertor, IntegerConvertor

from forst_asgi.routing.route import Route, T
from forst_asgi.routing.template import Piece, Template
from forst_asgi.routing.tree import Node

_INTEGER = Piece(f"(?:{IntegerConvertor.regex})")
_FLOAT = Piece(f"(?:{FloatConvertor.regex})")


def covering_route(route: Route[T], candidates: Iterable[Route[T]]) -> Route[T] | None:
    """The first route in front of `route` that takes all of its requests, if there is one.

    Args:
        route: the later route.
        candidates: routes whose templates match every path that the later one matches.
    """
    earlier = [other for other in candidates if other.index < route.index and _takes_all(other, route)]
    return min(earlier, key=lambda other: other.index, default=None)


def covering_templates(root: Node[T], shape: Template) -> Sequence[Route[T]]:
    """The routes with parameters whose templates match every path that `shape`, one of them, matches."""
    return tuple(_walk(root, shape, 0))


def _takes_all(earlier: Route[T], later: Route[T]) -> bool:
    """Whether every request that meets the predicates of `later` also meets those of `earlier`."""
    if earlier.passes_encoded and not later.passes_encoded:
        return False  # the later one still refuses targets that the earlier one does not look at
    if earlier.host_rules and not (later.host_rules and set(earlier.host_rules) >= set(later.host_rules)):
        return False
    return set(earlier.header_rules) <= set(later.header_rules) and _takes_methods(earlier, later)


def _takes_methods(earlier: Route[T], later: Route[T]) -> bool:
    """Whether every type and method that the later one takes is taken by the earlier one."""
    if later.takes is None:
        return earlier.takes is None and earlier.refuses <= later.refuses
    return later.takes <= earlier.takes if earlier.takes is not None else not later.takes & earlier.refuses


def _walk(node: Node[T], shape: Template, depth: int) -> Iterator[Route[T]]:
    if depth == len(shape.segments) and shape.tail is None:
        yield from node.ends
        return
    yield from node.rests
    if depth == len(shape.segments):
        yield from (route for _, route in node.tails if route.shape.tail == shape.tail)
        return
    for following in _branches(node, shape.segments[depth]):
        yield from _walk(following, shape, depth + 1)


def _branches(node: Node[T], segment: str | Piece) -> Iterator[Node[T]]:
    if isinstance(segment, str):
        if segment in node.literals:
            yield node.literals[segment]
        yield from (following for accepts, following in node.accepts if accepts(segment))
        return
    for piece, following in node.pieces.items():
        if piece == segment or piece.is_any or (piece, segment) == (_FLOAT, _INTEGER):
            yield following
