"""The app's flag system, asked through the OpenFeature SDK: a flag `forst.<route id>` for each route.

The flag may be text (a mode such as "canary:5"), a number (a percentage) or a boolean. What it last said for
a user is remembered, so that a failing flag system does not move users to and fro.

A provider that evaluates in the process is asked for each request, at once. One that asks over the network
would block the event loop, even with the SDK's async methods, which call the sync ones by default; `Patience`
gives it a thread and a time limit.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
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

_NOTHING: Final = "\0"
_NO_NUMBER: Final = -1


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
    """

    def __init__(self, observer: Observer, domain: str | None = None) -> None:
        self._client = api.get_client(domain)
        self._observer = observer
        self._said: OrderedDict[tuple[str, str], Said] = OrderedDict()
        self._failing: set[str] = set()
        self._kinds: dict[str, int] = {}
        self._by_kind: tuple[Callable[..., FlagEvaluationDetails[Any]], ...] = _methods(self._client)

    def ask(self, question: Question) -> Said:
        """Evaluate the flag of a route now; when that fails, return what it said last for this user."""
        return self.settle(question, self.evaluate(question))

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
            self._complain(
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

    def _complain(self, route: str, problem: str) -> None:
        if route not in self._failing:
            self._failing.add(route)
            self.tell(route, problem)


class Patience:
    """Asks a flag system that may block: in a thread, and no longer than a request can wait.

    Args:
        system: the flag system.
        timeout_s: how long to wait for an answer. One that comes later is remembered all the same.
    """

    def __init__(self, system: FlagSystem, timeout_s: float) -> None:
        self._system = system
        self._timeout_s = timeout_s
        self._threads: ThreadPoolExecutor | None = None
        self._asked = 0

    async def refresh(self, question: Question) -> None:
        """Ask, so that `FlagSystem.recall` knows; return after the time limit at the latest.

        When as many questions are open as there are threads, nothing is asked.
        """
        if self._asked >= THREADS:
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "forst-openfeature")
        self._asked += 1
        loop = asyncio.get_running_loop()
        answer = loop.run_in_executor(self._threads, self._system.evaluate, question)
        answer.add_done_callback(partial(self._take, question))
        await asyncio.wait([answer], timeout=self._timeout_s)

    def close(self) -> None:
        """Let the threads go, without waiting for what the provider does in them."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    def _take(self, question: Question, answer: "asyncio.Future[FlagEvaluationDetails[Any]]") -> None:
        self._asked -= 1
        if not answer.cancelled() and answer.exception() is None:
            self._system.settle(question, answer.result())


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
