"""What a share of the clients is: 0.01 to 100 percent, in steps of 0.01.

The one place that knows it: the configuration, the environment, the state file and the flag system ask here.
"""

from typing import Final

LEAST: Final = 0.01
"""Percent; the smallest share, and the step between two."""

MOST: Final = 100
"""Percent."""

_ROUNDING: Final = 1e-6
"""How far a float may be off its two places: 29.99 * 100 is 2998.9999999999995."""


class NoShare(ValueError):
    """A value is no share; the message says what was expected."""

    def __init__(self) -> None:
        super().__init__("expected a percentage from 0.01 to 100, with at most two places")


class TooFine(NoShare):
    """It would be one, if it had no more than two places."""


def basis_points(percent: object) -> int:
    """Return a share in hundredths of a percent, 1 to 10000.

    Args:
        percent: a number of percent.

    Raises:
        NoShare: it is no number, or not within 0.01 to 100.
        TooFine: it has more than two places.
    """
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not LEAST <= percent <= MOST:
        raise NoShare
    points = round(percent * 100)
    if abs(percent * 100 - points) > _ROUNDING:
        raise TooFine
    return points


def is_share(value: object) -> bool:
    """Whether a value is a share."""
    try:
        basis_points(value)
    except NoShare:
        return False
    return True
