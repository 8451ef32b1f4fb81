"""The tree of templates: one level for each segment, literal text by dictionary, parameters by pattern.

A node that has only literal children is *closed*, and on closed nodes `find` is a loop of one `str.find`,
one slice and one dictionary look-up for each segment; nearly every miss ends there.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeAlias

from forst_asgi.routing.route import Route, T
from forst_asgi.routing.template import Piece

Accepts: TypeAlias = Callable[[str], object]


class Node(Generic[T]):
    """What may follow after some segments; filled while the table is built, then only read.

    Attributes:
        literals: the next node by the text of the segment.
        pieces: the next node by the shape of a segment with parameters.
        accepts: for each of `pieces`, what tells whether a segment matches.
        rests: routes that match whatever follows.
        tails: routes that match what follows if their whole expression matches the whole path.
        ends: routes that end here.
        is_open: whether there is anything but `literals` and `ends`.
    """

    __slots__ = ("accepts", "ends", "is_open", "literals", "pieces", "rests", "tails")

    def __init__(self) -> None:
        self.literals: dict[str, Node[T]] = {}
        self.pieces: dict[Piece, Node[T]] = {}
        self.accepts: list[tuple[Accepts, Node[T]]] = []
        self.rests: list[Route[T]] = []
        self.tails: list[tuple[Accepts, Route[T]]] = []
        self.ends: list[Route[T]] = []
        self.is_open = False

    def __repr__(self) -> str:
        return f"<Node {len(self.literals)} literals, {len(self.pieces)} pieces, {len(self.ends)} ends>"


def build_tree(routes: Iterable[Route[T]]) -> Node[T]:
    """Make the tree of some routes; each expression of a segment is compiled once."""
    root: Node[T] = Node()
    patterns: dict[Piece, Accepts] = {}
    for route in routes:
        _add(root, route, patterns)
    return root


def find(node: Node[T], path: str) -> Sequence[Route[T]]:
    """All the routes whose template matches a path, in the order of the file.

    Args:
        node: the root.
        path: a path that starts with "/"; for any other the answer means nothing.
    """
    start = 1
    while not node.is_open:
        end = path.find("/", start)
        if end < 0:
            last = node.literals.get(path[start:])
            return last.ends if last is not None else ()
        following = node.literals.get(path[start:end])
        if following is None:
            return ()
        node = following
        start = end + 1
    found: list[Route[T]] = []
    _collect(node, path, start, found)
    if len(found) > 1:
        found.sort(key=_index)
    return found


def _collect(node: Node[T], path: str, start: int, found: list[Route[T]]) -> None:
    """Descend into every branch that matches; there are at most as many as there are nodes."""
    found += node.rests
    for accepts, route in node.tails:
        if accepts(path):
            found.append(route)
    end = path.find("/", start)
    segment = path[start:] if end < 0 else path[start:end]
    following = node.literals.get(segment)
    if following is not None:
        _go_on(following, path, end, found)
    for accepts, following in node.accepts:
        if accepts(segment):
            _go_on(following, path, end, found)


def _go_on(node: Node[T], path: str, end: int, found: list[Route[T]]) -> None:
    if end < 0:
        found += node.ends
    else:
        _collect(node, path, end + 1, found)


def _add(root: Node[T], route: Route[T], patterns: dict[Piece, Accepts]) -> None:
    shape = route.shape
    node = root
    for segment in shape.segments:
        node = _child(node, segment, patterns)
    if shape.tail is None:
        node.ends.append(route)
        return
    node.is_open = True
    if shape.leads_anywhere:
        node.rests.append(route)
    else:
        node.tails.append((shape.pattern().fullmatch, route))


def _child(node: Node[T], segment: str | Piece, patterns: dict[Piece, Accepts]) -> Node[T]:
    if isinstance(segment, str):
        return node.literals.setdefault(segment, Node())
    if segment not in node.pieces:
        if segment not in patterns:
            patterns[segment] = bool if segment.is_any else re.compile(segment.source).fullmatch
        node.pieces[segment] = Node()
        node.accepts.append((patterns[segment], node.pieces[segment]))
        node.is_open = True
    return node.pieces[segment]


def _index(route: Route[T]) -> int:
    return route.index
