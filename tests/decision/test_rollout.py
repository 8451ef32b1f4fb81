"""Modes with their share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forst_asgi.decision import Rollout, lower, parse_rollout, rollout_of

ROLLOUTS = st.sampled_from([rollout_of("off"), rollout_of("on")]) | st.builds(
    Rollout, st.just("canary"), st.integers(1, 10_000)
)


@pytest.mark.parametrize(
    ("text", "shown", "points"),
    [
        ("off", "off", 0),
        (" ON ", "on", 10_000),
        ("canary:2.5", "canary 2.5 %", 250),
        ("canary 0.01", "canary 0.01 %", 1),
        ("Canary 100%", "canary 100 %", 10_000),
        ("canary:29.99", "canary 29.99 %", 2999),
        ("canary", "canary 5 %", 500),
    ],
)
def test_what_can_be_written(text: str, shown: str, points: int) -> None:
    """A mode is a word, and a canary has a percentage, its own or the one that is there already."""
    found = parse_rollout(text, 5)
    assert (str(found), found.basis_points) == (shown, points)
    assert found.percent == points / 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "of",
        "shadow",
        "canary:",
        "canary:0",
        "canary:100.01",
        "canary:0.001",
        "on:5",
        "off 0",
        "canary -1",
        "5",
    ],
)
def test_what_cannot(text: str) -> None:
    """Anything else is refused, a percentage of nothing or of less than a basis point above all."""
    with pytest.raises(ValueError, match=r"expected|has a percentage"):
        parse_rollout(text, 5)


def test_a_canary_needs_its_percentage() -> None:
    """There is no percentage that goes without saying."""
    with pytest.raises(ValueError, match="needs a percentage"):
        parse_rollout("canary")
    with pytest.raises(ValueError, match="only"):
        rollout_of("on", 5)


@pytest.mark.parametrize("percent", [0, -5, 100.01, 1e300, 0.005, 2.505])
def test_percentages_are_whole_basis_points(percent: float) -> None:
    """What cannot be told apart by buckets is refused instead of rounded."""
    with pytest.raises(ValueError, match=r"0\.01 to 100"):
        rollout_of("canary", percent)


@given(ROLLOUTS, ROLLOUTS, ROLLOUTS)
def test_the_lower_of_two_is_well_defined(one: Rollout, other: Rollout, third: Rollout) -> None:
    """Off is below every canary and these below on; order and grouping make no difference."""
    assert lower(one, other) == lower(other, one)
    assert lower(one, lower(other, third)) == lower(lower(one, other), third)
    assert lower(one, rollout_of("off")) == rollout_of("off")
    assert lower(one, rollout_of("on")) == one
    assert lower(one, one) is one


@given(ROLLOUTS)
def test_what_is_shown_can_be_read_back(one: Rollout) -> None:
    """The text of a rollout says all of it."""
    assert parse_rollout(str(one).removesuffix(" %")) == one
