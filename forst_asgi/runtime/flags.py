"""The flags of all routes, live: one switch each, set whenever the state file changes."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from forst_asgi.config import Config, RouteConfig
from forst_asgi.decision import (
    Asked,
    ContextUnknown,
    Controls,
    Decision,
    Flag,
    FlagSpec,
    Match,
    Peers,
    Switch,
    rollout_of,
)
from forst_asgi.decision.context import AppContext
from forst_asgi.decision.shown import showing
from forst_asgi.events import FlagChanged
from forst_asgi.flags import EMPTY, Mark, State, StateFile, StateWatch
from forst_asgi.interfaces import Observer
from forst_asgi.peers import peer_of
from forst_asgi.runtime import convert, flagspec
from forst_asgi.types import Scope, Send

if TYPE_CHECKING:
    from forst_asgi.flags.openfeature import FlagSystem, Patience
    from forst_asgi.runtime.advice import RouteAdvice

_UNSIGNED: Final = (
    "flags.override.unsigned_from lets these peers choose the side without a signature; for development only"
)
_UNKNOWN: Final = Mark("", "", "the state file cannot be read, and it may hold a kill")
_NOBODY: Final = Mark("", "", "")

_LOOK_EVERY_S: Final = 0.2
"""How often requests look at the state file where no task does."""


class Flags:
    """Every route's switch, and what keeps them up to date.

    Built from a configuration without touching anything outside but the environment and the secret's file.

    Args:
        config: a checked configuration.
        observer: told when a flag changes, and of what goes wrong.
        environ: where FORST_ROUTE_* and the secret are looked for.
        now: the time in Unix seconds, for overrides that end.

    Attributes:
        switches: by route id; the middleware asks them.
        file: the state file.
        watch: what keeps up with it.
        is_watching: whether a task looks at the state file.
        is_plain: whether decisions need no `prepare`.
        shows_to: the peers that get to see decisions; None for nobody.

    Raises:
        ConfigError: something that only running shows: a secret or a context callable that is not there, a
            mode in the environment that is none, OpenFeature without its SDK.
    """

    def __init__(
        self,
        config: Config,
        observer: Observer,
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._observer = observer
        self._environ = environ
        self._advice: dict[str, RouteAdvice] = {}
        self._patience: Patience | None = None
        self.is_watching = self.is_plain = False
        self._system = self._flag_system()
        self.switches = self._make_switches(now)
        self._look_again_at = 0.0
        self._applied: State | None = EMPTY
        self.file = StateFile(config.flags.state)
        shows_to = config.flags.show_decision_to
        self.shows_to = flagspec.networks(shows_to) if shows_to else None
        self.watch = StateWatch(self.file, self.apply, observer)

    def __repr__(self) -> str:
        return f"<Flags {len(self.switches)} routes, {self.file.path}>"

    def load(self) -> None:
        """Take in the state file if it is another than before; a request outside of any lifespan does so."""
        self.watch.look()

    def take_over(self, before: "Flags") -> None:
        """Go on from what the flags before knew of the same state file, without telling of it again."""
        if self.file.path == before.file.path:
            self.watch.take_over(before.watch.knowledge)
            self._applied = self.watch.known
            for name, switch in self.switches.items():
                switch.set(controls(self.watch.known, name))

    def rest(self) -> None:
        """Stop watching; for requests that go on, what is known now stays in force."""
        self.watch.rest()

    def start(self) -> None:
        """Take in the state file and watch it from now on, in the running event loop; idempotent."""
        self.watch.look()
        self.watch.start()
        self.is_watching = True
        self.is_plain = self._patience is None

    async def aclose(self) -> None:
        """Stop watching; a later `start` begins anew."""
        self.is_watching = self.is_plain = False
        await self.watch.aclose()
        if self._patience is not None:
            self._patience.close()

    @property
    def is_remote(self) -> bool:
        """Whether flags come over the network."""
        return self._patience is not None

    async def prepare(self, route: str, scope: Scope, match: Match) -> Asked | None:
        """Do what has to be done before each decision, unless `is_plain`.

        Look at the state file, where no lifespan let a task be started that does; ask a remote flag system,
        for no longer than its time limit.

        Returns:
            What the decision takes, so that nothing is asked twice; None when nothing was.
        """
        if not self.is_watching and time.monotonic() >= self._look_again_at:
            self._look_again_at = time.monotonic() + _LOOK_EVERY_S
            self.load()
        flag, stands = self.switches[route].flag, self.switches[route].stands
        if self._patience is None or stands.settled is not None or stands.rollout.mode == "off":
            return (
                None  # nobody has to be asked; a route that is killed must not wait for a flag system either
            )
        asked = Asked(scope, match, flag.context)
        # What the context callable does not know, the decision will say.
        with contextlib.suppress(ContextUnknown):
            await self._advice[route].refresh(self._patience, asked, flag.unit(asked))
        return asked

    def decide(self, route: str, scope: Scope, match: Match) -> Decision:
        """Return who answers a request, and why; for the command line, where speed does not matter."""
        return self.switches[route].decide(scope, match)

    def shown(self, decision: Decision, scope: Scope, send: Send) -> Send:
        """Return a `send` that shows the decision, to a peer that gets to see it; else the very same."""
        if self.shows_to is None or peer_of(scope) not in self.shows_to:
            return send
        return showing(decision, send)

    def apply(self, state: State | None) -> None:
        """Put a state in force and tell of each route for which it is another than before.

        Args:
            state: the state; None when there is one that nobody can read.
        """
        # All of it or nothing: what can go wrong does so before the first switch is set.
        fresh = {
            name: controls(state, name) for name in self.switches if _may_differ(self._applied, state, name)
        }
        # All of them before anybody is told: whatever becomes of telling, a kill is in force.
        changed = [name for name, each in fresh.items() if self.switches[name].set(each)]
        self._applied = state
        for name in changed:
            self._tell(name, self.switches[name], state)

    def _tell(self, name: str, switch: Switch, state: State | None) -> None:
        mark, generation = _UNKNOWN, 0
        if state is not None:
            latest = state.latest(name)
            mark, generation = (latest.mark if latest is not None else _NOBODY), state.generation
        self._observer.observe(FlagChanged(name, in_force(switch), mark.who, mark.why, generation))

    def warnings(self) -> list[tuple[str, str]]:
        """Return what is probably not meant, as pairs of route id ("" for none) and problem."""
        override = self._config.flags.override
        unsigned = [("", _UNSIGNED)] if override is not None and override.unsigned_from else []
        return unsigned + [("", each) for each in flagspec.stray_variables(self._config, self._environ)]

    def _flag_system(self) -> "FlagSystem | None":
        settings = self._config.flags.openfeature
        if settings is None:
            return None
        flagspec.require_openfeature()
        # Imported when asked for, because what it needs is an extra.
        from forst_asgi.flags.openfeature import FlagSystem, Patience  # noqa: PLC0415

        def wait_in_threads() -> None:
            self._patience = Patience(system, settings.timeout)
            self.is_plain = False
            for each in self._advice.values():
                each.is_remote = True

        system = FlagSystem(self._observer, settings.domain, wait_in_threads)
        if settings.is_remote:
            wait_in_threads()
        return system

    def _make_switches(self, now: Callable[[], float]) -> dict[str, Switch]:
        context = self._config.flags.context
        source = None
        if context is not None:
            source = AppContext(flagspec.context_callable(context), self._observer)
        policy = flagspec.override_policy(self._config.flags.override, self._environ)
        trusted = convert.trusted_proxies(self._config)
        switches = {}
        for route in self._config.routes:
            spec = FlagSpec(
                route=route.id,
                configured=flagspec.configured(route, self._environ),
                stick=route.stick,
                salt=route.salt or "",
                rules=flagspec.rules(route),
                override=policy,
                trusted=trusted,
                context=source,
                advice=self._advise(route, trusted),
            )
            switches[route.id] = Switch(Flag(spec, now))
        return switches

    def _advise(self, route: RouteConfig, trusted: Peers) -> "RouteAdvice | None":
        settings = self._config.flags.openfeature
        if settings is None or self._system is None:
            return None
        from forst_asgi.runtime.advice import RouteAdvice  # noqa: PLC0415 - it needs an extra

        self._advice[route.id] = RouteAdvice(route, settings, self._system, trusted)
        return self._advice[route.id]


def controls(state: State | None, route: str) -> Controls:
    """Return what a state says about a route; None is a state that nobody can read."""
    if state is None:
        return Controls(is_unreadable=True)
    changed = state.route(route)
    return Controls(
        is_killed=state.killed is not None or changed.killed is not None,
        is_rolled_back=changed.rolled_back is not None,
        rollout=None if changed.mode is None else rollout_of(changed.mode, changed.percent),
    )


def _may_differ(before: State | None, after: State | None, route: str) -> bool:
    """Whether a route may be controlled otherwise than before; of thousands, hardly any is at a time."""
    if before is None or after is None or before.killed != after.killed:
        return True
    return before.route(route) != after.route(route)


def in_force(switch: Switch) -> str:
    """Return what a route gets at present, in a few words: "canary 5 %", "killed"."""
    changed = switch.stands.controls
    if changed.is_killed:
        return "killed"
    if changed.is_unreadable:
        return "unknown"
    return "rolled back" if changed.is_rolled_back else str(switch.stands.rollout)
