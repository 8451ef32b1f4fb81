"""Reads a TOML file into a document that knows the line of each of its keys."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from forst_asgi.config.findings import KeyPath
from forst_asgi.config.origin import Origin, working_folder
from forst_asgi.config.positions import key_lines
from forst_asgi.errors import ConfigError, Mistake

PYPROJECT: Final = "pyproject.toml"
PYPROJECT_TABLE: Final[KeyPath] = ("tool", "forst")

_PLACE: Final = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says to forst.

    Attributes:
        origin: the file, for naming mistakes.
        content: its TOML; of a pyproject.toml, the table `[tool.forst]`. None when it has no such table.
    """

    origin: Origin
    content: object


def read_document(path: Path) -> Document:
    """Read and parse a file.

    Raises:
        ConfigError: it cannot be read, is a folder, is not UTF-8 or not TOML.
    """
    path = _at_home(path)
    folder = path.parent if path.is_absolute() else working_folder() / path.parent
    name = shown_path(path)
    text = _decoded(_bytes_of(path, name), name)
    whole, lines = _parsed(text, name)
    prefix = PYPROJECT_TABLE if path.name == PYPROJECT else ()
    return Document(Origin(name, folder, prefix, lines), _inside(whole, prefix))


def shown_path(path: Path) -> str:
    """Return the path as a person in the working directory would write it."""
    if not path.is_absolute():
        return str(path)
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, FileNotFoundError):  # it is elsewhere, or the working directory is gone
        return str(path)


def _at_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise _unusable(str(path), "there is no such home folder") from error


def _inside(content: object, prefix: KeyPath) -> object:
    for part in prefix:
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _bytes_of(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except IsADirectoryError as error:
        hint = f'a file such as "{path / "forst.toml"}"'
        raise _unusable(name, "is a folder", expected=hint) from error
    except FileNotFoundError as error:
        raise _unusable(name, "there is no such file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unusable(name, f"cannot be read: {reason.lower()}") from error


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise _unusable(name, "is not UTF-8", line=line, column=column, expected="text in UTF-8") from error


def _parsed(text: str, name: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    try:
        return tomllib.loads(text), key_lines(text)
    except RecursionError as error:
        raise _unusable(name, "is nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError, and what int() says of absurdly long numbers
        place = _PLACE.search(str(error))
        problem = f"is not TOML: {_PLACE.sub('', str(error)).lower()}"
        line, column = (int(place[1]), int(place[2])) if place and place[1] else (_last_line(text), None)
        raise _unusable(name, problem, line=line if place else None, column=column) from error


def _last_line(text: str) -> int:
    return text.rstrip("\n").count("\n") + 1


def _unusable(
    name: str,
    problem: str,
    *,
    line: int | None = None,
    column: int | None = None,
    expected: str | None = None,
) -> ConfigError:
    mistake = Mistake(name, line, column, key="", value=None, problem=problem, expected=expected)
    return ConfigError(mistakes=[mistake])
