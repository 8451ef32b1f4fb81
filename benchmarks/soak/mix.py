"""What clients do: one function for each kind of request, each with its check of the answer."""

import asyncio
import functools
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import websockets
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.soak.wire import Connection, Head

KIB: Final = 1024
MIB: Final = 1024 * KIB

JUNKS: Final = ["nothing", "garbage", "no-head", "short", "bad-chunk", "no-end", "two", "switched", "status"]
"""The kinds of the upstream's junk. What is left out: a whole second answer after the first, in a write of
its own, which a request that follows at once can be given for its own."""

REFUSALS: Final = (502, 503, 504)


class WrongError(Exception):
    """The answer looked right and was not."""


class RefusedError(Exception):
    """The middleware answered that it could not ask the upstream."""


@functools.lru_cache
def block(seed: str) -> bytes:
    """Return the 64 KiB that a download with that seed repeats."""
    return b"".join(hashlib.sha256(f"{seed}:{i}".encode()).digest() for i in range(2048))


class Client:
    """One client that sends requests one after the other.

    Args:
        port: the server's.
        rng: where its choices come from.
        sent: where POSTs are put down: by id, how many bytes of what digest.
    """

    def __init__(self, port: int, rng: random.Random, sent: dict[str, tuple[int, str]]) -> None:
        self._port = port
        self.rng = rng
        self._sent = sent
        self._kept: Connection | None = None

    def close(self) -> None:
        """Let go of the connection that is kept."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    @asynccontextmanager
    async def _connection(self, receive_buffer: int | None = None) -> AsyncIterator[Connection]:
        """Lend a connection: the last one again, or a new one; dropped when anything goes wrong."""
        kept, self._kept = self._kept, None
        if receive_buffer is not None and kept is not None:
            kept.close()
            kept = None
        connection = kept or await Connection.open(self._port, receive_buffer)
        try:
            yield connection
        except BaseException:
            connection.abort() if self.rng.random() < 0.5 else connection.close()
            raise
        if connection.is_reusable and receive_buffer is None and self.rng.random() < 0.9:
            self._kept = connection
        else:
            connection.close()

    async def _head(self, connection: Connection) -> Head:
        """Return the head of an answer with status 200."""
        head = await connection.head()
        if head.status in REFUSALS:
            raise RefusedError(head.fields.get("proxy-status", "no proxy-status"))
        if head.status != 200:
            raise WrongError(f"status {head.status}")
        return head

    async def _text(self, connection: Connection) -> str:
        head = await self._head(connection)
        return b"".join([piece async for piece in connection.body(head)]).decode()

    # -- kinds -------------------------------------------------------------------------------------

    async def python(self, _: str) -> None:
        """What is not forwarded."""
        async with self._connection() as connection:
            await connection.ask("GET", "/python")
            _expect(await self._text(connection), "python")

    async def get(self, name: str) -> None:
        """A small answer, from an upstream that is sometimes slow."""
        pad = self.rng.choice([0, 100, 3000])
        wait = self.rng.choice([0, 0, 0, 5, 100])
        async with self._connection() as connection:
            await connection.ask("GET", f"/counted/small?pad={pad}&wait={wait}", x_count_id=name)
            _expect(await self._text(connection), f"{name}\n{'x' * pad}")

    async def post(self, name: str) -> None:
        """A small body."""
        await self._upload(name, self.rng.choice([0, 10, 2 * KIB]), is_slow=False)

    async def upload(self, name: str) -> None:
        """A large body, that sometimes client or upstream are slow with."""
        await self._upload(name, self.rng.randrange(3 * MIB), is_slow=self.rng.random() < 0.3)

    async def _upload(self, name: str, size: int, *, is_slow: bool) -> None:
        seed = self.rng.choice("abcd")
        pieces = [block(seed)[: min(64 * KIB, size - at)] for at in range(0, size, 64 * KIB)]
        digest = hashlib.sha256(b"".join(pieces)).hexdigest()
        self._sent[name] = size, digest
        is_chunked = self.rng.random() < 0.5
        wait = self.rng.choice([0, 0, 0, 20])
        async with self._connection() as connection:
            framing = {"transfer_encoding": "chunked"} if is_chunked else {"content_length": str(size)}
            await connection.ask("POST", f"/counted/upload?wait={wait}", x_count_id=name, **framing)
            for piece in pieces:
                await connection.send(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
                if is_slow:
                    await asyncio.sleep(self.rng.uniform(0, 0.03))
            if is_chunked:
                await connection.send(b"0\r\n\r\n")
            _expect(await self._text(connection), f"{name} {size} {digest}")

    async def download(self, name: str) -> None:
        """A large answer, that sometimes client or upstream are slow with."""
        size, seed = self.rng.randrange(4 * MIB), self.rng.choice("abcd")
        is_slow, wait = self.rng.random() < 0.2, self.rng.choice(["", "", "5"])
        framing = self.rng.choice(["length", "chunked"])
        target = f"/counted/download?bytes={size}&seed={seed}&framing={framing}&wait={wait}"
        seen = bytearray()
        async with self._connection(16 * KIB if is_slow else None) as connection:
            await connection.ask("GET", target, x_count_id=name)
            async for piece in connection.body(await self._head(connection)):
                seen += piece
                if is_slow and self.rng.random() < 0.2:
                    await asyncio.sleep(self.rng.uniform(0, 0.03))
        whole, rest = divmod(size, 64 * KIB)
        if seen != block(seed) * whole + block(seed)[:rest]:
            raise WrongError(f"a download of {size} bytes came as {len(seen)} others")

    async def events(self, name: str) -> None:
        """Server-sent events, in order and all of them."""
        count, wait = self.rng.randrange(1, 20), self.rng.choice([1, 20, 100])
        async with self._connection() as connection:
            await connection.ask("GET", f"/counted/events?n={count}&wait={wait}", x_count_id=name)
            lines = [line for line in (await self._text(connection)).split("\n") if line]
        _expect(
            str([line.rpartition(" ")[0] for line in lines]),
            str([f"data: {name} {i}" for i in range(count)]),
        )

    async def socket(self, name: str) -> None:
        """A WebSocket: every message comes back, in order."""
        uri = f"ws://127.0.0.1:{self._port}/counted/ws"
        fields = {"x-count-id": name}
        try:
            ws = await connect(uri, additional_headers=fields, compression=None, proxy=None, max_size=MIB)
        except websockets.InvalidStatus as error:
            if error.response.status_code not in REFUSALS:
                raise WrongError(f"status {error.response.status_code}") from error
            raise RefusedError(str(error)) from error
        except (websockets.InvalidHandshake, OSError, EOFError) as error:
            raise RefusedError(f"no handshake: {error}") from error
        try:
            await self._converse(ws)
        except websockets.ConnectionClosed as error:
            raise RefusedError(f"closed: {error}") from error
        except BaseException:
            ws.transport.abort()
            raise

    async def _converse(self, ws: ClientConnection) -> None:
        for _ in range(self.rng.randrange(1, 20)):
            data = self.rng.randbytes(self.rng.choice([0, 10, 1000, 70_000]))
            message = data.hex() if self.rng.random() < 0.5 else data
            await ws.send(message)
            if await ws.recv() != message:
                raise WrongError("a message came back as another")
        await ws.close()

    async def junk(self, name: str) -> None:
        """An answer that is none: never may it pass for a whole one."""
        kind = self.rng.choice(JUNKS)
        async with self._connection() as connection:
            await connection.ask("GET", f"/counted/junk?kind={kind}", x_count_id=name)
            text = await self._text(connection)
        raise WrongError(f"junk {kind!r} passed for an answer: {text[:80]!r}")


def _expect(text: str, expected: str) -> None:
    if text != expected:
        raise WrongError(f"{text[:200]!r} instead of {expected[:200]!r}")


Kind = Callable[[Client, str], Awaitable[None]]

KINDS: Final[dict[str, tuple[Kind, int]]] = {
    "python": (Client.python, 4),
    "get": (Client.get, 40),
    "post": (Client.post, 30),
    "upload": (Client.upload, 5),
    "download": (Client.download, 5),
    "events": (Client.events, 4),
    "socket": (Client.socket, 5),
    "junk": (Client.junk, 4),
}
"""Each kind of request, and how often it comes, relative to the others."""
