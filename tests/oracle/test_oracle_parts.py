"""The parts of the oracle that cases do not reach by themselves: the corpus as text, the list, the page."""

import re
import socket
from dataclasses import replace

import pytest

from tests.oracle.allowed import AllowList, Entry, entries
from tests.oracle.compare import between_requests
from tests.oracle.corpus import cases_in, corpus, decoded
from tests.oracle.page import PAGE, SECTIONS, page
from tests.oracle.play import Outcome
from tests.oracle.sites import Seen
from tests.oracle.wire import Answer, Exchange, talk

ITEMS = range(1, 54)


def test_cases_are_read_as_written() -> None:
    """Lines end with CR LF unless a backslash takes it away; a head ends with an empty line."""
    (one, two) = cases_in(
        "said\n== a | 1, 2 | x\n-- cut\nGET /\nHost: b\n\n== b | 3 | y\nab\\\n~~\n\\x00c\\\n"
    )
    assert (one.name, one.items, one.is_cut) == ("a", (1, 2), True)
    assert one.pieces == (b"GET /\r\nHost: b\r\n\r\n",)
    assert two.pieces == (b"ab", b"\x00c")
    assert str(two) == "b"


def test_what_repeats_is_written_once() -> None:
    """Repetition is expanded before escapes are read."""
    assert decoded(r"$(3*\n)x") == b"\n\n\nx"


def test_the_corpora_are_large_enough_and_numbered() -> None:
    """There are more than 120 requests and 80 responses, each about an item of the list."""
    requests, responses = corpus("requests"), corpus("responses")
    assert len(requests) > 120
    assert len(responses) > 80
    assert all(set(case.items) <= set(ITEMS) for case in [*requests.values(), *responses.values()])


def test_an_allowance_that_nothing_needs_is_found() -> None:
    """An expression or a case that matched nothing is stale; one that did is not."""
    line = {"what": "what", "why": "why", "source": "source"}
    entry = Entry(
        id="e", of="requests", section="go", differences=("a.", "b"), cases=("one", "two"), at="h11", **line
    )
    allowed = AllowList((entry,))
    assert allowed.unexplained("one", "h11", ["ax", "c"]) == ["c"]
    assert allowed.unexplained("two", "httptools", ["b"]) == ["b"]
    assert allowed.unexplained("three", "h11", ["b"]) == ["b"]
    assert allowed.stale() == [("e", "b"), ("e", "two")]


def test_entries_have_names_and_places_of_their_own() -> None:
    """No two entries have the same id, and each is in a section of the page and about cases that exist."""
    listed = entries()
    assert len({entry.id for entry in listed}) == len(listed)
    assert {entry.section for entry in listed} == set(SECTIONS)
    assert all(set(entry.cases) <= corpus(entry.of).keys() for entry in listed)


def test_the_page_is_the_list() -> None:
    """docs/differences.md is what `python -m tests.oracle.page` writes."""
    assert PAGE.read_text(encoding="utf-8") == page()
    assert not re.search(r"\| *\|", page())


def test_what_is_no_http_is_no_answer() -> None:
    """Bytes that are no response are the end of an exchange, and a silent end is, too."""
    for sent in (b"rubbish\r\n\r\n", b""):
        ours, theirs = socket.socketpair()
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        assert talk(lambda ours=ours: ours, [b"x"], ["GET"]).answers == ()  # type: ignore[misc]
        theirs.close()


@pytest.mark.parametrize("body", [b"2\r\nok\r\n0\r\nX-Sum: a\r\n\r\n", b"2;a=b\r\nok\r\n0\r\n\r\n"])
def test_the_client_reads_chunks(body: bytes) -> None:
    """Chunk extensions and trailers belong to the framing."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        theirs.shutdown(socket.SHUT_WR)
        (answer,) = talk(lambda: ours, [b"x"], ["GET"]).answers
    assert (answer.body, answer.is_whole) == (b"ok", True)


def test_what_differs_is_named() -> None:
    """Every part of a request, and every field that may be there once only, is compared."""
    head = {"version": "HTTP/1.1", "host": "a", "length": 0, "digest": "", "chunked": False, "trailers": {}}
    one = Seen.of({"method": "GET", "target": "/", "lines": ["A: 1", "B: 2"], "whole": True, **head})
    two = replace(
        one, method="PUT", lines=("B: 2", "A: 1", "C: 3"), length=1, chunked=True, trailers=("D: 4",)
    )
    twice = [(b"date", b"x"), (b"date", b"y"), (b"content-length", b"0"), (b"transfer-encoding", b"chunked")]
    before = Outcome(Exchange((), is_kept=True), (one,))
    after = Outcome(Exchange((Answer(200, b"OK", twice, b"", is_whole=True),), is_kept=False), (two,))
    assert between_requests(before, after) == [
        "method: GET -> PUT",
        "body: 0 bytes -> 1 bytes",
        "framing: none -> chunked",
        "field +c: 3",
        "order of fields",
        "trailer +d: 4",
        "answers: none -> 200",
        "date 2 times",
        "framing 2 times",
        "connection: kept -> closed",
    ]
