"""The catalogue that /search looks through, in parts that can be searched side by side."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo_app.service.text import ascii_lower

SHARDS = 8
PATH = Path(__file__).parent.parent / "sidecar" / "data" / "catalogue.jsonl"
"""One copy for both sides; Go embeds it, and can embed nothing from outside its module."""

_TOKEN = re.compile("[a-z0-9\x80-\U0010ffff]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the catalogue, with what a search needs of it."""

    id: int
    title: str
    tags: tuple[str, ...]
    year: int
    title_tokens: tuple[str, ...]
    tag_tokens: tuple[str, ...]


Shard = Sequence[Entry]


def tokenise(text: str) -> list[str]:
    """Return the runs of letters and digits, A to Z in lower case; all beyond ASCII counts as a letter."""
    return _TOKEN.findall(ascii_lower(text))


def load(path: Path = PATH) -> tuple[Shard, ...]:
    """Read the catalogue and return its shards: entry n is in shard n % SHARDS."""
    entries = [_entry(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return tuple([entry for entry in entries if entry.id % SHARDS == number] for number in range(SHARDS))


def _entry(line: str) -> Entry:
    fields = json.loads(line)
    tags = tuple(fields["tags"])
    return Entry(
        id=fields["id"],
        title=fields["title"],
        tags=tags,
        year=fields["year"],
        title_tokens=tuple(tokenise(fields["title"])),
        tag_tokens=tuple(token for tag in tags for token in tokenise(tag)),
    )
