"""What was worked out lately, so that it need not be worked out again."""

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recall(dict[K, V]):
    """A dictionary that makes what is not in it: `recall[key]`.

    Clients choose the keys, so it begins anew when it is full: neither does it grow, nor can somebody who
    asks for nonsense keep out what is asked for every day.

    Args:
        make: from a key to its value; what it raises is raised, and nothing is remembered.
        most: how many there may be.
    """

    __slots__ = ("_make", "_most")

    def __init__(self, make: Callable[[K], V], most: int) -> None:
        super().__init__()
        self._make = make
        self._most = most

    def __missing__(self, key: K) -> V:
        value = self._make(key)
        if len(self) >= self._most:
            self.clear()
        self[key] = value
        return value
