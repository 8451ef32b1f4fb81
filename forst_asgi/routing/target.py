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

ENCODED_SLASH = "\ud800"
"""Stands for `%2F` in a reading that keeps it apart from "/"; no template holds it, no decoding makes it."""

_BAD_BYTES = (
    ("non-ASCII byte", rb"[\x80-\xff]"),
    ("control byte or space", rb"[\x00-\x20\x7f]"),
    ("fragment", rb"#"),
)
_MALFORMED = ("malformed escape", rb"%(?![0-9A-Fa-f]{2})")
_EMPTY_SEGMENT = ("empty segment", rb"//")
_ENCODED_SLASH = re.compile(rb"%2[Ff]")
_DOT_SEGMENT = re.compile(rb"[/\\]\.\.?(?:[/\\]|\Z)")


class _Hazards:
    """Several expressions searched for in one pass; the name of the one that was found first."""

    __slots__ = ("_names", "_search")

    def __init__(self, *hazards: tuple[str, bytes]) -> None:
        self._names = tuple(name for name, _ in hazards)
        self._search = re.compile(b"|".join(b"(%s)" % pattern for _, pattern in hazards)).search

    def name_in(self, text: bytes) -> str | None:
        found = self._search(text)
        return None if found is None or found.lastindex is None else self._names[found.lastindex - 1]


_BAD = _Hazards(*_BAD_BYTES)
_RAW = _Hazards(*_BAD_BYTES, _MALFORMED, _EMPTY_SEGMENT, ("encoded slash", _ENCODED_SLASH.pattern))
_DECODED = _Hazards(
    ("dot segment", _DOT_SEGMENT.pattern),
    ("backslash", rb"\\"),
    ("control character", rb"[\x00-\x1f\x7f]"),
    ("double encoding", rb"%[0-9A-Fa-f]{2}"),
)
_MUX = _Hazards(
    *_BAD_BYTES,
    _MALFORMED,
    _EMPTY_SEGMENT,
    ("dot segment", rb"/\.\.?(?:/|\Z)"),
    ("encoded slash alone in a segment", rb"/%2[Ff](?:/|\Z)"),
)
_REENCODED_BY_GO = re.compile(rb"[^A-Za-z0-9\-._~!$&'()*+,;=:@\[\]/%]")
_ABSOLUTE_FORM = re.compile(r"\*\Z|[A-Za-z][A-Za-z0-9+.-]*:")
_ESCAPES = re.compile(rb"((?:%[0-9A-Fa-f]{2})+)")

# Nobody decodes a target more often than this by accident; without a bound "%252525..." is quadratic.
_ROUNDS = 4


@dataclass(slots=True)
class Target:
    """The path of one request target, read closely. Treat it as immutable.

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

    def mux_readings(self) -> set[str]:
        """What Go's mux could take this target for: split first, then decoded; `%2F` is ENCODED_SLASH."""
        text = _by_segment(self.sent)
        found = {text, text.removesuffix(ENCODED_SLASH)} if text.endswith("/" + ENCODED_SLASH) else {text}
        return found | _decoded_readings(self.sent) if _is_reencoded(self.sent) else found

    def readings(self) -> set[str]:
        """All the paths that someone could take this target for."""
        return {
            self.path,
            *self.mux_readings(),
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
    if raw is None:
        quoted = _quoted(path)
        return Target(path, quoted, quoted, hazard_in(quoted))
    original = raw.partition(b"?")[0]
    decoded = unquote_to_bytes(original)
    hazard = _RAW.name_in(original) or _decoded_hazard_in(decoded)
    if _decodes_to(decoded, path):
        return Target(path, original, original, hazard)
    quoted = _quoted(path)
    return Target(path, quoted, original, hazard or hazard_in(quoted))


def is_plain(text: str) -> bool:
    """Whether there are only characters that may stand in a target: visible ASCII without "#".

    RFC 9112 section 3.2 and RFC 3986. Written with str methods because it is on the hot path.
    """
    return text.isascii() and text.isprintable() and " " not in text and "#" not in text


def bad_byte_in(text: bytes) -> str | None:
    """Name a byte that no request target may contain, if there is one."""
    return _BAD.name_in(text)


def hazard_in(raw: bytes) -> str | None:
    """Name a reason why two sides could read a path differently, if there is one."""
    return _RAW.name_in(raw) or _decoded_hazard_in(unquote_to_bytes(raw))


def mux_hazard_in(raw: bytes) -> str | None:
    """The same for a route that passes encoded paths: only what Go's mux would not take as it is."""
    hazard = _MUX.name_in(raw)
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


def _quoted(path: str) -> bytes:
    return quote(path, PATH_SAFE, "utf-8", "surrogatepass").encode()


def _decodes_to(decoded: bytes, path: str) -> bool:
    """Whether `path` is what a server made of a raw path; Starlette's TestClient decodes twice."""
    text = decoded.decode("utf-8", "replace")
    return text == path or unquote(text) == path


def _decoded_hazard_in(decoded: bytes) -> str | None:
    found = _DECODED.name_in(decoded)
    if found is None and not decoded.isascii():
        try:
            decoded.decode("utf-8")  # strict: overlong forms and surrogates are errors (RFC 3629 section 3)
        except UnicodeDecodeError:
            found = "not UTF-8"
    return found


def _is_reencoded(raw: bytes) -> bool:
    if not _REENCODED_BY_GO.search(raw):
        return False
    return bool(_ENCODED_SLASH.search(raw) or _DOT_SEGMENT.search(unquote_to_bytes(raw)))


def _by_segment(raw: bytes) -> str:
    parts = (unquote_to_bytes(part) for part in _ENCODED_SLASH.split(raw))
    return ENCODED_SLASH.join(part.decode("utf-8", "surrogateescape") for part in parts)


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
