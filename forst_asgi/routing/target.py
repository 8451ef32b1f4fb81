r"""Reading a request target: what is dangerous in it, and how else someone could read it.

Facts this module rests on (Go 1.22 to 1.26, `net/url` and `net/http`):

- Go's mux splits the escaped path at "/" and decodes each segment once. `%2F` is data to it, `%2e%2e` is a
  segment like any other, `//`, `/./` and `/../` are answered with a redirect.
- A path that holds one of `"<>\^`{|}` unescaped is not kept by net/url: it is decoded as a whole and
  encoded again, so there `%2F` does become a slash.
- A segment that is exactly `%2F` is taken for the trailing slash of a pattern that ends in `{$}`.
- A malformed escape is answered with 400 before the mux is asked.

ASGI's `path` is decoded as a whole, so to a matcher in Python `/a%2Fb` is `/a/b`. A target that contains
nothing which the two could read differently has no *hazard*.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, unquote_to_bytes

from forst_asgi.routing.route import PATH_SAFE

# What may stand in a target at all (RFC 9112 section 3.2, RFC 3986): visible ASCII without "#".
PLAIN_QUERY = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("#"))
# What may stand in a path and means itself: the same without "%", "\\" and "?".
PLAIN_PATH = bytes(byte for byte in PLAIN_QUERY if byte not in b"%\\?")

ENCODED_SLASH = "\uffff"
"""Stands for `%2F` in a reading that keeps it apart from "/"; no template can contain it."""

_BAD_BYTE = re.compile(rb"[\x00-\x20\x7f-\xff#]")
_MALFORMED = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ENCODED_SLASH = re.compile(rb"%2[Ff]")
_LONE_ENCODED_SLASH = re.compile(rb"/%2[Ff](?:/|\Z)")
_DOT_SEGMENT = re.compile(rb"[/\\]\.\.?(?:[/\\]|\Z)")
_PLAIN_DOT_SEGMENT = re.compile(rb"/\.\.?(?:/|\Z)")
_REENCODED_BY_GO = re.compile(rb'["<>\\^`{|}]')
_ABSOLUTE_FORM = re.compile(r"\*\Z|[A-Za-z][A-Za-z0-9+.-]*:")
_ESCAPES = re.compile(rb"((?:%[0-9A-Fa-f]{2})+)")

_DECODED_HAZARDS = (
    ("dot segment", _DOT_SEGMENT),
    ("backslash", re.compile(rb"\\")),
    ("control character", re.compile(rb"[\x00-\x1f\x7f]")),
    ("double encoding", re.compile(rb"%[0-9A-Fa-f]{2}")),
)

# Nobody decodes a target more often than this by accident; without a bound "%252525..." is quadratic.
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Target:
    """The path of one request target, read closely.

    Attributes:
        path: the path as the application would see it, without `root_path`.
        sent: the bytes that would be sent upstream.
        original: the bytes that the client sent, as far as the server says.
        hazard: why the two sides could read it differently; None when they cannot.
    """

    path: str
    sent: bytes
    original: bytes
    hazard: str | None

    def by_segment(self) -> str:
        """The reading of Go's mux: split first, then decode; `%2F` is ENCODED_SLASH."""
        return _by_segment(self.sent)

    def readings(self) -> set[str]:
        """All the paths that someone could take this target for."""
        return {
            self.path,
            self.by_segment(),
            *_decoded_readings(self.original),
            *_decoded_readings(self.sent),
        }


def read_target(path: str, raw: bytes | None) -> Target:
    """Read a path closely.

    Args:
        path: ASGI's `path` without `root_path`.
        raw: ASGI's `raw_path` without `root_path`. None (the specification allows it) means the UTF-8
            quoting of `path`, and so does one that is not what `path` was decoded from, because something
            in front of us rewrote `path`. A query string in it (old test clients) is cut off.
    """
    quoted = quote(path, PATH_SAFE, "utf-8", "surrogatepass").encode()
    if raw is None:
        return Target(path, quoted, quoted, hazard_in(quoted))
    original = raw.partition(b"?")[0]
    sent = original if _is_encoding_of(original, path) else quoted
    return Target(path, sent, original, hazard_in(original) or hazard_in(sent))


def bad_byte_in(text: bytes) -> str | None:
    """Name a byte that no request target may contain, if there is one."""
    found = _BAD_BYTE.search(text)
    if found is None:
        return None
    if found[0] == b"#":
        return "fragment"
    return "non-ASCII byte" if found[0] >= b"\x80" else "control byte or space"


