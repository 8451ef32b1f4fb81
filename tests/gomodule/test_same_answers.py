"""What FastAPI and the Go module answer to the same good and bad requests."""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Both: TypeAlias = Callable[..., tuple[httpx.Response, httpx.Response]]

GOOD: dict[str, Any] = {
    "count": 3,
    "ratio": 0.5,
    "on": True,
    "name": "abc",
    "size": "M",
    "level": 2,
    "kind": "a",
}

# Their messages end in the words of one particular parser, so only the kind has to agree.
OWN_WORDS = {
    "json_invalid",
    "datetime_from_date_parsing",
    "date_from_datetime_parsing",
    "uuid_parsing",
}


def typed(value: object) -> object:
    """Return the value in a form in which only equal JSON is equal: 1, 1.0 and true differ."""
    match value:
        case {"type": kind, "loc": loc} if kind in OWN_WORDS:
            return kind, typed(loc if kind != "json_invalid" else ["body"])
        case list():
            return [typed(item) for item in value]
        case dict():
            return {key: typed(item) for key, item in value.items()}
    return type(value).__name__, value


def agree(answers: tuple[httpx.Response, httpx.Response]) -> httpx.Response:
    """Hold both answers against each other and return one."""
    ours, theirs = answers
    assert theirs.status_code == ours.status_code, (ours.text, theirs.text)
    if ours.content:
        assert typed(theirs.json()) == typed(ours.json())
    assert theirs.headers.get("content-type") == ours.headers.get("content-type")
    return theirs


ODD: list[object] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    99,
    100,
    1.0,
    0.5,
    1.5,
    2.5,
    -0.0,
    1e3,
    2**53 + 1,
    -(2**63),
    9.3e18,
    -9.3e18,
    "",
    " ",
    "1",
    " 1 ",
    "+2",
    "-3",
    "1_0",
    "1__0",
    "1.0",
    "1.5",
    "1e2",
    "0x1",
    "true",
    "TRUE",
    "yes",
    "off",
    "maybe",
    "a",
    "M",
    "m",
    "abcdefgh",
    "abcdefghi",
    "ABC",
    "ab\n",
    [],
    {},
    [1],
    {"a": 1},
]


@pytest.mark.parametrize("field", ["count", "ratio", "on", "name", "size", "level", "kind", "note"])
@pytest.mark.parametrize("value", ODD, ids=repr)
def test_every_kind_of_field_with_every_kind_of_value(both: Both, field: str, value: object) -> None:
    """What pydantic converts is converted, and what it refuses is refused in the same words."""
    agree(both("POST", "/thing", json={**GOOD, field: value}))


@pytest.mark.parametrize(
    "more",
    [
        {"parts": [{"name": "a"}, {"name": "b", "count": "3"}]},
        {"parts": [{"name": "a"}] * 3},
        {"parts": [{}, {"name": 1, "count": "x"}]},
        {"parts": {}},
        {"sizes": {"a": 1, "b": "2", "c": 1.5, "": None}},
        {"sizes": []},
        {"deep": {"a": [True, "no", 1, 2]}},
        {"matrix": [[1], [], ["2", "x"], 3]},
        {"child": {**GOOD, "child": {**GOOD, "count": 0}}},
        {"child": {"count": 1}},
        {"child": 3},
        {"unknown": 1, "note": "n", "parts": []},
        {"at": "2024-01-02T03:04:05Z"},
        {"at": "2024-01-02T03:04:05.120Z"},
        {"at": "2024-01-02 03:04:05.000001+02:00"},
        {"at": "2024-01-02T03:04"},
        {"at": "2024-01-02T03:04:05-0730"},
        {"at": "2024-01-02"},
        {"at": "yesterday"},
        {"at": []},
        {"day": "2024-02-29"},
        {"day": "2023-02-29"},
        {"day": {}},
        {"id": "123E4567-e89b-12d3-a456-426614174000"},
        {"id": "123e4567e89b12d3a456426614174000"},
        {"id": "123e4567"},
        {"id": 5},
    ],
    ids=lambda more: json.dumps(more)[:60],
)
def test_bodies(both: Both, more: dict[str, object]) -> None:
    """Lists, maps, nested and recursive models, times and ids: what comes back is the same too."""
    agree(both("POST", "/thing", json={**GOOD, **more}))


