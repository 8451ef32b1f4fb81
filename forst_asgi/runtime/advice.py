"""The app's flag system, made into what decisions ask: a rollout for a request."""

from collections.abc import Awaitable, Callable, Container, Mapping
from typing import Any, Protocol, TypeAlias

from forst_asgi.config import OpenFeatureConfig, RouteConfig
from forst_asgi.decision import Asked, Match, Rollout, parse_rollout, rollout_of
from forst_asgi.decision.asked import reader
from forst_asgi.flags.openfeature import FlagSystem, Patience, Question, Said
from forst_asgi.types import Scope

Refresh: TypeAlias = Callable[[Scope, Match], Awaitable[None]]
"""Asks a remote flag system before the decision; returns in time whatever happens."""


class RouteAdvice:
    """What the flag system says about one route.

    Args:
        config: the route.
        settings: how the flag system is asked.
        system: the flag system.
        trusted: the peers whose X-Forwarded-For is believed.
    """

    def __init__(
        self,
        config: RouteConfig,
        settings: OpenFeatureConfig,
        system: FlagSystem,
        trusted: Container[str | None],
    ) -> None:
        self._route = config.id
        self._percent = config.percent
        self._is_remote = settings.is_remote
        self._system = system
        self._readers = {key.rpartition(":")[2]: reader(key, trusted) for key in settings.attributes}

    def __call__(self, asked: Asked, unit: bytes) -> Rollout | None:
        """Return what the flag system says; what it said last when it is remote."""
        text = unit.decode("utf-8", "replace")
        if self._is_remote:
            said = self._system.recall(self._route, text)
        else:
            said = self._system.ask(self.question(asked, text))
        return self._rollout(said)

    def question(self, asked: Asked, unit: str) -> Question:
        """Return what the flag system is asked for a request."""
        read = {name: _plain(each(asked)) for name, each in self._readers.items()}
        known = {name: value for name, value in read.items() if value is not None}
        return Question(self._route, unit, {**asked.context, **known, "route": self._route})

    def _rollout(self, said: Said) -> Rollout | None:
        try:
            return _rollout(said, self._percent)
        except ValueError:
            return None  # a value that is no mode is no opinion
