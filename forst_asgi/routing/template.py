"""Path templates in Starlette's syntax, taken apart once at start-up.

    /quotes/{id:int}         a literal segment and a parameter
    /files/{rest:path}       a parameter that spans slashes
    /v{n:int}/{name}.json    parameters and literal text in one segment

A template is made of segments, split at "/". A segment is literal text, or text with parameters in it,
and it is a `Piece` as long as its parameters cannot match a "/". From the first parameter on that can
(`path`, or a convertor that an application registered), the rest of the template is one piece that only
a regular expression can match: the tail.

Two deliberate differences from `starlette.routing.compile_path` are about line feeds: there `$` also
matches before a final one and `.` does not match one. Go's mux does neither, so this module does neither.
A third one is a bound on the length of what some templates match; see `effort`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.convertors import (
    CONVERTOR_TYPES,
    Convertor,
    FloatConvertor,
    IntegerConvertor,
    PathConvertor,
    StringConvertor,
    UUIDConvertor,
)

from forst_asgi.errors import ConfigError
from forst_asgi.routing.effort import longest_text

ANY_SEGMENT = StringConvertor.regex
ANYTHING = PathConvertor.regex
SLASHLESS = frozenset({ANY_SEGMENT, IntegerConvertor.regex, FloatConvertor.regex, UUIDConvertor.regex})

_PARAMETER = re.compile(r"{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_][a-zA-Z0-9_]*))?}")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\%?#{}\ud800-\udfff\ufffd]")
_WHY_FORBIDDEN = {
    "?": "a template ends before the query string",
    "#": "a request target has no fragment",
    "%": "write the decoded character instead of an escape",
    "{": 'a parameter is written "{name}" or "{name:convertor}"',
    "}": 'a parameter is written "{name}" or "{name:convertor}"',
    "\\": 'path segments are separated by "/"',
}


class TemplateError(ConfigError):
    """A route cannot be compiled; the text names the route, the value and what was expected."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One `{name:convertor}` of a template."""

    name: str
    convertor: Convertor[Any]

    @property
    def source(self) -> str:
        """The parameter as a named group of a regular expression."""
        return f"(?P<{self.name}>{self.convertor.regex})"


@dataclass(frozen=True, slots=True)
class Piece:
    """One segment of a template that contains parameters, none of which can match a slash.

    Attributes:
        source: the segment as a regular expression without group names, equal for equal shapes.
        longest: how many characters a segment may have that is matched with it; None for any number.
    """

    source: str
    longest: int | None = None

    @property
    def is_any(self) -> bool:
        """Whether any non-empty segment matches, as `{name}` does."""
        return self.source == f"(?:{ANY_SEGMENT})"


@dataclass(frozen=True, slots=True)
class Template:
    """A path template, taken apart.

    Attributes:
        text: the template as it was written.
        segments: literal text (str) or a Piece for each segment in front of the tail; the first one is the
            empty text in front of the first slash.
        tail: the regular expression source of what follows `segments` and a slash; None without one.
        longest: how many characters a path may have that is matched with the whole; None for any number.
        convertors: the parameters' convertors by name, in order of appearance.
        source: the whole template as a regular expression with a named group for each parameter.
    """

    text: str
    segments: tuple[str | Piece, ...]
    tail: str | None
    longest: int | None
    convertors: dict[str, Convertor[Any]]
    source: str

    @property
    def is_static(self) -> bool:
        """Whether the template has no parameters, and so matches its own text only."""
        return not self.convertors

    @property
    def leads_anywhere(self) -> bool:
        """Whether the tail matches whatever follows, as `/files/{rest:path}` does."""
        return self.tail == f"(?:{ANYTHING})"

    def pattern(self) -> re.Pattern[str]:
        """Compile the whole template; not kept here because few routes ever need it."""
        return re.compile(self.source, re.DOTALL)


def parse_template(text: str) -> Template:
    """Take a template apart.

    Raises:
        TemplateError: it is no template, or one that no safe request target can ever match.
    """
    where = f"path {text!r}"
    if not text.startswith("/"):
        raise TemplateError(f'{where}: expected a template that starts with "/"')
    tokens = tuple(_tokens(where, text))
    names = [token.name for token in tokens if isinstance(token, Parameter)]
    if len(names) != len(set(names)):
        raise TemplateError(f"{where}: a parameter name occurs more than once")
    _check_segments(where, text)
    segments, tail = _split(tokens)
    convertors = {token.name: token.convertor for token in tokens if isinstance(token, Parameter)}
    longest = None if tail is None else _longest(tokens, is_segment=False)
    template = Template(text, segments, tail, longest, convertors, _named(tokens))
    _check_pattern(template)
    return template


