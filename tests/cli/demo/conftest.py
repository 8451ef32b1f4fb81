"""What the tests of the demo share: a copy of it that has its own ports, and processes to look for."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parents[3]

Descendants: TypeAlias = Callable[[int], dict[int, str]]


@pytest.fixture(scope="session")
def checkout(go_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the demo needs of the repository, whose sidecar on TCP has a port of its own."""
    root = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__", "bin")
    for name in ("demo_app", "go"):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    config = root / "demo_app" / "forst.toml"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config.write_text(config.read_text(encoding="utf-8").replace("9137", str(port)), encoding="utf-8")
    return root


@pytest.fixture
def runtime_dir() -> Iterator[Path]:
    """A short private folder for the sockets of sidecars."""
    base = Path(tempfile.gettempdir()).resolve()
    folder = Path(tempfile.mkdtemp(prefix="forst-test-", dir=base))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def descendants() -> Descendants:
    """Returns the processes below one, with their command lines."""

    def find(root: int) -> dict[int, str]:
        # -ww: where COLUMNS is set, ps cuts off the names of programs in long folders.
        listed = subprocess.run(
            ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        )
        rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
        processes = [(int(pid), int(parent), args) for pid, parent, args in rows]
        found: dict[int, str] = {}
        below = {root}
        while below:
            children = {pid: args for pid, parent, args in processes if parent in below}
            found |= children
            below = set(children)
        return found

    return find
