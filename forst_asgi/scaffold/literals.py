"""Go literals, and what struct tags can hold."""

import json
import re
from typing import Final

_NOT_RE2: Final = re.compile(r"\(\?(?:=|!|<=|<!|>|\()|\\[1-9]|\\Z|[+*?}]\+|`")
"""What Python's or Rust's regular expressions may have and Go's (RE2) do not; a backquote ends a Go tag."""

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
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def one_line(value: str) -> str:
    """Return a text for a line of comment."""
    return " ".join(value.split())
