"""GET /search answers the same from both sides."""

from collections.abc import Callable
from typing import TypeAlias

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo_app.service import catalogue

Both: TypeAlias = Callable[..., tuple[httpx.Response, httpx.Response]]

WORDS = sorted({token for shard in catalogue.load() for entry in shard for token in entry.title_tokens})
words = st.sampled_from(WORDS).flatmap(lambda word: st.integers(1, len(word)).map(lambda end: word[:end]))
queries = st.lists(words | words.map(str.upper) | st.text(max_size=3), min_size=1, max_size=10).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(query=queries, limit=st.integers(1, 100))
def test_any_query(both: Both, query: str, limit: int) -> None:
    """Tokens, totals, ranks and order are the same."""
    both("GET", "/search", params={"q": query[:200], "limit": limit})


@settings(max_examples=40, deadline=None)
@given(limit=st.from_regex(r"[ \t]?[+-]{0,2}[1-9_][0-9_]{0,3}(\.[0-9]{0,2})?[ex_\u0661 ]?", fullmatch=True))
def test_any_limit(both: Both, limit: str) -> None:
    """Both sides agree on what is an integer, and on what to say if it is none."""
    both("GET", "/search", params={"q": "no such word", "limit": limit})


def test_a_known_answer(both: Both) -> None:
    """Whole words in the title come first, then the lower id; all tokens together give a bonus."""
    ours, _ = both("GET", "/search?q=Golden+RIVER&limit=3")
    found = ours.json()
    assert found["tokens"] == ["golden", "river"]
    first, *_ = found["results"]
    assert (first["score"], "Golden" in first["title"], "River" in first["title"]) == (44, True, True)
    ranks = [(-hit["score"], hit["id"]) for hit in found["results"]]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "q=",
        "q",
        "q=+",
        "q=!!",
        "q=a&limit=",
        "q=a&limit=0",
        "q=a&limit=101",
        "q=a&limit=x",
        "q=a&limit=1.0",
        "q=a&limit=99999999999999999999999",
        "limit=1.5",
        "q=a&q=b&limit=2&limit=3",
        "q=a;b",
        "q=a&unknown=1",
        "&&q=a&",
        "=a&q=b",
        "q=%zz%",
        "q=%ff%fe%e2%82",
        "q=%f0%9f%98%f0%9f%98%80",
        "q=caf%C3%A9+CAF%C3%89",
        "q=a%00b",
        f"q={'a' * 201}",
        f"q={'%C3%A9' * 200}",
        "q=a+b+c+d+e+f+g+h+i+j+a",
    ],
)
def test_queries_by_hand(both: Both, query: str) -> None:
    """Odd and broken queries get the same answer."""
    both("GET", f"/search?{query}")
