"""Shows a decision to those who may see it, in a field of the response: `x-forst-decision`."""

from forst_asgi.decision.outcome import Decision
from forst_asgi.types import Message, Send

FIELD = b"x-forst-decision"


def decision_field(decision: Decision) -> bytes:
    """Return the value of the field: "sidecar; reason=rule_on; rule=staff"."""
    rule = "" if decision.rule is None else f"; rule={decision.rule}"
    return f"{decision.target}; reason={decision.reason}{rule}".encode()


def showing(decision: Decision, send: Send) -> Send:
    """Return a `send` that adds the field to the head of the response, of a WebSocket's handshake as well."""

    async def send_with_decision(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            headers = [(name, value) for name, value in message.get("headers", ()) if name.lower() != FIELD]
            message = {**message, "headers": [*headers, (FIELD, decision_field(decision))]}
        await send(message)

    return send_with_decision
