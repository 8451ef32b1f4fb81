"""How much of a route's traffic the sidecar may get: `off`, a share of it (`canary`), or all (`on`)."""

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from forst_asgi.decision.bucket import BUCKETS
from forst_asgi.share import basis_points

Mode: TypeAlias = Literal["off", "canary", "on"]
MODES: Final[tuple[Mode, ...]] = ("off", "canary", "on")
"""From the least to the most."""

_WRITTEN: Final = re.compile(r"(off|canary|on)(?:[: ]([0-9]{1,3}(?:\.[0-9]{1,2})?)%?)?")


@dataclass(frozen=True, slots=True)
class Rollout:
    """A mode and its share.

    Attributes:
        mode: the mode.
        basis_points: hundredths of a percent that get to the sidecar in mode `canary`, 1 to 10000; of the
            other modes it is 0 and 10000.
    """

    mode: Mode
    basis_points: int

    def __str__(self) -> str:
        return f"canary {percent_text(self.basis_points)} %" if self.mode == "canary" else self.mode

    @property
    def percent(self) -> float:
        """The share in percent."""
        return self.basis_points / 100


OFF: Final = Rollout("off", 0)
ON: Final = Rollout("on", BUCKETS)


def rollout_of(mode: Mode, percent: float | None = None) -> Rollout:
    """Return a mode with its share.

    Args:
        mode: the mode.
        percent: for `canary` alone, 0.01 to 100 in steps of 0.01.

    Raises:
        ValueError: a canary without such a percentage, or another mode with one.
    """
    if mode != "canary":
        if percent is not None:
            raise ValueError(f'only "canary" has a percentage, not "{mode}"')
        return ON if mode == "on" else OFF
    if percent is None:
        raise ValueError('"canary" needs a percentage')
    return Rollout(mode, basis_points(percent))


def percent_text(points: int) -> str:
    """Return hundredths as a percentage, as short as it can be written: 250 -> "2.5"."""
    return f"{points / 100:.2f}".rstrip("0").rstrip(".")


def parse_rollout(text: str, percent: float | None = None) -> Rollout:
    """Return what is written as "off", "on", "canary 2.5", "canary:2.5" or "canary".

    Args:
        text: the mode, in any case.
        percent: the share of a canary that names none.

    Raises:
        ValueError: it is none of these.
    """
    found = _WRITTEN.fullmatch(text.strip().lower())
    if not found:
        raise ValueError('expected "off", "on", or "canary" with a percentage such as "canary:2.5"')
    mode: Mode = found[1]  # type: ignore[assignment]  # the pattern knows no other words
    if found[2] is not None:
        percent = float(found[2])
    return rollout_of(mode, percent if mode == "canary" or found[2] is not None else None)


def lower(one: Rollout, other: Rollout) -> Rollout:
    """Return the one that lets less through; the first if they are equal."""
    return other if _rank(other) < _rank(one) else one


def _rank(each: Rollout) -> tuple[int, int]:
    return MODES.index(each.mode), each.basis_points
