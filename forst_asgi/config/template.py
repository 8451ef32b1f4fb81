"""The syntax of path templates, as Starlette's router reads them: `/quotes/{id:int}`.

Only the syntax is checked here; what a template matches is decided where routes are compiled.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from starlette.convertors import CONVERTOR_TYPES

from forst_asgi.config.findings import either, nearest, wrong

PATH_PATTERN: Final = r"^/[^?#]*$"

_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_PARAMETER: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::([A-Za-z_][A-Za-z0-9_]*))?")


def parameters(template: str) -> tuple[str, ...]:
    """Return the names of the parameters of a template, in their order."""
    return tuple(braces.partition(":")[0] for braces in _BRACES.findall(template))


def convertors(template: str) -> dict[str, str]:
    """Return the parameters of a template with their convertors; what is no parameter is left out."""
    found = [_PARAMETER.fullmatch(braces) for braces in _BRACES.findall(template)]
    return {each[1]: each[2] or "str" for each in found if each}


def path_template(value: str) -> str:
    """Return the template unchanged if Starlette's router can use it.

    Raises:
        PydanticCustomError: it cannot, or no request target could ever match it.
    """
    _plain_path(value)
    _refuse_stray_braces(value)
    seen: set[str] = set()
    for name, convertor in _each_parameter(value):
        if name in seen:
            raise wrong(f'the parameter "{name}" stands twice')
        if convertor not in CONVERTOR_TYPES:
            known = sorted(CONVERTOR_TYPES)
            raise wrong(
                f'the convertor "{convertor}" is not known',
                expected=either(known),
                suggestion=nearest(convertor, known),
            )
        seen.add(name)
    return value


def rewrite_template(value: str) -> str:
    """Return the template of an upstream path unchanged: it may name parameters, without convertors."""
    _plain_path(value)
    _refuse_stray_braces(value)
    for braces in _BRACES.findall(value):
        name, colon, _ = braces.partition(":")
        if colon:
            raise wrong("convertors belong to `path`", expected=f"just {{{name}}}")
        _parameter(braces)
    return value


def literal_prefix(value: str) -> str:
    """Return a prefix of paths unchanged: it has no parameters and does not end in a slash."""
    _plain_path(value)
    if value == "/":
        raise wrong("there is nothing to strip", expected='a prefix such as "/api"')
    if value.endswith("/"):
        raise wrong("must not end in a slash", suggestion=value.rstrip("/"))
    if re.search(r"[{}]", value):
        raise wrong("cannot have parameters", expected='a literal prefix such as "/api"')
    return value


def plain_target(value: str) -> str:
    """Return a path that is requested as it stands; it may have a query."""
    if not re.fullmatch(r"/[!-\"$-~]*", value):
        raise wrong(expected='a path such as "/healthz"', suggestion=_with_slash(value))
    return value


def _plain_path(value: str) -> None:
    if not value.startswith("/"):
        raise wrong(expected='a path that starts with "/"', suggestion=_with_slash(value))
    if re.search(r"[?#]", value):
        raise wrong('a path has no "?" or "#"', suggestion=re.split(r"[?#]", value)[0])
    if "%" in value:
        raise wrong('a path is written without escapes such as "%20"', suggestion=_decoded(value))
    if re.search(r"[\ud800-\udfff\ufffd]", value):
        raise wrong("has a character that no request target can have")
    if re.search(r"[\x00-\x20\x7f\\]", value):
        raise wrong("a path has no spaces, control characters or backslashes")
    segments = value[1:].split("/")
    if "" in segments[:-1]:
        raise wrong('"//" matches no request', suggestion=re.sub("/{2,}", "/", value))
    if not {".", ".."}.isdisjoint(segments):
        raise wrong('"." and ".." segments match no request')


def _decoded(value: str) -> str | None:
    """Return the path without its escapes, where that is a path that can stand here."""
    plain = unquote(value)
    return None if re.search(r"[\x00-\x20\x7f\\%?#\ufffd]", plain) else plain


def _with_slash(value: str) -> str | None:
    return f"/{value}" if re.fullmatch(r"[\w{}:.~/-]+", value) and "://" not in value else None


def _refuse_stray_braces(value: str) -> None:
    if re.search(r"[{}]", _BRACES.sub("", value)):
        raise wrong("the braces are not balanced", expected='parameters such as "{id}" or "{id:int}"')


def _each_parameter(template: str) -> Iterator[tuple[str, str]]:
    for braces in _BRACES.findall(template):
        name, convertor = _parameter(braces)
        yield name, convertor or "str"


def _parameter(braces: str) -> tuple[str, str | None]:
    found = _PARAMETER.fullmatch(braces)
    if not found:
        raise wrong(f'"{{{braces}}}" is no parameter', expected='one such as "{id}" or "{id:int}"')
    return found[1], found[2]
