"""What the operating system says of processes and of itself (proc(5)); Linux only."""

import contextlib
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it: the workers of a server, for example."""
    children: dict[int, list[int]] = {}
    for each in PROC.iterdir():
        if each.name.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat(int(each.name))[1]), []).append(int(each.name))
    return list(_below(pid, children))


def _below(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    yield pid
    for child in children.get(pid, []):
        yield from _below(child, children)


def _stat(pid: int) -> list[str]:
    """Return the fields after the name: state, parent, ... (utime and stime are 11 and 12)."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the user and system time that processes have used, all threads together."""
    fields = [_stat(pid) for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / TICKS_PER_S


def memory_kib(pids: Iterable[int], what: str = "VmRSS") -> int:
    """Return the resident memory of processes: VmRSS now, VmHWM at most until now."""
    return sum(_status(pid, what) for pid in pids)


def _status(pid: int, what: str) -> int:
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1])
    raise LookupError(what)


def forget_peak(pids: Iterable[int]) -> None:
    """Let VmHWM begin anew from what is in use now."""
    for pid in pids:
        (PROC / str(pid) / "clear_refs").write_text("5")


def cores() -> tuple[list[int], list[int]]:
    """Return the cores for what is measured, and those for load and upstream; all, if there is only one."""
    have = sorted(os.sched_getaffinity(0))
    return (have[:1], have[1:]) if len(have) > 1 else (have, have)


def pinned(command: list[str], where: list[int]) -> list[str]:
    """Return a command that runs on these cores only."""
    return ["taskset", "-c", ",".join(map(str, where)), *command]


def described() -> dict[str, str]:
    """Return what a reader wants to know of the machine."""
    model = [
        line.partition(":")[2].strip()
        for line in (PROC / "cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": f"{len(model)} cores, {model[0] if model else platform.machine()}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "date": time.strftime("%Y-%m-%d"),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def first_line(command: list[str]) -> str:
    """Return the first line that a command prints, on whichever stream; "" if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return ""
    return (done.stdout.strip() or done.stderr.strip()).partition("\n")[0]
