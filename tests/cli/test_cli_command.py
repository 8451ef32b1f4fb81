"""The command as a whole: version, help, exit status, errors."""

import runpy
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from forst_asgi.cli.app import Commands
from forst_asgi.errors import SidecarError


def test_version(command: Callable[..., Any]) -> None:
    """The version is that of the installed distribution."""
    done = command("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"forst-asgi {version('forst-asgi')}\n", "")


def test_the_package_can_be_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m forst_asgi` is the same command."""
    monkeypatch.setattr("sys.argv", ["forst-asgi", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("forst_asgi", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("forst-asgi ")


def test_importing_main_runs_nothing() -> None:
    """Tools that import every module of a package are left alone."""
    assert "main" in runpy.run_module("forst_asgi.__main__", run_name="forst_asgi.__main__")


def test_without_a_subcommand_there_is_help(invoke: Callable[..., Any]) -> None:
    """Each subcommand is listed, and the status says that something was missing."""
    result = invoke()
    assert result.exit_code == 2
    for name in ("check", "routes", "explain", "schema", "demo"):
        assert f" {name} " in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["chek"],
        ["check", "--strickt"],
        ["check", "a", "b"],
        ["check", "--app-dir", "nowhere"],
        ["explain"],
        ["explain", "POST"],
        ["explain", "calculate"],
        ["explain", "GET", "/", "-H", "no-colon"],
        ["explain", "GET", "/", "-H", ": no name"],
        ["explain", "GET", "/", "-H", "x: ☃"],
        ["schema", "-o", "no/such/folder.json"],
        ["demo", "--port", "0"],
        ["demo", "--port", "65536"],
    ],
)
def test_misuse_has_a_status_of_its_own(
    invoke: Callable[..., Any], folder: Path, arguments: list[str]
) -> None:
    """A wrong command line ends with 2 and a word about what is wrong, on standard error."""
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error" in result.stderr


def _failing(error: Exception) -> typer.Typer:
    app = typer.Typer(cls=Commands)

    @app.command()
    def fail() -> None:
        raise error

    @app.command()
    def other() -> None: ...

    return app


def test_every_error_of_ours_is_told_without_traceback() -> None:
    """Whatever of ours a subcommand raises becomes text on standard error and status 1."""
    result = CliRunner().invoke(_failing(SidecarError("it [bold]broke[/]")), ["fail"])
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "it [bold]broke[/]\n")


def test_an_unexpected_error_is_not_hidden() -> None:
    """A defect shows its traceback."""
    defect = KeyError("defect")
    assert CliRunner().invoke(_failing(defect), ["fail"]).exception is defect
    assert CliRunner().invoke(_failing(defect), ["other"]).exit_code == 0
