"""POST /process-data answers the same from both sides."""

from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo_app.service.values import RATES

Both: TypeAlias = Callable[..., tuple[httpx.Response, httpx.Response]]

GOOD = {
    "id": "o-1",
    "customer": "Ada Lovelace",
    "email": "ada@example.org",
    "amount": "12.50",
    "currency": "GBP",
    "placed_at": "2024-02-29T23:59:59.5+01:30",
}

blank = st.sampled_from(["", " ", "\t\n", "\v\f\r ", "\u00a0", "\u2028", "\x1f"])


def spaced(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return the strategy with white space, or what looks like it, around its texts."""
    return st.tuples(blank, strategy, blank).map("".join)


emails = st.from_regex(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,5}@[A-Za-z0-9.-]{1,6}\.[a-z]{1,3}", fullmatch=True)
amounts = st.from_regex(r"-?[0-9]{1,10}(\.[0-9]{0,7})?", fullmatch=True)
ties = st.from_regex(r"-?[0-9]{1,3}\.[0-9]{2}50{0,3}", fullmatch=True)
moments = st.from_regex(
    r"(19[67]|20[0-9]|210)[0-9]-(0[0-9]|1[0-3])-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,7})?"
    r"(Z|z|[+-][0-2][0-9]:?[0-6][0-9])?",
    fullmatch=True,
)
names = st.text("aAzZ éÉß\u0131-'\t\u00a0\u2003\u0130", max_size=12)

orders = st.fixed_dictionaries(
    {
        "id": spaced(
            st.sampled_from(["a", "b", "ä", "", "x" * 64, "é" * 64, "x" * 65]) | st.text(max_size=4)
        ),
        "customer": spaced(names | st.text(max_size=8) | st.just("é" * 101)),
        "email": spaced(emails | st.text(max_size=8) | st.just("a" * 245 + "@example.org")),
        "amount": spaced(amounts | ties | st.text(max_size=5)),
        "currency": spaced(st.sampled_from([*RATES, "usd", "Eur", "XXX", "", "\ufb00", "\u0131"])),
        "placed_at": spaced(moments | st.text(max_size=8)),
    }
)


@settings(max_examples=200)
@given(batch=st.lists(orders, min_size=1, max_size=6), target=st.sampled_from([*RATES, "eur", ""]))
def test_any_orders(both: Both, batch: list[dict[str, str]], target: str) -> None:
    """Normal forms, rejections, conversions and totals are the same."""
    both("POST", "/process-data", json={"orders": batch, "target": target})


@given(
    amount=st.from_regex(r"-?[0-9]{1,9}\.[0-9]{1,6}", fullmatch=True),
    currency=st.sampled_from([*RATES]),
    target=st.sampled_from([*RATES]),
)
def test_any_amount(both: Both, amount: str, currency: str, target: str) -> None:
    """An amount that both accept is rounded and converted to the same cents."""
    order = {**GOOD, "amount": amount, "currency": currency}
    ours, _ = both("POST", "/process-data", json={"orders": [order], "target": target})
    assert ours.json()["totals"]["accepted"] == 1


def test_a_known_answer(both: Both) -> None:
    """The normal form is right, not only equal."""
    raw = {
        **GOOD,
        "id": " o-1\t",
        "customer": "  ada   KING-o'brien ",
        "email": "Ada@Example.ORG",
        "amount": "12.345",
    }
    ours, _ = both("POST", "/process-data", json={"orders": [raw, {**raw, "amount": "x"}]})
    assert ours.json() == {
        "target": "EUR",
        "orders": [
            {
                "id": "o-1",
                "customer": "Ada King-O'Brien",
                "email": "ada@example.org",
                "amount_cents": 1234,
                "currency": "GBP",
                "converted_cents": 1449,
                "placed_at": "2024-02-29T22:29:59.500000Z",
            }
        ],
        "errors": [
            {"index": 1, "id": "o-1", "field": "id", "code": "duplicate"},
            {"index": 1, "id": "o-1", "field": "amount", "code": "invalid"},
        ],
        "totals": {
            "accepted": 1,
            "rejected": 1,
            "converted_cents": 1449,
            "by_currency": {"GBP": {"count": 1, "amount_cents": 1234}},
        },
    }


@pytest.mark.parametrize(
    "placed_at",
    [
        "2023-02-29T00:00:00Z",
        "2000-02-29T00:00:00Z",
        "2100-01-01T00:00:00Z",
        "2099-12-31T23:59:59.999999-23:59",
        "1970-01-01T00:00:00+23:59",
        "2024-06-31T00:00:00Z",
        "2024-00-10T00:00:00Z",
        "2024-10-00T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.1234567Z",
        "2024-01-01T00:00:00,5Z",
        "2024-01-01T00:00:00-00:00",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00Z\n",
        "2024-01-01T00:00:00Z0",
        "２024-01-01T00:00:00Z",  # noqa: RUF001 - a digit that is not ASCII
    ],
)
def test_moments_by_hand(both: Both, placed_at: str) -> None:
    """Both sides have the same idea of a date and of its limits."""
    both("POST", "/process-data", json={"orders": [{**GOOD, "placed_at": placed_at}]})


def without(*fields: str) -> dict[str, str]:
    """Return a good order without some fields."""
    return {key: value for key, value in GOOD.items() if key not in fields}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"orders": []},
        {"orders": None},
        {"orders": {}},
        {"orders": [1, None, "x", [], {}]},
        {"orders": [without("id", "placed_at")]},
        {"orders": [{**GOOD, "amount": 12.5, "id": 1, "note": "x"}]},
        {"orders": [GOOD], "target": None},
        {"orders": [GOOD], "target": "XXX"},
        {"orders": [GOOD], "target": "GBP", "Target": "EUR"},
        {"target": 1, "zeta": {}, "alpha": []},
        {"orders": [without("email"), {**GOOD, "extra": 1}], "rest": True},
    ],
    ids=str,
)
def test_documents_by_hand(both: Both, document: dict[str, Any]) -> None:
    """Batches of the wrong shape are refused with the same list of mistakes."""
    both("POST", "/process-data", json=document)


def test_a_large_batch(both: Both) -> None:
    """A thousand orders come out the same."""
    batch = [{**GOOD, "id": str(n), "amount": f"{n}.{n % 1000:03}"} for n in range(1000)]
    ours, _ = both("POST", "/process-data", json={"orders": batch, "target": "SEK"})
    assert ours.json()["totals"]["accepted"] == 1000