def hazard_in(raw: bytes) -> str | None:
    """Name the first reason why two sides could read a path differently, if there is one."""
    hazard = bad_byte_in(raw)
    if hazard is None and _MALFORMED.search(raw):
        hazard = "malformed escape"
    if hazard is None and b"//" in raw:
        hazard = "empty segment"
    if hazard is None and _ENCODED_SLASH.search(raw):
        hazard = "encoded slash"
    return hazard or _decoded_hazard_in(unquote_to_bytes(raw))


def mux_hazard_in(raw: bytes) -> str | None:
    """The same for a route that passes encoded paths: only what Go's mux would not take as it is."""
    hazard = bad_byte_in(raw)
    if hazard is None and _MALFORMED.search(raw):
        hazard = "malformed escape"
    if hazard is None and b"//" in raw:
        hazard = "empty segment"
    if hazard is None and _PLAIN_DOT_SEGMENT.search(raw):
        hazard = "dot segment"
    if hazard is None and _LONE_ENCODED_SLASH.search(raw):
        hazard = "encoded slash alone in a segment"
    if hazard is None and _is_reencoded(raw):
        hazard = "bytes that net/http encodes anew"
    return hazard


def unmount(path: str, raw: bytes | None, root_path: str) -> tuple[str, bytes | None]:
    """Take `root_path` away once, from `path` as `starlette._utils.get_route_path` does and from `raw_path`.

    A raw path in which `root_path` cannot be found is left whole; `read_target` deals with it. Servers that
    put `root_path` in front of whatever came also do it with "*" and "http://..."; such a path comes back
    as "", which no template matches.
    """
    if not path.startswith(root_path):
        return path, raw
    rest = path[len(root_path) :]
    if rest and rest[0] != "/":
        return ("" if _ABSOLUTE_FORM.match(rest) else path), raw
    return rest, None if raw is None else _without_root(raw, root_path)


def aligned(raw: bytes) -> tuple[str, list[int]]:
    """Decode by segment and say at which byte each character starts, with the length of `raw` at the end.

    Args:
        raw: a path without malformed escapes and without bytes outside ASCII.
    """
    text: list[str] = []
    starts: list[int] = []
    at = 0
    for run, part in enumerate(_ESCAPES.split(raw)):
        decoded = _by_segment(part)
        text.append(decoded)
        for char in decoded:
            starts.append(at)
            at += 1 if run % 2 == 0 else 3 * _width(char)
    return "".join(text), [*starts, at]


def _width(char: str) -> int:
    return 1 if char == ENCODED_SLASH else len(char.encode("utf-8", "surrogateescape"))


def _without_root(raw: bytes, root_path: str) -> bytes:
    root = root_path.encode("utf-8", "surrogatepass")
    if raw.startswith(root) and raw[len(root) : len(root) + 1] in (b"", b"/", b"?"):
        return raw[len(root) :]
    end = after_segments(raw, root_path.count("/"))
    return raw[end:] if unquote(raw[:end].decode("latin-1")) == root_path else raw


def after_segments(raw: bytes, count: int) -> int:
    """The place of the slash that follows the first `count` segments; the length when there is none."""
    end = 0
    for _ in range(count):
        end = raw.find(b"/", end + 1)
        if end < 0:
            return len(raw)
    return end


def _is_encoding_of(raw: bytes, path: str) -> bool:
    """Starlette's TestClient decodes twice, so twice counts as well."""
    if not raw.isascii():
        return True
    once = unquote(raw.decode("ascii"))
    return path in (once, unquote(once))


def _decoded_hazard_in(decoded: bytes) -> str | None:
    for name, pattern in _DECODED_HAZARDS:
        if pattern.search(decoded):
            return name
    try:
        decoded.decode("utf-8")  # strict: overlong forms and surrogates are errors (RFC 3629 section 3)
    except UnicodeDecodeError:
        return "not UTF-8"
    return None


def _is_reencoded(raw: bytes) -> bool:
    if not _REENCODED_BY_GO.search(raw):
        return False
    return bool(_ENCODED_SLASH.search(raw) or _DOT_SEGMENT.search(unquote_to_bytes(raw)))


def _by_segment(raw: bytes) -> str:
    kept_apart = _ENCODED_SLASH.sub(quote(ENCODED_SLASH).encode(), raw)
    return unquote_to_bytes(kept_apart).decode("utf-8", "surrogateescape")


def _decoded_readings(raw: bytes) -> set[str]:
    """Decoded once and more often, dot segments and empty segments resolved."""
    found: set[str] = set()
    for _ in range(_ROUNDS):
        decoded = unquote_to_bytes(raw)
        text = decoded.decode("utf-8", "surrogateescape")
        found |= {text, _cleaned(text), _cleaned(text.replace("\\", "/"))}
        if decoded == raw:
            break
        raw = decoded
    return found


def _cleaned(path: str) -> str:
    """As `cleanPath` in Go's net/http does it."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")
