"""Arguments that several commands share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

_WHERE = "Left out: forst.toml, or the tool.forst table of pyproject.toml, here or in a folder above."

ConfigArgument: TypeAlias = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help=f"The configuration. {_WHERE}", show_default=False),
]
ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help=f"The configuration. {_WHERE}", show_default=False),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
