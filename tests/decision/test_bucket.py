"""The bucket algorithm forst1."""

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forst_asgi.decision import bucket_of
from forst_asgi.decision.bucket import BUCKETS, Bucketing

VECTORS = Path(__file__).parents[2] / "go" / "forstsidecar" / "testdata" / "forst1.json"
SALTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
UNITS = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)


def vectors() -> list[dict[str, Any]]:
    """The vectors that Python and Go share."""
    rows: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return rows


def test_the_golden_vectors_hold() -> None:
    """Every frozen vector comes out, those of the design among them."""
    found = [{**each, "bucket": bucket_of(each["domain"], each["salt"], each["unit"])} for each in vectors()]
    assert found == vectors()
    assert [each["bucket"] for each in found[:3]] == [7804, 491, 7130]
    assert len(found) == 200


def test_the_vectors_reach_both_ends() -> None:
    """The first and the last bucket are among the vectors, and texts of every kind."""
    buckets = {each["bucket"] for each in vectors()}
    units = [each["unit"] for each in vectors()]
    assert {0, BUCKETS - 1} <= buckets
    assert "" in units
    assert any(not unit.isascii() for unit in units)
    assert any(len(unit) > 1000 for unit in units)


@given(SALTS, SALTS, UNITS)
def test_the_algorithm_is_the_one_that_is_specified(domain: str, salt: str, unit: str) -> None:
    """What is quick gives what the definition, written down once more, gives."""
    message = f"forst1\x00{domain}\x00{salt}\x00{unit}".encode()
    expected = int.from_bytes(sha256(message).digest()[:8], "big") * 10000 >> 64
    assert bucket_of(domain, salt, unit) == expected
    assert 0 <= expected < BUCKETS


@pytest.mark.parametrize(("domain", "salt"), [("a\0b", ""), ("", "\0")])
def test_a_nul_in_domain_or_salt_is_refused(domain: str, salt: str) -> None:
    """A NUL would move the border between two parts."""
    with pytest.raises(ValueError, match="NUL"):
        bucket_of(domain, salt, "user-1")


@given(SALTS, st.sets(UNITS, max_size=50), st.integers(1, BUCKETS), st.integers(1, BUCKETS))
def test_raising_the_percentage_only_adds_users(salt: str, units: set[str], one: int, other: int) -> None:
    """Whoever is in a smaller canary is in a larger one of the same salt."""
    split = Bucketing("canary", salt)
    smaller, larger = sorted((one, other))

    def inside(points: int) -> set[str]:
        return {unit for unit in units if split.bucket(unit.encode()) < points}

    assert inside(smaller) <= inside(larger)


def _chi_square(counts: list[int], expected: float) -> float:
    return sum((count - expected) ** 2 / expected for count in counts)


def test_two_salts_part_users_independently() -> None:
    """Knowing the side of a user under one salt tells nothing about another: a table of four, even."""
    one, other = Bucketing("canary", "get-quote"), Bucketing("canary", "post-order")
    users = [f"user-{number}".encode() for number in range(40_000)]
    sides = Counter((one.bucket(user) < 5000, other.bucket(user) < 5000) for user in users)
    # 16.27 is passed once in a thousand with three degrees of freedom; the users are always the same.
    assert _chi_square(list(sides.values()), 10_000) < 16.27


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["counted", "random"])
def test_a_million_users_spread_evenly(kind: str) -> None:
    """Every bucket has about a hundred of a million users, and every percentage its share of them."""
    draw = Random(7)  # the same users in every run
    split, counts = Bucketing("canary", "calculate"), [0] * BUCKETS
    for number in range(1_000_000):
        unit = str(number) if kind == "counted" else f"{draw.getrandbits(64):016x}"
        counts[split.bucket(unit.encode())] += 1
    # Mean 9999, standard deviation 141: four of them either way.
    assert 9434 < _chi_square(counts, 100) < 10564
    for points in (1, 10, 100, 250, 5000, 9999):
        expected = points * 100
        assert abs(sum(counts[:points]) - expected) < 4 * expected**0.5


def test_a_bucketing_shows_its_salt() -> None:
    """Its repr says which lottery it is."""
    assert repr(Bucketing("canary", "calculate")) == "<Bucketing salt='calculate'>"
