"""What every event has."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events.

    Attributes:
        name: the event's name in logs and metrics.
        level: how loud it is by default, a `logging` level name in lower case.
    """

    name: ClassVar[str] = "forst.event.observed"
    level: ClassVar[str] = "info"


def milliseconds(seconds: float) -> float:
    """Return a duration as events have it: to the microsecond."""
    return round(seconds * 1000, 3)
