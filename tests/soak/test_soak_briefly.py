"""The soak of benchmarks/soak, for less than a minute, and its own judgement put to the test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.soak import verdict
from benchmarks.soak.load import Failure, Tally
from tests.integration.ledger import Entry

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts what /proc shows")


@pytest.mark.slow
@pytest.mark.item(28, 32, 35, 39)
def test_nothing_is_left_or_wrong_after_a_soak(go_binary: str) -> None:
    """Random load, cancellations and kills leave nothing behind, and no answer is wrong."""
    command = [sys.executable, "-m", "benchmarks.soak", "--for", "35", "--seed", "35"]
    environ = {**os.environ, "PATH": f"{Path(go_binary).parent}{os.pathsep}{os.environ['PATH']}"}
    soaked = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=120
    )
    assert soaked.returncode == 0, soaked.stdout + soaked.stderr
    assert soaked.stdout.endswith("nothing is wrong\n")


STATE = {
    "open": 0,
    "idle": 0,
    "waiting": 0,
    "fds": 14,
    "upstream connections": 0,
    "tasks": ["serve"],
    "waits": ["main > <Future pending>"],
    "objects": {"Pool": 1},
}


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("open", 1),
        ("idle", 1),
        ("waiting", 1),
        ("fds", 15),
        ("upstream connections", 1),
        ("tasks", ["serve", "pump"]),
        ("objects", {"Pool": 1, "Connection": 1}),
    ],
)
def test_a_soak_sees_what_is_left(what: str, value: object) -> None:
    """One connection, descriptor, task or object that stays is named."""
    assert list(verdict.leaks(STATE, STATE)) == []
    problem, *_ = verdict.leaks(STATE, {**STATE, what: value})
    assert problem.startswith(what)


def test_a_soak_sees_memory_grow() -> None:
    """Resident memory that grows on and on is a problem; what the warm-up takes is not."""
    warm, grown = 60_000, 60_000 + verdict.MAX_GROWTH_KIB + 1
    assert list(verdict.growth([30_000] * 20 + [warm] * 80)) == []
    [problem] = verdict.growth([warm] * 80 + [grown] * 20)
    assert "memory grew" in problem


def test_a_soak_sees_failures_that_no_kill_explains() -> None:
    """A request that failed beside a kill is fair, one that failed without is not; nor is a wrong answer."""
    tally = Tally(downtimes=[(10.0, 10.1)], wrong=["soak-get-3: another's answer"])
    tally.outcomes["get", "whole"] = 1
    tally.outcomes["post", "cut"] = 1
    tally.failures += [
        Failure("get", "fair", 9.0, 10.05, "no head"),
        Failure("get", "late", 10.2, 10.3, "no head"),
        Failure("get", "unfair", 11.0, 11.1, "no head"),
    ]
    problems = list(verdict.answers(tally))
    assert problems[0] == "soak-get-3: another's answer"
    assert problems[1].startswith("unfair failed without a kill")
    assert problems[2:] == ["post: not one was answered"]


def test_a_soak_sees_what_go_got_twice() -> None:
    """A POST that reached Go twice is a problem; a GET that did is not, nor a POST that never did."""
    post, get = [entry("p", "begun")], [entry("g", "begun")]
    tally = Tally(sent={"p": (2, "digest"), "never": (0, "")}, whole={"g"})
    assert list(verdict.deliveries(tally, {"p": post, "g": get * 2})) == []
    assert list(verdict.deliveries(tally, {"p": post * 2, "g": get * 3})) == [
        "p: reached Go 2 times",
        "g: reached Go 3 times",
    ]


def test_a_soak_sees_bodies_that_arrive_as_others() -> None:
    """An answered POST must have arrived once, with the bytes that were sent."""
    tally = Tally(sent={"p": (2, "digest")}, whole={"p"})
    assert list(verdict.deliveries(tally, {"p": [entry("p", "begun"), entry("p", "whole")]})) == []
    [problem] = verdict.deliveries(tally, {"p": [entry("p", "begun"), entry("p", "cut")]})
    assert problem.startswith("p: answered, but")


def entry(request_id: str, event: str) -> Entry:
    """Return a line of the ledger."""
    return Entry(event, request_id, pid=1, conn=1, at_ns=0, bytes=2, sha256="digest")
