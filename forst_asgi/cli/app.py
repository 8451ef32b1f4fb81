"""The command itself: its subcommands, and what becomes of errors."""

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from forst_asgi.cli.check import check
from forst_asgi.cli.demo import demo
from forst_asgi.cli.dev import CONTEXT, dev
from forst_asgi.cli.doctor import doctor
from forst_asgi.cli.explain import explain
from forst_asgi.cli.flags import app as flag
from forst_asgi.cli.flags import kill, override, unkill
from forst_asgi.cli.init import init
from forst_asgi.cli.output import complain, say
from forst_asgi.cli.reload import reload
from forst_asgi.cli.routes import routes
from forst_asgi.cli.schema import schema
from forst_asgi.cli.sidecar import app as sidecar
from forst_asgi.config import working_folder
from forst_asgi.errors import ForstError


class Commands(TyperGroup):
    """The subcommands; an error that is the user's to solve is told in its own words, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand."""
        try:
            working_folder()  # what every one of them looks at
            return super().invoke(ctx)
        except ForstError as error:
            complain(str(error))
            raise typer.Exit(1) from error


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        say(f"forst-asgi {version('forst-asgi')}")
        raise typer.Exit


# Typer's own tracebacks would show the values of variables, and with them what is in the configuration.
app = typer.Typer(cls=Commands, pretty_exceptions_enable=False, add_completion=False, no_args_is_help=True)
app.command()(init)
app.command()(check)
app.command()(doctor)
app.command()(routes)
app.command()(explain)
app.command()(reload)
app.add_typer(flag, name="flag")
app.command()(kill)
app.command()(unkill)
app.command()(override)
app.command()(schema)
app.command()(demo)
app.command(context_settings=CONTEXT)(dev)
app.add_typer(sidecar, name="sidecar")


@app.callback()
def forst_asgi(
    is_version_wanted: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Move endpoints from Python to Go, one at a time: tools for the configuration, and a demo."""


def main() -> None:
    """Run the command with the arguments of the process."""
    app(prog_name="forst-asgi")
