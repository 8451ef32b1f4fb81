"""The app's flag system, made into what decisions ask: a rollout for a request."""

from forst_asgi.config import OpenFeatureConfig, RouteConfig
from forst_asgi.decision import Asked, Peers, Rollout, parse_rollout, rollout_of
from forst_asgi.decision.asked import reader
from forst_asgi.decision.conditions import plain
from forst_asgi.flags.openfeature import FlagSystem, Patience, Question, Said


class RouteAdvice:
    """What the flag system says about one route.

    Args:
        config: the route.
        settings: how the flag system is asked.
        system: the flag system.
        trusted: the peers whose X-Forwarded-For is believed.

    Attributes:
        is_remote: whether it is asked before the decision, by `refresh`.
    """

    def __init__(
        self,
        config: RouteConfig,
        settings: OpenFeatureConfig,
        system: FlagSystem,
        trusted: Peers,
    ) -> None:
        self._route = config.id
        self._percent = config.percent
        self.is_remote = settings.is_remote
        self._system = system
        self._refused: str | None = None
        self._readers = {key.rpartition(":")[2]: reader(key, trusted) for key in settings.attributes}

    def __call__(self, asked: Asked, unit: bytes) -> Rollout | None:
        """Return what the flag system says; what it said last when it is remote.

        Raises:
            ContextUnknown: the app's callable failed, so it cannot be asked.
        """
        text = unit.decode("utf-8", "replace")
        if self.is_remote:
            _ = asked.context  # known since it was asked; where it is not, nothing that was said counts
            said = self._system.recall(self._route, text)
        else:
            said = self._system.ask(self.question(asked, text))
        return self._rollout(said)

    def question(self, asked: Asked, unit: str) -> Question:
        """Return what the flag system is asked for a request."""
        read = {name: plain(each(asked)) for name, each in self._readers.items()}
        known = {name: value for name, value in read.items() if value is not None}
        return Question(self._route, unit, {**asked.context, **known, "route": self._route})

    async def refresh(self, patience: Patience, asked: Asked, unit: bytes) -> None:
        """Ask a remote flag system, so that the decision finds what it said."""
        await patience.refresh(self.question(asked, unit.decode("utf-8", "replace")))

    def _rollout(self, said: Said) -> Rollout | None:
        try:
            return rollout_said(said, self._percent)
        except ValueError as error:
            if repr(said) != self._refused:  # by its text, since not a number is never itself
                self._refused = repr(said)
                self._system.tell(self._route, f"{said!r}: {error}")
            return None


def rollout_said(said: Said, percent: float | None) -> Rollout | None:
    """Return what an opinion of the flag system means.

    Args:
        said: true or false for all or nothing, a percentage, or a mode as text.
        percent: the share of a canary that names none.

    Raises:
        ValueError: it means nothing.
    """
    if said is None:
        return None
    if isinstance(said, str):
        return parse_rollout(said, percent)
    if said in (0, 100) or isinstance(said, bool):
        return rollout_of("on" if said else "off")
    return rollout_of("canary", said)
