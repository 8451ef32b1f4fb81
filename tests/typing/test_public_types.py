"""The public names have the types that users count on."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="mypy comes with the extra `lint`")

ROOT = Path(__file__).parents[2]


def test_what_users_write_is_well_typed() -> None:
    """Mypy, strict, accepts a module that uses everything public, and refuses what is wrong in it."""
    command = [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", "tests/typing/as_a_user.py"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
