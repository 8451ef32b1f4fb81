"""The state as JSON.

    {"version": 1, "generation": 7, "killed": null,
     "routes": {"calculate": {"mode": "canary", "percent": 5, "marked": {...}, "killed": null, ...}},
     "history": [{"generation": 7, "route": "calculate", "did": "set canary 5 %", "mark": {...}}]}

Keys that are not known are passed over, so that an older worker can read what a newer one wrote; a `version`
that is not known is refused. Nothing of a state that is refused is put in force but its kills: whatever else
is wrong with it, somebody wanted the app to answer.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final, TypeVar

from forst_asgi.flags.state import EMPTY, Change, Mark, RouteState, State

VERSION: Final = 1

_LARGEST: Final = 2**53
"""As far as every program can count that reads JSON."""

_SOMEBODY: Final = Mark("", "", "")
"""Of a kill that does not say whose it is."""

T = TypeVar("T")


class NotAState(ValueError):
    """The text is no state; the message says what is wrong with it.

    Attributes:
        kills: what can be told of it all the same: a state with nothing but the kills that are in the text.
    """

    def __init__(self, problem: str, kills: State = EMPTY) -> None:
        super().__init__(problem)
        self.kills = kills


def encode(state: State) -> bytes:
    """Return a state in UTF-8; people read it, too."""
    text = json.dumps({"version": VERSION, **asdict(state)}, indent=1, ensure_ascii=False) + "\n"
    # Half a surrogate pair has no UTF-8, but JSON escapes it just as Python does.
    return text.encode(errors="backslashreplace")


def decode(content: bytes) -> State:
    """Return the state that a file's content holds.

    Raises:
        NotAState: it holds none.
    """
    try:
        whole = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise NotAState(f"is not JSON: {error}") from error
    try:
        return _state(whole)
    except NotAState as error:
        raise NotAState(str(error), _kills(whole)) from error


def _state(value: object) -> State:
    whole = _table(value, "the whole")
    version = whole.get("version")
    if version != VERSION:
        raise NotAState(f"has the version {version!r}, and this forst knows {VERSION} only")
    generation = _of_type(whole, "generation", int)
    if not 0 <= generation <= _LARGEST:
        raise NotAState(f"generation: expected 0 to {_LARGEST}")
    return State(
        generation=generation,
        killed=_mark(whole, "killed"),
        routes={
            name: _route(name, _table(each, name))
            for name, each in _table(whole.get("routes"), "routes").items()
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


def _route(name: str, table: dict[str, Any]) -> RouteState:
    marks = [_mark(table, each) for each in ("marked", "killed", "rolled_back")]
    try:
        return RouteState(table.get("mode"), table.get("percent"), *marks)
    except ValueError as error:
        raise NotAState(f"routes.{name}: {error}") from error


def _kills(whole: object) -> State:
    """Return the kills of a text that is no state; what else stands where a kill would counts as one, too."""
    table = whole if isinstance(whole, dict) else {}
    routes = table.get("routes")
    killed = {
        name: _killed(each)
        for name, each in (routes.items() if isinstance(routes, dict) else ())
        if isinstance(each, dict)
    }
    return State(
        killed=_killed(table), routes={name: RouteState(killed=mark) for name, mark in killed.items() if mark}
    )


def _killed(table: dict[str, Any]) -> Mark | None:
    if table.get("killed") is None or table["killed"] is False:
        return None
    try:
        return _mark(table, "killed")
    except NotAState:
        return _SOMEBODY


def _change(table: dict[str, Any]) -> Change:
    mark = _mark(table, "mark")
    if mark is None:
        raise NotAState("mark: expected an object")
    route = _perhaps(table, "route", lambda: _of_type(table, "route", str))
    return Change(_of_type(table, "generation", int), route, _of_type(table, "did", str), mark)
