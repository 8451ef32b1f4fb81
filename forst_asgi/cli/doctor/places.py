"""Sockets and ports: can they be made, are they free, does somebody listen?"""

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias

from forst_asgi.cli.doctor.finding import Finding, fail, ok, warn
from forst_asgi.config import Address, Config, UpstreamConfig
from forst_asgi.runtime import convert
from forst_asgi.sockets import SOCKET_PATH_LIMIT
from forst_asgi.supervisor import HomeKey
from forst_asgi.supervisor.bases import Refused, check_base, default_bases

Answer: TypeAlias = Literal["listening", "refused", "missing", "unreachable"]

PATIENCE_S: Final = 1.0
"""How long a connection may take."""


def check_places(config: Config, bases: Iterable[str] | None = None) -> Iterator[Finding]:
    """Look at the address of each upstream.

    Args:
        config: a right one.
        bases: where private directories are made; where the supervisor makes them if None.
    """
    looked = [*(default_bases(os.environ) if bases is None else bases)]
    for name, upstream in convert.all_upstreams(config).items():
        subject = f"upstream {name}"
        path = _path_of(upstream)
        if path is not None:
            yield from check_socket(subject, Path(path), is_ours=upstream.command is not None)
        elif upstream.address is not None:
            yield check_port(subject, upstream.address, is_ours=upstream.command is not None)
        else:
            yield _check_private(subject, name, looked)
    yield from check_leftovers(looked)


def _path_of(upstream: UpstreamConfig) -> str | None:
    if upstream.address is not None:
        return upstream.address.path if upstream.address.kind == "unix" else None
    return None if upstream.socket in (None, "auto") else str(upstream.socket)


def _check_private(subject: str, name: str, bases: Iterable[str]) -> Finding:
    refusals = []
    for base in bases:
        try:
            _check_base(base, name)
        except (OSError, Refused) as error:
            refusals.append(f"{base}: {getattr(error, 'strerror', None) or error}")
        else:
            return ok(subject, f"a private socket, in a directory of its own in {base}")
    remedy = "set XDG_RUNTIME_DIR to a short path to a directory that only this user can write to"
    return fail(subject, "no place for a private socket: " + "; ".join(refusals), remedy)


def _check_base(base: str, name: str) -> None:
    check_base(base)
    if not os.access(base, os.W_OK | os.X_OK):
        raise Refused("is not writable")
    length = len(os.fsencode(f"{base}/{HomeKey('', name).directory_name}/{name}.sock"))
    if length > SOCKET_PATH_LIMIT:
        raise Refused(f"a socket in it has a path of {length} bytes, and may have {SOCKET_PATH_LIMIT}")


def check_socket(subject: str, path: Path, *, is_ours: bool) -> Iterator[Finding]:
    """Look at a Unix socket and the directory that it is in.

    Args:
        subject: what to call it.
        path: of the socket.
        is_ours: whether forst starts what listens there.
    """
    try:
        found = path.parent.stat()
    except OSError as error:
        yield fail(subject, f"{path.parent}: {error.strerror}", f"mkdir -m 700 {path.parent}")
        return
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid not in {0, os.geteuid()} or mode & 0o022:
        text = f"{path.parent} has mode {mode:04o} and owner {found.st_uid}: others could put a socket there"
        yield warn(subject, text, f"chmod go-w {path.parent}, or choose a directory of yours")
    yield _check_listener(subject, path, is_ours=is_ours)


def _check_listener(subject: str, path: Path, *, is_ours: bool) -> Finding:
    match knock(str(path)), is_ours:
        case "listening", _:
            return ok(subject, f"somebody listens on {path}")
        case "missing", True:
            return ok(subject, f"{path} is free")
        case "missing", False:
            return warn(subject, f"{path} is not there: nobody listens", "start the sidecar")
        case "refused", _:
            return warn(subject, f"{path} is stale: nobody listens on it any more", f"rm {path}")
    return fail(subject, f"{path} cannot be connected to", "look at its owner and mode")


def check_port(subject: str, address: Address, *, is_ours: bool) -> Finding:
    """Look at a TCP port.

    Args:
        subject: what to call it.
        address: host and port.
        is_ours: whether forst starts what listens there.
    """
    where = f"{address.host}:{address.port}"
    match knock((str(address.host), address.port or 0)), is_ours:
        case "listening", True:
            remedy = "if it is not this app's own sidecar, end it or choose another port"
            return warn(subject, f"somebody listens on {where} already", remedy)
        case "listening", False:
            return ok(subject, f"somebody listens on {where}")
        case _, True:
            return ok(subject, f"{where} is free")
    return warn(subject, f"nobody listens on {where}", "start the sidecar")


def check_leftovers(bases: Iterable[str]) -> Iterator[Finding]:
    """Look for private directories that no worker lives in any more."""
    dead = sorted({str(path.parent) for base in bases for path in _members(Path(base)) if _is_deserted(path)})
    if dead:
        text = f"left by an app that was killed, removed at the next start: {' '.join(dead)}"
        yield warn("stale sockets", text, f"rm -r {' '.join(dead)}")
    else:
        yield ok("stale sockets", "none")


def _members(base: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):  # not ours to look into
        yield from base.glob("forst-*-*/members")


def _is_deserted(path: Path) -> bool:
    """Whether nobody holds the lock that every worker holds as long as it lives."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if os.fstat(fd).st_uid != os.geteuid():
            return False
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)


def knock(where: str | tuple[str, int]) -> Answer:
    """Connect to a Unix socket or a host and port, and hang up at once."""
    try:
        if isinstance(where, tuple):
            socket.create_connection(where, PATIENCE_S).close()
            return "listening"
        with socket.socket(socket.AF_UNIX) as made:
            made.settimeout(PATIENCE_S)
            made.connect(where)
            return "listening"
    except OSError as error:
        known: dict[int | None, Answer] = {errno.ECONNREFUSED: "refused", errno.ENOENT: "missing"}
        return known.get(error.errno, "unreachable")
