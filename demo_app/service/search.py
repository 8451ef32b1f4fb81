"""Ranked search over several shards at once; search.go is the twin, and the weights are the same."""

import asyncio
from collections.abc import Sequence
from itertools import chain

from typing_extensions import TypedDict

from demo_app.service.catalogue import Entry, Shard, tokenise

MAX_QUERY_TOKENS = 8
TITLE_TOKEN, TITLE_PREFIX = 12, 5
TAG_TOKEN, TAG_PREFIX = 7, 2
ALL_TOKENS = 20


class Hit(TypedDict):
    """An entry that matches, with its rank."""

    id: int
    title: str
    tags: list[str]
    year: int
    score: int


class Found(TypedDict):
    """What /search answers; `total` counts the hits beyond the limit too."""

    query: str
    tokens: list[str]
    total: int
    results: list[Hit]


async def search(shards: Sequence[Shard], query: str, limit: int) -> Found:
    """Return the best `limit` hits: the higher score first, then the lower id."""
    tokens = query_tokens(query)
    parts = await asyncio.gather(*(asyncio.to_thread(search_shard, shard, tokens) for shard in shards))
    hits = sorted(chain.from_iterable(parts), key=lambda hit: (-hit[0], hit[1].id))
    results = [_hit(score, entry) for score, entry in hits[:limit]]
    return {"query": query, "tokens": tokens, "total": len(hits), "results": results}


def query_tokens(query: str) -> list[str]:
    """Return the first few different tokens of the query, in order."""
    return list(dict.fromkeys(tokenise(query)))[:MAX_QUERY_TOKENS]


def search_shard(shard: Shard, tokens: Sequence[str]) -> list[tuple[int, Entry]]:
    """Return the entries that match at all, with their scores."""
    scored = ((score(entry, tokens), entry) for entry in shard)
    return [each for each in scored if each[0]]


def score(entry: Entry, tokens: Sequence[str]) -> int:
    """Add the best match in the title and the best among the tags for each token.

    There is a bonus if every one of several tokens was found.
    """
    points = [
        _best(entry.title_tokens, token, TITLE_TOKEN, TITLE_PREFIX)
        + _best(entry.tag_tokens, token, TAG_TOKEN, TAG_PREFIX)
        for token in tokens
    ]
    return sum(points) + (ALL_TOKENS if len(points) > 1 and all(points) else 0)


def _best(words: Sequence[str], token: str, whole: int, prefix: int) -> int:
    if token in words:
        return whole
    return prefix if any(word.startswith(token) for word in words) else 0


def _hit(score: int, entry: Entry) -> Hit:
    return {
        "id": entry.id,
        "title": entry.title,
        "tags": list(entry.tags),
        "year": entry.year,
        "score": score,
    }
