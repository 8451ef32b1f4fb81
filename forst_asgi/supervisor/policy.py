"""When a sidecar is started, taken for hung, started anew, and rarely tried: a table, without I/O or clock.

    state        meaning                                            requests
    STOPPED      nothing runs, nothing shall                        503 at once
    STARTING     a process runs and has not answered yet            wait after a crash, else 503 at once
    READY        it answers as ready                                are forwarded
    UNREADY      it says that it is not ready, or has fallen silent 503 at once
    BACKING_OFF  it ended; the next start is due at a certain time  503 at once
    FAILED       it ended too often; it is tried again now and then 503 at once
    DRAINING     it was asked to stop                               503 at once

The rules:

- A life that was ready for `stable_s` or more wipes the slate clean: after it the next one starts at once.
- After one that was shorter, or never ready, each start waits twice as long as the one before, with jitter,
  so that the sidecars of many hosts do not come back in step.
- `most_failures` such ends in a row are a storm: FAILED. From then on one start is tried every `retry_s`, so
  that what was missing may come back while nobody looks; nobody waits for these.
- A process that answers "not ready" is left alone; it knows why. One that does not answer at all is asked
  again, is UNREADY after the second time, and is killed after `most_silences`. One that a signal has
  suspended cannot answer, however patient we are: it is killed at once.

`NEXT` is the whole of it; `step` keeps the counts that decide between ENDED and STORMED, SILENT and LOST.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final


class State(Enum):
    """Where the sidecar of one upstream stands."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"
    BACKING_OFF = "backing_off"
    FAILED = "failed"
    DRAINING = "draining"


class Signal(Enum):
    """What happens to it. LOST and STORMED are worked out by `step`, nobody sends them."""

    START = "start"  # somebody wants it to run
    ANSWERED = "answered"  # the probe says ready
    DECLINED = "declined"  # the probe says not ready
    SILENT = "silent"  # the probe got no answer in time
    SUSPENDED = "suspended"  # it can get none: SIGSTOP, and nobody has continued it
    LOST = "lost"  # ...more than once
    ENDED = "ended"  # the process is gone, or could not be started
    STORMED = "stormed"  # ...too often
    DUE = "due"  # the pause is over
    STOP = "stop"  # nobody wants it to run any more


_ALIVE: Final = (State.STARTING, State.READY, State.UNREADY)

NEXT: Final[dict[tuple[State, Signal], State]] = {
    (State.STOPPED, Signal.START): State.STARTING,
    (State.FAILED, Signal.START): State.STARTING,
    (State.FAILED, Signal.DUE): State.STARTING,
    (State.BACKING_OFF, Signal.START): State.STARTING,
    (State.BACKING_OFF, Signal.DUE): State.STARTING,
    (State.STARTING, Signal.ANSWERED): State.READY,
    (State.READY, Signal.ANSWERED): State.READY,
    (State.READY, Signal.DECLINED): State.UNREADY,
    (State.READY, Signal.SILENT): State.READY,
    (State.READY, Signal.LOST): State.UNREADY,
    (State.READY, Signal.SUSPENDED): State.READY,  # for the moment until it is killed
    (State.UNREADY, Signal.ANSWERED): State.READY,
    (State.UNREADY, Signal.DECLINED): State.UNREADY,
    (State.UNREADY, Signal.SILENT): State.UNREADY,
    (State.UNREADY, Signal.LOST): State.UNREADY,
    (State.UNREADY, Signal.SUSPENDED): State.UNREADY,
    **{(state, Signal.ENDED): State.BACKING_OFF for state in _ALIVE},
    **{(state, Signal.STORMED): State.FAILED for state in _ALIVE},
    **{(state, Signal.STOP): State.DRAINING for state in _ALIVE},
    (State.DRAINING, Signal.ENDED): State.STOPPED,
    (State.DRAINING, Signal.STORMED): State.STOPPED,
    (State.BACKING_OFF, Signal.STOP): State.STOPPED,
    (State.FAILED, Signal.STOP): State.STOPPED,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers of the policy; durations are in seconds.

    Attributes:
        stable_s: how long a life has to be ready to count as a good one.
        first_pause_s: before the second of several starts in a row; doubled for each further one.
        longest_pause_s: where the doubling ends.
        most_failures: ends in a row without a good life between them that are too many.
        retry_s: between two starts after that.
        most_silences: unanswered probes in a row after which the process counts as hung.
    """

    stable_s: float = 1.0
    first_pause_s: float = 0.1
    longest_pause_s: float = 10.0
    most_failures: int = 10
    retry_s: float = 30.0
    most_silences: int = 3


@dataclass(frozen=True, slots=True)
class Course:
    """What the policy remembers.

    Attributes:
        state: where it stands.
        ready_at: since when this life is ready, None before that.
        failures: ends in a row without a good life between them.
        silences: probes in a row without an answer.
        due_at: when the next start is due, while it backs off or has failed.
    """

    state: State = State.STOPPED
    ready_at: float | None = None
    failures: int = 0
    silences: int = 0
    due_at: float = 0.0


def step(
    course: Course, signal: Signal, now: float, chance: float = 0.5, rules: Rules | None = None
) -> Course:
    """Return what follows.

    Args:
        course: what was.
        signal: what happened.
        now: when, in seconds of any clock that never goes back.
        chance: a random number from 0 to 1, for the jitter.
        rules: the numbers.

    Raises:
        ValueError: that cannot happen in this state.
    """
    rules = rules or Rules()
    counted = _count(course, signal, now, rules)
    signal = _weighed(counted, signal, rules)
    state = NEXT.get((course.state, signal))
    if state is None:
        raise ValueError(f"{signal.value} cannot happen while {course.state.value}")
    if state in {State.BACKING_OFF, State.FAILED}:
        return replace(counted, state=state, due_at=now + pause_s(counted.failures, chance, rules))
    return replace(counted, state=state)


def is_hung(course: Course, rules: Rules | None = None) -> bool:
    """Tell whether the process has been silent for so long that it has to be killed."""
    return course.silences >= (rules or Rules()).most_silences


def pause_s(failures: int, chance: float, rules: Rules) -> float:
    """Return how long to wait before the next start, in seconds; nothing after the first failure."""
    if failures <= 1:
        return 0.0
    doublings = min(failures - 2, 60)  # beyond that only the float would suffer
    whole_s = min(rules.first_pause_s * 2.0**doublings, rules.longest_pause_s)
    if failures >= rules.most_failures:
        whole_s = rules.retry_s
    return whole_s * (0.5 + chance / 2)


def _count(course: Course, signal: Signal, now: float, rules: Rules) -> Course:
    match signal:
        case Signal.START:
            return Course(course.state)
        case Signal.ANSWERED:
            ready_at = now if course.ready_at is None else course.ready_at
            return replace(course, ready_at=ready_at, silences=0)
        case Signal.DECLINED:
            return replace(course, silences=0)
        case Signal.SILENT | Signal.SUSPENDED:
            silences = rules.most_silences if signal is Signal.SUSPENDED else course.silences + 1
            return replace(course, silences=silences)
        case Signal.ENDED:
            was_good = course.ready_at is not None and now - course.ready_at >= rules.stable_s
            failures = 1 if was_good else min(course.failures + 1, rules.most_failures)
            return replace(course, ready_at=None, silences=0, failures=failures)
    return course


def _weighed(counted: Course, signal: Signal, rules: Rules) -> Signal:
    if signal is Signal.ENDED and counted.failures >= rules.most_failures:
        return Signal.STORMED
    if signal is Signal.SILENT and counted.silences > 1:
        return Signal.LOST
    return signal
