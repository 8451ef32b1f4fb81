"""What is said about an uploaded file, of which nothing is kept; upload.go is the twin."""

import hashlib
from collections.abc import AsyncIterable

from typing_extensions import TypedDict


class Uploaded(TypedDict):
    """What /upload answers; a raw body has no filename."""

    filename: str | None
    content_type: str | None
    size: int
    sha256: str


async def digest(
    chunks: AsyncIterable[bytes], filename: str | None = None, content_type: str | None = None
) -> Uploaded:
    """Return size and digest of what the chunks make together."""
    sha256, size = hashlib.sha256(), 0
    async for chunk in chunks:
        sha256.update(chunk)
        size += len(chunk)
    return {"filename": filename, "content_type": content_type, "size": size, "sha256": sha256.hexdigest()}
