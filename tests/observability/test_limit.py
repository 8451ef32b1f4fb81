"""How many lines of one kind a second may have."""

from hypothesis import given
from hypothesis import strategies as st

from forst_asgi.observability.limit import RateLimit


def test_a_kind_has_its_allowance_back_after_a_while() -> None:
    """What was left out is told once; tokens come back evenly, and no more than fit."""
    limit = RateLimit(2)
    assert [limit.admit("a", 0.0) for _ in range(4)] == [0, 0, None, None]
    assert limit.admit("b", 0.0) == 0
    assert [limit.admit("a", 0.5), limit.admit("a", 0.5)] == [2, None]
    assert [limit.admit("a", 1000.0) for _ in range(3)] == [1, 0, None]


def test_no_limit() -> None:
    """0 lets everything pass."""
    limit = RateLimit(0)
    assert [limit.admit("a", 0.0) for _ in range(100)] == [0] * 100


@given(
    st.integers(1, 20),
    st.lists(st.floats(0, 0.5, allow_nan=False), max_size=200).map(sorted),
)
def test_nothing_is_forgotten(per_second: int, times: list[float]) -> None:
    """Written and left out are all, and of half a second at most an allowance and a half is written."""
    limit = RateLimit(per_second)
    answers = [limit.admit("a", now) for now in times]
    written = [answer for answer in answers if answer is not None]
    last = limit.admit("a", 1e9)
    assert last is not None
    assert len(written) + sum(written) + last == len(times)
    assert len(written) <= per_second * 1.5
