"""Normalising a batch of orders; orders.go is the twin."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from typing_extensions import TypedDict

from demo_app.service import values
from demo_app.service.text import trim
from demo_app.service.values import Rejected

T = TypeVar("T")


class RawOrder(Protocol):
    """An order as it came in: six strings of any content."""

    id: str
    customer: str
    email: str
    amount: str
    currency: str
    placed_at: str


class Order(TypedDict):
    """An order in its normal form."""

    id: str
    customer: str
    email: str
    amount_cents: int
    currency: str
    converted_cents: int
    placed_at: str


class Problem(TypedDict):
    """One thing that is wrong with one order."""

    index: int
    id: str
    field: str
    code: str


class Subtotal(TypedDict):
    """The orders in one currency."""

    count: int
    amount_cents: int


class Totals(TypedDict):
    """The whole batch."""

    accepted: int
    rejected: int
    converted_cents: int
    by_currency: dict[str, Subtotal]


class Processed(TypedDict):
    """What /process-data answers."""

    target: str
    orders: list[Order]
    errors: list[Problem]
    totals: Totals


class UnknownTarget(ValueError):
    """The batch shall be converted into a currency without a rate."""


def normalise_batch(raw_orders: Sequence[RawOrder], target: str) -> Processed:
    """Return the good orders in their normal form, and all that is wrong with the others.

    Raises:
        UnknownTarget: there is no rate for the target currency.
    """
    if target not in values.RATES:
        raise UnknownTarget("unknown target currency")
    good: list[Order] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, raw in enumerate(raw_orders):
        outcome = _normalise(raw, target, seen, index)
        if isinstance(outcome, list):
            problems += outcome
        else:
            good.append(outcome)
    totals = _totals(good, rejected=len(raw_orders) - len(good))
    return {"target": target, "orders": good, "errors": problems, "totals": totals}


def _normalise(raw: RawOrder, target: str, seen: set[str], index: int) -> Order | list[Problem]:
    found = _Findings(index, trim(raw.id))
    order: Order = {
        "id": found.normal("id", lambda text: values.identifier(text, seen), raw.id, ""),
        "customer": found.normal("customer", values.name, raw.customer, ""),
        "email": found.normal("email", values.email, raw.email, ""),
        "amount_cents": found.normal("amount", values.cents, raw.amount, 0),
        "currency": found.normal("currency", values.currency, raw.currency, ""),
        "converted_cents": 0,
        "placed_at": found.normal("placed_at", values.moment, raw.placed_at, ""),
    }
    if found.problems:
        return found.problems
    order["converted_cents"] = values.convert(order["amount_cents"], order["currency"], target)
    return order


class _Findings:
    """Collects what is wrong with one order."""

    def __init__(self, index: int, identifier: str) -> None:
        self._index = index
        self._id = identifier
        self.problems: list[Problem] = []

    def normal(self, field: str, rule: Callable[[str], T], raw: str, otherwise: T) -> T:
        try:
            return rule(raw)
        except Rejected as reason:
            self.problems.append({"index": self._index, "id": self._id, "field": field, "code": str(reason)})
            return otherwise


def _totals(orders: Sequence[Order], *, rejected: int) -> Totals:
    by_currency: dict[str, Subtotal] = {}
    for order in orders:
        subtotal = by_currency.setdefault(order["currency"], {"count": 0, "amount_cents": 0})
        subtotal["count"] += 1
        subtotal["amount_cents"] += order["amount_cents"]
    converted = sum(order["converted_cents"] for order in orders)
    return {
        "accepted": len(orders),
        "rejected": rejected,
        "converted_cents": converted,
        "by_currency": by_currency,
    }
