"""The app's flag system, asked through the OpenFeature SDK: a flag `forst.<route id>` for each route.

The flag may be text (a mode such as "canary:5"), a number (a percentage) or a boolean. What it last said for
a user is remembered, so that a failing flag system does not move users to and fro.

A provider that evaluates in the process is asked for each request, at once. One that asks over the network
would block the event loop, even with the SDK's async methods, which call the sync ones by default; `Patience`
gives it a thread and a time limit. One that turns out to be slow although nobody said that it is remote is
given that as well, after a few requests.
"""

import asyncio
import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, TypeAlias

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails

from forst_asgi.events import FlagSystemFailed
from forst_asgi.interfaces import Observer

Said: TypeAlias = str | float | bool | None
"""A mode as text, a percentage, all or nothing; None for no opinion."""

MOST_REMEMBERED: Final = 10_000
"""Users, over all routes, of whom is remembered what was said last."""

THREADS: Final = 4

HANGS_AFTER_S: Final = 1.0
"""After how long without an answer, while as many questions are open as there are threads, it is told."""

SLOW_S: Final = 0.01
SLOW_IN_A_ROW: Final = 3
"""How many evaluations that take longer than `SLOW_S` it takes to find a provider slow."""

_NOTHING: Final = "\0"
_NO_NUMBER: Final = -1
_SLOW: Final = (
    "an evaluation held the event loop up for {:.0f} ms; from now on it is asked in a thread, as with "
    "remote = true in the table [flags.openfeature]"
)


@dataclass(frozen=True, slots=True)
class Question:
    """What the flag system is asked.

    Attributes:
        route: the route's id.
        unit: what the request sticks to, the targeting key; "" for nothing.
        attributes: what else the flag system gets to see.
    """

    route: str
    unit: str
    attributes: Mapping[str, Any]


