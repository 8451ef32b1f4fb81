"""Bodies that are produced piece by piece; stream.go is the twin."""

import asyncio
from collections.abc import AsyncIterator

BLOCK = bytes((i * 31 + i // 251) & 0xFF for i in range(64 * 1024))
"""One 64 KiB piece of what /download sends over and over."""


async def events(count: int, interval_s: float) -> AsyncIterator[str]:
    """Yield server-sent events, one every `interval_s` seconds."""
    for number in range(count):
        if number:
            await asyncio.sleep(interval_s)
        yield f'id: {number}\nevent: tick\ndata: {{"number":{number},"of":{count}}}\n\n'


async def blocks(size: int) -> AsyncIterator[bytes]:
    """Yield `size` bytes in all, from memory that does not grow with size."""
    for _ in range(size // len(BLOCK)):
        yield BLOCK
    if rest := size % len(BLOCK):
        yield BLOCK[:rest]
