"""What was changed while it runs, as values."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forst_asgi.flags import (
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
from forst_asgi.flags.codec import NotAState, decode, encode
from forst_asgi.flags.state import MOST_HISTORY, with_kills

ADA = Mark("ada@build-7", "2025-01-31T12:00:00Z", "first try")
BOB = Mark("bob@build-7", "2025-01-31T13:00:00Z", "too many errors")

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MARKS = st.builds(Mark, TEXT, TEXT, TEXT)
TRANSITIONS = st.one_of(
    st.builds(set_mode, TEXT, st.sampled_from(["off", "on"]), st.none(), MARKS),
    st.builds(set_mode, TEXT, st.just("canary"), st.integers(1, 10_000).map(lambda n: n / 100), MARKS),
    st.builds(kill, TEXT | st.none(), MARKS),
    st.builds(unkill, TEXT | st.none(), MARKS),
    st.builds(roll_back, TEXT, MARKS),
    st.builds(acknowledge, TEXT, MARKS),
)


def after(*transitions: Any) -> State:
    """Return the state after these changes."""
    state = EMPTY
    for each in transitions:
        state = each(state)
    return state


def test_setting_a_mode() -> None:
    """What was set is there with who, when and why, and in the history; other routes are as before."""
    state = after(set_mode("a", "canary", 2.5, ADA))
    assert state.route("a") == RouteState("canary", 2.5, ADA)
    assert state.route("b") == RouteState()
    assert state.history == (Change(1, "a", "set canary 2.5 %", ADA),)
    again = set_mode("a", "on", None, BOB)(state)
    assert (again.generation, again.route("a"), again.history[-1].did) == (
        2,
        RouteState("on", None, BOB),
        "set on",
    )


def test_killing_leaves_what_was_set() -> None:
    """After a kill is taken back the route is as it was."""
    before = after(set_mode("a", "on", None, ADA))
    killed = kill("a", BOB)(before)
    assert killed.route("a") == replace(before.route("a"), killed=BOB)
    assert unkill("a", ADA)(killed).routes == before.routes


def test_killing_all_and_killing_one_are_apart() -> None:
    """Each kill is taken back by itself."""
    state = after(kill("a", ADA), kill(None, BOB))
    assert (state.killed, state.route("a").killed) == (BOB, ADA)
    lifted = unkill(None, ADA)(state)
    assert (lifted.killed, lifted.route("a").killed) == (None, ADA)
    assert [change.did for change in lifted.history] == ["killed", "killed", "unkilled"]


def test_a_rollback_lasts_until_it_is_acknowledged() -> None:
    """Setting a mode does not end it."""
    state = after(roll_back("a", ADA), set_mode("a", "on", None, ADA))
    assert state.route("a").rolled_back == ADA
    assert acknowledge("a", BOB)(state).route("a").rolled_back is None


def test_the_history_is_bounded() -> None:
    """The oldest entries go; the generation counts on."""
    state = after(*[kill("a", ADA)] * (MOST_HISTORY + 5))
    assert (len(state.history), state.history[0].generation, state.generation) == (
        MOST_HISTORY,
        6,
        MOST_HISTORY + 5,
    )


def test_the_latest_change_of_a_route() -> None:
    """Changes of all routes count for each."""
    state = after(kill("a", ADA), kill(None, BOB), kill("b", ADA))
    assert [getattr(state.latest(name), "generation", None) for name in "abc"] == [2, 3, 2]
    assert EMPTY.latest("a") is None


@given(st.lists(TRANSITIONS, max_size=12))
def test_what_is_written_can_be_read(transitions: list[Any]) -> None:
    """Every state survives being written down, whatever people said."""
    state = after(*transitions)
    assert decode(encode(state)) == state


def test_the_format_is_pinned() -> None:
    """Workers of two versions of forst may share the file."""
    assert json.loads(encode(after(set_mode("a", "canary", 5, ADA)))) == {
        "version": 1,
        "generation": 1,
        "killed": None,
        "routes": {
            "a": {
                "mode": "canary",
                "percent": 5,
                "marked": {"who": "ada@build-7", "when": "2025-01-31T12:00:00Z", "why": "first try"},
                "killed": None,
                "rolled_back": None,
            }
        },
        "history": [
            {
                "generation": 1,
                "route": "a",
                "did": "set canary 5 %",
                "mark": {"who": "ada@build-7", "when": "2025-01-31T12:00:00Z", "why": "first try"},
            }
        ],
    }


def test_keys_of_later_versions_are_passed_over() -> None:
    """What is not known does no harm."""
    text = encode(after(kill("a", ADA))).replace(b'"mode": null', b'"mode": null, "shade": 3')
    assert decode(text).route("a").killed == ADA


WHOLE: dict[str, Any] = {"version": 1, "generation": 0, "killed": None, "routes": {}, "history": []}
MARK = {"who": "a", "when": "b", "why": "c"}


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "the whole: expected an object"),
        ({}, "has the version None"),
        (WHOLE | {"version": 2}, "has the version 2, and this forst knows 1 only"),
        (WHOLE | {"generation": True}, "generation: expected int"),
        (WHOLE | {"generation": -1}, "generation: expected 0 to"),
        (WHOLE | {"generation": 10**4000}, "generation: expected 0 to"),
        (WHOLE | {"routes": []}, "routes: expected an object"),
        (WHOLE | {"routes": {"a": 1}}, "a: expected an object"),
        (WHOLE | {"routes": {"a": {"mode": "half"}}}, "mode: 'half' is not known"),
        (WHOLE | {"routes": {"a": {"mode": "canary"}}}, "percent: None does not go"),
        (WHOLE | {"routes": {"a": {"mode": "canary", "percent": 0}}}, "percent: 0 does not go"),
        (WHOLE | {"routes": {"a": {"mode": "on", "percent": 5}}}, "percent: 5 does not go"),
        (WHOLE | {"routes": {"a": {"mode": "canary", "percent": True}}}, "percent: True does not go"),
        (WHOLE | {"killed": 1}, "killed: expected an object"),
        (WHOLE | {"killed": {"who": "a"}}, "when: expected str"),
        (WHOLE | {"history": {}}, "history: expected list"),
        (WHOLE | {"history": [{}]}, "mark: expected an object"),
        (WHOLE | {"history": [{"mark": MARK, "route": 1}]}, "route: expected str"),
        (WHOLE | {"history": [{"mark": MARK, "generation": 1}]}, "did: expected str"),
    ],
)
def test_what_is_no_state_is_refused(written: object, problem: str) -> None:
    """Nothing is guessed: a kill must not get lost in a file that is half understood."""
    with pytest.raises(NotAState, match=problem):
        decode((written if isinstance(written, str) else json.dumps(written)).encode())


SHARE = {"mode": "canary", "percent": 5.125}


@pytest.mark.parametrize(
    ("written", "all_", "routes"),
    [
        (WHOLE | {"routes": {"a": SHARE, "b": {"killed": MARK}}}, None, {"b": Mark("a", "b", "c")}),
        (WHOLE | {"routes": {"a": SHARE | {"killed": MARK}}}, None, {"a": Mark("a", "b", "c")}),
        (WHOLE | {"routes": {"a": SHARE}, "killed": MARK}, Mark("a", "b", "c"), {}),
        (WHOLE | {"routes": {"a": {"killed": "now!"}}}, None, {"a": Mark("", "", "")}),
        (WHOLE | {"killed": True}, Mark("", "", ""), {}),
        (WHOLE | {"killed": False}, None, {}),
        ({"version": 2, "killed": MARK, "routes": {"a": None}}, Mark("a", "b", "c"), {}),
        ({"killed": MARK, "routes": []}, Mark("a", "b", "c"), {}),
        ([], None, {}),
    ],
)
def test_a_kill_can_be_told_of_what_is_no_state(
    written: object, all_: Mark | None, routes: dict[str, Mark]
) -> None:
    """Whatever else is wrong, and even if it does not say who it was: somebody pulled the brake."""
    with pytest.raises(NotAState) as refused:
        decode(json.dumps(written).encode())
    found = refused.value.kills
    assert found.killed == all_
    assert found.routes == {name: RouteState(killed=mark) for name, mark in routes.items()}


@pytest.mark.parametrize(
    "percent", [5.125, 0, 100.01, 0.0099999999, True, "5", None, float("nan"), float("inf")]
)
def test_what_is_no_share_goes_into_no_state(percent: Any) -> None:
    """Neither is it written nor read, by the rule that the configuration has."""
    with pytest.raises(
        ValueError, match=r"does not go with the mode 'canary', expected a percentage from 0\.01"
    ):
        set_mode("a", "canary", percent, ADA)
    with pytest.raises(NotAState, match=r"routes\.a: percent: .*, expected a percentage from 0.01 to 100"):
        decode(json.dumps(WHOLE | {"routes": {"a": {"mode": "canary", "percent": percent}}}).encode())


def test_half_a_character_survives() -> None:
    """JSON can escape what UTF-8 cannot hold; it must not keep the next kill from being written."""
    state = after(kill("a", Mark("ada", "now", "\ud800 \\ x")))
    assert decode(encode(state)) == state


def test_kills_are_added_to_a_state() -> None:
    """What was killed before stays as it was, the rest too; each one is in the history."""
    before = after(set_mode("a", "on", None, ADA), kill("b", ADA))
    after_ = with_kills(
        before, after(kill("a", BOB), kill("b", BOB), kill(None, BOB), set_mode("c", "off", None, BOB))
    )
    assert (after_.killed, after_.route("a")) == (BOB, RouteState("on", None, ADA, killed=BOB))
    assert (after_.route("b").killed, after_.route("c"), after_.generation) == (ADA, RouteState(), 2)
    assert {each.route for each in after_.history[2:]} == {"a", None}
    assert with_kills(after_, before) == after_
