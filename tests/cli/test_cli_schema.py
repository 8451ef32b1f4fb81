"""forst-asgi schema."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from forst_asgi.config.schema import schema_text


def test_to_standard_output(command: Callable[..., Any], invoke: Callable[..., Any]) -> None:
    """The schema comes out as it is checked in."""
    assert invoke("schema").stdout == schema_text()
    done = command("schema")
    assert (done.returncode, done.stdout, done.stderr) == (0, schema_text(), "")


def test_to_a_file(invoke: Callable[..., Any], folder: Path) -> None:
    """With --output it goes to a file and nothing to standard output."""
    result = invoke("schema", "--output", "s.json")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "wrote s.json\n")
    assert (folder / "s.json").read_text(encoding="utf-8") == schema_text()
