"""The cases: raw bytes with a name, read from the text files in corpus/; its README says how."""

import codecs
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"

_REPEATED = re.compile(r"\$\((\d+)\*([^)]*)\)")
_PAUSE = "~~"


def parser_of(site: str) -> str:
    """Return which of uvicorn's parsers a site of ours has; the express lane is in one of them."""
    return "httptools" if site == "express" else site


@dataclass(frozen=True)
class Case:
    """One thing that a client, or an upstream, may send.

    Attributes:
        name: unlike all others of the same corpus.
        items: the behaviours it is about, by number.
        about: what it is about.
        options: how it is played, by key.
        pieces: the bytes; before each but the first, the sender waits.
    """

    name: str
    items: tuple[int, ...]
    about: str
    options: dict[str, str]
    pieces: tuple[bytes, ...]

    def __str__(self) -> str:
        return self.name

    @property
    def is_cut(self) -> bool:
        """Whether it is not a whole message."""
        return "cut" in self.options

    def fails_at(self, site: str) -> bool:
        """Whether a bug makes it fail there."""
        return "bug" in self.options and self.options.get("bug-at", parser_of(site)) == parser_of(site)

    @property
    def methods(self) -> list[str]:
        """The methods of the requests in it."""
        if "methods" in self.options:
            return self.options["methods"].split()
        return [self.pieces[0].partition(b" ")[0].decode("latin-1")]


@functools.cache
def corpus(kind: str) -> dict[str, Case]:
    """Return the cases of a folder by name: "requests" or "responses"."""
    cases: dict[str, Case] = {}
    for path in sorted((FOLDER / kind).glob("*.txt")):
        for case in cases_in(path.read_text(encoding="ascii")):
            assert case.name not in cases, f"{path.name}: there are two cases {case.name}"
            cases[case.name] = case
    return cases


def cases_in(text: str) -> Iterator[Case]:
    """Yield the cases of one file."""
    for part in re.split(r"^== ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = part.partition("\n")
        name, items, about = (word.strip() for word in title.split("|", 2))
        lines = rest.split("\n")
        options = {}
        while lines and lines[0].startswith("-- "):
            key, _, value = lines.pop(0)[3:].partition(":")
            options[key.strip()] = value.strip()
        numbers = tuple(int(item) for item in items.split(","))
        yield Case(name, numbers, about, options, tuple(_pieces(lines)))


def _pieces(lines: list[str]) -> Iterator[bytes]:
    while lines and not lines[-1]:
        lines.pop()
    if not lines[-1].endswith("\\"):
        lines.append("")
    piece: list[str] = []
    for line in lines:
        if line == _PAUSE:
            yield decoded("".join(piece))
            piece = []
        else:
            piece.append(line[:-1] if line.endswith("\\") else line + r"\r\n")
    yield decoded("".join(piece))


def decoded(text: str) -> bytes:
    r"""Return the bytes that a text stands for, with `$(3*ab)` and escapes such as `\x00` in it."""
    written = _REPEATED.sub(lambda found: int(found[1]) * found[2], text)
    return bytes(codecs.escape_decode(written.encode("ascii"))[0])
