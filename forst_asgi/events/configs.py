"""Which configuration and which flags are in force."""

from dataclasses import dataclass
from typing import ClassVar

from forst_asgi.events.base import Event


@dataclass(frozen=True, slots=True)
class ConfigLoaded(Event):
    """A configuration is in force; `generation` is a short digest of it, the same in all workers.

    Attributes:
        forwarding: on how many of the routes a request may be forwarded, by their mode or by a rule.
    """

    name: ClassVar[str] = "forst.config.loaded"
    source: str
    routes: int
    forwarding: int
    upstreams: int
    generation: str


@dataclass(frozen=True, slots=True)
class ConfigReloaded(Event):
    """The file was read again and is in force; names the routes and upstreams that are not as before."""

    name: ClassVar[str] = "forst.config.reloaded"
    source: str
    generation: str
    by: str
    routes: tuple[str, ...]
    upstreams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigRefused(Event):
    """The file was read again and cannot be used; what was in force stays, with its `generation`."""

    name: ClassVar[str] = "forst.config.refused"
    level: ClassVar[str] = "error"
    source: str
    generation: str
    by: str
    problem: str


@dataclass(frozen=True, slots=True)
class ConfigWarned(Event):
    """The configuration can be used, but something in it is probably not meant."""

    name: ClassVar[str] = "forst.config.warned"
    level: ClassVar[str] = "warning"
    route: str
    problem: str


@dataclass(frozen=True, slots=True)
class FlagChanged(Event):
    """What a route may get is another than before, in this process; `mode` is what is in force now."""

    name: ClassVar[str] = "forst.flag.changed"
    route: str
    mode: str
    who: str
    why: str
    generation: int


@dataclass(frozen=True, slots=True)
class FlagsUnreadable(Event):
    """The state file of the flags cannot be used; what was known stays in force."""

    name: ClassVar[str] = "forst.flags.failed"
    level: ClassVar[str] = "error"
    file: str
    problem: str


@dataclass(frozen=True, slots=True)
class FlagContextFailed(Event):
    """The app's context callable failed; told once, until it has worked again."""

    name: ClassVar[str] = "forst.context.failed"
    level: ClassVar[str] = "error"
    problem: str


@dataclass(frozen=True, slots=True)
class FlagSystemFailed(Event):
    """The app's flag system gave nothing to go by for a route; told once, until it has again."""

    name: ClassVar[str] = "forst.openfeature.failed"
    level: ClassVar[str] = "warning"
    route: str
    problem: str
