"""The retry budget: forwarding.md item 39."""

from forst_asgi.transport.budget import LARGEST, PER_SECOND, RATIO, RetryBudget


def spendable(budget: RetryBudget, now: float, requests: int) -> int:
    """Return how many retries the budget gives at once."""
    count = 0
    while budget.spend(now, requests):
        count += 1
    return count


def test_item_39_begins_with_the_retries_of_one_second() -> None:
    """A fresh budget has ten, however late it is first asked."""
    assert spendable(RetryBudget(), 1000.0, 0) == PER_SECOND


def test_item_39_earns_with_time() -> None:
    """An empty budget earns ten a second."""
    budget = RetryBudget()
    spendable(budget, 0.0, 0)
    assert spendable(budget, 0.5, 0) == PER_SECOND / 2


def test_item_39_earns_with_requests() -> None:
    """An empty budget earns one for every five requests."""
    budget = RetryBudget()
    spendable(budget, 0.0, 0)
    assert spendable(budget, 0.0, 150) == 150 * RATIO


def test_item_39_does_not_pile_up() -> None:
    """A long quiet time earns no more than the largest budget."""
    budget = RetryBudget()
    spendable(budget, 0.0, 0)
    assert spendable(budget, 1e6, 10**9) == LARGEST


def test_shows_what_is_left() -> None:
    """The representation tells how many are left."""
    assert repr(RetryBudget()) == "<RetryBudget 10.0 left>"
