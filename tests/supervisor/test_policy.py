"""The policy of starts, silences and ends, held against its rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forst_asgi.supervisor.policy import NEXT, Course, Rules, Signal, State, is_hung, pause_s, step

SENT = [signal for signal in Signal if signal not in {Signal.LOST, Signal.STORMED}]


def run(*signals: Signal, course: Course | None = None, now: float = 0.0) -> Course:
    """Return the course after these signals, all at one time."""
    course = course or Course()
    for signal in signals:
        course = step(course, signal, now)
    return course


def test_the_usual_life() -> None:
    """Started, ready, asked to stop, stopped."""
    states = []
    course = Course()
    for signal in (Signal.START, Signal.ANSWERED, Signal.STOP, Signal.ENDED):
        course = step(course, signal, 0)
        states.append(course.state)
    assert states == [State.STARTING, State.READY, State.DRAINING, State.STOPPED]


def test_a_good_life_is_followed_at_once() -> None:
    """After `stable_s` of readiness an end costs no pause, however many there were before."""
    course = Course(State.READY, ready_at=10.0, failures=8)
    ended = step(course, Signal.ENDED, 11.0)
    assert (ended.state, ended.failures, ended.due_at) == (State.BACKING_OFF, 1, 11.0)
    assert step(ended, Signal.DUE, 11.0).state is State.STARTING


def test_short_lives_back_off_and_end_in_failed() -> None:
    """Pauses double up to a limit; after the tenth end in a row there is one start each half minute."""
    course = run(Signal.START)
    pauses = []
    for _ in range(9):
        course = step(course, Signal.ENDED, 0.0, chance=1.0)
        pauses.append(course.due_at)
        course = step(course, Signal.DUE, 0.0)
    assert pauses == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0]
    for _ in range(3):
        course = step(course, Signal.ENDED, 0.0, chance=1.0)
        assert (course.state, course.failures, course.due_at) == (State.FAILED, 10, 30.0)
        course = step(course, Signal.DUE, 30.0)
    course = step(step(course, Signal.ANSWERED, 30.0), Signal.ENDED, 31.0)
    assert (course.state, course.failures) == (State.BACKING_OFF, 1)


def test_a_person_wipes_the_slate_clean() -> None:
    """START after FAILED, or during a pause, begins from nothing."""
    failed = Course(State.FAILED, failures=10)
    assert step(failed, Signal.START, 0) == Course(State.STARTING)
    assert step(Course(State.BACKING_OFF, failures=5, due_at=9), Signal.START, 0) == Course(State.STARTING)


def test_silence_is_forgiven_once() -> None:
    """One unanswered probe changes nothing, the second makes it unready, the third is a hang."""
    course = run(Signal.START, Signal.ANSWERED, Signal.SILENT)
    assert (course.state, is_hung(course)) == (State.READY, False)
    course = run(Signal.SILENT, course=course)
    assert (course.state, is_hung(course)) == (State.UNREADY, False)
    assert is_hung(run(Signal.SILENT, course=course))
    back = run(Signal.ANSWERED, course=course)
    assert (back.state, back.silences) == (State.READY, 0)


def test_who_is_suspended_is_hung_at_once() -> None:
    """A process that cannot answer is not asked again, and nothing is refused meanwhile."""
    course = run(Signal.START, Signal.ANSWERED, Signal.SUSPENDED)
    assert (course.state, is_hung(course)) == (State.READY, True)


def test_who_says_no_is_not_hung() -> None:
    """A process that answers "not ready" may do so for ever, and is ready when it says so."""
    course = run(Signal.START, Signal.ANSWERED, *[Signal.DECLINED] * 100)
    assert course.state is State.UNREADY
    assert not is_hung(course)
    assert run(Signal.ANSWERED, course=course).state is State.READY


def test_what_cannot_happen_is_refused() -> None:
    """A signal without an entry in the table is a mistake of ours."""
    with pytest.raises(ValueError, match="due cannot happen while ready"):
        run(Signal.START, Signal.ANSWERED, Signal.DUE)


def test_readiness_is_counted_from_its_first_answer() -> None:
    """Later answers do not make a life younger."""
    course = step(run(Signal.START, Signal.ANSWERED), Signal.ANSWERED, 5.0)
    assert course.ready_at == 0.0


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_every_pause_is_within_its_bounds(failures: int, chance: float) -> None:
    """No pause is longer than the longest, and jitter at most halves one."""
    rules = Rules()
    whole = pause_s(failures, 1.0, rules)
    longest_s = rules.retry_s if failures >= rules.most_failures else rules.longest_pause_s
    assert whole / 2 <= pause_s(failures, chance, rules) <= whole <= longest_s


@given(st.integers(0, 100))
def test_pauses_never_get_shorter(failures: int) -> None:
    """With the same luck each pause is at least as long as the one before."""
    assert pause_s(failures, 0.3, Rules()) <= pause_s(failures + 1, 0.3, Rules())


STEPS = st.lists(st.tuples(st.sampled_from(SENT), st.floats(0, 5), st.floats(0, 1)), max_size=60)


@given(STEPS)
def test_any_history_keeps_the_rules(history: list[tuple[Signal, float, float]]) -> None:
    """Whatever happens: counts stay within their limits, pauses lie ahead, and STOP always leads out."""
    course, now = Course(), 0.0
    for signal, later, chance in history:
        now += later
        try:
            course = step(course, signal, now, chance)
        except ValueError:
            continue
        assert 0 <= course.failures <= Rules().most_failures
        assert course.state not in {State.BACKING_OFF, State.FAILED} or course.due_at >= now
    if course.state not in {State.STOPPED, State.DRAINING}:
        course = step(course, Signal.STOP, now)
    assert course.state in {State.STOPPED, State.DRAINING}


def test_the_table_has_a_way_out_of_every_state() -> None:
    """No state is a dead end, and every state can be reached from STOPPED."""
    assert {state for state, _ in NEXT} == set(State)
    reached = {State.STOPPED}
    for _ in State:
        reached |= {after for (before, _), after in NEXT.items() if before in reached}
    assert reached == set(State)
