"""What a sidecar is handed by file descriptor: its lifeline, the secret, and a listening socket.

A descriptor leaves no trace: not in the arguments, which everybody on the machine can read, not on disk, and
not in an environment that goes on to children of the sidecar.

sd_listen_fds(3) wants the listener to be number 3, and `pass_fds` keeps the numbers as they are with us. So
between fork and exec the listener is put there with dup2, as a bare C call that takes no lock; a lock that
another thread holds is what makes `preexec_fn` dangerous. Python's own handlers for forks run before it, and
ours (`supervisor`) closes some descriptors: none of them may be number 3, see `not_three`. LISTEN_PID is left
out: nobody knows the number before the fork, and who insists on it finds FORST_LISTEN.

In the same moment the kernel is asked to kill the program when we die (`orphans`).
"""

import contextlib
import fcntl
import functools
import operator
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from forst_asgi.supervisor.orphans import AT_BIRTH
from forst_asgi.supervisor.spec import SidecarSpec

LISTEN_FD = 3


@dataclass(frozen=True, slots=True)
class Handed:
    """What to tell `subprocess.Popen`.

    Attributes:
        fds: the descriptors that stay open.
        environ: the variables that name them.
        place: called in the forked process, None when there is nothing to do; without a line of Python.
    """

    fds: tuple[int, ...]
    environ: dict[str, str]
    place: Callable[[], object] | None = None


@contextlib.contextmanager
def handed_over(spec: SidecarSpec, lifeline_fd: int) -> Iterator[Handed]:
    """Prepare the descriptors for one start; ours are closed again at the end of the block.

    Args:
        spec: `secret` and `listener_fd` are looked at.
        lifeline_fd: the read end of the lifeline; stays open.
    """
    fds, environ = [lifeline_fd], {"FORST_LIFELINE": str(lifeline_fd)}
    calls = [*AT_BIRTH]
    with contextlib.ExitStack() as closing:
        if spec.secret:
            secret_fd = _readable(spec.secret)
            closing.callback(os.close, secret_fd)
            fds.append(secret_fd)
            environ["FORST_SECRET_FD"] = str(secret_fd)
        if spec.listener_fd is not None:
            environ["LISTEN_FDS"] = "1"
            fds.append(LISTEN_FD)
            calls.append(functools.partial(os.dup2, spec.listener_fd, LISTEN_FD))
        yield Handed(
            tuple(fds), environ, functools.partial(tuple, map(operator.call, calls)) if calls else None
        )


@contextlib.contextmanager
def number_3_taken() -> Iterator[None]:
    """Make sure that descriptor 3 is open with us during the block, be it for nothing.

    Else it could be one that we are about to hand over, or the one through which `subprocess` tells of a
    failed exec; and the listener would be put on top of it.
    """
    fd = os.open(os.devnull, os.O_RDONLY)
    try:
        yield
    finally:
        os.close(fd)


def not_three(fd: int) -> int:
    """Return the descriptor, under another number if it is 3."""
    if fd != LISTEN_FD:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, LISTEN_FD + 1)
    finally:
        os.close(fd)


def _readable(content: bytes) -> int:
    """Return the read end of a pipe that holds the content and nothing more; it fits, so nothing waits."""
    read_fd, write_fd = os.pipe()
    try:
        os.write(write_fd, content)
    finally:
        os.close(write_fd)
    return read_fd
