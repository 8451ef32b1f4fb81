"""The precedence of everything that has a say, and what it comes to."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forst_asgi.decision import (
    Asked,
    ConditionSpec,
    ContextUnknown,
    Controls,
    Decision,
    Flag,
    FlagSpec,
    OverridePolicy,
    Reason,
    Rollout,
    RuleSpec,
    Switch,
    Target,
    bucket_of,
    lower,
    rollout_of,
    sign,
)
from forst_asgi.decision.flag import decide
from forst_asgi.types import Scope
from tests.decision.asking import NOW, Params, decided, scope, switch

OFF, ON = rollout_of("off"), rollout_of("on")
SECRET = b"0123456789abcdef"
TESTER = OverridePolicy((SECRET,))
TOKENS = {target: sign(SECRET, target, "calculate", int(NOW) + 60) for target in Target}
STAFF = RuleSpec("staff", (ConditionSpec("header:x-team", "equals", "checkout"),), ON)
GUESTS = RuleSpec("guests", (ConditionSpec("cookie:sid", "exists", operand=False),), OFF)


def user(name: str) -> Scope:
    """Return a request of one user."""
    return scope(("x-user-id", name))


def spec(configured: Rollout, **more: Any) -> FlagSpec:
    """Return a flag of the route calculate."""
    return FlagSpec("calculate", configured, ("header:x-user-id",), **more)


@pytest.mark.parametrize(
    ("configured", "controls", "target", "reason"),
    [
        (OFF, {}, "app", "mode_off"),
        (ON, {}, "sidecar", "mode_on"),
        (ON, {"rollout": OFF}, "app", "state_off"),
        (OFF, {"rollout": ON}, "app", "mode_off"),
        (OFF, {"rollout": OFF}, "app", "mode_off"),
        (ON, {"rollout": ON}, "sidecar", "mode_on"),
        (ON, {"is_rolled_back": True}, "app", "rolled_back"),
        (ON, {"is_killed": True}, "app", "killed"),
        (ON, {"is_unreadable": True}, "app", "state_unreadable"),
        (ON, {"is_unreadable": True, "is_killed": True, "is_rolled_back": True}, "app", "killed"),
    ],
)
def test_what_needs_no_request_is_decided_once(
    configured: Rollout, controls: dict[str, Any], target: str, reason: str
) -> None:
    """Off, on, kill and rollback are fixed: the request is not looked at."""
    live = switch(spec(configured), **controls)
    assert live.stands.fixed == Decision(Target(target), Reason(reason))
    assert live.decide({}, Params()) is decide(live.flag, live.stands, {}, Params()) is live.stands.fixed


@given(st.text(min_size=1, max_size=20, alphabet="abc123"), st.integers(1, 10_000))
def test_a_canary_takes_those_whose_bucket_is_low(name: str, points: int) -> None:
    """In or out depends on the user's bucket, the route's id being the salt."""
    is_inside = bucket_of("canary", "calculate", name) < points
    expected = (
        Decision(Target.SIDECAR, Reason.CANARY_IN) if is_inside else Decision(Target.APP, Reason.CANARY_OUT)
    )
    assert decided(spec(Rollout("canary", points)), user(name)) == expected


def test_decisions_are_made_beforehand() -> None:
    """Two requests with one outcome get one and the same object."""
    live = switch(spec(rollout_of("canary", 100)))
    assert live.decide(user("a"), Params()) is live.decide(user("b"), Params())


@pytest.mark.parametrize("request_", [scope(), user(""), scope(("cookie", "x-user-id=1"))])
def test_without_a_key_the_app_answers(request_: Scope) -> None:
    """A request that sticks to nothing is in no bucket, even at 100 %."""
    assert decided(spec(rollout_of("canary", 100)), request_).reason is Reason.NO_STICK_KEY
    keyless = FlagSpec("calculate", rollout_of("canary", 100))
    assert decided(keyless, user("1")).reason is Reason.NO_STICK_KEY


def test_the_first_key_that_is_there_counts() -> None:
    """Keys are tried in order; an empty value is none."""
    flag = Flag(FlagSpec("r", ON, ("header:x-user-id", "cookie:sid", "path:id", "client")))
    units = [
        flag.unit(Asked(request, Params({"id": 7})))
        for request in (scope(("x-user-id", "u"), ("cookie", "sid=s")), scope(("cookie", "sid=s")), scope())
    ]
    assert units == [b"u", b"s", b"7"]
    assert flag.unit(Asked(scope(), Params(None))) == b"192.0.2.7"


def test_one_salt_keeps_a_user_on_one_side_of_several_routes() -> None:
    """The same salt gives the same sides, ids of their own give others."""
    half = rollout_of("canary", 50)
    names = [f"user-{number}" for number in range(200)]

    def sides(route: str, salt: str) -> list[Target]:
        live = switch(FlagSpec(route, half, ("header:x-user-id",), salt))
        return [live.decide(user(name), Params()).target for name in names]

    assert sides("a", "s") == sides("b", "s")
    assert sides("a", "") != sides("b", "")
    assert sides("a", "") == sides("a", "a")


def test_a_salt_holds_no_nul() -> None:
    """What would move the border between salt and unit is refused when the flag is compiled."""
    with pytest.raises(ValueError, match="NUL"):
        Flag(FlagSpec("a", OFF, salt="a\0b"))


def test_rules_are_tried_in_order() -> None:
    """The first rule that holds decides, over the mode, and is named."""
    both = spec(OFF, rules=(GUESTS, STAFF))
    staff = scope(("x-team", "checkout"))
    assert decided(both, staff) == Decision(Target.APP, Reason.RULE_OFF, "guests")
    known = scope(("x-team", "checkout"), ("cookie", "sid=1"))
    assert decided(both, known) == Decision(Target.SIDECAR, Reason.RULE_ON, "staff")
    assert decided(both, scope(("cookie", "sid=1"))) == Decision(Target.APP, Reason.MODE_OFF)


def test_all_conditions_of_a_rule_have_to_hold() -> None:
    """Conditions are joined by and."""
    rule = RuleSpec("both", (*STAFF.conditions, *GUESTS.conditions), ON)
    assert decided(spec(OFF, rules=(rule,)), scope(("x-team", "checkout"))).rule == "both"
    assert decided(spec(OFF, rules=(rule,)), scope(("x-team", "search"))).rule is None


def test_a_rule_may_have_a_canary_of_its_own() -> None:
    """The rule's share is drawn from the same buckets."""
    rule = RuleSpec("some", STAFF.conditions, Rollout("canary", 5000))
    ruled = spec(OFF, rules=(rule,))
    for name in ("user-1", "user-2", "user-3", "user-4"):
        found = decided(ruled, scope(("x-team", "checkout"), ("x-user-id", name)))
        assert (found.target is Target.SIDECAR) is (bucket_of("canary", "calculate", name) < 5000)
        assert found.rule == "some"
    found = decided(ruled, scope(("x-team", "checkout")))
    assert found == Decision(Target.APP, Reason.NO_STICK_KEY, "some")


