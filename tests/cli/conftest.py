"""What the tests of the command share: configurations, and two ways to run it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner

from forst_asgi.cli.app import app

Invoke: TypeAlias = Callable[..., Any]
Command: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]

PLAIN = {"FORCE_COLOR": "", "TTY_COMPATIBLE": "0", "NO_COLOR": "1", "COLUMNS": "80", "TERM": "dumb"}

SHOP = """\
[sidecar]
command = ["./bin/sidecar", "--token=hunter2"]

[upstream.quotes]
address = "http://127.0.0.1:9001"

[[route]]
id = "order"
path = "/orders/{id:int}"
methods = ["PUT"]
mode = "on"
auth = "none"
timeout = "2s"
max_body = "1MiB"

[[route]]
id = "quote"
path = "/quotes/{id}"
methods = ["GET"]
mode = "on"
auth = "upstream"
upstream = "quotes"
rewrite = "/v2/quotes/{id}"

[[route]]
id = "basket"
path = "/basket"
auth = "none"
host = "*.example.com"
headers = { x-version = "2", x-tenant = "*" }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working directory, with a program at bin/sidecar."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "bin" / "sidecar"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    return tmp_path


@pytest.fixture
def config(folder: Path) -> Callable[[str], Path]:
    """Writes forst.toml in the working directory."""

    def write(text: str) -> Path:
        path = folder / "forst.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def shop(config: Callable[[str], Path]) -> Path:
    """A configuration with three routes and two upstreams."""
    return config(SHOP)


@pytest.fixture
def invoke() -> Invoke:
    """Runs the command in this process; what it raises, unless it ends the command, is raised here."""

    def run(*arguments: str | Path, env: dict[str, str] | None = None) -> Any:
        return CliRunner(env=PLAIN | (env or {})).invoke(
            app, list(map(str, arguments)), catch_exceptions=False
        )

    return run


@pytest.fixture
def command() -> Command:
    """Runs the command in a process of its own, in a pipe."""

    def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "forst_asgi", *map(str, arguments)],
            cwd=cwd,
            env=os.environ | PLAIN,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
