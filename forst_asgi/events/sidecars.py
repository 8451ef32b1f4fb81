"""What the sidecar does, and its program's builds."""

from dataclasses import dataclass
from typing import Any, ClassVar

from forst_asgi.events.base import Event


@dataclass(frozen=True, slots=True)
class SidecarStarted(Event):
    """The sidecar process exists; of its command only the program is told, "…" stands for its arguments."""

    name: ClassVar[str] = "forst.sidecar.started"
    upstream: str
    pid: int
    command: str


@dataclass(frozen=True, slots=True)
class SidecarReady(Event):
    """The sidecar answered its probe."""

    name: ClassVar[str] = "forst.sidecar.ready"
    upstream: str
    pid: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class SidecarFailed(Event):
    """No sidecar could be started at a request, or it ended so often that it is only tried now and then."""

    name: ClassVar[str] = "forst.sidecar.failed"
    level: ClassVar[str] = "error"
    problem: str


@dataclass(frozen=True, slots=True)
class BuildFinished(Event):
    """The sidecar's program was built."""

    name: ClassVar[str] = "forst.build.finished"
    upstream: str
    duration_ms: float


@dataclass(frozen=True, slots=True)
class BuildFailed(Event):
    """The sidecar's program could not be built; the one before goes on."""

    name: ClassVar[str] = "forst.build.failed"
    level: ClassVar[str] = "error"
    upstream: str
    problem: str


@dataclass(frozen=True, slots=True)
class FolderRestored(Event):
    """Somebody removed a file that the workers and their sidecar find each other by; it is there anew."""

    name: ClassVar[str] = "forst.folder.restored"
    level: ClassVar[str] = "warning"
    upstream: str
    missing: str


@dataclass(frozen=True, slots=True)
class SidecarUnready(Event):
    """The sidecar says that it is not ready, or has not answered for a while; requests are refused."""

    name: ClassVar[str] = "forst.sidecar.unready"
    level: ClassVar[str] = "warning"
    upstream: str
    pid: int
    problem: str


@dataclass(frozen=True, slots=True)
class SidecarRecovered(Event):
    """The sidecar is ready again."""

    name: ClassVar[str] = "forst.sidecar.recovered"
    upstream: str
    pid: int


@dataclass(frozen=True, slots=True)
class SidecarHung(Event):
    """The sidecar did not answer several times in a row and is killed."""

    name: ClassVar[str] = "forst.sidecar.hung"
    level: ClassVar[str] = "error"
    upstream: str
    pid: int
    problem: str


@dataclass(frozen=True, slots=True)
class SidecarDelayed(Event):
    """The sidecar ended several times in a row, or could not be started; the next start has to wait."""

    name: ClassVar[str] = "forst.sidecar.delayed"
    level: ClassVar[str] = "warning"
    upstream: str
    failures: int
    pause_ms: float
    problem: str


@dataclass(frozen=True, slots=True)
class SidecarReplaced(Event):
    """Requests go to another process now; the one before drains."""

    name: ClassVar[str] = "forst.sidecar.replaced"
    upstream: str
    pid: int
    old_pid: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class SidecarJoined(Event):
    """Another worker of this host runs the sidecar; this one uses it."""

    name: ClassVar[str] = "forst.sidecar.joined"
    upstream: str
    pid: int | None
    leader: int


@dataclass(frozen=True, slots=True)
class SidecarWrote(Event):
    """The sidecar wrote a line to its standard output or error."""

    name: ClassVar[str] = "forst.sidecar.wrote"
    upstream: str
    pid: int
    line: str


@dataclass(frozen=True, slots=True)
class SidecarLogged(Event):
    """The sidecar logged a record as JSON, such as Go's slog writes; it is as loud as its `severity`."""

    name: ClassVar[str] = "forst.sidecar.logged"
    upstream: str
    pid: int
    severity: str
    message: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SidecarExited(Event):
    """The sidecar process ended although nobody asked it to."""

    name: ClassVar[str] = "forst.sidecar.exited"
    level: ClassVar[str] = "error"
    upstream: str
    pid: int
    exit_status: int


@dataclass(frozen=True, slots=True)
class SidecarStopped(Event):
    """The sidecar process ended because it was asked to."""

    name: ClassVar[str] = "forst.sidecar.stopped"
    upstream: str
    pid: int
    exit_status: int
    duration_ms: float
