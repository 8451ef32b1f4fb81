"""How many WebSockets one upstream may have at once.

Each takes two descriptors, for as long as its client likes. So there is an end to them, and it is told to
those who come too late at once, before anything is sent upstream.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from forst_asgi.errors import PoolFull


class Seats:
    """The WebSockets of one upstream, counted over all its routes and event loops in this process.

    Args:
        limit: how many there may be.
        taken: one member for each that there is; shared by all routes to the upstream.
    """

    def __init__(self, limit: int, taken: set[object]) -> None:
        self._limit = limit
        self._taken = taken  # adding and removing are atomic, so loops in several threads can share it

    def __repr__(self) -> str:
        return f"<Seats {len(self._taken)} of {self._limit}>"

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a seat for the length of a block.

        Raises:
            PoolFull: all are taken.
        """
        if len(self._taken) >= self._limit:
            raise PoolFull(f"{self._limit} WebSockets are open, as many as the upstream's max_websockets")
        seat = object()
        self._taken.add(seat)
        try:
            yield
        finally:
            self._taken.discard(seat)
