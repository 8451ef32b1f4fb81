"""What to run, as the runner sees it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SidecarSpec:
    """One sidecar program and how long it may take.

    Attributes:
        name: the upstream's name; it stands in events and errors.
        command: the program and its arguments. A program without "/" is looked for in PATH, any other
            from `cwd`; no shell is involved.
        listen: where the program shall listen, "unix:/path" or "tcp:127.0.0.1:9000"; it gets that as
            FORST_LISTEN.
        cwd: its working directory; None means ours.
        env: variables it gets in addition; these win over what it takes from us.
        env_pass: names of variables it takes from us in addition to the allow-list (`environ.ALLOWED`).
        ready_timeout_s: how long it may take from its start until the probe says yes.
        stop_timeout_s: how long it may take from SIGTERM until its whole process group has ended; it gets
            a little less as FORST_GRACE.
        memory_limit: bytes that it may use, None for no limit; it gets nine tenths of it as GOMEMLIMIT.
        cpus: how many processors it may use at a time, as GOMAXPROCS; None for all.
        secret: what it verifies our signatures with; handed over by file descriptor.
        nonce: what it has to show to be taken for the process that we started; it gets that as FORST_NONCE.
        listener_fd: a listening socket of ours to hand over as file descriptor 3 (sd_listen_fds(3)).
    """

    name: str
    command: tuple[str, ...]
    listen: str
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    env_pass: tuple[str, ...] = ()
    ready_timeout_s: float = 10.0
    stop_timeout_s: float = 10.0
    memory_limit: int | None = None
    cpus: int | None = None
    secret: bytes = field(default=b"", repr=False)
    nonce: str = field(default="", repr=False)
    listener_fd: int | None = None

    @property
    def shown(self) -> str:
        """The program, with "…" for its arguments: secrets may stand there."""
        program, *arguments = self.command or ("",)
        return f"{shlex.quote(program)} …" if arguments else shlex.quote(program)
