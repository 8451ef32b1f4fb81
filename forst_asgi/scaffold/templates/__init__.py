"""The files of a scaffold, with ${placeholders}."""

from collections.abc import Mapping
from importlib.resources import files
from string import Template


def fill(name: str, values: Mapping[str, str]) -> str:
    """Return a template's text with its placeholders filled in.

    Args:
        name: of the file, without ".tmpl".
        values: for each placeholder.
    """
    text = files(__name__).joinpath(f"{name}.tmpl").read_text(encoding="utf-8")
    return Template(text).substitute(values)
