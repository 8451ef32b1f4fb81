"""What rules ask of a request."""

import subprocess
import sys
from typing import Any

import pytest

from forst_asgi.decision import ConditionSpec
from forst_asgi.decision.conditions import LONGEST_VALUE, OPERATORS, compile_condition
from tests.decision.asking import asked, scope


def holds(operator: str, operand: object, value: object) -> bool:
    """Whether a value meets a condition."""
    return OPERATORS[operator](operand)(value)


@pytest.mark.parametrize(
    ("operator", "operand", "yes", "no"),
    [
        ("equals", "a", ["a", b"a"], ["A", "ab", b"", None, ["a"]]),
        ("equals", "ü", ["ü", "ü".encode()], ["ü".encode("latin-1")]),
        ("equals", 1, [1, 1.0], [True, "1", b"1", None]),
        ("equals", True, [True], [1, "true", b"true", False]),
        ("in", ["a", 2], ["a", b"a", 2], ["b", "2", None]),
        ("in", [True], [True], [1]),
        ("prefix", "ab", ["abc", b"ab"], ["a", "cab", 5, None]),
        ("suffix", "@forst.dev", [b"ada@forst.dev"], ["ada@forst.dev.evil", None]),
        ("contains", "b", ["abc", b"b", ["a", "b"], ("b",), {"b"}], ["ac", ["ab"], None, 5]),
        ("contains", 1, [[1, 2]], ["1", [True], ["1"]]),
        ("regex", "a+b?", ["a", b"aab"], ["\ud800", "ab ", "xa", "", None, "A"]),
        ("regex", "(?i)a.c", ["ABC"], ["abcd"]),
        ("semver", ">=2.1.0, <3", ["2.1.0", b"v2.9", "2.1.1-rc.1"], ["2.1.0-rc.1", "3.0.0", "x", "", None]),
        ("below", 5, [4, 4.9, "4.99", b"-1"], [5, "5", "nan", "1e1", "", True, None, " 4"]),
        ("at_most", 5, [5, b"5.0"], [5.1, False]),
        ("above", 2.5, [3, "2.51"], [2.5, "inf", None]),
        ("at_least", 3, ["3"], ["2.9", "9" * 400]),
        ("exists", True, ["", 0, False, b""], [None]),
        ("exists", False, [None], ["", 0]),
        (
            "network",
            ["10.0.0.0/8", "2001:db8::/32"],
            ["10.1.2.3", b"2001:db8::1", "::ffff:10.0.0.1"],
            ["11.0.0.1", "", None, "ten", 5],
        ),
    ],
)
def test_operators(operator: str, operand: object, yes: list[object], no: list[object]) -> None:
    """Each operator takes the values that it is about and nothing else."""
    assert [value for value in yes if not holds(operator, operand, value)] == []
    assert [value for value in no if holds(operator, operand, value)] == []


class Incomparable:
    """As arrays are: comparing them gives no answer."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value is ambiguous")


@pytest.mark.parametrize(("operator", "operand"), [("equals", 1), ("in", [1]), ("contains", 1)])
def test_what_cannot_be_compared_is_not_equal(operator: str, operand: object) -> None:
    """The app's context may hold anything; none of it breaks a request."""
    assert not holds(operator, operand, Incomparable())
    assert not holds(operator, operand, [Incomparable()])


def test_every_operator_is_tested_above() -> None:
    """No operator goes without its row."""
    cases: Any = test_operators
    assert {row[0] for row in cases.pytestmark[0].args[1]} == set(OPERATORS)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0.0", "2.0.0"),
        ("1.9.9", "1.10.0"),
        ("1.0.0-alpha", "1.0.0-alpha.1"),
        ("1.0.0-alpha.1", "1.0.0-alpha.beta"),
        ("1.0.0-alpha.beta", "1.0.0-beta"),
        ("1.0.0-beta.2", "1.0.0-beta.11"),
        ("1.0.0-rc.1", "1.0.0"),
        ("1.0.0+build.1", "1.0.1+build.0"),
    ],
)
def test_versions_are_ordered_as_the_specification_has_them(older: str, newer: str) -> None:
    """The examples of SemVer 2.0.0, section 11."""
    assert holds("semver", f"<{newer}", older)
    assert holds("semver", f">{older}", newer)
    assert not holds("semver", f">={newer}", older)
    assert holds("semver", older, older)
    assert holds("semver", f"== {older}, <= {older}", older)


@pytest.mark.parametrize("text", ["", ">=", "~1.2", "1.x", ">=1.0.0 <2", "^1"])
def test_what_is_no_range_is_refused(text: str) -> None:
    """Signs of other dialects are not guessed at."""
    with pytest.raises(ValueError, match="expected versions"):
        OPERATORS["semver"](text)


def test_a_pattern_that_backtracks_elsewhere_takes_no_time() -> None:
    """RE2 is linear: the classic trap against the longest value that is looked at returns at once."""
    assert not holds("regex", "(a|a)*(a+)+$b", "a" * LONGEST_VALUE)


def test_longer_values_match_no_pattern() -> None:
    """The length of what is matched is bounded."""
    assert holds("regex", ".*", "a" * LONGEST_VALUE)
    assert not holds("regex", ".*", "a" * (LONGEST_VALUE + 1))


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1"])
def test_what_re2_does_not_know_is_refused(pattern: str) -> None:
    """Broken patterns, and those with look-around or references, are refused when they are compiled."""
    with pytest.raises(ValueError, match="RE2"):
        OPERATORS["regex"](pattern)


def test_patterns_need_their_package() -> None:
    """Without google-re2 a pattern is refused, and everything else works."""
    code = (
        "import sys; sys.modules['re2'] = None\n"
        "from forst_asgi.decision.conditions import OPERATORS\n"
        "assert OPERATORS['prefix']('a')('ab')\n"
        "try: OPERATORS['regex']('a')\n"
        "except ImportError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_a_condition_reads_and_tests() -> None:
    """A compiled condition finds its value in the request itself."""
    condition = compile_condition(ConditionSpec("client", "network", ["192.0.2.0/24"]))
    assert condition.holds(asked(scope()))
    assert not condition.holds(asked(scope(client="198.51.100.1")))


def test_unknown_operators_are_refused() -> None:
    """An operator is one of those that there are."""
    with pytest.raises(ValueError, match='no operator "like"'):
        compile_condition(ConditionSpec("client", "like", "a"))
