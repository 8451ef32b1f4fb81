"""Requests that hide another in their body, by every way of spelling their framing that we know of.

To whoever goes by the one framing the hidden request is a part of the body, to whoever goes by the other it
is the next request. `@@@@@` stands for the number of the case.
"""

from collections.abc import Iterator

HIDDEN = b"GET /hidden-@@@@@ HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 7\r\n\r\n"
BEHIND = b"GET /behind-@@@@@ HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"

_CODING = b"Transfer-Encoding"
_LENGTH = b"Content-Length"
_SIZE = b"%d" % len(HIDDEN)

_CODES = (*range(0x0A), *range(0x0B, 0x21), 0x22, 0x2C, 0x3A, 0x3B, 0x7F, 0x85, 0xA0, 0xFF)
_ODD = [bytes([code]) for code in _CODES]
"""Bytes that some parsers take for white space, or for the end of a name; LF may end a line."""

_OTHER_NAMES = (b"Transfer_Encoding", b"X-Transfer-Encoding", b"TE", b"Content-Encoding")
"""Fields that are another's, so that a length beside them is all there is."""

_NO_NAMES = (b"Transfer Encoding", b"Transf\x82r-Encoding", b'"Transfer-Encoding"')

_CODINGS = (
    *(b"chunked", b"Chunked", b"xchunked", b"chunked, identity", b"identity, chunked", b"chunked, chunked"),
    *(b", chunked", b"chunked,", b"chunked;q=1", b'"chunked"', b"'chunked'", b"chunk", b"cow chunked", b""),
    *(b"\r\n chunked", b"chun\r\n ked", b"gzip, chunked", b"identity"),
    *(b"chunked\r\nTransfer-Encoding: identity", b"identity\r\nTransfer-Encoding: chunked"),
)

_LENGTHS = (
    *(
        b"+%b",
        b"-%b",
        b"0x%b",
        b"%b.0",
        b"%be0",
        b"%b, 0",
        b"0, %b",
        b"%b;",
        b'"%b"',
        b"%bx",
        b"%b 0",
        b"1_%b",
    ),
    *(b"\xd9\xa5%b", b"1844674407370955161600%b"),
    *(b"%b\r\nContent-Length: 0", b"0\r\nContent-Length: %b", b"%b\r\nContent-Length : 0"),
)

_CHUNKS = (
    *(b"0x%x", b"+%x", b"-%x", b"0_%x", b" %x", b"%xg", b"%x,", b"%x\0", b"%x;a=\0", b"'%x'"),
    b"10000000000000000%x",
)


def cases() -> Iterator[tuple[str, bytes]]:
    """Yield each case with its name."""
    for line in _coding_lines():
        yield from _with_coding(line)
    for line in _length_lines():
        yield f"length {line!r}", _post(line) + HIDDEN
    for odd in _ODD:
        yield f"value {odd!r}", _post(b"X-A: a" + odd + b"b\r\nContent-Length: " + _SIZE) + HIDDEN
    for name in _OTHER_NAMES:
        yield f"{name!r} alone", _post(name + b": chunked") + _in_chunk()
    for form in _CHUNKS:
        size = form % len(HIDDEN)
        yield (
            f"chunk {size!r}",
            _post(b"Transfer-Encoding: chunked") + b"%b\r\n%b\r\n0\r\n\r\n" % (size, HIDDEN),
        )
    for target in (b"//x", b"/x/../y", b"/x%2fy", b"/x%00"):
        for framing in (
            b"Content-Length: " + _SIZE,
            b"Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: " + _SIZE,
        ):
            yield f"refused {target!r} {framing!r}", _post(framing, target) + HIDDEN


def _coding_lines() -> Iterator[bytes]:
    yield from (_CODING + b": " + coding for coding in _CODINGS)
    yield from (name + b": chunked" for name in _NO_NAMES)
    for odd in _ODD:
        yield from (_CODING + b":" + odd + b"chunked", _CODING + b": chunked" + odd)
        yield from (_CODING + odd + b": chunked", odd + _CODING + b": chunked")


def _length_lines() -> Iterator[bytes]:
    yield from (_LENGTH + b": " + form % _SIZE for form in _LENGTHS)
    for odd in _ODD:
        yield from (
            _LENGTH + b": " + odd + _SIZE,
            _LENGTH + b": " + _SIZE + odd,
            _LENGTH + odd + b": " + _SIZE,
        )


def _with_coding(line: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the ways to have a coding, or not, with a length, or without."""
    behind = b"0\r\n\r\n" + HIDDEN
    yield f"whole length, {line!r}", _post(line + b"\r\nContent-Length: %d" % len(behind)) + behind
    yield f"{line!r}, short length", _post(b"Content-Length: 4\r\n" + line) + _in_chunk()
    yield f"{line!r} alone", _post(line) + _in_chunk()


def _in_chunk() -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)


def _post(framing: bytes, target: bytes = b"/shown-@@@@@") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: a.example\r\n%b\r\n\r\n" % (target, framing)
