"""Cutting bytes into lines that are safe to log."""

import pytest

from forst_asgi.supervisor.lines import CUT_MARK, LINE_LIMIT, LineCutter


def cut(*chunks: bytes) -> list[str]:
    """Return all lines of a stream that arrives in these chunks."""
    cutter = LineCutter()
    return [line for chunk in chunks for line in cutter.feed(chunk)] + list(cutter.flush())


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"on", b"e\nt", b"wo"], ["one", "two"]),
        ([b"one\r\n\ntwo\r\n"], ["one", "", "two"]),
        ([b"gr", b"\xc3", b"\xbc", b"n\n"], ["gr\u00fcn"]),
        ([b"a\xffb\n"], ["a\ufffdb"]),
        ([b"\x1b[31mred\x00\x7f\ttab\n"], ["\\x1b[31mred\\x00\\x7f\ttab"]),
        ([b"a\rb\n"], ["a\\x0db"]),
        (["c1 \x85 ls \u2028\n".encode()], ["c1 \\x85 ls \\u2028"]),
        ([], []),
    ],
)
def test_lines_are_cut_and_made_safe(chunks: list[bytes], lines: list[str]) -> None:
    """Line ends go, broken UTF-8 is replaced, control characters are escaped, wherever the chunks end."""
    assert cut(*chunks) == lines


def test_line_of_just_the_limit_is_whole() -> None:
    """A line of 8 KiB is not cut."""
    assert cut(b"x" * LINE_LIMIT + b"\r\n") == ["x" * LINE_LIMIT]
    assert cut(b"x" * LINE_LIMIT) == ["x" * LINE_LIMIT]


@pytest.mark.parametrize("size", [1, 1000, 65536])
def test_long_line_is_cut_once(size: int) -> None:
    """Of a longer line the head is told with a mark, the rest is dropped, and the next line is whole."""
    stream = b"x" * 100_000 + b"\nnext\n"
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert cut(*chunks) == ["x" * LINE_LIMIT + CUT_MARK, "next"]


def test_memory_is_bounded() -> None:
    """Whatever comes without a line end, no more than 8 KiB are kept."""
    cutter = LineCutter()
    kept = []
    for _ in range(100):
        list(cutter.feed(b"x" * 5000))
        kept.append(len(cutter._pending))
    assert max(kept) <= LINE_LIMIT
    assert repr(cutter) == "<LineCutter 0 bytes pending, skipping>"
    assert list(cutter.flush()) == []
