"""The response field that shows a decision."""

import asyncio
from typing import Any

import pytest

from forst_asgi.decision import Decision, Reason, Target
from forst_asgi.decision.shown import showing
from forst_asgi.types import Message

PLAIN = Decision(Target.APP, Reason.MODE_OFF)


def sent(decision: Decision, message: Message) -> Message:
    """Return what a message becomes."""
    messages: list[Message] = []

    async def send(each: Message) -> None:
        messages.append(each)

    asyncio.run(showing(decision, send)(message))  # type: ignore[arg-type]  # it is a coroutine
    return messages[0]


@pytest.mark.parametrize("kind", ["http.response.start", "websocket.accept", "websocket.http.response.start"])
def test_the_head_of_a_response_tells(kind: str) -> None:
    """Target, reason and rule stand in one field, in place of one that somebody else set."""
    headers: list[Any] = [(b"a", b"1"), (b"X-Forst-Decision", b"made up")]
    found = sent(Decision(Target.SIDECAR, Reason.RULE_ON, "staff"), {"type": kind, "headers": headers})
    assert found["headers"] == [(b"a", b"1"), (b"x-forst-decision", b"sidecar; reason=rule_on; rule=staff")]
    assert len(headers) == 2


def test_a_head_without_headers_gets_one() -> None:
    """ASGI lets headers be left out."""
    found = sent(PLAIN, {"type": "http.response.start", "status": 200})
    assert found["headers"] == [(b"x-forst-decision", b"app; reason=mode_off")]


def test_other_messages_pass_unchanged() -> None:
    """The body is the very object that was sent."""
    body = {"type": "http.response.body", "body": b"x"}
    assert sent(PLAIN, body) is body