class FlagSystem:
    """Asks the provider that the app has set, and remembers what it said.

    Args:
        observer: told once when a route's flag cannot be evaluated, until it can again.
        domain: the domain of the provider, None for the default one.
        on_slow: called once the provider is found to be too slow for `ask`.
        now: seconds of a clock that does not jump.
    """

    def __init__(
        self,
        observer: Observer,
        domain: str | None = None,
        on_slow: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._client = api.get_client(domain)
        self._observer = observer
        self._said: OrderedDict[tuple[str, str], Said] = OrderedDict()
        self._failing: set[str] = set()
        self._kinds: dict[str, int] = {}
        self._on_slow = on_slow
        self._now = now
        self._slow = 0
        self._by_kind: tuple[Callable[..., FlagEvaluationDetails[Any]], ...] = _methods(self._client)

    def ask(self, question: Question) -> Said:
        """Evaluate the flag of a route now; when that fails, return what it said last for this user."""
        began = self._now()
        details = self.evaluate(question)
        self._mind(question.route, self._now() - began)
        return self.settle(question, details)

    def _mind(self, route: str, took_s: float) -> None:
        self._slow = self._slow + 1 if took_s > SLOW_S else 0
        if self._slow == SLOW_IN_A_ROW:
            self.tell(route, _SLOW.format(took_s * 1000))
            self._on_slow()

    def evaluate(self, question: Question) -> FlagEvaluationDetails[Any]:
        """Evaluate the flag of a route; it may block, and may run in a thread."""
        context = EvaluationContext(question.unit or None, question.attributes)
        first = self._kinds.get(question.route, 0)
        details = self._by_kind[first](f"forst.{question.route}", context)
        for kind, method in enumerate(self._by_kind):
            if details.error_code is not ErrorCode.TYPE_MISMATCH:
                break
            details = method(f"forst.{question.route}", context)
            self._kinds[question.route] = kind
        return details

    def settle(self, question: Question, details: FlagEvaluationDetails[Any]) -> Said:
        """Take note of an evaluation and return what counts now."""
        if details.error_code is ErrorCode.FLAG_NOT_FOUND:
            return self._remember(question, None)
        if details.error_code is not None:
            self.complain(
                question.route, f"{details.error_code.value}: {details.error_message or 'no reason given'}"
            )
            return self.recall(question.route, question.unit)
        self._failing.discard(question.route)
        return self._remember(question, _opinion(details.value))

    def recall(self, route: str, unit: str) -> Said:
        """Return what was last said for a user, None for nothing."""
        return self._said.get((route, unit))

    def _remember(self, question: Question, said: Said) -> Said:
        key = (question.route, question.unit)
        self._said[key] = said
        self._said.move_to_end(key)
        if len(self._said) > MOST_REMEMBERED:
            self._said.popitem(last=False)
        return said

    def tell(self, route: str, problem: str) -> None:
        """Tell the observer that there is nothing to go by for a route."""
        self._observer.observe(FlagSystemFailed(route, problem))

    def complain(self, route: str, problem: str) -> None:
        """Tell it once, until the flag system has answered again."""
        if route not in self._failing:
            self._failing.add(route)
            self.tell(route, problem)


class Patience:
    """Asks a flag system that may block: in a thread, and no longer than a request can wait.

    The threads are daemons: a provider that never answers must not keep the process from ending, as a
    ThreadPoolExecutor would.

    Args:
        system: the flag system.
        timeout_s: how long to wait for an answer. One that comes later is remembered all the same.
        now: seconds of a clock that does not jump.
    """

    def __init__(
        self, system: FlagSystem, timeout_s: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._system = system
        self._timeout_s = timeout_s
        self._now = now
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = 0
        self._open: set[_Answer] = set()
        self._is_full_since: float | None = None

    async def refresh(self, question: Question) -> None:
        """Ask, so that `FlagSystem.recall` knows; return after the time limit at the latest.

        When as many questions are open as there are threads, nothing is asked.
        """
        if self.is_full:
            self._mind(question.route)
            return
        loop = asyncio.get_running_loop()
        answer: _Answer = loop.create_future()
        answer.add_done_callback(partial(self._take, question))
        self._open.add(answer)
        if self._threads < len(self._open):
            self._threads += 1
            work = partial(_work, self._jobs, self._system)
            threading.Thread(target=work, name="forst-openfeature", daemon=True).start()
        self._jobs.put((question, loop, answer))
        await asyncio.wait([answer], timeout=self._timeout_s)

    @property
    def is_full(self) -> bool:
        """Whether as many questions are open as there are threads."""
        return len(self._open) >= THREADS

    def close(self) -> None:
        """Let the threads go, without waiting for what the provider does in them."""
        for _ in range(self._threads):
            self._jobs.put(None)
        self._jobs, self._threads = SimpleQueue(), 0
        self._open.clear()
        self._is_full_since = None

    def _mind(self, route: str) -> None:
        """Tell when nobody could be asked for a while: then the flag system hangs, and is not only slow."""
        if self._is_full_since is None:
            self._is_full_since = self._now()
        elif self._now() - self._is_full_since > HANGS_AFTER_S:
            self._system.complain(route, f"none of {THREADS} questions was answered for {HANGS_AFTER_S:g} s")

    def _take(self, question: Question, answer: "_Answer") -> None:
        self._open.discard(answer)
        self._is_full_since = None
        if answer.exception() is None:
            self._system.settle(question, answer.result())


_Answer: TypeAlias = "asyncio.Future[FlagEvaluationDetails[Any]]"
_Job: TypeAlias = tuple[Question, asyncio.AbstractEventLoop, _Answer]


def _work(jobs: "SimpleQueue[_Job | None]", system: FlagSystem) -> None:
    """Evaluate one question after the other, in a thread."""
    while (job := jobs.get()) is not None:
        question, loop, answer = job
        details, error = None, None
        try:
            details = system.evaluate(question)
        except Exception as raised:  # noqa: BLE001 - the SDK makes an answer of failures; nothing else may end us
            error = raised
        # The loop may be closed by now, and with it whoever waited.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, answer, details, error)


def _settle(answer: _Answer, details: FlagEvaluationDetails[Any] | None, error: Exception | None) -> None:
    if details is None:
        answer.set_exception(error or RuntimeError("no answer"))
    else:
        answer.set_result(details)


def _methods(client: OpenFeatureClient) -> tuple[Callable[..., FlagEvaluationDetails[Any]], ...]:
    """Return how to ask for each type, with a default that cannot be taken for an answer."""
    return (
        lambda key, context: client.get_string_details(key, _NOTHING, context),
        lambda key, context: client.get_float_details(key, float(_NO_NUMBER), context),
        lambda key, context: client.get_integer_details(key, _NO_NUMBER, context),
        lambda key, context: client.get_boolean_details(key, False, context),  # noqa: FBT003 - the SDK's
    )


def _opinion(value: object) -> Said:
    """Return what a value says; a default comes back when there is no provider at all."""
    if isinstance(value, str | bool | int | float) and value not in (_NOTHING, _NO_NUMBER):
        return value
    return None