def test_the_apps_context_is_asked_for_by_rules() -> None:
    """A rule may go by what the app knows of the user."""
    rule = RuleSpec("paying", (ConditionSpec("context:plan", "in", ["pro"]),), ON)
    paying = spec(OFF, rules=(rule,), context=lambda _: {"plan": "pro"})
    assert decided(paying, scope()).rule == "paying"


def test_a_context_that_fails_leaves_the_request_to_the_app() -> None:
    """Nobody knows what the rule would have said, so the safe side answers, also on a route that is on."""

    def fail(_: Scope) -> dict[str, Any]:
        raise ContextUnknown

    rule = RuleSpec("paying", (ConditionSpec("context:plan", "in", ["pro"]),), OFF)
    found = decided(spec(ON, rules=(rule,), context=fail), scope())
    assert found == Decision(Target.APP, Reason.CONTEXT_FAILED)


SHARES = [OFF, rollout_of("canary", 1), rollout_of("canary", 60), ON]


@pytest.mark.parametrize(
    ("configured", "set_", "advised"), list(product(SHARES, [None, *SHARES], [None, *SHARES]))
)
def test_the_lowest_of_three_counts(
    configured: Rollout, set_: Rollout | None, advised: Rollout | None
) -> None:
    """The mode is a ceiling: neither the state file nor the flag system raises it, and both can lower it."""
    lowest = configured
    for each in filter(None, (set_, advised)):
        lowest = lower(lowest, each)
    request = user("user-2")  # in bucket 7427 of the salt calculate, or wherever it is
    found = decided(spec(configured, advice=lambda *_: advised), request, rollout=set_)
    is_inside = bucket_of("canary", "calculate", "user-2") < lowest.basis_points
    assert found.target is (Target.SIDECAR if is_inside or lowest is ON else Target.APP)
    if lowest is OFF:
        state_says = set_ is OFF and configured is not OFF
        advice_says = OFF not in (configured, set_)
        assert found.reason is (
            Reason.STATE_OFF if state_says else Reason.OPENFEATURE_OFF if advice_says else Reason.MODE_OFF
        )


