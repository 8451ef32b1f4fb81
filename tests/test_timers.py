"""Time limits that cost a dictionary entry, on a clock that only the test moves."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from forst_asgi.timers import TimeoutQueue


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time stands still until it is moved.

    Attributes:
        now: its time, in seconds.
        timers: the calls that wait for their time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.timers: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        """Return the time."""
        return getattr(self, "now", 0.0)

    # The type of the arguments is generic in typeshed, in a way that nothing here needs.
    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, **more: Any
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self)
        self.timers.append(handle)
        return handle

    @property
    def pending(self) -> list[asyncio.TimerHandle]:
        """The calls that were not cancelled."""
        return [timer for timer in self.timers if not timer.cancelled()]

    def move(self, seconds: float) -> None:
        """Let time pass, and make the calls whose time has come."""
        self.now += seconds
        for timer in sorted(self.pending, key=lambda each: each.when()):
            if timer.when() <= self.now:
                self.timers.remove(timer)
                timer._run()


@pytest.fixture
def clock() -> Any:
    """A loop whose time the test moves."""
    loop = Clock()
    yield loop
    loop.close()


def test_expires_in_order(clock: Clock) -> None:
    """Keys expire once each, in the order in which they began, none too early."""
    expired: list[str] = []
    queue = TimeoutQueue(clock, 10.0, expired.append)
    queue.add("a")
    clock.move(4)
    queue.add("b")
    clock.move(5.9)
    assert expired == []
    clock.move(0.1)
    assert expired == ["a"]
    assert "a" not in queue
    assert "b" in queue
    assert repr(queue) == "<TimeoutQueue 10.0s waiting=1>"
    clock.move(4)
    assert expired == ["a", "b"]
    assert len(queue) == 0


def test_one_timer_for_all(clock: Clock) -> None:
    """However many keys come and go, one call is pending at most, and none for an empty queue."""
    queue: TimeoutQueue[int] = TimeoutQueue(clock, 10.0, lambda _: None)
    for number in range(100):
        queue.add(number)
        queue.discard(number)
        clock.move(0.01)
    queue.add(100)
    assert len(clock.pending) == 1
    clock.move(9.5)
    assert (len(queue), len(clock.pending)) == (1, 1)  # it found that the last one began later
    clock.move(1)
    assert (len(queue), clock.pending) == (0, [])
    queue.add(1)
    assert len(clock.pending) == 1


def test_discarded_keys_do_not_expire(clock: Clock) -> None:
    """A key that was taken out in time does not expire; taking out what is not there does nothing."""
    expired: list[str] = []
    queue = TimeoutQueue(clock, 10.0, expired.append)
    queue.add("a")
    queue.add("b")
    queue.discard("a")
    queue.discard("a")
    clock.move(20)
    assert expired == ["b"]
    assert clock.pending == []


def test_clearing(clock: Clock) -> None:
    """Clearing gives all keys back and leaves no timer."""
    queue: TimeoutQueue[str] = TimeoutQueue(clock, 10.0, lambda _: None)
    assert queue.clear() == []
    queue.add("a")
    queue.add("b")
    assert queue.clear() == ["a", "b"]
    assert clock.pending == []
    queue.add("c")
    assert len(clock.pending) == 1


def test_expiry_that_changes_the_queue(clock: Clock) -> None:
    """What is called on expiry may add and discard keys; a key that was due expires all the same."""
    expired: list[str] = []

    def expire(key: str) -> None:
        expired.append(key)
        queue.discard("b")
        queue.add(key * 2)

    queue = TimeoutQueue(clock, 10.0, expire)
    queue.add("a")
    queue.add("b")
    clock.move(10)
    assert expired == ["a", "b"]
    assert len(queue) == 2
    clock.move(10)
    assert expired == ["a", "b", "aa", "bb"]
