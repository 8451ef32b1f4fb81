"""POST /calculate answers the same from both sides, to the last bit."""

from collections.abc import Callable
from typing import TypeAlias

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

Both: TypeAlias = Callable[..., tuple[httpx.Response, httpx.Response]]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**20), 10**20)


@given(values=st.lists(numbers, min_size=1))
def test_any_numbers(both: Both, values: list[float]) -> None:
    """Sum, average and variance are the same floats, and out of range is the same error."""
    ours, _ = both("POST", "/calculate", json={"values": values})
    assert ours.status_code in {200, 400}


@pytest.mark.parametrize(
    "values",
    [
        [0.1] * 10,
        [1e16, 1.0, -1e16],
        [1e308, 1e308, -1e308],
        [5e-324, -5e-324, 1.0],
        [0.1 * n for n in range(10_000)],
        [(-1) ** n / (n + 1) for n in range(10_000)],
        [10**17 + 1, 0.5],
    ],
    ids=["tenths", "cancelling", "overflow", "subnormal", "many", "alternating", "beyond 2**53"],
)
def test_numbers_that_tell_algorithms_apart(both: Both, values: list[float]) -> None:
    """Where the order of operations shows, it is the same."""
    both("POST", "/calculate", json={"values": values})


def test_a_known_answer(both: Both) -> None:
    """The numbers are right, not only equal."""
    ours, _ = both("POST", "/calculate", json={"values": [1, 1e100, 1, -1e100]})
    assert ours.json()["sum"] == 2.0
    ours, _ = both("POST", "/calculate", json={"values": [2, 4, 4, 4, 5, 5, 7, 9]})
    assert ours.json() == {"count": 8, "sum": 40, "average": 5, "variance": 4}


@given(document=json_values)
def test_any_json_document(both: Both, document: object) -> None:
    """What is no calculation is refused with the same list of mistakes."""
    both("POST", "/calculate", json=document)


@given(values=json_values, extra=st.dictionaries(st.text(max_size=3), json_values, max_size=2))
def test_any_json_as_values(both: Both, values: object, extra: dict[str, object]) -> None:
    """Mistakes within the known field and unknown fields beside it are reported alike, in the same order."""
    both("POST", "/calculate", json={**extra, "values": values})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"1",
        b'"values"',
        b'{"values":[]}',
        b'{"values":[1],}',
        b'{"values":[1]} {}',
        b'{"values":[01]}',
        b"{'values':[1]}",
        b'{"values":[1],"values":"a"}',
        b'{"values":"a","values":[1]}',
        b'{"\\u0076alues":[1]}',
        b'{"Values":[1]}',
        b'{"b":1,"a":2,"b":3}',
        b'{"values":[-0, -0.0]}',
        b'{"values":[-0]}',
        b'{"values":[true,"1",null,{},[]]}',
        b'{"values":[' + b"9" * 400 + b"]}",
        b'{"values":[1e-400]}',
        b'\xef\xbb\xbf{"values":[1]}',
        b'{"values":"\xff"}',
        b'{"values":"\\ud83d\\ude00"}',
        b'\n\t {"values" :\r[ 1 , 2 ] } ',
    ],
    ids=lambda body: repr(body)[:40],
)
def test_bodies_by_hand(both: Both, body: bytes) -> None:
    """Odd and broken bodies get the same answer."""
    both("POST", "/calculate", content=body, headers={"content-type": "application/json"})


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "APPLICATION/JSON; charset=utf-8",
        "application/geo+json",
        "application/xml",
        "text/json",
        "json",
        "",
        None,
    ],
)
def test_content_types(both: Both, kind: str | None) -> None:
    """Both sides agree on what counts as JSON."""
    headers = {} if kind is None else {"content-type": kind}
    both("POST", "/calculate", content=b'{"values":[1]}', headers=headers)


@pytest.mark.parametrize(
    ("body", "mistake"), [(b'{"values":[1e999]}', "finite_number"), (b'{"values":[NaN]}', "json_invalid")]
)
def test_where_fastapi_fails_on_its_own_error(
    python: Callable[..., httpx.Response], go: httpx.Client, body: bytes, mistake: str
) -> None:
    """What cannot be echoed as JSON makes FastAPI answer 500; Go says what was wrong (see the README)."""
    headers = {"content-type": "application/json"}
    assert python("POST", "/calculate", content=body, headers=headers).status_code == 500
    answer = go.post("/calculate", content=body, headers=headers)
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, mistake)
