"""What changes flags while they run: the state file, and the app's own flag system.

    state.py        what was changed, by whom and why; pure
    codec.py        the state as JSON
    file.py         the file that keeps it, and how it is changed
    place.py        where that is, safe from whoever plants links there
    watch.py        keeps a worker up to date with it
    openfeature.py  the OpenFeature SDK

The SDK is an extra, so that module is imported only by who needs it.
"""

from forst_asgi.flags.file import BrokenState, StateFile
from forst_asgi.flags.state import (
    EMPTY,
    Change,
    Mark,
    RouteState,
    State,
    acknowledge,
    kill,
    roll_back,
    set_mode,
    unkill,
)
from forst_asgi.flags.watch import StateWatch

__all__ = [
    "EMPTY",
    "BrokenState",
    "Change",
    "Mark",
    "RouteState",
    "State",
    "StateFile",
    "StateWatch",
    "acknowledge",
    "kill",
    "roll_back",
    "set_mode",
    "unkill",
]
