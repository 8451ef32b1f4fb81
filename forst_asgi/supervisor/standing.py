"""What the leader tells the other workers about the sidecar, and `forst-asgi sidecar status` a person."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol, Self

from forst_asgi.errors import SidecarError
from forst_asgi.supervisor.policy import State


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the sidecar stands.

    Attributes:
        state: the policy's.
        generation: how many processes became ready until now; a new one means that connections to the one
            before lead nowhere any more.
        pid: the process that is there, if any.
        build: what it says it was built from.
        holds: whether connections that come while no process accepts them wait in our listener's backlog.
        inode: of the socket file that this listener is bound to.
        starts: how many processes were started.
        problem: why the last one ended or could not be started.
        build_problem: why the last build of the program failed, None if it did not.
        leader: the process number of the worker that tells this.
        nonce: what the process was given to prove that it is the one.
        secret: what identities are signed with.
    """

    state: State = State.STOPPED
    generation: int = 0
    pid: int | None = None
    build: str | None = None
    holds: bool = False
    inode: int = 0
    starts: int = 0
    problem: str | None = None
    build_problem: str | None = None
    leader: int = 0
    nonce: str = field(default="", repr=False)
    secret: bytes = field(default=b"", repr=False)

    @property
    def is_ready(self) -> bool:
        """Whether there is a process that answers."""
        return self.state is State.READY

    @property
    def state_text(self) -> str:
        """The state in words, such as "backing off"."""
        return self.state.value.replace("_", " ")

    @property
    def takes_requests(self) -> bool:
        """Whether it makes sense to connect at all."""
        if self.is_ready:
            return True
        return self.holds and self.generation > 0 and self.state is State.STARTING

    def to_json(self, *, with_secrets: bool) -> dict[str, Any]:
        """Return plain values."""
        plain: dict[str, Any] = asdict(self)
        plain.update(state=self.state.value, secret=self.secret.hex())
        if not with_secrets:
            del plain["secret"], plain["nonce"], plain["inode"]
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Self:
        """Return what `to_json` made, secrets included or not; what we do not know of is left out."""
        known = {each.name: plain[each.name] for each in fields(cls) if each.name in plain}
        known.update(state=State(plain["state"]), secret=bytes.fromhex(plain.get("secret", "")))
        return cls(**known)


class Audience(Protocol):
    """Who has to know where the sidecar stands."""

    def tell(self, standing: Standing) -> None:
        """Take note."""
        ...

    async def heard(self, generation: int) -> None:
        """Return when nobody uses connections to earlier generations, or after a time that is long enough."""
        ...


def encode(message: dict[str, Any]) -> bytes:
    """Return one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Return what a line says.

    Raises:
        SidecarError: it is not a JSON object.
    """
    try:
        said = json.loads(line)
    except ValueError as error:
        raise SidecarError(f"control socket: not JSON: {line[:80]!r}") from error
    if not isinstance(said, dict):
        raise SidecarError(f"control socket: not an object: {line[:80]!r}")
    return said
