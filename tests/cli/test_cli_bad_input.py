"""What people get wrong, and the one clear line that they get for it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SIDECAR = '[sidecar]\naddress = "http://127.0.0.1:9000"\n'
ROUTE = '[[route]]\nid = "a"\npath = "/a"\nauth = "none"\n'

MISTAKES = {
    "unknown key": (SIDECAR + ROUTE + 'timout = "2s"\n', r'forst\.toml:7: .*timout.*unknown key.*"timeout"'),
    "wrong unit": (SIDECAR + ROUTE + 'timeout = "2 parsecs"\n', r"forst\.toml:7: .*timeout.*a duration"),
    "no unit": (SIDECAR + ROUTE + "timeout = 30\n", r'forst\.toml:7: .*30.*"5s".*"30s"'),
    "duplicate id": (SIDECAR + ROUTE + ROUTE, r"forst\.toml:8: .*has this id already"),
    "bad template": (SIDECAR + ROUTE.replace('"/a"', '"/a/{"'), r"forst\.toml:5: route\[0\]\.path"),
    "long socket": (f'[sidecar]\naddress = "unix:/{"x" * 107}"\n', r"forst\.toml:2: .*108 bytes long"),
    "no scheme": (
        '[sidecar]\naddress = "localhost:9000"\n',
        r"forst\.toml:2: .*scheme.*http://localhost:9000",
    ),
    "syntax": (SIDECAR + "[[route]\n", r"forst\.toml:3:\d+: is not TOML"),
    "secret": (
        '[sidecar]\ncommand = ["a"]\nenv = { TOKEN = 5 }\n',
        r"forst\.toml:3: sidecar\.env\.TOKEN = …",
    ),
}


@pytest.mark.parametrize("subcommand", [["check"], ["routes"], ["explain", "/", "-c"]])
@pytest.mark.parametrize("name", MISTAKES)
def test_one_mistake_is_one_line(
    invoke: Callable[..., Any], config: Callable[[str], Path], name: str, subcommand: list[str]
) -> None:
    """Each mistake is one line with its place, for every subcommand that reads the file."""
    text, expected = MISTAKES[name]
    config(text)
    result = invoke(*subcommand, "forst.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(rf"{expected}.*\n", result.stderr), result.stderr


def test_all_mistakes_at_once(command: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """Several mistakes are several lines, not wrapped in a pipe and without traceback."""
    path = config("\n".join(text for text, _ in list(MISTAKES.values())[:1]) + 'tiemout = "1s"\nmod = "on"\n')
    done = command("check", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 3
    assert "Traceback" not in done.stderr


def test_no_configuration(command: Callable[..., Any], tmp_path: Path) -> None:
    """Without a file, the places that were looked at and a minimal configuration are shown."""
    done = command("check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no configuration found; looked for forst.toml")
    assert f"{tmp_path}/forst.toml" in done.stderr
    assert "[[route]]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there(invoke: Callable[..., Any], folder: Path) -> None:
    """A missing file is named."""
    result = invoke("check", "prod.toml")
    assert (result.exit_code, result.stderr) == (1, "prod.toml: there is no such file\n")


def test_a_working_directory_that_is_gone(invoke: Callable[..., Any], folder: Path) -> None:
    """One line, whatever the command would have done there."""
    (folder / "bin" / "sidecar").unlink()
    (folder / "bin").rmdir()
    folder.rmdir()
    result = invoke("doctor")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("the working directory is gone")


def test_a_folder(invoke: Callable[..., Any], folder: Path) -> None:
    """A folder is no file, and the likely file in it is suggested."""
    result = invoke("check", "bin")
    assert (result.exit_code, result.stderr) == (
        1,
        'bin: is a folder, expected a file such as "bin/forst.toml"\n',
    )
