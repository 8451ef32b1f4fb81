"""How many lines of one kind a second may have. Pure: the time comes in."""

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float
    left_out: int = 0


class RateLimit:
    """A token bucket for each kind of line.

    Args:
        per_second: how many lines a kind may have in a second, at once or spread; 0 for no limit.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._buckets: dict[Hashable, _Bucket] = {}

    def admit(self, kind: Hashable, now: float) -> int | None:
        """Ask whether a line may be written.

        Args:
            kind: what the limit holds for; there must not be ever new ones, since each is remembered.
            now: seconds of a clock that never goes back.

        Returns:
            How many lines of the kind were left out since the one before; None when this one has to be, too.
        """
        if self._per_second == 0:
            return 0
        bucket = self._buckets.get(kind)
        if bucket is None:
            bucket = self._buckets[kind] = _Bucket(self._per_second, now)
        refill = (now - bucket.filled_at) * self._per_second
        bucket.tokens = min(bucket.tokens + refill, self._per_second)
        bucket.filled_at = now
        if bucket.tokens < 1:
            bucket.left_out += 1
            return None
        bucket.tokens -= 1
        left_out, bucket.left_out = bucket.left_out, 0
        return left_out
