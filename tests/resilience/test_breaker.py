"""The circuit breaker."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from forst_asgi.resilience import Breaker, BreakerPolicy, BreakerState

POLICY = BreakerPolicy(threshold=3, pause_s=1.0, longest_pause_s=3.0, probe_limit_s=30.0)
CLOSED, OPEN, HALF_OPEN = BreakerState


def opened() -> Breaker:
    """Return a breaker that opened at second 0."""
    breaker = Breaker(POLICY)
    assert [breaker.fail(0) for _ in range(3)] == [CLOSED, CLOSED, OPEN]
    return breaker


def half_open() -> Breaker:
    """Return a breaker whose probe went out at second 1."""
    breaker = opened()
    assert breaker.admit(1)
    return breaker


@pytest.mark.parametrize(
    ("make", "happen", "after"),
    [
        (lambda: Breaker(POLICY), Breaker.succeed, CLOSED),
        (lambda: Breaker(POLICY), lambda breaker: breaker.fail(0), CLOSED),
        (lambda: Breaker(POLICY), Breaker.lose, CLOSED),
        (opened, Breaker.succeed, OPEN),
        (opened, lambda breaker: breaker.fail(0.5), OPEN),
        (opened, Breaker.lose, OPEN),
        (half_open, Breaker.succeed, CLOSED),
        (half_open, lambda breaker: breaker.fail(1.5), OPEN),
        (half_open, Breaker.lose, HALF_OPEN),
    ],
)
def test_the_table(
    make: Callable[[], Breaker], happen: Callable[[Breaker], BreakerState], after: BreakerState
) -> None:
    """Each state goes where the table in the module says."""
    breaker = make()
    assert happen(breaker) is after is breaker.state


def test_it_opens_after_failures_in_a_row_only() -> None:
    """A success in between begins the count anew."""
    breaker = Breaker(POLICY)
    for _ in range(10):
        breaker.fail(0)
        breaker.fail(0)
        breaker.succeed()
    assert (breaker.state, breaker.is_closed, breaker.is_tainted) == (CLOSED, True, False)


def test_an_open_one_lets_nothing_through_until_the_pause_is_over() -> None:
    """Then exactly one request is the probe, and the others wait for it."""
    breaker = opened()
    assert [breaker.admit(now) for now in (0, 0.5, 0.999)] == [False] * 3
    assert (breaker.is_closed, breaker.is_tainted) == (False, True)
    assert [breaker.admit(now) for now in (1.0, 1.0, 2.0)] == [True, False, False]
    assert breaker.state is HALF_OPEN


def test_the_pause_doubles_up_to_a_limit() -> None:
    """While probes fail they become rarer; after a success it is as at first."""
    breaker, now, pauses = opened(), 0.0, []
    for _ in range(4):
        pause = next(step / 10 for step in range(100) if breaker.admit(now + step / 10))
        pauses.append(pause)
        now += pause
        breaker.fail(now)
    assert pauses == [1.0, 2.0, 3.0, 3.0]
    assert breaker.admit(now + 3)
    assert breaker.succeed() is CLOSED
    assert [breaker.fail(100) for _ in range(3)][-1] is OPEN
    assert [breaker.admit(100.9), breaker.admit(101)] == [False, True]


def test_a_pause_that_is_longer_than_the_limit_stays() -> None:
    """Who asks for a long pause does not get a shorter one after the first probe."""
    breaker = Breaker(BreakerPolicy(threshold=1, pause_s=5.0, longest_pause_s=2.0))
    breaker.fail(0)
    assert breaker.admit(5)
    breaker.fail(5)
    assert [breaker.admit(9.9), breaker.admit(10)] == [False, True]


def test_a_lost_probe_lets_the_next_request_be_one() -> None:
    """A client that goes away during the probe does not keep the breaker shut."""
    breaker = half_open()
    assert not breaker.admit(1.1)
    breaker.lose()
    assert [breaker.admit(1.2), breaker.admit(1.3)] == [True, False]


def test_a_probe_that_nobody_reports_on_is_lost_in_the_end() -> None:
    """A mistake elsewhere cannot keep it shut for ever."""
    breaker = half_open()
    assert [breaker.admit(30.9), breaker.admit(31), breaker.admit(31.1)] == [False, True, False]


def test_a_late_failure_does_not_make_the_pause_longer() -> None:
    """What was asked before it opened and fails after that is nothing new."""
    breaker = opened()
    breaker.fail(0.9)
    assert breaker.admit(1.0)


def test_it_can_be_reset() -> None:
    """A process that was just started has a clean slate."""
    breaker = opened()
    breaker.reset()
    assert (breaker.state, breaker.admit(0)) == (CLOSED, True)
    assert repr(breaker) == "<Breaker closed failures=0>"


@given(st.lists(st.sampled_from(["succeed", "lose"]), max_size=30))
def test_a_healthy_upstream_never_opens_it(calls: list[str]) -> None:
    """Answers and clients that give up never count against an upstream."""
    breaker = Breaker(BreakerPolicy(threshold=1))
    for call in calls:
        getattr(breaker, call)()
        assert breaker.is_closed


class Machine(RuleBasedStateMachine):
    """Whatever happens in whatever order: one probe at a time, and no way to stay shut for ever."""

    @initialize()
    def begin(self) -> None:
        """Start with a closed one."""
        self.breaker = Breaker(POLICY)
        self.now = 0.0
        self.probes = 0

    @rule(seconds=st.floats(0, 5))
    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.now += seconds

    @rule()
    def ask(self) -> None:
        """A request comes."""
        was_open = self.breaker.state is OPEN
        if self.breaker.admit(self.now) and self.breaker.state is HALF_OPEN:
            assert was_open or self.probes == 0
            self.probes = 1

    @rule()
    def succeed(self) -> None:
        """An answer comes."""
        self.breaker.succeed()
        self.probes = 0

    @rule()
    def fail(self) -> None:
        """A failure comes."""
        self.breaker.fail(self.now)
        self.probes = 0

    @rule()
    def lose(self) -> None:
        """A client gives up."""
        self.breaker.lose()
        self.probes = 0

    @invariant()
    def is_consistent(self) -> None:
        """The flags for the fast path say what the state says, and patience always helps."""
        assert self.breaker.is_closed is (self.breaker.state is CLOSED)
        assert self.breaker.is_closed or self.breaker.is_tainted


Machine.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestBreakerMachine = Machine.TestCase
