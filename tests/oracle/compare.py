"""What differs between two outcomes of a case, as short texts that an allow-list can match."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.oracle.play import Outcome
from tests.oracle.sites import Seen
from tests.oracle.wire import Answer

Field = tuple[str, str]

_FRAMING = frozenset({"host", "content-length", "transfer-encoding"})
"""Fields of a request that are compared as what they mean."""

_CONNECTIONS = frozenset({b"connection", b"keep-alive", b"transfer-encoding"})
"""Fields of a response that are about the client's connection only."""

_DATE = re.compile(rb"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_YEAR_OF_THE_CASES = b"2024"


def between_requests(reference: Outcome, other: Outcome) -> list[str]:
    """Return how what Go received and what the client got differ from the reference."""
    found = []
    if len(reference.seen) != len(other.seen):
        found.append(f"requests: {len(reference.seen)} -> {len(other.seen)}")
    else:
        for one, two in zip(reference.seen, other.seen, strict=True):
            found += _between_seen(one, two)
    ours, theirs = other.exchange, reference.exchange
    found += _between_lists(
        "answers", [_outline(a) for a in theirs.answers], [_outline(a) for a in ours.answers]
    )
    found += [line for answer in ours.answers for line in _own_fields(answer)]
    return found + _kept(reference, other)


def between_responses(reference: Outcome, other: Outcome) -> list[str]:
    """Return how what the client got differs from the reference."""
    theirs, ours = reference.exchange.answers, other.exchange.answers
    found = _between_lists("answers", _whole_or_cut(theirs), _whole_or_cut(ours))
    if not found:
        for one, two in zip(theirs, ours, strict=False):
            found += _between_answers(one, two) if one.is_whole else ()
    found += [line for answer in ours for line in _own_fields(answer)]
    return found + _kept(reference, other)


def _whole_or_cut(answers: Sequence[Answer]) -> list[str]:
    """Say what came; how much of a torn answer comes through is a matter of buffers."""
    if not answers or not answers[-1].is_whole:
        return ["cut"]
    return [_outline(answer) for answer in answers]


def delivered(outcome: Outcome) -> bool:
    """Whether the client was given the upstream's answer, whole."""
    return any(answer.is_whole and answer.status < 500 for answer in outcome.exchange.answers)


def _between_seen(one: Seen, two: Seen) -> Iterator[str]:
    for name in ("method", "target", "version", "host"):
        if getattr(one, name) != getattr(two, name):
            yield f"{name}: {getattr(one, name)} -> {getattr(two, name)}"
    if (one.length, one.digest) != (two.length, two.digest):
        yield f"body: {one.length} bytes -> {two.length} bytes"
    if _framing(one) != _framing(two):
        yield f"framing: {_framing(one)} -> {_framing(two)}"
    yield from _between_fields("field", _fields(one), _fields(two))
    yield from _between_fields("trailer", _split(one.trailers), _split(two.trailers))


def _fields(seen: Seen) -> list[Field]:
    return [field for field in _split(seen.lines) if field[0] not in _FRAMING]


def _split(lines: Sequence[str]) -> list[Field]:
    parts = (line.partition(":") for line in lines)
    return [(name.lower(), value.strip(" \t")) for name, _, value in parts]


def _framing(seen: Seen) -> str:
    if seen.chunked:
        return "chunked"
    return "length" if any(name == "content-length" for name, _ in _split(seen.lines)) else "none"


def _between_fields(kind: str, ones: list[Field], twos: list[Field]) -> Iterator[str]:
    before, after = Counter(ones), Counter(twos)
    for name, value in (before - after).elements():
        yield f"{kind} -{name}: {value}"
    for name, value in (after - before).elements():
        yield f"{kind} +{name}: {value}"
    common = before & after
    if [field for field in ones if field in common] != [field for field in twos if field in common]:
        yield f"order of {kind}s"


def _between_lists(kind: str, ones: list[str], twos: list[str]) -> list[str]:
    if ones == twos:
        return []
    return [f"{kind}: {', '.join(ones) or 'none'} -> {', '.join(twos) or 'none'}"]


def _outline(answer: Answer) -> str:
    interim = "".join(f"{status}+" for status in answer.interim)
    return f"{interim}{answer.status}{'' if answer.is_whole else ' cut'}"


def _between_answers(one: Answer, two: Answer) -> Iterator[str]:
    if one.reason != two.reason:
        yield f"reason: {one.reason.decode('latin-1')} -> {two.reason.decode('latin-1')}"
    if one.body != two.body:
        yield f"body: {one.body[:20]!r} -> {two.body[:20]!r}"
    yield from _between_fields("field", _end_to_end(one), _end_to_end(two))


def _end_to_end(answer: Answer) -> list[Field]:
    """Return the fields that pass through, by name: between different names order means nothing."""
    kept = [(name, _dated(name, value)) for name, value in answer.fields if name not in _CONNECTIONS]
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in kept]
    return sorted(fields, key=lambda field: field[0])


def _dated(name: bytes, value: bytes) -> bytes:
    is_now = name == b"date" and _DATE.fullmatch(value) and _YEAR_OF_THE_CASES not in value
    return b"now" if is_now else value


def _own_fields(answer: Answer) -> list[str]:
    """Return what must be there once at most: Date, Server, and a way of framing."""
    counts = {name: len(answer.values(name)) for name in (b"date", b"server")}
    counts[b"framing"] = len(answer.values(b"content-length") + answer.values(b"transfer-encoding"))
    return [f"{name.decode()} {count} times" for name, count in counts.items() if count > 1]


def _kept(reference: Outcome, other: Outcome) -> list[str]:
    words = ["kept" if outcome.exchange.is_kept else "closed" for outcome in (reference, other)]
    return [f"connection: {one} -> {two}" for one, two in pairwise(words) if one != two]
