"""What the app says of a request, for rules that ask: a callable of the app's, kept at arm's length."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from starlette.requests import HTTPConnection

from forst_asgi.decision.asked import ContextUnknown
from forst_asgi.events import FlagContextFailed
from forst_asgi.interfaces import Observer
from forst_asgi.types import Scope

ContextCallable: TypeAlias = Callable[[HTTPConnection], Mapping[str, Any]]


class AppContext:
    """Asks the app's callable; its failure is told to the observer once, until it has worked again.

    Args:
        ask: the callable; it is called in the event loop.
        observer: told of failures.
    """

    def __init__(self, ask: ContextCallable, observer: Observer) -> None:
        self._ask = ask
        self._observer = observer
        self._is_failing = False

    def __call__(self, scope: Scope) -> Mapping[str, Any]:
        """Return what the app says of a request.

        Raises:
            ContextUnknown: the callable raised, or returned something else than a mapping, or one that fails.
        """
        try:
            answer = self._ask(HTTPConnection(scope))
            if not isinstance(answer, Mapping):
                raise TypeError(_complaint(answer))  # noqa: TRY301 - one way out for all failures
            # Now, because a mapping of the app's may fail when it is read.
            found = dict(answer)
        except Exception as error:
            self._complain(error)
            raise ContextUnknown from error
        self._is_failing = False
        return found

    def _complain(self, error: Exception) -> None:
        if not self._is_failing:
            self._is_failing = True
            self._observer.observe(FlagContextFailed(f"{type(error).__name__}: {error}"))


def _complaint(answer: object) -> str:
    if inspect.iscoroutine(answer):
        answer.close()
    return f"a context callable returns a mapping, not {type(answer).__name__}"
