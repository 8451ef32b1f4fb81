"""Go literals, and what struct tags can hold."""

import json
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final

_NOT_RE2: Final = re.compile(r"\(\?(?:=|!|<=|<!|>|\()|\\[1-9]|\\Z|[+*?}]\+|`")
"""What Python's or Rust's regular expressions may have and Go's (RE2) do not; a backquote ends a Go tag."""

_GOFMT_QUOTES: Final = re.compile(r"``+|''+")
"""What gofmt replaces by typographic quotes in doc comments."""

_GOFMT_MOVES: Final = re.compile(r"^(\+(?=build)|\[[^\]]*\](?=: ))(?:: )?")
"""What gofmt puts elsewhere at the beginning of a line: old build constraints, definitions of links."""

_TAG_NAME: Final = re.compile(r"[\w!#$%&()*+\-./:;<=>?@\[\]^{|}~ ]+")
"""What encoding/json takes as a name (`isValidTag`)."""


def text(value: str) -> str:
    """Return an interpreted string literal."""
    # JSON's escapes are Go's, but for surrogates, which ensure_ascii would make.
    escaped = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in escaped)


def raw(value: str) -> str:
    """Return a raw string literal for JSON text, in which a backquote can be spelt otherwise."""
    return "`" + value.replace("`", "\\u0060") + "`"


def is_tag_name(name: str) -> bool:
    """Whether a JSON name can stand in a tag."""
    return name != "-" and bool(_TAG_NAME.fullmatch(name))


def is_go_pattern(pattern: str) -> bool:
    """Whether Go most probably takes a regular expression, and a tag can hold it."""
    if _NOT_RE2.search(pattern) or not pattern.isprintable():
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def number(value: float) -> str:
    """Return a number as a tag or an expression has it."""
    return str(int(value)) if value == int(value) and abs(value) <= 2.0**64 else repr(float(value))


def is_int64(value: int) -> bool:
    """Whether Go's int can hold a number."""
    return -(2**63) <= value < 2**63


def one_line(value: str) -> str:
    """Return a text for a line of comment, such as gofmt leaves alone (https://go.dev/doc/comment)."""
    visible = "".join(char if char.isprintable() else " " for char in value)
    quoted = _GOFMT_QUOTES.sub(lambda found: found[0][0].replace("'", '"'), " ".join(visible.split()))
    return _GOFMT_MOVES.sub(r"\1 ", quoted)


def prose(value: str) -> tuple[str, ...]:
    """Return a text of the app's author as lines of a doc comment, such as gofmt leaves alone."""
    paragraphs = [lines for lines in _paragraphs(value) if lines]
    made: list[str] = []
    for lines in paragraphs:
        # Else gofmt takes it for a heading and puts a "#" in front.
        is_heading = bool(made) and len(lines) == 1 and lines[0][-1].isalnum()
        made += [""] if made else []
        made += [f"{lines[0]}:"] if is_heading else lines
    return tuple(made)


def _paragraphs(value: str) -> Iterator[list[str]]:
    lines = map(one_line, value.splitlines())
    for is_text, group in groupby(lines, key=bool):
        yield [*group] if is_text else []
