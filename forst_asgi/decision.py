"""Who answers a request that matched a route: the app or the sidecar, and why. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["off", "on"]


class Target(StrEnum):
    """Who answers."""

    APP = "app"
    SIDECAR = "sidecar"


class Reason(StrEnum):
    """Why; each one shows in logs, events and `forst-asgi explain`."""

    MODE_OFF = "mode_off"
    MODE_ON = "mode_on"


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for one request."""

    target: Target
    reason: Reason


_BY_MODE: dict[Mode, Decision] = {
    "off": Decision(Target.APP, Reason.MODE_OFF),
    "on": Decision(Target.SIDECAR, Reason.MODE_ON),
}


def decide(mode: Mode) -> Decision:
    """Return who answers on a route in this mode."""
    return _BY_MODE[mode]
