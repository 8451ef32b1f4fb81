"""Where a configuration comes from: it decides how mistakes are named and what relative paths mean."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import ValidationInfo

from forst_asgi.config.findings import KeyPath, wrong
from forst_asgi.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Origin:
    """The file, or the Python code, that a configuration was written in.

    Attributes:
        name: the file as a person would name it, or "<python>".
        folder: what relative paths are relative to.
        prefix: what comes before each key when it is shown: `tool.forst` in pyproject.toml.
        lines: the line of each key path, the prefix included, from 1.
        shown_as: keys that are shown under another name than their alias.
        is_file: whether keys must have the spelling of the file format.
    """

    name: str
    folder: Path
    prefix: KeyPath = ()
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    shown_as: Mapping[str, str] = field(default_factory=dict)
    is_file: bool = True

    @classmethod
    def python(cls, *, prefix: KeyPath = (), shown_as: Mapping[str, str] | None = None) -> Self:
        """Return the origin of models built in Python; the working directory is their folder."""
        return cls("<python>", working_folder(), prefix, shown_as=shown_as or {}, is_file=False)

    def line_of(self, where: KeyPath) -> int | None:
        """Return the line of a key, or of the innermost table around it; None outside of files."""
        path = (*self.prefix, *where)
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1) if self.is_file else None


def working_folder() -> Path:
    """Return the working directory.

    Raises:
        ConfigError: it was removed.
    """
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise ConfigError(
            "the working directory is gone; expected to be started in one that exists"
        ) from error


def written_in(info: ValidationInfo) -> Origin:
    """Return the origin of what is being validated: the context if there is one, else Python code."""
    if isinstance(info.context, Origin):
        return info.context
    return Origin.python()


def resolved(path: str, info: ValidationInfo) -> str:
    """Return the path made absolute: `~` expanded, then relative to the configuration's folder.

    Raises:
        PydanticCustomError: the text is no path, or `~somebody` has no home.
    """
    if not path or "\0" in path:
        raise wrong(expected="a path")
    try:
        os.fsencode(path)
        return str(written_in(info).folder / Path(path).expanduser())
    except UnicodeEncodeError as error:
        raise wrong(expected="a path") from error
    except RuntimeError as error:
        raise wrong("there is no such home folder") from error