def test_the_flag_system_is_asked_with_the_unit() -> None:
    """It gets the request and what it sticks to; nobody asks it about a route that is off."""
    asked_for = []

    def advise(asked: Asked, unit: bytes) -> Rollout | None:
        asked_for.append((asked.scope, unit))
        return None

    request = user("ada")
    assert decided(spec(ON, advice=advise), request).reason is Reason.MODE_ON
    assert decided(spec(OFF, advice=advise), request).reason is Reason.MODE_OFF
    assert asked_for == [(request, b"ada")]


@pytest.mark.parametrize(
    ("controls", "token", "team", "reason"),
    [
        ({"is_killed": True, "is_rolled_back": True}, "sidecar", "checkout", "killed"),
        ({"is_unreadable": True}, "sidecar", "checkout", "state_unreadable"),
        ({"is_rolled_back": True}, "sidecar", "checkout", "override"),
        ({"is_rolled_back": True}, "app", "checkout", "override"),
        ({"is_rolled_back": True}, None, "checkout", "rolled_back"),
        ({}, "app", "checkout", "override"),
        ({}, None, "checkout", "rule_on"),
        ({"rollout": OFF}, None, "checkout", "rule_on"),
        ({"rollout": OFF}, None, "search", "state_off"),
        ({}, None, "search", "mode_on"),
    ],
)
def test_precedence(controls: dict[str, Any], token: str | None, team: str, reason: str) -> None:
    """Kill, then testers, then rollback, then rules, then the rollout: each where none before it speaks."""
    fields = [("x-team", team), *([("x-forst-route", TOKENS[Target(token)])] if token else [])]
    found = decided(spec(ON, rules=(STAFF,), override=TESTER), scope(*fields), **controls)
    assert found.reason == reason
    assert found.target == (token if found.reason is Reason.OVERRIDE else found.target)


def test_a_switch_swaps_one_reference() -> None:
    """What is set is in force for the next request; setting the same again changes nothing."""
    live = Switch(Flag(spec(ON)))
    before = live.stands
    assert not live.set(Controls())
    assert live.set(Controls(is_killed=True))
    assert live.decide({}, Params()).reason is Reason.KILLED
    assert before.fixed == Decision(Target.SIDECAR, Reason.MODE_ON)
    assert live.set(Controls(rollout=rollout_of("canary", 5)))
    assert repr(live) == "<Switch 'calculate' canary 5 % fixed=None>"
    assert repr(live.flag) == "<Flag 'calculate' on>"


def test_reasons_show_as_text() -> None:
    """What stands in logs is plain text, the same in every version."""
    assert [str(target) for target in Target] == ["app", "sidecar"]
    assert [str(reason) for reason in Reason] == [
        "killed",
        "state_unreadable",
        "override",
        "rolled_back",
        "context_failed",
        "rule_on",
        "rule_off",
        "mode_on",
        "mode_off",
        "state_off",
        "openfeature_off",
        "canary_in",
        "canary_out",
        "no_stick_key",
        "fell_back",
    ]
