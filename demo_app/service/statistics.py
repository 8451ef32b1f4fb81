"""Statistics whose last bit is defined: the same operations in the same order as in calculate.go."""

import math
from collections.abc import Iterable, Sequence

from typing_extensions import TypedDict


class Statistics(TypedDict):
    """What /calculate answers; the variance is that of the population."""

    count: int
    sum: float
    average: float
    variance: float


class OutOfRange(ValueError):
    """A sum is too large for a float."""


def describe(values: Sequence[float]) -> Statistics:
    """Return the statistics of one or more finite numbers.

    Raises:
        OutOfRange: the sum, or the sum of the squared distances, is not finite.
    """
    count = len(values)
    total = exact_sum(values)
    average = total / count
    squares = exact_sum((value - average) * (value - average) for value in values)
    if not (math.isfinite(total) and math.isfinite(squares)):
        raise OutOfRange("the result is out of range")
    return {"count": count, "sum": total, "average": average, "variance": squares / count}


def exact_sum(values: Iterable[float]) -> float:
    """Return the sum by Neumaier's algorithm, which carries what each addition loses to rounding.

    `math.fsum` would be exacter and faster, but other languages have nothing that gives the same bits;
    the built-in `sum` compensates since Python 3.12 only.
    """
    total, lost = 0.0, 0.0
    for value in values:
        following = total + value
        if abs(total) >= abs(value):
            lost += (total - following) + value
        else:
            lost += (value - following) + total
        total = following
    return total + lost
