"""Which child processes this process has, ended ones that nobody reaped included."""

import os
from pathlib import Path


def children() -> set[int]:
    """Return the process numbers of our children; none where there is no /proc (macOS).

    Other tests' long-lived fixtures may be among them.
    """
    return {
        int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _parent(stat) == os.getpid()
    }


def _parent(stat: Path) -> int | None:
    """Return the parent's number (proc(5)); the command before it may hold anything, parentheses too."""
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None  # it ended meanwhile
