"""What a share of the clients is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forst_asgi.config import Config
from forst_asgi.decision import rollout_of
from forst_asgi.errors import ConfigError
from forst_asgi.flags import Mark, set_mode
from forst_asgi.share import NoShare, TooFine, basis_points, is_share


@given(st.integers(1, 10_000))
def test_every_hundredth_of_a_percent_is_one(points: int) -> None:
    """Whole numbers and floats, however the float rounds."""
    assert basis_points(points / 100) == points


@pytest.mark.parametrize("value", [0, -5, 100.01, 1e300, math.nan, math.inf, True, "5", None, [5], 10**400])
def test_other_values_are_none(value: object) -> None:
    """Whatever stands in a file somebody else wrote, nothing but the one error comes of it."""
    with pytest.raises(NoShare, match=r"0\.01 to 100"):
        basis_points(value)
    assert not is_share(value)


def test_finer_shares_are_none() -> None:
    """There are ten thousand buckets, so nothing lies between two hundredths; a caller can tell."""
    with pytest.raises(TooFine):
        basis_points(5.125)


@given(st.floats(0, 101) | st.integers(-1, 101) | st.sampled_from([5.125, 0.00999999999, 1e-300]))
def test_all_who_ask_agree(percent: float) -> None:
    """What the configuration takes can be set while it runs, and put in force; what it does not, cannot."""
    assert {is_share(percent)} == {_is_configured(percent), _can_be_set(percent), _can_be_in_force(percent)}


def _is_configured(percent: float) -> bool:
    route = {"id": "a", "path": "/a", "mode": "canary", "percent": percent, "stick": "client"}
    try:
        Config.model_validate({"sidecar": {"address": "http://127.0.0.1:1"}, "route": [route]})
    except (ConfigError, ValueError):
        return False
    return True


def _can_be_set(percent: float) -> bool:
    try:
        set_mode("a", "canary", percent, Mark("", "", ""))
    except ValueError:
        return False
    return True


def _can_be_in_force(percent: float) -> bool:
    try:
        rollout_of("canary", percent)
    except ValueError:
        return False
    return True
