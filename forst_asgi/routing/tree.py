"""The tree of templates: one level for each segment, literal text by dictionary, parameters by pattern.

A path is split at "/" once, and the empty text in front of the first slash is a segment too, so whatever does
not start with a slash ends at the root. A node is *closed* when it has literal children only, *lone* when it
has a single child that is a parameter; through both kinds `find` runs in a loop without a call. Only on any
other node can a path take more than one way.
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
        depth: how many segments lead here.
        literals: the next node by the text of the segment.
        pieces: the next node by the shape of a segment with parameters.
        accepts: for each of `pieces`, what tells whether a segment matches.
        lone: the only one of `accepts` when there is nothing else but `ends`.
        rests: routes that match whatever follows.
        tails: routes that match what follows if their whole expression matches the whole path.
        ends: routes that end here.
        is_open: whether there is anything but `literals` and `ends`.
    """

    __slots__ = ("accepts", "depth", "ends", "is_open", "literals", "lone", "pieces", "rests", "tails")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.literals: dict[str, Node[T]] = {}
        self.pieces: dict[Piece, Node[T]] = {}
        self.accepts: list[tuple[Accepts, Node[T]]] = []
        self.lone: tuple[Accepts, Node[T]] | None = None
        self.rests: list[Route[T]] = []
        self.tails: list[tuple[Accepts, Route[T]]] = []
        self.ends: list[Route[T]] = []
        self.is_open = False

    def close(self) -> None:
        """Note what kind of node this and every node below it has become."""
        self.is_open = bool(self.accepts or self.rests or self.tails)
        if len(self.accepts) == 1 and not (self.literals or self.rests or self.tails):
            self.lone = self.accepts[0]
        for following in (*self.literals.values(), *self.pieces.values()):
            following.close()


def build_tree(routes: Iterable[Route[T]]) -> Node[T]:
    """Make the tree of some routes; each expression of a segment is compiled once."""
    root: Node[T] = Node(0)
    patterns: dict[Piece, Accepts] = {}
    for route in routes:
        _add(root, route, patterns)
    root.close()
    return root


def find(root: Node[T], path: str) -> Sequence[Route[T]]:
    """All the routes whose template matches a path, in the order of the file."""
    node = root
    segments = path.split("/")
    for segment in segments:
        if not node.is_open:
            following = node.literals.get(segment)
            if following is None:
                return ()
        elif node.lone is not None:
            accepts, following = node.lone
            if not accepts(segment):
                return ()
        else:
            found: list[Route[T]] = []
            _collect(node, path, segments, found)
            found.sort(key=_index)
            return found
        node = following
    return node.ends


def _collect(node: Node[T], path: str, segments: list[str], found: list[Route[T]]) -> None:
    """Go every way that matches; there are at most as many as there are nodes."""
    if node.depth == len(segments):
        found += node.ends
        return
    found += node.rests
    found += [route for accepts, route in node.tails if accepts(path)]
    segment = segments[node.depth]
    following = node.literals.get(segment)
    if following is not None:
        _collect(following, path, segments, found)
    for accepts, following in node.accepts:
        if accepts(segment):
            _collect(following, path, segments, found)


def _add(root: Node[T], route: Route[T], patterns: dict[Piece, Accepts]) -> None:
    shape = route.shape
    node = root
    for segment in shape.segments:
        node = _child(node, segment, patterns)
    if shape.tail is None:
        node.ends.append(route)
    elif shape.leads_anywhere:
        node.rests.append(route)
    else:
        node.tails.append((_bounded(shape.pattern().fullmatch, shape.longest), route))


def _child(node: Node[T], segment: str | Piece, patterns: dict[Piece, Accepts]) -> Node[T]:
    if isinstance(segment, str):
        if segment not in node.literals:
            node.literals[segment] = Node(node.depth + 1)
        return node.literals[segment]
    if segment not in node.pieces:
        if segment not in patterns:
            patterns[segment] = _accepts(segment)
        node.pieces[segment] = Node(node.depth + 1)
        node.accepts.append((patterns[segment], node.pieces[segment]))
    return node.pieces[segment]


def _accepts(piece: Piece) -> Accepts:
    return bool if piece.is_any else _bounded(re.compile(piece.source).fullmatch, piece.longest)


def _bounded(accepts: Accepts, longest: int | None) -> Accepts:
    """Return what refuses longer texts unseen."""
    return accepts if longest is None else lambda text: len(text) <= longest and accepts(text)


def _index(route: Route[T]) -> int:
    return route.index
