"""The app that is soaked: everything under /counted is forwarded, /soak/state tells what is left of it.

`SOAK_ADDRESS` says where the upstream listens.
"""

import asyncio
import gc
import json
import os
from collections import Counter
from typing import Any

from forst_asgi import Config, Event, SidecarMiddleware
from forst_asgi.transport import Http1Transport
from forst_asgi.transport.pool import Pool
from forst_asgi.types import Receive, Scope, Send

KEEPALIVE_S = 2

_COUNTED = ("forst_asgi.transport", "forst_asgi.forward", "forst_asgi.websocket", "forst_asgi.messages")


class Counting:
    """An observer that only counts."""

    wants_requests = True

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()

    def observe(self, event: Event) -> None:
        """Count one event."""
        self.events[event.name] += 1


def _configuration(address: str) -> Config:
    return Config.model_validate(
        {
            # Fewer connections than clients, so that some wait in line.
            "sidecar": {
                "address": address,
                # Whatever fails shall be told apart by its cause, and not be refused for another one's.
                "breaker_failures": 1_000_000,
                "max_connections": 16,
                "keepalive": f"{KEEPALIVE_S}s",
                "pool_timeout": "30s",
            },
            "route": [
                {
                    "id": "counted",
                    "path": "/counted/{rest:path}",
                    "type": ["http", "websocket"],
                    "mode": "on",
                    "auth": "none",
                }
            ],
        }
    )


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what is not forwarded: the state, or a word."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    body = json.dumps(state()).encode() if scope["path"] == "/soak/state" else b"python"
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})


observer = Counting()
app = SidecarMiddleware(inner, _configuration(os.environ["SOAK_ADDRESS"]), observer=observer)


def _pool() -> Pool:
    runtime = app._runtime  # noqa: SLF001 - there is no public way to the pool, and a soak wants to see it
    if runtime is None or not isinstance(runtime.upstreams["sidecar"].transport, Http1Transport):
        raise TypeError("no runtime, or another transport")
    return runtime.upstreams["sidecar"].transport.pool()


def state() -> dict[str, Any]:
    """Return what the process holds: connections, tasks, and objects of the data path."""
    gc.collect()
    pool = _pool()
    kinds = (type(each) for each in gc.get_objects())
    return {
        "open": pool.slots,
        "idle": pool.idle,
        "waiting": len(pool._waiting),  # noqa: SLF001 - as above
        "tasks": sorted(_name(task) for task in asyncio.all_tasks()),
        "waits": sorted(_waits(task) for task in asyncio.all_tasks()),
        "objects": Counter(kind.__qualname__ for kind in kinds if str(kind.__module__).startswith(_COUNTED)),
        "events": observer.events,
    }


def _name(task: "asyncio.Task[Any]") -> str:
    return str(getattr(task.get_coro(), "__qualname__", task.get_coro()))


def _waits(task: "asyncio.Task[Any]") -> str:
    """Return where a task waits, from the outside in."""
    places = []
    inner: Any = task.get_coro()
    while (frame := getattr(inner, "cr_frame", None)) is not None:
        places.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
        inner = inner.cr_await
    return " > ".join([*places, repr(inner)])
