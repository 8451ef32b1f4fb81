"""Cuts what a sidecar writes into lines that are safe to log; pure, no I/O.

What comes out is bounded whatever comes in: a line is at most LINE_LIMIT bytes (the rest is dropped, with
a mark), bytes that are not UTF-8 are replaced, control characters are escaped. So a log cannot be forged
or a terminal driven through the sidecar's output.
"""

from collections.abc import Iterator

LINE_LIMIT = 8192
CUT_MARK = " [cut: line over 8 KiB]"

# C0 but the tab, DEL, C1, and the two separators that many log readers take for a line end.
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029} - {0x09}
_ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _CONTROLS}


class LineCutter:
    """Takes chunks of bytes and gives back the lines that they complete."""

    def __init__(self) -> None:
        self._pending = b""
        self._is_skipping = False  # the rest of a line that was cut

    def __repr__(self) -> str:
        return f"<LineCutter {len(self._pending)} bytes pending{', skipping' * self._is_skipping}>"

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield each line that ends in `chunk`, and the head of one that has become too long."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            if self._is_skipping:
                self._is_skipping = False
                continue
            yield _shown((self._pending + end).removesuffix(b"\r"))
            self._pending = b""
        yield from self._keep(rest)

    def flush(self) -> Iterator[str]:
        """Yield the last line if the stream ended without a line end."""
        if self._pending:
            yield _shown(self._pending)
            self._pending = b""

    def _keep(self, rest: bytes) -> Iterator[str]:
        if self._is_skipping:
            return
        self._pending += rest
        if len(self._pending) > LINE_LIMIT:
            yield _shown(self._pending)
            self._pending = b""
            self._is_skipping = True


def _shown(line: bytes) -> str:
    if len(line) > LINE_LIMIT:
        return printable(line[:LINE_LIMIT].decode("utf-8", "replace")) + CUT_MARK
    return printable(line.decode("utf-8", "replace"))


def printable(text: str) -> str:
    """Return the text with its control characters spelt out."""
    return text if text.isprintable() else text.translate(_ESCAPES)
