"""What a mode comes to by itself, without flags: `canary` needs them, so without them it is the app's."""

from typing import Final

from forst_asgi.decision.outcome import Decision, outcomes
from forst_asgi.decision.rollout import Mode

_OUTCOMES: Final = outcomes()
_BY_MODE: Final[dict[Mode, Decision]] = {
    "off": _OUTCOMES.off,
    "canary": _OUTCOMES.keyless,
    "on": _OUTCOMES.on,
}


def decide(mode: Mode) -> Decision:
    """Return who answers on a route in this mode."""
    return _BY_MODE[mode]
