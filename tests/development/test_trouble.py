"""What is wrong with the program in the source, worked out from where the sidecar stands."""

import pytest

from forst_asgi.development import Trouble, is_on, trouble_of
from forst_asgi.supervisor import Problem, Standing, State

OUTPUT = "sidecar 'go': `go build` failed:\n# app\n./main.go:3:5: undefined: a\n./main.go:4:1: undefined: b"
READY = Standing(State.READY, generation=1, pid=7)
DOWN = Standing(State.FAILED)


def test_nothing_is_wrong() -> None:
    """A process that runs, or is about to, is no trouble."""
    assert trouble_of("go", READY) is None
    assert trouble_of("go", Standing(State.STARTING)) is None


@pytest.mark.parametrize(("state", "is_served"), [(State.READY, True), (State.FAILED, False)])
def test_a_failed_build(state: State, *, is_served: bool) -> None:
    """A failed build is trouble whether or not the last good program runs; its mistakes have places."""
    trouble = trouble_of("go", Standing(state, build_problem=OUTPUT, problem="an earlier one"))
    assert trouble is not None
    assert trouble.problems == (
        Problem("./main.go", 3, 5, "undefined: a"),
        Problem("./main.go", 4, 1, "undefined: b"),
    )
    assert (trouble.headline, trouble.output, trouble.is_served) == ("could not be built", OUTPUT, is_served)
    assert trouble.summary == "./main.go:3:5: undefined: a (and 1 more)"


@pytest.mark.parametrize(
    ("state", "headline"),
    [(State.READY, "could not be replaced by what was built last"), (State.BACKING_OFF, "does not run")],
)
def test_a_program_that_does_not_start(state: State, headline: str) -> None:
    """What was built and ends at its start is trouble too, with its last lines of output."""
    trouble = trouble_of("go", Standing(state, problem="ended with exit status 2:\n  panic: no"))
    assert trouble is not None
    assert (trouble.headline, trouble.summary) == (headline, "ended with exit status 2:")


@pytest.mark.parametrize(
    ("problem", "expected"), [(Problem("go.mod", 3, None, "oops"), "go.mod:3: oops"), (None, "does not run")]
)
def test_a_summary_is_never_empty(problem: Problem | None, expected: str) -> None:
    """One mistake is one line, and where nothing was written the headline stands for it."""
    trouble = Trouble("go", "does not run", "", () if problem is None else (problem,), is_served=False)
    assert trouble.summary == expected


@pytest.mark.parametrize(("value", "expected"), [(None, False), ("", False), ("0", False), ("1", True)])
def test_the_variable(value: str | None, *, expected: bool) -> None:
    """Nobody is at work unless the environment says so."""
    assert is_on({} if value is None else {"FORST_DEV": value}) is expected
