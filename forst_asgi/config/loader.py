"""Finds the configuration and turns it into a `Config`."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from forst_asgi.config.diagnostics import mistakes_in
from forst_asgi.config.document import PYPROJECT, Document, read_document
from forst_asgi.config.models import Config
from forst_asgi.config.origin import working_folder
from forst_asgi.errors import ConfigError

FILE: Final = "forst.toml"

MINIMAL: Final = """\
[sidecar]
address = "http://127.0.0.1:9000"

[[route]]
id = "calculate"
path = "/calculate"
mode = "on"
auth = "none"
"""
"""The smallest file that forwards something."""


def load(source: str | os.PathLike[str] | Config | None = None, *, start: Path | None = None) -> Config:
    """Return the configuration.

    Args:
        source: a file, or a Config, which is returned as it is. None looks for forst.toml, then for a
            pyproject.toml with a table [tool.forst], in the folder `start` and then in each one above.
        start: where to begin looking, the working directory if None.

    Raises:
        ConfigError: there is no configuration, or it cannot be used; all its mistakes are listed.
    """
    if isinstance(source, Config):
        return source
    if not isinstance(source, str | os.PathLike | None):
        raise ConfigError(
            f"config: expected the path of a file, or a Config, not {type(source).__name__}"
            + ("; Config.model_validate makes one of it" if isinstance(source, Mapping) else "")
        )
    document = _nearest(start or working_folder()) if source is None else _named(Path(source))
    try:
        return Config.model_validate(document.content, context=document.origin)
    except ValidationError as error:
        raise ConfigError(mistakes=mistakes_in(error, document.origin, document.content)) from None


def _named(path: Path) -> Document:
    document = read_document(path)
    if document.content is None:
        raise ConfigError(
            f"{document.origin.name}: there is no table [tool.forst] in it\n\n{_example('tool.forst.')}"
        )
    return document


def _nearest(start: Path) -> Document:
    for path in _candidates(start):
        document = read_document(path) if _mentions_forst(path) else None
        if document and document.content is not None:
            return document
    raise ConfigError(_not_found(start))


def _candidates(start: Path) -> Iterator[Path]:
    for folder in (start.absolute(), *start.absolute().parents):
        yield folder / FILE
        yield folder / PYPROJECT


def _mentions_forst(path: Path) -> bool:
    """Whether a file is worth parsing: somebody else's broken pyproject.toml is not our business."""
    if path.name == FILE:
        return os.path.exists(path)  # noqa: PTH110 - Path.exists raises where nobody may look
    try:
        return b"forst" in path.read_bytes()
    except OSError:
        return False


def _not_found(start: Path) -> str:
    looked = "\n".join(f"  {path}{_hindrance(path)}" for path in _candidates(start))
    what = "for forst.toml, and for a table [tool.forst] in pyproject.toml"
    return f"no configuration found; looked {what}:\n{looked}\n\n{_example()}"


def _hindrance(path: Path) -> str:
    """Say why nobody can tell whether there is such a file, if so."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return f" ({str(error.strerror).lower()})"
    return ""


def _example(prefix: str = "") -> str:
    text = MINIMAL.replace("[sidecar]", f"[{prefix}sidecar]").replace("[[route]]", f"[[{prefix}route]]")
    return f"A minimal configuration:\n\n{text}"
