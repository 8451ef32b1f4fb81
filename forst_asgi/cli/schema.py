"""`forst-asgi schema`: the JSON Schema of the configuration, for editors."""

from pathlib import Path
from typing import Annotated

import typer

from forst_asgi.cli.output import note, say
from forst_asgi.config.schema import schema_text

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write it there.", show_default=False),
]


def schema(output: Output = None) -> None:
    """Write the JSON Schema of forst.toml, with which editors complete keys and underline mistakes."""
    if output is None:
        say(schema_text().rstrip("\n"))
        return
    try:
        output.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{output}: {error.strerror}", param_hint="--output") from error
    note(f"wrote {output}")
