"""The state as JSON.

    {"version": 1, "generation": 7, "killed": null,
     "routes": {"calculate": {"mode": "canary", "percent": 5, "marked": {...}, "killed": null, ...}},
     "history": [{"generation": 7, "route": "calculate", "did": "set canary 5 %", "mark": {...}}]}

Keys that are not known are passed over, so that an older worker can read what a newer one wrote; a `version`
that is not known is refused.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final, TypeVar

from forst_asgi.flags.state import Change, Mark, RouteState, State

VERSION: Final = 1

_MODES: Final = ("off", "canary", "on")

T = TypeVar("T")


class NotAState(ValueError):
    """The text is no state; the message says what is wrong with it."""


def encode(state: State) -> str:
    """Return the text of a state; people read it, too."""
    return json.dumps({"version": VERSION, **asdict(state)}, indent=1, ensure_ascii=False) + "\n"


def decode(text: str) -> State:
    """Return the state that a text holds.

    Raises:
        NotAState: it holds none.
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotAState(f"is not JSON: {error}") from error
    version = _table(whole, "the whole").get("version")
    if version != VERSION:
        raise NotAState(f"has the version {version!r}, and this forst knows {VERSION} only")
    return State(
        generation=_of_type(whole, "generation", int),
        killed=_mark(whole, "killed"),
        routes={
            name: _route(_table(each, name)) for name, each in _table(whole.get("routes"), "routes").items()
        },
        history=tuple(_change(_table(each, "history")) for each in _of_type(whole, "history", list)),
    )


def _table(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotAState(f"{name}: expected an object")
    return value


def _of_type(table: dict[str, Any], key: str, kind: type[T]) -> T:
    value = table.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise NotAState(f"{key}: expected {kind.__name__}")
    return value


def _perhaps(table: dict[str, Any], key: str, read: Callable[[], T]) -> T | None:
    return None if table.get(key) is None else read()


def _mark(table: dict[str, Any], key: str) -> Mark | None:
    def read() -> Mark:
        mark = _table(table[key], key)
        return Mark(*(_of_type(mark, name, str) for name in ("who", "when", "why")))

    return _perhaps(table, key, read)


def _route(table: dict[str, Any]) -> RouteState:
    mode, percent = table.get("mode"), table.get("percent")
    if mode is not None and mode not in _MODES:
        raise NotAState(f"mode: {mode!r} is not known")
    if (mode == "canary") is not _is_percentage(percent):
        raise NotAState(f"percent: {percent!r} does not go with the mode {mode!r}")
    marks = (_mark(table, name) for name in ("marked", "killed", "rolled_back"))
    return RouteState(mode, percent, *marks)


def _is_percentage(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.01 <= value <= 100


def _change(table: dict[str, Any]) -> Change:
    mark = _mark(table, "mark")
    if mark is None:
        raise NotAState("mark: expected an object")
    route = _perhaps(table, "route", lambda: _of_type(table, "route", str))
    return Change(_of_type(table, "generation", int), route, _of_type(table, "did", str), mark)
