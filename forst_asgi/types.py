"""Names for the shapes that the ASGI specification leaves as dictionaries and callables."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Header: TypeAlias = tuple[bytes, bytes]
"""One field line: a lower-case name and its value, as ASGI has them."""

RawHeaders: TypeAlias = list[Header]
"""Field lines in wire order, duplicates kept. Never changed in place once handed on."""
