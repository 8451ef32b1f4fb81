"""Hidden requests, and an upstream that reads by the letter: none is forwarded, all it gets is valid."""

import asyncio
import contextlib
import re
from typing import TypeAlias

import pytest

from tests.corpora.hiding import BEHIND, cases
from tests.corpora.strict import MalformedError, Request, UnfinishedError, parse
from tests.oracle.sites import OURS, Served, forwarding

AT_ONCE = 16
QUIET_S = 0.15
"""How long a server is silent before the next request is sent, or the connection given up. No test depends on
it: what was forwarded is looked at in the end."""

NUMBER = re.compile(rb"/(?:shown|hidden|behind)-(\d{5})")


class Reader:
    """An upstream that takes note of what it gets."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        data = b""
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            while received := await reader.read(65536):
                data = self._answer(data + received, writer)

    def _answer(self, data: bytes, writer: asyncio.StreamWriter) -> bytes:
        while data:
            try:
                request, data = parse(data)
            except UnfinishedError:
                break
            except MalformedError as error:
                self.faults.append(f"{error}: {data!r}")
                writer.close()
                break
            self.requests.append(request)
            target = request.target
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))
        return data


Played: TypeAlias = tuple[Reader, dict[int, bytes]]


async def until_quiet(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """Return what comes until nothing more comes, and whether that was the end."""
    seen = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while data := await asyncio.wait_for(reader.read(65536), QUIET_S):
            seen += data
        return seen, True
    return seen, False


async def ask(address: tuple[str, int], number: int, raw: bytes) -> bytes:
    """Send a case and then an honest request; return all that comes back."""
    reader, writer = await asyncio.open_connection(*address)
    with contextlib.suppress(ConnectionError), contextlib.closing(writer):
        writer.write(raw.replace(b"@@@@@", b"%05d" % number))
        seen, has_ended = await until_quiet(reader)
        if not has_ended:
            writer.write(BEHIND.replace(b"@@@@@", b"%05d" % number))
            seen += (await until_quiet(reader))[0]
        return seen
    return b""


async def play(site: str, raws: list[bytes]) -> Played:
    """Send all cases to a site; return what the upstream got, and what came back by number."""
    upstream = Reader()
    answers: dict[int, bytes] = {}
    server = await asyncio.start_server(upstream, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    turns = asyncio.Semaphore(AT_ONCE)
    with Served(forwarding(f"http://127.0.0.1:{port}", site), site).running() as running:
        with running.connect() as probe:
            address = probe.getpeername()

        async def one(number: int) -> None:
            async with turns:
                answers[number] = await ask(address, number, raws[number])

        await asyncio.gather(*map(one, range(len(raws))))
        await asyncio.to_thread(running.settle)
    server.close()
    return upstream, answers


@pytest.fixture(scope="module", params=OURS)
def played(request: pytest.FixtureRequest) -> Played:
    """What the cases came to at one site."""
    return asyncio.run(play(request.param, [raw for _, raw in cases()]))


@pytest.mark.item(17, 18)
def test_no_hidden_request_is_forwarded(played: Played) -> None:
    """Whatever hides a request: it is a body, or nothing; never a request of its own."""
    upstream, _ = played
    names = [name for name, _ in cases()]
    hidden = [request for request in upstream.requests if request.target.startswith(b"/hidden")]
    assert [names[int(request.target[-5:])] for request in hidden] == []


@pytest.mark.item(16, 17, 27)
def test_all_that_is_forwarded_is_valid_and_of_one_client(played: Played) -> None:
    """The upstream gets nothing malformed, and no byte of one connection in a request of another."""
    upstream, _ = played
    assert upstream.faults == []
    for request in upstream.requests:
        values = b" ".join(value for _, value in request.fields)
        assert len(set(NUMBER.findall(request.target + request.body + values))) <= 1
    assert upstream.requests


@pytest.mark.item(29)
def test_every_answer_is_the_clients_own(played: Played) -> None:
    """No client gets a byte that another asked for, nor a 500."""
    _, answers = played
    for number, name in enumerate(name for name, _ in cases()):
        assert b"HTTP/1.1 500" not in answers[number], name
        assert set(NUMBER.findall(answers[number])) <= {b"%05d" % number}, name