def parse_rewrite(text: str, names: frozenset[str]) -> tuple[str, ...]:
    """Split a rewrite such as "/v2/quotes/{id}" into literal texts (even places) and names (odd places).

    Raises:
        TemplateError: it does not start with "/", or it uses a name that is not among `names`.
    """
    where = f"rewrite {text!r}"
    if not text.startswith("/"):
        raise TemplateError(f'{where}: expected a path that starts with "/"')
    parts: list[str] = []
    end = 0
    for match in _PARAMETER.finditer(text):
        if match[2] is not None or match[1] not in names:
            known = ", ".join(sorted(names)) or "none"
            raise TemplateError(f"{where}: {match[0]} is no parameter of the path (it has: {known})")
        parts += (_literal(where, text[end : match.start()]), match[1])
        end = match.end()
    parts.append(_literal(where, text[end:]))
    _check_segments(where, text)
    return tuple(parts)


def _tokens(where: str, text: str) -> Iterator[str | Parameter]:
    """Literal texts and parameters, in turn."""
    end = 0
    for match in _PARAMETER.finditer(text):
        yield _literal(where, text[end : match.start()])
        kind = match[2] or "str"
        if kind not in CONVERTOR_TYPES:
            known = ", ".join(sorted(CONVERTOR_TYPES))
            raise TemplateError(f"{where}: unknown convertor {kind!r} (there are: {known})")
        yield Parameter(match[1], CONVERTOR_TYPES[kind])
        end = match.end()
    yield _literal(where, text[end:])


def _literal(where: str, literal: str) -> str:
    found = _FORBIDDEN.search(literal)
    if found is not None:
        why = _WHY_FORBIDDEN.get(found[0], "it can never be part of a safe request target")
        raise TemplateError(f"{where}: {found[0]!r} is not allowed here, {why}")
    return literal


def _check_segments(where: str, text: str) -> None:
    segments = text.split("/")[1:]
    if "" in segments[:-1] or not {".", ".."}.isdisjoint(segments):
        raise TemplateError(f'{where}: a path with "//", "/./" or "/../" is never forwarded')


def _split(tokens: tuple[str | Parameter, ...]) -> tuple[tuple[str | Piece, ...], str | None]:
    """Collect whole segments until a parameter can match a slash; the rest is the tail."""
    segments: list[str | Piece] = []
    current: list[str | Parameter] = []
    for place, token in enumerate(tokens):
        if isinstance(token, Parameter):
            if token.convertor.regex not in SLASHLESS:
                tail = (*current, *tokens[place:])
                return tuple(segments), "".join(_unnamed(token) for token in tail)
            current.append(token)
            continue
        first, *others = token.split("/")
        current.append(first)
        for other in others:
            segments.append(_segment(current))
            current = [other]
    segments.append(_segment(current))
    return tuple(segments), None


def _segment(tokens: list[str | Parameter]) -> str | Piece:
    literals = [token for token in tokens if isinstance(token, str)]
    if len(literals) == len(tokens):
        return "".join(literals)
    source = "".join(_unnamed(token) for token in tokens)
    return Piece(source, _longest(tokens, is_segment=True))


def _longest(tokens: Sequence[str | Parameter], *, is_segment: bool) -> int | None:
    literals = [token for token in tokens if isinstance(token, str)]
    regexes = [token.convertor.regex for token in tokens if isinstance(token, Parameter)]
    return longest_text(literals, regexes, is_segment=is_segment)


def _unnamed(token: str | Parameter) -> str:
    return re.escape(token) if isinstance(token, str) else f"(?:{token.convertor.regex})"


def _named(tokens: tuple[str | Parameter, ...]) -> str:
    return "".join(re.escape(token) if isinstance(token, str) else token.source for token in tokens)


def _check_pattern(template: Template) -> None:
    """A convertor that an application registered may hold a broken expression."""
    if template.tail is None or template.leads_anywhere:
        return
    try:
        template.pattern()
    except re.error as error:
        raise TemplateError(f"path {template.text!r}: a convertor's regex is broken: {error}") from error
