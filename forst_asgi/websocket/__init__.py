"""Forwarding WebSockets: the upstream's handshake first, then the client's, then messages both ways.

    handler     one WebSocket from its arrival to its end, as an ASGI app
    opening     scope -> the request for the upstream; the upstream's answer -> fields for the client
    seats       how many there may be at once
    dial        connect, shake hands (RFC 6455 section 4.1)
    interim     answers before the final one
    frames      the library's parser, made to give whole messages
    link        the upstream's side, once it is open: messages in and out, ping, close
    client      the client's side: the ASGI messages
    session     both sides at once, and who ends it
    ending      how it ended, and what each side is told
    report      what the observer is told

Frames and the client's half of the handshake are those of `websockets`, the library, in its form without
I/O (`websockets.client.ClientProtocol`). Against wsproto it has these advantages here: it refuses a frame
that is too large by its header, before a byte of it is kept; it knows which close codes may not be on the
wire; it masks in C; it needs no second HTTP parser beside the one that is there; and the bytes of the
request are ours to write, target and fields as the client sent them. It comes with the extra
`forst-asgi[websocket]`; nothing else imports this package.
"""

from forst_asgi.websocket.dial import Dialer
from forst_asgi.websocket.handler import WebSocketForwarder, WebSocketPolicy
from forst_asgi.websocket.seats import Seats

__all__ = ["Dialer", "Seats", "WebSocketForwarder", "WebSocketPolicy"]