def test_nothing_but_mistakes(both: Both) -> None:
    """Everything that is missing is listed, in the order of the fields."""
    answer = agree(both("POST", "/thing", json={}))
    assert len(answer.json()["detail"]) == 7


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b'{"count":1} trailing', "application/json"),
        (b"null", "application/json"),
        (b"[]", "application/json"),
        (b'{"count":1}', "text/plain"),
        (b"\xff", "application/json"),
        (b"count=1", "application/x-www-form-urlencoded"),
    ],
)
@pytest.mark.parametrize("target", ["/thing", "/items/1?limit=2", "/items/x"])
def test_bodies_that_are_none(both: Both, target: str, content: bytes, kind: str) -> None:
    """Broken documents and other types of content, also beside bad parameters."""
    agree(both("POST", target, content=content, headers={"content-type": kind}))


@pytest.mark.parametrize(
    "target",
    [
        "/items/7?q=ab",
        "/items/7?q=ab&limit=5&ratio=1&on=yes&tag=1&tag=2&size=S&level=2&day=2024-01-02",
        "/items/-7?q=ab&ratio=1e3&on=0&tag=",
        "/items/x",
        "/items/7",
        "/items/7.0?q=abcdef",
        "/items/1_000?q=%C3%A4%C3%B6",
        "/items/%207%20?q=ab",
        "/items/7?q=a&limit=0&ratio=x&on=maybe&tag=1&tag=b&tag=3&size=s&level=3&day=soon",
        "/items/7?q=ab&limit=101",
        "/items/7?q=ab&limit=1&limit=2",
        "/items/7?q=ab&level=x",
        "/items/7?q=ab&ratio=",
        "/items/7?q=ab&ratio=1_000.5&on=T",
        "/items/7?q=ab&ratio=_1",
    ],
)
def test_parameters(both: Both, target: str) -> None:
    """Path and query are converted, checked and reported alike."""
    agree(both("GET", target))


@pytest.mark.parametrize(
    "headers",
    [
        {"x-token": "abc"},
        {"x-token": "abcd", "cookie": "seen=x"},
        {"cookie": "a=b; seen=4"},
        {"x-token": "", "cookie": "seen="},
    ],
    ids=repr,
)
def test_headers_and_cookies(both: Both, headers: dict[str, str]) -> None:
    """They are found, checked and reported alike."""
    agree(both("GET", "/items/1?q=ab", headers=headers))


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/items/1?limit=2", [{"name": "a"}]),
        ("/items/1?limit=2", []),
        ("/items/1?limit=2", {}),
        ("/items/x?limit=y", [{"name": 1}]),
        ("/items/x", [{}]),
    ],
)
def test_mistakes_of_parameters_and_body_together(both: Both, target: str, body: object) -> None:
    """One answer lists them all: path, query, body."""
    agree(both("POST", target, json=body))


@pytest.mark.parametrize("content", [b"", b"null", b'{"name":"a"}', b"{}", b"3"])
def test_a_body_that_may_be_left_out(both: Both, content: bytes) -> None:
    """Without one the function gets nothing."""
    agree(both("PUT", "/part", content=content, headers={"content-type": "application/json"}))


def test_no_content(both: Both) -> None:
    """A 204 has no body on either side."""
    ours, theirs = both("DELETE", "/part")
    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content) == (204, b"")


@pytest.mark.parametrize(("method", "target"), [("GET", "/nothing"), ("PATCH", "/thing")])
def test_what_is_not_there(both: Both, method: str, target: str) -> None:
    """404 and 405 have the same body."""
    agree(both(method, target))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    fields=st.dictionaries(
        st.sampled_from([*GOOD, "note", "sizes", "parts", "deep", "zz"]), json_values, max_size=4
    )
)
def test_any_json(both: Both, fields: dict[str, object]) -> None:
    """Whatever stands in the fields, both sides answer the same."""
    agree(both("POST", "/thing", json={**GOOD, **fields}))


numbers_and_such = st.text("0123456789+-_.eE \t\nxInfatTruyesoY\u00a0\u0661\uff11", max_size=7) | st.text(
    max_size=3
)


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    values=st.fixed_dictionaries(
        {"q": st.just("ab")}, optional=dict.fromkeys(["limit", "ratio", "on", "level"], numbers_and_such)
    )
)
def test_any_text_of_a_parameter(both: Both, values: dict[str, str]) -> None:
    """Text is converted alike, or refused alike."""
    agree(both("GET", "/items/7", params=values))
