"""Interim answers to a handshake: 100, 102, 103 may come before the final one (RFC 9110 section 15.2).

They mean nothing to a WebSocket's client, and the library takes the first answer for the last. So they are
left out before it sees them.
"""

import asyncio
import re
from typing import Final

from forst_asgi.errors import ProtocolError

_INTERIM: Final = re.compile(rb"HTTP/1\.1 1(?!01)\d\d[ \r]")

_STATUS_BYTES: Final = len(b"HTTP/1.1 101 ")

_MAX_BYTES: Final = 16 * 1024
"""How much of interim answers is read before it is taken for junk."""


async def final_answer(reader: asyncio.StreamReader, size: int) -> bytes:
    """Return the beginning of the final answer, with whatever came together with it; b"" for none.

    Args:
        reader: the connection, with nothing read from it.
        size: how many bytes to read at a time.

    Raises:
        ProtocolError: interim answers without end.
        OSError: the connection broke.
    """
    data, skipped = b"", 0
    while len(data) < _STATUS_BYTES or _INTERIM.match(data):
        head, end, rest = data.partition(b"\r\n\r\n")
        if end:
            data, skipped = rest, skipped + len(head)
        elif more := await reader.read(size):
            data += more
        else:
            return data
        if skipped > _MAX_BYTES or (_INTERIM.match(data) and len(data) > _MAX_BYTES + size):
            raise ProtocolError("the upstream gave interim answers to the WebSocket handshake without end")
    return data
