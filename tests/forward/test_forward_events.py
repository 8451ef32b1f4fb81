"""What the observer is told, under fixed keys."""

import asyncio
import contextlib
import dataclasses
import io
import json
from typing import Any

import pytest

from forst_asgi import errors
from forst_asgi.events import Event, RequestAbandoned, RequestFailed, RequestForwarded, RequestRefused
from forst_asgi.forward.call import Call
from forst_asgi.observability import log_observer
from forst_asgi.request_id import RequestId, current
from forst_asgi.testing import Answer, FakeTransport, RecordingObserver
from tests.forward.calls import Client, Forwarding, http_scope

KEYS = {"route": "quotes", "upstream": "sidecar", "target": "sidecar", "reason": "mode_on"}


def told(forwarding: Forwarding, client: Client | None = None, **scope: Any) -> Event:
    """Forward one request and return the one event that it led to."""

    async def main() -> None:
        with contextlib.suppress(errors.BodyError):
            await forwarding(http_scope(**scope), client or Client())

    asyncio.run(main())
    (event,) = forwarding.observer.events
    return event


def keys_of(event: Event) -> dict[str, Any]:
    """Return an event's keys; its duration was measured, nothing more is known of it."""
    keys = dataclasses.asdict(event)
    assert keys.pop("duration_ms") >= 0
    return keys


def test_forwarded() -> None:
    """A whole answer is told as forwarded, with its status."""
    event = told(Forwarding(FakeTransport([Answer(404)])), method="PUT")
    assert isinstance(event, RequestForwarded)
    assert (event.name, event.level) == ("forst.request.forwarded", "info")
    assert keys_of(event) == {**KEYS, "method": "PUT", "status": 404}


def test_refused() -> None:
    """What the client is to blame for is told as refused, with the kind of the error."""
    event = told(Forwarding(), host=False)
    assert isinstance(event, RequestRefused)
    assert (event.name, event.level) == ("forst.request.refused", "warning")
    assert keys_of(event) == {**KEYS, "method": "GET", "status": 400, "error": "bad-host"}


@pytest.mark.parametrize(
    ("error", "status", "stage"),
    [
        (errors.ConnectError("refused"), 502, "connect"),
        (errors.PoolFull("full"), 503, "pool"),
        (errors.WriteTimeout("stalled"), 504, "write"),
        (errors.HeadError("cut"), 502, "head"),
    ],
)
def test_failed(error: errors.UpstreamError, status: int, stage: str) -> None:
    """What the upstream is to blame for is told as failed, with stage and reason."""
    event = told(Forwarding(FakeTransport([error])))
    assert isinstance(event, RequestFailed)
    assert (event.name, event.level) == ("forst.request.failed", "error")
    keys = keys_of(event)
    assert keys.pop("error").endswith(f": {error}")
    assert keys == {**KEYS, "method": "GET", "status": status, "stage": stage}


def test_failed_after_the_head() -> None:
    """A torn answer is told as failed at the stage "body"."""
    event = told(Forwarding(FakeTransport([Answer(body=(b"some", errors.BodyError("torn")))])))
    assert isinstance(event, RequestFailed)
    assert (event.stage, event.error) == ("body", "body-error: torn")


def test_failed_before_anybody_was_asked() -> None:
    """A failure that is no upstream's has the stage "request"."""
    event = told(Forwarding(), headers=[(b"host", b"a"), (b"via", b"1.1 forst")])
    assert isinstance(event, RequestFailed)
    assert (event.stage, event.status) == ("request", 502)


def test_abandoned() -> None:
    """A client that left before its answer is told as abandoned, without a status."""
    client = Client(OSError("gone"))
    event = told(Forwarding(), client, headers=[(b"host", b"a"), (b"content-length", b"5")])
    assert isinstance(event, RequestAbandoned)
    assert keys_of(event) == {**KEYS, "method": "GET", "status": None}


def test_observer_that_wants_no_requests() -> None:
    """Failures and refusals are told to everybody, forwarded and abandoned requests only on request."""
    observer = RecordingObserver(wants_requests=False)
    transport = FakeTransport([Answer(), errors.ConnectError("no")])
    forwarding = Forwarding(transport, observer=observer)

    async def main() -> None:
        await forwarding.answer(http_scope())
        await forwarding.answer(http_scope((b"content-length", b"5")), OSError("gone"))
        await forwarding.answer(http_scope())
        await forwarding.answer(http_scope(host=False))

    asyncio.run(main())
    assert observer.names == ["forst.request.failed", "forst.request.refused"]


def test_logged() -> None:
    """Through structlog an event is one line with its keys and the id of the request."""
    stream = io.StringIO()
    forwarding = Forwarding(observer=log_observer("json", "all", stream))

    async def main() -> None:
        scope = http_scope((b"x-request-id", b"abc"))
        current.set(RequestId.of(scope))
        await forwarding.answer(scope)

    asyncio.run(main())
    line = json.loads(stream.getvalue())
    assert {**KEYS, "method": "GET", "status": 200, "request_id": "abc"}.items() <= line.items()
    assert line["event"] == "forst.request.forwarded"


def test_what_they_look_like() -> None:
    """A forwarder and a call say what they are about."""

    async def main() -> None:
        forwarding = Forwarding()
        assert repr(forwarding.forward) == "<Forwarder quotes -> sidecar>"
        call = Call(http_scope(), Client().receive, asyncio.get_running_loop())
        assert repr(call) == "<Call GET /api/quotes/7 status=None>"
        call.watch()
        assert repr(call) == "<Call GET /api/quotes/7 status=None watched>"
        await call.let_go()

    asyncio.run(main())
